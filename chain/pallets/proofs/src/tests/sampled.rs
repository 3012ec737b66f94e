//! Periods: commitments, draws, proofs.

use crate::mock::*;
use crate::{Call, Error, Event, Falsehood, Fault, Owed, Period, Refusal, Sample};
use cyborg_interface::{Escrow, Settled};
use cyborg_primitives::Digest;
use cyborg_primitives::miner::Offence;
use cyborg_primitives::receipt::{self, MAX_RECEIPTS};
use cyborg_primitives::signed::{Authorisation, Receipt};
use cyborg_primitives::verification::Cost;
use polkadot_sdk::frame_support::dispatch::DispatchResultWithPostInfo;
use polkadot_sdk::frame_support::{assert_err_ignore_postinfo, assert_ok};
use polkadot_sdk::sp_core::H256;
use polkadot_sdk::sp_io::hashing::blake2_256;

const BLOCK: u64 = 6_000;

pub(super) fn receipts(first: u64, count: u32) -> Vec<Receipt> {
    (first..first + u64::from(count)).map(|number| receipt(SAMPLED, &miner(), number)).collect()
}

fn commit_as(
    who: &Person,
    receipts: &[Receipt],
    last: Authorisation,
    by: &Person,
) -> DispatchResultWithPostInfo {
    let root = receipt::root(receipts, &GENESIS).unwrap_or_default();
    let (first, count) = (receipts.first().map_or(1, |receipt| receipt.number), receipts.len() as u32);
    who.call(Call::commit { root, first, count, last, signature: by.sign(&last) })
}

pub(super) fn commit(receipts: &[Receipt]) -> DispatchResultWithPostInfo {
    let last = authorise(SAMPLED, &miner(), receipts.last().unwrap().number);
    commit_as(&miner(), receipts, last, &owner())
}

fn preimage(step: u8) -> Digest {
    (0..step).fold([5; 32], |digest, _| blake2_256(&digest))
}

fn set_anchor(who: &Person, anchor: Digest) -> DispatchResultWithPostInfo {
    who.call(Call::set_anchor { task: SAMPLED, miner: miner().id(), anchor })
}

fn reveal(who: &Person, preimage: Digest) -> DispatchResultWithPostInfo {
    who.call(Call::reveal { task: SAMPLED, miner: miner().id(), preimage })
}

fn period() -> Period<u64> {
    Owed::<Test>::get(SAMPLED, miner().id()).unwrap().period.unwrap()
}

pub(super) fn drawn() -> Vec<u32> {
    period().draw.unwrap().left.to_vec()
}

pub(super) fn prove_leaves(samples: Vec<Sample>) -> DispatchResultWithPostInfo {
    let claim = cost(samples.len() as u32);
    miner().call(Call::prove_samples { claim, task: SAMPLED, samples: samples.try_into().unwrap() })
}

pub(super) fn samples(receipts: &[Receipt], leaves: &[u32]) -> Vec<Sample> {
    leaves.iter().map(|leaf| sample(&miner(), receipts, *leaf)).collect()
}

/// A drawn period of ten requests.
pub(super) fn drawn_period() -> Vec<Receipt> {
    let receipts = receipts(1, 10);
    assert_ok!(set_anchor(&owner(), preimage(9)));
    assert_ok!(commit(&receipts));
    next_block(BLOCK);
    next_block(BLOCK);
    assert_ok!(reveal(&owner(), preimage(8)));
    events();
    receipts
}

#[test]
fn a_proven_period_is_paid() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        let receipts = drawn_period();
        let leaves = drawn();
        assert!((1..=usize::from(SAMPLES)).contains(&leaves.len()));
        // In two calls, the first a single leaf.
        assert_ok!(prove_leaves(samples(&receipts, &leaves[..1])));
        let found = events();
        let Event::Verified { number, paid: Some(0), .. } = found[0] else { panic!("{found:?}") };
        assert_eq!(number, u64::from(leaves[0]) + 1);
        assert_eq!(drawn(), leaves[1..]);
        assert_ok!(prove_leaves(samples(&receipts, &leaves[1..])));
        let paid = 10 * PER_REQUEST + leaves.len() as u128 * PER_PROOF;
        let event = Event::PeriodPaid { task: SAMPLED, miner: miner.id(), last: 10, paid };
        assert_eq!(events().pop(), Some(event));
        assert_eq!(Payments::get(SAMPLED, miner.id()), (paid, (1..=10).collect()));
        assert_err_ignore_postinfo!(prove_leaves(vec![]), Error::<Test>::NoPeriod);
        // The next one begins where it ended, and with the next preimage.
        assert_ok!(commit(&self::receipts(11, 1)));
        next_block(BLOCK);
        next_block(BLOCK);
        assert_err_ignore_postinfo!(reveal(&owner(), preimage(8)), Error::<Test>::WrongPreimage);
        assert_ok!(reveal(&delegate(), preimage(7)));
        assert_eq!(drawn(), [0]);
        pass(PROVE_TIME + 1);
        assert_eq!(punished(), [(miner.id(), Offence::Unproven)]);
    });
}

#[test]
fn what_was_paid_before_is_not_paid_again() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        assert_ok!(Money::settle(SAMPLED, &miner.id(), Settled::Through(4), 1_000, 0));
        let receipts = drawn_period();
        let leaves = drawn();
        assert_ok!(prove_leaves(samples(&receipts, &leaves)));
        assert_eq!(Payments::get(SAMPLED, miner.id()).1, (1..=10).collect::<Vec<_>>());
    });
}

#[test]
fn an_owner_that_reveals_nothing_stops_nothing() {
    new_test_ext().execute_with(|| {
        let receipts = receipts(1, 10);
        assert_ok!(commit(&receipts));
        next_block(REVEAL_TIME);
        next_block(1);
        assert_eq!(period().draw, None);
        next_block(1);
        let leaves = drawn();
        let Some(Event::Drawn { revealed: false, .. }) = events().pop() else { panic!() };
        assert_err_ignore_postinfo!(reveal(&owner(), preimage(8)), Error::<Test>::AlreadyDrawn);
        assert_ok!(prove_leaves(samples(&receipts, &leaves)));
        assert_eq!(punished(), []);
        assert_eq!(Payments::get(SAMPLED, miner().id()).1.len(), 10);
    });
}

#[test]
fn the_draw_waits_for_the_hash_however_much_time_passes() {
    new_test_ext().execute_with(|| {
        next_block(BLOCK);
        assert_ok!(commit(&receipts(1, 10)));
        Now::mutate(|now| *now += REVEAL_TIME + 1);
        next_block(BLOCK);
        assert_eq!(period().draw, None);
        next_block(BLOCK);
        assert!(period().draw.is_some());
    });
}

#[test]
fn draws_follow_preimage_hash_and_commitment() {
    let draw = |root: u8, preimages: u8, hash: u8| {
        new_test_ext().execute_with(|| {
            assert_ok!(set_anchor(&owner(), preimage(preimages)));
            let last = authorise(SAMPLED, &miner(), u64::from(MAX_RECEIPTS));
            let call = Call::commit {
                root: [root; 32],
                first: 1,
                count: MAX_RECEIPTS,
                last,
                signature: owner().sign(&last),
            };
            assert_ok!(miner().call(call));
            next_block(BLOCK);
            next_block(BLOCK);
            polkadot_sdk::frame_system::BlockHash::<Test>::insert(2, H256([hash; 32]));
            assert_ok!(reveal(&owner(), preimage(preimages - 1)));
            drawn()
        })
    };
    let base = draw(1, 5, 1);
    assert_eq!(base, draw(1, 5, 1));
    for other in [draw(2, 5, 1), draw(1, 4, 1), draw(1, 5, 2)] {
        assert_ne!(base, other);
    }
    // A hash that is no longer known does not make the draw known before.
    assert_ne!(draw(1, 5, 0), draw(2, 5, 0));
}

#[test]
fn draws_are_uniform() {
    let mut counts = [0_u32; 7];
    for round in 0..2_000_u32 {
        for leaf in crate::sampled::leaves(&blake2_256(&round.to_le_bytes()), 1, 7) {
            counts[leaf as usize] += 1;
        }
    }
    // Mean 286, deviation 16.
    assert!(counts.iter().all(|count| (206..366).contains(count)), "{counts:?}");
}

#[test]
fn anchors_are_the_owners_and_stay_while_a_period_is_open() {
    new_test_ext().execute_with(|| {
        for who in [stranger(), miner(), rival()] {
            assert_err_ignore_postinfo!(set_anchor(&who, [1; 32]), Error::<Test>::NotOwner);
        }
        let call = |task, miner| Call::set_anchor { task, miner, anchor: [1; 32] };
        assert_err_ignore_postinfo!(owner().call(call(EVERY, miner().id())), Error::<Test>::WrongPolicy);
        assert_err_ignore_postinfo!(owner().call(call(SAMPLED, idler().id())), Error::<Test>::NotEngaged);
        assert_ok!(set_anchor(&delegate(), [1; 32]));
        assert_ok!(set_anchor(&owner(), [2; 32]));
        assert_ok!(commit(&receipts(1, 1)));
        assert_err_ignore_postinfo!(set_anchor(&owner(), [1; 32]), Error::<Test>::PeriodOpen);
    });
}

#[test]
fn commitments_are_checked() {
    new_test_ext().execute_with(|| {
        let (miner, owner) = (miner(), owner());
        let all = receipts(1, 4);
        let last = authorise(SAMPLED, &miner, 4);
        let fails = |who: &Person, receipts: &[Receipt], last, error: Error<Test>| {
            assert_err_ignore_postinfo!(commit_as(who, receipts, last, &owner), error);
        };
        fails(&stranger(), &all, last, Error::<Test>::NotEngaged);
        fails(&idler(), &all, last, Error::<Test>::NotEngaged);
        fails(&miner, &all, authorise(EVERY, &miner, 4), Error::<Test>::WrongPolicy);
        fails(&miner, &all[1..], last, Error::<Test>::NotContiguous);
        fails(&miner, &all[..3], last, Error::<Test>::OtherRequest);
        fails(&rival(), &all, last, Error::<Test>::OtherRequest);
        fails(&miner, &[], last, Error::<Test>::BadCount);
        for count in [0, MAX_RECEIPTS + 1, u32::MAX] {
            let last = authorise(SAMPLED, &miner, u64::from(count));
            let signature = owner.sign(&last);
            let call = Call::commit { root: [0; 32], first: 1, count, last, signature };
            assert_err_ignore_postinfo!(miner.call(call), Error::<Test>::BadCount);
        }
        // Longer than what the owner authorised.
        assert_ok!(commit_as(&miner, &all, last, &miner));
        assert_eq!(punished(), [(miner.id(), Offence::InventedRequest)]);
        let next =
            |call: DispatchResultWithPostInfo, error: Error<Test>| assert_err_ignore_postinfo!(call, error);
        next(reveal(&owner, preimage(1)), Error::<Test>::NoPeriod);
        assert_ok!(commit(&all));
        next(commit(&receipts(5, 1)), Error::<Test>::PeriodOpen);
    });
}

#[test]
fn revelations_are_checked() {
    new_test_ext().execute_with(|| {
        assert_ok!(commit(&receipts(1, 4)));
        next_block(BLOCK);
        assert_err_ignore_postinfo!(reveal(&owner(), preimage(8)), Error::<Test>::TooEarly);
        next_block(BLOCK);
        // No anchor.
        assert_err_ignore_postinfo!(reveal(&owner(), preimage(8)), Error::<Test>::WrongPreimage);
        for who in [stranger(), miner()] {
            assert_err_ignore_postinfo!(reveal(&who, preimage(8)), Error::<Test>::NotOwner);
        }
        Now::mutate(|now| *now += REVEAL_TIME);
        assert_err_ignore_postinfo!(reveal(&owner(), preimage(8)), Error::<Test>::TooLate);
    });
}

#[test]
fn samples_that_prove_nothing_are_refused() {
    new_test_ext().execute_with(|| {
        let all = receipts(1, 10);
        assert_err_ignore_postinfo!(prove_leaves(vec![]), Error::<Test>::NoPeriod);
        assert_ok!(commit(&all));
        assert_err_ignore_postinfo!(prove_leaves(vec![]), Error::<Test>::NotDrawn);
        pass(REVEAL_TIME + 1);
        let leaves = drawn();
        let spare = (0..10).find(|leaf| !leaves.contains(leaf)).unwrap();
        let good = sample(&miner(), &all, leaves[0]);
        let mut off_path = good.clone();
        off_path.path[0][0] ^= 1;
        let other_output = Sample { output: [1; 32], ..good.clone() };
        let other_task = Sample {
            submission: submission(EVERY, &miner(), good.submission.authorisation.number),
            ..good.clone()
        };
        let mut beyond = good.clone();
        beyond.submission = submission(SAMPLED, &miner(), 11);
        let mut zero = good.clone();
        zero.submission = submission(SAMPLED, &miner(), 0);
        for (sample, expected) in [
            (sample(&miner(), &all, spare), Refusal::NotDrawn),
            (other_task, Refusal::NotDrawn),
            (beyond, Refusal::NotDrawn),
            (zero, Refusal::NotDrawn),
            (off_path, Refusal::NotInTree),
            (other_output, Refusal::NotInTree),
        ] {
            events();
            assert_ok!(prove_leaves(vec![sample]));
            let Some(Event::Refused { reason, .. }) = events().pop() else { panic!() };
            assert_eq!(reason, expected);
        }
        // Twice in one call: the second has nothing left to prove.
        assert_ok!(prove_leaves(vec![good.clone(), good.clone()]));
        let found = events();
        assert!(matches!(found[0], Event::Refused { reason: Refusal::NotDrawn, .. }), "{found:?}");
        assert!(matches!(found[1], Event::Verified { .. }), "{found:?}");
        assert_eq!(drawn(), leaves[1..]);
        assert_eq!(punished(), []);
        let call = Call::prove_samples { claim: cost(0), task: EVERY, samples: Default::default() };
        assert_err_ignore_postinfo!(miner().call(call), Error::<Test>::WrongPolicy);
        let samples = samples(&all, &leaves[1..]).try_into().unwrap();
        let claim = Cost { own_points: 0, ..cost(5) };
        let call = Call::prove_samples { claim, task: SAMPLED, samples };
        assert_err_ignore_postinfo!(miner().call(call), Error::<Test>::Underclaimed);
        Now::mutate(|now| *now += PROVE_TIME + 1);
        assert_err_ignore_postinfo!(prove_leaves(vec![good]), Error::<Test>::TooLate);
    });
}

#[test]
fn false_samples_are_punished() {
    new_test_ext().execute_with(|| {
        // Every leaf lies about its output, or about its input.
        for (lie, expected) in [
            (Receipt { output: [1; 32], ..receipt(SAMPLED, &miner(), 1) }, Falsehood::Output),
            (receipt(SAMPLED, &miner(), 2), Falsehood::Proof),
        ] {
            let first = Owed::<Test>::get(SAMPLED, miner().id()).map_or(1, |owed| owed.next);
            let receipts = vec![Receipt { number: first, ..lie }];
            let last = Authorisation { input: lie.input, ..authorise(SAMPLED, &miner(), first) };
            assert_ok!(commit_as(&miner(), &receipts, last, &owner()));
            pass(REVEAL_TIME + 1);
            let mut lying = sample(&miner(), &receipts, 0);
            lying.submission.authorisation = last;
            lying.submission.signature = owner().sign(&last);
            lying.submission.proof =
                crate::mock::prove(0, &Receipt { number: 1, ..receipt(SAMPLED, &miner(), 1) })
                    .try_into()
                    .unwrap();
            events();
            assert_ok!(prove_leaves(vec![lying]));
            let Some(Event::Punished { evidence, .. }) = events().pop() else { panic!() };
            assert_eq!(evidence.fault, Fault::FalseProof(expected));
            // It is still to be proven.
            pass(PROVE_TIME + 1);
            assert_eq!(punished(), [(miner().id(), Offence::FalseProof), (miner().id(), Offence::Unproven)]);
        }
    });
}

#[test]
fn invented_leaves_are_punished() {
    new_test_ext().execute_with(|| {
        let receipts = drawn_period();
        let leaf = drawn()[0];
        let mut forged = sample(&miner(), &receipts, leaf);
        forged.submission.signature = miner().sign(&forged.submission.authorisation);
        assert_ok!(prove_leaves(vec![forged]));
        assert_eq!(punished(), [(miner().id(), Offence::InventedRequest)]);
    });
}

#[test]
fn an_unproven_period_is_void_for_ever() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        let receipts = drawn_period();
        let leaves = drawn();
        assert_ok!(prove_leaves(samples(&receipts, &leaves[1..])));
        next_block(PROVE_TIME);
        assert_ok!(prove_leaves(vec![]));
        next_block(1);
        next_block(1);
        let found = events();
        assert_eq!(found.last(), Some(&Event::PeriodVoid { task: SAMPLED, miner: miner.id(), last: 10 }));
        assert_eq!(punished(), [(miner.id(), Offence::Unproven)]);
        // The next period does not pay it.
        let next = self::receipts(11, 2);
        assert_ok!(commit(&next));
        pass(REVEAL_TIME + 1);
        assert_ok!(prove_leaves(samples(&next, &drawn())));
        assert_eq!(Payments::get(SAMPLED, miner.id()).1, [11, 12]);
        assert_eq!(punished(), []);
    });
}

#[test]
fn a_period_waits_for_money_until_its_deadline() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        let unpaid = |closed| Event::PeriodUnpaid { task: SAMPLED, miner: miner.id(), last: 10, closed };
        let receipts = drawn_period();
        Funds::insert(SAMPLED, 1);
        assert_ok!(prove_leaves(samples(&receipts, &drawn())));
        assert_eq!(events().pop(), Some(unpaid(false)));
        assert_ok!(prove_leaves(vec![]));
        assert_eq!(events().pop(), Some(unpaid(false)));
        pass(PROVE_TIME + 1);
        assert_eq!(events().pop(), Some(unpaid(true)));
        assert_eq!(punished(), []);
        // The next period pays it too.
        Funds::insert(SAMPLED, FUNDS);
        let next = self::receipts(11, 1);
        assert_ok!(commit(&next));
        pass(REVEAL_TIME + 1);
        assert_ok!(prove_leaves(samples(&next, &drawn())));
        assert_eq!(Payments::get(SAMPLED, miner.id()).1, (1..=11).collect::<Vec<_>>());
    });
}

#[test]
fn money_that_comes_in_time_pays() {
    new_test_ext().execute_with(|| {
        let receipts = drawn_period();
        Funds::insert(SAMPLED, 1);
        assert_ok!(prove_leaves(samples(&receipts, &drawn())));
        Funds::insert(SAMPLED, FUNDS);
        assert_ok!(prove_leaves(vec![]));
        assert_eq!(Payments::get(SAMPLED, miner().id()).1.len(), 10);
    });
}

#[test]
fn demands_far_ahead_give_up_nothing() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        let receipts = receipts(1, 200);
        assert_ok!(commit(&receipts));
        let (task, receipt) = (SAMPLED, signed(&miner, receipts[199]));
        assert_ok!(owner().call(Call::demand { task, miner: miner.id(), receipt }));
        assert_ok!(submit(&miner, vec![submission(SAMPLED, &miner, 200)]));
        let Some(Event::Verified { number: 200, paid: Some(0), .. }) = events().pop() else { panic!() };
        pass(REVEAL_TIME + 1);
        assert_ok!(prove_leaves(samples(&receipts, &drawn())));
        assert_eq!(Payments::get(SAMPLED, miner.id()).1, (1..=200).collect::<Vec<_>>());
        assert_eq!(punished(), []);
    });
}

#[test]
fn requests_of_closed_periods_are_final() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        let receipts = drawn_period();
        let demand = |receipt| {
            let receipt = signed(&miner, receipt);
            owner().call(Call::demand { task: SAMPLED, miner: miner.id(), receipt })
        };
        assert_ok!(demand(receipts[0]));
        assert_ok!(submit(&miner, vec![submission(SAMPLED, &miner, 1)]));
        assert_ok!(prove_leaves(samples(&receipts, &drawn())));
        assert_eq!(Payments::get(SAMPLED, miner.id()).1, (1..=10).collect::<Vec<_>>());
        assert_err_ignore_postinfo!(demand(receipts[0]), Error::<Test>::Final);
        assert_ok!(demand(receipt(SAMPLED, &miner, 11)));
        assert_ok!(submit(&miner, vec![submission(SAMPLED, &miner, 11)]));
        pass(ANSWER_TIME + 1);
        assert_eq!(punished(), []);
    });
}
