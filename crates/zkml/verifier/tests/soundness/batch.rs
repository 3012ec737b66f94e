//! Several proofs in one equation: the random factors keep them apart, and the false ones are
//! named.

use ark_ff::Field;
use zkml_core::F;
use zkml_core::msm::Native;
use zkml_prover::{Request, prove};
use zkml_testkit::liar::Liar;
use zkml_testkit::models;
use zkml_verifier::{Proof, VerifyError, Visibility, verify, verify_all};

#[test]
fn true_proofs_of_several_keys_and_the_false_ones_among_them() {
    let liars = [models::dense(1), models::attention(1), models::relu_bits(1)].map(Liar::new);
    let proofs: Vec<Vec<u8>> = liars
        .iter()
        .zip([Visibility::Public, Visibility::Committed, Visibility::Public])
        .map(|(liar, shown)| liar.prove(&liar.trace(|_| (), 0), shown))
        .collect();
    let batch = |contexts: [&'static [u8]; 3]| {
        let proofs = liars.iter().zip(&proofs).zip(contexts);
        let proofs: Vec<_> =
            proofs.map(|((liar, proof), context)| (&liar.keys.verifier, proof.as_slice(), context)).collect();
        let each: Vec<_> = proofs.iter().map(|(key, proof, context)| verify(key, proof, context)).collect();
        let all = verify_all(&proofs, &Native);
        assert_eq!(all, each);
        all.iter().map(Result::is_ok).collect::<Vec<bool>>()
    };
    assert_eq!(batch([b"lie", b"lie", b"lie"]), [true, true, true]);
    assert_eq!(batch([b"lie", b"other", b"lie"]), [true, false, true]);
    assert_eq!(batch([b"", b"other", b""]), [false, false, false]);
    assert!(verify_all(&[], &Native).is_empty());

    // Unreadable ones are named beside false and true ones.
    let [one, two, _] = &liars;
    let cut = &proofs[1][..proofs[1].len() - 1];
    let verdicts = verify_all(
        &[
            (&one.keys.verifier, &proofs[0], b"lie"),
            (&two.keys.verifier, cut, b"lie"),
            (&one.keys.verifier, &proofs[1], b"lie"),
        ],
        &Native,
    );
    assert!(verdicts[0].is_ok());
    assert!(matches!(verdicts[1], Err(VerifyError::Format(_))));
    assert!(matches!(verdicts[2], Err(VerifyError::Key { .. })));
}

/// Two proofs whose errors cancel in a plain sum: the last responses are absorbed by nobody, so
/// that one blind can be moved by as much as the other.
#[test]
fn errors_that_cancel_in_a_sum() {
    let liar = Liar::new(models::residual(1));
    let key = &liar.keys.verifier;
    let request = Request {
        inputs: &liar.inputs,
        context: b"",
        input: Visibility::Committed,
        output: Visibility::Committed,
    };
    let shifted = [F::ONE, -F::ONE].map(|shift| {
        let bytes = prove(&liar.keys.prover, &request).unwrap().proof;
        let mut proof = Proof::from_bytes(&liar.maker.graph, liar.circuit(), &bytes).unwrap();
        proof.body.inner.blind += shift;
        proof.to_bytes(&liar.maker.graph).unwrap()
    });
    let batch: Vec<(_, &[u8], &[u8])> =
        shifted.iter().map(|bytes| (key, bytes.as_slice(), &b""[..])).collect();
    let refused = || Err(VerifyError::Equation);
    assert_eq!(verify_all(&batch, &Native), [refused(), refused()]);
}

/// An opening opens its own statement and no other.
#[test]
fn openings_are_binding() {
    let liar = Liar::new(models::concat(1));
    let request = Request {
        inputs: &liar.inputs,
        context: b"",
        input: Visibility::Committed,
        output: Visibility::Public,
    };
    let [one, two] = [(), ()].map(|()| {
        let proved = prove(&liar.keys.prover, &request).unwrap();
        (verify(&liar.keys.verifier, &proved.proof, b"").unwrap(), proved.opening.unwrap())
    });
    let graph = liar.keys.prover.graph();
    assert!(one.1.opens(graph, &one.0) && two.1.opens(graph, &two.0));
    // The values are the same, the blinds are not.
    assert!(!one.1.opens(graph, &two.0) && !two.1.opens(graph, &one.0));
    let (statement, mut opening) = one;
    if let Some((values, _)) = &mut opening.tensors[0] {
        values[3] += 1;
    }
    assert!(!opening.opens(graph, &statement));
}
