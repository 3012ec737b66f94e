//! Accumulators of affine sums: each term is added to its region, by rows along the last axis.

use zkml_graph::{AxisMap, Graph, Source, Tensor, TensorId, Term, Weight, Weights};

use crate::error::cells;
use crate::gemm::{self, Geometry};
use crate::reference::{Evaluator, indices};
use crate::window::{Window, row_steps, rows, strides};

/// Below this many multiplications the plain loop is faster than preparing a matrix product.
const GEMM_OPERATIONS: usize = 1 << 8;

/// What a node reads.
pub(crate) struct Sources<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) weights: &'a Weights,
    /// Values by tensor id; those of the tensors that the node reads are present.
    pub(crate) values: &'a [Vec<i64>],
}

/// The accumulators of an affine node, row-major.
pub(crate) fn accumulate(sources: &Sources<'_>, output: &Tensor, terms: &[Term]) -> Vec<i64> {
    let mut acc = vec![0; cells(&output.shape)];
    for term in terms {
        if !add_term(sources, output, term, &mut acc) {
            add_slowly(sources, output, term, &mut acc);
        }
    }
    acc
}

/// Adds a term by its definition: for terms whose padding is too large to be made real.
fn add_slowly(sources: &Sources<'_>, output: &Tensor, term: &Term, acc: &mut [i64]) {
    let evaluator = Evaluator { graph: sources.graph, weights: sources.weights, values: sources.values };
    for (o, acc) in indices(&output.shape).zip(acc) {
        *acc += evaluator.term(term, &o);
    }
}

/// The region that a term is added to: a box of accumulators with at least one axis.
struct Region {
    lengths: Vec<u32>,
    /// Position of the first accumulator.
    start: usize,
    /// Steps of the accumulator's position.
    steps: Vec<usize>,
    /// Length of a row, along the last axis.
    row: usize,
}

/// The step of a form along a row.
fn along(steps: &[usize]) -> usize {
    steps.last().copied().unwrap_or(0)
}

/// Adds a term to its region; whether it could.
fn add_term(sources: &Sources<'_>, output: &Tensor, term: &Term, acc: &mut [i64]) -> bool {
    let lengths: Vec<u32> = term.region.iter().map(|&(_, length)| length).collect();
    let steps = strides(&output.shape);
    let start = term.region.iter().zip(&steps).map(|(&(start, _), &step)| start as usize * step).sum();
    let row = lengths.last().map_or(1, |&length| length as usize);
    let region = Region { lengths, start, steps, row };
    match &term.source {
        Source::Constant(value) => rows(&region.lengths, [start], [&region.steps], &mut |[a]| {
            for acc in &mut acc[a..a + row] {
                *acc += value;
            }
        }),
        Source::Index { axis, multiplier } => {
            let mut steps = vec![0; region.lengths.len()];
            steps[*axis as usize] = 1;
            rows(&region.lengths, [start, 0], [&region.steps, &steps], &mut |[a, b]| {
                for (j, acc) in acc[a..a + row].iter_mut().enumerate() {
                    *acc += multiplier * (b + j * along(&steps)) as i64;
                }
            });
        }
        Source::Bias { param, outer_axes } => {
            let steps = row_steps(&region.lengths, outer_axes, 1);
            let bias = biases(sources, *param);
            rows(&region.lengths, [start, 0], [&region.steps, &steps], &mut |[a, b]| {
                for (j, acc) in acc[a..a + row].iter_mut().enumerate() {
                    *acc += bias[b + j * along(&steps)];
                }
            });
        }
        Source::Reshape { tensor, multiplier } => {
            let (values, steps) = (&sources.values[*tensor as usize], strides(&region.lengths));
            rows(&region.lengths, [start, 0], [&region.steps, &steps], &mut |[a, b]| {
                for (acc, value) in acc[a..a + row].iter_mut().zip(&values[b..b + row]) {
                    *acc += multiplier * value;
                }
            });
        }
        Source::Tensor { tensor, inner, map, weight } => {
            return add_windows(sources, &region, (*tensor, inner, map), weight, acc);
        }
    }
    true
}

/// Adds the sums of windows of a tensor, each value with its weight; whether it could.
fn add_windows(
    sources: &Sources<'_>,
    region: &Region,
    (tensor, inner, map): (TensorId, &[u32], &[AxisMap]),
    weight: &Weight,
    acc: &mut [i64],
) -> bool {
    let shape = &sources.graph.tensors[tensor as usize].shape;
    let values = &sources.values[tensor as usize];
    let fast = matches!(weight, Weight::Param { .. })
        && cells(&region.lengths).saturating_mul(cells(inner)) >= GEMM_OPERATIONS;
    let Some(window) = Window::new(shape, map, &region.lengths, inner, fast) else {
        return false;
    };
    match weight {
        Weight::Param { param, outer_axes } => {
            let row_steps = row_steps(&region.lengths, outer_axes, window.deltas.len());
            let weights = &sources.weights.0[*param as usize];
            if fast {
                let geometry = Geometry {
                    lengths: &region.lengths,
                    acc_start: region.start,
                    acc_steps: &region.steps,
                    row_steps: &row_steps,
                    window: &window,
                };
                gemm::add(&geometry, weights, sources.graph.weight_bits, shape, values, acc);
            } else {
                let buffer = window.buffer(shape, values, 0);
                add_weighted(region, (weights, &row_steps), (&window, &buffer), acc);
            }
        }
        // Nothing bounds the sum of a window that counts for nothing.
        Weight::Public(0) => {}
        Weight::Public(factor) => {
            let buffer = window.buffer(shape, values, 0);
            let steps: [&[usize]; 2] = [&region.steps, &window.steps];
            rows(&region.lengths, [region.start, window.base], steps, &mut |[a, b]| {
                let acc = &mut acc[a..a + region.row];
                add_sums(acc, *factor, &buffer, b, along(&window.steps), &window.deltas);
            });
        }
    }
    true
}

/// Adds the sums of a window's values times hidden weights, one by one.
fn add_weighted(
    region: &Region,
    (weights, row_steps): (&[i16], &[usize]),
    (window, buffer): (&Window, &[i64]),
    acc: &mut [i64],
) {
    let bases = [region.start, window.base, 0];
    let steps: [&[usize]; 3] = [&region.steps, &window.steps, row_steps];
    rows(&region.lengths, bases, steps, &mut |[a, b, w]| {
        for (j, acc) in acc[a..a + region.row].iter_mut().enumerate() {
            let from = &buffer[b + j * along(&window.steps)..];
            let weights = &weights[w + j * along(row_steps)..][..window.deltas.len()];
            for (&weight, &delta) in weights.iter().zip(&window.deltas) {
                *acc += i64::from(weight) * from[delta];
            }
        }
    });
}

/// Adds `factor` times the sum over `deltas` to a row.
fn add_sums(acc: &mut [i64], factor: i64, buffer: &[i64], start: usize, step: usize, deltas: &[usize]) {
    if let ([delta], 1) = (deltas, step) {
        let from = &buffer[start + delta..][..acc.len()];
        for (acc, value) in acc.iter_mut().zip(from) {
            *acc += factor * value;
        }
        return;
    }
    for (j, acc) in acc.iter_mut().enumerate() {
        let from = &buffer[start + j * step..];
        let sum: i64 = deltas.iter().map(|&delta| from[delta]).sum();
        *acc += factor * sum;
    }
}

/// The hidden constants that a parameter's rows spell in digits.
fn biases(sources: &Sources<'_>, param: u32) -> Vec<i64> {
    let digits = sources.graph.params[param as usize].inner as usize;
    let bits = usize::from(sources.graph.weight_bits);
    sources.weights.0[param as usize]
        .chunks_exact(digits)
        .map(|row| {
            let places = row.iter().enumerate();
            places.map(|(d, &digit)| i64::from(digit) << (bits * d)).sum()
        })
        .collect()
}
