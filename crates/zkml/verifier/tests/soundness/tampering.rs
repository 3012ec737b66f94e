//! A tampering for every field of a proof, of a statement, of a key and of an opening: what was
//! accepted before is refused after, with the error that says why. A field without one does not
//! compile, or fails [`a_key_has_no_field_without_a_tampering`].

use ark_ff::Field;
use zkml_core::F;
use zkml_core::ipa::InnerProductProof;
use zkml_core::transcript::HashTranscript;
use zkml_graph::{Graph, codec};
use zkml_prover::{ProveError, Request, prove, prove_opened};
use zkml_testkit::liar::Liar;
use zkml_testkit::maker::Maker;
use zkml_testkit::models;
use zkml_verifier::proof::Body;
use zkml_verifier::wire::{header, put_run};
use zkml_verifier::{
    Opening, OpeningError, PROTOCOL, Proof, Shown, Statement, VerifierKey, VerifyError, Visibility, verify,
};

/// A test for each field of a structure; a field without one does not compile.
macro_rules! manifest {
    ($($module:ident: $structure:ident { $($field:ident,)* })*) => {
        $(mod $module {
            $(#[test]
            fn $field() {
                super::tamper::$module::$field();
            })*

            const fn _every_field_has_a_test(structure: &super::$structure) {
                let super::$structure { $($field: _,)* } = structure;
            }
        })*
    };
}

manifest! {
    proof: Proof { key, statement, body, }
    statement: Statement { input, output, tensors, }
    body: Body { rows, pads, hidden, revealed, inner, }
    inner: InnerProductProof { rounds, last, scalar, blind, }
    graph: Graph { name, weight_bits, tensors, params, nodes, inputs, outputs, }
    opening: Opening { key, tensors, }
}

/// A model with two outputs, hidden weights and biases.
fn model() -> Liar {
    Liar::new(models::residual(1))
}

/// The proof is accepted before the change, and refused after it.
#[track_caller]
fn refused(liar: &Liar, shown: Visibility, change: impl Fn(&mut Proof)) -> VerifyError {
    let (graph, key) = (&liar.maker.graph, &liar.keys.verifier);
    let bytes = liar.prove(&liar.trace(|_| (), 0), shown);
    assert!(verify(key, &bytes, b"lie").is_ok());
    let mut proof = Proof::from_bytes(graph, liar.circuit(), &bytes).unwrap();
    change(&mut proof);
    let changed = proof.to_bytes(graph).unwrap();
    assert!(changed != bytes, "nothing was changed");
    verify(key, &changed, b"lie").unwrap_err()
}

/// The body of a proof, and of a key's proof about itself: both are accepted before the change, and
/// the equation fails after it.
#[track_caller]
fn refused_body(change: impl Fn(&mut Body)) {
    let liar = model();
    for shown in [Visibility::Committed, Visibility::Public] {
        assert_eq!(refused(&liar, shown, |proof| change(&mut proof.body)), VerifyError::Equation);
    }
    let key = &liar.keys.verifier;
    assert_eq!(key.check(), Ok(()));
    let mut body = key.proof().clone();
    change(&mut body);
    let changed = VerifierKey::new(key.graph().clone(), key.circuit().clone(), key.rows().to_vec(), body);
    assert!(changed.to_bytes() != key.to_bytes(), "nothing was changed");
    assert_eq!(changed.digest(), key.digest());
    let read = VerifierKey::from_bytes(&changed.to_bytes()).unwrap();
    assert_eq!(read.check(), Err(VerifyError::Equation));
}

/// A key whose graph is another one: it has another name, its own proof is false, and proofs for the
/// true key do not verify under it.
#[track_caller]
fn refused_graph(maker: Maker, change: impl Fn(&mut Graph)) {
    let liar = Liar::new(maker);
    let key = &liar.keys.verifier;
    assert_eq!(key.check(), Ok(()));
    let proof = liar.prove(&liar.trace(|_| (), 0), Visibility::Committed);
    assert!(verify(key, &proof, b"lie").is_ok());

    let mut graph = key.graph().clone();
    change(&mut graph);
    let changed = VerifierKey::from_bytes(&key_bytes(&graph, key)).unwrap();
    assert_ne!(changed.digest(), key.digest());
    assert_eq!(changed.check(), Err(VerifyError::Equation));
    assert!(matches!(verify(&changed, &proof, b"lie"), Err(VerifyError::Key { .. })));
}

/// The bytes of a key with another graph in the place of its own.
fn key_bytes(graph: &Graph, key: &VerifierKey) -> Vec<u8> {
    let bytes = key.to_bytes();
    let rest = header(b"CYBvky", 1).len() + 4 + codec::encode_graph(key.graph()).len();
    let mut changed = header(b"CYBvky", 1);
    put_run(&mut changed, &codec::encode_graph(graph));
    changed.extend(&bytes[rest..]);
    changed
}

/// One tampering for each field, by the name of the structure.
mod tamper {
    pub(super) mod proof {
        use super::super::*;

        pub(crate) fn key() {
            let liar = model();
            let error = refused(&liar, Visibility::Committed, |proof| proof.key[7] ^= 1);
            assert!(matches!(error, VerifyError::Key { .. }), "{error}");
        }

        pub(crate) fn statement() {
            let liar = model();
            let other = Liar::new(models::residual(2));
            let bytes = other.prove(&other.trace(|_| (), 0), Visibility::Committed);
            let other = Proof::from_bytes(&liar.maker.graph, liar.circuit(), &bytes).unwrap();
            let error = refused(&liar, Visibility::Committed, |proof| {
                proof.statement = other.statement.clone();
            });
            assert_eq!(error, VerifyError::Equation);
        }

        pub(crate) fn body() {
            let liar = model();
            let bytes = liar.prove(&liar.trace(|_| (), 0), Visibility::Committed);
            let other = Proof::from_bytes(&liar.maker.graph, liar.circuit(), &bytes).unwrap();
            let error = refused(&liar, Visibility::Committed, |proof| proof.body = other.body.clone());
            assert_eq!(error, VerifyError::Equation);
        }
    }

    pub(super) mod statement {
        use super::super::*;

        /// A committed side shown in public with its true values, and nothing else changed.
        fn shown_in_public(side: fn(&mut Statement) -> &mut Visibility, tensors: std::ops::Range<usize>) {
            let liar = model();
            let graph = &liar.maker.graph;
            let ids: Vec<u32> = graph.inputs.iter().chain(&graph.outputs).copied().collect();
            let error = refused(&liar, Visibility::Committed, |proof| {
                *side(&mut proof.statement) = Visibility::Public;
                for position in tensors.clone() {
                    let values = liar.execution.tensors[ids[position] as usize].clone();
                    proof.statement.tensors[position] = Shown::Public(values);
                }
            });
            assert_eq!(error, VerifyError::Equation);
            // The flag alone: the lengths that follow from it are others.
            let error = refused(&liar, Visibility::Committed, |proof| {
                *side(&mut proof.statement) = Visibility::Public;
            });
            assert!(matches!(error, VerifyError::Format(_)), "{error}");
        }

        pub(crate) fn input() {
            shown_in_public(|statement| &mut statement.input, 0..1);
        }

        pub(crate) fn output() {
            shown_in_public(|statement| &mut statement.output, 1..3);
        }

        pub(crate) fn tensors() {
            let liar = model();
            for position in 0..3 {
                let error = refused(&liar, Visibility::Public, |proof| {
                    if let Shown::Public(values) = &mut proof.statement.tensors[position] {
                        let other = if values[4] == 0 { 1 } else { 0 };
                        values[4] = other;
                    }
                });
                assert_eq!(error, VerifyError::Equation);
                let error = refused(&liar, Visibility::Committed, |proof| {
                    if let Shown::Committed(points) = &mut proof.statement.tensors[position] {
                        points[0] = -points[0];
                    }
                });
                assert_eq!(error, VerifyError::Equation);
            }
        }
    }

    pub(super) mod body {
        use super::super::*;

        pub(crate) fn rows() {
            refused_body(|body| body.rows[0] = -body.rows[0]);
            refused_body(|body| {
                let last = body.rows.len() - 1;
                body.rows[last] = -body.rows[last];
            });
        }

        pub(crate) fn pads() {
            refused_body(|body| body.pads = -body.pads);
        }

        pub(crate) fn hidden() {
            refused_body(|body| body.hidden[0] += F::ONE);
            refused_body(|body| {
                let last = body.hidden.len() - 1;
                body.hidden[last] += F::ONE;
            });
        }

        pub(crate) fn revealed() {
            refused_body(|body| body.revealed[0] += F::ONE);
            refused_body(|body| body.revealed[1] += F::ONE);
            refused_body(|body| body.revealed.swap(0, 1));
        }

        pub(crate) fn inner() {
            let other = model();
            refused_body(|body| {
                let key = other.keys.verifier.proof();
                let same = key.inner.rounds.len() == body.inner.rounds.len();
                if same {
                    body.inner = key.inner.clone();
                } else {
                    body.inner.rounds.reverse();
                }
            });
        }
    }

    pub(super) mod inner {
        use super::super::*;

        pub(crate) fn rounds() {
            refused_body(|body| body.inner.rounds[0].0 = -body.inner.rounds[0].0);
            refused_body(|body| {
                let last = body.inner.rounds.len() - 1;
                body.inner.rounds[last].1 = -body.inner.rounds[last].1;
            });
            refused_body(|body| body.inner.rounds.swap(0, 1));
        }

        pub(crate) fn last() {
            refused_body(|body| body.inner.last = -body.inner.last);
        }

        pub(crate) fn scalar() {
            refused_body(|body| body.inner.scalar += F::ONE);
        }

        pub(crate) fn blind() {
            refused_body(|body| body.inner.blind += F::ONE);
        }
    }

    pub(super) mod graph {
        use super::super::*;

        pub(crate) fn name() {
            refused_graph(models::residual(1), |graph| graph.name.push('x'));
        }

        /// A width more or less changes the shape of the key's proof: it cannot be read.
        pub(crate) fn weight_bits() {
            let liar = model();
            let key = &liar.keys.verifier;
            assert_eq!(key.check(), Ok(()));
            for bits in [7, 9] {
                let graph = Graph { weight_bits: bits, ..key.graph().clone() };
                let verdict = VerifierKey::from_bytes(&key_bytes(&graph, key)).map(|key| key.check());
                assert!(matches!(verdict, Err(_) | Ok(Err(VerifyError::Equation))), "{bits}: {verdict:?}");
            }
        }

        pub(crate) fn tensors() {
            refused_graph(models::residual(1), |graph| graph.tensors[0].scale += 1);
        }

        pub(crate) fn params() {
            refused_graph(models::residual(1), |graph| graph.params[0].name.push('x'));
        }

        pub(crate) fn nodes() {
            refused_graph(models::residual(1), |graph| graph.nodes[0].name.push('x'));
        }

        pub(crate) fn inputs() {
            refused_graph(models::concat(1), |graph| graph.inputs.swap(0, 1));
        }

        pub(crate) fn outputs() {
            refused_graph(models::residual(1), |graph| graph.outputs.swap(0, 1));
        }
    }

    pub(super) mod opening {
        use super::super::*;

        /// An opening of another key's inputs opens nothing for this one.
        pub(crate) fn key() {
            let liar = model();
            let prover = &liar.keys.prover;
            let request = Request {
                inputs: &liar.inputs,
                context: b"",
                input: Visibility::Committed,
                output: Visibility::Public,
            };
            let mut opening =
                Opening::of_inputs(prover.graph(), prover.digest(), &liar.inputs, &[5; 32]).unwrap();
            let prove = |opening: &Opening| {
                prove_opened(prover, &request, opening, &mut HashTranscript::new(PROTOCOL)).map(|_| ())
            };
            assert!(prove(&opening).is_ok());
            opening.key[0] ^= 1;
            let error = prove(&opening).unwrap_err();
            assert!(matches!(error, ProveError::Opening(OpeningError::Key)), "{error}");
        }

        /// Changes values or blinds of a tensor.
        type Change = fn(&mut (Vec<i64>, Vec<F>));

        pub(crate) fn tensors() {
            let liar = model();
            let request = Request {
                inputs: &liar.inputs,
                context: b"",
                input: Visibility::Committed,
                output: Visibility::Committed,
            };
            let proved = prove(&liar.keys.prover, &request).unwrap();
            let statement = verify(&liar.keys.verifier, &proved.proof, b"").unwrap();
            let graph = liar.keys.prover.graph();
            let mut opening = proved.opening.unwrap();
            assert!(opening.opens(graph, &statement));
            for position in 0..opening.tensors.len() {
                let original = opening.tensors[position].clone();
                let changes: [Change; 3] = [
                    |(values, _)| values[0] += 1,
                    |(_, blinds)| blinds[0] += F::ONE,
                    |(values, _)| values.truncate(values.len() - 1),
                ];
                for change in changes {
                    if let Some(tensor) = &mut opening.tensors[position] {
                        change(tensor);
                    }
                    assert!(!opening.opens(graph, &statement), "{position}");
                    opening.tensors[position].clone_from(&original);
                }
                opening.tensors[position] = None;
                assert!(!opening.opens(graph, &statement), "{position}");
                opening.tensors[position] = original;
            }
            assert!(opening.opens(graph, &statement));
        }
    }
}

/// A commitment of a key changed: the key has another name and its own proof is false.
#[test]
fn the_rows_of_a_key() {
    let liar = model();
    let key = &liar.keys.verifier;
    assert_eq!(key.check(), Ok(()));
    for row in [0, key.rows().len() - 1] {
        let mut rows = key.rows().to_vec();
        rows[row] = -rows[row];
        let changed = VerifierKey::new(key.graph().clone(), key.circuit().clone(), rows, key.proof().clone());
        let read = VerifierKey::from_bytes(&changed.to_bytes()).unwrap();
        assert_ne!(read.digest(), key.digest());
        assert_eq!(read.check(), Err(VerifyError::Equation));
    }
}

/// The bytes of a key are its header, its graph ([`graph`]), its rows ([`the_rows_of_a_key`]) and its
/// proof ([`body`]), and nothing else: a new field makes them more.
#[test]
fn a_key_has_no_field_without_a_tampering() {
    let liar = model();
    let key = &liar.keys.verifier;
    let mut proof = Vec::new();
    key.proof().write(&mut proof);
    let graph = 4 + codec::encode_graph(key.graph()).len();
    let parts = [header(b"CYBvky", 1).len(), graph, 64 * key.rows().len(), proof.len()];
    assert_eq!(parts.iter().sum::<usize>(), key.to_bytes().len());
}
