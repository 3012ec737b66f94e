//! Functions of one variable: fused into the epilogue of the sum before them.

use super::emit::Target;
use super::expr::{Broadcast, Expr};
use super::{Lowering, Refusal, Stored, Value};
use crate::calibrate::Range;
use zkml_float::exec::clip_bounds;
use zkml_float::ir::{Node, ValueId};
use zkml_float::onnx::element;
use zkml_graph::{Epilogue, Function, FunctionKind};

/// Least divisor, as a share of the greatest.
const MIN_DIVISOR: f64 = 1.0 / 4096.0;

/// `range` after a function.
pub(super) fn map_range(range: &Range, f: impl Fn(f64) -> f64) -> Range {
    let kept: Vec<f32> = range.kept.iter().map(|&x| f(f64::from(x)) as f32).collect();
    let (a, b) = (f(range.min), f(range.max));
    let fold = |start: f64, g: fn(f64, f64) -> f64| kept.iter().map(|&x| f64::from(x)).fold(start, g);
    Range { min: fold(a.min(b), f64::min), max: fold(a.max(b), f64::max), kept: kept.clone(), integer: false }
}

impl Lowering<'_> {
    pub(super) fn clip(&mut self, node: &Node) -> Result<(), Refusal> {
        if node.inputs.iter().skip(1).flatten().any(|&v| self.ir.constant(v).is_none()) {
            return Err("bounds that depend on the input".into());
        }
        let (low, high) = clip_bounds(node, self.constant_array(node, 1), self.constant_array(node, 2));
        let finite = |v: f32| v.is_finite().then_some(f64::from(v));
        // Where the bounds cross, the upper one is the result: ONNX takes the minimum last.
        self.clamp(node, finite(low.min(high)), finite(high))
    }

    pub(super) fn cast(&mut self, node: &Node) -> Result<(), Refusal> {
        match node.int("to", 0) as i32 {
            element::FLOAT | element::DOUBLE | element::FLOAT16 | element::BFLOAT16 => self.alias(node),
            element::INT64 | element::INT32 if self.is_integer(node) => self.alias(node),
            element::INT64 | element::INT32 => self.function(node, FunctionKind::Truncate { divisor: 1 }),
            to => Err(format!("a cast of an activation to element type {to}").into()),
        }
    }

    /// Whether a node's first input has integers by type.
    fn is_integer(&self, node: &Node) -> bool {
        node.input(0).is_some_and(|id| self.ir.integer.contains(&id))
    }

    pub(super) fn alias(&mut self, node: &Node) -> Result<(), Refusal> {
        let (_, value) = self.input(node, 0)?;
        self.set(node, value)
    }

    /// The sum that an elementwise function reads, and the layout that its result keeps.
    fn operand(&mut self, node: &Node) -> Result<(ValueId, Expr, Value), Refusal> {
        let (id, value) = self.input(node, 0)?;
        if value.view.is_bijective() {
            let expr = match &value.source {
                Stored::Pending(expr) => expr.clone(),
                Stored::Tensor(tensor) => self.copy_of(*tensor),
            };
            return Ok((id, expr, value));
        }
        let name = value.name.clone();
        let (expr, view) = self.pending(value, id)?;
        Ok((id, expr.clone(), Value { source: Stored::Pending(expr), view, name }))
    }

    pub(super) fn function(&mut self, node: &Node, kind: FunctionKind) -> Result<(), Refusal> {
        let (id, expr, value) = self.operand(node)?;
        let out = node.output(0).ok_or(Refusal::Follows)?;
        if kind == FunctionKind::Reciprocal || kind == FunctionKind::Rsqrt {
            self.bounded_away(id)?;
        }
        let (before, after) = (self.range(id)?, self.range(out)?);
        let target = Target::Function { kind, before: &before, after: &after };
        let tensor = self.emit(expr, &node.name, target)?;
        self.set_tensor(node, tensor, value.view)
    }

    /// Refuses divisors that come so close to zero that no table can hold their reciprocals.
    fn bounded_away(&self, id: ValueId) -> Result<(), Refusal> {
        let range = self.range(id)?;
        let far = range.min.abs().max(range.max.abs());
        let near = range.kept.iter().fold(far, |m, &x| m.min(f64::from(x.abs())));
        let one_sign = range.min > 0.0 || range.max < 0.0;
        if one_sign && near >= far * MIN_DIVISOR {
            return Ok(());
        }
        Err("a division by values that reach zero".into())
    }

    /// The integers clamped to -1, 0 and 1, at a scale of one.
    pub(super) fn sign(&mut self, node: &Node) -> Result<(), Refusal> {
        let (_, expr, value) = self.operand(node)?;
        let function =
            Function { kind: FunctionKind::Identity, in_scale: 0, out_scale: 0, out_min: -1, out_max: 1 };
        let epilogue = Epilogue::Requant { shift: 0, domain_min: -1, domain_bits: 2, function };
        let tensor = self.emit_epilogue(expr, &node.name, epilogue, (-1, 1), 0)?;
        self.set_tensor(node, tensor, value.view)
    }

    /// `clamp(x, low, high)`.
    pub(super) fn clamp(&mut self, node: &Node, low: Option<f64>, high: Option<f64>) -> Result<(), Refusal> {
        let (_, expr, value) = self.operand(node)?;
        let out = node.output(0).ok_or(Refusal::Follows)?;
        let range = self.range(out)?;
        let bits = self.bits.activation;
        let tensor = self.emit(expr, &node.name, Target::Clamp { low, high, range: &range, bits })?;
        self.set_tensor(node, tensor, value.view)
    }

    /// `factor * x` with a public factor.
    pub(super) fn scaled(&mut self, node: &Node, factor: f64) -> Result<(), Refusal> {
        let (id, value) = self.input(node, 0)?;
        let (expr, view) = self.pending(value, id)?;
        let by = Broadcast::number(factor, &node.name);
        let expr = self.multiply(expr, &by, id, node)?;
        self.set_pending(node, expr, view)
    }

    /// A pending sum times a constant; `id` says which range the sum has.
    pub(super) fn multiply(
        &mut self,
        mut expr: Expr,
        by: &Broadcast,
        id: ValueId,
        node: &Node,
    ) -> Result<Expr, Refusal> {
        if expr.multiply(by).is_ok() {
            return Ok(expr);
        }
        let mut copy = self.restart(expr, id, node)?;
        match copy.multiply(by) {
            Ok(()) => Ok(copy),
            Err(_) => Err("a factor that no sum can take".into()),
        }
    }

    /// Makes a pending sum a tensor, and begins another from it.
    pub(super) fn restart(&mut self, expr: Expr, id: ValueId, node: &Node) -> Result<Expr, Refusal> {
        let range = self.range(id)?;
        let bits = self.bits.activation;
        let tensor = self.emit(expr, &node.name, Target::Value { range: &range, bits })?;
        Ok(self.copy_of(tensor))
    }
}
