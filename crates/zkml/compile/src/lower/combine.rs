//! Arithmetic of two values: constants fold into the pending sum, sums join, products of
//! activations become product nodes.

use super::broadcast::broadcast;
use super::expr::{Body, Broadcast, Expr, Factor, Item};
use super::view::{Layout, View, layout};
use super::{Lowering, Refusal, Stored, Value};
use crate::scale::fit;
use zkml_float::array::Array;
use zkml_float::ir::{Node, ValueId};
use zkml_graph::FunctionKind;

/// How far apart, in bits, two weighted sums' scales may lie to share an accumulator.
const SHARED_SCALE_BITS: i32 = 2;

impl Lowering<'_> {
    pub(super) fn binary(&mut self, node: &Node) -> Result<(), Refusal> {
        let ids = (node.input(0), node.input(1));
        let (Some(a), Some(b)) = ids else {
            return Err("an input is missing".into());
        };
        let constants = (self.ir.constant(a).is_some(), self.ir.constant(b).is_some());
        let (x, constant) = if constants.0 { (1, 0) } else { (0, 1) };
        if node.op == "Add" && constants.0 != constants.1 && self.masking_sum(node, x, constant)? {
            return Ok(());
        }
        match (node.op.as_str(), constants.0, constants.1) {
            ("Add", false, true) => self.with_constant(node, 0, 1, 1.0, |c| c, false),
            ("Add", true, false) => self.with_constant(node, 1, 0, 1.0, |c| c, false),
            ("Sub", false, true) => self.with_constant(node, 0, 1, 1.0, |c| -c, false),
            ("Sub", true, false) => self.with_constant(node, 1, 0, -1.0, |c| c, false),
            ("Mul", false, true) => self.with_constant(node, 0, 1, 1.0, |c| c, true),
            ("Mul", true, false) => self.with_constant(node, 1, 0, 1.0, |c| c, true),
            ("Div", _, true) if self.ir.integer.contains(&a) => self.integer_quotient(node),
            ("Div", false, true) => self.with_constant(node, 0, 1, 1.0, |c| 1.0 / c, true),
            ("Div", true, false) => {
                Err("a constant divided by an activation; export it as a reciprocal".into())
            }
            ("Add", ..) => self.join(node, &[(a, 1.0), (b, 1.0)], 1.0),
            ("Sub", ..) => self.join(node, &[(a, 1.0), (b, -1.0)], 1.0),
            ("Mul", ..) => self.product(node, a, b),
            _ => Err("a quotient of two activations".into()),
        }
    }

    /// `signs.0 * a + signs.1 * b`, of which one may be constant.
    pub(super) fn weighted_sum(&mut self, node: &Node, signs: (f64, f64)) -> Result<(), Refusal> {
        let (Some(a), Some(b)) = (node.input(0), node.input(1)) else {
            return Err("an input is missing".into());
        };
        match (self.ir.constant(a).is_some(), self.ir.constant(b).is_some()) {
            (false, true) => self.with_constant(node, 0, 1, signs.0, |c| c * signs.1 as f32, false),
            (true, false) => self.with_constant(node, 1, 0, signs.1, |c| c * signs.0 as f32, false),
            _ => self.join(node, &[(a, signs.0), (b, signs.1)], 1.0),
        }
    }

    /// An integer divided by a constant one, rounded towards zero.
    fn integer_quotient(&mut self, node: &Node) -> Result<(), Refusal> {
        let divisors = self.constant_array(node, 1).ok_or(Refusal::Follows)?.ints()?;
        let (&divisor, others) = divisors.split_first().ok_or("no divisor")?;
        if others.iter().any(|&other| other != divisor) {
            return Err("integers divided by several divisors".into());
        }
        match i32::try_from(divisor) {
            Ok(0) => Err("a division by zero".into()),
            Ok(divisor) => self.function(node, FunctionKind::Truncate { divisor }),
            Err(_) => Err(format!("an integer divisor of {divisor}").into()),
        }
    }

    pub(super) fn sum(&mut self, node: &Node) -> Result<(), Refusal> {
        let ids: Vec<(ValueId, f64)> = node.inputs.iter().flatten().map(|&v| (v, 1.0)).collect();
        if ids.iter().any(|&(v, _)| self.ir.constant(v).is_some()) {
            return Err("a constant among the summands".into());
        }
        let factor = if node.op == "Mean" { 1.0 / ids.len() as f64 } else { 1.0 };
        self.join(node, &ids, factor)
    }

    /// `sign * x` with a constant added or multiplied in.
    fn with_constant(
        &mut self,
        node: &Node,
        x: usize,
        c: usize,
        sign: f64,
        f: impl Fn(f32) -> f32,
        multiply: bool,
    ) -> Result<(), Refusal> {
        let out = node.output(0).ok_or(Refusal::Follows)?;
        let shape = self.logical_shape(out)?;
        let constant = self.constant(node, c).ok_or(Refusal::Follows)?;
        let values = constant.array.to_floats().into_iter().map(f).collect();
        let array = Array::f32(constant.array.shape.clone(), values);
        let secret = constant.secret;
        let name = node.input(c).map(|v| self.ir.values[v].name.clone()).unwrap_or_default();
        let (id, value) = self.input(node, x)?;
        let value = self.repeated(value, id, &shape)?;
        let (mut expr, view) = self.pending(value, id)?;
        let by = broadcast(&array, &view, secret, &name);
        if multiply {
            expr = self.multiply(expr, &by, id, node)?;
        } else {
            if sign != 1.0 {
                expr = self.multiply(expr, &Broadcast::number(-1.0, &name), id, node)?;
            }
            expr = self.add(expr, &by, id, node)?;
        }
        self.set_pending(node, expr, view)
    }

    /// A pending sum plus a constant.
    pub(super) fn add(
        &mut self,
        mut expr: Expr,
        constant: &Broadcast,
        id: ValueId,
        node: &Node,
    ) -> Result<Expr, Refusal> {
        if expr.add(constant).is_err() {
            expr = self.restart(expr, id, node)?;
            expr.add(constant).map_err(|_| "a constant that no sum can take")?;
        }
        Ok(expr)
    }

    pub(super) fn batch_norm(&mut self, node: &Node) -> Result<(), Refusal> {
        let (id, value) = self.input(node, 0)?;
        let shape = value.view.shape();
        let arrays: Vec<Option<&Array>> =
            (0..5).map(|i| if i == 0 { None } else { self.constant_array(node, i) }).collect();
        let Some(&channels) = shape.get(1) else {
            return Err("the input has no channel axis".into());
        };
        let (factor, constant) = zkml_float::exec::batch_norm_affine(node, &arrays, channels)
            .map_err(|_| "statistics that depend on the input")?;
        let mut along = vec![1; shape.len() - 1];
        along[0] = channels;
        let (expr, view) = self.pending(value, id)?;
        let factor = broadcast(&Array::f32(along.clone(), factor), &view, true, &node.name);
        let constant = broadcast(&Array::f32(along, constant), &view, true, &node.name);
        let expr = self.multiply(expr, &factor, id, node)?;
        let expr = self.add(expr, &constant, id, node)?;
        self.set_pending(node, expr, view)
    }

    /// The layout that a combination of values takes, and its shape.
    pub(super) fn common_layout(&self, views: &[&View], shape: &[usize]) -> (Layout, Vec<usize>, View) {
        let full = views.iter().find(|v| v.shape() == shape);
        if let Some(view) = full.filter(|v| v.is_simple()) {
            let to = view
                .axes
                .iter()
                .map(|atoms| atoms.iter().map(|a| (a.axis.unwrap_or_default(), a.extent)).collect())
                .collect();
            return (to, view.storage.clone(), (*view).clone());
        }
        let extents = match full {
            Some(view) => view.extents(),
            None => {
                let wide: Vec<View> = views.iter().map(|v| v.broadcast(shape)).collect();
                (0..shape.len())
                    .map(|axis| {
                        wide.iter()
                            .map(|v| &v.axes[axis])
                            .find(|atoms| atoms.iter().all(|a| a.axis.is_some()))
                            .map_or_else(
                                || vec![shape[axis]],
                                |atoms| atoms.iter().map(|a| a.extent).collect(),
                            )
                    })
                    .collect()
            }
        };
        let (storage, view) = View::grouped(&extents);
        (layout(&extents), storage, view)
    }

    /// `factor * sum of sign * x` over several activations.
    fn join(&mut self, node: &Node, ids: &[(ValueId, f64)], factor: f64) -> Result<(), Refusal> {
        let out = node.output(0).ok_or(Refusal::Follows)?;
        let shape = self.logical_shape(out)?;
        let mut values = Vec::new();
        for &(id, sign) in ids {
            values.push((id, sign, self.take(id)?));
        }
        // The layout of a pending sum wins: it need not be stored then.
        let mut order: Vec<&View> = values
            .iter()
            .filter(|v| matches!(v.2.source, Stored::Pending(_)) && v.2.view.is_simple())
            .map(|v| &v.2.view)
            .collect();
        order.extend(values.iter().map(|v| &v.2.view));
        let (to, storage, view) = self.common_layout(&order, &shape);
        let mut scale = None;
        let mut total: Option<Expr> = None;
        for (id, sign, value) in values {
            let mut expr = match value {
                Value { source: Stored::Pending(expr), view: ref v, .. } if *v == view => {
                    let mine = self.natural_scale(&expr);
                    let apart = match (scale, mine) {
                        (Some(a), Some(b)) => i32::abs(a - b) > SHARED_SCALE_BITS,
                        _ => false,
                    };
                    if apart || matches!(expr.body, Body::Product { .. }) {
                        self.restart(expr, id, node)?
                    } else {
                        scale = scale.or(mine);
                        expr
                    }
                }
                value => {
                    let (tensor, from) = self.store(value, id)?;
                    let item = self.read(tensor, &from, &to)?;
                    Expr::single(storage.clone(), item)
                }
            };
            let by = Broadcast::number(sign * factor, &node.name);
            if by.values[0] != 1.0 {
                expr = self.multiply(expr, &by, id, node)?;
            }
            match &mut total {
                None => total = Some(expr),
                Some(total) => {
                    total.join(expr).map_err(|_| "operands that no sum can take")?;
                }
            }
        }
        self.set_pending(node, total.ok_or("no operands")?, view)
    }

    /// The accumulator scale that the weights of a sum suggest.
    fn natural_scale(&self, expr: &Expr) -> Option<i32> {
        let Body::Affine(terms) = &expr.body else {
            return None;
        };
        let high = crate::scale::exp2(i32::from(self.bits.weight) - 1) - 1.0;
        terms
            .iter()
            .filter_map(|t| match &t.item {
                Item::Tensor { tensor, factor: Factor::Hidden { rows, .. }, .. } => {
                    let peak = rows.iter().fold(0f64, |m, &w| m.max(f64::from(w.abs())));
                    Some(i32::from(self.tensor(*tensor).scale) + fit(peak, high))
                }
                _ => None,
            })
            .min()
    }

    pub(super) fn power(&mut self, node: &Node) -> Result<(), Refusal> {
        let exponent = self.constant_array(node, 1).and_then(Array::scalar);
        let kind = match exponent {
            Some(1.0) => return self.alias(node),
            Some(2.0) => FunctionKind::Square,
            Some(0.5) => FunctionKind::Sqrt,
            Some(-0.5) => FunctionKind::Rsqrt,
            Some(-1.0) => FunctionKind::Reciprocal,
            Some(e) => return Err(format!("exponent {e}; 2, 1, 0.5, -0.5 and -1 are").into()),
            None => return Err("an exponent that is not one constant".into()),
        };
        self.function(node, kind)
    }
}
