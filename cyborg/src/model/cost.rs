//! What a graph costs to run and to prove, before any of it is done.

use serde_json::{Value, json};
use zkml_graph::{Graph, Op, Source};
use zkml_prover::estimate::{Estimate, estimate};
use zkml_verifier::circuit::{Circuit, CircuitError};

use crate::report::{Report, bytes, seconds};

/// Hidden integers of a graph.
pub(crate) fn weights(graph: &Graph) -> u64 {
    graph.params.iter().map(|param| u64::from(param.outer) * u64::from(param.inner)).sum()
}

/// Multiplications of two numbers that an inference adds up.
pub(crate) fn multiply_accumulates(graph: &Graph) -> u64 {
    let volume = |extents: &mut dyn Iterator<Item = u32>| -> u64 { extents.map(u64::from).product() };
    let of = |node: &zkml_graph::Node| -> u64 {
        match &node.op {
            Op::Affine { terms, .. } => terms
                .iter()
                .map(|term| match &term.source {
                    Source::Tensor { inner, .. } => {
                        volume(&mut term.region.iter().map(|&(_, length)| length))
                            * volume(&mut inner.iter().copied())
                    }
                    _ => 0,
                })
                .sum(),
            Op::Product { inner, .. } => {
                let output = &graph.tensors[node.output as usize].shape;
                volume(&mut output.iter().copied()) * volume(&mut inner.iter().copied())
            }
            Op::Max { .. } | Op::Normalize { .. } => 0,
        }
    };
    graph.nodes.iter().map(of).sum()
}

/// Proving time, in seconds on two cores of a server of 2024, from the work that an estimate
/// counts; fitted to the models of the benchmark, within a factor of two elsewhere.
fn proving_seconds(estimate: &Estimate, multiply_accumulates: u64) -> f64 {
    let Estimate { prover_full_points, prover_small_cells, trace_cells, leaves, .. } = *estimate;
    12e-3
        + 2e-5 * prover_full_points as f64
        + 1e-7 * prover_small_cells as f64
        + 4e-7 * (trace_cells + leaves) as f64
        + 1e-8 * multiply_accumulates as f64
}

/// Peak memory of a whole `cyborg zk prove`: the program itself takes about 8 MB.
fn proving_bytes(estimate: &Estimate) -> u64 {
    8_000_000 + estimate.prover_bytes as u64
}

/// Reports what proving a graph costs, or why it cannot be proven.
pub(crate) fn describe(report: &mut Report, graph: &Graph) -> Result<(), CircuitError> {
    let circuit = Circuit::new(graph)?;
    let estimate = estimate(graph, &circuit);
    let time = proving_seconds(&estimate, multiply_accumulates(graph));
    report.json("estimate", json_of(&estimate, time));
    report.line(format!("{:<24} about {} on two cores", "proving time", seconds(time)));
    let memory = bytes(proving_bytes(&estimate));
    report.line(format!("{:<24} about {memory} at most", "proving memory"));
    let size = bytes(estimate.proof_bytes as u64);
    report.line(format!("{:<24} {size}, input and output committed", "proof"));
    Ok(())
}

fn json_of(estimate: &Estimate, time: f64) -> Value {
    json!({
        "prove_seconds": time,
        "prove_memory_bytes": proving_bytes(estimate),
        "proof_bytes": estimate.proof_bytes,
        "verifier_points": estimate.verifier_points,
        "prover_full_points": estimate.prover_full_points,
        "prover_small_cells": estimate.prover_small_cells,
        "trace_cells": estimate.trace_cells,
        "leaves": estimate.leaves,
    })
}
