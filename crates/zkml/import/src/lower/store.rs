//! Values in storage: pending sums become tensors, tensors are copied where a layout asks for it.

use zkml_graph::TensorId;

use super::emit::Target;
use super::expr::{Body, Expr, Factor, Item};
use super::view::{self, View, layout};
use super::{Lowering, Refusal, Stored, Value, carve};
use crate::ir::ValueId;

impl Lowering<'_> {
    /// Makes a value a stored tensor; `id` says which range it has.
    pub(super) fn store(&mut self, value: Value, id: ValueId) -> Result<(TensorId, View), Refusal> {
        match value.source {
            Stored::Tensor(tensor) => Ok((tensor, value.view)),
            Stored::Pending(expr) => {
                let (expr, view) = match carve::split(&expr, &value.view) {
                    Some(split) => split,
                    None => (expr, value.view),
                };
                let range = self.range(id)?;
                let bits = self.bits.activation;
                let target = Target::Value { range: &range, bits };
                Ok((self.emit(expr, &value.name, target)?, view))
            }
        }
    }

    /// A tensor whose integers span at most `bits` bits.
    pub(super) fn narrow(&mut self, tensor: TensorId, id: ValueId, bits: u8) -> Result<TensorId, Refusal> {
        let t = self.tensor(tensor);
        if ((t.max - t.min) as u64) < 1 << bits {
            return Ok(tensor);
        }
        let name = t.name.clone();
        let range = self.range(id)?;
        let copy = self.copy_of(tensor);
        self.emit(copy, &name, Target::Clamp { low: None, high: None, range: &range, bits })
    }

    /// The value as a pending sum whose axes are its view's atoms, in their order or another.
    pub(super) fn pending(&mut self, value: Value, id: ValueId) -> Result<(Expr, View), Refusal> {
        if let Stored::Pending(expr) = value.source {
            if value.view.is_simple() {
                return Ok((expr, value.view));
            }
            if let Some(split) = carve::split(&expr, &value.view) {
                return Ok(split);
            }
            let (tensor, view) = self.store(Value { source: Stored::Pending(expr), ..value }, id)?;
            return self.copy_view(tensor, &view);
        }
        let Stored::Tensor(tensor) = value.source else {
            return Err(Refusal::Follows);
        };
        if value.view.is_simple() {
            return Ok((self.copy_of(tensor), value.view));
        }
        self.copy_view(tensor, &value.view)
    }

    /// A pending copy of a view, with one axis per atom.
    pub(super) fn copy_view(&mut self, tensor: TensorId, view: &View) -> Result<(Expr, View), Refusal> {
        let (shape, out) = View::grouped(&view.extents());
        let item = self.read(tensor, view, &layout(&view.extents()))?;
        Ok((Expr::single(shape, item), out))
    }

    /// A term that reads a view into an output of the given layout and shape.
    pub(super) fn read(&mut self, tensor: TensorId, view: &View, to: &view::Layout) -> Result<Item, Refusal> {
        if let Some(map) = view.read(to) {
            return Ok(Item::Tensor { tensor, inner: vec![], map, factor: Factor::Public(1.0) });
        }
        let (tensor, flat) = self.contiguous(tensor, view)?;
        if let Some(map) = flat.read(to) {
            return Ok(Item::Tensor { tensor, inner: vec![], map, factor: Factor::Public(1.0) });
        }
        let order: Vec<usize> = to.iter().flatten().map(|t| t.0).collect();
        let ordered = order.windows(2).all(|w| w[0] < w[1]);
        let elements: usize = to.iter().flatten().map(|t| t.1).product();
        if ordered && self.shape_of(tensor).iter().product::<usize>() == elements {
            return Ok(Item::Reshape { tensor, factor: 1.0 });
        }
        Err("operands whose layouts differ in a way that is not supported".into())
    }

    /// The same logical array, stored row-major.
    pub(super) fn contiguous(&mut self, tensor: TensorId, view: &View) -> Result<(TensorId, View), Refusal> {
        if view.is_row_major() {
            return Ok((tensor, view.clone()));
        }
        let name = self.tensor(tensor).name.clone();
        let mut tensor = tensor;
        let mut view = view.clone();
        if view.read(&layout(&view.extents())).is_none() {
            (tensor, view) = self.split_axes(tensor, &view)?;
        }
        let (shape, out) = View::grouped(&view.extents());
        let map = view.read(&layout(&view.extents())).ok_or("a layout that is not supported")?;
        let item = Item::Tensor { tensor, inner: vec![], map, factor: Factor::Public(1.0) };
        let copy = Expr::single(shape, item);
        Ok((self.exact(copy, &name)?, out))
    }

    /// Stores a tensor again with every axis cut where the view's atoms cut it.
    fn split_axes(&mut self, tensor: TensorId, view: &View) -> Result<(TensorId, View), Refusal> {
        let name = self.tensor(tensor).name.clone();
        let mut shape = Vec::new();
        let mut axes = view.axes.clone();
        let mut offset = Vec::new();
        for (axis, &extent) in view.storage.iter().enumerate() {
            let mut strides: Vec<usize> = view
                .atoms()
                .filter(|a| a.axis == Some(axis))
                .flat_map(|a| [a.stride, a.stride * a.extent])
                .chain([1, extent])
                .collect();
            strides.sort_unstable_by(|a, b| b.cmp(a));
            strides.dedup();
            let fits = strides[0] == extent
                && view.offset[axis] >= 0
                && strides.windows(2).all(|w| w[0].is_multiple_of(w[1]));
            if !fits {
                return Err("a slice of a reshaped axis".into());
            }
            let mut rest = view.offset[axis];
            for cut in strides.windows(2) {
                for atom in axes.iter_mut().flatten() {
                    if atom.axis == Some(axis) && atom.stride == cut[1] {
                        // Marked as done by an axis beyond the old ones.
                        atom.axis = Some(view.storage.len() + shape.len());
                        atom.stride = 1;
                    }
                }
                shape.push(cut[0] / cut[1]);
                offset.push(rest / cut[1] as i64);
                rest %= cut[1] as i64;
            }
            if shape.is_empty() || strides.len() == 1 {
                shape.push(1);
                offset.push(0);
            }
        }
        for atom in axes.iter_mut().flatten() {
            if let Some(axis) = &mut atom.axis {
                *axis = axis.checked_sub(view.storage.len()).ok_or("a slice of a reshaped axis")?;
            }
        }
        let copy = Expr::single(shape.clone(), Item::Reshape { tensor, factor: 1.0 });
        let tensor = self.exact(copy, &name)?;
        let view = View { axes, offset, storage: shape, padded: false };
        if view.read(&layout(&view.extents())).is_none() {
            return Err("a layout that is not supported".into());
        }
        Ok((tensor, view))
    }

    /// Emits a copy: no rounding.
    pub(super) fn exact(&mut self, copy: Expr, name: &str) -> Result<TensorId, Refusal> {
        let source = match &copy.body {
            Body::Affine(terms) => terms.iter().find_map(|t| match &t.item {
                Item::Tensor { tensor, .. } | Item::Reshape { tensor, .. } => Some(*tensor),
                _ => None,
            }),
            Body::Product { .. } => None,
        };
        let out = self.emit(copy, name, Target::Raw)?;
        if let Some(source) = source {
            self.power[out as usize] = self.power[source as usize];
        }
        Ok(out)
    }
}
