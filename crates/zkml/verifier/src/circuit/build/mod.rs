//! From a graph to its circuit: the relations of every operator, once for prover and verifier.

mod bits;
mod division;
mod epilogue;
mod maximum;

use super::layout::{
    WeightLayout, committed_row_count, committed_rows, log2_ceil_u64, place_blocks, place_leaves,
};
use super::tables::{Table, TableKind};
use super::{
    Block, BlockId, Circuit, Expr, Factor, IO_CHUNK, Label, Limbs, Lookup, Messages, NodeCells, Property,
    Quad, Relation, Source, Sum, log2_ceil,
};
use crate::protocol::count;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use thiserror::Error;
use zkml_core::group::{MAX_COLUMNS, MAX_PADS};
use zkml_core::zip::Unequal;
use zkml_graph::bounds::{BoundsError, step_budget};
use zkml_graph::{Graph, Node, Op, Term, Weight};

/// A valid graph that cannot be proven.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CircuitError {
    /// An accumulator may leave the range that is provably free of wrap-around.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
    /// A range or table would need too many entries.
    #[error("node {node}: {property} needs a table of 2^{log} entries, more than 2^{MAX_TABLE_LOG}")]
    TableTooLarge {
        /// Position of the node.
        node: usize,
        /// The check.
        property: Property,
        /// log2 of the entries.
        log: usize,
    },
    /// A function's arguments are too far from zero: `2^shift` times the least of them is 2^63
    /// or more.
    #[error("node {node}: arguments from {domain_min} on are too far from zero for shift {shift}")]
    Domain {
        /// Position of the node.
        node: usize,
        /// The least argument.
        domain_min: i64,
        /// Bits dropped.
        shift: u8,
    },
    /// The trace is larger than a proof can have.
    #[error("the trace has 2^{log} cells, more than 2^{MAX_TRACE_LOG}")]
    TraceTooLarge {
        /// log2 of the cells.
        log: usize,
    },
    /// The fraction tree has more leaves than a proof can have.
    #[error("the lookups have 2^{log} leaves, more than 2^{MAX_LEAF_LOG}")]
    TreeTooLarge {
        /// log2 of the leaves.
        log: usize,
    },
    /// The weights, with their padding, have more cells than a key's proof can have.
    #[error("the weights have 2^{log} cells with padding, more than 2^{MAX_WEIGHT_LOG}")]
    WeightsTooLarge {
        /// log2 of the cells.
        log: usize,
    },
    /// A proof would have more hidden scalars than there are generators.
    #[error("a proof would hide {count} scalars, more than {MAX_PADS}")]
    TooManyHidden {
        /// The number.
        count: usize,
    },
    /// A graph that has not passed validation: lists that belong together have different lengths.
    #[error(transparent)]
    Unequal(#[from] Unequal),
}

/// Greatest log2 of the entries of a table.
const MAX_TABLE_LOG: usize = 18;
/// Greatest log2 of the cells of a trace.
const MAX_TRACE_LOG: usize = 28;
/// Greatest log2 of the leaves of the fraction tree.
const MAX_LEAF_LOG: usize = 30;
/// Greatest log2 of the cells of all weight rows.
const MAX_WEIGHT_LOG: usize = 30;
/// log2 of the least and greatest number of columns.
const COLUMNS_LOG: core::ops::RangeInclusive<usize> =
    log2_ceil_const(IO_CHUNK)..=log2_ceil_const(MAX_COLUMNS);

const fn log2_ceil_const(value: usize) -> usize {
    value.next_power_of_two().trailing_zeros() as usize
}

impl Circuit {
    /// Derives the circuit of a graph that has passed [`zkml_graph::validate`].
    ///
    /// # Errors
    /// Returns an error if the graph is valid, but beyond what can be proven.
    pub fn new(graph: &Graph) -> Result<Self, CircuitError> {
        let mut builder = Builder::new(graph);
        for tensor in &graph.inputs {
            builder.input(*tensor as usize);
        }
        for (index, node) in graph.nodes.iter().enumerate() {
            let cells = builder.node(index, node)?;
            builder.circuit.cells.push(cells);
            // Bits make a hundred terms of a node; each of their nodes has quadratic sums.
            let count = builder.circuit.quads.len().saturating_mul(3);
            if count > MAX_PADS {
                return Err(CircuitError::TooManyHidden { count });
            }
        }
        builder.finish()
    }
}

struct Builder<'a> {
    graph: &'a Graph,
    circuit: Circuit,
    limb_bits: usize,
    /// Position of each table.
    tables: BTreeMap<TableKind, usize>,
    /// Steps that are left for bounding accumulators.
    steps: usize,
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a validated graph names its own tensors, and the builder its own blocks; extents are below 2^28, values within 2^48"
)]
impl<'a> Builder<'a> {
    fn new(graph: &'a Graph) -> Self {
        let mut blocks: Vec<Block> =
            graph.tensors.iter().map(|tensor| Block::new(&tensor.shape, Source::Proof)).collect();
        let statement: Vec<BlockId> =
            graph.inputs.iter().chain(&graph.outputs).map(|id| *id as usize).collect();
        for block in &statement {
            blocks[*block].source = Source::Statement;
        }
        let elements: usize = graph.nodes.iter().map(|node| blocks[node.output as usize].len()).sum();
        Self {
            graph,
            limb_bits: log2_ceil(elements).clamp(8, 14),
            tables: BTreeMap::new(),
            steps: step_budget(graph),
            circuit: Circuit {
                columns_log: 0,
                trace_log: 0,
                trace_used: 0,
                leaf_log: 0,
                leaf_used: 0,
                blocks,
                tables: Vec::new(),
                lookups: Vec::new(),
                relations: Vec::new(),
                sums: Vec::new(),
                quads: Vec::new(),
                rows: Vec::new(),
                weights: WeightLayout::default(),
                cells: Vec::new(),
                statement,
                bound_steps: 0,
                messages: Messages::default(),
            },
        }
    }

    fn input(&mut self, tensor: usize) {
        let (min, max) = (self.graph.tensors[tensor].min, self.graph.tensors[tensor].max);
        let table = self.table(TableKind::Range { len: (max - min + 1) as usize });
        let column = Expr { constant: -min, cells: vec![(tensor, 1)], ..Expr::default() };
        self.lookup(table, tensor, vec![column], Label { node: None, property: Property::InputRange });
    }

    fn node(&mut self, index: usize, node: &Node) -> Result<NodeCells, CircuitError> {
        let output = node.output as usize;
        match &node.op {
            Op::Affine { terms, epilogue } => {
                self.circuit.sums.push(Sum { domain: output, terms: terms.clone(), node: Some(index) });
                let accumulator = Expr { sums: vec![(self.circuit.sums.len() - 1, 1)], ..Expr::default() };
                self.epilogue(index, node, epilogue, accumulator)
            }
            Op::Product { a, b, inner, epilogue } => {
                let factor = |operand: &zkml_graph::Operand| Factor {
                    block: operand.tensor as usize,
                    axes: operand.axes.clone(),
                };
                self.circuit.quads.push(Quad {
                    domain: output,
                    a: factor(a),
                    b: factor(b),
                    inner: inner.clone(),
                    node: Some(index),
                });
                let accumulator = Expr { quads: vec![(self.circuit.quads.len() - 1, 1)], ..Expr::default() };
                self.epilogue(index, node, epilogue, accumulator)
            }
            Op::Max { a, b } => {
                self.maximum(index, output, a, b)?;
                Ok(NodeCells::Plain)
            }
            Op::Normalize { numerator, axis, shift } => {
                self.division(index, output, *numerator as usize, *axis as usize, *shift)
            }
        }
    }

    /// Proves `0 <= expr < 2^bits` with limbs of balanced width; the lowest limb is implied.
    fn range(
        &mut self,
        index: usize,
        domain: BlockId,
        expr: Expr,
        bits: usize,
        property: Property,
    ) -> Result<Limbs, CircuitError> {
        let count = bits.div_ceil(self.limb_bits);
        let width = bits.div_ceil(count);
        let mut lowest = expr;
        let mut upper = Vec::new();
        for limb in 1..count {
            let block = self.auxiliary(domain);
            let width_here = width.min(bits - limb * width);
            let table = self.table(TableKind::Range { len: 1 << width_here });
            let column = Expr::default().minus_cell(block, -1);
            self.lookup(table, domain, vec![column], Label { node: Some(index), property: Property::Limb });
            lowest = lowest.minus_cell(block, 1 << (limb * width));
            upper.push(block);
        }
        let table = self.table(TableKind::Range { len: 1 << width.min(bits) });
        self.lookup(table, domain, vec![lowest], Label { node: Some(index), property });
        Ok(Limbs { bits: width, upper })
    }

    fn equality(&mut self, index: usize, output: BlockId, expr: Expr) {
        self.relation(output, expr, Label { node: Some(index), property: Property::Equality });
    }

    fn relation(&mut self, domain: BlockId, expr: Expr, label: Label) {
        // Rounding constants belong to true elements only, in relations as in sums.
        let mut expr = expr;
        if expr.constant != 0 {
            let region = self.circuit.blocks[domain].axes.iter().map(|axis| (0, axis.len as u32)).collect();
            let term = Term { region, source: zkml_graph::Source::Constant(expr.constant) };
            self.circuit.sums.push(Sum { domain, terms: vec![term], node: None });
            expr.sums.push((self.circuit.sums.len() - 1, 1));
            expr.constant = 0;
        }
        self.circuit.relations.push(Relation { domain, expr, label });
    }

    fn lookup(&mut self, table: usize, domain: BlockId, columns: Vec<Expr>, label: Label) {
        self.circuit.lookups.push(Lookup { table, domain, columns, leaf: 0, label });
    }

    fn table(&mut self, kind: TableKind) -> usize {
        if let Some(found) = self.tables.get(&kind) {
            return *found;
        }
        self.circuit.blocks.push(Block::new(&[kind.len() as u32], Source::Proof));
        let multiplicities = self.circuit.blocks.len() - 1;
        let table = self.circuit.tables.len();
        self.tables.insert(kind.clone(), table);
        self.circuit.tables.push(Table { kind, multiplicities, leaf: 0 });
        table
    }

    fn auxiliary(&mut self, like: BlockId) -> BlockId {
        let mut block = self.circuit.blocks[like].clone();
        block.source = Source::Proof;
        self.circuit.blocks.push(block);
        self.circuit.blocks.len() - 1
    }

    fn finish(mut self) -> Result<Circuit, CircuitError> {
        let dense = dense_params(self.graph);
        let place = |circuit: &mut Circuit, columns_log: usize| {
            circuit.columns_log = columns_log;
            let used = place_blocks(&mut circuit.blocks, columns_log);
            // Hostile graphs end here, before work that grows with their cells.
            let log = log2_ceil_u64(used);
            if log > MAX_TRACE_LOG {
                return Err(CircuitError::TraceTooLarge { log });
            }
            circuit.trace_used = used as usize;
            circuit.trace_log = log;
            circuit.weights = WeightLayout::new(&self.graph.params, &dense, columns_log)?;
            let log = log2_ceil_u64((circuit.weights.rows as u64) << columns_log);
            if log > MAX_WEIGHT_LOG {
                return Err(CircuitError::WeightsTooLarge { log });
            }
            Ok(())
        };
        // Group operations of a verifier; a proof's row costs its bytes and a square root too.
        let cost = |circuit: &Circuit| {
            let rows = committed_row_count(&circuit.blocks, circuit.columns_log);
            circuit.columns() + circuit.weights.rows + 4 * rows
        };
        let mut best = (usize::MAX, *COLUMNS_LOG.start());
        for columns_log in COLUMNS_LOG {
            if place(&mut self.circuit, columns_log).is_ok() {
                best = best.min((cost(&self.circuit), columns_log));
            }
        }
        place(&mut self.circuit, best.1)?;
        self.circuit.rows = committed_rows(&self.circuit.blocks, best.1);
        self.circuit.bound_steps = step_budget(self.graph) - self.steps;
        let relations =
            self.circuit.relations.iter().map(|relation| self.circuit.blocks[relation.domain].log);
        let least = relations.max().unwrap_or(0);
        let log = place_leaves(&mut self.circuit, least);
        if log > MAX_LEAF_LOG {
            return Err(CircuitError::TreeTooLarge { log });
        }
        self.circuit.messages = count(&self.circuit);
        let count = self.circuit.hidden_count();
        if count > MAX_PADS {
            return Err(CircuitError::TooManyHidden { count });
        }
        Ok(self.circuit)
    }
}

impl Expr {
    #[expect(clippy::arithmetic_side_effects, reason = "factors are powers of two below 2^63")]
    fn minus_cell(mut self, block: BlockId, factor: i64) -> Self {
        self.cells.push((block, -factor));
        self
    }
}

/// Whether each parameter is a plain matrix of one term: no bias, no row tied to a coordinate.
#[expect(clippy::indexing_slicing, reason = "a validated graph names its own parameters")]
fn dense_params(graph: &Graph) -> Vec<bool> {
    let mut dense = vec![false; graph.params.len()];
    for node in &graph.nodes {
        let Op::Affine { terms, .. } = &node.op else {
            continue;
        };
        for term in terms {
            if let zkml_graph::Source::Tensor { map, weight: Weight::Param { param, outer_axes }, .. } =
                &term.source
            {
                let tied = map.iter().any(|map| map.out.is_some_and(|(axis, _)| outer_axes.contains(&axis)));
                dense[*param as usize] = !tied;
            }
        }
    }
    dense
}

/// Half of `2^shift`, or zero.
#[expect(clippy::arithmetic_side_effects, reason = "the shift is not zero")]
fn half(shift: u8) -> i64 {
    if shift == 0 { 0 } else { 1 << (shift - 1) }
}
