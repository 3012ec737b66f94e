//! Proofs verified together, and what the verifier charges for them.
#![expect(clippy::unwrap_used, reason = "tests")]

use cyborg_chain_verifier::ZkVerifier;
use cyborg_interface::{Claim, KeyError, Verifier};
use cyborg_primitives::verification::Cost;
use std::sync::LazyLock;
use zkml_prover::{Keys, Request, keygen, prove};
use zkml_testkit::case::{Case, small};
use zkml_verifier::Visibility;

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let Case { graph, weights, .. } = small(-16);
    keygen(graph, weights, &mut |_| ()).unwrap()
});

/// The cost of the small model.
fn cost() -> Cost {
    let any = Cost {
        field_products: u64::MAX,
        own_points: u32::MAX,
        generators: u32::MAX,
        key_bytes: u32::MAX,
        proof_bytes: u32::MAX,
    };
    ZkVerifier::check_key(&KEYS.verifier.to_bytes(), &any).unwrap().cost
}

#[test]
fn the_cost_is_what_the_key_says() {
    let (cost, counted) = (cost(), KEYS.verifier.cost());
    assert_eq!(cost.field_products, counted.field_products);
    assert_eq!(u64::from(cost.own_points), counted.own_points);
    assert_eq!(u64::from(cost.generators), counted.generators);
    assert_eq!(u64::from(cost.key_bytes), counted.key_bytes);
    assert_eq!(u64::from(cost.proof_bytes), counted.proof_bytes);
}

/// True proofs among false ones, of one key and of none.
#[test]
fn proofs_are_verified_together() {
    let inputs = [(0..8).collect::<Vec<i64>>()];
    let request = |context| Request {
        inputs: &inputs,
        context,
        input: Visibility::Public,
        output: Visibility::Committed,
    };
    let [one, two] =
        [&b"one"[..], b"two"].map(|context| prove(&KEYS.prover, &request(context)).unwrap().proof);
    let key = KEYS.verifier.to_bytes();
    let claim = |proof, context| Claim { key: &key, proof, context };
    let graph = KEYS.prover.graph();
    let input = zkml_verifier::public_input_digest(graph, &inputs).unwrap();
    let (good, bad) = (claim(&one, b"one"), claim(&one, b"two"));
    let lost = Claim { key: b"no key", ..good };
    let verdicts = ZkVerifier::verify(&[good, bad, claim(&two, b"two"), claim(b"", b"one"), lost]);
    let inputs_of: Vec<_> = verdicts.iter().map(|proven| proven.map(|proven| proven.input)).collect();
    assert_eq!(inputs_of, [Some(input), None, Some(input), None, None]);
    assert_ne!(verdicts[0].unwrap().output, verdicts[2].unwrap().output);
    assert_eq!(ZkVerifier::verify(&[]), []);
    assert_eq!(ZkVerifier::verify(&[bad]), [None]);
    assert_eq!(ZkVerifier::check_key(&key, &Cost::default()), Err(KeyError::Underclaimed));
}

#[test]
fn weights_grow_with_every_count() {
    let cost = cost();
    assert_eq!(ZkVerifier::weight(&cost, 0).ref_time(), 0);
    for proofs in [1, 2, 64] {
        let weight = |cost: &Cost| ZkVerifier::weight(cost, proofs);
        let base = weight(&cost);
        assert!(
            weight(&Cost { field_products: cost.field_products + 1, ..cost }).ref_time() > base.ref_time()
        );
        assert!(weight(&Cost { own_points: cost.own_points + 64, ..cost }).ref_time() > base.ref_time());
        assert!(weight(&Cost { generators: cost.generators + 1, ..cost }).ref_time() > base.ref_time());
        assert!(weight(&Cost { key_bytes: cost.key_bytes + 1, ..cost }).ref_time() > base.ref_time());
        assert!(weight(&Cost { proof_bytes: cost.proof_bytes + 1, ..cost }).ref_time() > base.ref_time());
        assert!(ZkVerifier::check_weight(&cost).ref_time() > ZkVerifier::weight(&cost, 1).ref_time());
        // True proofs together cost no more than the worst case, and one costs just that.
        let of_true = ZkVerifier::weight_of_true(&cost, proofs);
        assert_eq!(of_true == base, proofs == 1);
        assert!(of_true.ref_time() <= base.ref_time());
    }
    // Sharing one multiplication is worth it.
    let batch = (1..20).fold(cost, |sum, _| sum.with(Cost { key_bytes: 0, ..cost }));
    let single = ZkVerifier::weight_of_true(&cost, 1).ref_time();
    assert!(ZkVerifier::weight_of_true(&batch, 20).ref_time() < 20 * single / 2);
    assert!(ZkVerifier::weight(&batch, 20).ref_time() >= 20 * (single - single / 4));
}
