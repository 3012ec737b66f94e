//! Random calls by everybody, with time passing: nothing is paid twice, nothing is lost, no invariant
//! breaks, and the miner that does what it should is never punished.

use crate::mock::*;
use crate::{Call, Event, Owed, Sample, SignedReceipt, Submission};
use cyborg_interface::{Escrow, Settled, Vacated};
use cyborg_primitives::TaskId;
use cyborg_primitives::receipt;
use cyborg_primitives::signed::{Authorisation, Receipt};
use polkadot_sdk::sp_io::hashing::blake2_256;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Miners' deadlines are longer than any block's time.
const LONGEST_BLOCK: u64 = 40_000;

/// What a miner remembers: for each task, what it answered.
#[derive(Default)]
struct Memory {
    answered: BTreeMap<TaskId, Vec<(Authorisation, Receipt)>>,
    submitted: BTreeMap<TaskId, u64>,
}

#[derive(Clone, Debug)]
enum Step {
    /// The owner asks a miner: the next number, or one that it chooses.
    Ask { task: TaskId, honest: bool, number: Option<u64>, cap: u128 },
    /// The owner acknowledges.
    Acknowledge { task: TaskId, honest: bool, through: u64 },
    /// Somebody calls something with what is around.
    Attack { who: u8, what: u8, task: TaskId, honest: bool, a: u8, b: u8 },
    /// A block.
    Block { ms: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let task = 1_u64..5;
    let step = prop_oneof![
        6 => (task.clone(), any::<bool>(), prop::option::weighted(0.2, 0_u64..12), 0_u128..20)
            .prop_map(|(task, honest, number, cap)| Step::Ask { task, honest, number, cap }),
        1 => (task.clone(), any::<bool>(), 0_u64..12)
            .prop_map(|(task, honest, through)| Step::Acknowledge { task, honest, through }),
        12 => (0_u8..6, 0_u8..12, task, any::<bool>(), any::<u8>(), any::<u8>())
            .prop_map(|(who, what, task, honest, a, b)| Step::Attack { who, what, task, honest, a, b }),
        5 => (0..LONGEST_BLOCK).prop_map(|ms| Step::Block { ms }),
    ];
    prop::collection::vec(step, 0..150)
}

fn signed_submission(authorisation: Authorisation, receipt: &Receipt) -> Submission {
    let model = TaskOf::get(authorisation.task).map_or(0, |task| task.model);
    let proof = prove(model, receipt).try_into().unwrap();
    Submission { authorisation, signature: owner().sign(&authorisation), proof }
}

impl Memory {
    /// An honest miner answers each number once, and the next only.
    fn ask(&mut self, authorisation: Authorisation) {
        let answered = self.answered.entry(authorisation.task).or_default();
        if authorisation.number != answered.len() as u64 + 1 {
            return;
        }
        let Authorisation { task, miner, number, input, .. } = authorisation;
        let output = blake2_256(&input);
        answered.push((authorisation, Receipt { task, miner, number, input, output }));
    }

    fn receipts(&self, task: TaskId) -> Vec<Receipt> {
        self.answered.get(&task).map_or(Vec::new(), |all| all.iter().map(|(_, receipt)| *receipt).collect())
    }

    /// What the protocol asks of a miner, whenever there is a block.
    fn act(&mut self, miner: &Person) {
        let id = miner.id();
        let submit = |(authorisation, receipt): (Authorisation, Receipt)| {
            crate::mock::submit(miner, vec![signed_submission(authorisation, &receipt)]).unwrap();
        };
        for task in [EVERY, OTHER] {
            let done = self.submitted.entry(task).or_default();
            let Some(all) = self.answered.get(&task) else { continue };
            for pair in &all[*done as usize..] {
                submit(*pair);
            }
            *done = all.len() as u64;
        }
        for (task, all) in &self.answered {
            let Some(owed) = Owed::<Test>::get(task, &id) else { continue };
            for demand in &owed.demands {
                submit(all[demand.number as usize - 1]);
            }
        }
        self.act_sampled(miner);
    }

    fn act_sampled(&self, miner: &Person) {
        let all = self.receipts(SAMPLED);
        let owed = Owed::<Test>::get(SAMPLED, miner.id()).unwrap_or_default();
        let Some(period) = owed.period else {
            let fresh = all.get(owed.next as usize - 1..).unwrap_or_default();
            let Some(root) = receipt::root(fresh, &GENESIS) else { return };
            let (last, _) = self.answered[&SAMPLED][all.len() - 1];
            let (first, count, signature) = (owed.next, fresh.len() as u32, owner().sign(&last));
            miner.call(Call::commit { root, first, count, last, signature }).unwrap();
            return;
        };
        let own = &all[period.first as usize - 1..][..period.count as usize];
        let path = |leaf: u32| receipt::path(own, leaf as usize, &GENESIS).unwrap().try_into().unwrap();
        if let Some(challenge) = period.challenge {
            let path = path(period.index(challenge.number).unwrap());
            miner.call(Call::answer { task: SAMPLED, path }).unwrap();
        }
        let left = period.draw.map_or(Vec::new(), |draw| draw.left.to_vec());
        if !left.is_empty() {
            let sample = |leaf: &u32| {
                let (authorisation, receipt) =
                    self.answered[&SAMPLED][(period.first as usize - 1) + *leaf as usize];
                let submission = signed_submission(authorisation, &receipt);
                Sample { output: receipt.output, path: path(*leaf), submission }
            };
            let samples = left.iter().map(sample).collect::<Vec<_>>().try_into().unwrap();
            miner.call(Call::prove_samples { claim: cost(9), task: SAMPLED, samples }).unwrap();
        }
    }
}

/// One call by somebody who may be anybody but the honest miner.
fn attack(who: u8, what: u8, task: TaskId, honest: bool, a: u8, b: u8, memory: &Memory) {
    let who = [owner(), delegate(), rival(), idler(), stranger(), owner()][usize::from(who) % 6].clone();
    let target = if honest { miner() } else { rival() };
    let known = memory.receipts(task);
    let number = u64::from(a % 12);
    // What the honest miner has signed, or what the attacker can make up.
    let receipt = |index: u8| -> SignedReceipt {
        if honest && !b.is_multiple_of(4) && !known.is_empty() {
            return signed(&miner(), known[usize::from(index) % known.len()]);
        }
        let mut made_up = crate::mock::receipt(task, &target, number);
        if index & 1 == 1 {
            made_up.output = [index; 32];
        }
        let signer = if honest { who.clone() } else { rival() };
        signed(&signer, made_up)
    };
    let made_up = |index: u8| {
        let mut submission = submission(task, &rival(), u64::from(index % 12));
        match index % 5 {
            0 => submission.proof[0] ^= 1,
            1 => submission.signature = who.sign(&submission.authorisation),
            2 => submission.authorisation = authorise(task, &miner(), number),
            _ => {}
        }
        submission
    };
    let id = target.id();
    let sample = |index: u8| Sample {
        output: output(u64::from(index % 12)),
        path: receipt::path(&made_up_period(number, 3), usize::from(index % 3), &GENESIS)
            .unwrap()
            .try_into()
            .unwrap(),
        submission: made_up(index),
    };
    let call = match what {
        0 | 1 => {
            Call::submit { claim: cost(2), submissions: vec![made_up(a), made_up(b)].try_into().unwrap() }
        }
        2 => Call::set_anchor { task, miner: id, anchor: blake2_256(&[a % 4; 32]) },
        3 => {
            let receipts = made_up_period(number, u64::from(b % 4));
            let root = receipt::root(&receipts, &GENESIS).unwrap_or_default();
            let last = authorise(task, &rival(), number + u64::from(b % 4).max(1) - 1);
            let signer = if b & 16 == 0 { who.clone() } else { owner() };
            let (first, count, signature) = (number, receipts.len() as u32, signer.sign(&last));
            Call::commit { root, first, count, last, signature }
        }
        4 => Call::reveal { task, miner: id, preimage: [a % 4; 32] },
        5 => {
            let samples = vec![sample(a), sample(b)].try_into().unwrap();
            Call::prove_samples { claim: cost(2), task, samples }
        }
        6 | 7 => Call::challenge { task, miner: id, receipt: receipt(a) },
        8 => Call::answer { task, path: vec![[a; 32]; usize::from(b % 4)].try_into().unwrap() },
        9 | 10 => Call::demand { task, miner: id, receipt: receipt(a) },
        _ => Call::equivocation { one: receipt(a), other: receipt(b) },
    };
    // Whatever the answer is.
    let _ = who.call(call);
}

fn made_up_period(first: u64, count: u64) -> Vec<Receipt> {
    (first..first + count).map(|number| crate::mock::receipt(SAMPLED, &rival(), number)).collect()
}

fn check() -> Result<(), TestCaseError> {
    Proofs::do_try_state().map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
    let mut total = 0;
    for (_, _, (paid, mut numbers)) in Payments::iter() {
        total += paid;
        numbers.sort_unstable();
        prop_assert!(numbers.is_sorted_by(|a, b| a < b), "a request was paid twice");
    }
    prop_assert_eq!(total + Funds::iter_values().sum::<u128>(), 4 * FUNDS);
    for (who, _, victim) in Convictions::get() {
        prop_assert_ne!(who, miner().id());
        prop_assert_eq!(victim, Some(owner().id()));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nobody_gets_more_and_the_honest_are_safe(steps in steps()) {
        new_test_ext().execute_with(|| {
            let mut memory = Memory::default();
            for step in steps {
                match step {
                    Step::Ask { task, honest, number, cap } => {
                        let next = memory.receipts(task).len() as u64 + 1;
                        let asked = if honest { miner() } else { rival() };
                        let mut authorisation = authorise(task, &asked, number.unwrap_or(next));
                        authorisation.price_cap = cap;
                        if honest {
                            memory.ask(authorisation);
                        }
                    }
                    Step::Acknowledge { task, honest, through } => {
                        let miner = if honest { miner() } else { rival() };
                        let _ = Money::settle(task, &miner.id(), Settled::Through(through), 20, 0);
                    }
                    Step::Attack { who, what, task, honest, a, b } => {
                        attack(who, what, task, honest, a, b, &memory);
                    }
                    Step::Block { ms } => {
                        memory.act(&miner());
                        next_block(ms);
                        memory.act(&miner());
                        check()?;
                    }
                }
            }
            for _ in 0..20 {
                memory.act(&miner());
                next_block(LONGEST_BLOCK);
            }
            check()?;
            // What it answered is settled, whatever was tried.
            for task in [EVERY, SAMPLED, OTHER] {
                for receipt in memory.receipts(task) {
                    prop_assert!(Money::is_settled(task, &miner().id(), receipt.number));
                }
            }
            let void = |event: &Event<Test>| matches!(event, Event::PeriodVoid { miner: id, .. } if *id == miner().id());
            prop_assert!(!events().iter().any(void));
            for task in 1..5 {
                let miners: Vec<_> =
                    TaskOf::take(task).unwrap().miners.into_iter().map(|(miner, _)| miner).collect();
                Proofs::vacated(task, &miners);
            }
            check()?;
            prop_assert_eq!(Owed::<Test>::iter().count(), 0);
            Ok(())
        })?;
    }
}
