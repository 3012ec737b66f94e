//! Stage 4: the sum-check over the whole trace.

use super::Witness;
use super::fold::{PARALLEL_PAIRS, bind, sum};
use super::kernel::build;
use ark_ff::Zero;
use rayon::prelude::*;
use zkml_core::F;
use zkml_core::field::WideSum;
use zkml_verifier::circuit::Circuit;
use zkml_verifier::kernel::{BiasKernel, Functional, outer_product};
use zkml_verifier::protocol::MasterEnd;

pub(super) struct Master<'a> {
    circuit: &'a Circuit,
    cells: &'a [i64],
    functional: Functional,
    rho: Vec<F>,
    kernel: Vec<F>,
    /// The trace, after the first variable is bound.
    bound: Vec<F>,
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
        let bias = functional
            .biases
            .iter()
            .map(|bias| evaluate_bias(&witness.weights[bias.param], bias))
            .sum();
        let circuit = witness.circuit;
        let columns = (circuit.trace_log == circuit.columns_log).then(|| {
            witness
                .trace
                .cells
                .iter()
                .map(|cell| F::from(*cell))
                .collect()
        });
        Self {
            circuit,
            cells: &witness.trace.cells,
            functional: functional.clone(),
            rho: rho.to_vec(),
            kernel: build(witness, functional, rho, weight_rows),
            bound: Vec::new(),
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

    pub(super) fn answer(&mut self, challenge: Option<&F>, out: &mut [F]) {
        self.asked += 1;
        if self.asked == 1 {
            out.copy_from_slice(&[self.bias]);
            return;
        }
        if let Some(challenge) = challenge {
            self.bind(challenge);
        }
        if out.len() == 2 {
            out.copy_from_slice(&self.round());
        } else {
            let point: Vec<F> = self.challenges.iter().rev().copied().collect();
            let public = MasterEnd::new(self.circuit, &self.functional, &self.rho, &point).kernel;
            let (trace, weights) = (self.bound[0], self.kernel[0] - public);
            out.copy_from_slice(&[trace, weights, trace * weights]);
        }
    }

    /// Constant and quadratic coefficient of the next round polynomial.
    fn round(&self) -> [F; 2] {
        let half = self.kernel.len() / 2;
        let kernel = &self.kernel;
        if self.challenges.is_empty() {
            let cells = self.cells;
            let start = || [WideSum::default(); 2];
            let add = |mut sums: [WideSum; 2], i: usize| {
                let (low, step) = (cells[i], cells[i + half] - cells[i]);
                if low != 0 {
                    sums[0].add(low, &kernel[i]);
                }
                if step != 0 {
                    sums[1].add(step, &(kernel[i + half] - kernel[i]));
                }
                sums
            };
            let merge = |mut a: [WideSum; 2], b: [WideSum; 2]| {
                a.iter_mut().zip(&b).for_each(|(x, y)| x.merge(y));
                a
            };
            let sums = if half >= PARALLEL_PAIRS {
                (0..half)
                    .into_par_iter()
                    .with_min_len(PARALLEL_PAIRS)
                    .fold(start, add)
                    .reduce(start, merge)
            } else {
                (0..half).fold(start(), add)
            };
            return [sums[0].reduce(), sums[1].reduce()];
        }
        let trace = &self.bound;
        sum(half, |i| {
            [
                trace[i] * kernel[i],
                (trace[i + half] - trace[i]) * (kernel[i + half] - kernel[i]),
            ]
        })
    }

    fn bind(&mut self, challenge: &F) {
        if self.challenges.is_empty() {
            let half = self.cells.len() / 2;
            let one = |i: usize| {
                let (low, step) = (self.cells[i], self.cells[i + half] - self.cells[i]);
                let low = if low == 0 { F::zero() } else { F::from(low) };
                if step == 0 {
                    low
                } else {
                    low + *challenge * F::from(step)
                }
            };
            self.bound = (0..half)
                .into_par_iter()
                .with_min_len(PARALLEL_PAIRS)
                .map(one)
                .collect();
        } else {
            bind(&mut self.bound, challenge);
        }
        bind(&mut self.kernel, challenge);
        self.challenges.push(*challenge);
        if self.bound.len() == self.circuit.columns() {
            self.columns = Some(self.bound.clone());
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
