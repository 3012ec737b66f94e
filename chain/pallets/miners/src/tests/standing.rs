//! Offences, reputation, and the money in between.

use crate::mock::*;
use crate::{Error, Event};
use cyborg_interface::Registry;
use cyborg_primitives::miner::Offence;
use polkadot_sdk::frame_support::{assert_noop, assert_ok};

type Miners = crate::Pallet<Test>;

fn set_reputation(who: AccountId, reputation: u8) {
    let mut miner = miner(who);
    miner.reputation = reputation;
    Miners::store(&who, &miner, crate::Pulses::<Test>::get(who).unwrap().duty);
}

#[test]
fn half_of_a_slash_goes_to_the_victim_and_the_rest_to_the_treasury() {
    new_test_ext().execute_with(|| {
        register(1);
        assert_ok!(Miners::bond_more(RuntimeOrigin::signed(1), 11));
        let issuance = Balances::total_issuance();
        // 30 % of 1011, rounded up.
        assert_eq!(Miners::punish(&1, Offence::FalseProof, Some(&2)), 304);
        assert_eq!(Balances::free_balance(2), FUNDS + 152);
        assert_eq!(Balances::free_balance(TREASURY), FUNDS + 152);
        assert_eq!((miner(1).bond, miner(1).reputation), (707, 45));
        let event = Event::Punished {
            miner: 1,
            offence: Offence::FalseProof,
            slashed: 304,
            victim: Some(2),
            to_victim: 152,
            reputation: 45,
        };
        System::assert_last_event(event.into());
        assert_eq!(Balances::total_issuance(), issuance);
        check();
    });
}

#[test]
fn a_miner_is_not_its_own_victim() {
    new_test_ext().execute_with(|| {
        register(1);
        let free = Balances::free_balance(1);
        assert_eq!(Miners::punish(&1, Offence::FalseProof, Some(&1)), 300);
        assert_eq!(Balances::free_balance(1), free);
        assert_eq!(Balances::free_balance(TREASURY), FUNDS + 300);
        check();
    });
}

#[test]
fn a_victim_that_cannot_take_so_little_leaves_it_to_the_treasury() {
    new_test_ext().execute_with(|| {
        register(1);
        // 1 % is 10, and half of that is below the existential deposit.
        assert_eq!(Miners::punish(&1, Offence::Inactive, Some(&PAUPER)), 10);
        assert_eq!(Balances::free_balance(PAUPER), 0);
        assert_eq!(Balances::free_balance(TREASURY), FUNDS + 10);
        check();
    });
}

#[test]
fn nothing_is_lost_where_nobody_can_take_it() {
    new_test_ext().execute_with(|| {
        register(1);
        polkadot_sdk::frame_support::assert_ok!(Balances::transfer_all(
            RuntimeOrigin::signed(TREASURY),
            2,
            false
        ));
        let mut miner = miner(1);
        miner.bond = 500;
        crate::Miners::<Test>::insert(1, miner);
        // 1 % of 500.
        assert_eq!(Miners::punish(&1, Offence::Inactive, None), 0);
        assert_eq!(self::miner(1).bond, 500);
    });
}

#[test]
fn a_slashed_bond_keeps_a_miner_off_the_offer_until_it_is_filled_up() {
    new_test_ext().execute_with(|| {
        register(1);
        Miners::punish(&1, Offence::Inactive, None);
        assert!(Miners::is_serving(&1), "what it has, it goes on serving");
        assert_eq!(Miners::engage(&1, 1), None);
        assert!(Miners::rank(&demand(1), &[], 1).miners.is_empty());
        assert_noop!(Miners::bond_more(RuntimeOrigin::signed(1), 9), Error::<Test>::BondTooLow);
        assert_ok!(Miners::bond_more(RuntimeOrigin::signed(1), 10));
        assert!(Miners::engage(&1, 1).is_some());
        check();
    });
}

#[test]
fn the_whole_bond_can_go_and_no_more() {
    new_test_ext().execute_with(|| {
        register(1);
        assert_eq!(Miners::punish(&1, Offence::Equivocation, Some(&2)), BOND);
        assert_eq!((miner(1).bond, miner(1).reputation), (0, 0));
        assert_eq!(Miners::punish(&1, Offence::Equivocation, Some(&2)), 0);
        assert_eq!(Miners::punish(&5, Offence::Equivocation, Some(&2)), 0, "no miner at all");
        check();
    });
}

#[test]
fn below_fifty_comes_last_and_below_thirty_not_at_all() {
    new_test_ext().execute_with(|| {
        register_in(1, b"DE", 1024, 1).unwrap();
        register_in(2, b"DE", 1024, 1000).unwrap();
        let ranked = || Miners::rank(&demand(1), &[], 5).miners;
        for (reputation, expected) in
            [(50, vec![1, 2]), (49, vec![2, 1]), (30, vec![2, 1]), (29, vec![2]), (0, vec![2])]
        {
            set_reputation(1, reputation);
            assert_eq!(ranked(), expected, "reputation {reputation}");
            assert_eq!(Miners::is_serving(&1), reputation >= 30);
            assert_eq!(Miners::engage(&1, 0).is_some(), reputation >= 30);
            check();
        }
    });
}

#[test]
fn a_suspension_is_told_once() {
    new_test_ext().execute_with(|| {
        register(1);
        Miners::punish(&1, Offence::FalseProof, None);
        assert!(Gone::get().is_empty());
        Miners::punish(&1, Offence::FalseProof, None);
        Miners::punish(&1, Offence::FalseProof, None);
        assert_eq!(Gone::get(), vec![1]);
        check();
    });
}

#[test]
fn time_served_gives_points_up_to_a_hundred() {
    new_test_ext().execute_with(|| {
        register(1);
        set_reputation(1, 91);
        pass(PERIOD - BLOCK_MS, &[1]);
        assert_eq!(miner(1).reputation, 91);
        pass(2 * BLOCK_MS, &[1]);
        assert_eq!(miner(1).reputation, 96);
        pass(PERIOD, &[1]);
        assert_eq!(miner(1).reputation, 100);
        pass(10 * PERIOD, &[1]);
        assert_eq!(miner(1).reputation, 100);
        check();
    });
}

#[test]
fn a_flood_of_heartbeats_gains_nothing() {
    new_test_ext().execute_with(|| {
        register(1);
        set_reputation(1, 50);
        for _ in 0..1000 {
            assert_ok!(Miners::heartbeat(RuntimeOrigin::signed(1)));
        }
        assert_eq!(miner(1).reputation, 50);
        check();
    });
}

#[test]
fn a_suspended_miner_comes_back_by_serving_time() {
    new_test_ext().execute_with(|| {
        register(1);
        set_reputation(1, 26);
        assert!(!Miners::is_serving(&1));
        pass(PERIOD, &[1]);
        pass(BLOCK_MS, &[1]);
        assert_eq!(miner(1).reputation, 31);
        assert!(Miners::is_serving(&1));
        assert_eq!(Miners::rank(&demand(1), &[], 1).miners, vec![1]);
        check();
    });
}

#[test]
fn an_offence_or_a_silence_begins_the_period_anew() {
    new_test_ext().execute_with(|| {
        register(1);
        set_reputation(1, 80);
        pass(PERIOD - BLOCK_MS, &[1]);
        Miners::punish(&1, Offence::Inactive, None);
        pass(PERIOD - BLOCK_MS, &[1]);
        assert_eq!(miner(1).reputation, 75);
        pass(2 * BLOCK_MS, &[1]);
        assert_eq!(miner(1).reputation, 80);

        pass(PERIOD - 2 * BLOCK_MS, &[1]);
        // Silent for longer than the timeout, but back before a check notices.
        pass(TIMEOUT + BLOCK_MS, &[]);
        if crate::Pulses::<Test>::get(1).unwrap().duty == crate::Duty::Serving {
            assert_ok!(Miners::heartbeat(RuntimeOrigin::signed(1)));
            assert_eq!(miner(1).reputation, 80);
        }
        check();
    });
}
