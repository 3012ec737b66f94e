//! The exact division that ends a softmax.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a validated graph names its own tensors and axes, and the builder its own blocks; extents are below 2^28, values within 2^48"
)]

use super::{Builder, CircuitError};
use crate::circuit::tables::TableKind;
use crate::circuit::{BlockId, Expr, Factor, Label, NodeCells, Property, Quad, Sum};
use alloc::vec;
use alloc::vec::Vec;
use zkml_graph::{AxisMap, OperandAxis, Term, Weight};

impl Builder<'_> {
    pub(super) fn division(
        &mut self,
        index: usize,
        output: BlockId,
        numerator: BlockId,
        axis: usize,
        shift: u8,
    ) -> Result<NodeCells, CircuitError> {
        let rank = self.circuit.blocks[output].axes.len();
        let extents: Vec<u32> = self.circuit.blocks[output].axes.iter().map(|axis| axis.len as u32).collect();
        let along = extents[axis];
        let identity = |axis: usize| AxisMap { out: Some((axis as u32, 1)), ..AxisMap::default() };
        let map = (0..rank).map(|a| {
            if a == axis { AxisMap { inner: Some((0, 1)), ..AxisMap::default() } } else { identity(a) }
        });
        let term = Term {
            region: extents.iter().map(|len| (0, *len)).collect(),
            source: zkml_graph::Source::Tensor {
                tensor: numerator as u32,
                inner: vec![along],
                map: map.collect(),
                weight: Weight::Public(1),
            },
        };
        self.circuit.sums.push(Sum { domain: output, terms: vec![term], node: None });
        let divisor = self.circuit.sums.len() - 1;
        let out = |a: usize| OperandAxis::Out(a as u32);
        self.circuit.quads.push(Quad {
            domain: output,
            a: Factor { block: output, axes: (0..rank).map(out).collect() },
            b: Factor {
                block: numerator,
                axes: (0..rank).map(|a| if a == axis { OperandAxis::Inner(0) } else { out(a) }).collect(),
            },
            inner: vec![along],
            node: None,
        });
        let product = self.circuit.quads.len() - 1;
        let greatest = self.graph.tensors[numerator].max.max(1).saturating_mul(i64::from(along));
        let bits = 64 - greatest.leading_zeros() as usize;
        let remainder =
            Expr { cells: vec![(numerator, 1 << shift)], quads: vec![(product, -1)], ..Expr::default() };
        // divisor - 1 - remainder; the constant counts in padding too, where all else is zero,
        // so it is added on the true extents only.
        let minus_one = Term {
            region: extents.iter().map(|len| (0, *len)).collect(),
            source: zkml_graph::Source::Constant(-1),
        };
        self.circuit.sums.push(Sum { domain: output, terms: vec![minus_one], node: None });
        let one_less = self.circuit.sums.len() - 1;
        let complement = Expr {
            cells: vec![(numerator, -(1 << shift))],
            sums: vec![(divisor, 1), (one_less, 1)],
            quads: vec![(product, 1)],
            ..Expr::default()
        };
        let remainder = self.range(index, output, remainder, bits, Property::DivisionRemainder)?;
        let complement = self.range(index, output, complement, bits, Property::DivisionComplement)?;
        let table = self.table(TableKind::Range { len: (1usize << shift) + 1 });
        let column = Expr::default().minus_cell(output, -1);
        self.lookup(
            table,
            output,
            vec![column],
            Label { node: Some(index), property: Property::DivisionRange },
        );
        Ok(NodeCells::Division { remainder, complement })
    }
}
