//! Softmax, its logarithm and ArgMax: chains of maxima, an exponential table, exact division.

use super::emit::Target;
use super::expr::{Expr, Factor, Item};
use super::view::{View, layout};
use super::{Lowering, Refusal, Stored, Value};
use crate::calibrate::Range;
use zkml_float::exec::softmax_axes;
use zkml_float::ir::{Node, ValueId};
use zkml_graph::{Epilogue, Function, FunctionKind, Op, Source, TensorId, Weight, types};

/// Bits of the exponential table's results.
const EXP_BITS: u8 = 12;
/// log2 of the output that stands for one, if the softmax is the graph's output.
const OUTPUT_BITS: u8 = 14;
/// Most bits of an ArgMax key.
const KEY_BITS: u8 = 16;

/// The rows of a softmax: differences to the maximum, and their exponentials.
struct Rows {
    /// Exponentials, at a scale of [`EXP_BITS`].
    exp: TensorId,
    /// The pending differences.
    difference: Expr,
    /// Stored axis of the rows.
    axis: usize,
    view: View,
}

impl Lowering<'_> {
    fn softmax_rows(&mut self, node: &Node) -> Result<Rows, Refusal> {
        let (id, value) = self.input(node, 0)?;
        let bits = self.bits.activation + 2;
        let value = self.stored_wide(value, id, bits)?;
        let axes = softmax_axes(node, value.view.axes.len(), self.ir.opset)?;
        let long: Vec<usize> = axes.iter().copied().filter(|&a| !value.view.axes[a].is_empty()).collect();
        let &[axis] = &long[..] else {
            return Err(format!("a sum over {} axes of more than one element", long.len()).into());
        };
        let (tensor, view) = self.simple_rows(value, id, axis, bits)?;
        let (max, reduced) = self.max_along(tensor, &view, axis, &node.name)?;
        let to = layout(&view.extents());
        let mut difference = Expr::single(View::grouped(&view.extents()).0, self.read(tensor, &view, &to)?);
        let minus = match self.read(max, &reduced, &to)? {
            Item::Tensor { tensor, inner, map, .. } => {
                Item::Tensor { tensor, inner, map, factor: Factor::Public(-1.0) }
            }
            _ => return Err("rows of this layout".into()),
        };
        let minus = Expr::single(difference.shape.clone(), minus);
        difference.join(minus).map_err(|_| Refusal::Follows)?;
        let (_, view) = View::grouped(&view.extents());
        let stored = view.axes[axis].first().and_then(|a| a.axis).ok_or(Refusal::Follows)?;
        let exp = self.exponentials(&difference, tensor, &node.name)?;
        Ok(Rows { exp, difference, axis: stored, view })
    }

    /// A stored value with at most `bits` bits.
    pub(super) fn stored_wide(&mut self, value: Value, id: ValueId, bits: u8) -> Result<Value, Refusal> {
        let Value { source, view, name } = value;
        let tensor = match source {
            Stored::Tensor(tensor) => tensor,
            Stored::Pending(expr) => {
                let range = self.range(id)?;
                self.emit(expr, &name, Target::Value { range: &range, bits })?
            }
        };
        let tensor = self.narrow(tensor, id, bits)?;
        Ok(Value { source: Stored::Tensor(tensor), view, name })
    }

    /// The value with its rows along one stored axis.
    fn simple_rows(
        &mut self,
        value: Value,
        id: ValueId,
        axis: usize,
        bits: u8,
    ) -> Result<(TensorId, View), Refusal> {
        let plain = !value.view.padded
            && value.view.axes[axis].len() == 1
            && value.view.read(&layout(&value.view.extents())).is_some();
        let value = if plain { value } else { self.regrouped(value, id)? };
        let value = self.stored_wide(value, id, bits)?;
        self.store(value, id)
    }

    /// `exp(x - max)` at a scale of [`EXP_BITS`].
    fn exponentials(&mut self, difference: &Expr, x: TensorId, name: &str) -> Result<TensorId, Refusal> {
        let t = self.tensor(x);
        let span = (t.max - t.min).max(1) as u64;
        let scale = t.scale;
        // Below exp(-s) = 2^-13 every entry is zero: the table need not reach further.
        let negligible = 9.5 * crate::scale::exp2(i32::from(scale));
        let reach = (span as f64).min(negligible.max(1.0)) as u64;
        let bits = (64 - reach.leading_zeros()) as u8;
        let one = 1i64 << EXP_BITS;
        let function = Function {
            kind: FunctionKind::Exp,
            in_scale: scale,
            out_scale: EXP_BITS as i8,
            out_min: 0,
            out_max: one,
        };
        let epilogue =
            Epilogue::Requant { shift: 0, domain_min: 1 - (1 << bits), domain_bits: bits, function };
        self.emit_epilogue(difference.clone(), name, epilogue, (0, one), i32::from(EXP_BITS))
    }

    pub(super) fn softmax(&mut self, node: &Node) -> Result<(), Refusal> {
        let out = node.output(0).ok_or(Refusal::Follows)?;
        let rows = self.softmax_rows(node)?;
        let last = self.ir.outputs.contains(&out);
        let shift = if last { OUTPUT_BITS } else { self.bits.activation };
        let shape = self.shape_of(rows.exp);
        let op = Op::Normalize { numerator: rows.exp, axis: rows.axis as u32, shift };
        let tensor = self.push_op(op, &node.name, &shape, (0, 1 << shift), i32::from(shift))?;
        self.power[tensor as usize] = self.range(out)?.moments();
        self.set_tensor(node, tensor, rows.view)
    }

    /// `x - max - log(sum of exp(x - max))`.
    pub(super) fn log_softmax(&mut self, node: &Node) -> Result<(), Refusal> {
        let mut rows = self.softmax_rows(node)?;
        let shape = self.shape_of(rows.exp);
        let n = shape[rows.axis];
        let mut kept = shape.clone();
        kept.remove(rows.axis);
        let empty = kept.is_empty();
        if empty {
            kept.push(1);
        }
        // The exponentials, summed along the rows.
        let mut map = View::whole(&shape).maps();
        let mut out = 0;
        for (axis, map) in map.iter_mut().enumerate() {
            if axis == rows.axis {
                map.inner = Some((0, 1));
            } else {
                map.out = Some((out, 1));
                out += 1;
            }
        }
        let item = Item::Tensor { tensor: rows.exp, inner: vec![n], map, factor: Factor::Public(1.0) };
        let sum = Expr::single(kept, item);
        let before = Range::known(1.0, n as f64);
        let after = Range::known(0.0, (n as f64).ln().max(0.5));
        let saved = self.bits.activation;
        self.bits.activation = saved.max(10);
        let target = Target::Function { kind: FunctionKind::Log, before: &before, after: &after };
        let log = self.emit(sum, &node.name, target);
        self.bits.activation = saved;
        let log = log?;
        let mut map = View::whole(&self.shape_of(log)).maps();
        if !empty {
            let axes = (0..shape.len()).filter(|&a| a != rows.axis);
            for (map, axis) in map.iter_mut().zip(axes) {
                map.out = Some((axis as u32, 1));
            }
        }
        let item = Item::Tensor { tensor: log, inner: vec![], map, factor: Factor::Public(-1.0) };
        let minus = Expr::single(shape, item);
        rows.difference.join(minus).map_err(|_| Refusal::Follows)?;
        self.set_pending(node, rows.difference, rows.view)
    }

    /// The index of the greatest element; ties go to the lowest index. Keys are
    /// `x * n + (n - 1 - index)`, with `n` a power of two, so the greatest key holds the answer.
    pub(super) fn arg_max(&mut self, node: &Node) -> Result<(), Refusal> {
        if node.int("select_last_index", 0) != 0 {
            return Err("select_last_index".into());
        }
        let shape = self.logical_shape(node.output(0).ok_or(Refusal::Follows)?)?;
        let (id, value) = self.input(node, 0)?;
        let axis = zkml_float::array::axis(node.int("axis", 0), value.view.axes.len())?;
        let length = value.view.shape()[axis];
        let log_n = usize::BITS - (length - 1).leading_zeros();
        let bits = u8::try_from(log_n)
            .ok()
            .and_then(|log| KEY_BITS.checked_sub(log))
            .filter(|&bits| bits >= 4)
            .ok_or_else(|| format!("{length} elements leave fewer than 4 bits for their values"))?;
        // The table that reads the index off a key has an entry for every key.
        let bits = bits.min(self.bits.activation);
        let value = self.stored_wide(value, id, bits)?;
        if length == 1 {
            return Err("an axis of one element".into());
        }
        let (tensor, view) = self.simple_rows(value, id, axis, bits)?;
        let n = 1i64 << log_n;
        let to = layout(&view.extents());
        let (storage, view_out) = View::grouped(&view.extents());
        let Item::Tensor { map, .. } = self.read(tensor, &view, &to)? else {
            return Err("rows of this layout".into());
        };
        let row = view_out.axes[axis].first().and_then(|a| a.axis).ok_or(Refusal::Follows)?;
        let region: Vec<(u32, u32)> = storage.iter().map(|&e| (0, e as u32)).collect();
        let term = |source| types::Term { region: region.clone(), source };
        let terms = vec![
            term(Source::Tensor { tensor, inner: vec![], map, weight: Weight::Public(n) }),
            term(Source::Index { axis: row as u32, multiplier: -1 }),
            term(Source::Constant(n - 1)),
        ];
        let (low, high) = (self.tensor(tensor).min, self.tensor(tensor).max);
        let range = (low * n + n - length as i64, high * n + n - 1);
        let op = Op::Affine { terms, epilogue: Epilogue::Exact };
        let keys = self.push_op(op, &node.name, &storage, range, 0)?;
        let (best, view) = self.max_along(keys, &view_out, axis, &node.name)?;
        let span = (range.1 - range.0) as u64;
        let epilogue = Epilogue::Requant {
            shift: 0,
            domain_min: range.0,
            domain_bits: (64 - span.leading_zeros()).max(1) as u8,
            function: Function {
                kind: FunctionKind::ArgIndex { n: n as u32 },
                in_scale: 0,
                out_scale: 0,
                out_min: 0,
                out_max: n - 1,
            },
        };
        let copy = self.copy_of(best);
        let index = self.emit_epilogue(copy, &node.name, epilogue, (0, n - 1), 0)?;
        let view = view.reshape(&shape).ok_or("a shape that does not fit")?;
        self.set_tensor(node, index, view)
    }
}
