//! The kernel `K` of the master sum-check, as a table over the whole trace.

use super::Witness;
use super::fold::SplitEq;
use ark_ff::{One, Zero};
use rayon::prelude::*;
use zkml_core::F;
use zkml_core::field::WideSum;
use zkml_verifier::circuit::Block;
use zkml_verifier::kernel::{Functional, Kernel, ParamAxis, ParamKernel, outer_product};

/// Fills `K`; `weight_rows[p]` receives `sum_o rows[o] W[o]` for parameters whose kernel does
/// not tie rows to coordinates.
pub(super) fn build(
    witness: &Witness<'_>,
    functional: &Functional,
    rho: &[F],
    weight_rows: &mut [Option<Vec<F>>],
) -> Vec<F> {
    let circuit = witness.circuit;
    let mut table = vec![F::zero(); circuit.trace_used];
    for kernel in &functional.kernels {
        let block = &circuit.blocks[kernel.block()];
        let cells = &mut table[block.offset as usize..block.offset as usize + (1 << block.log)];
        match kernel {
            Kernel::Eq { coefficient, .. } => {
                let eq = SplitEq::new(&rho[..block.log], *coefficient);
                let one = |(index, cell): (usize, &mut F)| *cell += eq.at(index);
                cells.par_iter_mut().enumerate().with_min_len(2048).for_each(one);
            }
            Kernel::Separable { coefficient, axes, .. } => add_product(block, cells, axes, *coefficient),
            Kernel::Reshape { coefficient, output, .. } => {
                let values = outer_product(output, *coefficient);
                block.for_each(|element, cell| cells[cell] += values[element]);
            }
            Kernel::Param(kernel) => add_param(witness, block, cells, kernel, weight_rows),
        }
    }
    table
}

/// Adds `coefficient * product of vectors` to the true cells of a block.
fn add_product(block: &Block, cells: &mut [F], axes: &[Vec<F>], coefficient: F) {
    let Some((last, outer)) = axes.split_last() else {
        return;
    };
    let Some((last_axis, outer_axes)) = block.axes.split_last() else {
        return;
    };
    let scaled = outer_product(outer, coefficient);
    let mut starts = vec![0usize];
    for axis in outer_axes {
        starts =
            starts.iter().flat_map(|start| (0..axis.len).map(move |i| start + (i << axis.shift))).collect();
    }
    for (start, factor) in starts.into_iter().zip(&scaled) {
        if factor.is_zero() {
            continue;
        }
        for (cell, value) in cells[start..start + last_axis.len].iter_mut().zip(last) {
            if !value.is_zero() {
                *cell += *factor * value;
            }
        }
    }
}

fn add_param(
    witness: &Witness<'_>,
    block: &Block,
    cells: &mut [F],
    kernel: &ParamKernel,
    weight_rows: &mut [Option<Vec<F>>],
) {
    let weights = &witness.weights[kernel.param];
    let inner: usize = kernel.inner.iter().product();
    let tied = kernel.axes.iter().any(|axis| matches!(axis, ParamAxis::Tied { .. }));
    let rows = outer_product(&kernel.rows, F::one());
    if tied {
        // Each row of the parameter reads its own coordinates.
        let extents: Vec<usize> = kernel.rows.iter().map(Vec::len).collect();
        for (row, factor) in rows.iter().enumerate() {
            let values: Vec<F> = weights[row * inner..(row + 1) * inner]
                .iter()
                .map(|w| *factor * F::from(i64::from(*w)))
                .collect();
            let index = unflatten(row, &extents);
            add_contracted(block, cells, kernel, &values, &index);
        }
    } else {
        let combined = combine_rows(weights, inner, &rows);
        add_contracted(block, cells, kernel, &combined, &[]);
        weight_rows[kernel.param] = Some(combined);
    }
}

/// `sum_o factors[o] W[o]` of a row-major matrix of small integers.
pub(super) fn combine_rows(weights: &[i16], inner: usize, factors: &[F]) -> Vec<F> {
    // Chunks of columns, so that the sums stay in cache and threads share nothing.
    let chunk = inner.div_ceil(rayon::current_num_threads()).clamp(64, 512);
    let chunks = (0..inner).step_by(chunk).collect::<Vec<usize>>();
    let parts = chunks.par_iter().map(|start| {
        let end = (start + chunk).min(inner);
        let mut sums = vec![WideSum::default(); end - start];
        for (row, factor) in weights.chunks_exact(inner).zip(factors) {
            for (sum, weight) in sums.iter_mut().zip(&row[*start..end]) {
                sum.add(i64::from(*weight), factor);
            }
        }
        sums.iter().map(WideSum::reduce).collect::<Vec<F>>()
    });
    parts.collect::<Vec<Vec<F>>>().concat()
}

/// Replaces every inner index by the coordinates that it reads, one axis after the other, and
/// adds the result to the block.
fn add_contracted(block: &Block, cells: &mut [F], kernel: &ParamKernel, values: &[F], row: &[usize]) {
    // `current` is indexed by: the coordinates of the axes done so far (slowest), then the inner
    // indices that are left, in their own order.
    let mut left: Vec<usize> = (0..kernel.inner.len()).collect();
    let mut current = values.to_vec();
    let mut done = 1usize;
    for (axis, shape) in kernel.axes.iter().zip(&block.axes) {
        let rest: usize = left.iter().map(|dim| kernel.inner[*dim]).product();
        let mut next;
        match axis {
            ParamAxis::Vector(vector) => {
                next = Vec::with_capacity(current.len() * shape.len);
                for part in current.chunks_exact(rest) {
                    for factor in vector {
                        next.extend(
                            part.iter().map(
                                |value| {
                                    if factor.is_zero() { F::zero() } else { *factor * value }
                                },
                            ),
                        );
                    }
                }
            }
            ParamAxis::Tied { row_axis, coordinates } => {
                next = vec![F::zero(); current.len() * shape.len];
                if let Some(coordinate) = coordinates[row[*row_axis]] {
                    for (part, out) in current.chunks_exact(rest).zip(next.chunks_exact_mut(rest * shape.len))
                    {
                        out[coordinate * rest..(coordinate + 1) * rest].copy_from_slice(part);
                    }
                }
            }
            ParamAxis::Inner { dim, entries } => {
                let place = left.iter().position(|other| other == dim).unwrap_or(0);
                let before: usize = left[..place].iter().map(|dim| kernel.inner[*dim]).product();
                let after: usize = left[place + 1..].iter().map(|dim| kernel.inner[*dim]).product();
                left.remove(place);
                let (len, rest_after) = (kernel.inner[*dim], before * after);
                next = vec![F::zero(); done * shape.len * rest_after];
                for (part, out) in
                    current.chunks_exact(rest).zip(next.chunks_exact_mut(shape.len * rest_after))
                {
                    for (i, entry) in entries.iter().enumerate() {
                        for (coordinate, factor) in entry {
                            for b in 0..before {
                                let from = &part[(b * len + i) * after..(b * len + i + 1) * after];
                                let to = &mut out[coordinate * rest_after + b * after..][..after];
                                for (to, from) in to.iter_mut().zip(from) {
                                    *to += if factor.is_one() { *from } else { *factor * from };
                                }
                            }
                        }
                    }
                }
            }
        }
        current = next;
        done *= shape.len;
    }
    block.for_each(|element, cell| cells[cell] += kernel.coefficient * current[element]);
}

fn unflatten(mut index: usize, extents: &[usize]) -> Vec<usize> {
    let mut out = vec![0; extents.len()];
    for (place, extent) in out.iter_mut().zip(extents).rev() {
        *place = index % extent;
        index /= extent;
    }
    out
}
