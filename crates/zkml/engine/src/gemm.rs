//! Terms with hidden weights as matrix products of 16-bit digits.
//!
//! The activations are cut into digits that fit `i16`, narrow enough that a run of products of
//! digits and weights sums in `i32` without wrapping; that is the shape which compilers turn into
//! multiply-add instructions. A digit's column of the product is gathered once for all rows that
//! read it. Sums wider than a run continue in `i64`.

use rayon::prelude::*;

use crate::window::{Window, form};

/// From this many multiplications on, work is shared between threads.
const PARALLEL_OPERATIONS: usize = 1 << 21;
/// Rows of fewer weights than this are applied weight by weight to whole rows of the output.
const SHORT_ROW: usize = 16;
/// Columns gathered together.
const COLUMN_BLOCK: usize = 32;
/// Least length of a run that sums in `i32`.
const LEAST_RUN: u32 = 64;

/// Where a term's elements are: positions are linear forms over the region's box.
pub(crate) struct Geometry<'a> {
    /// Extents of the region.
    pub(crate) lengths: &'a [u32],
    /// Position of the region's first accumulator.
    pub(crate) acc_start: usize,
    /// Steps of the accumulator's position.
    pub(crate) acc_steps: &'a [usize],
    /// Steps of the position of the parameter's row.
    pub(crate) row_steps: &'a [usize],
    /// The activations.
    pub(crate) window: &'a Window,
}

/// A list of positions over some of the output axes: in the accumulator, the weights, the window.
struct Positions {
    acc: Vec<usize>,
    weights: Vec<usize>,
    window: Vec<usize>,
}

impl Positions {
    fn new(geometry: &Geometry<'_>, axes: &[usize], acc_start: usize, base: usize) -> Self {
        let over = |start, steps| form(geometry.lengths, axes, start, steps);
        Self {
            acc: over(acc_start, geometry.acc_steps),
            weights: over(0, geometry.row_steps),
            window: over(base, &geometry.window.steps),
        }
    }

    fn len(&self) -> usize {
        self.acc.len()
    }
}

/// One digit of the activations.
struct Digit {
    values: Vec<i16>,
    /// The digit counts `2^place` times.
    place: u32,
}

/// Adds the term to the accumulators.
pub(crate) fn add(
    geometry: &Geometry<'_>,
    weights: &[i16],
    weight_bits: u8,
    shape: &[u32],
    values: &[i64],
    acc: &mut [i64],
) {
    let axes = |wanted: &dyn Fn(usize) -> bool| -> Vec<usize> {
        (0..geometry.lengths.len()).filter(|&axis| wanted(axis)).collect()
    };
    let selects = |axis: usize| geometry.row_steps[axis] != 0;
    let moves = |axis: usize| geometry.window.steps[axis] != 0;
    // Axes that select a row and move the window (groups), that only select a row, and the rest.
    let groups = axes(&|axis| selects(axis) && moves(axis));
    let rows = axes(&|axis| selects(axis) && !moves(axis));
    let columns = axes(&|axis| !selects(axis));
    // Columns run along the last axis where it is one of them.
    let consecutive = match (columns.last(), geometry.lengths.last()) {
        (Some(&axis), Some(&length))
            if axis + 1 == geometry.lengths.len() && geometry.window.steps[axis] == 1 =>
        {
            length as usize
        }
        _ => 1,
    };
    let product = Product {
        groups: Positions::new(geometry, &groups, geometry.acc_start, geometry.window.base),
        rows: Positions::new(geometry, &rows, 0, 0),
        columns: Positions::new(geometry, &columns, 0, 0),
        deltas: &geometry.window.deltas,
        consecutive,
        weights,
    };
    for digit in digits(geometry, weight_bits, shape, values) {
        if product.deltas.len() < SHORT_ROW {
            product.add_by_weight(&digit, acc);
        } else {
            product.add_by_dot(&digit, weight_bits, acc);
        }
    }
}

/// The widest digit whose products with weights sum in `i32` over [`LEAST_RUN`] of them.
fn digit_bits(weight_bits: u8) -> u32 {
    // |weight| <= 2^(weight_bits-1), digit < 2^digit_bits: the run's sum stays below 2^31.
    (31 - LEAST_RUN.ilog2() - (u32::from(weight_bits) - 1)).min(15)
}

/// The digits of the activations: all but the last in `0..2^digit_bits`, the last signed.
fn digits(geometry: &Geometry<'_>, weight_bits: u8, shape: &[u32], values: &[i64]) -> Vec<Digit> {
    let bits = digit_bits(weight_bits);
    let (mut low, mut high) =
        values.iter().fold((0, 0), |(low, high), &value| (value.min(low), value.max(high)));
    let (limit, mask) = (1_i64 << bits, (1_i64 << bits) - 1);
    let mut place = 0;
    let mut all = Vec::new();
    loop {
        let last = low >= -limit && high < limit;
        let digit = |value: i64| {
            let shifted = value >> place;
            // Both fit: bits <= 15.
            if last { shifted as i16 } else { (shifted & mask) as i16 }
        };
        all.push(Digit { values: geometry.window.copy(shape, values, 0, digit), place });
        if last {
            return all;
        }
        (low, high, place) = (low >> bits, high >> bits, place + bits);
    }
}

struct Product<'a> {
    groups: Positions,
    rows: Positions,
    columns: Positions,
    deltas: &'a [usize],
    /// Columns that follow one another in the window, in every run of as many columns.
    consecutive: usize,
    weights: &'a [i16],
}

impl Product<'_> {
    /// Short rows: one weight at a time over all columns.
    fn add_by_weight(&self, digit: &Digit, acc: &mut [i64]) {
        let mut sums = vec![0_i32; self.columns.len()];
        for (group, row) in self.pairs() {
            sums.fill(0);
            let weights = self.row(group, row);
            for (&weight, delta) in weights.iter().zip(self.deltas) {
                if weight == 0 {
                    continue;
                }
                let from = &digit.values[self.groups.window[group] + delta..];
                let starts = self.columns.window.iter().step_by(self.consecutive);
                for (sums, &start) in sums.chunks_exact_mut(self.consecutive).zip(starts) {
                    for (sum, &value) in sums.iter_mut().zip(&from[start..]) {
                        // Below 2^31: rows are shorter than LEAST_RUN.
                        *sum = sum.wrapping_add(i32::from(weight).wrapping_mul(value.into()));
                    }
                }
            }
            let start = self.groups.acc[group] + self.rows.acc[row];
            for (&sum, &column) in sums.iter().zip(&self.columns.acc) {
                acc[start + column] += i64::from(sum) << digit.place;
            }
        }
    }

    /// Long rows: one dot product for each row and column.
    fn add_by_dot(&self, digit: &Digit, weight_bits: u8, acc: &mut [i64]) {
        let run = run_length(weight_bits, &digit.values);
        let operations = self.groups.len() * self.rows.len() * self.columns.len() * self.deltas.len();
        let blocks: Vec<(usize, usize, usize)> = self.blocks(operations >= PARALLEL_OPERATIONS);
        let (rows_each, columns_each) = (self.rows_each(operations), COLUMN_BLOCK);
        let compute = |&(group, row, column): &(usize, usize, usize)| {
            let rows = row..self.rows.len().min(row + rows_each);
            let columns = column..self.columns.len().min(column + columns_each);
            self.block(digit, run, group, rows, columns)
        };
        let scatter = |acc: &mut [i64], block: &(usize, usize, usize), sums: Vec<i64>| {
            let &(group, row, column) = block;
            let columns = &self.columns.acc[column..self.columns.len().min(column + columns_each)];
            for (sums, &row) in sums.chunks_exact(columns.len()).zip(&self.rows.acc[row..]) {
                let start = self.groups.acc[group] + row;
                for (&sum, &column) in sums.iter().zip(columns) {
                    acc[start + column] += sum << digit.place;
                }
            }
        };
        if operations >= PARALLEL_OPERATIONS {
            let sums: Vec<Vec<i64>> = blocks.par_iter().map(compute).collect();
            for (block, sums) in blocks.iter().zip(sums) {
                scatter(acc, block, sums);
            }
        } else {
            for block in &blocks {
                scatter(acc, block, compute(block));
            }
        }
    }

    /// Rows of a block: all, except where few columns leave no other way to share the work.
    fn rows_each(&self, operations: usize) -> usize {
        let others = self.groups.len() * self.columns.len().div_ceil(COLUMN_BLOCK);
        if operations >= PARALLEL_OPERATIONS && others < 8 {
            self.rows.len().div_ceil(8).max(1)
        } else {
            self.rows.len()
        }
    }

    /// First group, row and column of every block.
    fn blocks(&self, parallel: bool) -> Vec<(usize, usize, usize)> {
        let operations = if parallel { PARALLEL_OPERATIONS } else { 0 };
        let rows_each = self.rows_each(operations);
        let mut blocks = Vec::new();
        for group in 0..self.groups.len() {
            for column in (0..self.columns.len()).step_by(COLUMN_BLOCK) {
                for row in (0..self.rows.len()).step_by(rows_each) {
                    blocks.push((group, row, column));
                }
            }
        }
        blocks
    }

    /// The sums of some rows and columns, row-major.
    fn block(
        &self,
        digit: &Digit,
        run: usize,
        group: usize,
        rows: core::ops::Range<usize>,
        columns: core::ops::Range<usize>,
    ) -> Vec<i64> {
        let length = self.deltas.len();
        let mut gathered = Vec::with_capacity(columns.len() * length);
        for &column in &self.columns.window[columns] {
            let from = &digit.values[self.groups.window[group] + column..];
            gathered.extend(self.deltas.iter().map(|&delta| from[delta]));
        }
        let mut sums = Vec::with_capacity(rows.len() * gathered.len() / length);
        for row in rows {
            let weights = self.row(group, row);
            sums.extend(gathered.chunks_exact(length).map(|column| dot(weights, column, run)));
        }
        sums
    }

    fn row(&self, group: usize, row: usize) -> &[i16] {
        let start = self.groups.weights[group] + self.rows.weights[row];
        &self.weights[start..start + self.deltas.len()]
    }

    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..self.groups.len()).flat_map(|group| (0..self.rows.len()).map(move |row| (group, row)))
    }
}

/// The longest run whose products sum in `i32`, for the values at hand.
fn run_length(weight_bits: u8, values: &[i16]) -> usize {
    let low = values.iter().copied().fold(0, i16::min);
    let high = values.iter().copied().fold(0, i16::max);
    let greatest = i32::from(high).max(-i32::from(low)).max(1);
    let product = greatest << (weight_bits - 1);
    (i32::MAX / product) as usize
}

/// The dot product; sums of `run` products fit `i32`.
fn dot(a: &[i16], b: &[i16], run: usize) -> i64 {
    a.chunks(run).zip(b.chunks(run)).map(|(a, b)| i64::from(dot_run(a, b))).sum()
}

/// Wrapping here only spares the compiler the checks: callers bound the sum.
fn dot_run(a: &[i16], b: &[i16]) -> i32 {
    a.iter().zip(b).fold(0, |sum: i32, (&a, &b)| sum.wrapping_add(i32::from(a).wrapping_mul(i32::from(b))))
}
