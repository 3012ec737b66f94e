//! What a block can hold of proofs, by the weight that is charged for them.

use crate::common::world::{
    ample, answer, claim, digits, person, register_miner, register_model, running, small_model, town,
};
use crate::common::{happened, sign};
use cyborg_chain_verifier::ZkVerifier;
use cyborg_interface::Verifier;
use cyborg_primitives::MAX_BATCH;
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::verification::Cost;
use cyborg_runtime::configs::system::RuntimeBlockWeights;
use cyborg_runtime::{Executive, Runtime, RuntimeCall, RuntimeEvent};
use polkadot_sdk::frame_support::dispatch::{DispatchClass, GetDispatchInfo};
use polkadot_sdk::frame_support::weights::Weight;
use polkadot_sdk::frame_support::weights::constants::WEIGHT_REF_TIME_PER_MILLIS;
use polkadot_sdk::sp_keyring::Sr25519Keyring;
use polkadot_sdk::sp_runtime::transaction_validity::{InvalidTransaction, TransactionValidityError};

/// What users' transactions may take of a block.
fn usable() -> Weight {
    let weights = RuntimeBlockWeights::get();
    let normal = weights.get(DispatchClass::Normal);
    normal.max_total.unwrap() - weights.base_block
}

fn cost_of(name: &str) -> Cost {
    ZkVerifier::check_key(&digits(name).0.verifier.to_bytes(), &ample()).unwrap().cost
}

fn together(cost: Cost, count: u32) -> Cost {
    (1..count).fold(cost, |sum, _| sum.with(cost))
}

/// The targets of the chain's issue: a proof of `digits_cnn` in 80 ms, 20 of them in a block when
/// each comes alone.
#[test]
fn digits_fit_the_block() {
    assert_eq!(usable().ref_time().div_ceil(WEIGHT_REF_TIME_PER_MILLIS), 1_500);
    for (name, alone, at_least) in [("digits_mlp", 60, 20), ("digits_cnn", 80, 20)] {
        let cost = cost_of(name);
        let one = ZkVerifier::weight(&cost, 1).ref_time();
        assert!(one <= alone * WEIGHT_REF_TIME_PER_MILLIS, "{name}: {one} ps");
        assert!(usable().ref_time() / one >= at_least, "{name}: {}", usable().ref_time() / one);
        // A batch in which none is false takes less for each.
        let ten = ZkVerifier::weight_of_true(&together(cost, 10), 10).ref_time();
        assert!(ten < 10 * one, "{name}");
    }
}

/// What is charged before covers the worst: every proof of the batch false.
#[test]
fn the_worst_is_charged_before() {
    for count in 1..=MAX_BATCH {
        let cost = together(cost_of_small(), count);
        assert!(ZkVerifier::weight(&cost, count).all_gte(ZkVerifier::weight_of_true(&cost, count)));
    }
}

fn cost_of_small() -> Cost {
    ZkVerifier::check_key(&small_model(0).verifier.to_bytes(), &ample()).unwrap().cost
}

/// A claim above what a block can hold is refused before anything is computed.
#[test]
fn a_claim_above_the_block_is_refused() {
    town(2).execute_with(|| {
        let claim = Cost { field_products: u64::MAX, ..ample() };
        let (miner, keys) = (person(1), small_model(0));
        let submission = answer(&keys, &miner, &miner, (0, 0), 1).0;
        let submissions = vec![submission].try_into().unwrap();
        let call: RuntimeCall = pallet_proofs::Call::submit { claim, submissions }.into();
        assert!(call.get_dispatch_info().call_weight.any_gt(usable()));
        let refused = Executive::apply_extrinsic(sign(Sr25519Keyring::Alice, call, 0));
        assert!(matches!(
            refused,
            Err(TransactionValidityError::Invalid(
                InvalidTransaction::ExhaustsResources | InvalidTransaction::Payment
            ))
        ));
    });
}

/// A true proof refunds the part of the worst-case weight that it did not take.
#[test]
fn what_was_not_needed_is_given_back() {
    town(4).execute_with(|| {
        let (owner, miner) = (person(0), person(1));
        let keys = small_model(0);
        let model = register_model(&owner, &keys);
        register_miner(&miner, 1);
        let task = running(&owner, &miner, model, ProofPolicy::Every);
        let submissions: Vec<_> =
            (1..=8).map(|number| answer(&keys, &owner, &miner, (task, model), number).0).collect();
        let call: RuntimeCall = pallet_proofs::Call::<Runtime>::submit {
            claim: claim(model, 8),
            submissions: submissions.try_into().unwrap(),
        }
        .into();
        let before = call.get_dispatch_info().call_weight;
        let after = miner.call(call).unwrap().actual_weight.unwrap();
        assert!(after.ref_time() < before.ref_time());
        assert!(happened(|event| matches!(
            event,
            RuntimeEvent::Proofs(pallet_proofs::Event::Verified { .. })
        )));
    });
}
