//! ReLU by bit decomposition: the whitepaper's equations 5 to 7.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a validated graph names its own tensors and axes, and the builder its own blocks; extents are below 2^28, values within 2^48"
)]

use super::{Builder, CircuitError, half};
use crate::circuit::{Block, BlockId, Expr, Factor, Label, NodeCells, Property, Quad, Source, Sum};
use alloc::vec;
use alloc::vec::Vec;
use zkml_graph::{AxisMap, OperandAxis, Term, Weight};

/// The bits of an accumulator: a block with an extra last axis, of `width` bits.
struct Bits {
    block: BlockId,
    /// Extents of the output.
    extents: Vec<u32>,
    width: u32,
}

impl Bits {
    fn rank(&self) -> usize {
        self.extents.len()
    }

    /// A term with this source on all elements of the output.
    fn term(&self, source: zkml_graph::Source) -> Term {
        Term { region: self.extents.iter().map(|len| (0, *len)).collect(), source }
    }

    /// The bits times public factors, a term for each factor that is not zero.
    fn weighted(&self, factor: impl Fn(u32) -> i64) -> Vec<Term> {
        let read = |bit: u32| zkml_graph::Source::Tensor {
            tensor: self.block as u32,
            inner: Vec::new(),
            map: (0..self.rank())
                .map(|axis| AxisMap { out: Some((axis as u32, 1)), ..AxisMap::default() })
                .chain([AxisMap { offset: i64::from(bit), ..AxisMap::default() }])
                .collect(),
            weight: Weight::Public(factor(bit)),
        };
        (0..self.width).filter(|bit| factor(*bit) != 0).map(|bit| self.term(read(bit))).collect()
    }

    /// A factor that reads the bits along the output, and `last` on the extra axis.
    fn factor(&self, last: OperandAxis) -> Factor {
        Factor { block: self.block, axes: output_axes(self.rank()).chain([last]).collect() }
    }
}

fn output_axes(rank: usize) -> impl Iterator<Item = OperandAxis> {
    (0..rank).map(|axis| OperandAxis::Out(axis as u32))
}

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
        let extents: Vec<u32> = self.circuit.blocks[output].axes.iter().map(|axis| axis.len as u32).collect();
        let shape: Vec<u32> = extents.iter().copied().chain([width]).collect();
        self.circuit.blocks.push(Block::new(&shape, Source::Proof));
        let bits = Bits { block: self.circuit.blocks.len() - 1, extents, width };
        let magnitude = self.auxiliary(output);
        let mut whole = bits.weighted(|bit| if bit == width - 1 { -(1i64 << bit) } else { 1 << bit });
        whole.push(bits.term(zkml_graph::Source::Constant(-half(shift))));
        let quotient = bits.weighted(|bit| {
            if bit >= u32::from(shift) && bit < width - 1 { 1 << (bit - u32::from(shift)) } else { 0 }
        });
        let (whole, quotient) = (self.bit_sum(output, whole), self.bit_sum(output, quotient));
        let bit_sum = Label { node: Some(index), property: Property::BitSum };
        // accumulator + half = two's complement
        let mut expr = accumulator;
        expr.sums.push((whole, -1));
        self.relation(output, expr, bit_sum);
        // magnitude = the quotient's bits without the sign
        let expr = Expr { cells: vec![(magnitude, 1)], sums: vec![(quotient, -1)], ..Expr::default() };
        self.relation(output, expr, bit_sum);
        // output = magnitude - sign * magnitude
        let sign = bits.factor(OperandAxis::Fixed(width - 1));
        let signed =
            self.product(output, sign, Factor { block: magnitude, axes: output_axes(bits.rank()).collect() });
        let expr =
            Expr { cells: vec![(output, 1), (magnitude, -1)], quads: vec![(signed, 1)], ..Expr::default() };
        self.relation(output, expr, Label { node: Some(index), property: Property::Function });
        // bit^2 = bit
        let all = bits.factor(OperandAxis::Out(bits.rank() as u32));
        let square = self.product(bits.block, all.clone(), all);
        let expr = Expr { cells: vec![(bits.block, -1)], quads: vec![(square, 1)], ..Expr::default() };
        self.relation(bits.block, expr, Label { node: Some(index), property: Property::Bits });
        Ok(NodeCells::Bits { bits: bits.block, magnitude })
    }

    fn bit_sum(&mut self, domain: BlockId, terms: Vec<Term>) -> usize {
        self.circuit.sums.push(Sum { domain, terms, node: None });
        self.circuit.sums.len() - 1
    }

    fn product(&mut self, domain: BlockId, a: Factor, b: Factor) -> usize {
        self.circuit.quads.push(Quad { domain, a, b, inner: Vec::new(), node: None });
        self.circuit.quads.len() - 1
    }
}
