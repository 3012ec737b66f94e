//! What a model contains, and what of it can be proven.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use crate::calibrate::calibrate_leniently;
use crate::error::CompileError;
use crate::lower::lower;
use crate::options::{Bits, Options, check};
use zkml_float::array::{Array, Data};
use zkml_float::{Model, Unsupported, ValueInfo};
use zkml_graph::{Graph, Weights};

/// A node of the float model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeInfo {
    /// Name, or that of its first output.
    pub name: String,
    /// Operator, or the function that a composition was recognised as.
    pub operator: String,
    /// Shape of its first output, the batch axis included; `None` if it cannot be told.
    pub shape: Option<Vec<usize>>,
}

/// What [`inspect`] finds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// Name of the graph.
    pub name: String,
    /// Program that wrote the file, with its version.
    pub producer: String,
    /// Version of the file format.
    pub ir_version: i64,
    /// Version of the operator set.
    pub opset: i64,
    /// What the model takes.
    pub inputs: Vec<ValueInfo>,
    /// What the model yields.
    pub outputs: Vec<ValueInfo>,
    /// How often each operator occurs, after constants are folded and compositions recognised.
    pub operators: BTreeMap<String, usize>,
    /// Nodes in execution order, as counted in `operators`.
    pub nodes: Vec<NodeInfo>,
    /// Trained numbers.
    pub parameters: u64,
    /// Bytes of the parameters in float32.
    pub parameter_bytes: u64,
    /// Multiply-accumulates of one inference: of the integer graph if the model can be proven, else
    /// of the matrix products and convolutions alone.
    pub macs: u64,
    /// Elements of all values that depend on an input.
    pub activations: u64,
    /// Bytes of these in float32.
    pub activation_bytes: u64,
    /// Whether every node can be proven.
    pub provable: bool,
    /// Every node that cannot be proven, and why.
    pub unsupported: Vec<Unsupported>,
}

/// What the model contains, and every node that cannot be proven, with the reason.
///
/// Nothing is calibrated: what depends on the values (a division by values that reach zero)
/// is judged on made-up inputs between -1 and 1.
#[must_use]
pub fn inspect(model: &Model) -> Inspection {
    let ir = model.graph();
    let mut operators = BTreeMap::new();
    for node in &ir.nodes {
        *operators.entry(node.op.clone()).or_insert(0) += 1;
    }
    let (macs, unsupported) = match sketch(model, &Options::default()) {
        Ok((graph, _)) => (zkml_graph::work::multiply_accumulates(&graph), Vec::new()),
        Err(CompileError::Unsupported(nodes)) => (model.macs(), nodes),
        Err(error) => {
            let (node, reason) = (ir.name.clone(), error.to_string());
            (model.macs(), vec![Unsupported { node, operator: "(model)".into(), reason }])
        }
    };
    Inspection {
        name: ir.name.clone(),
        producer: ir.producer.clone(),
        ir_version: ir.ir_version,
        opset: ir.opset,
        inputs: model.inputs().to_vec(),
        outputs: model.outputs().to_vec(),
        operators,
        nodes: ir
            .nodes
            .iter()
            .map(|node| NodeInfo {
                name: node.name.clone(),
                operator: node.op.clone(),
                shape: node.output(0).and_then(|o| ir.values[o].shape.clone()),
            })
            .collect(),
        parameters: ir.parameters,
        parameter_bytes: 4 * ir.parameters,
        macs,
        activations: model.activations(),
        activation_bytes: 4 * model.activations(),
        provable: unsupported.is_empty(),
        unsupported,
    }
}

/// An integer model whose scales suit made-up inputs: the same nodes and shapes as a compiled
/// one, for estimating costs before there are samples. It cannot be used for inference.
///
/// # Errors
/// Returns [`CompileError::Unsupported`] with every node that cannot be proven; other errors are those
/// of [`crate::compile`].
pub fn sketch(model: &Model, options: &Options) -> Result<(Graph, Weights), CompileError> {
    check(options)?;
    let samples = (0..4).map(|seed| made_up(model, seed)).collect::<Result<Vec<_>, _>>()?;
    let stats = calibrate_leniently(model, &samples);
    let bits = Bits { weight: options.weight_bits, activation: options.activation_bits };
    let lowered = lower(model.graph(), &stats, bits, options.relu);
    let mut problems = model.unsupported().to_vec();
    match lowered {
        Ok(lowered) if problems.is_empty() => {
            zkml_graph::validate::validate(&lowered.graph)?;
            return Ok((lowered.graph, lowered.weights));
        }
        Ok(_) => {}
        Err(CompileError::Unsupported(more)) => problems.extend(more),
        Err(error) if problems.is_empty() => return Err(error),
        Err(_) => {}
    }
    // In the model's order, each node once, with the first reason found.
    let order: BTreeMap<&str, usize> =
        model.graph().nodes.iter().enumerate().map(|(i, n)| (n.name.as_str(), i)).collect();
    let mut seen = HashSet::new();
    problems.retain(|p| seen.insert(p.node.clone()));
    problems.sort_by_key(|p| order.get(p.node.as_str()).copied().unwrap_or(usize::MAX));
    Err(CompileError::Unsupported(problems))
}

/// Inputs between -1 and 1, the same on every machine.
fn made_up(model: &Model, seed: u64) -> Result<Vec<Array>, CompileError> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let zeros: Vec<Vec<f32>> = model.inputs().iter().map(|i| vec![0.0; i.len()]).collect();
    let mut arrays = model.arrays(&zeros)?;
    for array in &mut arrays {
        if let Data::F32(values) = &mut array.data {
            values.iter_mut().for_each(|v| *v = next());
        }
    }
    Ok(arrays)
}
