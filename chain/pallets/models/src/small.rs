//! The model of tests and benchmarks.

use zkml_graph::{AxisMap, Graph, Node, Op, Param, Source, Stage, Tensor, Term, Weight, Weights, bounds};

/// One dense layer of four outputs from eight inputs.
pub(crate) fn graph() -> Graph {
    let tensor =
        |name: &str, length, min, max| Tensor { name: name.into(), shape: vec![length], min, max, scale: 4 };
    let product = Source::Tensor {
        tensor: 0,
        inner: vec![8],
        map: vec![AxisMap { inner: Some((0, 1)), ..AxisMap::default() }],
        weight: Weight::Param { param: 0, outer_axes: vec![0] },
    };
    let op = Op::Affine { terms: vec![Term { region: vec![(0, 4)], source: product }], stage: Stage::Exact };
    let mut graph = Graph {
        name: "small".into(),
        weight_bits: 8,
        tensors: vec![tensor("input", 8, -128, 127), tensor("output", 4, 0, 0)],
        params: vec![Param { name: "weight".into(), outer: 4, inner: 8 }],
        nodes: vec![Node { name: "layer".into(), op, output: 1 }],
        inputs: vec![0],
        outputs: vec![1],
    };
    let (min, max) = bounds::accumulator(&graph, &graph.nodes[0]).unwrap_or_default();
    (graph.tensors[1].min, graph.tensors[1].max) = (min, max);
    graph
}

/// Its weights.
pub(crate) fn weights() -> Weights {
    Weights(vec![(-16..16).collect()])
}
