//! From an accumulator to an output: exact, or rescaled, saturated and tabulated.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "blocks are the builder's own; quotients are within 2^46, arguments of functions within 2^46 too, and tables within 2^18 or refused before"
)]

use super::{Builder, CircuitError, MAX_TABLE_LOG, half};
use crate::circuit::tables::TableKind;
use crate::circuit::{BlockId, Expr, Label, Limbs, NodeCells, Property, Quotient};
use alloc::vec;
use zkml_graph::{Epilogue, Function, FunctionKind, Node, bounds};

impl Builder<'_> {
    pub(super) fn epilogue(
        &mut self,
        index: usize,
        node: &Node,
        epilogue: &Epilogue,
        accumulator: Expr,
    ) -> Result<NodeCells, CircuitError> {
        let output = node.output as usize;
        let range = bounds::accumulator_within(self.graph, node, &mut self.steps)?;
        match epilogue {
            Epilogue::Exact => {
                self.equality(index, output, accumulator.minus_cell(output, 1));
                Ok(NodeCells::Plain)
            }
            Epilogue::ReluBits { shift } => self.relu_bits(index, output, accumulator, range, *shift),
            Epilogue::Requant { shift, domain_min, domain_bits, function } => {
                let quotient_range = bounds::quotient(range, *shift);
                let (quotient, parts) =
                    self.quotient(index, output, quotient_range, *domain_min, *domain_bits, function)?;
                // remainder = accumulator + half - 2^shift * quotient
                let mut remainder = accumulator;
                remainder.constant += half(*shift);
                for (block, factor) in parts.cells {
                    remainder = remainder.minus_cell(block, factor << shift);
                }
                let offset = parts.constant.checked_mul(1 << shift);
                let constant = offset.and_then(|offset| remainder.constant.checked_sub(offset));
                remainder.constant = constant.ok_or(CircuitError::Domain {
                    node: index,
                    domain_min: *domain_min,
                    shift: *shift,
                })?;
                let limbs = if *shift == 0 {
                    self.relation(
                        output,
                        remainder,
                        Label { node: Some(index), property: Property::Quotient },
                    );
                    Limbs::default()
                } else {
                    self.range(index, output, remainder, usize::from(*shift), Property::Remainder)?
                };
                Ok(NodeCells::Requant { remainder: limbs, quotient })
            }
        }
    }

    /// Commits the quotient, proves the output from it, and returns it as an expression.
    pub(super) fn quotient(
        &mut self,
        index: usize,
        output: BlockId,
        (least, greatest): (i64, i64),
        domain_min: i64,
        domain_bits: u8,
        function: &Function,
    ) -> Result<(Quotient, Expr), CircuitError> {
        let size = 1i64 << domain_bits;
        let label = Label { node: Some(index), property: Property::Function };
        let inside = least >= domain_min && greatest < domain_min + size;
        if inside && is_identity(function, domain_min, size) {
            let table = self.table(TableKind::Range { len: (greatest - least + 1) as usize });
            let column = Expr { constant: -least, cells: vec![(output, 1)], ..Expr::default() };
            self.lookup(
                table,
                output,
                vec![column],
                Label { node: Some(index), property: Property::Quotient },
            );
            return Ok((Quotient::Output, Expr::default().minus_cell(output, -1)));
        }
        let elements = self.circuit.blocks[output].len();
        let span = greatest - least + 1;
        if span <= (2 * elements as i64).clamp(512, 1 << 16) {
            let block = self.auxiliary(output);
            let table = self.table(TableKind::Whole {
                first: least,
                len: span as usize,
                domain_min,
                domain_bits,
                function: function.clone(),
            });
            let argument = Expr { constant: -least, cells: vec![(block, 1)], ..Expr::default() };
            let value = Expr::default().minus_cell(output, -1);
            self.lookup(table, output, vec![argument, value], label);
            return Ok((Quotient::Whole { block }, Expr::default().minus_cell(block, -1)));
        }
        // low + 2^bits * high: widen the low part until the table of high parts is small.
        let mut bits = domain_bits;
        let high_of = |value: i64, bits: u8| (value - domain_min) >> bits;
        while high_of(greatest, bits) - high_of(least, bits) >= 1 << 14 {
            bits += 1;
        }
        if usize::from(bits) + 2 > MAX_TABLE_LOG {
            let log = usize::from(bits) + 2;
            return Err(CircuitError::TableTooLarge { node: index, property: Property::Function, log });
        }
        let (low, high, class) = (self.auxiliary(output), self.auxiliary(output), self.auxiliary(output));
        let cell = |block: BlockId| Expr::default().minus_cell(block, -1);
        let first = high_of(least, bits);
        let classes =
            self.table(TableKind::Class { first, len: (high_of(greatest, bits) - first + 1) as usize });
        let argument = Expr { constant: -first, ..cell(high) };
        let saturation = Label { node: Some(index), property: Property::Saturation };
        self.lookup(classes, output, vec![argument, cell(class)], saturation);
        let values =
            self.table(TableKind::Split { bits, domain_min, domain_bits, function: function.clone() });
        self.lookup(values, output, vec![cell(class), cell(low), cell(output)], label);
        let quotient =
            Expr { constant: domain_min, cells: vec![(low, 1), (high, 1 << bits)], ..Expr::default() };
        Ok((Quotient::Split { low, high, class, bits, domain_min }, quotient))
    }
}

fn is_identity(function: &Function, domain_min: i64, size: i64) -> bool {
    function.kind == FunctionKind::Identity
        && function.in_scale == function.out_scale
        && function.out_min <= domain_min
        && function.out_max >= domain_min + size - 1
}
