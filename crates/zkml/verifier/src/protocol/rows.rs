//! Which committed rows the combination is made of, with their factors.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "rows are numbered by the circuit's own layout"
)]

use super::{ClassRows, ProtocolError, Reduced};
use crate::circuit::{Circuit, Slot, Source};
use alloc::vec;
use alloc::vec::Vec;
use ark_ff::Zero;
use zkml_core::F;
use zkml_core::zip::{equal, zip_eq};

/// A committed row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// A row of the trace that the proof brings: position in [`Circuit::rows`].
    Trace(usize),
    /// A row of the weights, which the key brings.
    Weights(usize),
    /// A chunk of a committed input or output.
    Chunk {
        /// Position in the statement.
        tensor: usize,
        /// The chunk.
        chunk: usize,
    },
}

impl Reduced {
    /// Every committed row with its factor in the combination, for a key with `weight_rows` rows.
    ///
    /// # Errors
    /// Returns an error if the circuit has another number of weight rows.
    pub fn rows(&self, circuit: &Circuit, weight_rows: usize) -> Result<Vec<(Row, F)>, ProtocolError> {
        let from_key = circuit.blocks.iter().any(|block| block.source == Source::Key);
        let mut rows = Vec::new();
        for (class, multiplier) in zip_eq(&self.classes, &self.multipliers)? {
            match &class.rows {
                ClassRows::Trace(factors) => {
                    let factor = |row: usize| -> Result<F, ProtocolError> {
                        factors.get(row).map(|factor| *multiplier * factor).ok_or(ProtocolError::NoAnswer)
                    };
                    for (at, row) in circuit.rows.iter().enumerate() {
                        rows.push((Row::Trace(at), factor(*row)?));
                    }
                    for row in 0..if from_key { weight_rows } else { 0 } {
                        rows.push((Row::Weights(row), factor(row)?));
                    }
                }
                ClassRows::Chunk { tensor, chunk } => {
                    rows.push((Row::Chunk { tensor: *tensor, chunk: *chunk }, *multiplier));
                }
                ClassRows::Packed(_) | ClassRows::Matrix { .. } => {}
            }
        }
        if !from_key {
            equal(circuit.weights.rows, weight_rows)?;
            let factors = self.weight_row_factors(circuit)?;
            rows.extend(factors.into_iter().enumerate().map(|(row, factor)| (Row::Weights(row), factor)));
        }
        Ok(rows)
    }

    /// The factor of every weight row, in layout order.
    fn weight_row_factors(&self, circuit: &Circuit) -> Result<Vec<F>, ProtocolError> {
        let mut factors = vec![F::zero(); circuit.weights.rows];
        for (class, multiplier) in zip_eq(&self.classes, &self.multipliers)? {
            match &class.rows {
                ClassRows::Packed(row) => factors[*row] += multiplier,
                ClassRows::Matrix { param, chunk, factors: outputs } => {
                    if let Slot::Rows { first, .. } = circuit.weights.params[*param].slot {
                        let start = first + chunk * outputs.len();
                        let rows = factors[start..].iter_mut().take(outputs.len());
                        for (factor, output) in zip_eq(rows, outputs)? {
                            *factor += *multiplier * output;
                        }
                    }
                }
                ClassRows::Trace(_) | ClassRows::Chunk { .. } => {}
            }
        }
        Ok(factors)
    }
}
