//! The constraint system of a graph: what a trace is, and every relation that it must satisfy.
//!
//! Derived from the public graph alone, by the same code for prover and verifier.
//!
//! The **trace** is one multilinear polynomial `T`. It is made of *blocks*, one for each tensor
//! and one for each kind of auxiliary value (limbs, classes, multiplicities). A block pads every
//! axis of its tensor to a power of two, last axis in the lowest variables, and sits at an
//! offset that its size divides. Cells outside the true extents are *padding*; no relation
//! reads them except as committed, and every sum over elements stops at the true extents.
//!
//! Relations are of three kinds, all stated at one random point `rho`, of which a block of
//! `2^v` cells takes the first `v` coordinates:
//! - a **lookup**: for every cell of a domain, the values of some expressions are an entry of a
//!   table (one fraction tree for all of them);
//! - a **linear relation**: an expression is zero in every cell of its domain;
//! - a **quadratic sum**, part of an expression: `sum_i a(o, i) b(o, i)`.

mod build;
mod key;
mod layout;
mod tables;

pub use build::CircuitError;
pub use layout::{Placed, Run, Slot, WeightLayout};
pub use tables::{Table, TableKind, class};

use alloc::vec::Vec;
use zkml_graph::{OperandAxis, Term};

/// Position of a block in [`Circuit::blocks`]; tensor `t` of the graph is block `t`.
pub type BlockId = usize;

/// Elements of a chunk of a committed input or output.
pub const IO_CHUNK: usize = 256;

/// One axis of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// True extent.
    pub len: usize,
    /// log2 of the padded extent.
    pub log: usize,
    /// Number of variables below this axis.
    pub shift: usize,
}

/// Where a block's cells are committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the rows that a proof brings.
    Proof,
    /// In the statement, as a graph input or output.
    Statement,
    /// In the rows of the verifying key (a key's proof about itself).
    Key,
}

/// A part of the trace.
#[derive(Clone, Debug)]
pub struct Block {
    /// Axes, slowest first.
    pub axes: Vec<Axis>,
    /// log2 of the number of cells with padding.
    pub log: usize,
    /// First cell in the trace, a multiple of `2^log`.
    pub offset: u64,
    /// Where it is committed.
    pub source: Source,
}

/// A linear expression on the cells of a domain, plus quadratic sums.
#[derive(Clone, Debug, Default)]
pub struct Expr {
    /// Added in every cell, padding included.
    pub constant: i64,
    /// Cells of blocks laid out like the domain, with factors; padding included.
    pub cells: Vec<(BlockId, i64)>,
    /// Sums over the true extents, with factors.
    pub sums: Vec<(usize, i64)>,
    /// Quadratic sums over the true extents, with factors.
    pub quads: Vec<(usize, i64)>,
}

/// A sum of affine terms for each element of a domain; see [`zkml_graph::Source`]. Tensors are
/// read as blocks.
#[derive(Clone, Debug)]
pub struct Sum {
    /// Gives the extents of the elements.
    pub domain: BlockId,
    /// The terms.
    pub terms: Vec<Term>,
    /// The node whose accumulator this is.
    pub node: Option<usize>,
}

/// A factor of a quadratic sum.
#[derive(Clone, Debug)]
pub struct Factor {
    /// The block read.
    pub block: BlockId,
    /// What each of its axes follows.
    pub axes: Vec<OperandAxis>,
}

/// `sum_i a(o, i) b(o, i)` for each element `o` of a domain.
#[derive(Clone, Debug)]
pub struct Quad {
    /// Gives the extents of `o`.
    pub domain: BlockId,
    /// First factor.
    pub a: Factor,
    /// Second factor.
    pub b: Factor,
    /// Extents of `i`.
    pub inner: Vec<u32>,
    /// The node whose accumulator this is.
    pub node: Option<usize>,
}

/// Demands that the expressions' values are an entry of a table, in every cell of the domain.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// Position in [`Circuit::tables`].
    pub table: usize,
    /// The cells.
    pub domain: BlockId,
    /// One expression for each column of the table.
    pub columns: Vec<Expr>,
    /// First leaf in the fraction tree, a multiple of the domain's padded size.
    pub leaf: u64,
    /// What it is about, for people.
    pub label: Label,
}

/// Demands that an expression is zero in every cell of the domain.
#[derive(Clone, Debug)]
pub struct Relation {
    /// The cells.
    pub domain: BlockId,
    /// The expression.
    pub expr: Expr,
    /// What it is about, for people.
    pub label: Label,
}

/// Names a check: the operator's node and the property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Position of the node in the graph; `None` for graph inputs and keys.
    pub node: Option<usize>,
    /// The property.
    pub property: Property,
}

/// The properties that are proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Property {
    InputRange,
    Remainder,
    Limb,
    Quotient,
    Saturation,
    Function,
    Maximum,
    Equality,
    DivisionRemainder,
    DivisionComplement,
    DivisionRange,
    Bits,
    BitSum,
    WeightRange,
    WeightPadding,
}

/// Where the auxiliary values of a node live.
#[derive(Clone, Debug)]
pub enum NodeCells {
    /// None: the output is all.
    Plain,
    /// A requantization.
    Requant {
        /// Upper limbs of the remainder.
        remainder: Limbs,
        /// The quotient.
        quotient: Quotient,
    },
    /// A ReLU by bits.
    Bits {
        /// Two's complement bits of the rounded accumulator, on an extra last axis.
        bits: BlockId,
        /// The quotient's magnitude where it is not negative.
        magnitude: BlockId,
    },
    /// An exact division.
    Division {
        /// Upper limbs of the remainder.
        remainder: Limbs,
        /// Upper limbs of what the remainder lacks to the divisor, less one.
        complement: Limbs,
    },
}

/// Upper limbs of a value whose lowest limb is implied.
#[derive(Clone, Debug, Default)]
pub struct Limbs {
    /// Bits of every limb but the last.
    pub bits: usize,
    /// Blocks of limbs 1, 2, ….
    pub upper: Vec<BlockId>,
}

/// How the quotient is committed.
#[derive(Clone, Copy, Debug)]
pub enum Quotient {
    /// It is the output.
    Output,
    /// In one block; a table maps its whole range to the output.
    Whole {
        /// The block.
        block: BlockId,
    },
    /// `domain_min + low + 2^bits * high`, with the class of `high`.
    Split {
        /// The low part.
        low: BlockId,
        /// The high part.
        high: BlockId,
        /// 0 where `high` is zero, 1 where positive, 2 where negative.
        class: BlockId,
        /// Bits of the low part.
        bits: u8,
        /// Subtracted first.
        domain_min: i64,
    },
}

/// The constraint system.
#[derive(Clone, Debug)]
pub struct Circuit {
    /// log2 of the number of columns of every committed matrix.
    pub columns_log: usize,
    /// log2 of the number of cells of the trace.
    pub trace_log: usize,
    /// Cells before this one are used; a multiple of the columns.
    pub trace_used: usize,
    /// log2 of the number of leaves of the fraction tree.
    pub leaf_log: usize,
    /// Leaves before this one are used.
    pub leaf_used: usize,
    /// The trace's blocks.
    pub blocks: Vec<Block>,
    /// The tables; a table's tag is its position.
    pub tables: Vec<Table>,
    /// The lookups.
    pub lookups: Vec<Lookup>,
    /// The linear relations.
    pub relations: Vec<Relation>,
    /// The affine sums.
    pub sums: Vec<Sum>,
    /// The quadratic sums.
    pub quads: Vec<Quad>,
    /// Trace rows that a proof commits, ascending; all other cells are zero or the statement's.
    pub rows: Vec<usize>,
    /// Where the weights are.
    pub weights: WeightLayout,
    /// Auxiliary blocks of every node.
    pub cells: Vec<NodeCells>,
    /// Blocks of the graph inputs and outputs, inputs first.
    pub statement: Vec<BlockId>,
    /// Steps that bounding the accumulators took.
    pub bound_steps: usize,
    /// What a proof sends.
    pub messages: Messages,
}

/// What a proof sends, counted by running the protocol without its arithmetic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Messages {
    /// Hidden scalars that a proof brings.
    pub answered: usize,
    /// Hidden scalars that are their own negated pads and take no byte.
    pub private: usize,
    /// Product constraints, with the blinding one.
    pub products: usize,
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "numbers of axes and of cells, below 2^28 each"
)]
impl Block {
    /// A block of the given extents, not placed yet.
    #[must_use]
    pub fn new(shape: &[u32], source: Source) -> Self {
        let mut shift = 0;
        let mut axes: Vec<Axis> = shape
            .iter()
            .rev()
            .map(|len| {
                let len = *len as usize;
                let log = log2_ceil(len);
                shift += log;
                Axis { len, log, shift: shift - log }
            })
            .collect();
        axes.reverse();
        Self { axes, log: shift, offset: 0, source }
    }

    /// Number of elements without padding.
    #[must_use]
    pub fn len(&self) -> usize {
        self.axes.iter().map(|axis| axis.len).product()
    }

    /// Whether it has no elements: never.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `f(element, cell)` for every element in row-major order, with its cell in the block.
    pub fn for_each(&self, mut f: impl FnMut(usize, usize)) {
        let Some((last, outer)) = self.axes.split_last() else {
            return;
        };
        let mut index = alloc::vec![0usize; outer.len()];
        let mut element = 0;
        loop {
            // One coordinate for each outer axis.
            let base: usize = index.iter().zip(outer).map(|(i, axis)| i << axis.shift).sum();
            for i in 0..last.len {
                f(element, base + i);
                element += 1;
            }
            let mut axis = outer.len();
            loop {
                if axis == 0 {
                    return;
                }
                axis -= 1;
                index[axis] += 1;
                if index[axis] < outer[axis].len {
                    break;
                }
                index[axis] = 0;
            }
        }
    }
}

impl Circuit {
    /// Number of hidden scalars of a proof, and so of pads.
    #[must_use]
    pub fn hidden_count(&self) -> usize {
        self.messages.answered.saturating_add(self.messages.private)
    }

    /// log2 of the number of product constraints, with the blinding one.
    #[must_use]
    pub fn product_log(&self) -> usize {
        log2_ceil(self.messages.products)
    }

    /// Variables of the largest quadratic sum.
    #[must_use]
    pub fn quad_log(&self) -> usize {
        self.quads.iter().map(|quad| QuadShape::new(self, quad).log).max().unwrap_or(0)
    }

    /// Number of columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        1 << self.columns_log
    }

    /// Number of elements of each graph input and output.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "a circuit's own blocks")]
    pub fn statement_lens(&self) -> Vec<usize> {
        self.statement.iter().map(|block| self.blocks[*block].len()).collect()
    }
}

/// The variables of a quadratic sum's own sum-check: output axes that both factors follow
/// (batch), then the indices of the sum.
#[derive(Clone, Debug)]
pub struct QuadShape {
    /// Output axes that both factors follow, with their place among the variables.
    pub batch: Vec<(usize, Axis)>,
    /// Indices of the sum, with their place among the variables.
    pub inner: Vec<Axis>,
    /// Number of variables.
    pub log: usize,
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a circuit's own blocks, of at most nine axes"
)]
impl QuadShape {
    /// The shape of a quadratic sum.
    #[must_use]
    pub fn new(circuit: &Circuit, quad: &Quad) -> Self {
        let follows = |factor: &Factor, axis: usize| factor.axes.contains(&OperandAxis::Out(axis as u32));
        let domain = &circuit.blocks[quad.domain].axes;
        let mut log = 0;
        let mut place = |len: usize| {
            let axis = Axis { len, log: log2_ceil(len), shift: log };
            log += axis.log;
            axis
        };
        let inner: Vec<Axis> = quad.inner.iter().rev().map(|len| place(*len as usize)).collect();
        let batch: Vec<(usize, Axis)> = (0..domain.len())
            .rev()
            .filter(|axis| follows(&quad.a, *axis) && follows(&quad.b, *axis))
            .map(|axis| (axis, place(domain[axis].len)))
            .collect();
        Self { batch: batch.into_iter().rev().collect(), inner: inner.into_iter().rev().collect(), log }
    }
}

/// log2 of the least power of two that is not below `value`.
#[must_use]
pub fn log2_ceil(value: usize) -> usize {
    value.max(1).next_power_of_two().trailing_zeros() as usize
}

impl core::fmt::Display for Property {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::InputRange => "graph input in range",
            Self::Remainder => "remainder of the rescaling in range",
            Self::Limb => "limb in range",
            Self::Quotient => "quotient follows from the accumulator",
            Self::Saturation => "class of the quotient's high part",
            Self::Function => "output is the function of the quotient",
            Self::Maximum => "output is the maximum",
            Self::Equality => "output equals the accumulator",
            Self::DivisionRemainder => "remainder of the division is not negative",
            Self::DivisionComplement => "remainder of the division is below the divisor",
            Self::DivisionRange => "quotient of the division in range",
            Self::Bits => "bits are bits",
            Self::BitSum => "bits add up",
            Self::WeightRange => "weight in range",
            Self::WeightPadding => "padding of the weights is zero",
        })
    }
}
