//! What a proof is about and how its parts hang together: 1 to 7, 13 and 14.

use super::{DIGEST, FLAGS, decoded, first_challenge, honest, recorded};
use ark_ff::Field;
use zkml_core::{F, labels};
use zkml_graph::FunctionKind;
use zkml_prover::{Request, prove, prove_live};
use zkml_testkit::liar::Liar;
use zkml_testkit::maker::{Maker, out, read};
use zkml_testkit::recorder::{Event, Known};
use zkml_testkit::{models, widths};
use zkml_verifier::circuit::{NodeCells, Property, Quotient};
use zkml_verifier::{Proof, Shown, VerifierKey, VerifyError, Visibility, verify, verify_live};

/// Mistake 1: Lookup challenges drawn before the witness commitments. The first challenge is the
/// lookups', and everything committed comes before it and changes it.
#[test]
fn n01_lookup_challenges_follow_every_commitment() {
    let liar = Liar::new(models::convolution(1));
    let proof = decoded(&liar, &honest(&liar, Visibility::Committed));
    let (holds, record) = recorded(&liar, &proof, b"lie");
    assert!(holds);
    let drawn = |event: &Event| matches!(event, Event::Challenge(..));
    let first = record.events.iter().position(drawn).unwrap();
    let is_lookup = |event: &Event| matches!(event, Event::Challenge(labels::LOOKUP_ALPHA, _));
    assert!(is_lookup(&record.events[first]));
    let before = record.events[..first].iter().map(|event| match event {
        Event::Absorbed(label, _) | Event::Challenge(label, _) => *label,
    });
    let mut expected = vec![labels::KEY, labels::CONTEXT, labels::STATEMENT];
    expected.extend(proof.body.rows.iter().map(|_| labels::TRACE));
    expected.push(labels::PADS);
    assert_eq!(before.collect::<Vec<_>>(), expected);

    let alpha = first_challenge(&liar, &proof, b"lie");
    for row in 0..=proof.body.rows.len() {
        let mut other = proof.clone();
        match other.body.rows.get_mut(row) {
            Some(commitment) => *commitment = -*commitment,
            None => other.body.pads = -other.body.pads,
        }
        assert_ne!(first_challenge(&liar, &other, b"lie"), alpha, "{row}");
    }
}

/// Mistake 2: Vectors of proofs zipped with expected lists, so that missing ones pass. The bytes hold no
/// counts; and even a proof put together without decoding does not hold with a shorter or a
/// longer vector.
#[test]
fn n02_missing_and_extra_elements() {
    let liar = Liar::new(models::dense(1));
    let proof = decoded(&liar, &honest(&liar, Visibility::Committed));
    let body = &proof.body;
    let changes: [fn(&mut Proof); 6] = [
        |proof| {
            proof.body.rows.pop();
        },
        |proof| {
            proof.body.hidden.pop();
        },
        |proof| {
            proof.body.inner.rounds.pop();
        },
        |proof| {
            let _ = proof.body.rows.remove(0);
        },
        |proof| {
            let _ = proof.body.hidden.remove(0);
        },
        |proof| proof.body.rows.push(proof.body.pads),
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut other = proof.clone();
        change(&mut other);
        assert!(!recorded(&liar, &other, b"lie").0, "{index}");
        let bytes = other.to_bytes(&liar.maker.graph).unwrap();
        let verdict = verify(&liar.keys.verifier, &bytes, b"lie");
        assert!(matches!(verdict, Err(VerifyError::Format(_))), "{index}");
    }
    assert_eq!(body.hidden.len() + 2, liar.circuit().hidden_count());
}

/// Mistake 3: Evaluation points taken from the prover. All points are challenges: each depends on every
/// message before it, and a proof made for challenges known in advance proves nothing.
#[test]
fn n03_points_come_from_the_transcript() {
    let liar = Liar::new(widths::narrow(1, 4, 2, FunctionKind::Identity, (-128, 8)));
    let proof = decoded(&liar, &honest(&liar, Visibility::Public));
    let (_, honest) = recorded(&liar, &proof, b"lie");
    let mut before = 0;
    let mut messages = Vec::new();
    for event in &honest.events {
        match event {
            Event::Challenge(..) => before += 1,
            Event::Absorbed(label, _) => messages.push((*label, before)),
        }
    }
    // Messages in the order of absorption, and how to change each.
    let body = &proof.body;
    let mut changed: Vec<Proof> = Vec::new();
    let mut change = |f: &dyn Fn(&mut Proof)| {
        changed.push(proof.clone());
        if let Some(last) = changed.last_mut() {
            f(last);
        }
    };
    for row in 0..body.rows.len() {
        change(&|proof| proof.body.rows[row] = -proof.body.rows[row]);
    }
    change(&|proof| proof.body.pads = -proof.body.pads);
    for scalar in 0..body.hidden.len() {
        change(&|proof| proof.body.hidden[scalar] += F::ONE);
    }
    change(&|proof| proof.body.revealed[0] += F::ONE);
    change(&|proof| proof.body.revealed[1] += F::ONE);
    for round in 0..body.inner.rounds.len() {
        change(&|proof| proof.body.inner.rounds[round].0 = -proof.body.inner.rounds[round].0);
        change(&|proof| proof.body.inner.rounds[round].1 = -proof.body.inner.rounds[round].1);
    }
    change(&|proof| proof.body.inner.last = -proof.body.inner.last);
    // Key, context and statement come first.
    assert_eq!(messages.len(), 3 + changed.len());
    for ((label, before), other) in messages[3..].iter().zip(&changed) {
        let (holds, record) = recorded(&liar, other, b"lie");
        assert!(!holds, "{label}");
        let pairs = honest.challenges().into_iter().zip(record.challenges());
        for (index, (one, other)) in pairs.enumerate() {
            assert_eq!(one == other, index < *before, "{label} {index}");
        }
    }

    let request = Request {
        inputs: &liar.inputs,
        context: b"lie",
        input: Visibility::Public,
        output: Visibility::Public,
    };
    let proved = prove_live(&liar.keys.prover, &request, &mut Known::new(1)).unwrap();
    let key = &liar.keys.verifier;
    let live = verify_live(key, &proved.proof, b"lie", &mut Known::new(1));
    assert!(live.is_ok());
    assert_eq!(verify(key, &proved.proof, b"lie"), Err(VerifyError::Equation));
}

/// Mistake 4: Statement, input or output not absorbed.
#[test]
fn n04_every_part_of_the_statement_counts() {
    let liar = Liar::new(models::concat(1));
    for shown in [Visibility::Public, Visibility::Committed] {
        let proof = decoded(&liar, &honest(&liar, shown));
        let alpha = first_challenge(&liar, &proof, b"lie");
        assert_ne!(first_challenge(&liar, &proof, b"other"), alpha);
        for tensor in 0..proof.statement.tensors.len() {
            let mut other = proof.clone();
            match &mut other.statement.tensors[tensor] {
                Shown::Public(values) => {
                    values.swap(0, 1);
                    assert_ne!(values[0], values[1]);
                }
                Shown::Committed(points) => points[0] = -points[0],
            }
            assert_ne!(first_challenge(&liar, &other, b"lie"), alpha);
            let bytes = other.to_bytes(&liar.maker.graph).unwrap();
            let verdict = verify(&liar.keys.verifier, &bytes, b"lie");
            assert_eq!(verdict, Err(VerifyError::Equation));
        }
        let mut other = proof.clone();
        other.key[0] ^= 1;
        let bytes = other.to_bytes(&liar.maker.graph).unwrap();
        let verdict = verify(&liar.keys.verifier, &bytes, b"lie");
        assert!(matches!(verdict, Err(VerifyError::Key { .. })));
    }
}

/// Two readers of one tensor.
fn two_readers() -> Maker {
    let mut maker = Maker::new(5, &[16], -128, 127);
    let terms = maker.dense(0, 16);
    let shared = maker.rescale(&[16], terms, 10);
    let mut readers = [3, 5].map(|factor| {
        let terms = vec![maker.whole(&[16], read(shared, &[], vec![out(0)], factor))];
        maker.rescale(&[16], terms, 3)
    });
    readers.reverse();
    maker.graph.outputs = readers.to_vec();
    maker
}

/// Mistake 5: Two claims about one tensor stored under one key. A tensor with two readers: the second
/// reads another tensor's values, everything else is true.
#[test]
fn n05_two_readers_of_one_tensor() {
    let liar = Liar::new(two_readers());
    let mut other_inputs = liar.inputs.clone();
    other_inputs[0].rotate_left(3);
    let other = Liar::with_inputs(two_readers(), other_inputs);
    let (mut trace, foreign) = (liar.trace(|_| (), 0), other.trace(|_| (), 0));
    let NodeCells::Requant { remainder, quotient: Quotient::Output } = liar.cells(2) else {
        panic!("{:?}", liar.cells(2));
    };
    assert!(remainder.upper.is_empty());
    let block = &liar.circuit().blocks[liar.output(2)];
    trace.write(block, &foreign.read(block));
    trace.look_up(liar.circuit());
    liar.caught(&trace, &[(Some(2), Property::Remainder)]);
}

/// Mistake 6: Batched opening not tied to its claims: no two hidden scalars can be moved against each
/// other, no two row commitments or classes of rows exchanged. See also `mixed_generators`.
#[test]
fn n06_the_opening_is_of_these_claims() {
    let liar = Liar::new(models::residual(1));
    let proof = decoded(&liar, &honest(&liar, Visibility::Committed));
    for index in 1..proof.body.hidden.len() {
        let mut other = proof.clone();
        other.body.hidden[index] += F::ONE;
        other.body.hidden[index - 1] -= F::ONE;
        assert!(!recorded(&liar, &other, b"lie").0, "{index}");
    }
    let mut other = proof.clone();
    other.body.rows.swap(0, 1);
    assert!(!recorded(&liar, &other, b"lie").0);
    let mut other = proof.clone();
    other.statement.tensors.swap(1, 2);
    assert!(!recorded(&liar, &other, b"lie").0);
}

/// Mistake 7: Missing shape and count checks: a proof for a model of another shape, under this key's
/// name. See `mutate` for hostile bytes.
#[test]
fn n07_a_proof_of_another_shape() {
    let (small, large) = (Liar::new(models::residual(1)), Liar::new(models::convolution(1)));
    for (from, to) in [(&small, &large), (&large, &small)] {
        let mut bytes = honest(from, Visibility::Committed);
        bytes[DIGEST..FLAGS].copy_from_slice(&to.keys.verifier.digest());
        let verdict = verify(&to.keys.verifier, &bytes, b"lie");
        assert!(matches!(verdict, Err(VerifyError::Format(_))));
    }
}

/// Mistake 13: Reuse of a proof for another task or miner (contexts), input, output, shard or model.
#[test]
fn n13_proofs_do_not_travel() {
    let liar = Liar::new(models::residual(1));
    let key = &liar.keys.verifier;
    for shown in [Visibility::Public, Visibility::Committed] {
        let bytes = honest(&liar, shown);
        assert!(verify(key, &bytes, b"lie").is_ok());
        for context in [&b""[..], b"li", b"lie ", b"lie\0", b"LIE"] {
            assert_eq!(verify(key, &bytes, context), Err(VerifyError::Equation));
        }
        // The same graph with other weights, and the same model with other blinds.
        for seed in [2, 1] {
            let other = Liar::new(models::residual(seed));
            let digest = other.keys.verifier.digest();
            let verdict = verify(&other.keys.verifier, &bytes, b"lie");
            assert!(matches!(verdict, Err(VerifyError::Key { .. })));
            let mut renamed = bytes.clone();
            renamed[DIGEST..FLAGS].copy_from_slice(&digest);
            let verdict = verify(&other.keys.verifier, &renamed, b"lie");
            assert_eq!(verdict, Err(VerifyError::Equation));
        }
        // Another statement, true as well, over the same body.
        let mut inputs = liar.inputs.clone();
        inputs[0].reverse();
        let request = Request { inputs: &inputs, context: b"lie", input: shown, output: shown };
        let second = prove(&liar.keys.prover, &request).unwrap().proof;
        let (mut one, two) = (decoded(&liar, &bytes), decoded(&liar, &second));
        one.statement = two.statement;
        let spliced = one.to_bytes(&liar.maker.graph).unwrap();
        let verdict = verify(key, &spliced, b"lie");
        assert_eq!(verdict, Err(VerifyError::Equation));
    }
    // Committed and public are not exchangeable: the flags are read, and lengths follow.
    let mut bytes = honest(&liar, Visibility::Committed);
    bytes[FLAGS] = 1;
    let verdict = verify(key, &bytes, b"lie");
    assert!(matches!(verdict, Err(VerifyError::Format(_))));
}

/// Two layers of equal shape.
fn twins() -> Maker {
    let mut maker = Maker::new(3, &[300], -128, 127);
    let terms = maker.dense(0, 300);
    let middle = maker.rescale(&[300], terms, 12);
    let terms = maker.dense(middle, 300);
    let output = maker.rescale(&[300], terms, 12);
    maker.graph.outputs = vec![output];
    maker
}

/// Mistake 14: Weight commitments swapped between layers: the key gets another name, and under its own
/// name nothing proven with the true one holds.
#[test]
fn n14_swapped_weight_commitments() {
    let liar = Liar::new(twins());
    let key = &liar.keys.verifier;
    let bytes = honest(&liar, Visibility::Committed);
    let params = &liar.circuit().weights.params;
    let first = |param: usize| match params[param].slot {
        zkml_verifier::circuit::Slot::Rows { first, .. } => first,
        ref other => panic!("{other:?}"),
    };
    let (one, two) = (first(0), first(2));
    let mut rows = key.rows().to_vec();
    for row in 0..300 {
        rows.swap(one + row, two + row);
    }
    let graph = key.graph().clone();
    let circuit = key.circuit().clone();
    let swapped = VerifierKey::new(graph, circuit, rows, key.proof().clone());
    assert_ne!(swapped.digest(), key.digest());
    assert_eq!(swapped.check(), Err(VerifyError::Equation));
    assert!(matches!(verify(&swapped, &bytes, b"lie"), Err(VerifyError::Key { .. })));
    let mut renamed = bytes;
    renamed[DIGEST..FLAGS].copy_from_slice(&swapped.digest());
    assert_eq!(verify(&swapped, &renamed, b"lie"), Err(VerifyError::Equation));
}
