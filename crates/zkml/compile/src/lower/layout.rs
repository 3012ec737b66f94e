//! Operators that move elements: views if possible, else exact copies.

use super::expr::{Body, Expr, Item, Term};
use super::view::{Atom, View, layout};
use super::{Lowering, Refusal, Stored, Value, slice};
use zkml_float::array::Array;
use zkml_float::exec::{Fault, permutation, slice_ranges, split_lengths};
use zkml_float::ir::Node;

/// Most single rows that a Gather or a reflecting Pad may copy.
const MAX_ROWS: usize = 256;

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unknown => "the operator is not supported".into(),
            Fault::Unsupported(reason) | Fault::Invalid(reason) => Self::Unsupported(reason),
        }
    }
}

impl Lowering<'_> {
    pub(super) fn out_shape(&self, node: &Node) -> Result<Vec<usize>, Refusal> {
        self.logical_shape(node.output(0).ok_or(Refusal::Follows)?)
    }

    pub(super) fn reshape(&mut self, node: &Node) -> Result<(), Refusal> {
        let shape = self.out_shape(node)?;
        let (id, value) = self.input(node, 0)?;
        if let Some(view) = value.view.reshape(&shape) {
            return self.set(node, Value { view, ..value });
        }
        let name = value.name.clone();
        let (tensor, view) = self.store(value, id)?;
        let (tensor, view) = self.contiguous(tensor, &view)?;
        let view = match view.reshape(&shape) {
            Some(view) => Value { source: Stored::Tensor(tensor), view, name },
            None => self.reshaped(tensor, &shape, name)?,
        };
        self.set(node, view)
    }

    /// A copy of a row-major tensor in another shape.
    fn reshaped(
        &mut self,
        tensor: zkml_graph::TensorId,
        shape: &[usize],
        name: String,
    ) -> Result<Value, Refusal> {
        let groups: Vec<Vec<usize>> = shape.iter().map(|&e| vec![e]).collect();
        let (storage, view) = View::grouped(&groups);
        let copy = Expr::single(storage, Item::Reshape { tensor, factor: 1.0 });
        let tensor = self.exact(copy, &name)?;
        Ok(Value { source: Stored::Tensor(tensor), view, name })
    }

    /// The value with one stored axis for each logical axis of extent above 1.
    pub(super) fn regrouped(&mut self, value: Value, id: usize) -> Result<Value, Refusal> {
        let name = value.name.clone();
        let (tensor, view) = self.store(value, id)?;
        if view.axes.iter().all(|a| a.len() <= 1) && view.is_simple() {
            return Ok(Value { source: Stored::Tensor(tensor), view, name });
        }
        let shape = view.shape();
        let (tensor, view) = self.contiguous(tensor, &view)?;
        match view.reshape(&shape) {
            Some(view) if view.axes.iter().all(|a| a.len() <= 1) && view.is_simple() => {
                Ok(Value { source: Stored::Tensor(tensor), view, name })
            }
            _ => self.reshaped(tensor, &shape, name),
        }
    }

    pub(super) fn transpose(&mut self, node: &Node) -> Result<(), Refusal> {
        let (_, value) = self.input(node, 0)?;
        let permutation = permutation(node, value.view.axes.len())?;
        let view = value.view.transpose(&permutation);
        self.set(node, Value { view, ..value })
    }

    /// Slices of one value: `(axis, start, step, length)` for each, one after another.
    pub(super) fn cut(
        &mut self,
        value: &Value,
        id: usize,
        cuts: &[(usize, usize, usize, usize)],
    ) -> Result<Value, Refusal> {
        let apply = |view: &View| {
            cuts.iter().try_fold(view.clone(), |v, &(axis, start, step, n)| v.slice(axis, start, step, n))
        };
        let name = value.name.clone();
        if let Some(part) = slice_value(value, cuts) {
            return Ok(part);
        }
        let (tensor, view) = self.store(value.clone(), id)?;
        if let Some(view) = apply(&view) {
            return Ok(Value { source: Stored::Tensor(tensor), view, name });
        }
        let stored = Value { source: Stored::Tensor(tensor), view, name };
        let value = self.regrouped(stored, id)?;
        match apply(&value.view) {
            Some(view) => Ok(Value { view, ..value }),
            None => Err("a slice of this layout".into()),
        }
    }

    pub(super) fn slice(&mut self, node: &Node) -> Result<(), Refusal> {
        let (id, value) = self.input(node, 0)?;
        let shape = value.view.shape();
        let arrays: Vec<Option<&Array>> =
            (0..5).map(|i| if i == 0 { None } else { self.constant_array(node, i) }).collect();
        let ranges = slice_ranges(&shape, &arrays)?;
        let mut cuts = Vec::new();
        for (axis, &(start, step, length)) in ranges.iter().enumerate() {
            if length == 0 {
                return Err("an empty slice".into());
            }
            let step = match (usize::try_from(step), length) {
                (Ok(step), _) => step,
                (Err(_), 1) => 1,
                _ => return Err("a slice with a negative step".into()),
            };
            cuts.push((axis, start, step, length));
        }
        let value = self.cut(&value, id, &cuts)?;
        self.set(node, value)
    }

    pub(super) fn split(&mut self, node: &Node) -> Result<(), Refusal> {
        let (id, mut value) = self.input(node, 0)?;
        let shape = value.view.shape();
        let axis = zkml_float::array::axis(node.int("axis", 0), shape.len())?;
        let lengths = split_lengths(node, self.constant_array(node, 1), shape[axis])?;
        if slice_value(&value, &[(axis, 0, 1, lengths.first().copied().unwrap_or(1))]).is_none() {
            let (tensor, view) = self.store(value, id)?;
            let name = node.name.clone();
            value = Value { source: Stored::Tensor(tensor), view, name };
        }
        let mut start = 0;
        for (index, length) in lengths.into_iter().enumerate() {
            let part = self.cut(&value, id, &[(axis, start, 1, length)])?;
            self.set_at(node, index, part)?;
            start += length;
        }
        Ok(())
    }

    pub(super) fn concat(&mut self, node: &Node) -> Result<(), Refusal> {
        let shape = self.out_shape(node)?;
        let axis = zkml_float::array::axis(node.int("axis", 0), shape.len())?;
        let groups: Vec<Vec<usize>> = shape.iter().map(|&e| vec![e]).collect();
        let (storage, view) = View::grouped(&groups);
        let to = layout(&groups);
        let Some(&(out, _)) = to[axis].first() else {
            return self.alias(node);
        };
        let mut terms = Vec::new();
        let mut start = 0;
        for index in 0..node.inputs.len() {
            let id = node.input(index).ok_or("an input is missing")?;
            let extent = self.logical_shape(id)?[axis];
            let mut region = Expr::everywhere(&storage);
            region[out] = (start, extent);
            start += extent;
            if extent == 0 {
                continue;
            }
            if let Some(constant) = self.ir.constant(id).cloned() {
                let mut piece = shape.clone();
                piece[axis] = extent;
                let (_, local) = View::grouped(&groups_of(&piece, &to));
                let name = self.ir.values[id].name.clone();
                let values = super::broadcast::expanded(&constant.array, &piece);
                let array = Array::f32(piece, values);
                let mut term = self.constant_term(&array, &local, region.clone(), constant.secret, &name);
                if extent == 1 {
                    renumber(&mut term, out);
                }
                terms.push(term);
                continue;
            }
            let value = self.take(id)?;
            let (tensor, piece) = self.store(value, id)?;
            let mut local = to.clone();
            if extent == 1 {
                local[axis] = vec![];
            } else {
                local[axis] = vec![(out, extent)];
            }
            terms.push(Term { region, item: self.read(tensor, &piece, &local)? });
        }
        self.set_pending(node, Expr { shape: storage, body: Body::Affine(terms) }, view)
    }

    pub(super) fn expand(&mut self, node: &Node) -> Result<(), Refusal> {
        let shape = self.out_shape(node)?;
        let (id, value) = self.input(node, 0)?;
        if value.view.shape() == shape {
            return self.set(node, value);
        }
        let (tensor, view) = self.store(value, id)?;
        self.set_tensor(node, tensor, view.broadcast(&shape))
    }

    pub(super) fn tile(&mut self, node: &Node) -> Result<(), Refusal> {
        let shape = self.out_shape(node)?;
        let (tensor, mut view) = {
            let (_, tensor, view) = self.input_tensor(node, 0)?;
            (tensor, view)
        };
        for (axis, (&to, from)) in shape.iter().zip(view.shape()).enumerate() {
            if to != from {
                let repeat = Atom { extent: to / from, axis: None, stride: 0 };
                view.axes[axis].insert(0, repeat);
            }
        }
        self.set_tensor(node, tensor, view)
    }

    /// The given rows of an axis: runs of consecutive rows are copied together.
    pub(super) fn rows(
        &mut self,
        value: Value,
        id: usize,
        axis: usize,
        rows: &[usize],
    ) -> Result<Value, Refusal> {
        let value = self.regrouped(value, id)?;
        let name = value.name.clone();
        let (tensor, from) = self.store(value, id)?;
        let mut shape = from.shape();
        shape[axis] = rows.len();
        let groups: Vec<Vec<usize>> = shape.iter().map(|&e| vec![e]).collect();
        let (storage, view) = View::grouped(&groups);
        let to = layout(&groups);
        let mut terms = Vec::new();
        let mut at = 0;
        while at < rows.len() {
            let mut length = 1;
            while at + length < rows.len() && rows[at + length] == rows[at] + length {
                length += 1;
            }
            let part = from.slice(axis, rows[at], 1, length).ok_or("rows of this layout")?;
            let mut region = Expr::everywhere(&storage);
            let mut local = to.clone();
            if let Some(&(out, _)) = to[axis].first() {
                region[out] = (at, length);
                local[axis] = if length == 1 { vec![] } else { vec![(out, length)] };
            }
            terms.push(Term { region, item: self.read(tensor, &part, &local)? });
            at += length;
            if terms.len() > MAX_ROWS {
                return Err(format!("more than {MAX_ROWS} separate rows").into());
            }
        }
        let expr = Expr { shape: storage, body: Body::Affine(terms) };
        let tensor = self.exact(expr, &name)?;
        Ok(Value { source: Stored::Tensor(tensor), view, name })
    }

    pub(super) fn gather(&mut self, node: &Node) -> Result<(), Refusal> {
        if node.input(0).is_some_and(|v| self.ir.constant(v).is_some()) {
            return Err("a table looked up by an activation (an embedding)".into());
        }
        let Some(indices) = self.constant_array(node, 1).cloned() else {
            return Err("indices that depend on the input".into());
        };
        let shape = self.out_shape(node)?;
        let (id, value) = self.input(node, 0)?;
        let from = value.view.shape();
        let axis = zkml_float::array::axis(node.int("axis", 0), from.len())?;
        let n = from[axis] as i64;
        let rows: Vec<usize> =
            indices.ints()?.iter().map(|&i| (if i < 0 { i + n } else { i }) as usize).collect();
        let step = match rows[..] {
            [a, b, ..] if b > a => b - a,
            _ => 1,
        };
        let even = rows.windows(2).all(|w| w[1] == w[0] + step);
        let value = match rows.first() {
            Some(&first) if even => self.cut(&value, id, &[(axis, first, step, rows.len())])?,
            Some(_) => self.rows(value, id, axis, &rows)?,
            None => return Err("an empty selection".into()),
        };
        let view = value.view.reshape(&shape).ok_or("indices of this shape")?;
        self.set(node, Value { view, ..value })
    }

    pub(super) fn space(&mut self, node: &Node) -> Result<(), Refusal> {
        let shape = self.out_shape(node)?;
        let (id, value) = self.input(node, 0)?;
        let b = node.int("blocksize", 1) as usize;
        let from = value.view.shape();
        let (n, c, h, w) = (from[0], from[1], from[2], from[3]);
        let (cut, order): (Vec<usize>, [usize; 6]) = match (node.op.as_str(), node.text("mode")) {
            ("DepthToSpace", "CRD") => (vec![n, c / (b * b), b, b, h, w], [0, 1, 4, 2, 5, 3]),
            ("DepthToSpace", _) => (vec![n, b, b, c / (b * b), h, w], [0, 3, 4, 1, 5, 2]),
            (_, "CRD") => (vec![n, c, h / b, b, w / b, b], [0, 1, 3, 5, 2, 4]),
            _ => (vec![n, c, h / b, b, w / b, b], [0, 3, 5, 1, 2, 4]),
        };
        let value = match value.view.reshape(&cut) {
            Some(_) => value,
            None => self.regrouped(value, id)?,
        };
        let view = value
            .view
            .reshape(&cut)
            .and_then(|v| v.transpose(&order).reshape(&shape))
            .ok_or("a layout that is not supported")?;
        self.set(node, Value { view, ..value })
    }
}

/// Slices of a pending sum, without storing it; `None` if that is not possible.
fn slice_value(value: &Value, cuts: &[(usize, usize, usize, usize)]) -> Option<Value> {
    let Stored::Pending(expr) = &value.source else {
        return None;
    };
    let (mut expr, mut view) = match value.view.is_simple() {
        true => (expr.clone(), value.view.clone()),
        false => slice::split(expr, &value.view)?,
    };
    for &(axis, start, step, length) in cuts {
        match view.axes[axis][..] {
            [] if (start, length) == (0, 1) => {}
            [Atom { axis: Some(stored), extent, .. }] => {
                if (start, step, length) == (0, 1, extent) {
                    continue;
                }
                expr = slice::slice(&expr, (stored, start, step, length))?;
                view.storage[stored] = length;
                view.axes[axis] = match length {
                    1 => vec![],
                    _ => vec![Atom { extent: length, axis: Some(stored), stride: 1 }],
                };
            }
            _ => return None,
        }
    }
    Some(Value { source: Stored::Pending(expr), view, name: value.name.clone() })
}

/// One stored axis for each axis of the output that exists there, for a piece of a concatenation.
fn groups_of(piece: &[usize], to: &[Vec<(usize, usize)>]) -> Vec<Vec<usize>> {
    piece.iter().zip(to).map(|(&e, t)| if t.is_empty() { vec![] } else { vec![e] }).collect()
}

/// A term made without an output axis of extent 1: later axes move up by one.
fn renumber(term: &mut Term, without: usize) {
    let shift = |axis: &mut usize| {
        if *axis >= without {
            *axis += 1;
        }
    };
    if let Item::Bias { outer_axes, .. } = &mut term.item {
        outer_axes.iter_mut().for_each(shift);
    }
}
