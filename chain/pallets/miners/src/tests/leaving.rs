//! Deregistration, and who would use it to escape.

use crate::mock::*;
use crate::{Duty, Error, Pulses};
use cyborg_interface::Registry;
use cyborg_primitives::miner::Offence;
use polkadot_sdk::frame_support::{assert_noop, assert_ok};

type Miners = crate::Pallet<Test>;

fn deregister(who: AccountId) -> polkadot_sdk::frame_support::dispatch::DispatchResult {
    Miners::deregister(RuntimeOrigin::signed(who))
}

fn withdraw(who: AccountId) -> polkadot_sdk::frame_support::dispatch::DispatchResult {
    Miners::withdraw_bond(RuntimeOrigin::signed(who))
}

#[test]
fn an_idle_miner_leaves_after_the_delay_with_its_bond() {
    new_test_ext().execute_with(|| {
        register(1);
        register(2);
        assert_noop!(withdraw(1), Error::<Test>::NotLeaving);
        assert_ok!(deregister(1));
        assert_noop!(deregister(1), Error::<Test>::Leaving);
        assert_noop!(Miners::heartbeat(RuntimeOrigin::signed(1)), Error::<Test>::Leaving);
        assert_noop!(Miners::bond_more(RuntimeOrigin::signed(1), 1), Error::<Test>::Leaving);
        assert_eq!(Miners::engage(&1, 1), None);
        assert_eq!(Miners::rank(&demand(1), &[], 5).miners, vec![2]);
        check();

        pass(UNBONDING - 1, &[2]);
        assert_noop!(withdraw(1), Error::<Test>::StillUnbonding);
        assert_eq!(miner(1).bond, BOND, "nobody expects heartbeats of it");
        pass(1, &[2]);
        assert_ok!(withdraw(1));
        assert_eq!(Balances::free_balance(1), FUNDS);
        assert_noop!(withdraw(1), Error::<Test>::NotRegistered);
        check();

        register(1);
        assert_eq!(miner(1).number, 2, "numbers are not used again");
        check();
    });
}

#[test]
fn a_liable_miner_cannot_leave_and_is_slashed_while_it_waits() {
    new_test_ext().execute_with(|| {
        register(1);
        assert!(Miners::engage(&1, 10).is_some());
        assert!(Miners::engage(&1, 10).is_some());
        assert_ok!(deregister(1));
        Miners::release(&1, 10);
        pass(2 * UNBONDING, &[1]);
        assert_noop!(withdraw(1), Error::<Test>::Liable);
        Miners::release(&1, 10);
        Miners::discharge(&1);
        assert_noop!(withdraw(1), Error::<Test>::Liable);
        check();

        assert_eq!(Miners::punish(&1, Offence::FalseProof, Some(&2)), 300);
        Miners::discharge(&1);
        assert_ok!(withdraw(1));
        assert_eq!(Balances::free_balance(1), FUNDS - 300);
        check();
    });
}

#[test]
fn an_engaged_miner_that_leaves_still_owes_heartbeats() {
    new_test_ext().execute_with(|| {
        register(1);
        assert!(Miners::engage(&1, 10).is_some());
        assert_ok!(deregister(1));
        assert!(Miners::is_serving(&1));
        pass(TIMEOUT * 2, &[1]);
        assert_eq!(miner(1).bond, BOND);
        pass(TIMEOUT * 2, &[]);
        assert_eq!(Pulses::<Test>::get(1).unwrap().duty, Duty::Lapsed);
        assert_eq!(Gone::get(), vec![1]);
        assert!(miner(1).bond < BOND);
        check();

        assert_ok!(Miners::heartbeat(RuntimeOrigin::signed(1)));
        assert!(Miners::rank(&demand(1), &[], 5).miners.is_empty(), "back, but not on offer");
        Miners::release(&1, 10);
        assert_eq!(Pulses::<Test>::get(1).unwrap().duty, Duty::Over);
        check();
    });
}

#[test]
fn leaving_and_coming_back_at_once_wipes_nothing_out() {
    new_test_ext().execute_with(|| {
        register(1);
        Miners::punish(&1, Offence::FalseProof, None);
        assert_ok!(deregister(1));
        assert_noop!(register_in(1, b"DE", 1, 1), Error::<Test>::AlreadyRegistered);
        assert_noop!(withdraw(1), Error::<Test>::StillUnbonding);
        assert_eq!(miner(1).reputation, 45);
    });
}

#[test]
fn a_miner_without_bond_can_leave_too() {
    new_test_ext().execute_with(|| {
        register(1);
        Miners::punish(&1, Offence::Equivocation, None);
        assert_ok!(deregister(1));
        pass(UNBONDING, &[]);
        assert_ok!(withdraw(1));
        check();
    });
}
