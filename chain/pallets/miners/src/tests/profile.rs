//! Registering, updating and bonding.

use crate::mock::*;
use crate::{Error, Event};
use cyborg_interface::Registry;
use cyborg_primitives::place::{Cell, Location, Region};
use polkadot_sdk::frame_support::traits::fungible::hold::Inspect;
use polkadot_sdk::frame_support::{assert_noop, assert_ok};
use polkadot_sdk::sp_runtime::TokenError;

type Miners = crate::Pallet<Test>;

fn signed(who: AccountId) -> RuntimeOrigin {
    RuntimeOrigin::signed(who)
}

fn update_key(who: AccountId, key: [u8; 32]) -> polkadot_sdk::frame_support::dispatch::DispatchResult {
    Miners::update(signed(who), Some(key), None, None, None, None)
}

#[test]
fn a_registered_miner_is_bonded_and_on_offer() {
    new_test_ext().execute_with(|| {
        register(1);
        assert_eq!(miner(1).reputation, 100);
        assert_eq!(miner(1).declared_at, START);
        assert_eq!(Balances::balance_on_hold(&crate::HoldReason::Bond.into(), &1), BOND);
        assert_eq!(Miners::rank(&demand(1), &[], 5).miners, vec![1]);
        assert!(Miners::is_serving(&1));
        System::assert_last_event(Event::Registered { miner: 1, number: 0, bond: BOND }.into());
        assert_noop!(register_in(1, b"DE", 1024, 100), Error::<Test>::AlreadyRegistered);
        check();
    });
}

#[test]
fn what_is_declared_is_checked() {
    new_test_ext().execute_with(|| {
        let register = |key, end: &str, at, machine, bond| {
            Miners::register(signed(1), key, endpoint(end), at, machine, 0, bond)
        };
        let (key, end, at, box_) = ([9; 32], "h:1", place(b"DE"), machine(1));
        let invalid = || Error::<Test>::InvalidLocation;
        for region in [*b"de", *b"D1", [0, 0], [0xff, 0xff]] {
            assert_noop!(register(key, end, place(&region), box_, BOND), invalid());
        }
        for (latitude, longitude) in
            [(9000, 0), (-9001, 0), (0, 18_000), (0, -18_001), (i16::MIN, 0), (0, i16::MAX)]
        {
            let at = Location { region: Region(*b"DE"), cell: Cell { latitude, longitude } };
            assert_noop!(register(key, end, at, box_, BOND), invalid());
        }
        assert_noop!(register(key, end, at, machine(0), BOND), Error::<Test>::InvalidCapacity);
        let mut slow = box_;
        slow.macs_per_second = 0;
        assert_noop!(register(key, end, at, slow, BOND), Error::<Test>::InvalidCapacity);
        for end in ["", "a b", "a\n", "\u{85}", "a\u{0}"] {
            assert_noop!(register(key, end, at, box_, BOND), Error::<Test>::InvalidEndpoint);
        }
        let binary = vec![0xff].try_into().unwrap();
        assert_noop!(
            Miners::register(signed(1), key, binary, at, box_, 0, BOND),
            Error::<Test>::InvalidEndpoint
        );
        let mut p_plus_one_with_high_bit = [0xff; 32];
        p_plus_one_with_high_bit[0] = 0xee;
        for key in [[0; 32], p_plus_one_with_high_bit] {
            assert_noop!(register(key, end, at, box_, BOND), Error::<Test>::InvalidKey);
        }
        assert_noop!(register(key, end, at, box_, BOND - 1), Error::<Test>::BondTooLow);
        assert_noop!(register(key, end, at, box_, FUNDS + 1), TokenError::FundsUnavailable);
        assert_noop!(register(key, end, at, box_, u128::MAX), TokenError::FundsUnavailable);
        assert_ok!(register(key, end, at, box_, BOND));
        check();
    });
}

#[test]
fn numbers_run_out_without_harm() {
    new_test_ext().execute_with(|| {
        crate::NextNumber::<Test>::put(u32::MAX);
        assert_noop!(register_in(1, b"DE", 1, 1), Error::<Test>::NoNumberLeft);
    });
}

#[test]
fn strangers_can_do_nothing() {
    new_test_ext().execute_with(|| {
        let unknown = || Error::<Test>::NotRegistered;
        assert_noop!(update_key(1, [9; 32]), unknown());
        assert_noop!(Miners::bond_more(signed(1), 1), unknown());
        assert_noop!(Miners::heartbeat(signed(1)), unknown());
        assert_noop!(Miners::deregister(signed(1)), unknown());
        assert_noop!(Miners::withdraw_bond(signed(1)), unknown());
    });
}

#[test]
fn an_update_is_checked_like_a_registration() {
    new_test_ext().execute_with(|| {
        register(1);
        let update = |key, end, at, machine| Miners::update(signed(1), key, end, at, machine, None);
        assert_noop!(update(Some([0; 32]), None, None, None), Error::<Test>::InvalidKey);
        assert_noop!(update(None, Some(endpoint("")), None, None), Error::<Test>::InvalidEndpoint);
        assert_noop!(update(None, None, Some(place(b"x!")), None), Error::<Test>::InvalidLocation);
        assert_noop!(update(None, None, None, Some(machine(0))), Error::<Test>::InvalidCapacity);
        pass(BLOCK_MS, &[1]);
        assert_ok!(Miners::update(
            signed(1),
            Some([8; 32]),
            Some(endpoint("b:2")),
            Some(place(b"FR")),
            Some(machine(7)),
            Some(5)
        ));
        let miner = miner(1);
        assert_eq!((miner.hpke_key, miner.price, miner.declared_at), ([8; 32], 5, now()));
        assert_eq!((miner.location, miner.capacity), (place(b"FR"), machine(7)));
        assert_eq!(miner.endpoint, endpoint("b:2"));
        check();
    });
}

#[test]
fn what_owners_rely_on_stays_while_engaged() {
    new_test_ext().execute_with(|| {
        register(1);
        let terms = Miners::engage(&1, 1000).unwrap();
        assert_eq!((terms.price, terms.capacity), (100, machine(1024)));
        let at = |region| Miners::update(signed(1), None, None, Some(place(region)), None, None);
        assert_noop!(at(b"US"), Error::<Test>::Engaged);
        assert_noop!(update_key(1, [8; 32]), Error::<Test>::Engaged);
        let machine = |mib| Miners::update(signed(1), None, None, None, Some(machine(mib)), None);
        assert_noop!(machine(999), Error::<Test>::MemoryInUse);
        assert_ok!(machine(1000));
        assert_eq!(miner(1).free_mib(), 0);
        check();

        Miners::release(&1, 1000);
        assert_ok!(at(b"US"));
        assert_ok!(update_key(1, [8; 32]));
        check();
    });
}

#[test]
fn a_higher_bond_is_held() {
    new_test_ext().execute_with(|| {
        register(1);
        assert_ok!(Miners::bond_more(signed(1), 500));
        assert_eq!(miner(1).bond, BOND + 500);
        assert_noop!(Miners::bond_more(signed(1), FUNDS), TokenError::FundsUnavailable);
        assert_noop!(Miners::bond_more(signed(1), u128::MAX), TokenError::FundsUnavailable);
        check();
    });
}
