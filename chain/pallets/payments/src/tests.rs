//! Every rule, and who breaks it.
#![expect(clippy::unwrap_used, reason = "tests")]

use crate::meter::Meter;
use crate::mock::*;
use crate::{Balance, Error, Escrows, Event, HoldReason, Meters};
use cyborg_interface::{Escrow, SettleError, Settled, Tariff};
use cyborg_primitives::signed::{Acknowledgement, Payload, Receipt};
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::{RequestNumber, TaskId};
use polkadot_sdk::frame_support::traits::fungible::{InspectHold, Mutate};
use polkadot_sdk::frame_support::traits::tokens::Preservation;
use polkadot_sdk::frame_support::traits::{LockableCurrency, WithdrawReasons};
use polkadot_sdk::frame_support::{assert_noop, assert_ok};
use polkadot_sdk::sp_core::Pair;
use polkadot_sdk::sp_runtime::{
    AccountId32, ArithmeticError, DispatchResult, MultiSignature, Permill, TokenError,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const TASK: TaskId = 7;
const OWNER: u8 = 0;
const MINER: u8 = 1;
const STRANGER: u8 = 2;
const DELEGATE: u8 = 9;

/// A task of 100 per request and 30 per proof.
fn open(policy: ProofPolicy, compute: Balance, proofs: Balance) {
    engage(TASK, &account(OWNER), &account(MINER), policy);
    assert_ok!(Payments::open(TASK, &account(OWNER), compute, proofs));
    Payments::admit(TASK, &account(MINER), Tariff { per_request: 100, per_proof: 30 });
}

fn held(who: u8) -> Balance {
    Balances::balance_on_hold(&HoldReason::Escrow.into(), &account(who))
}

fn free(who: &AccountId32) -> Balance {
    Balances::free_balance(who)
}

fn acknowledge(caller: u8, through: RequestNumber) -> DispatchResult {
    Payments::acknowledge(RuntimeOrigin::signed(account(caller)), TASK, account(MINER), through)
}

fn word(through: RequestNumber) -> Acknowledgement {
    Acknowledgement { task: TASK, miner: account(MINER).into(), through }
}

fn sign(signer: u8, payload: &[u8]) -> MultiSignature {
    MultiSignature::Sr25519(pair(signer).sign(payload))
}

fn claim(word: Acknowledgement, signature: MultiSignature) -> DispatchResult {
    Payments::claim(RuntimeOrigin::signed(account(STRANGER)), word, signature)
}

fn genesis() -> [u8; 32] {
    System::block_hash(0).0
}

fn settle(requests: Settled, cap: Balance, proofs: u32) -> Result<Balance, SettleError> {
    Payments::settle(TASK, &account(MINER), requests, cap, proofs)
}

#[test]
fn what_is_held_comes_back_less_what_was_paid() {
    run(|| {
        open(ProofPolicy::OnDemand, 1_000, 90);
        assert_eq!(held(OWNER), 1_090);
        assert_ok!(acknowledge(OWNER, 3));
        assert_eq!(settle(Settled::One(4), 50, 1), Ok(72));
        assert_eq!(free(&account(MINER)), FUNDS + 270 + 72);
        assert_eq!(free(&TREASURY), FUNDS + 30 + 8);
        let bill = Payments::bill(TASK).unwrap();
        assert_eq!((bill.compute.deposited, bill.compute.left), (1_000, 650));
        assert_eq!((bill.proofs.deposited, bill.proofs.left), (90, 60));
        let row = &bill.rows[0];
        assert_eq!((row.requests, row.compute_paid, row.capped), (4, 350, 50));
        assert_eq!((row.proofs, row.proofs_paid, row.through), (1, 30, 4));
        assert_eq!(Payments::close(TASK), 710);
        System::assert_last_event(Event::Closed { task: TASK, paid: 380, refunded: 710 }.into());
        assert_eq!((held(OWNER), free(&account(OWNER))), (0, FUNDS - 380));
        assert!(Payments::bill(TASK).is_none());
        assert_eq!((Escrows::<Test>::iter().count(), Meters::<Test>::iter().count()), (0, 0));
        assert_eq!(Payments::close(TASK), 0);
    });
}

#[test]
fn the_treasurys_share_is_rounded_down_and_the_sum_is_exact() {
    run(|| {
        open(ProofPolicy::OnDemand, 1_000, 0);
        assert_eq!(settle(Settled::One(1), 99, 0), Ok(90));
        assert_eq!((free(&account(MINER)), free(&TREASURY)), (FUNDS + 90, FUNDS + 9));
        for (share, rest) in [(Permill::zero(), 99), (Permill::one(), 0)] {
            TreasuryShare::set(share);
            let number = if rest == 0 { 2 } else { 3 };
            assert_eq!(settle(Settled::One(number), 99, 0), Ok(rest));
        }
    });
}

#[test]
fn only_the_owner_acknowledges() {
    run(|| {
        open(ProofPolicy::OnDemand, 1_000, 0);
        for caller in [MINER, STRANGER, DELEGATE] {
            assert_noop!(acknowledge(caller, 1), Error::<Test>::NotOwner);
        }
        assert_ok!(acknowledge(OWNER, 1));
    });
}

#[test]
fn nothing_is_paid_twice() {
    run(|| {
        open(ProofPolicy::OnDemand, 1_000, 90);
        assert_ok!(acknowledge(OWNER, 3));
        for through in [0, 1, 3] {
            assert_noop!(acknowledge(OWNER, through), Error::<Test>::Settled);
            assert_noop!(
                claim(word(through), sign(OWNER, &word(through).payload(&genesis()))),
                Error::<Test>::Settled
            );
        }
        assert_noop!(settle(Settled::One(2), 100, 1), SettleError::Settled);
        assert!(Payments::is_settled(TASK, &account(MINER), 3));
        assert!(!Payments::is_settled(TASK, &account(MINER), 4));
        assert!(!Payments::is_settled(TASK, &account(STRANGER), 1));
        // One in the middle is not paid again by what covers it.
        assert_eq!(settle(Settled::One(5), 100, 1), Ok(117));
        assert_ok!(acknowledge(OWNER, 6));
        assert_eq!(Payments::bill(TASK).unwrap().rows[0].requests, 6);
        assert_eq!(settle(Settled::Through(0), 0, 1), Ok(27));
    });
}

#[test]
fn a_signed_acknowledgement_is_the_owners_or_the_delegates() {
    run(|| {
        open(ProofPolicy::OnDemand, 1_000, 0);
        let payload = word(1).payload(&genesis());
        for signer in [MINER, STRANGER] {
            assert_noop!(claim(word(1), sign(signer, &payload)), Error::<Test>::BadSignature);
        }
        assert_noop!(claim(word(2), sign(OWNER, &payload)), Error::<Test>::BadSignature);
        assert_noop!(claim(word(1), sign(OWNER, &word(1).payload(&[0; 32]))), Error::<Test>::BadSignature);
        let miner = account(MINER).into();
        let receipt = Receipt { task: TASK, miner, number: 1, input: [0; 32], output: [0; 32] };
        assert_noop!(claim(word(1), sign(OWNER, &receipt.payload(&genesis()))), Error::<Test>::BadSignature);
        // Of another task, and to another miner.
        let other = Acknowledgement { task: TASK + 1, ..word(1) };
        engage(TASK + 1, &account(STRANGER), &account(MINER), ProofPolicy::OnDemand);
        assert_noop!(claim(other, sign(OWNER, &other.payload(&genesis()))), Error::<Test>::BadSignature);
        let other = Acknowledgement { miner: account(STRANGER).into(), ..word(1) };
        assert_noop!(claim(other, sign(OWNER, &other.payload(&genesis()))), Error::<Test>::NotEngaged);
        assert_ok!(claim(word(1), sign(OWNER, &payload)));
        assert_ok!(claim(word(2), sign(DELEGATE, &word(2).payload(&genesis()))));
        assert_eq!(free(&account(MINER)), FUNDS + 180);
        assert_eq!(free(&account(STRANGER)), FUNDS);
    });
}

#[test]
fn acknowledgements_pay_only_where_the_policy_says_so() {
    run(|| {
        for policy in [ProofPolicy::Every, ProofPolicy::Sampled { samples: 4 }] {
            engage(TASK, &account(OWNER), &account(MINER), policy);
            assert_noop!(acknowledge(OWNER, 1), Error::<Test>::PaidByProofs);
            let signature = sign(OWNER, &word(1).payload(&genesis()));
            assert_noop!(claim(word(1), signature), Error::<Test>::PaidByProofs);
        }
    });
}

#[test]
fn an_engagement_and_its_confirmation_are_needed() {
    run(|| {
        assert_noop!(acknowledge(OWNER, 1), Error::<Test>::NotEngaged);
        open(ProofPolicy::OnDemand, 1_000, 0);
        let key = (TASK, account(MINER));
        Engaged::mutate(|all| all.get_mut(&key).unwrap().confirmed = false);
        assert_noop!(acknowledge(OWNER, 1), Error::<Test>::NotConfirmed);
        Engaged::mutate(|all| all.get_mut(&key).unwrap().confirmed = true);
        // Engaged, and never admitted; engaged, and without an escrow.
        engage(TASK, &account(OWNER), &account(STRANGER), ProofPolicy::OnDemand);
        let call =
            |task| Payments::acknowledge(RuntimeOrigin::signed(account(OWNER)), task, account(STRANGER), 1);
        assert_noop!(call(TASK), Error::<Test>::Unknown);
        engage(TASK + 1, &account(OWNER), &account(STRANGER), ProofPolicy::OnDemand);
        assert_noop!(call(TASK + 1), Error::<Test>::Unknown);
        assert_noop!(Payments::settle(TASK, &account(STRANGER), Settled::One(1), 1, 0), SettleError::Unknown);
    });
}

#[test]
fn the_earliest_requests_are_paid_as_far_as_the_purse_goes() {
    run(|| {
        open(ProofPolicy::OnDemand, 250, 1_000);
        assert_ok!(acknowledge(OWNER, u64::MAX));
        assert_eq!(free(&account(MINER)), FUNDS + 180);
        // The purse for proofs does not help.
        assert_noop!(acknowledge(OWNER, u64::MAX), Error::<Test>::Exhausted);
        assert_noop!(settle(Settled::Through(3), 100, 1), SettleError::Exhausted);
        let top_up = |caller, compute, proofs| {
            Payments::top_up(RuntimeOrigin::signed(account(caller)), TASK, compute, proofs)
        };
        assert_noop!(top_up(STRANGER, 50, 0), Error::<Test>::NotOwner);
        assert_noop!(top_up(OWNER, 0, 0), Error::<Test>::Nothing);
        assert_noop!(top_up(OWNER, u128::MAX, 1), ArithmeticError::Overflow);
        assert_noop!(top_up(OWNER, FUNDS, 0), TokenError::FundsUnavailable);
        assert_noop!(
            Payments::top_up(RuntimeOrigin::signed(account(OWNER)), TASK + 1, 1, 1),
            Error::<Test>::Unknown
        );
        assert_ok!(top_up(OWNER, 50, 1));
        System::assert_last_event(Event::ToppedUp { task: TASK, compute: 50, proofs: 1 }.into());
        assert_ok!(acknowledge(OWNER, u64::MAX));
        let row = Payments::bill(TASK).unwrap().rows.remove(0);
        assert_eq!((row.requests, row.through), (3, 3));
    });
}

#[test]
fn whether_one_more_answer_can_be_paid() {
    run(|| {
        open(ProofPolicy::Every, 100, 60);
        let can_pay = |proofs| Payments::can_pay(TASK, &account(MINER), proofs);
        assert_eq!([0, 2, 3, u32::MAX].map(can_pay), [true, true, false, false]);
        assert!(!Payments::can_pay(TASK, &account(STRANGER), 0));
        assert!(!Payments::can_pay(TASK + 1, &account(MINER), 0));
        assert_eq!(settle(Settled::One(1), 1, 0), Ok(1));
        assert_eq!([0, 2].map(can_pay), [false, false]);
    });
}

#[test]
fn proofs_are_not_paid_from_the_money_for_answers() {
    run(|| {
        open(ProofPolicy::Every, 1_000, 59);
        assert_eq!(settle(Settled::One(1), 100, 1), Ok(117));
        assert_noop!(settle(Settled::One(2), 100, 1), SettleError::Exhausted);
        assert!(!Payments::is_settled(TASK, &account(MINER), 2));
    });
}

#[test]
fn an_escrow_is_opened_once_and_only_with_money() {
    run(|| {
        let owner = account(OWNER);
        assert_noop!(Payments::open(TASK, &owner, u128::MAX, 1), ArithmeticError::Overflow);
        assert_noop!(Payments::open(TASK, &owner, FUNDS, 0), TokenError::FundsUnavailable);
        assert_noop!(Payments::open(TASK, &PAUPER, 1, 0), TokenError::FundsUnavailable);
        assert_ok!(Payments::open(TASK, &owner, 5, 5));
        assert_noop!(Payments::open(TASK, &account(STRANGER), 5, 5), Error::<Test>::Exists);
    });
}

#[test]
fn a_miner_keeps_its_first_tariff() {
    run(|| {
        open(ProofPolicy::OnDemand, 1_000, 0);
        Payments::admit(TASK, &account(MINER), Tariff { per_request: 1_000, per_proof: 0 });
        assert_eq!(settle(Settled::One(1), Balance::MAX, 0), Ok(90));
        Payments::admit(TASK + 1, &account(MINER), Tariff { per_request: 1, per_proof: 0 });
        assert_eq!(Meters::<Test>::iter_prefix(TASK + 1).count(), 0);
    });
}

#[test]
fn what_costs_nothing_is_settled_too() {
    run(|| {
        engage(TASK, &account(OWNER), &account(MINER), ProofPolicy::OnDemand);
        assert_ok!(Payments::open(TASK, &PAUPER, 0, 0));
        Payments::admit(TASK, &account(MINER), Tariff { per_request: 0, per_proof: 0 });
        assert_ok!(acknowledge(OWNER, u64::MAX));
        assert_noop!(acknowledge(OWNER, u64::MAX), Error::<Test>::Settled);
        assert_eq!(settle(Settled::Through(0), 0, u32::MAX), Ok(0));
        assert_eq!(Payments::close(TASK), 0);
    });
}

#[test]
fn the_greatest_sums_are_refused_and_do_not_panic() {
    run(|| {
        assert_ok!(Payments::open(TASK, &account(OWNER), 1_000, 1_000));
        Payments::admit(TASK, &account(MINER), Tariff { per_request: u128::MAX, per_proof: u128::MAX });
        for (requests, proofs) in
            [(Settled::One(1), 0), (Settled::Through(u64::MAX), 0), (Settled::Through(0), u32::MAX)]
        {
            assert_noop!(settle(requests, u128::MAX, proofs), SettleError::Exhausted);
        }
        // The cap brings it within the purse.
        assert_eq!(settle(Settled::One(u64::MAX), 1_000, 0), Ok(900));
        assert_eq!(Payments::bill(TASK).unwrap().rows[0].capped, u128::MAX - 1_000);
    });
}

/// An owner that locks its balance, to vote with it, cannot keep its miners' pay.
#[test]
fn a_locked_owner_pays() {
    run(|| {
        open(ProofPolicy::OnDemand, 1_000, 0);
        Balances::set_lock(*b"voting  ", &account(OWNER), FUNDS, WithdrawReasons::all());
        assert_ok!(acknowledge(OWNER, 10));
        assert_eq!(free(&account(MINER)), FUNDS + 900);
    });
}

#[test]
fn a_payment_that_cannot_be_received_changes_nothing() {
    run(|| {
        assert_ok!(Payments::open(TASK, &account(OWNER), 1_000, 0));
        Payments::admit(TASK, &PAUPER, Tariff { per_request: 11, per_proof: 0 });
        let pay = |requests| Payments::settle(TASK, &PAUPER, requests, 100, 0);
        // 11 is above the existential deposit, with the treasury's share taken off it is not
        TreasuryShare::set(Permill::from_percent(20));
        assert_noop!(pay(Settled::One(1)), SettleError::Unpayable);
        assert!(!Payments::is_settled(TASK, &PAUPER, 1));
        assert_eq!(pay(Settled::Through(2)), Ok(18));
        assert_eq!(pay(Settled::One(3)), Ok(9));
    });
}

#[test]
fn what_the_treasury_cannot_receive_is_the_miners() {
    run(|| {
        let drained = Balances::transfer(&TREASURY, &account(STRANGER), FUNDS, Preservation::Expendable);
        assert_ok!(drained);
        open(ProofPolicy::OnDemand, 1_000, 0);
        assert_eq!(settle(Settled::One(1), 90, 0), Ok(90));
        assert_eq!(settle(Settled::One(2), 100, 0), Ok(90));
        assert_eq!(free(&TREASURY), 10);
    });
}

/// An account that another pallet keeps alive may spend its last token; then a refund may be too
/// little for it.
#[test]
fn a_refund_that_cannot_be_received_is_the_treasurys() {
    run(|| {
        open(ProofPolicy::OnDemand, EXISTENTIAL - 1, 0);
        System::inc_providers(&account(OWNER));
        let rest = free(&account(OWNER));
        assert_ok!(Balances::transfer(&account(OWNER), &account(MINER), rest, Preservation::Expendable));
        assert_eq!(free(&account(OWNER)), 0);
        assert_eq!(Payments::close(TASK), 0);
        System::assert_last_event(Event::Closed { task: TASK, paid: 0, refunded: 0 }.into());
        assert_eq!((held(OWNER), free(&TREASURY)), (0, FUNDS + EXISTENTIAL - 1));
    });
}

fn tamper(damage: fn(&mut Meter)) {
    Meters::<Test>::mutate(TASK, account(MINER), |meter| damage(meter.as_mut().unwrap()));
}

/// Each invariant is checked: state that breaks it is found.
#[test]
fn broken_invariants_are_found() {
    let broken = |damage: fn()| {
        new_test_ext().execute_with(|| {
            open(ProofPolicy::OnDemand, 1_000, 90);
            assert_ok!(acknowledge(OWNER, 3));
            assert_ok!(Payments::do_try_state());
            damage();
            assert!(Payments::do_try_state().is_err());
        });
    };
    broken(|| Escrows::<Test>::mutate_extant(TASK, |account| account.compute.left -= 1));
    broken(|| Escrows::<Test>::mutate_extant(TASK, |account| account.miners += 1));
    broken(|| Escrows::<Test>::mutate_extant(TASK, |account| account.owner = PAUPER));
    broken(|| Escrows::<Test>::remove(TASK));
    broken(|| tamper(|meter| meter.requests -= 1));
    broken(|| tamper(|meter| meter.proofs += 1));
    broken(|| tamper(|meter| meter.compute_paid -= 1));
    broken(|| {
        use polkadot_sdk::frame_support::traits::fungible::MutateHold;
        assert_ok!(Balances::hold(&HoldReason::Escrow.into(), &account(STRANGER), 1));
    });
}

/// What anyone may try. Tasks are 0 to 2, with owners 0 and 1; miners are actors 2 to 4; all others
/// are attackers.
#[derive(Clone, Debug)]
enum Step {
    Open(TaskId, Balance, Balance),
    Admit(TaskId, u8, Balance, Balance),
    Acknowledge(u8, TaskId, u8, RequestNumber),
    Claim(u8, TaskId, u8, RequestNumber),
    TopUp(u8, TaskId, Balance, Balance),
    Settle(TaskId, u8, bool, RequestNumber, Balance, u32),
    Close(TaskId),
    Spend(u8, u8, Balance),
    Lock(u8, Balance),
}

fn step() -> impl Strategy<Value = Step> {
    let task = || 0_u64..3;
    let actor = || prop_oneof![0_u8..6, Just(DELEGATE)];
    let miner = || 2_u8..6;
    let money = || prop_oneof![Just(0), 0_u128..50, 0_u128..5_000, Just(FUNDS), Just(u128::MAX)];
    let number = || prop_oneof![0_u64..30, 0_u64..400];
    prop_oneof![
        2 => (task(), money(), money()).prop_map(|(task, a, b)| Step::Open(task, a, b)),
        2 => (task(), miner(), money(), money()).prop_map(|(t, m, a, b)| Step::Admit(t, m, a, b)),
        4 => (actor(), task(), miner(), number()).prop_map(|(a, t, m, n)| Step::Acknowledge(a, t, m, n)),
        4 => (actor(), task(), miner(), number()).prop_map(|(a, t, m, n)| Step::Claim(a, t, m, n)),
        2 => (actor(), task(), money(), money()).prop_map(|(a, t, x, y)| Step::TopUp(a, t, x, y)),
        4 => (task(), miner(), any::<bool>(), number(), money(), 0_u32..4)
            .prop_map(|(t, m, one, n, cap, proofs)| Step::Settle(t, m, one, n, cap, proofs)),
        1 => task().prop_map(Step::Close),
        2 => (actor(), actor(), money()).prop_map(|(from, to, amount)| Step::Spend(from, to, amount)),
        1 => (actor(), money()).prop_map(|(who, amount)| Step::Lock(who, amount)),
    ]
}

fn owner_of(task: TaskId) -> u8 {
    u8::from(task == 2)
}

fn take(step: Step) {
    let signed = |actor| RuntimeOrigin::signed(account(actor));
    let _ = match step {
        Step::Open(task, compute, proofs) => {
            let before = System::event_count();
            let opened = Payments::open(task, &account(owner_of(task)), compute, proofs);
            assert_eq!(opened.is_ok(), System::event_count() > before);
            opened
        }
        Step::Admit(task, miner, per_request, per_proof) => {
            Payments::admit(task, &account(miner), Tariff { per_request, per_proof });
            Ok(())
        }
        Step::Acknowledge(caller, task, miner, through) => {
            Payments::acknowledge(signed(caller), task, account(miner), through)
        }
        Step::Claim(signer, task, miner, through) => {
            let word = Acknowledgement { task, miner: account(miner).into(), through };
            Payments::claim(signed(STRANGER), word, sign(signer, &word.payload(&genesis())))
        }
        Step::TopUp(caller, task, compute, proofs) => Payments::top_up(signed(caller), task, compute, proofs),
        Step::Settle(task, miner, one, number, cap, proofs) => {
            let requests = if one { Settled::One(number) } else { Settled::Through(number) };
            let _ = Payments::settle(task, &account(miner), requests, cap, proofs);
            Ok(())
        }
        Step::Close(task) => {
            Payments::close(task);
            Ok(())
        }
        Step::Spend(from, to, amount) => Balances::transfer_allow_death(signed(from), account(to), amount),
        Step::Lock(who, _) if !System::account_exists(&account(who)) => Ok(()),
        Step::Lock(who, amount) => {
            Balances::set_lock(*b"voting  ", &account(who), amount, WithdrawReasons::all());
            Ok(())
        }
    };
}

proptest! {
    /// Whoever calls whatever in whichever order: issuance stays, holds are what purses say, no
    /// request is paid twice, nothing is paid above what was deposited, and nothing panics.
    #[test]
    fn money_is_conserved(steps in prop::collection::vec(step(), 0..120)) {
        run(|| {
            for task in 0..3 {
                for miner in 2..5 {
                    let policy = if task == 1 { ProofPolicy::Every } else { ProofPolicy::OnDemand };
                    engage(task, &account(owner_of(task)), &account(miner), policy);
                }
            }
            // Numbers for which somebody tried to be paid.
            let mut tried = BTreeMap::<(TaskId, u8), BTreeSet<RequestNumber>>::new();
            for step in steps {
                match step {
                    Step::Acknowledge(_, task, miner, through) | Step::Claim(_, task, miner, through) => {
                        tried.entry((task, miner)).or_default().extend(1..=through);
                    }
                    Step::Settle(task, miner, one, number, ..) => {
                        let first = if one { number } else { 1 };
                        tried.entry((task, miner)).or_default().extend(first..=number);
                    }
                    Step::Close(task) => tried.retain(|(of, _), _| *of != task),
                    _ => {}
                }
                take(step);
                Payments::do_try_state().unwrap();
                for (task, miner, meter) in Meters::<Test>::iter() {
                    let actor = (0..10).find(|actor| account(*actor) == miner).unwrap();
                    let tried = tried.get(&(task, actor)).map_or(0, BTreeSet::len);
                    assert!(meter.requests <= tried as u64, "{} were paid of {tried}", meter.requests);
                }
            }
            for task in 0..3 {
                Payments::close(task);
            }
            assert_eq!(Escrows::<Test>::iter().count() + Meters::<Test>::iter().count(), 0);
            for actor in 0..10 {
                assert_eq!(held(actor), 0);
            }
        });
    }
}
