//! `cyborg model inspect`: what a model holds, costs, and what of it can be proven.

use serde_json::json;
use zkml_compile::{Inspection, NodeInfo, Options, sketch};
use zkml_float::{Unsupported, ValueInfo};
use zkml_graph::Graph;
use zkml_graph::codec::MODEL_MAGIC;
use zkml_graph::work::{multiply_accumulates, weights};
use zkml_samples::Ports;

use super::arguments::Inspect;
use super::values::described;
use super::{cost, read};
use crate::error::Failure;
use crate::report::{CommandOutput, bytes};

/// Describes an ONNX model or an integer model.
pub(super) fn run(arguments: &Inspect) -> Result<CommandOutput, Failure> {
    let content = read(&arguments.model)?;
    let mut report = CommandOutput::default();
    if content.starts_with(&MODEL_MAGIC) {
        let (graph, _) = super::decode(&arguments.model, &content)?;
        report.field("kind", "integer model", "kind", "integer model, holds the weights");
        describe_graph(&mut report, &graph);
        report.json("multiply_accumulates", multiply_accumulates(&graph));
        cost::describe(&mut report, &graph).map_err(|error| Failure::input(&arguments.model, error))?;
        report.field("bytes", content.len(), "size", bytes(content.len() as u64));
        return Ok(report);
    }
    let model = super::onnx(&arguments.model, &content, &arguments.shapes)?;
    report.field("kind", "onnx", "kind", "ONNX model");
    let found = zkml_compile::inspect(&model);
    describe_floats(&mut report, &found);
    if found.provable {
        // Scales that suit made-up inputs: the same shapes as a compiled model's.
        let (graph, _) =
            sketch(&model, &Options::default()).map_err(|error| Failure::input(&arguments.model, error))?;
        cost::describe(&mut report, &graph).map_err(|error| Failure::input(&arguments.model, error))?;
    }
    report.field("bytes", content.len(), "size", bytes(content.len() as u64));
    Ok(report)
}

/// What a float model holds and costs, and every node that cannot be proven.
fn describe_floats(report: &mut CommandOutput, found: &Inspection) {
    report.field("model", found.name.as_str(), "model", &found.name);
    let shown = format!("opset {}, by {}", found.opset, found.producer);
    report.json("opset", found.opset).json("producer", found.producer.as_str());
    report.line(format!("{:<24} {shown}", "format"));
    for (key, values) in [("inputs", &found.inputs), ("outputs", &found.outputs)] {
        let describe = |value: &ValueInfo| json!({ "name": value.name, "shape": value.shape });
        report.json(key, values.iter().map(describe).collect::<Vec<_>>());
        for ValueInfo { name, shape } in values {
            report.line(format!("{:<24} {name} {shape:?}", key.trim_end_matches('s')));
        }
    }
    for node in &found.nodes {
        let shape = node.shape.as_ref().map_or("unknown".to_owned(), |shape| format!("{shape:?}"));
        report.line(format!("{:<24} {shape} {}", format!("  {}", node.operator), node.name));
    }
    let describe =
        |node: &NodeInfo| json!({ "name": node.name, "operator": node.operator, "shape": node.shape });
    report.json("nodes", found.nodes.iter().map(describe).collect::<Vec<_>>());
    report.json("operators", json!(found.operators));
    report.field("parameters", found.parameters, "parameters", found.parameters);
    let macs = found.macs;
    report.field("multiply_accumulates", macs, "multiply-accumulates", macs);
    let memory = found.parameter_bytes + found.activation_bytes;
    report.field("float_bytes", memory, "memory as floats", bytes(memory));
    report.json("provable", found.provable);
    let provable = if found.provable { "every node" } else { "not as it is" };
    report.line(format!("{:<24} {provable}", "can be proven"));
    let mut unsupported = Vec::new();
    for Unsupported { node, operator, reason } in &found.unsupported {
        report.line(format!("  {node} ({operator}): {reason}"));
        unsupported.push(json!({ "node": node, "operator": operator, "reason": reason }));
    }
    report.json("unsupported", unsupported);
}

/// The names and numbers of an integer graph.
pub(crate) fn describe_graph(report: &mut CommandOutput, graph: &Graph) {
    report.field("model", graph.name.as_str(), "model", &graph.name);
    for (key, ports) in [("inputs", Ports::inputs(graph)), ("outputs", Ports::outputs(graph))] {
        report.json(key, described(&ports));
        let label = key.trim_end_matches('s');
        for tensor in &ports.tensors {
            let zkml_graph::Tensor { name, shape, min, max, scale } = tensor;
            report.line(format!("{label:<24} {name} {shape:?}, {min} to {max} for 2^-{scale} each"));
        }
    }
    report.field("nodes", graph.nodes.len(), "nodes", graph.nodes.len());
    let (weights, bits) = (weights(graph), graph.weight_bits);
    report.json("weight_bits", bits);
    report.field("weights", weights, "weights", format!("{weights} of {bits} bits, hidden"));
}
