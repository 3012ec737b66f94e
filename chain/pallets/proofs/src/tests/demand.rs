//! Demands and contradictions.

use crate::mock::*;
use crate::{Call, Error, Event, Falsehood, Fault, MAX_DEMANDS, Owed, Refusal, SignedReceipt, Submission};
use cyborg_interface::{Escrow, Settled, Vacated};
use cyborg_primitives::TaskId;
use cyborg_primitives::miner::Offence;
use cyborg_primitives::signed::Receipt;
use polkadot_sdk::frame_support::dispatch::{DispatchResultWithPostInfo, Pays};
use polkadot_sdk::frame_support::{assert_err_ignore_postinfo, assert_ok};

fn demand(who: &Person, task: TaskId, receipt: SignedReceipt) -> DispatchResultWithPostInfo {
    who.call(Call::demand { task, miner: miner().id(), receipt })
}

fn of(task: TaskId, number: u64) -> SignedReceipt {
    signed(&miner(), receipt(task, &miner(), number))
}

fn fault(event: &Event<Test>) -> Fault {
    let Event::Punished { evidence, .. } = event else { panic!("{event:?}") };
    evidence.fault
}

#[test]
fn a_demanded_proof_is_paid_at_once_and_clears_the_demand() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        assert_ok!(demand(&delegate(), ON_DEMAND, of(ON_DEMAND, 5)));
        let due = Now::get() + ANSWER_TIME;
        let paid = PER_PROOF;
        assert_eq!(events(), [Event::Demanded { task: ON_DEMAND, miner: miner.id(), number: 5, due, paid }]);
        next_block(ANSWER_TIME);
        assert_ok!(submit(&miner, vec![submission(ON_DEMAND, &miner, 5)]));
        let Some(Event::Verified { number: 5, paid: Some(PER_REQUEST), .. }) = events().pop() else {
            panic!()
        };
        assert_ok!(submit(&miner, vec![submission(ON_DEMAND, &miner, 5)]));
        let Some(Event::Refused { reason: Refusal::NotDemanded, .. }) = events().pop() else { panic!() };
        pass(ANSWER_TIME);
        assert_eq!(punished(), []);
        assert_eq!(Payments::get(ON_DEMAND, miner.id()), (PER_REQUEST + PER_PROOF, vec![5]));
    });
}

#[test]
fn what_was_acknowledged_is_not_paid_again() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        assert_ok!(Money::settle(ON_DEMAND, &miner.id(), Settled::Through(9), 1_000, 0));
        assert_ok!(demand(&owner(), ON_DEMAND, of(ON_DEMAND, 5)));
        assert_ok!(submit(&miner, vec![submission(ON_DEMAND, &miner, 5)]));
        let Some(Event::Verified { paid: Some(0), .. }) = events().pop() else { panic!() };
        assert_eq!(Payments::get(ON_DEMAND, miner.id()).0, 9 * PER_REQUEST + PER_PROOF);
        pass(ANSWER_TIME);
        assert_eq!(punished(), []);
    });
}

#[test]
fn under_every_each_proof_is_paid_once_and_the_request_once() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        assert_ok!(demand(&owner(), EVERY, of(EVERY, 1)));
        assert_ok!(submit(&miner, vec![submission(EVERY, &miner, 1)]));
        assert_eq!(Payments::get(EVERY, miner.id()).0, PER_REQUEST + PER_PROOF);
        // Asked for once more, it is proven once more.
        assert_ok!(demand(&owner(), EVERY, of(EVERY, 1)));
        assert_ok!(submit(&miner, vec![submission(EVERY, &miner, 1)]));
        let Some(Event::Verified { paid: Some(0), .. }) = events().pop() else { panic!() };
        assert_eq!(Payments::get(EVERY, miner.id()).0, PER_REQUEST + 2 * PER_PROOF);
        pass(ANSWER_TIME + 1);
        assert_eq!(punished(), []);
    });
}

/// Demands a receipt that the miner signed for another answer than it can prove, and sees it punished: for
/// the true proof that it submits instead, and for the one that it owes.
fn is_held_to_a_lie(task: TaskId) {
    let miner = miner();
    let lie = Receipt { output: [1; 32], ..receipt(task, &miner, 1) };
    assert_ok!(demand(&owner(), task, signed(&miner, lie)));
    events();
    assert_ok!(submit(&miner, vec![submission(task, &miner, 1)]));
    assert_eq!(fault(&events()[0]), Fault::FalseProof(Falsehood::Output));
    pass(ANSWER_TIME + 1);
    assert_eq!(punished(), [(miner.id(), Offence::FalseProof), (miner.id(), Offence::Unproven)]);
}

#[test]
fn who_signed_one_answer_and_proved_another_is_held_to_what_it_signed() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        // Proven and paid before the owner can act.
        assert_ok!(submit(&miner, vec![submission(EVERY, &miner, 1)]));
        let Some(Event::Verified { paid: Some(_), .. }) = events().pop() else { panic!() };
        is_held_to_a_lie(EVERY);
    });
}

#[test]
fn an_unproven_demand_is_punished_once() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        assert_ok!(demand(&owner(), ON_DEMAND, of(ON_DEMAND, 1)));
        events();
        // Not before the deadline is over.
        next_block(ANSWER_TIME);
        next_block(1);
        assert_eq!(punished(), []);
        assert_eq!(next_block(1), {
            use crate::weights::{SubstrateWeight, WeightInfo};
            SubstrateWeight::<Test>::no_deadline() + SubstrateWeight::<Test>::end_demand()
        });
        assert_eq!(punished(), [(miner.id(), Offence::Unproven)]);
        assert_eq!(fault(&events()[0]), Fault::UnprovenDemand);
        pass(ANSWER_TIME);
        assert_eq!(punished(), []);
        // Too late now.
        assert_ok!(submit(&miner, vec![submission(ON_DEMAND, &miner, 1)]));
        let Some(Event::Refused { reason: Refusal::NotDemanded, .. }) = events().pop() else { panic!() };
        // And again.
        assert_ok!(demand(&owner(), ON_DEMAND, of(ON_DEMAND, 1)));
        pass(ANSWER_TIME + 1);
        assert_eq!(punished(), [(miner.id(), Offence::Unproven)]);
    });
}

#[test]
fn a_proof_of_another_answer_than_the_signed_is_false() {
    new_test_ext().execute_with(|| is_held_to_a_lie(ON_DEMAND));
}

#[test]
fn a_proof_for_another_input_does_not_answer() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        let other = Receipt { input: [1; 32], ..receipt(EVERY, &miner, 1) };
        assert_ok!(demand(&owner(), EVERY, signed(&miner, other)));
        assert_ok!(submit(&miner, vec![submission(EVERY, &miner, 1)]));
        let Some(Event::Verified { paid: Some(13), .. }) = events().pop() else { panic!() };
        pass(ANSWER_TIME + 1);
        assert_eq!(punished(), [(miner.id(), Offence::Unproven)]);
    });
}

#[test]
fn only_the_owner_demands_only_what_the_miner_signed() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        let good = of(ON_DEMAND, 1);
        for who in [stranger(), miner.clone(), rival()] {
            assert_err_ignore_postinfo!(demand(&who, ON_DEMAND, good.clone()), Error::<Test>::NotOwner);
        }
        let owner = owner();
        let of_idler = signed(&idler(), receipt(ON_DEMAND, &idler(), 1));
        let call = Call::demand { task: ON_DEMAND, miner: idler().id(), receipt: of_idler };
        assert_err_ignore_postinfo!(owner.call(call), Error::<Test>::NotEngaged);
        for other in [of(EVERY, 1), signed(&rival(), receipt(ON_DEMAND, &rival(), 1))] {
            assert_err_ignore_postinfo!(demand(&owner, ON_DEMAND, other), Error::<Test>::OtherReceipt);
        }
        for forger in [owner.clone(), rival()] {
            let forged = signed(&forger, good.receipt);
            assert_err_ignore_postinfo!(demand(&owner, ON_DEMAND, forged), Error::<Test>::BadSignature);
        }
        Funds::insert(ON_DEMAND, PER_PROOF - 1);
        assert_err_ignore_postinfo!(demand(&owner, ON_DEMAND, good.clone()), Error::<Test>::Unpaid);
        Funds::insert(ON_DEMAND, FUNDS);
        assert_ok!(demand(&owner, ON_DEMAND, good.clone()));
        assert_err_ignore_postinfo!(demand(&owner, ON_DEMAND, good), Error::<Test>::AlreadyDemanded);
        for number in 2..=u64::from(MAX_DEMANDS) {
            assert_ok!(demand(&owner, ON_DEMAND, of(ON_DEMAND, number)));
        }
        assert_err_ignore_postinfo!(
            demand(&owner, ON_DEMAND, of(ON_DEMAND, 99)),
            Error::<Test>::TooManyDemands
        );
    });
}

#[test]
fn a_flood_of_deadlines_is_worked_off() {
    new_test_ext().execute_with(|| {
        for number in 1..=u64::from(MAX_DEMANDS) {
            assert_ok!(demand(&owner(), ON_DEMAND, of(ON_DEMAND, number)));
        }
        next_block(ANSWER_TIME + 1);
        for expected in [3, 3, 2, 0] {
            next_block(1);
            assert_eq!(punished().len(), expected);
        }
    });
}

#[test]
fn nothing_is_left_of_a_vacated_task() {
    new_test_ext().execute_with(|| {
        assert_ok!(demand(&owner(), ON_DEMAND, of(ON_DEMAND, 1)));
        let miners = TaskOf::take(ON_DEMAND).unwrap().miners;
        let miners: Vec<_> = miners.into_iter().map(|(miner, _)| miner).collect();
        Proofs::vacated(ON_DEMAND, &miners);
        assert_eq!(Owed::<Test>::iter().count(), 0);
        pass(ANSWER_TIME + 1);
        assert_eq!(punished(), []);
        assert_eq!(Owed::<Test>::iter().count(), 0);
        assert_eq!(crate::Deadlines::<Test>::iter().count(), 0);
    });
}

fn equivocation(who: &Person, one: SignedReceipt, other: SignedReceipt) -> DispatchResultWithPostInfo {
    who.call(Call::equivocation { one, other })
}

#[test]
fn two_receipts_for_one_request_are_punished_once() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        let true_one = of(EVERY, 1);
        let lie = signed(&miner, Receipt { output: [1; 32], ..true_one.receipt });
        let info = equivocation(&stranger(), true_one.clone(), lie.clone()).unwrap();
        assert_eq!(info.pays_fee, Pays::No);
        assert_eq!(fault(&events()[0]), Fault::TwoReceipts);
        assert_eq!(punished(), [(miner.id(), Offence::Equivocation)]);
        let again = equivocation(&stranger(), lie, true_one);
        assert_err_ignore_postinfo!(again, Error::<Test>::AlreadyPunished);
        assert_eq!(punished(), []);
    });
}

#[test]
fn receipts_that_contradict_nothing_are_refused() {
    new_test_ext().execute_with(|| {
        let (miner, rival, who) = (miner(), rival(), stranger());
        let one = of(EVERY, 1);
        let lie = Receipt { output: [1; 32], ..one.receipt };
        for other in [
            one.clone(),
            signed(&miner, Receipt { number: 2, ..lie }),
            signed(&miner, Receipt { task: OTHER, ..lie }),
            signed(&rival, Receipt { miner: rival.account(), ..lie }),
        ] {
            let result = equivocation(&who, one.clone(), other);
            assert_err_ignore_postinfo!(result, Error::<Test>::NoContradiction);
        }
        let forged = signed(&owner(), lie);
        for (a, b) in [(one.clone(), forged.clone()), (forged, one)] {
            assert_err_ignore_postinfo!(equivocation(&who, a, b), Error::<Test>::BadSignature);
        }
        let receipt = receipt(EVERY, &idler(), 1);
        let (a, b) = (signed(&idler(), receipt), signed(&idler(), Receipt { input: [1; 32], ..receipt }));
        assert_err_ignore_postinfo!(equivocation(&who, a, b), Error::<Test>::NotEngaged);
        assert_eq!(punished(), []);
    });
}

#[test]
fn a_demand_is_not_answered_by_an_invented_request() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        assert_ok!(demand(&owner(), ON_DEMAND, of(ON_DEMAND, 1)));
        let mut forged = submission(ON_DEMAND, &miner, 1);
        forged.authorisation.price_cap += 1;
        assert_ok!(submit(&miner, vec![Submission { ..forged }]));
        assert_eq!(punished(), [(miner.id(), Offence::InventedRequest)]);
        assert_ok!(submit(&miner, vec![submission(ON_DEMAND, &miner, 1)]));
        pass(ANSWER_TIME + 1);
        assert_eq!(punished(), []);
    });
}
