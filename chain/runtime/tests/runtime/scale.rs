//! Ten thousand miners and a hundred thousand tasks in state: what submission and assignment read is
//! bounded by what is charged for it, and the charge does not depend on how much state there is.
//!
//! What a call reads is the storage proof that is recorded while it runs on a committed trie. Times are
//! printed, not judged: `cyborg-bench-chain` measures them in the node's wasm executor.

use std::time::Instant;

use crate::common::world::{Person, person, register_model, small_model, spec};
use crate::common::{call, chain, next_block};
use codec::Encode as _;
use cyborg_primitives::miner::{Accelerator, Capacity};
use cyborg_primitives::place::{Cell, Location, Region};
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::{HOUR_MS, ModelId};
use cyborg_runtime::configs::system::RuntimeBlockWeights;
use cyborg_runtime::economics::{MILLI, MINIMUM_BOND, UNIT};
use cyborg_runtime::{AccountId, Balance, Runtime, RuntimeCall, System, genesis};
use pallet_tasks::types::{Reason, TaskSpec};
use polkadot_sdk::frame_support::dispatch::{DispatchClass, GetDispatchInfo};
use polkadot_sdk::frame_support::weights::Weight;
use polkadot_sdk::frame_support::weights::constants::WEIGHT_REF_TIME_PER_MICROS;
use polkadot_sdk::sp_core::{Pair, sr25519};
use polkadot_sdk::sp_io::TestExternalities;

const MINERS: u32 = 10_000;
const TASKS: u64 = 100_000;
/// Regions over which the miners are distributed.
const REGIONS: u32 = 100;
/// Submissions between two resets of the events, which a block of this many would not hold.
const BATCH: u64 = 100;
/// What the owners have together; a specification can give no account more than 18.4 million.
const OWNERS: u8 = 2;

fn miner(number: u32) -> AccountId {
    let mut bytes = [0x4d; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    AccountId::new(bytes)
}

fn region(number: u32) -> Region {
    let letter = |digit: u32| b'A' + u8::try_from(digit).unwrap();
    Region([letter(number % REGIONS / 10), letter(number % 10)])
}

/// A machine in one of the regions, of one of four classes of memory.
fn register(number: u32) {
    let degree = |step: i64, span: i64| (i64::from(number) * step % span - span / 2) as i16;
    let register = pallet_miners::Call::<Runtime>::register {
        hpke_key: [9; 32],
        endpoint: b"https://miner.example:9000".to_vec().try_into().unwrap(),
        location: Location {
            region: region(number / 7),
            cell: Cell { latitude: degree(37, 12_000), longitude: degree(101, 36_000) },
        },
        capacity: Capacity {
            memory_mib: 8_192 << (2 * (number % 4)),
            macs_per_second: 1_000_000_000 + u64::from(number % 13) * 100_000_000,
            accelerator: Accelerator::None,
        },
        price: 100 * MILLI + u128::from(number % 7) * 25 * MILLI,
        bond: MINIMUM_BOND,
    };
    call(&miner(number), register).unwrap();
}

/// An hour of one answer at a time, for one miner in a region.
fn regional(model: ModelId, number: u32) -> TaskSpec<AccountId> {
    let mut spec = spec(model, ProofPolicy::OnDemand, 1, 0);
    spec.placement.regions = vec![region(number)].try_into().unwrap();
    (spec.compute_ms, spec.max_proofs) = (HOUR_MS, 1);
    spec
}

/// The worst that can be asked: as many miners as a task may have, anywhere, at a distance that has to be
/// computed for each.
fn anywhere(model: ModelId) -> TaskSpec<AccountId> {
    let mut spec = spec(model, ProofPolicy::OnDemand, 16, 0);
    spec.placement.near = Some((Cell { latitude: 4_737, longitude: 854 }, 21_000));
    spec
}

/// The state, committed to its trie; all its tasks came through the call that users make.
fn world() -> (TestExternalities, ModelId) {
    let funds: Balance = MINIMUM_BOND + 10 * UNIT;
    let people = (0..OWNERS).map(|owner| (person(owner).account, 10_000_000 * UNIT));
    let holders = (0..MINERS).map(|number| (miner(number), funds)).chain(people).collect();
    let aura = sr25519::Pair::from_seed(&[9; 32]).public().into();
    let mut ext = chain(genesis::production(2_000.into(), &[(person(250).account, aura)], holders));
    let model = ext.execute_with(|| {
        let owners: Vec<Person> = (0..OWNERS).map(person).collect();
        let model = register_model(&owners[0], &small_model(0));
        (0..MINERS).for_each(register);
        for number in 0..TASKS {
            let spec = regional(model, (number % u64::from(REGIONS)) as u32);
            let owner = &owners[(number % u64::from(OWNERS)) as usize];
            owner.call(pallet_tasks::Call::submit { spec }).unwrap();
            if number % BATCH == 0 {
                System::reset_events();
            }
        }
        next_block();
        model
    });
    ext.commit_all().unwrap();
    (ext, model)
}

/// Dispatches a call on the committed state and forgets what it did. What it was charged for.
fn measure(ext: &mut TestExternalities, name: &str, who: &AccountId, what: impl Into<RuntimeCall>) -> Weight {
    let what = what.into();
    let before = what.get_dispatch_info().call_weight;
    let limits = RuntimeBlockWeights::get();
    let most = limits.get(DispatchClass::Normal).max_extrinsic.unwrap();
    assert!(before.all_lte(most), "{name}: a block does not take {before}");
    let (outcome, proof) = ext.execute_and_prove(|| {
        let begun = Instant::now();
        let info = call(who, what).unwrap();
        (info, begun.elapsed())
    });
    ext.reset_overlay();
    let (info, native) = outcome;
    let charged = info.actual_weight.unwrap_or(before);
    let recorded = proof.encoded_size() as u64;
    eprintln!(
        "{name}: {recorded} bytes of state read, {} charged, {} before; {} us natively, {} charged, {} before",
        charged.proof_size(),
        before.proof_size(),
        native.as_micros(),
        charged.ref_time() / WEIGHT_REF_TIME_PER_MICROS,
        before.ref_time() / WEIGHT_REF_TIME_PER_MICROS,
    );
    assert!(before.all_gte(charged), "{name}: {charged} was charged, and {before} before");
    assert!(recorded <= charged.proof_size(), "{name}: {recorded} bytes were read, {charged} charged");
    charged
}

#[test]
fn submission_and_assignment_read_what_is_charged() {
    let begun = Instant::now();
    let (mut ext, model) = world();
    eprintln!("{MINERS} miners and {TASKS} tasks after {} s", begun.elapsed().as_secs());
    let owner = person(0).account;
    let (loaded, engaged) = ext.execute_with(|| {
        let loaded = pallet_tasks::NextTask::<Runtime>::get();
        let task = pallet_tasks::Tasks::<Runtime>::get(TASKS - 1).unwrap();
        (loaded, task.parts[0].miner.clone())
    });
    assert_eq!(loaded, TASKS);

    let submit = |spec| pallet_tasks::Call::<Runtime>::submit { spec };
    let worst = measure(&mut ext, "submit, 16 miners anywhere", &owner, submit(anywhere(model)));
    let mild = measure(&mut ext, "submit, one miner in a region", &owner, submit(regional(model, 17)));
    assert!(mild.all_lt(worst));
    let decline = pallet_tasks::Call::<Runtime>::decline { task: TASKS - 1, reason: Reason::Busy };
    measure(&mut ext, "decline, and another is engaged", &engaged, decline);
    let stop = pallet_tasks::Call::<Runtime>::stop { task: TASKS - 2 };
    measure(&mut ext, "stop", &owner, stop);
    let beat = pallet_miners::Call::<Runtime>::heartbeat {};
    measure(&mut ext, "heartbeat", &miner(MINERS / 2), beat);
}

/// The charge before a submission is the same on an empty chain: it knows no state.
#[test]
fn the_charge_before_does_not_know_the_state() {
    let before = |spec| {
        let submit: RuntimeCall = pallet_tasks::Call::<Runtime>::submit { spec }.into();
        submit.get_dispatch_info().call_weight
    };
    assert_eq!(before(anywhere(0)), before(regional(0, 3)));
    let limits = RuntimeBlockWeights::get();
    let usable = limits.get(DispatchClass::Normal).max_total.unwrap();
    // A submission is charged at its worst first, and gets back what it did not need, its proof
    // included: a fifth of a block is left to what came before it.
    let worst = before(anywhere(0));
    assert!(worst.all_lte(usable / 5 * 4), "{worst} of {usable}");
}
