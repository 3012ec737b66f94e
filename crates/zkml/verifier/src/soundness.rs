//! The soundness error, from the parameters.
//!
//! The sum of every step's error for a prover that answers a live verifier once, in the sense of
//! `docs/protocol.md`; finding a discrete logarithm on Pallas (about 2^126 operations) is the
//! assumption beside it. Without a live verifier, a prover may try again: `q` attempts multiply
//! the error by at most `q`.

use crate::circuit::Circuit;
use crate::statement::chunk_count;
use alloc::vec::Vec;
use zkml_core::ipa::round_count;

/// The error of one step: `over_field / 2^254 + over_short / 2^128`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepError {
    /// The step, as in `docs/protocol.md`.
    pub step: &'static str,
    /// Numerator over the size of the field.
    pub over_field: u128,
    /// Numerator over the number of short challenges.
    pub over_short: u128,
}

/// The error of every step of a proof for a circuit.
#[must_use]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "counts of a circuit that fits in memory, and their products in 128 bits"
)]
pub fn steps(circuit: &Circuit) -> Vec<StepError> {
    let field = |step, over_field: usize| StepError { step, over_field: over_field as u128, over_short: 0 };
    let (leaves, log) = (circuit.leaf_used, circuit.leaf_log);
    let entries: usize = circuit.tables.iter().map(|table| table.kind.len()).sum();
    let tree_rounds = log * (log - 1) / 2;
    let quads = circuit.quads.len();
    let rounds = round_count(circuit.columns() + circuit.hidden_count());
    // The degree in tau, if all inputs and outputs are committed.
    let chunks: usize = circuit.statement_lens().into_iter().map(chunk_count).sum();
    let tails = (chunks + 1) * circuit.columns();
    let fingerprints = StepError {
        step: "lookups",
        // Columns and tag are combined with degree three; then poles, and the sum's numerator.
        over_field: 3 * leaves as u128 * entries as u128 + 2 * leaves as u128,
        over_short: 0,
    };
    alloc::vec![
        fingerprints,
        field("tree", 3 * tree_rounds + 2 * log),
        field("relations", circuit.relations.len() + 2 + log),
        field("quadratic", 3 * circuit.quad_log() + 2 * quads),
        field("master", 2 * circuit.trace_log),
        field("columns", 2 + tails + 2 * circuit.columns_log),
        field("products", 4 * circuit.product_log()),
        field("combination", log + 8 + quads + 3),
        StepError {
            step: "inner product",
            // The value's weight, separation with degree two, and the last challenge.
            over_field: 4,
            // Four accepting continuations of a round give the witness or a discrete logarithm.
            over_short: 3 * rounds as u128,
        },
    ]
}

/// Bits of soundness: the greatest `b` with total error at most `2^-b`.
#[must_use]
#[expect(clippy::arithmetic_side_effects, reason = "nine steps, each below 2^100 units and at least one")]
pub fn bits(circuit: &Circuit) -> u32 {
    // In units of 2^-160; what is over the field is rounded up to a whole unit.
    let units: u128 =
        steps(circuit).iter().map(|step| (step.over_short << 32) + (step.over_field >> 94) + 1).sum();
    160 - (128 - (units - 1).leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use zkml_graph::{Epilogue, Graph, Op, Source, Tensor, Term};

    fn copy() -> Result<Circuit, crate::circuit::CircuitError> {
        let tensor =
            |name: &str| Tensor { name: name.into(), shape: alloc::vec![4], min: 0, max: 9, scale: 0 };
        let term = Term { region: alloc::vec![(0, 4)], source: Source::Reshape { tensor: 0, multiplier: 1 } };
        let op = Op::Affine { terms: alloc::vec![term], epilogue: Epilogue::Exact };
        let graph = Graph {
            name: "copy".into(),
            weight_bits: 8,
            tensors: alloc::vec![tensor("x"), tensor("y")],
            params: Vec::new(),
            nodes: alloc::vec![zkml_graph::Node { name: "copy".into(), op, output: 1 }],
            inputs: alloc::vec![0],
            outputs: alloc::vec![1],
        };
        Circuit::new(&graph)
    }

    #[test]
    fn small_circuits_exceed_the_requirement() -> Result<(), crate::circuit::CircuitError> {
        let circuit = copy()?;
        assert!(bits(&circuit) >= 100);
        // The short challenges dominate: 2^-128 times three a round.
        let rounds = round_count(circuit.columns() + circuit.hidden_count());
        assert_eq!(bits(&circuit), 128 - (3 * rounds).next_power_of_two().trailing_zeros());
        Ok(())
    }

    /// The protocol counts what `docs/protocol.md` lists, stage by stage.
    #[test]
    fn every_message_is_counted() -> Result<(), crate::circuit::CircuitError> {
        let model = copy()?;
        for circuit in [&model, &Circuit::for_key(&model, 8)] {
            let tree = 8 + (1..circuit.leaf_log).map(|layer| 2 * layer + 6).sum::<usize>();
            let (master, columns) = (1 + 2 * circuit.trace_log + 3, 2 * circuit.columns_log);
            let products = 1 + 2 * circuit.product_log();
            assert_eq!(circuit.messages.answered, tree + master + columns + products);
            assert_eq!(circuit.messages.private, 2);
            assert_eq!(circuit.messages.products, 4 + 2 * (circuit.leaf_log - 1) + 1 + 1);
        }
        Ok(())
    }
}
