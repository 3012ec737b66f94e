//! ReLU by bit decomposition: the whitepaper's equations 5 to 7.

use super::{Builder, CircuitError, half};
use crate::circuit::{Block, BlockId, Expr, Factor, Label, NodeCells, Property, Quad, Source, Sum};
use alloc::vec;
use alloc::vec::Vec;
use zkml_graph::{AxisMap, OperandAxis, Term, Weight};

impl Builder<'_> {
    pub(super) fn relu_bits(
        &mut self,
        index: usize,
        output: BlockId,
        accumulator: Expr,
        (least, greatest): (i64, i64),
        shift: u8,
    ) -> Result<NodeCells, CircuitError> {
        let magnitude_of = |value: i64| 64 - (if value < 0 { !value } else { value }).leading_zeros();
        let width = 1 + magnitude_of(least + half(shift)).max(magnitude_of(greatest + half(shift)));
        let width = width.max(u32::from(shift) + 2);
        let mut shape: Vec<u32> =
            self.circuit.blocks[output].axes.iter().map(|axis| axis.len as u32).collect();
        let rank = shape.len();
        shape.push(width);
        self.circuit.blocks.push(Block::new(&shape, Source::Proof));
        let bits = self.circuit.blocks.len() - 1;
        let magnitude = self.auxiliary(output);
        let bit_axes = |last: OperandAxis| {
            (0..rank).map(|axis| OperandAxis::Out(axis as u32)).chain([last]).collect::<Vec<OperandAxis>>()
        };
        let weighted = |factors: &dyn Fn(u32) -> i64| -> Vec<Term> {
            (0..width)
                .filter(|bit| factors(*bit) != 0)
                .map(|bit| Term {
                    region: shape[..rank].iter().map(|len| (0, *len)).collect(),
                    source: zkml_graph::Source::Tensor {
                        tensor: bits as u32,
                        inner: Vec::new(),
                        map: (0..rank)
                            .map(|axis| AxisMap { out: Some((axis as u32, 1)), ..AxisMap::default() })
                            .chain([AxisMap { offset: i64::from(bit), ..AxisMap::default() }])
                            .collect(),
                        weight: Weight::Public(factors(bit)),
                    },
                })
                .collect()
        };
        let rounding = Term {
            region: shape[..rank].iter().map(|len| (0, *len)).collect(),
            source: zkml_graph::Source::Constant(-half(shift)),
        };
        let mut whole = weighted(&|bit| {
            if bit == width - 1 { -(1i64 << bit) } else { 1 << bit }
        });
        whole.push(rounding);
        let quotient = weighted(&|bit| {
            if bit >= u32::from(shift) && bit < width - 1 { 1 << (bit - u32::from(shift)) } else { 0 }
        });
        let sum = |this: &mut Self, terms| {
            this.circuit.sums.push(Sum { domain: output, terms, node: None });
            this.circuit.sums.len() - 1
        };
        let (whole, quotient) = (sum(self, whole), sum(self, quotient));
        let bit_sum = Label { node: Some(index), property: Property::BitSum };
        // accumulator + half = two's complement
        let mut expr = accumulator;
        expr.sums.push((whole, -1));
        self.relation(output, expr, bit_sum);
        // magnitude = the quotient's bits without the sign
        let expr = Expr { cells: vec![(magnitude, 1)], sums: vec![(quotient, -1)], ..Expr::default() };
        self.relation(output, expr, bit_sum);
        // output = magnitude - sign * magnitude
        self.circuit.quads.push(Quad {
            domain: output,
            a: Factor { block: bits, axes: bit_axes(OperandAxis::Fixed(width - 1)) },
            b: Factor {
                block: magnitude,
                axes: (0..rank).map(|axis| OperandAxis::Out(axis as u32)).collect(),
            },
            inner: Vec::new(),
            node: None,
        });
        let signed = self.circuit.quads.len() - 1;
        let expr =
            Expr { cells: vec![(output, 1), (magnitude, -1)], quads: vec![(signed, 1)], ..Expr::default() };
        self.relation(output, expr, Label { node: Some(index), property: Property::Function });
        // bit^2 = bit
        let all = bit_axes(OperandAxis::Out(rank as u32));
        self.circuit.quads.push(Quad {
            domain: bits,
            a: Factor { block: bits, axes: all.clone() },
            b: Factor { block: bits, axes: all },
            inner: Vec::new(),
            node: None,
        });
        let square = self.circuit.quads.len() - 1;
        let expr = Expr { cells: vec![(bits, -1)], quads: vec![(square, 1)], ..Expr::default() };
        self.relation(bits, expr, Label { node: Some(index), property: Property::Bits });
        Ok(NodeCells::Bits { bits, magnitude })
    }
}
