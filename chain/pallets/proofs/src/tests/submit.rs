//! Submissions: verdicts, refusals, claims.

use crate::mock::*;
use crate::weights::{SubstrateWeight, WeightInfo};
use crate::{Call, Error, Event, Falsehood, Fault, MAX_EVIDENCE, Offences, Refusal, Submission};
use cyborg_interface::Verifier;
use cyborg_primitives::miner::Offence;
use cyborg_primitives::signed::{Authorisation, Payload, Receipt};
use cyborg_primitives::verification::Cost;
use polkadot_sdk::frame_support::dispatch::GetDispatchInfo;
use polkadot_sdk::frame_support::{assert_err_ignore_postinfo, assert_ok};
use polkadot_sdk::sp_core::Pair;
use polkadot_sdk::sp_runtime::traits::Dispatchable;

fn verified(task: u64, miner: &Person, number: u64, paid: Option<u128>) -> Event<Test> {
    let (input, output) = (input(number), output(number));
    Event::Verified { task, miner: miner.id(), number, input, output, paid }
}

fn refused(task: u64, miner: &Person, number: u64, reason: Refusal) -> Event<Test> {
    Event::Refused { task, miner: miner.id(), number, reason }
}

fn faults() -> Vec<(u64, Fault)> {
    let fault = |event| match event {
        Event::Punished { evidence, slashed: 7, .. } => Some((evidence.number, evidence.fault)),
        _ => None,
    };
    events().into_iter().filter_map(fault).collect()
}

/// One submission that is false or invented.
fn guilty(submission: Submission) -> Fault {
    let miner = miner();
    let number = submission.authorisation.number;
    assert_ok!(submit(&miner, vec![submission]));
    let found = faults();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, number);
    assert_eq!(punished(), [(miner.id(), found[0].1.offence())]);
    assert_eq!(Payments::get(EVERY, miner.id()), (0, vec![]));
    found[0].1
}

#[test]
fn a_true_proof_is_paid_once() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        assert_ok!(submit(&miner, vec![submission(EVERY, &miner, 1)]));
        assert_eq!(events(), [verified(EVERY, &miner, 1, Some(PER_REQUEST + PER_PROOF))]);
        assert_ok!(submit(&miner, vec![submission(EVERY, &miner, 1)]));
        assert_eq!(events(), [refused(EVERY, &miner, 1, Refusal::Duplicate)]);
        assert_eq!(Payments::get(EVERY, miner.id()), (PER_REQUEST + PER_PROOF, vec![1]));
        assert_eq!(punished(), []);
    });
}

#[test]
fn the_price_cap_holds() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        let mut submission = submission(EVERY, &miner, 1);
        submission.authorisation.price_cap = 4;
        submission.signature = delegate().sign(&submission.authorisation);
        assert_ok!(submit(&miner, vec![submission]));
        assert_eq!(events(), [verified(EVERY, &miner, 1, Some(4 + PER_PROOF))]);
    });
}

#[test]
fn a_false_one_is_named_and_the_others_are_paid() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        let mut batch: Vec<Submission> = (1..=4).map(|number| submission(EVERY, &miner, number)).collect();
        batch[1].proof[95] ^= 1;
        batch.push(submission(EVERY, &miner, 4));
        assert_ok!(submit(&miner, batch.clone()));
        let found = events();
        assert_eq!(found[0], refused(EVERY, &miner, 4, Refusal::Duplicate));
        assert_eq!(found[1], verified(EVERY, &miner, 1, Some(13)));
        let hash = polkadot_sdk::sp_io::hashing::blake2_256(&batch[1].proof);
        let Event::Punished { evidence, .. } = &found[2] else { panic!("{found:?}") };
        assert_eq!((evidence.number, evidence.hash, evidence.task), (2, hash, EVERY));
        assert_eq!(evidence.fault, Fault::FalseProof(Falsehood::Proof));
        assert_eq!(found[3..], [3, 4].map(|number| verified(EVERY, &miner, number, Some(13))));
        assert_eq!(Offences::<Test>::get(miner.id()).to_vec(), [*evidence]);
        assert_eq!(punished(), [(miner.id(), Offence::FalseProof)]);
        // It may still be proven.
        assert_ok!(submit(&miner, vec![submission(EVERY, &miner, 2)]));
        assert_eq!(events(), [verified(EVERY, &miner, 2, Some(13))]);
    });
}

#[test]
fn proofs_for_anything_else_are_false() {
    new_test_ext().execute_with(|| {
        let (miner, rival) = (miner(), rival());
        let with = |proof: Vec<u8>| {
            let honest = submission(EVERY, &miner, 1);
            guilty(Submission { proof: proof.try_into().unwrap(), ..honest })
        };
        let this = receipt(EVERY, &miner, 1);
        for (what, proof) in [
            ("another miner's", prove(0, &Receipt { miner: rival.account(), ..this })),
            ("another task's", prove(0, &Receipt { task: OTHER, ..this })),
            ("another request's", prove(0, &Receipt { number: 2, ..this })),
            ("another model's", prove(1, &this)),
            ("nothing", vec![]),
        ] {
            assert_eq!(with(proof), Fault::FalseProof(Falsehood::Proof), "{what}");
        }
        let other_input = prove(0, &Receipt { input: [9; 32], ..this });
        assert_eq!(with(other_input), Fault::FalseProof(Falsehood::Input));
    });
}

#[test]
fn requests_that_the_owner_never_authorised_are_punished() {
    new_test_ext().execute_with(|| {
        let (miner, rival) = (miner(), rival());
        let honest = submission(EVERY, &miner, 1);
        let signed_by = |signature| Submission { signature, ..honest.clone() };
        let about = |authorisation: Authorisation| Submission { authorisation, ..honest.clone() };
        let this = honest.authorisation;
        for forged in [
            signed_by(miner.sign(&this)),
            signed_by(stranger().sign(&this)),
            // The owner's, over something else.
            signed_by(owner().sign(&receipt(EVERY, &miner, 1))),
            signed_by(owner().0.sign(&this.payload(&[8; 32])).into()),
            signed_by(owner().0.sign(&this.encode_alone()).into()),
            about(Authorisation { number: 2, ..this }),
            about(Authorisation { input: [1; 32], ..this }),
            about(Authorisation { price_cap: 1_001, ..this }),
            // Another miner's leave.
            submission(EVERY, &rival, 1),
        ] {
            assert_eq!(guilty(forged), Fault::InventedRequest);
        }
    });
}

trait EncodeAlone {
    fn encode_alone(&self) -> Vec<u8>;
}

impl EncodeAlone for Authorisation {
    fn encode_alone(&self) -> Vec<u8> {
        codec::Encode::encode(self)
    }
}

#[test]
fn what_is_refused_is_not_punished() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        ModelKeys::insert(1, (None::<Vec<u8>>, COST));
        for (who, submission, reason) in [
            (stranger(), submission(EVERY, &stranger(), 1), Refusal::NotEngaged),
            (idler(), submission(EVERY, &idler(), 1), Refusal::NotEngaged),
            (miner.clone(), submission(99, &miner, 1), Refusal::NotEngaged),
            (miner.clone(), submission(EVERY, &miner, 0), Refusal::Duplicate),
            (miner.clone(), submission(ON_DEMAND, &miner, 1), Refusal::NotDemanded),
            (miner.clone(), submission(SAMPLED, &miner, 1), Refusal::NotDemanded),
            (miner.clone(), submission(OTHER, &miner, 1), Refusal::NoKey),
        ] {
            let (task, number) = (submission.authorisation.task, submission.authorisation.number);
            assert_ok!(submit(&who, vec![submission]));
            assert_eq!(events(), [refused(task, &who, number, reason)]);
        }
        // A model that is not there costs nothing, and is no reason to punish.
        ModelKeys::remove(1);
        assert_ok!(submit(&miner, vec![submission(OTHER, &miner, 1)]));
        assert_eq!(events(), [refused(OTHER, &miner, 1, Refusal::NoKey)]);
        assert_eq!(punished(), []);
    });
}

#[test]
fn claims_cover_what_is_verified() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        let call = |claim: Cost, tasks: &[u64]| {
            let batch: Vec<Submission> = tasks.iter().map(|task| submission(*task, &miner, 1)).collect();
            miner.call(Call::submit { claim, submissions: batch.try_into().unwrap() })
        };
        assert_err_ignore_postinfo!(call(COST, &[]), Error::<Test>::Empty);
        for claim in [
            Cost { field_products: COST.field_products - 1, ..COST },
            Cost { own_points: COST.own_points - 1, ..COST },
            Cost { generators: COST.generators - 1, ..COST },
            Cost { key_bytes: COST.key_bytes - 1, ..COST },
            Cost { proof_bytes: COST.proof_bytes - 1, ..COST },
        ] {
            let error = call(claim, &[EVERY]).unwrap_err();
            assert_eq!(error.error, Error::<Test>::Underclaimed.into());
            // Nothing was verified, so that only the rest is charged.
            assert_eq!(error.post_info.actual_weight, Some(SubstrateWeight::<Test>::submit(1)));
        }
        // Two keys are read, each once.
        assert_err_ignore_postinfo!(call(cost(2), &[EVERY, OTHER]), Error::<Test>::Underclaimed);
        assert_ok!(call(COST.with(COST), &[EVERY, OTHER]));
        let batch: Vec<Submission> = (2..4).map(|number| submission(EVERY, &miner, number)).collect();
        assert_ok!(miner.call(Call::submit { claim: cost(2), submissions: batch.try_into().unwrap() }));
        assert_eq!(punished(), []);
    });
}

#[test]
fn what_was_not_used_is_refunded() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        let claim = cost(9);
        let run = |submission: Submission| {
            let submissions = vec![submission].try_into().unwrap();
            let call = RuntimeCall::from(Call::submit { claim, submissions });
            let charged = call.get_dispatch_info().call_weight;
            let used = call.dispatch(RuntimeOrigin::signed(miner.id())).unwrap().actual_weight.unwrap();
            assert!(used.all_lte(charged), "{used} of {charged}");
            used
        };
        let good = run(submission(EVERY, &miner, 1));
        let bad = run(Submission { proof: Default::default(), ..submission(EVERY, &miner, 2) });
        let refused = run(submission(EVERY, &miner, 1));
        assert_eq!(refused, SubstrateWeight::<Test>::submit(1));
        let difference = MockVerifier::weight(&COST, 1) - MockVerifier::weight_of_true(&COST, 1);
        assert_eq!(bad - good, difference);
        assert_eq!(good.proof_size() - refused.proof_size(), u64::from(COST.key_bytes));
    });
}

#[test]
fn an_empty_escrow_pays_later() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        Funds::insert(EVERY, PER_REQUEST);
        assert_ok!(submit(&miner, vec![submission(EVERY, &miner, 1)]));
        assert_eq!(events(), [verified(EVERY, &miner, 1, None)]);
        Funds::insert(EVERY, 100);
        assert_ok!(submit(&miner, vec![submission(EVERY, &miner, 1)]));
        assert_eq!(events(), [verified(EVERY, &miner, 1, Some(13))]);
    });
}

#[test]
fn evidence_is_bounded() {
    new_test_ext().execute_with(|| {
        let miner = miner();
        let last = u64::from(MAX_EVIDENCE) + 5;
        for number in 1..=last {
            guilty(Submission { proof: Default::default(), ..submission(EVERY, &miner, number) });
        }
        let kept: Vec<u64> = Offences::<Test>::get(miner.id()).iter().map(|offence| offence.number).collect();
        assert_eq!(kept, (6..=last).collect::<Vec<_>>());
    });
}
