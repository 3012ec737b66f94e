//! The circuit of a key's proof about itself: every committed weight is in range, padding is
//! zero. The weight rows themselves are the trace; the proof brings only multiplicities.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the model's circuit has at most 2^30 cells of weights"
)]

use super::layout::{committed_rows, place_leaves};
use super::tables::{Table, TableKind};
use super::{
    Block, Circuit, Expr, Label, Lookup, Messages, Property, Relation, Source, Sum, WeightLayout, log2_ceil,
};
use crate::protocol::count;
use alloc::vec;
use alloc::vec::Vec;
use zkml_graph::{AxisMap, Term, Weight};

impl Circuit {
    /// The key circuit of a model circuit, for weights of `weight_bits` bits.
    #[must_use]
    pub fn for_key(model: &Self, weight_bits: u8) -> Self {
        let layout = &model.weights;
        let columns_log = model.columns_log;
        let label = |property| Label { node: None, property };
        let mut blocks = Vec::new();
        let mut sums = Vec::new();
        let mut lookups = Vec::new();
        let mut relations = Vec::new();
        // The rows in blocks of a power of two each, so that little of the trace is unused.
        let mut first = 0;
        let mut rest = layout.rows.max(1);
        while rest > 0 {
            let count = 1usize << rest.ilog2();
            let id = blocks.len();
            let mut block = Block::new(&[count as u32, 1 << columns_log], Source::Key);
            block.offset = (first << columns_log) as u64;
            blocks.push(block);
            sums.push(Sum { domain: id, terms: true_weights(layout, id, first, count), node: None });
            lookups.push(Lookup {
                table: 0,
                domain: id,
                columns: vec![Expr {
                    constant: 1 << (weight_bits - 1),
                    cells: vec![(id, 1)],
                    ..Expr::default()
                }],
                leaf: 0,
                label: label(Property::WeightRange),
            });
            // Everything minus the true weights is zero.
            relations.push(Relation {
                domain: id,
                expr: Expr { cells: vec![(id, 1)], sums: vec![(id, -1)], ..Expr::default() },
                label: label(Property::WeightPadding),
            });
            first += count;
            rest -= count;
        }
        let range = TableKind::Range { len: 1 << weight_bits };
        let mut multiplicities = Block::new(&[range.len() as u32], Source::Proof);
        multiplicities.offset = ((first << columns_log) as u64).next_multiple_of(1 << multiplicities.log);
        let end = multiplicities.offset as usize + (1 << multiplicities.log);
        let trace_used = end.next_multiple_of(1 << columns_log);
        let tables = vec![Table { kind: range, multiplicities: blocks.len(), leaf: 0 }];
        blocks.push(multiplicities);
        let mut circuit = Self {
            columns_log,
            trace_log: log2_ceil(trace_used),
            trace_used,
            leaf_log: 0,
            leaf_used: 0,
            rows: committed_rows(&blocks, columns_log),
            blocks,
            tables,
            lookups,
            relations,
            sums,
            quads: Vec::new(),
            weights: WeightLayout { columns_log, ..WeightLayout::default() },
            cells: Vec::new(),
            statement: Vec::new(),
            bound_steps: 0,
            messages: Messages::default(),
        };
        let greatest = circuit.blocks.iter().map(|block| block.log).max().unwrap_or(0);
        place_leaves(&mut circuit, greatest);
        circuit.messages = count(&circuit);
        circuit
    }
}

/// The true weights in rows `first..first + count`, which are a block, as sums on that block.
fn true_weights(layout: &WeightLayout, block: usize, first: usize, count: usize) -> Vec<Term> {
    let boxes = layout.boxes().into_iter().filter_map(|(start, rows, columns)| {
        let (from, to) = (start.max(first), (start + rows).min(first + count));
        (from < to).then(|| {
            let local = from - first;
            let map = |axis: u32, offset: usize| AxisMap {
                offset: offset as i64,
                out: Some((axis, 1)),
                inner: None,
            };
            Term {
                region: vec![(local as u32, (to - from) as u32), (0, columns as u32)],
                source: zkml_graph::Source::Tensor {
                    tensor: block as u32,
                    inner: Vec::new(),
                    map: vec![map(0, local), map(1, 0)],
                    weight: Weight::Public(1),
                },
            }
        })
    });
    boxes.collect()
}
