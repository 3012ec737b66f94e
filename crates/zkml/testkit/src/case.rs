//! Models with an input: stacks of dense layers of any size, and the smallest model that is worth a proof.

use std::error::Error;

use zkml_graph::{AxisMap, Epilogue, Graph, Node, Op, Param, Source, Tensor, Term, Weight, Weights, bounds};

use crate::dice::Dice;

/// An integer model and one input for each of its graph's inputs.
#[derive(Clone, Debug)]
pub struct Case {
    /// The public graph.
    pub graph: Graph,
    /// The hidden weights.
    pub weights: Weights,
    /// Integers, row-major.
    pub inputs: Vec<Vec<i64>>,
}

/// A stack of dense layers with bias and random weights: `widths` elements, first to last, ReLU
/// between them.
///
/// # Errors
/// Returns an error if an accumulator has no bound, because a layer is too wide.
pub fn dense(widths: &[u32], seed: u64) -> Result<Case, Box<dyn Error + Send + Sync>> {
    let mut dice = Dice::new(seed);
    let tensor = |name: String, length: u32, min: i64, max: i64| Tensor {
        name,
        shape: vec![length],
        min,
        max,
        scale: 4,
    };
    let mut graph = Graph {
        name: "dense".into(),
        weight_bits: 8,
        tensors: vec![tensor("input".into(), widths[0], -128, 127)],
        params: Vec::new(),
        nodes: Vec::new(),
        inputs: vec![0],
        outputs: Vec::new(),
    };
    let mut weights = Weights::default();
    for (layer, pair) in widths.windows(2).enumerate() {
        let (inner, outer) = (pair[0], pair[1]);
        let from = layer as u32;
        for (kind, inner) in [("weight", inner), ("bias", 2)] {
            let name = format!("layer {layer} {kind}");
            graph.params.push(Param { name, outer, inner });
            let cells = outer as usize * inner as usize;
            let cells = (0..cells).map(|_| dice.below(256) as i16 - 128);
            weights.0.push(cells.collect());
        }
        let region = vec![(0, outer)];
        let map = AxisMap { inner: Some((0, 1)), ..AxisMap::default() };
        let product = Source::Tensor {
            tensor: from,
            inner: vec![inner],
            map: vec![map],
            weight: Weight::Param { param: 2 * from, outer_axes: vec![0] },
        };
        let bias = Source::Bias { param: 2 * from + 1, outer_axes: vec![0] };
        let terms = [product, bias].map(|source| Term { region: region.clone(), source });
        let last = layer + 2 == widths.len();
        let epilogue = if last { Epilogue::Exact } else { relu(inner) };
        graph.tensors.push(tensor(format!("layer {layer} output"), outer, 0, 255));
        graph.nodes.push(Node {
            name: format!("layer {layer}"),
            op: Op::Affine { terms: terms.into(), epilogue },
            output: from + 1,
        });
        if last {
            let (min, max) = bounds::accumulator(&graph, &graph.nodes[layer])?;
            let output = &mut graph.tensors[layer + 1];
            (output.min, output.max) = (min, max);
            graph.outputs.push(from + 1);
        }
    }
    let inputs = vec![(0..widths[0]).map(|_| dice.below(256) as i64 - 128).collect()];
    Ok(Case { graph, weights, inputs })
}

/// One dense layer of four outputs from eight inputs, whose weights count up from `first`: the
/// smallest model that is worth a proof. The input counts up from zero.
///
/// # Panics
/// Panics if the weights leave `i16`.
#[must_use]
pub fn small(first: i16) -> Case {
    let tensor =
        |name: &str, length, min, max| Tensor { name: name.into(), shape: vec![length], min, max, scale: 4 };
    let product = Source::Tensor {
        tensor: 0,
        inner: vec![8],
        map: vec![AxisMap { inner: Some((0, 1)), ..AxisMap::default() }],
        weight: Weight::Param { param: 0, outer_axes: vec![0] },
    };
    let op =
        Op::Affine { terms: vec![Term { region: vec![(0, 4)], source: product }], epilogue: Epilogue::Exact };
    let mut graph = Graph {
        name: "small".into(),
        weight_bits: 8,
        tensors: vec![tensor("input", 8, -128, 127), tensor("output", 4, 0, 0)],
        params: vec![Param { name: "weight".into(), outer: 4, inner: 8 }],
        nodes: vec![Node { name: "layer".into(), op, output: 1 }],
        inputs: vec![0],
        outputs: vec![1],
    };
    let (min, max) = bounds::accumulator(&graph, &graph.nodes[0]).unwrap();
    (graph.tensors[1].min, graph.tensors[1].max) = (min, max);
    let weights = Weights(vec![(first..first + 32).collect()]);
    Case { graph, weights, inputs: vec![(0..8).collect()] }
}

/// Back to eight bits, with the negative half cut off. Random sums grow with the root of the
/// length.
fn relu(inner: u32) -> Epilogue {
    let shift = 7 + (inner.ilog2() / 2) as u8;
    Epilogue::Requant {
        shift,
        domain_min: 0,
        domain_bits: 8,
        function: zkml_graph::Function {
            kind: zkml_graph::FunctionKind::Identity,
            in_scale: 4,
            out_scale: 4,
            out_min: 0,
            out_max: 255,
        },
    }
}
