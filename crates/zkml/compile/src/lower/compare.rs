//! Comparisons and logic: booleans are the integers 0 and 1, and a comparison clamps a difference to them.

use super::expr::{Broadcast, Expr};
use super::{Lowering, Refusal, Stored, Value};
use zkml_float::ir::Node;
use zkml_graph::{Epilogue, Function, FunctionKind};

/// What a difference, or a sum of booleans, becomes.
#[derive(Clone, Copy)]
pub(super) enum Truth {
    /// Whether it is above zero.
    Positive,
    /// Whether it is zero.
    Zero,
}

impl Truth {
    pub(super) const fn epilogue(self) -> Epilogue {
        let (domain_min, domain_bits, kind, out_scale) = match self {
            Self::Positive => (0, 1, FunctionKind::Identity, 0),
            // The greatest result at zero, by definition; a quarter of every other rounds to zero.
            Self::Zero => (-1, 2, FunctionKind::Reciprocal, -2),
        };
        let function = Function { kind, in_scale: 0, out_scale, out_min: 0, out_max: 1 };
        Epilogue::Requant { shift: 0, domain_min, domain_bits, function }
    }
}

impl Lowering<'_> {
    /// `a > b` and the like, element by element.
    pub(super) fn compare(&mut self, node: &Node) -> Result<(), Refusal> {
        match node.op.as_str() {
            "Greater" => self.truth(node, (1.0, -1.0), 0.0, Truth::Positive, false),
            "Less" => self.truth(node, (-1.0, 1.0), 0.0, Truth::Positive, false),
            "LessOrEqual" => self.truth(node, (1.0, -1.0), 0.0, Truth::Positive, true),
            "GreaterOrEqual" => self.truth(node, (-1.0, 1.0), 0.0, Truth::Positive, true),
            "Equal" => self.truth(node, (1.0, -1.0), 0.0, Truth::Zero, false),
            "Xor" => self.truth(node, (1.0, -1.0), 0.0, Truth::Zero, true),
            "And" => self.truth(node, (1.0, 1.0), -1.0, Truth::Positive, false),
            _ => self.truth(node, (1.0, 1.0), 0.0, Truth::Positive, false),
        }
    }

    /// The contrary of a boolean.
    pub(super) fn not(&mut self, node: &Node) -> Result<(), Refusal> {
        let (id, value) = self.input(node, 0)?;
        let (expr, view) = self.pending(value, id)?;
        let expr = self.contrary(expr, node)?;
        self.set_pending(node, expr, view)
    }

    /// The truth about `signs.0 * a + signs.1 * b + constant`, or its contrary.
    fn truth(
        &mut self,
        node: &Node,
        signs: (f64, f64),
        constant: f64,
        truth: Truth,
        contrary: bool,
    ) -> Result<(), Refusal> {
        self.weighted_sum(node, signs)?;
        let out = node.output(0).ok_or(Refusal::Follows)?;
        let Some(Value { source: Stored::Pending(mut expr), view, .. }) = self.values[out].take() else {
            return Err(Refusal::Follows);
        };
        if constant != 0.0 {
            expr = self.add(expr, &Broadcast::number(constant, &node.name), out, node)?;
        }
        let tensor = self.emit_epilogue(expr, &node.name, truth.epilogue(), (0, 1), 0)?;
        if !contrary {
            return self.set_tensor(node, tensor, view);
        }
        let copy = self.copy_of(tensor);
        let expr = self.contrary(copy, node)?;
        self.set_pending(node, expr, view)
    }

    /// `1 - x`.
    fn contrary(&mut self, expr: Expr, node: &Node) -> Result<Expr, Refusal> {
        let id = node.input(0).ok_or(Refusal::Follows)?;
        let expr = self.multiply(expr, &Broadcast::number(-1.0, &node.name), id, node)?;
        self.add(expr, &Broadcast::number(1.0, &node.name), id, node)
    }
}
