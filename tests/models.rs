//! Models for the end-to-end tests: those in `data/`, compiled, and random ones of any size.

use std::error::Error;
use std::path::Path;

use zkml_compile::{Compiled, Options, Sample, compile};
use zkml_float::Model;
use zkml_graph::{AxisMap, Graph, Node, Op, Param, Source, Stage, Tensor, Term, Weight, Weights, bounds};
use zkml_samples::{Ports, Samples};

use crate::mutate::Mutator;

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

/// A model of `data/` (`digits_mlp`, `digits_cnn`), with its first sample.
///
/// # Errors
/// Where a file is missing or does not compile.
pub fn digits(name: &str) -> Result<Case, Box<dyn Error + Send + Sync>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let model = Model::read(&std::fs::read(folder.join(format!("{name}.onnx")))?)?;
    let samples = Samples::from_bytes(name, &std::fs::read(folder.join(format!("{name}_io.npz")))?)?;
    // The outputs would only be compared: the tests do not look at the report.
    let calibration: Vec<Sample> =
        Sample::all(&model, &samples)?.into_iter().map(|sample| Sample { output: None, ..sample }).collect();
    let Compiled { graph, weights, .. } =
        compile(&model, &calibration, &Options::default(), &mut |_, _, _| ())?;
    let inputs = Ports::inputs(&graph).sample(&samples, 0)?;
    Ok(Case { graph, weights, inputs })
}

/// A stack of dense layers with bias and random weights: `widths` elements, first to last, ReLU
/// between them.
///
/// # Errors
/// Where an accumulator has no bound, because a layer is too wide.
pub fn dense(widths: &[u32], seed: u64) -> Result<Case, Box<dyn Error + Send + Sync>> {
    let mut dice = Mutator::new(seed);
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
        let stage = if last { Stage::Exact } else { relu(inner) };
        graph.tensors.push(tensor(format!("layer {layer} output"), outer, 0, 255));
        graph.nodes.push(Node {
            name: format!("layer {layer}"),
            op: Op::Affine { terms: terms.into(), stage },
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

/// Back to eight bits, with the negative half cut off. Random sums grow with the root of the
/// length.
fn relu(inner: u32) -> Stage {
    let shift = 7 + (inner.ilog2() / 2) as u8;
    Stage::Requant {
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
