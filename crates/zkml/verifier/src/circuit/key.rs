//! The circuit of a key's proof about itself: every committed weight is in range, padding is
//! zero. The weight rows themselves are the trace; the proof brings only multiplicities.

use super::layout::{committed_rows, place_leaves};
use super::tables::{Table, TableKind};
use super::{
    Block, Circuit, Expr, Label, Lookup, Property, Relation, Source, Sum, WeightLayout, log2_ceil,
};
use alloc::vec;
use alloc::vec::Vec;
use zkml_graph::{AxisMap, Term, Weight};

impl Circuit {
    /// The key circuit of a model circuit, for weights of `weight_bits` bits.
    #[must_use]
    pub fn for_key(model: &Self, weight_bits: u8) -> Self {
        let layout = &model.weights;
        let columns_log = model.columns_log;
        let shape = [layout.rows.max(1) as u32, 1 << columns_log];
        let mut key = Block::new(&shape, Source::Key);
        key.offset = 0;
        let range = TableKind::Range {
            len: 1 << weight_bits,
        };
        let mut multiplicities = Block::new(&[range.len() as u32], Source::Proof);
        // Both sizes are powers of two: the smaller one goes second.
        let start = 1u64 << key.log.max(multiplicities.log).max(columns_log);
        multiplicities.offset = start;
        let trace_log = log2_ceil(start as usize + (1 << multiplicities.log.max(columns_log)));
        let blocks = vec![key, multiplicities];
        let rows = committed_rows(&blocks, columns_log);
        // Everything minus the true weights.
        let boxes = layout
            .boxes()
            .into_iter()
            .map(|(first, rows, columns)| Term {
                region: vec![(first as u32, rows as u32), (0, columns as u32)],
                source: zkml_graph::Source::Tensor {
                    tensor: 0,
                    inner: Vec::new(),
                    map: vec![
                        AxisMap {
                            offset: first as i64,
                            out: Some((0, 1)),
                            inner: None,
                        },
                        AxisMap {
                            offset: 0,
                            out: Some((1, 1)),
                            inner: None,
                        },
                    ],
                    weight: Weight::Public(1),
                },
            });
        let sums = vec![Sum {
            domain: 0,
            terms: boxes.collect(),
            node: None,
        }];
        let label = |property| Label {
            node: None,
            property,
        };
        let mut circuit = Self {
            columns_log,
            trace_log,
            leaf_log: 0,
            tables: vec![Table {
                kind: range,
                multiplicities: 1,
                leaf: 0,
            }],
            lookups: vec![Lookup {
                table: 0,
                domain: 0,
                columns: vec![Expr {
                    constant: 1 << (weight_bits - 1),
                    cells: vec![(0, 1)],
                    ..Expr::default()
                }],
                leaf: 0,
                label: label(Property::WeightRange),
            }],
            relations: vec![Relation {
                domain: 0,
                expr: Expr {
                    cells: vec![(0, 1)],
                    sums: vec![(0, -1)],
                    ..Expr::default()
                },
                label: label(Property::WeightPadding),
            }],
            sums,
            quads: Vec::new(),
            rows,
            weights: WeightLayout {
                columns_log,
                ..WeightLayout::default()
            },
            cells: Vec::new(),
            statement: Vec::new(),
            blocks,
        };
        circuit.leaf_log = place_leaves(&mut circuit, 0);
        circuit
    }
}
