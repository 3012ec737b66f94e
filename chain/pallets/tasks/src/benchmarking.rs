//! Benchmarks of every call and of each step of the agenda, each at the state in which it does
//! most: every open place is filled at once. The pallet adds what the register says of ranking; the
//! time of the small ranking here is in both, the index's sizes are in the proof of the ranking alone.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up fails")]

use super::*;
use crate::agenda::Popped;
use crate::types::{Attestation, AttestationKind, Departure, Device, Place, Regions};
use alloc::vec;
use alloc::vec::Vec;
use cyborg_interface::Departures;
use cyborg_primitives::HOUR_MS;
use cyborg_primitives::task::{Placement, ProofPolicy};
use polkadot_sdk::frame_benchmarking::v2::*;
use polkadot_sdk::frame_support::BoundedVec;
use polkadot_sdk::frame_support::traits::{Get, Time};
use polkadot_sdk::frame_system::RawOrigin;
use polkadot_sdk::sp_runtime::traits::{Convert, One, Saturating};

/// More per hour than any miner here asks.
const PRICE_CAP: Balance = 1_000_000_000_000;

fn now<T: Config>() -> Moment {
    T::Time::now()
}

fn owner<T: Config>() -> T::AccountId {
    let owner = whitelisted_caller();
    T::BenchmarkHelper::fund(&owner);
    owner
}

fn miners<T: Config>(count: u32) -> Vec<T::AccountId> {
    registered::<T>("miner", count)
}

fn registered<T: Config>(name: &'static str, count: u32) -> Vec<T::AccountId> {
    let miners: Vec<T::AccountId> = (0..count).map(|index| account(name, index, 0)).collect();
    for miner in &miners {
        T::Registry::set_up_miner(miner);
    }
    miners
}

fn spec<T: Config>(model: ModelId, replicas: u32, policy: ProofPolicy) -> TaskSpec<T::AccountId> {
    let cost = T::Models::model(model).unwrap().cost;
    let fee = T::VerificationFee::convert(cost);
    TaskSpec {
        model,
        placement: Placement {
            replicas: replicas as u8,
            standbys: 0,
            regions: Regions::new(),
            near: None,
            min_reputation: 0,
        },
        price_cap: PRICE_CAP,
        compute_ms: HOUR_MS,
        proof_cap: fee.saturating_mul(2).saturating_add(PRICE_CAP / 1_000),
        max_proofs: 256,
        policy,
        delegate: Some(account("delegate", 0, 0)),
        standbys_read_now: true,
    }
}

fn attestation<T: Config>(model: ModelId) -> AttestationOf<T> {
    let block = frame_system::Pallet::<T>::block_number();
    let before = block.saturating_sub(One::one());
    Attestation {
        kind: AttestationKind::SelfSigned,
        executable: [1; 32],
        model: T::Models::model(model).unwrap().key,
        device: Device::truncate_from(vec![b'x'; 64]),
        block: before,
        block_hash: frame_system::Pallet::<T>::block_hash(before),
        test: [2; 32],
    }
}

/// How far the miners of a prepared task have come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Keyless,
    Keyed,
    Confirmed,
}

/// A task with these miners as replicas, all at one stage.
fn prepared<T: Config>(
    owner: &T::AccountId,
    miners: &[T::AccountId],
    policy: ProofPolicy,
    stage: Stage,
) -> TaskId {
    let model = T::Models::set_up_model(owner);
    let (id, mut task) = Pallet::<T>::open(owner.clone(), spec::<T>(model, 1, policy), now::<T>()).unwrap();
    task.placement.replicas = miners.len() as u8;
    let registered = T::Models::model(model).unwrap();
    for miner in miners {
        assert!(Pallet::<T>::engage(id, &mut task, &registered, miner, Role::Replica, now::<T>()));
    }
    if stage != Stage::Keyless {
        task.keys = Some(Keys { manifest: [1; 32], result_key: [2; 32] });
        let due = now::<T>().saturating_add(T::ConfirmationPeriod::get());
        for part in &mut task.parts {
            part.status = Status::Keyed { due };
            Wraps::<T>::insert(id, &part.miner, [3; 80]);
        }
    }
    if stage == Stage::Confirmed {
        task.state = TaskState::Running;
        for part in &mut task.parts {
            part.status = Status::Confirmed;
            Attestations::<T>::insert(id, &part.miner, attestation::<T>(model));
        }
    }
    Pallet::<T>::keep(id, task, now::<T>());
    id
}

/// A task on which one miner serves.
pub(crate) fn running_task<T: Config>(
    owner: &T::AccountId,
    miner: &T::AccountId,
    policy: ProofPolicy,
) -> TaskId {
    T::BenchmarkHelper::fund(owner);
    T::Registry::set_up_miner(miner);
    prepared::<T>(owner, core::slice::from_ref(miner), policy, Stage::Confirmed)
}

/// A task for `n` miners of which one is left, its last but for `n` others that wait to be engaged.
fn deserted<T: Config>(n: u32, policy: ProofPolicy, stage: Stage) -> (TaskId, T::AccountId) {
    let mut miners = miners::<T>(n);
    let id = prepared::<T>(&owner::<T>(), &miners, policy, stage);
    let mut task = Tasks::<T>::get(id).unwrap();
    let last = miners.remove(0);
    for miner in miners {
        Pallet::<T>::let_go(id, &mut task, &miner, Departure::Gone);
    }
    Pallet::<T>::keep(id, task, now::<T>());
    registered::<T>("newcomer", n);
    (id, last)
}

/// Fills the page that the next entry for this moment goes to, but for one entry.
fn crowd<T: Config>(at: Moment) -> Place {
    let mut place = Pallet::<T>::schedule(Wake::Forget(u64::MAX), at);
    for index in 2..PAGE_ENTRIES {
        place = Pallet::<T>::schedule(Wake::Forget(u64::MAX - u64::from(index)), at);
    }
    place
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark(pov_mode = MaxEncodedLen { Miners::BucketSizes: Ignored })]
    fn submit(n: Linear<1, { T::MaxAssigned::get() }>) {
        let caller = owner::<T>();
        miners::<T>(n);
        let spec = spec::<T>(T::Models::set_up_model(&caller), n, ProofPolicy::Every);
        crowd::<T>(now::<T>().saturating_add(T::KeysPeriod::get()));
        let id = NextTask::<T>::get();
        #[extrinsic_call]
        _(RawOrigin::Signed(caller), spec);
        assert_eq!(Tasks::<T>::get(id).unwrap().parts.len(), n as usize);
    }

    #[benchmark]
    fn provide_keys(n: Linear<1, { T::MaxAssigned::get() }>) {
        let caller = owner::<T>();
        let miners = miners::<T>(n);
        let id = prepared::<T>(&caller, &miners, ProofPolicy::Every, Stage::Keyless);
        let wraps: Vec<_> = miners.into_iter().map(|miner| (miner, [3; 80])).collect();
        let wraps = BoundedVec::truncate_from(wraps);
        #[extrinsic_call]
        _(RawOrigin::Signed(caller), id, [1; 32], [2; 32], wraps);
        assert!(Tasks::<T>::get(id).unwrap().keys.is_some());
    }

    #[benchmark]
    fn confirm() {
        let miners = miners::<T>(T::MaxAssigned::get());
        let id = prepared::<T>(&owner::<T>(), &miners, ProofPolicy::Every, Stage::Keyed);
        let attestation = attestation::<T>(Tasks::<T>::get(id).unwrap().model);
        #[extrinsic_call]
        _(RawOrigin::Signed(miners[0].clone()), id, attestation);
        assert!(Attestations::<T>::contains_key(id, &miners[0]));
    }

    /// The last one leaves, and all places are filled anew.
    #[benchmark(pov_mode = MaxEncodedLen { Miners::BucketSizes: Ignored })]
    fn decline(n: Linear<1, { T::MaxAssigned::get() }>) {
        let (id, miner) = deserted::<T>(n, ProofPolicy::Every, Stage::Keyed);
        #[extrinsic_call]
        _(RawOrigin::Signed(miner), id, Reason::Key);
        assert_eq!(Tasks::<T>::get(id).unwrap().live(Role::Replica), n as u8);
    }

    #[benchmark(pov_mode = MaxEncodedLen { Miners::BucketSizes: Ignored })]
    fn vacate(n: Linear<1, { T::MaxAssigned::get() }>) {
        let (id, miner) = deserted::<T>(n, ProofPolicy::OnDemand, Stage::Confirmed);
        #[extrinsic_call]
        _(RawOrigin::Signed(miner), id);
        assert_eq!(Tasks::<T>::get(id).unwrap().live(Role::Replica), n as u8);
    }

    /// Before anybody confirmed, the stop is the end: everything is undone at once.
    #[benchmark]
    fn stop(n: Linear<1, { T::MaxMiners::get() }>) {
        let caller = owner::<T>();
        let miners = miners::<T>(n);
        let id = prepared::<T>(&caller, &miners, ProofPolicy::Every, Stage::Keyed);
        #[extrinsic_call]
        _(RawOrigin::Signed(caller), id);
        assert!(Ended::<T>::contains_key(id));
    }

    /// One that is dearer than the cap.
    #[benchmark(pov_mode = MaxEncodedLen { Miners::BucketSizes: Ignored })]
    fn refuse() {
        let caller = owner::<T>();
        let miners = miners::<T>(1);
        let model = T::Models::set_up_model(&caller);
        let registered = T::Models::model(model).unwrap();
        let spec = spec::<T>(model, 1, ProofPolicy::Every);
        let (id, mut task) = Pallet::<T>::open(caller, spec, now::<T>()).unwrap();
        task.price_cap = 0;
        let engaged;
        #[block]
        {
            engaged = Pallet::<T>::engage(id, &mut task, &registered, &miners[0], Role::Replica, now::<T>());
        }
        assert!(!engaged);
    }

    /// A full page is taken from.
    #[benchmark]
    fn look() {
        let place = crowd::<T>(now::<T>());
        #[block]
        {
            let popped = Pallet::<T>::pop(place.bucket);
            assert!(matches!(popped, Popped::Entry(_)));
        }
    }

    /// All were to confirm and none did: punished, let go, and replaced.
    #[benchmark(pov_mode = MaxEncodedLen { Miners::BucketSizes: Ignored })]
    fn task_due(n: Linear<1, { T::MaxAssigned::get() }>) {
        let miners = miners::<T>(n);
        let id = prepared::<T>(&owner::<T>(), &miners, ProofPolicy::Every, Stage::Keyed);
        registered::<T>("newcomer", n);
        let task = Tasks::<T>::get(id).unwrap();
        let late = now::<T>().saturating_add(T::ConfirmationPeriod::get()).saturating_add(1);
        #[block]
        {
            Pallet::<T>::task_due(id, task, late);
        }
        assert_eq!(Tasks::<T>::get(id).unwrap().live(Role::Replica), n as u8);
    }

    /// What handles a departure looks at the miner first, and takes it off the list of those that go.
    #[benchmark(pov_mode = MaxEncodedLen { Miners::BucketSizes: Ignored })]
    fn departure(n: Linear<1, { T::MaxAssigned::get() }>) {
        let (id, miner) = deserted::<T>(n, ProofPolicy::OnDemand, Stage::Confirmed);
        Pallet::<T>::gone(&miner);
        #[block]
        {
            assert!(T::Registry::is_serving(&miner));
            Pallet::<T>::replace_gone(id, &miner, now::<T>());
            assert!(!MinerTasks::<T>::contains_key(&miner));
            Departing::<T>::remove(&miner);
        }
        assert_eq!(Tasks::<T>::get(id).unwrap().live(Role::Replica), n as u8);
    }

    #[benchmark]
    fn forget() {
        let ended = EndedTask { owner: owner::<T>(), model: 0, cause: Cause::Owner, at: 0, refunded: 0 };
        Ended::<T>::insert(0, ended);
        #[block]
        {
            Ended::<T>::remove(0);
        }
        assert!(!Ended::<T>::contains_key(0));
    }
}
