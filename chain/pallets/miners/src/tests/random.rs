//! Random sequences of everything that can happen: after each step the invariants hold, no money
//! appears or disappears, and a ranking is what a look at every miner gives.

use std::collections::BTreeMap;

use crate::mock::*;
use crate::{Duty, MAX_REPUTATION};
use cyborg_interface::{Demand, Registry};
use cyborg_primitives::miner::Offence;
use cyborg_primitives::place::{Cell, Region};
use cyborg_scheduler::Selection;
use proptest::prelude::*;

type Miners = crate::Pallet<Test>;

const REGIONS: [&[u8; 2]; 3] = [b"DE", b"FR", b"US"];
const OFFENCES: [Offence; 7] = [
    Offence::Inactive,
    Offence::Unconfirmed,
    Offence::Abandoned,
    Offence::FalseProof,
    Offence::InventedRequest,
    Offence::Unproven,
    Offence::Equivocation,
];

#[derive(Clone, Debug)]
enum Step {
    Register { who: u64, region: usize, memory: u32, price: u128 },
    Move { who: u64, region: usize },
    Resize { who: u64, memory: u32 },
    Price { who: u64, price: u128 },
    Bond { who: u64, amount: u128 },
    Heartbeat { who: u64 },
    Deregister { who: u64 },
    Withdraw { who: u64 },
    Engage { who: u64, memory: u32 },
    Release { who: u64 },
    Discharge { who: u64 },
    Punish { who: u64, offence: usize, victim: u64 },
    Pass { time: u64 },
    ChainStops,
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..8_u64;
    let memory = prop_oneof![1..40_u32, 1000..5000_u32, Just(u32::MAX)];
    let price = prop_oneof![0..100_u128, Just(u128::MAX)];
    prop_oneof![
        4 => (who.clone(), 0..3_usize, memory.clone(), price.clone())
            .prop_map(|(who, region, memory, price)| Step::Register { who, region, memory, price }),
        1 => (who.clone(), 0..3_usize).prop_map(|(who, region)| Step::Move { who, region }),
        1 => (who.clone(), memory.clone()).prop_map(|(who, memory)| Step::Resize { who, memory }),
        1 => (who.clone(), price).prop_map(|(who, price)| Step::Price { who, price }),
        2 => (who.clone(), prop_oneof![0..2000_u128, Just(u128::MAX)])
            .prop_map(|(who, amount)| Step::Bond { who, amount }),
        4 => who.clone().prop_map(|who| Step::Heartbeat { who }),
        1 => who.clone().prop_map(|who| Step::Deregister { who }),
        1 => who.clone().prop_map(|who| Step::Withdraw { who }),
        6 => (who.clone(), memory).prop_map(|(who, memory)| Step::Engage { who, memory }),
        3 => who.clone().prop_map(|who| Step::Release { who }),
        3 => who.clone().prop_map(|who| Step::Discharge { who }),
        2 => (who, 0..7_usize, 0..10_u64)
            .prop_map(|(who, offence, victim)| Step::Punish { who, offence, victim }),
        3 => (1..3 * TIMEOUT).prop_map(|time| Step::Pass { time }),
        1 => Just(Step::ChainStops),
    ]
}

/// What the tasks pallet would remember: memory at work, and liabilities whose work is over.
#[derive(Default)]
struct Tasks {
    at_work: BTreeMap<u64, Vec<u32>>,
    settled: BTreeMap<u64, u32>,
}

impl Tasks {
    fn liabilities(&self, who: u64) -> usize {
        let at_work = self.at_work.get(&who).map_or(0, Vec::len);
        at_work + self.settled.get(&who).copied().unwrap_or(0) as usize
    }

    fn take(&mut self, step: Step) {
        let signed = RuntimeOrigin::signed;
        match step {
            Step::Register { who, region, memory, price } => {
                let _ = register_in(who, REGIONS[region], memory, price);
            }
            Step::Move { who, region } => {
                let place = Some(place(REGIONS[region]));
                let moved = Miners::update(signed(who), None, None, place, None, None).is_ok();
                assert!(!moved || self.at_work.get(&who).is_none_or(Vec::is_empty));
            }
            Step::Resize { who, memory } => {
                let _ = Miners::update(signed(who), None, None, None, Some(machine(memory)), None);
            }
            Step::Price { who, price } => {
                let _ = Miners::update(signed(who), None, None, None, None, Some(price));
            }
            Step::Bond { who, amount } => {
                let _ = Miners::bond_more(signed(who), amount);
            }
            Step::Heartbeat { who } => {
                let _ = Miners::heartbeat(signed(who));
            }
            Step::Deregister { who } => {
                let _ = Miners::deregister(signed(who));
            }
            Step::Withdraw { who } => {
                let left = Miners::withdraw_bond(signed(who)).is_ok();
                assert!(!left || self.liabilities(who) == 0, "left while liable");
            }
            Step::Engage { who, memory } => {
                if Miners::engage(&who, memory).is_some() {
                    self.at_work.entry(who).or_default().push(memory);
                }
            }
            Step::Release { who } => {
                if let Some(memory) = self.at_work.get_mut(&who).and_then(Vec::pop) {
                    Miners::release(&who, memory);
                    *self.settled.entry(who).or_default() += 1;
                }
            }
            Step::Discharge { who } => {
                if let Some(settled) = self.settled.get_mut(&who).filter(|settled| **settled > 0) {
                    *settled -= 1;
                    Miners::discharge(&who);
                }
            }
            Step::Punish { who, offence, victim } => {
                let bond = crate::Miners::<Test>::get(who).map_or(0, |miner| miner.bond);
                assert!(Miners::punish(&who, OFFENCES[offence], Some(&victim)) <= bond);
            }
            Step::Pass { time } => pass(time, &[0, 1, 2]),
            Step::ChainStops => next_block(now() + 50 * TIMEOUT),
        }
    }
}

/// A ranking by a look at every miner.
fn rank_all(demand: &Demand<u128>) -> Vec<u64> {
    let mut selection = Selection::new(crate::registry::request(demand), u32::MAX);
    for (who, miner) in crate::Miners::<Test>::iter() {
        let duty = crate::Pulses::<Test>::get(who).map_or(Duty::Over, |pulse| pulse.duty);
        if miner.is_on_offer(duty, BOND, MaxLoad::get()) {
            selection.offer(&miner.entry());
        }
    }
    let ranking = selection.into_ranking();
    ranking.iter().map(|found| crate::Accounts::<Test>::get(found.miner()).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn anything_may_happen(
        steps in prop::collection::vec(step(), 1..80),
        memory in 0..5000_u32,
        regions in prop::sample::subsequence(vec![Region(*b"DE"), Region(*b"FR")], 0..=2),
    ) {
        new_test_ext().execute_with(|| {
            let issuance = Balances::total_issuance();
            let mut demand = demand(memory);
            demand.placement.regions = regions;
            demand.placement.near = Some((Cell { latitude: 5000, longitude: 0 }, 3000));
            let mut tasks = Tasks::default();
            for step in steps {
                tasks.take(step);
                check();
                assert_eq!(Balances::total_issuance(), issuance);
                let ranked = Miners::rank(&demand, &[1], 64);
                let mut all = rank_all(&demand);
                all.retain(|who| *who != 1);
                assert_eq!(ranked.miners, all);
                assert!(ranked.weight.all_lte(Miners::rank_weight()));
                for (who, miner) in crate::Miners::<Test>::iter() {
                    assert!(miner.reputation <= MAX_REPUTATION);
                    assert_eq!(miner.liabilities as usize, tasks.liabilities(who));
                }
            }
        });
    }
}
