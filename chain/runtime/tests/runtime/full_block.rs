//! A block that is filled with proofs keeps to its weight, whatever the proofs are, and what each call is
//! charged before it runs covers what it is charged after.

use crate::common::world::{
    Person, answer, claim, confirm, engaged, person, provide_keys, register_miner, register_model,
    small_model, spec, submit, town,
};
use crate::common::{next_block, sign_as};
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::{ModelId, TaskId};
use cyborg_runtime::configs::system::RuntimeBlockWeights;
use cyborg_runtime::economics::UNIT;
use cyborg_runtime::{Executive, Runtime, RuntimeCall, RuntimeEvent, System};
use pallet_proofs::{Event, Submission};
use polkadot_sdk::frame_support::dispatch::{DispatchClass, GetDispatchInfo};
use polkadot_sdk::frame_support::weights::Weight;
use polkadot_sdk::frame_system;
use polkadot_sdk::sp_runtime::transaction_validity::{InvalidTransaction, TransactionValidityError};
use zkml_prover::Keys;

/// Miners that send proofs, each engaged on the same task.
const MINERS: u8 = 16;
/// Proofs in a call.
const BATCH: u64 = 16;
/// A request that nobody has asked for yet.
const ELSEWHERE: u64 = 100_000;

struct Scene {
    owner: Person,
    miners: Vec<Person>,
    keys: Keys,
    model: ModelId,
    task: TaskId,
}

/// An owner, and a running task on as many miners as it may have.
fn scene() -> Scene {
    let owner = person(0);
    let miners: Vec<Person> = (1..=MINERS).map(person).collect();
    let keys = small_model(0);
    let model = register_model(&owner, &keys);
    miners.iter().for_each(|miner| register_miner(miner, 1));
    let terms = pallet_tasks::types::TaskSpec {
        max_proofs: 5_000,
        proof_cap: UNIT / 10,
        ..spec(model, ProofPolicy::Every, MINERS, 0)
    };
    let task = submit(&owner, terms);
    assert_eq!(engaged(task, |_| true).len(), usize::from(MINERS));
    provide_keys(&owner, task).unwrap();
    next_block();
    for miner in &miners {
        confirm(miner, task, model).unwrap();
    }
    next_block();
    Scene { owner, miners, keys, model, task }
}

impl Scene {
    /// A true answer, or one with the proof of another request.
    fn answer(&self, miner: &Person, number: u64, is_false: bool) -> Submission {
        let honest = answer(&self.keys, &self.owner, miner, (self.task, self.model), number).0;
        if !is_false {
            return honest;
        }
        let number = number + ELSEWHERE;
        let other = answer(&self.keys, &self.owner, miner, (self.task, self.model), number).0;
        Submission { proof: other.proof, ..honest }
    }

    fn call(&self, submissions: Vec<Submission>) -> RuntimeCall {
        let claim = claim(self.model, submissions.len());
        pallet_proofs::Call::submit { claim, submissions: submissions.try_into().unwrap() }.into()
    }
}

/// Weight of users' transactions in this block so far, and all of it.
fn used() -> (Weight, Weight) {
    let weight = System::block_weight();
    (*weight.get(DispatchClass::Normal), weight.total())
}

/// What the last transaction was charged for in the end.
fn charged_after() -> Weight {
    let success = System::events().into_iter().rev().find_map(|record| match record.event {
        RuntimeEvent::System(frame_system::Event::ExtrinsicSuccess { dispatch_info }) => Some(dispatch_info),
        RuntimeEvent::System(frame_system::Event::ExtrinsicFailed { dispatch_error, .. }) => {
            panic!("a verdict is no failure: {dispatch_error:?}")
        }
        _ => None,
    });
    success.unwrap().weight
}

/// Puts calls into the block until one does not fit. How many did.
fn fill(mut next: impl FnMut(u64) -> Option<(usize, RuntimeCall)>, people: &[Person]) -> u64 {
    let limits = RuntimeBlockWeights::get();
    let class = limits.get(DispatchClass::Normal);
    let most = class.max_total.unwrap();
    let mut count = 0;
    loop {
        let (sender, call) = next(count).expect("the block is full before there is nobody left");
        let transaction = sign_as(people[sender].pair(), call, 0);
        let charge = transaction.get_dispatch_info().total_weight().saturating_add(class.base_extrinsic);
        let (before, _) = used();
        let outcome = Executive::apply_extrinsic(transaction);
        let (normal, total) = used();
        assert!(normal.all_lte(most) && total.all_lte(limits.max_block), "{total} in a block of {most}");
        match outcome {
            Ok(dispatched) => {
                dispatched.unwrap();
                let after = charged_after();
                assert!(charge.all_gte(after), "{charge} was charged before, {after} after");
                assert!(normal.all_gte(before.saturating_add(after)), "a call of {after} is not counted");
                count += 1;
            }
            Err(TransactionValidityError::Invalid(InvalidTransaction::ExhaustsResources)) => {
                assert!(before.saturating_add(charge).any_gt(most), "{charge} would have fitted");
                return count;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn verdicts() -> (usize, usize) {
    let count = |test: fn(&Event<Runtime>) -> bool| {
        let events = System::events().into_iter();
        events.filter(|record| matches!(&record.event, RuntimeEvent::Proofs(event) if test(event))).count()
    };
    (
        count(|event| matches!(event, Event::Verified { .. })),
        count(|event| matches!(event, Event::Punished { .. })),
    )
}

#[test]
fn proofs_one_by_one() {
    town(MINERS + 1).execute_with(|| {
        let scene = scene();
        let call = |number| Some((0, scene.call(vec![scene.answer(&scene.miners[0], number + 1, false)])));
        let fitted = fill(call, &scene.miners);
        assert_eq!(verdicts(), (usize::try_from(fitted).unwrap(), 0));
    });
}

/// What true batches give back lets more of them in, never more than the block's weight.
#[test]
fn true_proofs_in_batches() {
    town(MINERS + 1).execute_with(|| {
        let scene = scene();
        let batch = |count: u64| {
            let numbers = count * BATCH + 1..=(count + 1) * BATCH;
            numbers.map(|number| scene.answer(&scene.miners[0], number, false)).collect()
        };
        let fitted = fill(|count| Some((0, scene.call(batch(count)))), &scene.miners);
        assert_eq!(verdicts(), (usize::try_from(fitted * BATCH).unwrap(), 0));
        let worst = scene.call(batch(0)).get_dispatch_info().call_weight;
        let limits = RuntimeBlockWeights::get();
        let at_worst = limits.get(DispatchClass::Normal).max_total.unwrap().ref_time() / worst.ref_time();
        assert!(fitted > at_worst, "{fitted} batches, {at_worst} at their worst");
    });
}

/// The worst there is: in each batch one is false, so that each proof is checked alone.
#[test]
fn a_false_proof_in_each_batch() {
    town(MINERS + 1).execute_with(|| {
        let scene = scene();
        // Two false proofs suspend a miner: each sends one, in turn.
        let batch = |miner: &Person| {
            (1..=BATCH).map(|number| scene.answer(miner, number, number == 1)).collect::<Vec<_>>()
        };
        let next = |count| {
            let sender = usize::try_from(count).ok()?;
            Some((sender, scene.call(batch(scene.miners.get(sender)?))))
        };
        let fitted = usize::try_from(fill(next, &scene.miners)).unwrap();
        let each = usize::try_from(BATCH).unwrap() - 1;
        assert_eq!(verdicts(), (fitted * each, fitted));
    });
}
