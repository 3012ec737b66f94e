//! The rules of what nodes do with a sum: rescales, tables, and the softmax's division.

use super::{Checker, GraphError, MAX_NORMALIZE_SHIFT, MAX_SHIFT, NodeContext, cells};
use crate::bounds::{self, MAX_ACCUMULATOR};
use crate::function::MAX_DOMAIN_BITS;
use crate::types::{Epilogue, FunctionKind, TensorId};

impl Checker<'_> {
    pub(super) fn epilogue(
        &mut self,
        context: NodeContext<'_>,
        epilogue: &Epilogue,
    ) -> Result<(), GraphError> {
        let node = || context.at();
        let range = bounds::accumulator_within(self.graph, context.node, &mut self.steps)
            .map_err(|source| GraphError::Bounds { node: node(), source })?;
        let check_shift = |shift: u8| {
            if shift > MAX_SHIFT {
                return Err(GraphError::Shift { node: node(), shift });
            }
            Ok(())
        };
        match epilogue {
            Epilogue::Exact => self.within(context, range.0, range.1),
            Epilogue::ReluBits { shift } => {
                check_shift(*shift)?;
                let (low, high) = bounds::quotient(range, *shift);
                self.within(context, low.max(0), high.max(0))
            }
            Epilogue::Requant { shift, domain_min, domain_bits, function } => {
                check_shift(*shift)?;
                if !(1..=MAX_DOMAIN_BITS).contains(domain_bits) {
                    return Err(GraphError::DomainBits { node: node(), bits: *domain_bits });
                }
                if !(-MAX_ACCUMULATOR..=MAX_ACCUMULATOR).contains(domain_min) {
                    return Err(GraphError::DomainMin { node: node(), min: *domain_min });
                }
                let (min, max) = (function.out_min, function.out_max);
                if min > max {
                    return Err(GraphError::FunctionRange { node: node(), min, max });
                }
                match function.kind {
                    FunctionKind::ArgIndex { n: 0 } => {
                        return Err(GraphError::FunctionIndex { node: node() });
                    }
                    FunctionKind::Truncate { divisor: 0 } => {
                        return Err(GraphError::FunctionDivisor { node: node() });
                    }
                    _ => {}
                }
                self.within(context, min, max)
            }
        }
    }

    pub(super) fn normalize(
        &mut self,
        context: NodeContext<'_>,
        numerator: TensorId,
        axis: u32,
        shift: u8,
    ) -> Result<(), GraphError> {
        let node = || context.at();
        let tensor = self.operand(context, numerator)?;
        if tensor.shape != context.output.shape {
            return Err(GraphError::NormalizeShape { node: node() });
        }
        let extent = usize::try_from(axis)
            .ok()
            .and_then(|axis| tensor.shape.get(axis))
            .ok_or_else(|| GraphError::NormalizeAxis { node: node(), axis })?;
        if shift > MAX_NORMALIZE_SHIFT {
            return Err(GraphError::NormalizeShift { node: node(), shift });
        }
        let sum = i128::from(tensor.max).saturating_mul((*extent).into());
        if tensor.min < 0 || sum > i128::from(MAX_ACCUMULATOR) {
            return Err(GraphError::NormalizeRange { node: node(), min: tensor.min, max: tensor.max });
        }
        self.work(cells(&tensor.shape), 1)?;
        self.within(context, 0, 1 << shift)
    }
}
