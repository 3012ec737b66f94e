//! What a graph costs to run and to prove, before any of it is done.

use cyborg_primitives::{MAX_KEY_BYTES, MAX_PROOF_BYTES, MAX_VERIFICATION_BYTES};
use serde_json::{Value, json};
use zkml_graph::Graph;
use zkml_graph::codec::encode_graph;
use zkml_graph::work::multiply_accumulates;
use zkml_prover::estimate::{Estimate, estimate};
use zkml_verifier::circuit::{Circuit, CircuitError};
use zkml_verifier::cost::Cost;

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
    // The key's rows are points; what stands beside them is little.
    let mut cost = circuit.cost(graph);
    cost.key_bytes = (32 * circuit.weights.rows + encode_graph(graph).len()) as u64;
    let too_much = too_much_for_the_chain(&cost);
    report.json("chain_takes_it", too_much.is_empty());
    let words = if too_much.is_empty() { "takes it".to_owned() } else { too_much.join("; ") };
    report.line(format!("{:<24} {words}", "the chain"));
    Ok(())
}

/// What of a verification is more than the chain takes, in words with what to do; nothing if it takes the model.
pub(crate) fn too_much_for_the_chain(cost: &Cost) -> Vec<String> {
    let (memory, proof, key) = (MAX_VERIFICATION_BYTES, MAX_PROOF_BYTES.into(), MAX_KEY_BYTES.into());
    let limits: [(u64, u64, &str, &str); 3] = [
        (cost.memory_bytes, memory, "memory to verify a proof", "a smaller input, or fewer bits"),
        (cost.proof_bytes, proof, "a proof", "a smaller input or output"),
        (cost.key_bytes, key, "the verifying key", "fewer weights"),
    ];
    let beyond = limits.into_iter().filter(|(needed, most, ..)| needed > most);
    beyond
        .map(|(needed, most, what, remedy)| {
            format!(
                "refuses it: {what} has {}, at most {} are taken; {remedy} would help",
                bytes(needed),
                bytes(most)
            )
        })
        .collect()
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
