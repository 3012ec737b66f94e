//! Lists that belong together and have different lengths: refused before anything is summed up. What is
//! read from bytes has the key's lengths; here a part is longer or shorter than what it belongs to.

use zkml_core::F;
use zkml_core::transcript::HashTranscript;
use zkml_core::zip::Unequal;
use zkml_graph::{Graph, Op, Source, View, Weight};
use zkml_testkit::liar::Liar;
use zkml_testkit::maker::{Maker, out};
use zkml_testkit::models;
use zkml_verifier::circuit::{Circuit, CircuitError, WeightLayout};
use zkml_verifier::opening::commit_values;
use zkml_verifier::protocol::ProtocolError;
use zkml_verifier::statement::part_digest;
use zkml_verifier::{Opening, OpeningError, PROTOCOL, Proof, Shown, VerifierKey, Visibility, equation};

use super::negative::{decoded, honest};

/// How the reduction of a proof to its equation ends, for a proof and a key of other lengths.
fn reduced(
    maker: Maker,
    shown: Visibility,
    change: impl Fn(&mut Proof, &mut Circuit),
) -> Option<ProtocolError> {
    let liar = Liar::new(maker);
    let key = &liar.keys.verifier;
    let mut proof = decoded(&liar, &honest(&liar, shown));
    let reduce = |key: &VerifierKey, proof: &Proof| {
        equation(key, proof, b"lie", &mut HashTranscript::new(PROTOCOL)).err()
    };
    assert_eq!(reduce(key, &proof), None);
    let mut circuit = key.circuit().clone();
    change(&mut proof, &mut circuit);
    let key = VerifierKey::new(key.graph().clone(), circuit, key.rows().to_vec(), key.proof().clone());
    reduce(&key, &proof)
}

fn shorten<T>(list: &mut Vec<T>) {
    list.pop();
}

fn unequal(left: usize, right: usize) -> Option<ProtocolError> {
    Some(ProtocolError::Unequal(Unequal { left, right }))
}

#[test]
fn proofs_and_statements() {
    let refused = |shown, change: fn(&mut Proof)| {
        reduced(models::residual(1), shown, |proof, _| change(proof)).unwrap()
    };
    for shown in [Visibility::Public, Visibility::Committed] {
        let changes: [fn(&mut Proof); 6] = [
            |proof| shorten(&mut proof.statement.tensors),
            |proof| proof.statement.tensors.push(Shown::Public(Vec::new())),
            |proof| shorten(&mut proof.body.rows),
            |proof| proof.body.hidden.push(F::from(0u64)),
            |proof| shorten(&mut proof.body.inner.rounds),
            |proof| proof.body.inner.rounds.push(proof.body.inner.rounds[0]),
        ];
        for change in changes {
            assert!(matches!(refused(shown, change), ProtocolError::Unequal(_)));
        }
    }
    let shorter = |proof: &mut Proof| {
        let Shown::Public(values) = &mut proof.statement.tensors[0] else { panic!("it is public") };
        shorten(values);
    };
    assert_eq!(Some(refused(Visibility::Public, shorter)), unequal(12, 11));
    assert_eq!(refused(Visibility::Public, |proof| shorten(&mut proof.body.hidden)), ProtocolError::NoAnswer);
}

/// A statement of another number of tensors has no bytes and no digest.
#[test]
fn statements_about_another_graph() {
    let liar = Liar::new(models::residual(1));
    let graph = &liar.maker.graph;
    let mut proof = decoded(&liar, &honest(&liar, Visibility::Public));
    let shown = &proof.statement.tensors[..1];
    assert_eq!(part_digest(graph, &graph.outputs, shown), Err(Unequal { left: 2, right: 1 }));
    proof.statement.tensors.truncate(2);
    assert_eq!(proof.to_bytes(graph), Err(Unequal { left: 3, right: 2 }));
    assert_eq!(proof.statement.digests(graph), Err(Unequal { left: 2, right: 1 }));
}

#[test]
fn keys_with_other_weights() {
    let liar = Liar::new(models::dense(1));
    let key = &liar.keys.verifier;
    let count = key.rows().len();
    for rows in [key.rows()[1..].to_vec(), [key.rows(), &key.rows()[..1]].concat()] {
        let (left, right) = (count, rows.len());
        let other = VerifierKey::new(key.graph().clone(), key.circuit().clone(), rows, key.proof().clone());
        let proof = decoded(&liar, &honest(&liar, Visibility::Public));
        let ended = equation(&other, &proof, b"lie", &mut HashTranscript::new(PROTOCOL)).err();
        assert_eq!(ended, unequal(left, right));
        assert!(other.check().is_err());
    }
}

/// The first term of a circuit with such a source.
fn term(circuit: &mut Circuit, found: impl Fn(&Source) -> bool) -> &mut zkml_graph::Term {
    circuit.sums.iter_mut().flat_map(|sum| &mut sum.terms).find(|term| found(&term.source)).unwrap()
}

fn maps(circuit: &mut Circuit, hidden: bool) -> &mut Vec<zkml_graph::AxisMap> {
    let found = |source: &Source| match source {
        Source::Tensor { weight, .. } => matches!(weight, Weight::Param { .. }) == hidden,
        _ => false,
    };
    match &mut term(circuit, found).source {
        Source::Tensor { map, .. } => map,
        other => panic!("{other:?}"),
    }
}

/// Every relation of a circuit whose parts disagree with its blocks or with its weights.
#[test]
fn circuits_whose_parts_disagree() {
    let refused =
        |maker, change: fn(&mut Circuit)| reduced(maker, Visibility::Public, |_, circuit| change(circuit));
    assert_eq!(refused(models::dense(1), |_| ()), None);
    // A region, and the map of a public and of a hidden weight, of a lower rank than their blocks.
    assert_eq!(
        refused(models::layout(1), |circuit| shorten(&mut term(circuit, |_| true).region)),
        unequal(3, 2)
    );
    assert_eq!(refused(models::layout(1), |circuit| shorten(maps(circuit, false))), unequal(2, 3));
    assert_eq!(refused(models::convolution(1), |circuit| shorten(maps(circuit, true))), unequal(2, 3));
    // A reshape of fewer elements, a factor of a lower rank, a statement of fewer tensors.
    let reshape = |circuit: &mut Circuit| {
        term(circuit, |source| matches!(source, Source::Reshape { .. })).region[0].1 -= 1;
    };
    assert_eq!(refused(models::layout(1), reshape), unequal(50, 60));
    assert_eq!(refused(models::products(1), |circuit| shorten(&mut circuit.quads[0].a.axes)), unequal(1, 2));
    assert_eq!(refused(models::dense(1), |circuit| shorten(&mut circuit.statement)), unequal(2, 1));
    // A parameter with another number of rows, and with longer rows.
    let outer = |circuit: &mut Circuit| circuit.weights.params[0].outer += 1;
    let inner = |circuit: &mut Circuit| circuit.weights.params[0].inner += 1;
    for change in [outer as fn(&mut Circuit), inner] {
        let ended = refused(models::dense(1), change);
        assert!(matches!(ended, Some(ProtocolError::Unequal(Unequal { left, right })) if left == right + 1));
    }
}

#[test]
fn layouts_and_graphs() {
    let graph = models::dense(1).graph;
    let count = graph.params.len();
    let dense = vec![false; count + 1];
    let error = Unequal { left: count, right: count + 1 };
    assert_eq!(WeightLayout::new(&graph.params, &dense, 9).err(), Some(error));
    let layout = WeightLayout::new(&graph.params, &dense[1..], 9).unwrap();
    assert_eq!(layout.row(&[], 0).err(), Some(Unequal { left: count, right: 0 }));
    // A maximum's view that has not passed the graph's validation.
    let mut graph: Graph = models::arg_max(1).graph;
    let view = graph.nodes.iter_mut().find_map(|node| match &mut node.op {
        Op::Max { a, .. } => Some(a),
        _ => None,
    });
    let view: &mut View = view.unwrap();
    view.map.push(out(0));
    assert_eq!(Circuit::new(&graph).err(), Some(CircuitError::Unequal(Unequal { left: 3, right: 2 })));
}

#[test]
fn openings() {
    let liar = Liar::new(models::concat(1));
    let graph = &liar.maker.graph;
    let inputs = Opening::of_inputs(graph, [0; 32], &liar.inputs, &[1; 32]).unwrap();
    let count = |expected, got| OpeningError::Count { expected, got };
    let fewer = &liar.inputs[..1];
    assert_eq!(Opening::of_inputs(graph, [0; 32], fewer, &[1; 32]).err(), Some(count(2, 1)));
    assert_eq!(inputs.blinds_of(&[0; 32], graph, fewer).err(), Some(count(2, 1)));
    assert_eq!(inputs.with_outputs(graph, &[], &[1; 32]).err(), Some(count(1, 0)));
    assert_eq!(inputs.output_digest(graph).err(), Some(count(3, 2)));
    // More tensors than inputs and outputs.
    let mut more = Opening { key: [0; 32], tensors: inputs.tensors.clone() };
    more.tensors.extend_from_within(..);
    assert_eq!(more.input_digest(graph).err(), Some(count(2, 4)));
    assert_eq!(more.outputs(graph).err(), Some(count(1, 2)));
    // A chunk without a blind.
    assert_eq!(commit_values(&[1; 12], &[]).err(), Some(Unequal { left: 1, right: 0 }));
}
