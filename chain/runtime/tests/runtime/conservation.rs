//! Random calls by owners, miners and attackers against the whole runtime, with time passing: after
//! every block money is where the records say, and the issuance is what it was.

use crate::common::money::assert_conserved;
use crate::common::world::{
    FUNDS, PRICE, Person, answer, authorise, claim, confirm, person, provide_keys, receipt, register_model,
    small_model, spec, town, wait,
};
use crate::common::{free, next_block};
use cyborg_primitives::miner::{Accelerator, Capacity};
use cyborg_primitives::place::{Cell, Location, Region};
use cyborg_primitives::signed::{Acknowledgement, Authorisation, Receipt};
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::{Digest, ModelId, TaskId, receipt as tree};
use cyborg_runtime::economics::{MINIMUM_BOND, SETTLEMENT_MS, UNIT};
use cyborg_runtime::{Balance, Balances, Runtime};
use pallet_reports::Report;
use polkadot_sdk::pallet_balances;
use polkadot_sdk::sp_io::hashing::blake2_256;
use proptest::prelude::*;
use std::sync::LazyLock;
use zkml_prover::Keys;

/// 0 to 2 own tasks, 3 to 6 are miners, 7 and 8 are neither.
const PEOPLE: u8 = 9;
/// Blocks at most at once: a heartbeat may be missed.
const LONGEST_PAUSE: u32 = 200;

static KEYS: LazyLock<[Keys; 2]> = LazyLock::new(|| [small_model(-16), small_model(5)]);

/// What somebody does. `who` is anyone, so that most calls are by those who may not.
#[derive(Clone, Debug)]
struct Step {
    who: u8,
    whom: u8,
    what: u8,
    task: u8,
    number: u8,
    amount: Balance,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let amount = prop_oneof![
        3 => 0..10 * UNIT,
        3 => (MINIMUM_BOND - UNIT)..(MINIMUM_BOND + 100 * UNIT),
        1 => Just(0_u128),
        1 => Just(u128::MAX),
        1 => Just(FUNDS),
    ];
    // The last kinds weigh more: they are what a market mostly does.
    let what = prop_oneof![3 => 0_u8..29, 2 => 20_u8..24, 2 => 29_u8..34];
    let step = (0..PEOPLE, 0..PEOPLE, what, 0_u8..4, 0_u8..6, amount)
        .prop_map(|(who, whom, what, task, number, amount)| Step { who, whom, what, task, number, amount });
    prop::collection::vec(step, 1..120)
}

/// Proofs are slow and bound to task, miner and number; the same are asked for again and again.
fn policy(number: u8) -> ProofPolicy {
    match number % 3 {
        0 => ProofPolicy::Every,
        1 => ProofPolicy::Sampled { samples: 2 },
        _ => ProofPolicy::OnDemand,
    }
}

struct Town {
    models: [ModelId; 2],
}

impl Town {
    /// Whoever owns a task, and the miner that is most likely to be on it.
    fn parties(&self, task: TaskId, step: &Step) -> (Person, Person, ModelId) {
        let record = pallet_tasks::Tasks::<Runtime>::get(task);
        let index =
            |account: &cyborg_runtime::AccountId| (0..PEOPLE).find(|n| person(*n).account == *account);
        let owner = record.as_ref().and_then(|record| index(&record.owner)).unwrap_or(step.who);
        let miner = record
            .as_ref()
            .and_then(|record| record.parts.get(step.number as usize % record.parts.len().max(1)))
            .and_then(|part| index(&part.miner))
            .unwrap_or(step.whom);
        (person(owner), person(miner), record.map_or(self.models[0], |record| record.model))
    }

    fn report(&self, step: &Step) -> Report {
        Report {
            memory_peak_bytes: 1 << 20,
            cpu_ms: u64::from(step.number) * 1_000,
            energy_mj: None,
            requests: step.number.into(),
        }
    }

    /// What happens may fail; it may not panic, lose money or make any.
    fn act(&self, step: &Step) {
        let (who, whom) = (person(step.who), person(step.whom));
        // One of the last tasks.
        let task = pallet_tasks::NextTask::<Runtime>::get().saturating_sub(1 + u64::from(step.task));
        let (owner, miner, model) = self.parties(task, step);
        let keys = if model == self.models[0] { &KEYS[0] } else { &KEYS[1] };
        let number = u64::from(step.number);
        let (authorisation, signature) = authorise(&owner, task, &miner, number, [8; 32]);
        let signed = receipt(&miner, &authorisation, [step.number; 32]);
        let chain_of = |length: u8| (0..length).fold([1_u8; 32], |link: Digest, _| blake2_256(&link));
        let _ = match step.what {
            0 => who.call(pallet_miners::Call::register {
                hpke_key: [9; 32],
                endpoint: b"https://m".to_vec().try_into().unwrap(),
                location: Location { region: Region(*b"CH"), cell: Cell { latitude: 1, longitude: 2 } },
                capacity: Capacity {
                    memory_mib: 1 + u32::from(step.number),
                    macs_per_second: 1_000_000_000,
                    accelerator: Accelerator::None,
                },
                price: step.amount % UNIT,
                bond: step.amount,
            }),
            1 => who.call(pallet_miners::Call::bond_more { amount: step.amount }),
            2 => who.call(pallet_miners::Call::deregister {}),
            3 => who.call(pallet_miners::Call::withdraw_bond {}),
            4 => who.call(pallet_miners::Call::update {
                hpke_key: None,
                endpoint: None,
                location: None,
                capacity: None,
                price: Some(step.amount % UNIT),
            }),
            5 => who.call(pallet_models::Call::delist { model: self.models[1] }),
            6 => who.call(pallet_models::Call::remove { model: self.models[1] }),
            7 => who.call(pallet_tasks::Call::decline { task, reason: pallet_tasks::types::Reason::Other }),
            8 => who.call(pallet_tasks::Call::vacate { task }),
            9 => who.call(pallet_tasks::Call::stop { task }),
            10 => owner.call(pallet_tasks::Call::stop { task }),
            11 => who.call(pallet_payments::Call::acknowledge {
                task,
                miner: whom.account.clone(),
                through: number,
            }),
            12 => owner.call(pallet_payments::Call::top_up {
                task,
                compute: step.amount,
                proofs: number.into(),
            }),
            13 => {
                let acknowledgement = Acknowledgement { task, miner: whom.id(), through: number };
                let signature = who.sign(&acknowledgement);
                whom.call(pallet_payments::Call::claim { acknowledgement, signature })
            }
            14 => who.call(pallet_proofs::Call::set_anchor {
                task,
                miner: whom.account.clone(),
                anchor: chain_of(9),
            }),
            15 => who.call(pallet_proofs::Call::equivocation { one: signed.clone(), other: signed.clone() }),
            16 => {
                let other = receipt(&miner, &authorisation, [99; 32]);
                who.call(pallet_proofs::Call::equivocation { one: signed.clone(), other })
            }
            17 => owner.call(pallet_proofs::Call::challenge {
                task,
                miner: miner.account.clone(),
                receipt: signed.clone(),
            }),
            18 => owner.call(pallet_proofs::Call::demand {
                task,
                miner: miner.account.clone(),
                receipt: signed.clone(),
            }),
            19 => who.call(pallet_proofs::Call::answer { task, path: Default::default() }),
            // A submission that is a lie.
            20 => {
                let submission = pallet_proofs::Submission {
                    authorisation,
                    signature: signature.clone(),
                    proof: vec![step.number; 50].try_into().unwrap(),
                };
                let submissions = vec![submission].try_into().unwrap();
                miner.call(pallet_proofs::Call::submit { claim: claim(self.models[0], 1), submissions })
            }
            // A submission that is the truth.
            21 | 22 => {
                let (submission, _) = answer(keys, &owner, &miner, (task, model), number);
                let submissions = vec![submission].try_into().unwrap();
                miner.call(pallet_proofs::Call::submit { claim: claim(self.models[0], 1), submissions })
            }
            // A request that nobody made.
            23 => {
                let (submission, _) = answer(keys, &who, &miner, (task, model), number);
                let submissions = vec![submission].try_into().unwrap();
                miner.call(pallet_proofs::Call::submit { claim: claim(self.models[0], 1), submissions })
            }
            24 => owner.call(pallet_proofs::Call::set_anchor {
                task,
                miner: miner.account.clone(),
                anchor: chain_of(9),
            }),
            25 => {
                let receipts: Vec<Receipt> =
                    (1..=3).map(|number| Receipt { number, ..signed.receipt }).collect();
                let last = Authorisation { number: 3, ..authorisation };
                miner.call(pallet_proofs::Call::commit {
                    root: tree::root(&receipts, &crate::common::world::genesis_hash()).unwrap(),
                    first: 1,
                    count: 3,
                    last,
                    signature: owner.sign(&last),
                })
            }
            26 => owner.call(pallet_proofs::Call::reveal {
                task,
                miner: miner.account.clone(),
                preimage: chain_of(8),
            }),
            27 => miner.call(pallet_reports::Call::report {
                task,
                period: pallet_reports::Pallet::<Runtime>::current().saturating_sub(1),
                report: self.report(step),
            }),
            28 => who.call(pallet_balances::Call::transfer_allow_death {
                dest: whom.account.clone().into(),
                value: step.amount,
            }),
            29 => who.call(pallet_tasks::Call::submit {
                spec: pallet_tasks::types::TaskSpec {
                    price_cap: UNIT.min(step.amount),
                    ..spec(
                        self.models[usize::from(step.number % 2)],
                        policy(step.task),
                        1 + step.number % 2,
                        1,
                    )
                },
            }),
            30 => provide_keys(&owner, task),
            31 | 32 => confirm(&miner, task, model),
            _ => owner.call(pallet_payments::Call::acknowledge {
                task,
                miner: miner.account.clone(),
                through: number,
            }),
        };
    }
}

fn block(issuance: Balance) {
    next_block();
    assert_conserved(issuance);
    #[cfg(feature = "try-runtime")]
    crate::try_state::check();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn money_is_where_the_records_say(steps in steps(), pauses in prop::collection::vec(0..LONGEST_PAUSE, 8)) {
        town(PEOPLE).execute_with(|| {
            let issuance = Balances::total_issuance();
            let models = [0, 1].map(|index| register_model(&person(index), &KEYS[usize::from(index)]));
            for miner in 3..6 {
                crate::common::world::register_miner(&person(miner), PRICE * u128::from(miner));
            }
            let town = Town { models };
            for (index, step) in steps.iter().enumerate() {
                town.act(step);
                assert_conserved(issuance);
                if index % 4 == 3 {
                    for miner in 3..6 {
                        let _ = person(miner).call(pallet_miners::Call::heartbeat {});
                    }
                    block(issuance);
                }
                if index % 16 == 15 {
                    for _ in 0..pauses[index / 16 % pauses.len()] {
                        next_block();
                    }
                    block(issuance);
                }
            }
            // Everything ends: tasks are stopped, settled and vacated, bonds go home.
            for task in 0..pallet_tasks::NextTask::<Runtime>::get() {
                let owner = pallet_tasks::Tasks::<Runtime>::get(task).map(|task| task.owner);
                for number in (0..PEOPLE).filter(|number| Some(person(*number).account) == owner) {
                    let _ = person(number).call(pallet_tasks::Call::stop { task });
                }
            }
            wait(SETTLEMENT_MS + 300_000);
            block(issuance);
            prop_assert_eq!(pallet_tasks::Tasks::<Runtime>::iter().count(), 0);
            prop_assert_eq!(pallet_payments::Escrows::<Runtime>::iter().count(), 0);
            prop_assert_eq!(pallet_payments::Meters::<Runtime>::iter().count(), 0);
            for (_, miner) in pallet_miners::Miners::<Runtime>::iter() {
                prop_assert_eq!((miner.load, miner.liabilities, miner.used_mib), (0, 0, 0));
            }
            // They pay each other, fees and the treasury; nothing comes to them from elsewhere.
            let all: Balance = (0..PEOPLE).map(|number| free(&person(number).account)).sum();
            prop_assert!(all <= u128::from(PEOPLE) * FUNDS);
            Ok(())
        })?;
    }
}
