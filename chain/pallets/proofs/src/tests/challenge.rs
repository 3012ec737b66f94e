//! Challenges: what a miner has signed has to be in the tree that it committed to.

use super::sampled::{commit, drawn, drawn_period, prove_leaves, receipts, samples};
use crate::mock::*;
use crate::{Call, Error, Event, Fault, Owed, Path, SignedReceipt};
use cyborg_primitives::Digest;
use cyborg_primitives::miner::Offence;
use cyborg_primitives::signed::Receipt;
use polkadot_sdk::frame_support::dispatch::{DispatchResultWithPostInfo, Pays};
use polkadot_sdk::frame_support::{assert_err_ignore_postinfo, assert_ok};

fn challenge(who: &Person, receipt: SignedReceipt) -> DispatchResultWithPostInfo {
    who.call(Call::challenge { task: SAMPLED, miner: miner().id(), receipt })
}

fn answer(path: Vec<Digest>) -> DispatchResultWithPostInfo {
    miner().call(Call::answer { task: SAMPLED, path: Path::try_from(path).unwrap() })
}

fn path(receipts: &[Receipt], leaf: usize) -> Vec<Digest> {
    cyborg_primitives::receipt::path(receipts, leaf, &GENESIS).unwrap()
}

#[test]
fn a_challenge_is_answered_by_the_tree() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        let receipts = drawn_period();
        assert_ok!(challenge(&owner(), signed(&miner, receipts[6])));
        // The period is not paid before.
        let leaves = drawn();
        assert_ok!(prove_leaves(samples(&receipts, &leaves)));
        assert_eq!(Payments::get(SAMPLED, miner.id()).0, 0);
        for wrong in [vec![], path(&receipts, 5), vec![[0; 32]; 20]] {
            assert_err_ignore_postinfo!(answer(wrong), Error::<Test>::NotInTree);
        }
        assert_eq!(answer(path(&receipts, 6)).unwrap().pays_fee, Pays::No);
        let found = events();
        assert_eq!(found[found.len() - 2], Event::Answered { task: SAMPLED, miner: miner.id(), number: 7 });
        assert_eq!(Payments::get(SAMPLED, miner.id()).1.len(), 10);
        pass(PROVE_TIME + 1);
        assert_eq!(punished(), []);
    });
}

#[test]
fn an_answer_after_the_proofs_deadline_still_pays() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        // Answers have more time than proofs here.
        let receipts = receipts(1, 10);
        assert_ok!(commit(&receipts));
        pass(REVEAL_TIME - 10);
        assert_ok!(challenge(&owner(), signed(&miner, receipts[0])));
        pass(20);
        let leaves = drawn();
        assert_ok!(prove_leaves(samples(&receipts, &leaves)));
        Owed::<Test>::mutate(SAMPLED, miner.id(), |owed| {
            let period = owed.as_mut().unwrap().period.as_mut().unwrap();
            period.draw.as_mut().unwrap().due = Now::get();
        });
        Now::mutate(|now| *now += 10);
        assert_ok!(answer(path(&receipts, 0)));
        assert_eq!(Payments::get(SAMPLED, miner.id()).1.len(), 10);
    });
}

#[test]
fn a_receipt_that_is_not_in_the_tree_voids_the_period() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        let receipts = drawn_period();
        let held = Receipt { output: [1; 32], ..receipts[3] };
        assert_ok!(challenge(&delegate(), signed(&miner, held)));
        assert_ok!(prove_leaves(samples(&receipts, &drawn())));
        assert_err_ignore_postinfo!(answer(path(&receipts, 3)), Error::<Test>::NotInTree);
        next_block(ANSWER_TIME + 1);
        assert_err_ignore_postinfo!(answer(path(&receipts, 3)), Error::<Test>::TooLate);
        next_block(1);
        let found = events();
        let Event::Punished { evidence, .. } = found[found.len() - 2] else { panic!("{found:?}") };
        assert_eq!((evidence.fault, evidence.number), (Fault::UnansweredChallenge, 4));
        assert_eq!(found.last(), Some(&Event::PeriodVoid { task: SAMPLED, miner: miner.id(), last: 10 }));
        assert_eq!(punished(), [(miner.id(), Offence::Equivocation)]);
        assert_eq!(Payments::get(SAMPLED, miner.id()).0, 0);
        // The same lie is not punished twice.
        let (one, other) = (signed(&miner, held), signed(&miner, receipts[3]));
        let again = stranger().call(Call::equivocation { one, other });
        assert_err_ignore_postinfo!(again, Error::<Test>::AlreadyPunished);
        pass(PROVE_TIME);
        assert_eq!(punished(), []);
    });
}

#[test]
fn challenges_are_checked() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        let receipts = receipts(1, 10);
        let good = signed(&miner, receipts[0]);
        let fails = |who: &Person, receipt: &SignedReceipt, error: Error<Test>| {
            assert_err_ignore_postinfo!(challenge(who, receipt.clone()), error);
        };
        fails(&owner(), &good, Error::<Test>::NoPeriod);
        assert_err_ignore_postinfo!(answer(vec![]), Error::<Test>::NoPeriod);
        assert_ok!(commit(&receipts));
        assert_err_ignore_postinfo!(answer(vec![]), Error::<Test>::NoChallenge);
        for who in [stranger(), miner.clone()] {
            fails(&who, &good, Error::<Test>::NotOwner);
        }
        for number in [0, 11, u64::MAX] {
            fails(&owner(), &signed(&miner, receipt(SAMPLED, &miner, number)), Error::<Test>::NotInPeriod);
        }
        fails(&owner(), &signed(&miner, receipt(EVERY, &miner, 1)), Error::<Test>::OtherReceipt);
        fails(&owner(), &signed(&rival(), receipt(SAMPLED, &rival(), 1)), Error::<Test>::OtherReceipt);
        fails(&owner(), &signed(&owner(), receipts[0]), Error::<Test>::BadSignature);
        let call = Call::challenge { task: EVERY, miner: miner.id(), receipt: good.clone() };
        assert_err_ignore_postinfo!(owner().call(call), Error::<Test>::WrongPolicy);
        assert_ok!(challenge(&owner(), good.clone()));
        fails(&owner(), &signed(&miner, receipts[1]), Error::<Test>::ChallengeOpen);
        assert_ok!(answer(path(&receipts, 0)));
        Now::mutate(|now| *now += REVEAL_TIME + 1);
        fails(&owner(), &good, Error::<Test>::TooLate);
        assert_eq!(punished(), []);
    });
}
