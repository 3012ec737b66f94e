//! Where things are: blocks in the trace, segments in the fraction tree, weights in rows, and
//! the number of columns.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "the layout's own slots; sizes are those of a validated graph, in 64 bits until they were limited"
)]

use super::{Block, Circuit, Source, log2_ceil};
use alloc::vec::Vec;
use zkml_core::zip::{Unequal, zip_eq};
use zkml_graph::Param;

/// Slot of a hidden parameter among the weight rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Densely packed, row-major, from this cell on. Openings cost the verifier a field product
    /// for each cell.
    Packed {
        /// First cell.
        cell: usize,
    },
    /// One row for each `(chunk, output)`, chunks of a row's length, `row = first + chunk *
    /// outer + output`. Openings cost a group operation for each row and nothing for a cell.
    Rows {
        /// First row.
        first: usize,
        /// Chunks of one output's values.
        chunks: usize,
    },
}

/// A hidden parameter: its shape, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its slot.
    pub slot: Slot,
    /// Number of rows of the parameter.
    pub outer: usize,
    /// Values in a row of the parameter.
    pub inner: usize,
}

/// Where the weights are: packed parameters first, then parameters in rows.
#[derive(Clone, Debug, Default)]
pub struct WeightLayout {
    /// Every parameter, in the order of the graph.
    pub params: Vec<Placed>,
    /// Cells used by packed parameters.
    pub packed_cells: usize,
    /// Rows used by packed parameters.
    pub packed_rows: usize,
    /// All rows.
    pub rows: usize,
    /// log2 of the columns.
    pub columns_log: usize,
}

/// The first column of a run of weights in a row, and the run.
pub type Run<'a> = (usize, &'a [i16]);

impl WeightLayout {
    /// Places parameters in rows of `2^columns_log` columns. `dense[p]` says whether parameter
    /// `p` may have rows of its own.
    ///
    /// # Errors
    /// Returns an error if `dense` does not have one entry for each parameter.
    pub fn new(params: &[Param], dense: &[bool], columns_log: usize) -> Result<Self, Unequal> {
        let columns = 1usize << columns_log;
        let mut layout = Self { columns_log, ..Self::default() };
        for (param, dense) in zip_eq(params, dense)? {
            let (outer, inner) = (param.outer as usize, param.inner as usize);
            let chunks = inner.div_ceil(columns);
            // A packed cell costs about a hundred-and-fiftieth of a row.
            let spare = (outer * chunks).saturating_sub(outer * inner / columns);
            let slot = if *dense && (outer * inner) as u64 > 150 * spare as u64 {
                // After the packed ones, once their rows are counted.
                Slot::Rows { first: 0, chunks }
            } else {
                let cell = layout.packed_cells;
                layout.packed_cells += outer * inner;
                Slot::Packed { cell }
            };
            layout.params.push(Placed { slot, outer, inner });
        }
        layout.packed_rows = layout.packed_cells.div_ceil(columns);
        layout.rows = layout.packed_rows;
        for param in &mut layout.params {
            if let Slot::Rows { first, chunks } = &mut param.slot {
                *first = layout.rows;
                layout.rows += param.outer * *chunks;
            }
        }
        Ok(layout)
    }

    /// The weights of one row, from the parameters in row-major order: the row's first column
    /// and the run of values, for each parameter that has cells in it.
    ///
    /// # Errors
    /// Returns an error if there are not weights for every parameter, or for more.
    pub fn row<'a>(&self, weights: &'a [Vec<i16>], row: usize) -> Result<Vec<Run<'a>>, Unequal> {
        let columns = 1usize << self.columns_log;
        let mut runs = Vec::new();
        for (Placed { slot, outer, inner }, values) in zip_eq(&self.params, weights)? {
            match *slot {
                Slot::Packed { cell } => {
                    let (start, end) = (row * columns, (row + 1) * columns);
                    let from = start.max(cell);
                    let to = end.min(cell + outer * inner);
                    if row < self.packed_rows && from < to {
                        runs.push((from - start, &values[from - cell..to - cell]));
                    }
                }
                Slot::Rows { first, chunks } => {
                    if (first..first + outer * chunks).contains(&row) {
                        let (chunk, output) = ((row - first) / outer, (row - first) % outer);
                        let to = ((chunk + 1) * columns).min(*inner);
                        runs.push((0, &values[output * inner + chunk * columns..output * inner + to]));
                    }
                }
            }
        }
        Ok(runs)
    }

    /// The boxes of true weights: `(first row, rows, columns)`, all starting at column zero.
    #[must_use]
    pub fn boxes(&self) -> Vec<(usize, usize, usize)> {
        let columns = 1usize << self.columns_log;
        let mut boxes = Vec::new();
        let (full, rest) = (self.packed_cells / columns, self.packed_cells % columns);
        if full > 0 {
            boxes.push((0, full, columns));
        }
        if rest > 0 {
            boxes.push((full, 1, rest));
        }
        for Placed { slot, outer, inner } in &self.params {
            if let Slot::Rows { first, chunks } = *slot {
                for chunk in 0..chunks {
                    boxes.push((first + chunk * outer, *outer, (inner - chunk * columns).min(columns)));
                }
            }
        }
        boxes
    }
}

/// Places every block in the trace, largest first; statement blocks get rows of their own.
/// Returns the number of cells used, whole rows, which may be more than memory can address.
pub(super) fn place_blocks(blocks: &mut [Block], columns_log: usize) -> u64 {
    let size = |block: &Block| {
        if block.source == Source::Proof { block.log } else { block.log.max(columns_log) }
    };
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by_key(|index| core::cmp::Reverse(size(&blocks[*index])));
    let mut end = 0u64;
    for index in order {
        blocks[index].offset = end;
        end += 1 << size(&blocks[index]);
    }
    end.next_multiple_of(1 << columns_log)
}

/// [`log2_ceil`] of what may not fit a `usize`.
pub(super) fn log2_ceil_u64(value: u64) -> usize {
    value.max(1).next_power_of_two().trailing_zeros() as usize
}

/// The axes of a block that number its rows, where it is larger than a row: the number of rows on
/// each, and its place in a row's number.
fn row_axes(block: &Block, columns_log: usize) -> Block {
    let axes = block.axes.iter().filter(|axis| axis.shift + axis.log > columns_log).map(|axis| {
        let below = columns_log.saturating_sub(axis.shift);
        super::Axis {
            len: axis.len.div_ceil(1 << below),
            log: axis.log - below,
            shift: axis.shift + below - columns_log,
        }
    });
    Block { axes: axes.collect(), log: block.log - columns_log, offset: 0, source: block.source }
}

/// The rows that hold at least one true cell of a block committed in the proof, ascending.
pub(super) fn committed_rows(blocks: &[Block], columns_log: usize) -> Vec<usize> {
    let mut rows = Vec::new();
    for block in blocks.iter().filter(|block| block.source == Source::Proof) {
        let first = (block.offset >> columns_log) as usize;
        if block.log <= columns_log {
            rows.push(first);
        } else {
            row_axes(block, columns_log).for_each(|_, row| rows.push(first + row));
        }
    }
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// How many [`committed_rows`] there are, without listing them.
pub(super) fn committed_row_count(blocks: &[Block], columns_log: usize) -> usize {
    let mut small = Vec::new();
    let mut count = 0usize;
    for block in blocks.iter().filter(|block| block.source == Source::Proof) {
        if block.log <= columns_log {
            small.push(block.offset >> columns_log);
        } else {
            count = count.saturating_add(row_axes(block, columns_log).len());
        }
    }
    small.sort_unstable();
    small.dedup();
    count.saturating_add(small.len())
}

/// Gives every lookup and table its segment of the fraction tree, largest first; the tree has at
/// least `2^least` leaves. Returns the log2 of their number, which may be too large to use.
pub(super) fn place_leaves(circuit: &mut Circuit, least: usize) -> usize {
    let lookups = circuit.lookups.iter().map(|lookup| circuit.blocks[lookup.domain].log);
    let tables = circuit.tables.iter().map(|table| log2_ceil(table.kind.len()));
    let sizes: Vec<usize> = lookups.chain(tables).collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|index| core::cmp::Reverse(sizes[*index]));
    let mut end = 0u64;
    for index in order {
        let split = circuit.lookups.len();
        if index < split {
            circuit.lookups[index].leaf = end;
        } else {
            circuit.tables[index - split].leaf = end;
        }
        end += 1 << sizes[index];
    }
    circuit.leaf_used = end as usize;
    circuit.leaf_log = log2_ceil_u64(end).max(least).max(1);
    circuit.leaf_log
}
