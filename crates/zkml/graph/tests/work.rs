//! Multiply-accumulates of every kind of node and of term, counted by hand.
#![allow(clippy::unwrap_used, reason = "failures end the test")]

use zkml_graph::work::{multiply_accumulates, weights};
use zkml_graph::{
    AxisMap, Epilogue, Graph, Node, Op, Operand, OperandAxis, Param, Source, Tensor, Term, View, Weight,
};

/// A graph of one node, whose output is 4 x 5.
fn graph(op: Op) -> Graph {
    let tensor = |name: &str, shape: &[u32]| Tensor {
        name: name.into(),
        shape: shape.to_vec(),
        min: -8,
        max: 7,
        scale: 0,
    };
    Graph {
        name: "one".into(),
        weight_bits: 8,
        tensors: vec![tensor("x", &[4, 7]), tensor("y", &[4, 5])],
        params: vec![
            Param { name: "w".into(), outer: 5, inner: 7 },
            Param { name: "b".into(), outer: 5, inner: 2 },
        ],
        nodes: vec![Node { name: "node".into(), op, output: 1 }],
        inputs: vec![0],
        outputs: vec![1],
    }
}

fn affine(sources: Vec<Source>) -> Op {
    let terms = sources.into_iter().map(|source| Term { region: vec![(0, 4), (1, 3)], source }).collect();
    Op::Affine { terms, epilogue: Epilogue::Exact }
}

#[test]
fn every_term_counts_the_elements_that_it_covers() {
    let sum =
        |inner: Vec<u32>, weight| Source::Tensor { tensor: 0, inner, map: vec![AxisMap::default()], weight };
    let hidden = Weight::Param { param: 0, outer_axes: vec![1] };
    for (source, expected) in [
        (sum(vec![7], hidden.clone()), 12 * 7),
        (sum(vec![2, 3], hidden), 12 * 6),
        (sum(vec![], Weight::Public(3)), 12),
        (Source::Bias { param: 1, outer_axes: vec![1] }, 12),
        (Source::Constant(3), 12),
        (Source::Index { axis: 0, multiplier: -1 }, 12),
        (Source::Reshape { tensor: 0, multiplier: 1 }, 12),
    ] {
        assert_eq!(multiply_accumulates(&graph(affine(vec![source.clone()]))), expected, "{source:?}");
        assert_eq!(multiply_accumulates(&graph(affine(vec![source.clone(), source]))), 2 * expected);
    }
}

#[test]
fn other_nodes_count_their_output() {
    let view = View { tensor: 0, map: vec![AxisMap::default()] };
    let operand = |axis| Operand { tensor: 0, axes: vec![OperandAxis::Out(axis), OperandAxis::Inner(0)] };
    let product = Op::Product { a: operand(0), b: operand(1), inner: vec![7], epilogue: Epilogue::Exact };
    assert_eq!(multiply_accumulates(&graph(product)), 20 * 7);
    assert_eq!(multiply_accumulates(&graph(Op::Max { a: view.clone(), b: view })), 20);
    assert_eq!(multiply_accumulates(&graph(Op::Normalize { numerator: 0, axis: 1, shift: 8 })), 20);
}

#[test]
fn weights_are_counted_once() {
    assert_eq!(weights(&graph(affine(Vec::new()))), 5 * 7 + 5 * 2);
}

#[test]
fn counts_that_do_not_fit_stay_at_the_greatest() {
    let mut huge = graph(Op::Normalize { numerator: 0, axis: 1, shift: 8 });
    huge.tensors[1].shape = vec![u32::MAX; 3];
    assert_eq!(multiply_accumulates(&huge), u64::MAX);
}
