//! Tests of the pallet: what each call checks, how tasks live and end, and attackers at random.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod agenda;
mod confirm;
mod departures;
mod keys;
mod life;
mod random;
mod submit;

use crate::mock::*;
use crate::types::{
    Attestation, AttestationKind, AttestationOf, Balance, Cause, Departure, Reason, Regions, Status, Task,
    TaskSpec, WrappedKey,
};
use crate::{Call, Ended, Error, Event, MinerTasks, Tasks as StoredTasks};
use cyborg_primitives::task::{Placement, ProofPolicy, Role, TaskState};
use cyborg_primitives::{Digest, HOUR_MS, TaskId};
use polkadot_sdk::frame_support::dispatch::GetDispatchInfo;
use polkadot_sdk::frame_support::{BoundedVec, assert_noop, assert_ok};
use polkadot_sdk::sp_runtime::DispatchError;
use polkadot_sdk::sp_runtime::traits::Dispatchable;

const OWNER: AccountId = 1;
const DELEGATE: AccountId = 2;
const STRANGER: AccountId = 3;
const MANIFEST: Digest = [1; 32];
const RESULT_KEY: [u8; 32] = [2; 32];
const WRAP: WrappedKey = [3; 80];

/// Two replicas and a standby that is not to read, anywhere, for an hour of compute.
fn spec() -> TaskSpec<AccountId> {
    TaskSpec {
        model: MODEL,
        placement: Placement {
            replicas: 2,
            standbys: 1,
            regions: Regions::new(),
            near: None,
            min_reputation: 0,
        },
        price_cap: 2_000_000,
        compute_ms: HOUR_MS,
        proof_cap: 100,
        max_proofs: 10,
        policy: ProofPolicy::Every,
        delegate: Some(DELEGATE),
        standbys_read_now: false,
    }
}

/// One replica and nothing else.
fn single() -> TaskSpec<AccountId> {
    let mut spec = spec();
    spec.placement.replicas = 1;
    spec.placement.standbys = 0;
    spec
}

/// A call as a transaction makes it: what fails leaves nothing behind, and nothing costs more than
/// was charged.
fn call(who: AccountId, call: Call<Test>) -> Result<(), DispatchError> {
    let call = RuntimeCall::Tasks(call);
    let charged = call.get_dispatch_info().call_weight;
    let result = call.dispatch(RuntimeOrigin::signed(who));
    let info = match &result {
        Ok(info) => info,
        Err(error) => &error.post_info,
    };
    if let Some(actual) = info.actual_weight {
        assert!(actual.all_lte(charged), "{actual} was charged {charged}");
    }
    check();
    result.map(|_| ()).map_err(|error| error.error)
}

fn submit(spec: TaskSpec<AccountId>) -> Result<TaskId, DispatchError> {
    let id = crate::NextTask::<Test>::get();
    call(OWNER, Call::submit { spec }).map(|()| id)
}

fn task(id: TaskId) -> Task<Test> {
    StoredTasks::<Test>::get(id).unwrap()
}

fn status(id: TaskId, miner: AccountId) -> Status {
    task(id).parts.iter().find(|part| part.miner == miner).unwrap().status
}

fn live(id: TaskId, role: Role) -> Vec<AccountId> {
    let task = task(id);
    task.parts.iter().filter(|part| part.is_live() && part.role == role).map(|part| part.miner).collect()
}

/// Who waits for a key.
fn keyless(id: TaskId) -> Vec<AccountId> {
    let keyless = |status| matches!(status, Status::Keyless { .. });
    task(id).parts.iter().filter(|part| keyless(part.status)).map(|part| part.miner).collect()
}

fn wraps(miners: &[AccountId]) -> BoundedVec<(AccountId, WrappedKey), <Test as crate::Config>::MaxAssigned> {
    miners.iter().map(|miner| (*miner, WRAP)).collect::<Vec<_>>().try_into().unwrap()
}

fn provide(who: AccountId, id: TaskId, miners: &[AccountId]) -> Result<(), DispatchError> {
    let wraps = wraps(miners);
    call(who, Call::provide_keys { task: id, manifest: MANIFEST, result_key: RESULT_KEY, wraps })
}

/// An honest attestation of now.
fn attestation() -> AttestationOf<Test> {
    let block = System::block_number() - 1;
    Attestation {
        kind: AttestationKind::SelfSigned,
        executable: [4; 32],
        model: KEY,
        device: b"a machine".to_vec().try_into().unwrap(),
        block,
        block_hash: System::block_hash(block),
        test: [5; 32],
    }
}

fn confirm(miner: AccountId, id: TaskId) -> Result<(), DispatchError> {
    call(miner, Call::confirm { task: id, attestation: attestation() })
}

fn decline(miner: AccountId, id: TaskId) -> Result<(), DispatchError> {
    call(miner, Call::decline { task: id, reason: Reason::Busy })
}

fn vacate(miner: AccountId, id: TaskId) -> Result<(), DispatchError> {
    call(miner, Call::vacate { task: id })
}

fn stop(who: AccountId, id: TaskId) -> Result<(), DispatchError> {
    call(who, Call::stop { task: id })
}

/// A task all of whose replicas serve.
fn running(spec: TaskSpec<AccountId>) -> TaskId {
    let id = submit(spec).unwrap();
    let miners = keyless(id);
    provide(OWNER, id, &miners).unwrap();
    for miner in miners {
        confirm(miner, id).unwrap();
    }
    id
}

/// The task is over for this reason, its escrow closed once, and everybody was told.
fn assert_ended(id: TaskId, cause: Cause) {
    assert!(StoredTasks::<Test>::get(id).is_none());
    assert_eq!(Ended::<Test>::get(id).unwrap().cause, cause);
    assert_eq!(Closed::get(id), 1);
    assert!(Moneys::get(id).is_none());
    assert!(!Ending::get(id).is_empty());
}

fn has_event(event: Event<Test>) -> bool {
    System::events().iter().any(|record| record.event == RuntimeEvent::Tasks(event.clone()))
}
