//! Who stops its heartbeat.

use crate::mock::*;
use crate::{CheckQueue, Duty, Event, Pulses, WeightInfo};
use cyborg_interface::Registry;
use polkadot_sdk::frame_support::assert_ok;
use polkadot_sdk::frame_support::traits::Hooks;

type Miners = crate::Pallet<Test>;

fn duty(who: AccountId) -> Duty {
    Pulses::<Test>::get(who).unwrap().duty
}

#[test]
fn silence_is_found_in_time_and_punished_once() {
    new_test_ext().execute_with(|| {
        register(1);
        register(2);
        pass(TIMEOUT, &[2]);
        assert_eq!(duty(1), Duty::Serving);
        pass(INTERVAL + 2 * BLOCK_MS, &[2]);
        assert_eq!((duty(1), duty(2)), (Duty::Lapsed, Duty::Serving));
        assert_eq!((miner(1).bond, miner(1).reputation), (990, 95));
        assert_eq!(Gone::get(), vec![1]);
        assert!(!Miners::is_serving(&1));
        assert_eq!(Miners::rank(&demand(1), &[], 5).miners, vec![2]);
        check();

        pass(10 * TIMEOUT, &[2]);
        assert_eq!((miner(1).bond, miner(2).bond), (990, 1000));
        assert_eq!(Gone::get(), vec![1]);
        check();
    });
}

#[test]
fn a_heartbeat_ends_a_lapse() {
    new_test_ext().execute_with(|| {
        register(1);
        assert_ok!(Miners::bond_more(RuntimeOrigin::signed(1), 100));
        pass(2 * TIMEOUT, &[]);
        assert_eq!(duty(1), Duty::Lapsed);
        let paid = Miners::heartbeat(RuntimeOrigin::signed(1)).unwrap();
        assert_eq!(paid.actual_weight, Some(<() as WeightInfo>::heartbeat_resumes()));
        System::assert_last_event(Event::Resumed { miner: 1 }.into());
        assert_eq!(Miners::rank(&demand(1), &[], 5).miners, vec![1]);
        check();
        pass(2 * TIMEOUT, &[1]);
        assert_eq!(duty(1), Duty::Serving);
        pass(2 * TIMEOUT, &[]);
        assert_eq!(duty(1), Duty::Lapsed);
        check();
    });
}

#[test]
fn an_ordinary_heartbeat_is_cheap_and_writes_one_small_record() {
    new_test_ext().execute_with(|| {
        register(1);
        pass(BLOCK_MS, &[]);
        let before = (miner(1), CheckQueue::<Test>::get());
        let events = System::event_count();
        let paid = Miners::heartbeat(RuntimeOrigin::signed(1)).unwrap();
        assert_eq!(paid.actual_weight, Some(<() as WeightInfo>::heartbeat()));
        assert_eq!((miner(1), CheckQueue::<Test>::get()), before);
        assert_eq!(System::event_count(), events);
        assert_eq!(Pulses::<Test>::get(1).unwrap().seen, now());
    });
}

#[test]
fn the_work_of_a_block_is_bounded_and_nobody_is_forgotten() {
    new_test_ext().execute_with(|| {
        MaxChecks::set(0);
        MaxLapses::set(2);
        (0..7).for_each(register);
        pass(TIMEOUT + BLOCK_MS, &[]);
        MaxChecks::set(200);
        for found in [2, 4, 6, 7, 7] {
            let weight = Miners::on_initialize(1);
            let lapses = (0..7).filter(|who| duty(*who) == Duty::Lapsed).count();
            assert_eq!(lapses, found);
            let most = <() as WeightInfo>::lapse().saturating_mul(2);
            assert!(weight.all_lte(<() as WeightInfo>::watch(7).saturating_add(most)));
            check();
        }
    });
}

#[test]
fn few_checks_in_a_block_only_delay() {
    new_test_ext().execute_with(|| {
        MaxChecks::set(1);
        (0..10).for_each(register);
        let alive: Vec<_> = (0..9).collect();
        pass(TIMEOUT + INTERVAL + 11 * BLOCK_MS, &alive);
        assert!(alive.iter().all(|who| duty(*who) == Duty::Serving));
        assert_eq!(duty(9), Duty::Lapsed);
        check();
    });
}

#[test]
fn nobody_is_blamed_when_the_chain_stood_still() {
    new_test_ext().execute_with(|| {
        (0..5).for_each(register);
        pass(TIMEOUT / 2, &[0, 1, 2, 3, 4]);
        next_block(now() + 100 * TIMEOUT);
        next_block(now() + BLOCK_MS);
        // Four of them are back within the timeout.
        pass(TIMEOUT + INTERVAL + 3 * BLOCK_MS, &[0, 1, 2, 3]);
        assert!((0..4).all(|who| duty(who) == Duty::Serving));
        assert_eq!(duty(4), Duty::Lapsed);
        assert_eq!(Gone::get(), vec![4]);
        check();
    });
}

#[test]
fn the_queue_does_not_grow_with_time() {
    new_test_ext().execute_with(|| {
        (0..10).for_each(register);
        let alive: Vec<_> = (0..10).collect();
        for _ in 0..20 {
            pass(TIMEOUT, &alive);
            let queue = CheckQueue::<Test>::get();
            assert!(queue.end - queue.first <= 2, "{queue:?}");
            check();
        }
    });
}
