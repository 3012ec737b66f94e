//! Values in storage: pending sums become tensors, tensors are copied where a layout asks for it.

use zkml_graph::TensorId;

use super::emit::Target;
use super::expr::{Body, Expr, Factor, Item, Term};
use super::view::{self, Atom, View, layout};
use super::{Lowering, Refusal, Stored, Value, slice};
use zkml_float::ir::ValueId;

/// Most terms of a copy that reads one stored axis along several output axes.
const MAX_PIECES: usize = 256;

impl Lowering<'_> {
    /// Makes a value a stored tensor; `id` says which range it has.
    pub(super) fn store(&mut self, value: Value, id: ValueId) -> Result<(TensorId, View), Refusal> {
        match value.source {
            Stored::Tensor(tensor) => Ok((tensor, value.view)),
            Stored::Pending(expr) => {
                let (expr, view) = match slice::split(&expr, &value.view) {
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

    /// The value, repeated to a shape if it has another.
    pub(super) fn repeated(&mut self, value: Value, id: ValueId, shape: &[usize]) -> Result<Value, Refusal> {
        if value.view.shape() == shape {
            return Ok(value);
        }
        let name = value.name.clone();
        let (tensor, view) = self.store(value, id)?;
        Ok(Value { source: Stored::Tensor(tensor), view: view.broadcast(shape), name })
    }

    /// The value as a pending sum whose axes are its view's atoms, in their order or another.
    pub(super) fn pending(&mut self, value: Value, id: ValueId) -> Result<(Expr, View), Refusal> {
        if let Stored::Pending(expr) = value.source {
            if value.view.is_simple() {
                return Ok((expr, value.view));
            }
            if let Some(split) = slice::split(&expr, &value.view) {
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
        let (shape, out) = View::grouped(&view.extents());
        let to = layout(&view.extents());
        if let Some(map) = view.read(&to) {
            let item = Item::Tensor { tensor, inner: vec![], map, factor: Factor::Public(1.0) };
            return Ok((self.exact(Expr::single(shape, item), &name)?, out));
        }
        if let Some(split) = view.split_storage()
            && let Some(map) = split.read(&to)
        {
            let copy = Expr::single(split.storage.clone(), Item::Reshape { tensor, factor: 1.0 });
            let tensor = self.exact(copy, &name)?;
            let item = Item::Tensor { tensor, inner: vec![], map, factor: Factor::Public(1.0) };
            return Ok((self.exact(Expr::single(shape, item), &name)?, out));
        }
        let copy = pieces(tensor, view, &shape).ok_or("a layout that is not supported")?;
        Ok((self.exact(copy, &name)?, out))
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

/// A copy of any view into one output axis per atom, of the given shape. A stored axis follows
/// one output axis only, so of several atoms on it the longest is followed and every index of
/// the others is a term of its own; `None` if that makes more than [`MAX_PIECES`].
fn pieces(tensor: TensorId, view: &View, shape: &[usize]) -> Option<Expr> {
    let atoms: Vec<&Atom> = view.atoms().collect();
    let mut longest: Vec<Option<usize>> = vec![None; view.storage.len()];
    for (at, atom) in atoms.iter().enumerate() {
        let Some(axis) = atom.axis else { continue };
        if longest[axis].is_none_or(|l| atoms[l].extent < atom.extent) {
            longest[axis] = Some(at);
        }
    }
    let mut maps = view.maps();
    for (axis, at) in longest.iter().enumerate() {
        if let Some(at) = *at {
            maps[axis].out = Some((u32::try_from(at).ok()?, u32::try_from(atoms[at].stride).ok()?));
        }
    }
    let apart: Vec<usize> =
        (0..atoms.len()).filter(|&at| atoms[at].axis.is_some_and(|axis| longest[axis] != Some(at))).collect();
    let extents: Vec<usize> = apart.iter().map(|&at| atoms[at].extent).collect();
    if extents.iter().try_fold(1usize, |n, &e| n.checked_mul(e)).is_none_or(|n| n > MAX_PIECES) {
        return None;
    }
    let mut terms = Vec::new();
    zkml_float::array::for_each_index(&extents, |index| {
        let mut region = Expr::everywhere(shape);
        let mut map = maps.clone();
        for (&at, &i) in apart.iter().zip(index) {
            region[at] = (i, 1);
            if let Some(axis) = atoms[at].axis {
                map[axis].offset += (i * atoms[at].stride) as i64;
            }
        }
        let item = Item::Tensor { tensor, inner: vec![], map, factor: Factor::Public(1.0) };
        terms.push(Term { region, item });
    });
    Some(Expr { shape: shape.to_vec(), body: Body::Affine(terms) })
}
