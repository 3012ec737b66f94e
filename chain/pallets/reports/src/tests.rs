//! Every rule, and who breaks it.
#![expect(clippy::unwrap_used, reason = "tests")]

use crate::mock::*;
use crate::{Error, Event, MAX_CORES, MAX_MEMORY_BYTES, MAX_WATTS, Record, Records, Report, Totals};
use cyborg_interface::Vacated;
use polkadot_sdk::frame_support::traits::ConstU32;
use polkadot_sdk::frame_support::{assert_noop, assert_ok};
use polkadot_sdk::sp_runtime::DispatchResult;
use proptest::prelude::*;

const TASK: u64 = 7;
const MINER: u64 = 1;
const STRANGER: u64 = 2;

const REPORT: Report =
    Report { memory_peak_bytes: 1 << 30, cpu_ms: 90_000, energy_mj: Some(4_000), requests: 12 };

fn report(miner: u64, period: u32, report: Report) -> DispatchResult {
    Reports::report(RuntimeOrigin::signed(miner), TASK, period, report)
}

fn run(test: impl FnOnce()) {
    new_test_ext().execute_with(|| {
        Engaged::mutate(|all| all.insert((TASK, MINER), true));
        test();
        Reports::do_try_state().expect("invariants");
    });
}

#[test]
fn reports_are_kept_and_summed_up() {
    run(|| {
        assert_ok!(report(MINER, 98, REPORT));
        System::assert_last_event(
            Event::Reported { task: TASK, miner: MINER, period: 98, report: REPORT }.into(),
        );
        let unmetered = Report { energy_mj: None, memory_peak_bytes: 5, ..REPORT };
        assert_ok!(report(MINER, 99, unmetered));
        let rows = Reports::reports(TASK);
        assert_eq!(rows[0].0, MINER);
        assert_eq!(rows[0].1.last, [(98, REPORT), (99, unmetered)]);
        let totals = Totals {
            periods: 2,
            memory_peak_bytes: 1 << 30,
            cpu_ms: 180_000,
            energy_mj: 4_000,
            metered: 1,
            requests: 24,
        };
        assert_eq!(rows[0].1.totals, totals);
        assert!(Reports::reports(TASK + 1).is_empty());
    });
}

#[test]
fn only_engaged_and_confirmed_miners_report() {
    run(|| {
        assert_noop!(report(STRANGER, 99, REPORT), Error::<Test>::NotEngaged);
        Engaged::mutate(|all| all.insert((TASK, STRANGER), false));
        assert_noop!(report(STRANGER, 99, REPORT), Error::<Test>::NotConfirmed);
        let other = Reports::report(RuntimeOrigin::signed(MINER), TASK + 1, 99, REPORT);
        assert_noop!(other, Error::<Test>::NotEngaged);
    });
}

#[test]
fn a_period_is_reported_once_and_in_order() {
    run(|| {
        assert_ok!(report(MINER, 98, REPORT));
        for period in [97, 98] {
            assert_noop!(report(MINER, period, REPORT), Error::<Test>::Reported);
        }
        assert_ok!(report(MINER, 99, REPORT));
    });
}

#[test]
fn neither_the_future_nor_the_distant_past_is_reported() {
    run(|| {
        for period in [100, 101, u32::MAX] {
            assert_noop!(report(MINER, period, REPORT), Error::<Test>::Early);
        }
        let earliest = 100 - MAX_LATE - 1;
        for period in [0, earliest - 1] {
            assert_noop!(report(MINER, period, REPORT), Error::<Test>::Late);
        }
        assert_ok!(report(MINER, earliest, REPORT));
    });
}

#[test]
fn what_no_machine_consumes_is_refused() {
    run(|| {
        let most = Report {
            memory_peak_bytes: MAX_MEMORY_BYTES,
            cpu_ms: PERIOD_MS * MAX_CORES,
            energy_mj: Some(PERIOD_MS * MAX_WATTS),
            requests: u32::MAX,
        };
        for impossible in [
            Report { memory_peak_bytes: most.memory_peak_bytes + 1, ..most },
            Report { cpu_ms: most.cpu_ms + 1, ..most },
            Report { energy_mj: most.energy_mj.map(|energy| energy + 1), ..most },
        ] {
            assert_noop!(report(MINER, 99, impossible), Error::<Test>::Impossible);
        }
        assert_ok!(report(MINER, 99, most));
    });
}

#[test]
fn the_oldest_makes_room_and_totals_stay() {
    run(|| {
        for period in 100..110 {
            go_to(period + 1);
            assert_ok!(report(MINER, period, REPORT));
        }
        let record = Records::<Test>::get(TASK, MINER).unwrap();
        let periods: Vec<_> = record.last.iter().map(|(period, _)| *period).collect();
        assert_eq!(periods, [106, 107, 108, 109]);
        assert_eq!((record.totals.periods, record.totals.requests), (10, 120));
    });
}

#[test]
fn sums_stop_at_their_greatest_value() {
    let most =
        Report { memory_peak_bytes: 1, cpu_ms: u64::MAX, energy_mj: Some(u64::MAX), requests: u32::MAX };
    let mut totals = Totals { periods: u32::MAX, metered: u32::MAX, requests: u64::MAX, ..Totals::default() };
    totals.add(&most);
    totals.add(&most);
    assert_eq!((totals.cpu_ms, totals.energy_mj, totals.requests), (u64::MAX, u64::MAX, u64::MAX));
    assert_eq!((totals.periods, totals.metered), (u32::MAX, u32::MAX));
}

#[test]
fn a_vacated_task_is_forgotten() {
    run(|| {
        Engaged::mutate(|all| all.insert((TASK, STRANGER), true));
        assert_ok!(report(MINER, 99, REPORT));
        assert_ok!(report(STRANGER, 99, REPORT));
        Reports::vacated(TASK + 1, &[MINER]);
        assert_eq!(Records::<Test>::iter().count(), 2);
        Reports::vacated(TASK, &[MINER, STRANGER, 3]);
        assert_eq!(Records::<Test>::iter().count(), 0);
    });
}

#[test]
fn extreme_times_do_not_panic() {
    run(|| {
        for now in [0, u64::MAX] {
            polkadot_sdk::pallet_timestamp::Now::<Test>::put(now);
            for period in [0, 1, u32::MAX - 1, u32::MAX] {
                let _ = report(MINER, period, REPORT);
            }
        }
    });
}

fn tamper(damage: fn(&mut Record<ConstU32<KEPT>>)) {
    Records::<Test>::mutate(TASK, MINER, |record| damage(record.as_mut().unwrap()));
}

/// Each invariant is checked: state that breaks it is found.
#[test]
fn broken_invariants_are_found() {
    let broken = |damage: fn()| {
        new_test_ext().execute_with(|| {
            Engaged::mutate(|all| all.insert((TASK, MINER), true));
            assert_ok!(report(MINER, 98, REPORT));
            assert_ok!(report(MINER, 99, REPORT));
            assert_ok!(Reports::do_try_state());
            damage();
            assert!(Reports::do_try_state().is_err());
        });
    };
    broken(|| Engaged::set(std::collections::BTreeMap::new()));
    broken(|| go_to(99));
    broken(|| tamper(|record| record.last.clear()));
    broken(|| tamper(|record| record.last[0].0 = 99));
    broken(|| tamper(|record| record.totals.periods = 1));
    broken(|| tamper(|record| record.totals.memory_peak_bytes = 1));
    broken(|| tamper(|record| record.totals.cpu_ms = 1));
    broken(|| tamper(|record| record.totals.energy_mj = 1));
    broken(|| tamper(|record| record.totals.metered = 1));
    broken(|| tamper(|record| record.totals.requests = 1));
}

proptest! {
    /// Whoever reports whatever whenever: against a list of what was accepted.
    #[test]
    fn totals_are_the_sum_of_what_was_accepted(
        steps in prop::collection::vec((0_u64..4, 0_u32..3, 0_u32..8, any::<u32>(), any::<Option<u32>>()), 0..60),
    ) {
        run(|| {
            Engaged::mutate(|all| all.insert((TASK, 3), true));
            let mut now = 100;
            let mut accepted: Vec<(u64, u32, Report)> = Vec::new();
            for (miner, pass, back, amount, energy) in steps {
                now += pass;
                go_to(now);
                let period = now + 1 - back;
                let made = Report {
                    cpu_ms: amount.into(),
                    energy_mj: energy.map(Into::into),
                    requests: amount,
                    ..REPORT
                };
                let latest = accepted.iter().filter(|(who, ..)| *who == miner).map(|(_, period, _)| *period).max();
                let fair = [MINER, 3].contains(&miner)
                    && (now - MAX_LATE - 1..now).contains(&period)
                    && latest.is_none_or(|latest| latest < period)
                    && made.is_possible(PERIOD_MS);
                assert_eq!(report(miner, period, made).is_ok(), fair);
                if fair {
                    accepted.push((miner, period, made));
                }
                Reports::do_try_state().unwrap();
            }
            for miner in [MINER, 3] {
                let mut totals = Totals::default();
                accepted.iter().filter(|(who, ..)| *who == miner).for_each(|(_, _, report)| totals.add(report));
                assert_eq!(Records::<Test>::get(TASK, miner).map(|record| record.totals).unwrap_or_default(), totals);
            }
        });
    }
}
