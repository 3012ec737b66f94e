//! What a verification costs, from the circuit alone, before any of it is done.
//!
//! A graph of a few hundred bytes can demand 2^40 field products of a verifier, so whoever verifies
//! for others (a chain) must know and charge the cost first. [`Circuit::cost`] follows the loops of
//! [`kernel`](crate::kernel) and [`protocol`](crate::protocol) with the extents instead of the
//! elements; it takes time in proportion to the terms of the circuit. Everything that is not a
//! product of two scalars (square roots, hashes, tables of functions) counts as the number of
//! products that take as long in wasm. The end-to-end tests compare the counts with what a wasm
//! engine executes, for honest models and for hostile ones.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a circuit's own blocks; its counts are below 2^32, and what is multiplied beyond that saturates"
)]

use crate::circuit::{Block, BlockId, Circuit, Expr, Placed, Quad, QuadShape, Slot, Sum, TableKind};
use crate::key::VerifierKey;
use crate::proof::{Body, HEADER_BYTES};
use crate::statement::{chunk_count, element_count, tensors, value_bytes};
use alloc::vec;
use alloc::vec::Vec;
use zkml_core::ipa::round_count;
use zkml_graph::work::{elements, multiply_accumulates, weights};
use zkml_graph::{AxisMap, FunctionKind, Graph, Source, Term, Weight};

/// Upper bounds of what one verification takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Products in the scalar field, and what counts as such.
    pub field_products: u64,
    /// Points of key, statement and proof in the multi-scalar multiplication.
    pub own_points: u64,
    /// Generators in it.
    pub generators: u64,
    /// Bytes of the longest proof.
    pub proof_bytes: u64,
    /// Bytes of the verifying key.
    pub key_bytes: u64,
    /// Bytes of memory beside key and proof.
    pub memory_bytes: u64,
}

impl Cost {
    /// Field products that nobody needs to be asked about: seconds, natively. The largest models of the
    /// tests take a hundredth of it.
    pub const ORDINARY_PRODUCTS: u64 = 1 << 30;
    /// Bytes of memory that nobody needs to be asked about.
    pub const ORDINARY_MEMORY: u64 = 1 << 32;

    /// Whether somebody who verifies for itself should go on without being asked. A key of a few
    /// kilobytes from a stranger can demand hours: its [cost](VerifierKey::cost) says so before any
    /// of it is done. Who verifies for others has its own limits, and charges.
    #[must_use]
    pub fn is_ordinary(&self) -> bool {
        self.field_products <= Self::ORDINARY_PRODUCTS && self.memory_bytes <= Self::ORDINARY_MEMORY
    }
}

/// The cost as the chain counts it: a claim that comes with a key.
#[cfg(feature = "claim")]
impl TryFrom<Cost> for cyborg_primitives::verification::Cost {
    type Error = core::num::TryFromIntError;

    fn try_from(cost: Cost) -> Result<Self, Self::Error> {
        Ok(Self {
            field_products: cost.field_products,
            own_points: cost.own_points.try_into()?,
            generators: cost.generators.try_into()?,
            key_bytes: cost.key_bytes.try_into()?,
            proof_bytes: cost.proof_bytes.try_into()?,
        })
    }
}

/// What running and proving a model takes, from its key alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Multiply-accumulates of an inference.
    pub inference_macs: u64,
    /// Work of a proof, in multiply-accumulates that take as long.
    pub proof_macs: u64,
    /// Least memory of an inference in bytes: the weights, and the largest activation.
    pub memory_bytes: u64,
}

/// Field products of a prover for each element of the argument, leaf of the tree, and cell of the
/// trace, in round numbers from profiles; a weight takes about one.
const PROOF_PRODUCTS: [u64; 3] = [3000, 60, 20];
/// Multiply-accumulates of small integers that take as long as a field product, natively.
const PRODUCT_MACS: u64 = 100;

/// In units of a field product, measured in wasm: a compressed point read (a square root).
const SQUARE_ROOT: u64 = 360;
/// A point absorbed: two conversions and two blocks of a hash.
const ABSORBED_POINT: u64 = 10;
/// A hidden scalar read and absorbed.
const HIDDEN_SCALAR: u64 = 8;
/// A challenge.
const CHALLENGE: u64 = 10;
/// A field inversion.
const INVERSION: u64 = 150;
/// An uncompressed point checked.
const RAW_POINT: u64 = 10;
/// What a term or a cell of an expression takes beside its loops.
const TERM: u64 = 16;
/// Additions, copies or steps of bounding accumulators that take as long as a product.
const ADDITIONS: u64 = 8;
/// Additions that a term of a lazily reduced sum of integers times scalars stands for.
const WIDE_TERM: u64 = 4;
/// Bytes of a scalar in memory, with a coordinate beside it.
const SCALAR_BYTES: u64 = 40;

/// A count that does not overflow.
#[derive(Clone, Copy, Default)]
struct Count(u64);

impl Count {
    fn add(&mut self, more: u64) {
        self.0 = self.0.saturating_add(more);
    }

    fn times(&mut self, each: u64, count: u64) {
        self.add(each.saturating_mul(count));
    }
}

/// Products and scalars kept.
#[derive(Default)]
struct Walk<'a> {
    blocks: &'a [Block],
    params: &'a [Placed],
    trace_log: u64,
    products: Count,
    additions: Count,
    kept: Count,
    /// Blocks whose tables the end of stage 4 has.
    tabled: Vec<bool>,
}

impl VerifierKey {
    /// The greatest cost of verifying a proof for this key, or the key's proof about itself.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let graph = self.graph();
        let own = Circuit::for_key(self.circuit(), graph.weight_bits);
        let (mut cost, key) = (self.circuit().cost(graph), own.body_cost());
        let rows = self.rows().len() as u64;
        let decoded =
            rows.saturating_mul(RAW_POINT).saturating_add(self.circuit().bound_steps as u64 / ADDITIONS * 2);
        // Every verification reads the key's proof about itself too.
        cost.field_products = cost
            .field_products
            .max(key.field_products)
            .saturating_add(decoded)
            .saturating_add(read_cost(&own));
        cost.own_points = cost.own_points.max(key.own_points.saturating_add(rows));
        cost.generators = cost.generators.max(key.generators);
        cost.memory_bytes = cost.memory_bytes.max(key.memory_bytes);
        cost.key_bytes = self.byte_count() as u64;
        cost
    }
}

/// What running and proving a model takes. Tariffs are made of it: a rule, no measurement.
#[must_use]
pub fn work(graph: &Graph, circuit: &Circuit) -> Work {
    let (macs, weights) = (multiply_accumulates(graph), weights(graph));
    let [element, leaf, cell] = PROOF_PRODUCTS;
    let mut products = Count(weights);
    products.times(element, (circuit.columns() + circuit.hidden_count()) as u64);
    products.times(leaf, circuit.leaf_used as u64);
    products.times(cell, circuit.trace_used as u64);
    let largest = (0..graph.tensors.len() as u32).map(|tensor| elements(graph, tensor)).max().unwrap_or(0);
    let width = if graph.weight_bits > 8 { 2 } else { 1 };
    Work {
        inference_macs: macs,
        proof_macs: macs.saturating_add(products.0.saturating_mul(PRODUCT_MACS)),
        memory_bytes: weights.saturating_mul(width).saturating_add(largest.saturating_mul(8)),
    }
}

/// Products that reading a proof's body takes.
fn read_cost(circuit: &Circuit) -> u64 {
    let rounds = round_count(circuit.columns() + circuit.hidden_count());
    let points = circuit.rows.len() + 2 + 2 * rounds;
    points as u64 * SQUARE_ROOT
}

impl Circuit {
    /// The greatest cost of verifying a proof for this circuit of a graph, over all forms of the
    /// statement; without the key's bytes.
    #[must_use]
    pub fn cost(&self, graph: &Graph) -> Cost {
        let mut cost = self.body_cost();
        let mut products = Count(cost.field_products);
        let mut bytes = Count((HEADER_BYTES + Body::size(self)) as u64);
        for tensor in tensors(graph) {
            let len = element_count(tensor);
            let (chunks, values) = (chunk_count(len) as u64, (len * value_bytes(tensor)) as u64);
            bytes.add(values.max(32 * chunks));
            products.times(SQUARE_ROOT + ABSORBED_POINT, chunks);
            cost.own_points = cost.own_points.saturating_add(chunks);
        }
        products.times(1, self.weights.rows as u64 * 4);
        cost.own_points = cost.own_points.saturating_add(self.weights.rows as u64);
        cost.proof_bytes = bytes.0;
        cost.field_products = products.0;
        cost
    }

    /// The cost without the statement's and the key's points.
    fn body_cost(&self) -> Cost {
        let hidden = self.hidden_count() as u64;
        let (columns, rows) = (self.columns() as u64, self.rows.len() as u64);
        let rounds = round_count(self.columns() + self.hidden_count()) as u64;
        let mut walk = Walk {
            blocks: &self.blocks,
            params: &self.weights.params,
            trace_log: self.trace_log as u64,
            tabled: vec![false; self.blocks.len()],
            ..Walk::default()
        };
        let products = &mut walk.products;
        products.add(read_cost(self));
        products.times(ABSORBED_POINT, rows + 2 + 2 * rounds);
        products.times(HIDDEN_SCALAR, hidden + 4);
        self.stages(products);
        self.relation_cost(&mut walk);
        self.column_cost(&mut walk);
        // The inner-product argument, the sum of a batch's equations, and each row's scalar.
        walk.products.times(4, columns + hidden);
        walk.products.times(INVERSION + CHALLENGE + 8, rounds + 1);
        walk.products.times(3, rows);
        walk.kept.add(4 * (columns + hidden));
        let own_points = rows + 2 + 2 * rounds;
        let products = walk.products.0.saturating_add(walk.additions.0 / ADDITIONS);
        // Twice the points for the endomorphism, with digits and sorted copies.
        let group_bytes = (own_points + columns + hidden) * 1024;
        Cost {
            field_products: products,
            own_points,
            generators: columns + hidden + 2,
            proof_bytes: (HEADER_BYTES + Body::size(self)) as u64,
            key_bytes: 0,
            memory_bytes: walk.kept.0.saturating_mul(SCALAR_BYTES).saturating_add(group_bytes),
        }
    }

    /// Linear forms, challenges and inversions of all stages.
    fn stages(&self, products: &mut Count) {
        let (leaf, trace, columns) = (self.leaf_log as u64, self.trace_log as u64, self.columns_log as u64);
        let (quads, quad) = (self.quads.len() as u64, self.quad_log() as u64);
        let constraints = 1u64 << self.product_log();
        for layer in 0..leaf {
            products.add(layer * layer + 16 * layer + CHALLENGE * (layer + 2) + INVERSION);
        }
        products.add(2 * quad * quad + (CHALLENGE + 8) * quad + quads * (quad + 24));
        products.times(2 * trace + 2 * quads + CHALLENGE + 16, trace);
        products.times(2 * columns + CHALLENGE + 16, columns);
        products.add(24 * constraints + INVERSION + 2 * (CHALLENGE + 16) * self.product_log() as u64);
        products.add(4 * self.hidden_count() as u64);
    }

    /// Stage 2 to the end of stage 4.
    fn relation_cost(&self, walk: &mut Walk<'_>) {
        let leaf = self.leaf_log as u64;
        for lookup in &self.lookups {
            walk.products.add(leaf + 2 * table_cells(&self.blocks[lookup.domain]));
            lookup.columns.iter().for_each(|expr| walk.expression(expr));
        }
        for relation in &self.relations {
            walk.expression(&relation.expr);
        }
        let greatest =
            self.tables.iter().map(|table| self.blocks[table.multiplicities].log).max().unwrap_or(0);
        walk.products.add(2 << greatest);
        walk.kept.add(2 << greatest);
        for table in &self.tables {
            walk.products.add(leaf + TERM);
            walk.table(&table.kind);
            walk.kept.add(1 << self.blocks[table.multiplicities].log);
            walk.separable(table.multiplicities);
        }
        // One kernel for the cells of each block.
        walk.products.times(self.trace_log as u64 + TERM, self.blocks.len() as u64);
        walk.products.add(2 * self.trace_log as u64);
        for sum in &self.sums {
            walk.sum(sum);
        }
        for quad in &self.quads {
            walk.quad(self, quad);
        }
    }

    /// Stage 5 and the combination.
    fn column_cost(&self, walk: &mut Walk<'_>) {
        let columns = self.columns() as u64;
        let rows = 1u64 << self.trace_log.saturating_sub(self.columns_log);
        walk.products.add(rows + 6 * columns);
        walk.kept.add(rows + 2 * columns);
        // Values, their copies and the dot products.
        let packed = self.weights.packed_cells as u64;
        walk.products.add(2 * packed + 2 * self.weights.rows as u64);
        walk.kept.add(2 * packed);
        for Placed { slot, outer, inner } in &self.weights.params {
            if let Slot::Rows { chunks, .. } = slot {
                walk.products.add(2 * *inner as u64 + (*outer * *chunks) as u64 + TERM);
                walk.kept.add(2 * *inner as u64 + (*outer * (*chunks + 1)) as u64);
            }
        }
        for block in self.statement.iter().map(|block| &self.blocks[*block]) {
            let elements = outer(block.axes.iter().map(|axis| axis.len as u64));
            walk.products.add(table_cells(block).saturating_add(elements.saturating_mul(4)));
            walk.products.add(self.trace_log as u64);
            walk.kept.add(elements.saturating_mul(3));
            // Behind the values: a sum for each length of a chunk, of which a tensor has two at most.
            walk.products.add(8 * self.columns_log as u64 + 3 * chunk_count(block.len()) as u64);
        }
        walk.products.add(CHALLENGE + self.columns_log as u64);
    }
}

/// Cells of the tables on all axes of a block.
fn table_cells(block: &Block) -> u64 {
    block.axes.iter().map(|axis| 1u64 << axis.log).sum()
}

/// Products of an outer product of vectors.
fn outer(lens: impl Iterator<Item = u64>) -> u64 {
    let mut size = 1u64;
    let mut total = 0u64;
    for len in lens {
        size = size.saturating_mul(len);
        total = total.saturating_add(size);
    }
    total
}

/// Products that take as long as one value of a function.
fn value_cost(kind: FunctionKind, same_scale: bool) -> u64 {
    match kind {
        FunctionKind::Identity if same_scale => 1,
        FunctionKind::ArgIndex { .. } => 1,
        FunctionKind::Identity
        | FunctionKind::LeakyRelu { .. }
        | FunctionKind::HardSigmoid { .. }
        | FunctionKind::HardSwish
        | FunctionKind::Abs
        | FunctionKind::Square
        | FunctionKind::Floor
        | FunctionKind::Ceil
        | FunctionKind::Round
        | FunctionKind::Truncate { .. } => 4,
        FunctionKind::Sqrt | FunctionKind::Rsqrt | FunctionKind::Reciprocal => 8,
        FunctionKind::Gelu | FunctionKind::Erf => 100,
        _ => 30,
    }
}

impl Walk<'_> {
    fn expression(&mut self, expr: &Expr) {
        let parts = 1 + expr.cells.len() + expr.sums.len() + expr.quads.len();
        self.products.times(4, parts as u64);
    }

    fn table(&mut self, kind: &TableKind) {
        let len = kind.len() as u64;
        let values = match kind {
            TableKind::Range { .. } | TableKind::Class { .. } | TableKind::Positive { .. } => 0,
            TableKind::Whole { domain_bits, function, .. }
            | TableKind::Split { domain_bits, function, .. } => {
                let each = value_cost(function.kind, function.in_scale == function.out_scale);
                each.saturating_mul(1 << domain_bits)
            }
        };
        self.products.add(values);
        // At most three columns, generated and summed up.
        self.additions.times(3 * (WIDE_TERM + 2), len);
        self.kept.add(len);
    }

    /// A kernel that factors over the axes of a block, and its value at the end of stage 4.
    fn separable(&mut self, block: BlockId) {
        let axes = &self.blocks[block].axes;
        let cells: u64 = axes.iter().map(|axis| axis.len as u64).sum();
        self.products.add(cells);
        self.kept.add(cells);
        self.end(block);
    }

    /// What the end of stage 4 has for each kernel: selector, and once the block's tables.
    fn end(&mut self, block: BlockId) {
        self.products.add(self.trace_log + TERM);
        if let Some(tabled) = self.tabled.get_mut(block)
            && !core::mem::replace(tabled, true)
        {
            let cells = table_cells(&self.blocks[block]);
            self.products.add(cells);
            self.kept.add(cells);
        }
    }

    fn sum(&mut self, sum: &Sum) {
        self.products.add(table_cells(&self.blocks[sum.domain]));
        for term in &sum.terms {
            self.term(term);
        }
    }

    fn term(&mut self, term: &Term) {
        let region = |axis: u32| term.region.get(axis as usize).map_or(1, |(_, len)| u64::from(*len));
        let lens: u64 = term.region.iter().map(|(_, len)| u64::from(*len)).sum();
        self.products.add(TERM);
        self.additions.times(3, lens);
        match &term.source {
            Source::Constant(_) => {}
            Source::Index { axis, .. } => self.products.times(2, region(*axis)),
            Source::Bias { param, outer_axes } => {
                self.products.add(outer(outer_axes.iter().map(|axis| region(*axis))));
                self.kept.add(outer_axes.iter().map(|axis| region(*axis)).sum());
                self.weights(*param);
            }
            Source::Reshape { tensor, .. } => {
                let block = *tensor as usize;
                let output = outer(term.region.iter().map(|(_, len)| u64::from(*len)));
                let input = outer(self.blocks[block].axes.iter().map(|axis| axis.len as u64));
                self.products.add(output.saturating_add(input).saturating_mul(2));
                self.kept.add(output.saturating_add(input));
                self.end(block);
            }
            Source::Tensor { tensor, inner, map, weight } => {
                let extent = |map: &AxisMap| {
                    let outs = map.out.map_or(1, |(axis, _)| region(axis));
                    let inners = map
                        .inner
                        .map_or(1, |(dim, _)| inner.get(dim as usize).map_or(1, |len| u64::from(*len)));
                    outs.saturating_mul(inners)
                };
                let block = *tensor as usize;
                match weight {
                    Weight::Public(_) => {
                        map.iter().for_each(|map| self.additions.add(extent(map)));
                        self.separable(block);
                    }
                    Weight::Param { param, outer_axes } => {
                        for map in map {
                            // Entries are kept, and multiplied at the end of stage 4.
                            self.products.add(extent(map));
                            self.additions.times(2, extent(map));
                            self.kept.add(extent(map));
                        }
                        self.separable(block);
                        let rows = outer(outer_axes.iter().map(|axis| region(*axis)));
                        let values = outer(inner.iter().map(|len| u64::from(*len)));
                        self.products.add(rows.saturating_add(values));
                        self.kept.add(rows.saturating_add(values).saturating_mul(2));
                        self.weights(*param);
                    }
                }
            }
        }
    }

    /// Coefficients added to the weights.
    fn weights(&mut self, param: u32) {
        let Some(Placed { slot, outer, inner }) = self.params.get(param as usize) else {
            return;
        };
        let (outer, inner) = (*outer as u64, *inner as u64);
        match slot {
            Slot::Packed { .. } => self.products.add(outer.saturating_mul(inner)),
            Slot::Rows { .. } => self.products.add(outer.saturating_add(inner)),
        }
    }

    fn quad(&mut self, circuit: &Circuit, quad: &Quad) {
        let domain = &circuit.blocks[quad.domain];
        let shape = QuadShape::new(circuit, quad);
        self.products.add(table_cells(domain));
        self.products.add(2 * (shape.log + shape.batch.len()) as u64 + TERM);
        for factor in [&quad.a, &quad.b] {
            // Tables on all axes, cut to their extents.
            self.products.add(table_cells(&self.blocks[factor.block]));
            self.kept.add(table_cells(&self.blocks[factor.block]));
            self.separable(factor.block);
        }
    }
}
