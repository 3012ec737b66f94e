//! Selection by constants, and of rows of a table: masks before a softmax, Where, one-hot vectors.

use super::broadcast::{broadcast, expanded};
use super::compare::Truth;
use super::emit::Target;
use super::expr::{Body, Broadcast, Item};
use super::view::{View, layout};
use super::{Lowering, Refusal, Stored, Value};
use crate::calibrate::Range;
use crate::scale::exp2;
use zkml_float::array::Array;
use zkml_float::exec::softmax_axes;
use zkml_float::ir::{Node, ValueId};
use zkml_graph::{Op, Source, TensorId, Weight, types};

/// How far below every score a masked one lies: its exponential rounds to zero beside any other's.
const FAR_BELOW: f64 = 10.0;

impl Lowering<'_> {
    /// `Where` with a constant condition and one constant branch.
    pub(super) fn select(&mut self, node: &Node) -> Result<(), Refusal> {
        let condition = self.constant_array(node, 0).ok_or("a condition that depends on the input")?.clone();
        let (x, fill, negate) = match (self.constant(node, 1), self.constant(node, 2)) {
            (Some(fill), None) => (2, fill.array.clone(), true),
            (None, Some(fill)) => (1, fill.array.clone(), false),
            _ => return Err("two branches that depend on the input".into()),
        };
        let shape = self.out_shape(node)?;
        let keep: Vec<bool> = expanded(&condition, &shape).iter().map(|&c| (c != 0.0) != negate).collect();
        let fill = expanded(&fill, &shape);
        let id = node.input(x).ok_or(Refusal::Follows)?;
        let range = self.range(id)?;
        let low = (range.min - FAR_BELOW) as f32;
        let masked = keep.iter().zip(&fill).all(|(&keep, &fill)| keep || fill <= low);
        if masked && self.is_mask(node, &keep, &shape)? {
            return self.masked(node, x, &keep, &vec![0.0; keep.len()]);
        }
        if keep.iter().zip(&fill).any(|(&keep, fill)| !keep && !fill.is_finite()) {
            return Err("a constant branch that is not finite".into());
        }
        let add: Vec<f32> =
            keep.iter().zip(&fill).map(|(&keep, &fill)| if keep { 0.0 } else { fill }).collect();
        self.kept(node, x, &keep, &add)
    }

    /// A sum with a constant that only a softmax reads and whose very negative entries are a mask: whatever
    /// is added to them, their exponentials are zero. False if it is an ordinary sum.
    pub(super) fn masking_sum(&mut self, node: &Node, x: usize, constant: usize) -> Result<bool, Refusal> {
        let Some(array) = self.constant_array(node, constant).cloned() else { return Ok(false) };
        let id = node.input(x).ok_or(Refusal::Follows)?;
        let range = self.range(id)?;
        let far = (range.min - range.max - FAR_BELOW) as f32;
        if !array.to_floats().iter().any(|&added| added < far) {
            return Ok(false);
        }
        let shape = self.out_shape(node)?;
        let add = expanded(&array, &shape);
        let keep: Vec<bool> = add.iter().map(|&added| added >= far).collect();
        if !self.is_mask(node, &keep, &shape)? {
            return Ok(false);
        }
        let add: Vec<f32> = add.iter().map(|&added| if added >= far { added } else { 0.0 }).collect();
        self.masked(node, x, &keep, &add)?;
        Ok(true)
    }

    /// Whether only softmaxes read a node's result, each with an entry that is kept in every row.
    fn is_mask(&self, node: &Node, keep: &[bool], shape: &[usize]) -> Result<bool, Refusal> {
        let out = node.output(0).ok_or(Refusal::Follows)?;
        if self.ir.outputs.contains(&out) {
            return Ok(false);
        }
        for reader in self.ir.nodes.iter().filter(|reader| reader.inputs.contains(&Some(out))) {
            let axes = softmax_axes(reader, shape.len(), self.ir.opset)?;
            let last = axes == [shape.len() - 1];
            let row = shape.last().copied().unwrap_or(1).max(1);
            if reader.op != "Softmax" || !last || keep.chunks(row).any(|row| !row.contains(&true)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// `x + add` where it is kept, and a number far below every other elsewhere.
    ///
    /// A masked entry gets so much subtracted that it cannot reach the others, and saturates where the range
    /// of its tensor begins: a factor for each entry would cost a pass over the block for each.
    fn masked(&mut self, node: &Node, x: usize, keep: &[bool], add: &[f32]) -> Result<(), Refusal> {
        let id = node.input(x).ok_or(Refusal::Follows)?;
        let before = self.range(id)?;
        let (bits, shape) = (self.bits.activation + 2, self.out_shape(node)?);
        let (_, value) = self.input(node, x)?;
        let value = self.stored_wide(value, id, bits)?;
        let Stored::Tensor(tensor) = value.source else { return Err(Refusal::Follows) };
        // What the tensor can hold, not what the samples showed.
        let t = self.tensor(tensor);
        let factor = exp2(-i32::from(t.scale));
        let (min, max) = (t.min as f64 * factor, t.max as f64 * factor);
        let (least, most) = add.iter().fold((0f32, 0f32), |(l, m), &a| (l.min(a), m.max(a)));
        let low = min + f64::from(least) - FAR_BELOW;
        let sums: Vec<f32> =
            keep.iter().zip(add).map(|(&keep, &add)| if keep { add } else { (low - max) as f32 }).collect();
        let value = self.repeated(value, id, &shape)?;
        let (expr, view) = self.pending(value, id)?;
        let summands = broadcast(&compact(&sums, &shape), &view, false, &node.name);
        let expr = self.add(expr, &summands, id, node)?;
        let mut range = Range { min: low, max: before.max + f64::from(most), ..before };
        range.kept.push(low as f32);
        let target = Target::Clamp { low: Some(low), high: None, range: &range, bits };
        let tensor = self.emit(expr, &node.name, target)?;
        self.set_tensor(node, tensor, view)
    }

    /// `x` where it is kept and zero elsewhere, plus constants.
    fn kept(&mut self, node: &Node, x: usize, keep: &[bool], add: &[f32]) -> Result<(), Refusal> {
        let shape = self.out_shape(node)?;
        let (id, value) = self.input(node, x)?;
        let value = self.repeated(value, id, &shape)?;
        let (mut expr, view) = self.pending(value, id)?;
        if matches!(expr.body, Body::Product { .. }) {
            let (range, bits) = (self.range(id)?, self.bits.activation + 2);
            let tensor = self.emit(expr, &node.name, Target::Value { range: &range, bits })?;
            expr = self.copy_of(tensor);
        }
        let factors: Vec<f32> = keep.iter().map(|&keep| f32::from(u8::from(keep))).collect();
        let factors = broadcast(&compact(&factors, &shape), &view, false, &node.name);
        let summands = broadcast(&compact(add, &shape), &view, false, &node.name);
        let expr = self.multiply(expr, &factors, id, node)?;
        let expr = self.add(expr, &summands, id, node)?;
        self.set_pending(node, expr, view)
    }

    /// A vector for each integer: `on` at its index, `off` elsewhere. An index that is none has no `on`.
    pub(super) fn one_hot(&mut self, node: &Node) -> Result<(), Refusal> {
        let shape = self.out_shape(node)?;
        let depth = *shape.last().ok_or("a depth")?;
        let values = self.constant_array(node, 2).ok_or("values that depend on the input")?.to_floats();
        let &[off, on] = &values[..] else { return Err("values that are not two".into()) };
        let rank = shape.len();
        if zkml_float::array::axis(node.int("axis", -1), rank)? != rank - 1 {
            return Err("an axis that is not the last".into());
        }
        let (id, tensor, view) = self.input_tensor(node, 0)?;
        let range = self.range(id)?;
        if self.tensor(tensor).scale != 0 || range.min < 0.0 || range.max >= depth as f64 {
            return Err(format!("indices from {} to {} of {depth} rows", range.min, range.max).into());
        }
        let (tensor, view) = self.hot(tensor, &view, depth, &node.name)?;
        let view = view.reshape(&shape).ok_or("indices of this shape")?;
        if (off, on) == (0.0, 1.0) {
            return self.set_tensor(node, tensor, view);
        }
        let id = node.output(0).ok_or(Refusal::Follows)?;
        let value = Value { source: Stored::Tensor(tensor), view, name: node.name.clone() };
        let (mut expr, view) = self.pending(value, id)?;
        let number = |value: f32| Broadcast::number(f64::from(value), &node.name);
        expr = self.multiply(expr, &number(on - off), id, node)?;
        expr = self.add(expr, &number(off), id, node)?;
        self.set_pending(node, expr, view)
    }

    /// `1` where an integer equals the index on a new last axis, else `0`.
    fn hot(
        &mut self,
        tensor: TensorId,
        view: &View,
        depth: usize,
        name: &str,
    ) -> Result<(TensorId, View), Refusal> {
        let mut extents = view.extents();
        let Item::Tensor { map, .. } = self.read(tensor, view, &layout(&extents))? else {
            return Err("indices of this layout".into());
        };
        extents.push(vec![depth]);
        let (storage, out) = View::grouped(&extents);
        let axis = u32::try_from(storage.len() - 1).map_err(|_| "a rank beyond 2^32")?;
        let region: Vec<(u32, u32)> = storage.iter().map(|&e| (0, e as u32)).collect();
        let term = |source| types::Term { region: region.clone(), source };
        let terms = vec![
            term(Source::Tensor { tensor, inner: vec![], map, weight: Weight::Public(1) }),
            term(Source::Index { axis, multiplier: -1 }),
        ];
        let op = Op::Affine { terms, epilogue: Truth::Zero.epilogue() };
        Ok((self.push_op(op, name, &storage, (0, 1), 0)?, out))
    }

    /// How many rows the tables have that a graph input indexes, if it does nothing else: its integers then
    /// are the indices of the smallest of them.
    pub(super) fn indexes(&self, input: ValueId) -> Option<i64> {
        let readers = self.ir.nodes.iter().filter(|node| node.inputs.contains(&Some(input)));
        let mut least = None;
        for node in readers {
            if node.op != "OneHot" || node.input(0) != Some(input) {
                return None;
            }
            let depth = self.constant_array(node, 1)?.scalar()? as i64;
            least = Some(least.map_or(depth, |least: i64| least.min(depth)));
        }
        least.filter(|&depth| (1..=1 << zkml_graph::function::MAX_DOMAIN_BITS).contains(&depth))
    }
}

/// An array without the leading axes along which it repeats.
fn compact(values: &[f32], shape: &[usize]) -> Array {
    let (mut values, mut shape) = (values, shape.to_vec());
    let mut axis = 0;
    while let Some(&extent) = shape.get(axis) {
        let part = values.len() / extent.max(1);
        if extent > 1 && values.chunks(part.max(1)).any(|chunk| chunk != &values[..part]) {
            break;
        }
        values = &values[..part];
        shape[axis] = 1;
        axis += 1;
    }
    Array::f32(shape, values.to_vec())
}
