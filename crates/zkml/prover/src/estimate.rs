//! What a proof will cost, from the circuit alone.

use zkml_core::ipa::round_count;
use zkml_graph::Graph;
use zkml_verifier::circuit::Circuit;
use zkml_verifier::proof::{Body, HEADER_BYTES};
use zkml_verifier::statement::chunk_count;

/// The cost of a proof with committed input and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Bytes of the proof: exact.
    pub proof_bytes: usize,
    /// Points in the verifier's multi-scalar multiplication: exact.
    pub verifier_points: usize,
    /// Points in the prover's multi-scalar multiplications with full scalars.
    pub prover_full_points: usize,
    /// Cells that the prover commits with small scalars.
    pub prover_small_cells: usize,
    /// Cells of the trace, with padding.
    pub trace_cells: usize,
    /// Leaves of the fraction tree.
    pub leaves: usize,
    /// Greatest memory of the prover's tables in bytes, without the program itself.
    pub prover_bytes: usize,
    /// Bytes of the verifying key without the graph: exact.
    pub weight_commitment_bytes: usize,
}

impl Estimate {
    /// Proving time in seconds on two cores of a server of 2024, for a model of so many
    /// multiply-accumulates; fitted to the models of the benchmark, within a factor of two elsewhere.
    #[must_use]
    pub fn seconds(&self, multiply_accumulates: u64) -> f64 {
        let Self { prover_full_points, prover_small_cells, trace_cells, leaves, .. } = *self;
        12e-3
            + 2e-5 * prover_full_points as f64
            + 1e-7 * prover_small_cells as f64
            + 4e-7 * (trace_cells + leaves) as f64
            + 1e-8 * multiply_accumulates as f64
    }
}

/// Estimates the cost of proving a graph.
#[must_use]
pub fn estimate(graph: &Graph, circuit: &Circuit) -> Estimate {
    let chunks: usize = circuit.statement_lens().into_iter().map(chunk_count).sum();
    let len = circuit.columns() + circuit.hidden_count();
    let rounds = round_count(len);
    let (trace_cells, leaves) = (1usize << circuit.trace_log, 1usize << circuit.leaf_log);
    let weight_cells: usize =
        graph.params.iter().map(|param| param.outer as usize * param.inner as usize).sum();
    // Fractions of all layers, numerators as integers, looked-up values and entries.
    let leaf_bytes = circuit.leaf_used * (32 * 4 + 8 + 40);
    // Kernel, and the trace with its first variable bound.
    let master_bytes = circuit.trace_used * (32 + 16);
    // Folded generators, a few tables over them, and the sums' sorted points.
    let group_bytes = len * 64 * 12;
    let tables = leaf_bytes.max(master_bytes) + group_bytes + circuit.trace_used * 8 + 2 * weight_cells;
    Estimate {
        proof_bytes: HEADER_BYTES + 32 * chunks + Body::size(circuit),
        verifier_points: len + 2 + circuit.rows.len() + circuit.weights.rows + chunks + 2 * rounds + 2,
        // Pads, and every round's cross terms over what is left of the vectors.
        prover_full_points: circuit.hidden_count() + 2 * len,
        prover_small_cells: circuit.rows.len() * circuit.columns(),
        trace_cells,
        leaves,
        // A quarter more for what the allocator keeps.
        prover_bytes: tables + tables / 4,
        weight_commitment_bytes: 64 * circuit.weights.rows,
    }
}
