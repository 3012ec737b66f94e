//! Products of two activations, elementwise and as matrices.

use super::emit::Target;
use super::expr::{Body, Expr, Operand};
use super::view::{Layout, View, layout};
use super::{Lowering, Refusal, Stored, Value};
use zkml_float::ir::{Node, ValueId};
use zkml_graph::{FunctionKind, OperandAxis, TensorId};

/// Numbers from here on in a layout are inner indices.
const INNER: usize = 1 << 16;

impl Lowering<'_> {
    pub(super) fn product(&mut self, node: &Node, a: ValueId, b: ValueId) -> Result<(), Refusal> {
        let out = node.output(0).ok_or(Refusal::Follows)?;
        let shape = self.logical_shape(out)?;
        let (va, vb) = (self.take(a)?, self.take(b)?);
        let (ta, va) = self.store(va, a)?;
        let (tb, vb) = if a == b { (ta, va.clone()) } else { self.store(vb, b)? };
        let ta = self.narrow(ta, a, self.bits.activation + 2)?;
        let tb = if a == b { ta } else { self.narrow(tb, b, self.bits.activation + 2)? };
        if a == b {
            let mut copy = self.copy_of(ta);
            let mut view = va;
            if !view.is_bijective() {
                (copy, view) = self.copy_view(ta, &view)?;
            }
            let (before, after) = (self.range(a)?, self.range(out)?);
            let kind = FunctionKind::Square;
            let target = Target::Function { kind, before: &before, after: &after };
            let tensor = self.emit(copy, &node.name, target)?;
            return self.set_tensor(node, tensor, view);
        }
        let (to, storage, view) = self.common_layout(&[&va, &vb], &shape);
        let a = self.product_operand(ta, &va, &to)?;
        let b = self.product_operand(tb, &vb, &to)?;
        let expr = Expr { shape: storage, body: Body::Product { a, b, inner: vec![], factor: 1.0 } };
        self.set_pending(node, expr, view)
    }

    /// A factor of a product that follows a layout; numbers from [`INNER`] on are inner indices.
    pub(super) fn product_operand(
        &mut self,
        tensor: TensorId,
        view: &View,
        to: &Layout,
    ) -> Result<Operand, Refusal> {
        if let Some(operand) = direct_operand(tensor, view, to) {
            return Ok(operand);
        }
        // One stored axis for each atom of the layout that the operand follows.
        let lead = to.len() - view.axes.len();
        let extents: Vec<Vec<usize>> = view
            .axes
            .iter()
            .zip(&to[lead..])
            .map(|(atoms, to)| if atoms.is_empty() { vec![] } else { to.iter().map(|t| t.1).collect() })
            .collect();
        let name = self.tensor(tensor).name.clone();
        let item = self.read(tensor, view, &layout(&extents))?;
        let (storage, stored) = View::grouped(&extents);
        let copy = self.exact(Expr::single(storage, item), &name)?;
        direct_operand(copy, &stored, to).ok_or_else(|| "operands whose layouts do not match".into())
    }

    /// Both factors are activations.
    pub(super) fn dynamic_matmul(&mut self, node: &Node, shape: &[usize]) -> Result<(), Refusal> {
        let (a_id, mut ta, mut va) = self.input_tensor(node, 0)?;
        let (b_id, mut tb, mut vb) = self.input_tensor(node, 1)?;
        let bits = self.bits.activation + 2;
        ta = self.narrow(ta, a_id, bits)?;
        tb = self.narrow(tb, b_id, bits)?;
        if va.axes.len() < 2 || vb.axes.len() < 2 {
            return Err("a vector times an activation".into());
        }
        // One atom on each of the summed axes and of the batch, so that both factors agree.
        let split = |v: &View| v.axes.iter().any(|a| a.len() > 1);
        if split(&va) {
            let name = self.tensor(ta).name.clone();
            let value = Value { source: Stored::Tensor(ta), view: va, name };
            (ta, va) = self.regrouped(value, a_id).and_then(|v| self.store(v, a_id))?;
        }
        if split(&vb) {
            let name = self.tensor(tb).name.clone();
            let value = Value { source: Stored::Tensor(tb), view: vb, name };
            (tb, vb) = self.regrouped(value, b_id).and_then(|v| self.store(v, b_id))?;
        }
        let groups: Vec<Vec<usize>> = shape.iter().map(|&e| vec![e]).collect();
        let (storage, out) = View::grouped(&groups);
        let base = layout(&groups);
        let rank = shape.len();
        let k = va.shape()[va.axes.len() - 1];
        let summed = if k > 1 { vec![(INNER, k)] } else { vec![] };
        let mut to_a = base.clone();
        to_a[rank - 1] = summed.clone();
        let mut to_b = base;
        to_b[rank - 2] = summed;
        let a = self.product_operand(ta, &va, &to_a)?;
        let b = self.product_operand(tb, &vb, &to_b)?;
        let inner = if k > 1 { vec![k] } else { vec![] };
        let expr = Expr { shape: storage, body: Body::Product { a, b, inner, factor: 1.0 } };
        self.set_pending(node, expr, out)
    }
}

fn direct_operand(tensor: TensorId, view: &View, to: &Layout) -> Option<Operand> {
    if view.padded {
        return None;
    }
    let maps = view.read(to)?;
    let axes = maps
        .iter()
        .zip(&view.storage)
        .map(|(map, &extent)| match map.out {
            None => u32::try_from(map.offset).ok().filter(|&o| (o as usize) < extent).map(OperandAxis::Fixed),
            Some((out, 1)) if map.offset == 0 => {
                let whole = to.iter().flatten().any(|t| t.0 == out as usize && t.1 == extent);
                let axis = out as usize;
                whole.then(|| {
                    if axis >= INNER {
                        OperandAxis::Inner((axis - INNER) as u32)
                    } else {
                        OperandAxis::Out(out)
                    }
                })
            }
            Some(_) => None,
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Operand { tensor, axes })
}
