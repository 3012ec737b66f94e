//! Stage 4: the sum-check over the whole trace.

use super::Witness;
use super::fold::{PARALLEL_PAIRS, Table, sum};
use super::kernel::build;
use ark_ff::Zero;
use rayon::prelude::*;
use zkml_core::F;
use zkml_core::field::WideSum;
use zkml_verifier::circuit::Circuit;
use zkml_verifier::kernel::{BiasKernel, Functional, outer_product};
use zkml_verifier::protocol::{MasterEnd, ProtocolError};

/// Pairs that one thread sums up before it reduces, which no size of the cells overflows.
const PART: usize = 1 << 12;
const _: () = assert!(PART <= WideSum::TERMS);

pub(super) struct Master<'a> {
    circuit: &'a Circuit,
    cells: &'a [i64],
    functional: Functional,
    rho: Vec<F>,
    kernel: Table,
    /// The trace, after the first variable is bound.
    bound: Table,
    /// Value of the bias functional.
    bias: F,
    asked: usize,
    /// Challenges, highest variable first.
    challenges: Vec<F>,
    /// The trace when only the column variables were left.
    columns: Option<Vec<F>>,
}

impl<'a> Master<'a> {
    pub(super) fn new(
        witness: &Witness<'a>,
        functional: &Functional,
        rho: &[F],
        weight_rows: &mut [Option<Vec<F>>],
    ) -> Self {
        let bias =
            functional.biases.iter().map(|bias| evaluate_bias(&witness.weights[bias.param], bias)).sum();
        let circuit = witness.circuit;
        let columns = (circuit.trace_log == circuit.columns_log)
            .then(|| witness.trace.cells.iter().map(|cell| F::from(*cell)).collect());
        Self {
            circuit,
            cells: &witness.trace.cells,
            functional: functional.clone(),
            rho: rho.to_vec(),
            kernel: Table::new(build(witness, functional, rho, weight_rows), circuit.trace_log, F::zero()),
            bound: Table::new(Vec::new(), circuit.trace_log, F::zero()),
            bias,
            asked: 0,
            challenges: Vec::new(),
            columns,
        }
    }

    /// The trace with its row variables bound, once they are.
    pub(super) fn take_bound_trace(&mut self) -> Option<Vec<F>> {
        self.columns.take()
    }

    pub(super) fn answer(&mut self, challenge: Option<&F>, out: &mut [F]) -> Result<(), ProtocolError> {
        self.asked += 1;
        if self.asked == 1 {
            out.copy_from_slice(&[self.bias]);
            return Ok(());
        }
        if let Some(challenge) = challenge {
            self.bind(challenge);
        }
        if out.len() == 2 {
            out.copy_from_slice(&self.round());
        } else {
            let point: Vec<F> = self.challenges.iter().rev().copied().collect();
            let public = MasterEnd::new(self.circuit, &self.functional, &self.rho, &point)?.kernel;
            let (trace, weights) = (self.bound.at(0), self.kernel.at(0) - public);
            out.copy_from_slice(&[trace, weights, trace * weights]);
        }
        Ok(())
    }

    /// Constant and quadratic coefficient of the next round polynomial.
    fn round(&self) -> [F; 2] {
        let half = self.kernel.half();
        let pairs = self.kernel.pairs();
        let kernel = &self.kernel;
        if !self.challenges.is_empty() {
            let trace = &self.bound;
            return sum(pairs, |i| {
                let (low, weight) = (trace.at(i), kernel.at(i));
                [low * weight, (trace.at(i + half) - low) * (kernel.at(i + half) - weight)]
            });
        }
        let cells = self.cells;
        let part = |start: usize| {
            let mut sums = [WideSum::default(); 2];
            for i in start..(start + PART).min(pairs) {
                let (low, step) = (cells[i], cells.get(i + half).copied().unwrap_or(0) - cells[i]);
                if low != 0 {
                    sums[0].add(low, &kernel.at(i));
                }
                if step != 0 {
                    sums[1].add(step, &(kernel.at(i + half) - kernel.at(i)));
                }
            }
            sums.map(|sum| sum.reduce())
        };
        let add = |a: [F; 2], b: [F; 2]| [a[0] + b[0], a[1] + b[1]];
        let parts = (0..pairs.div_ceil(PART)).into_par_iter();
        parts.map(|index| part(index * PART)).reduce(|| [F::zero(); 2], add)
    }

    fn bind(&mut self, challenge: &F) {
        if self.challenges.is_empty() {
            let half = self.kernel.half();
            let one = |i: usize| {
                let (low, step) =
                    (self.cells[i], self.cells.get(i + half).copied().unwrap_or(0) - self.cells[i]);
                let low = if low == 0 { F::zero() } else { F::from(low) };
                if step == 0 { low } else { low + *challenge * F::from(step) }
            };
            let pairs = self.kernel.pairs();
            let bound = (0..pairs).into_par_iter().with_min_len(PARALLEL_PAIRS).map(one).collect();
            self.bound = Table::new(bound, self.kernel.log - 1, F::zero());
        } else {
            self.bound.bind(challenge);
        }
        self.kernel.bind(challenge);
        self.challenges.push(*challenge);
        if self.bound.log == self.circuit.columns_log {
            self.columns = Some(self.bound.values.clone());
        }
    }
}

fn evaluate_bias(weights: &[i16], bias: &BiasKernel) -> F {
    let rows = outer_product(&bias.rows, bias.coefficient);
    let digits = bias.digits.len();
    weights
        .chunks_exact(digits)
        .zip(&rows)
        .map(|(row, factor)| {
            let value: F = row
                .iter()
                .zip(&bias.digits)
                .map(|(weight, digit)| *digit * F::from(i64::from(*weight)))
                .sum();
            *factor * value
        })
        .sum()
}
