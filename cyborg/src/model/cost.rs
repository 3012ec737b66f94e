//! What a graph costs to run and to prove, before any of it is done.

use serde_json::{Value, json};
use zkml_graph::Graph;
use zkml_graph::work::multiply_accumulates;
use zkml_prover::estimate::{Estimate, estimate};
use zkml_verifier::circuit::{Circuit, CircuitError};

use crate::report::{CommandOutput, bytes, seconds};

/// Peak memory of a whole `cyborg zk prove`: the program itself takes about 8 MB.
fn proving_bytes(estimate: &Estimate) -> u64 {
    8_000_000 + estimate.prover_bytes as u64
}

/// Reports what proving a graph costs, or why it cannot be proven.
pub(crate) fn describe(report: &mut CommandOutput, graph: &Graph) -> Result<(), CircuitError> {
    let circuit = Circuit::new(graph)?;
    let estimate = estimate(graph, &circuit);
    let time = estimate.seconds(multiply_accumulates(graph));
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
