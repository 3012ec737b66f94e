//! Anybody does anything at any time: nothing panics, every invariant holds after every call and
//! block, and in the end every task is vacated, with its escrow closed exactly once.

use super::*;
use cyborg_interface::Departures as _;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Submit { owner: u64, replicas: u8, standbys: u8, read: bool, compute_ms: u64, policy: u8 },
    Provide { who: u64, task: u64, miners: Vec<u64>, honest: bool },
    Confirm { who: u64, task: u64, honest: bool },
    Decline { who: u64, task: u64 },
    Vacate { who: u64, task: u64 },
    Stop { who: u64, task: u64 },
    Go { miner: u64 },
    Return { miner: u64 },
    Drain { task: u64 },
    Pass { slots: u64 },
}

/// Owners 1 and 2, a stranger, and miners.
fn anybody() -> impl Strategy<Value = u64> {
    prop_oneof![1_u64..4, 101_u64..109]
}

fn step() -> impl Strategy<Value = Step> {
    let task = || 0_u64..6;
    let miner = || 101_u64..109;
    prop_oneof![
        3 => (1_u64..3, 1_u8..4, 0_u8..3, any::<bool>(), prop_oneof![1_u64..10, 100_000_u64..900_000], 0_u8..3)
            .prop_map(|(owner, replicas, standbys, read, compute_ms, policy)| Step::Submit {
                owner, replicas, standbys, read, compute_ms, policy,
            }),
        4 => (anybody(), task(), prop::collection::vec(miner(), 0..4), prop::bool::weighted(0.8))
            .prop_map(|(who, task, miners, honest)| Step::Provide { who, task, miners, honest }),
        8 => (miner(), task(), prop::bool::weighted(0.9))
            .prop_map(|(who, task, honest)| Step::Confirm { who, task, honest }),
        2 => (anybody(), task()).prop_map(|(who, task)| Step::Decline { who, task }),
        2 => (anybody(), task()).prop_map(|(who, task)| Step::Vacate { who, task }),
        1 => (anybody(), task()).prop_map(|(who, task)| Step::Stop { who, task }),
        2 => miner().prop_map(|miner| Step::Go { miner }),
        2 => miner().prop_map(|miner| Step::Return { miner }),
        1 => task().prop_map(|task| Step::Drain { task }),
        4 => (1_u64..30).prop_map(|slots| Step::Pass { slots }),
    ]
}

fn act(step: Step) {
    // Calls may fail; `call` checks what they leave behind.
    let _ = match step {
        Step::Submit { owner, replicas, standbys, read, compute_ms, policy } => {
            let mut spec = spec();
            (spec.placement.replicas, spec.placement.standbys) = (replicas, standbys);
            (spec.standbys_read_now, spec.compute_ms) = (read, compute_ms);
            spec.policy = match policy {
                0 => ProofPolicy::Every,
                1 => ProofPolicy::Sampled { samples: 3 },
                _ => ProofPolicy::OnDemand,
            };
            call(owner, Call::submit { spec })
        }
        Step::Provide { who, task, miners, honest } => match StoredTasks::<Test>::get(task) {
            Some(stored) if honest => provide(stored.owner, task, &keyless(task)),
            _ => provide(who, task, &miners),
        },
        Step::Confirm { who, task, honest } => {
            let mut attestation = attestation();
            if !honest {
                attestation.model = [0; 32];
            }
            call(who, Call::confirm { task, attestation })
        }
        Step::Decline { who, task } => decline(who, task),
        Step::Vacate { who, task } => vacate(who, task),
        Step::Stop { who, task } => stop(who, task),
        Step::Go { miner } => {
            Machines::mutate(miner, |machine| machine.as_mut().unwrap().serving = false);
            Tasks::gone(&miner);
            check();
            Ok(())
        }
        Step::Return { miner } => {
            Machines::mutate(miner, |machine| {
                let machine = machine.as_mut().unwrap();
                (machine.serving, machine.offences) = (true, 0);
            });
            Ok(())
        }
        Step::Drain { task } => {
            Moneys::mutate_extant(task, |money| money.compute = 0);
            Ok(())
        }
        Step::Pass { slots } => {
            pass(slots * SLOT);
            Ok(())
        }
    };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_happens(steps in prop::collection::vec(step(), 1..80)) {
        new_test_ext(8).execute_with(|| {
            for step in steps {
                act(step);
            }
            // However it went, it ends by itself.
            let longest = MAX_DURATION + SETTLEMENT + RETENTION + 100 * SLOT;
            let until = now() + longest;
            let ids = crate::NextTask::<Test>::get();
            while now() < until {
                block_of(20 * SLOT);
            }
            prop_assert_eq!(StoredTasks::<Test>::iter().count(), 0);
            prop_assert_eq!(Ended::<Test>::iter().count(), 0);
            prop_assert_eq!(crate::AgendaPageCount::<Test>::iter().count(), 0);
            prop_assert_eq!(MinerTasks::<Test>::iter().count(), 0);
            for id in 0..ids {
                prop_assert_eq!(Closed::get(id), 1, "task {}", id);
            }
            for (miner, machine) in Machines::iter() {
                prop_assert_eq!((machine.free_mib, machine.liabilities), (10_000, 0), "miner {}", miner);
            }
            Ok(())
        })?;
    }
}
