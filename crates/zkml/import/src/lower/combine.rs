//! Arithmetic of two values: constants fold into the pending sum, sums join, products of
//! activations become product nodes.

use super::elementwise::map_range;
use super::emit::Target;
use super::expr::{Body, Expr, Factor, Item, Operand, Spread};
use super::view::{Layout, View, layout};
use super::{Lowering, Refusal, Stored, Value, everywhere};
use crate::array::{Array, broadcast_positions, for_each_index, strides};
use crate::ir::{Node, ValueId};
use crate::scale::fit;
use zkml_graph::{FunctionKind, Op, OperandAxis, TensorId};

/// Numbers from here on in a layout are inner indices.
pub(super) const INNER: usize = 1 << 16;

/// How far apart, in bits, two weighted sums' scales may lie to share an accumulator.
const SHARED_SCALE_BITS: i32 = 2;

impl Lowering<'_> {
    pub(super) fn lower_combine(&mut self, node: &Node) -> Option<Result<(), Refusal>> {
        Some(match node.op.as_str() {
            "Add" | "Sub" | "Mul" | "Div" => self.binary(node),
            "Sum" | "Mean" => self.sum(node),
            "Pow" => self.power(node),
            "Max" => self.extremum(node, true),
            "Min" => self.extremum(node, false),
            "PRelu" => self.prelu(node),
            "BatchNormalization" => self.batch_norm(node),
            _ => return None,
        })
    }

    fn binary(&mut self, node: &Node) -> Result<(), Refusal> {
        let ids = (node.input(0), node.input(1));
        let (Some(a), Some(b)) = ids else {
            return Err("an input is missing".into());
        };
        match (
            node.op.as_str(),
            self.ir.constant(a).is_some(),
            self.ir.constant(b).is_some(),
        ) {
            ("Add", false, true) => self.with_constant(node, 0, 1, 1.0, |c| c, false),
            ("Add", true, false) => self.with_constant(node, 1, 0, 1.0, |c| c, false),
            ("Sub", false, true) => self.with_constant(node, 0, 1, 1.0, |c| -c, false),
            ("Sub", true, false) => self.with_constant(node, 1, 0, -1.0, |c| c, false),
            ("Mul", false, true) => self.with_constant(node, 0, 1, 1.0, |c| c, true),
            ("Mul", true, false) => self.with_constant(node, 1, 0, 1.0, |c| c, true),
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

    fn sum(&mut self, node: &Node) -> Result<(), Refusal> {
        let ids: Vec<(ValueId, f64)> = node.inputs.iter().flatten().map(|&v| (v, 1.0)).collect();
        if ids.iter().any(|&(v, _)| self.ir.constant(v).is_some()) {
            return Err("a constant among the summands".into());
        }
        let factor = if node.op == "Mean" {
            1.0 / ids.len() as f64
        } else {
            1.0
        };
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
        let name = node
            .input(c)
            .map(|v| self.ir.values[v].name.clone())
            .unwrap_or_default();
        let (id, mut value) = self.input(node, x)?;
        if value.view.shape() != shape {
            let name = value.name.clone();
            let (tensor, view) = self.store(value, id)?;
            value = Value {
                source: Stored::Tensor(tensor),
                view: view.broadcast(&shape),
                name,
            };
        }
        let (mut expr, view) = self.pending(value, id)?;
        let by = spread(&array, &view, secret, &name);
        if multiply {
            expr = self.multiply(expr, &by, id, node)?;
        } else {
            if sign != 1.0 {
                let minus = Spread {
                    axes: vec![],
                    values: vec![-1.0],
                    secret: false,
                    name,
                };
                expr = self.multiply(expr, &minus, id, node)?;
            }
            expr = self.add(expr, &by, id, node)?;
        }
        self.set_pending(node, expr, view)
    }

    /// A pending sum plus a constant.
    pub(super) fn add(
        &mut self,
        mut expr: Expr,
        constant: &Spread,
        id: ValueId,
        node: &Node,
    ) -> Result<Expr, Refusal> {
        if expr.add(constant).is_err() {
            expr = self.restart(expr, id, node)?;
            expr.add(constant)
                .map_err(|_| "a constant that no sum can take")?;
        }
        Ok(expr)
    }

    fn batch_norm(&mut self, node: &Node) -> Result<(), Refusal> {
        let (id, value) = self.input(node, 0)?;
        let shape = value.view.shape();
        let arrays: Vec<Option<&Array>> = (0..5)
            .map(|i| {
                if i == 0 {
                    None
                } else {
                    self.constant_array(node, i)
                }
            })
            .collect();
        let Some(&channels) = shape.get(1) else {
            return Err("the input has no channel axis".into());
        };
        let (factor, constant) = crate::float::batch_norm_affine(node, &arrays, channels)
            .map_err(|_| "statistics that depend on the input")?;
        let mut along = vec![1; shape.len() - 1];
        along[0] = channels;
        let (expr, view) = self.pending(value, id)?;
        let factor = spread(&Array::f32(along.clone(), factor), &view, true, &node.name);
        let constant = spread(&Array::f32(along, constant), &view, true, &node.name);
        let expr = self.multiply(expr, &factor, id, node)?;
        let expr = self.add(expr, &constant, id, node)?;
        self.set_pending(node, expr, view)
    }

    /// The layout that a combination of values takes, and its shape.
    fn common_layout(&self, views: &[&View], shape: &[usize]) -> (Layout, Vec<usize>, View) {
        let full = views.iter().find(|v| v.shape() == shape);
        if let Some(view) = full.filter(|v| v.is_simple()) {
            let to = view
                .axes
                .iter()
                .map(|atoms| {
                    atoms
                        .iter()
                        .map(|a| (a.axis.unwrap_or_default(), a.extent))
                        .collect()
                })
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
                Value {
                    source: Stored::Pending(expr),
                    view: ref v,
                    ..
                } if *v == view => {
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
            let by = Spread {
                axes: vec![],
                values: vec![(sign * factor) as f32],
                secret: false,
                name: node.name.clone(),
            };
            if by.values[0] != 1.0 {
                expr = self.multiply(expr, &by, id, node)?;
            }
            match &mut total {
                None => total = Some(expr),
                Some(total) => {
                    total
                        .join(expr)
                        .map_err(|_| "operands that no sum can take")?;
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
                Item::Tensor {
                    tensor,
                    factor: Factor::Hidden { rows, .. },
                    ..
                } => {
                    let peak = rows.iter().fold(0f64, |m, &w| m.max(f64::from(w.abs())));
                    Some(i32::from(self.tensor(*tensor).scale) + fit(peak, high))
                }
                _ => None,
            })
            .min()
    }

    fn product(&mut self, node: &Node, a: ValueId, b: ValueId) -> Result<(), Refusal> {
        let out = node.output(0).ok_or(Refusal::Follows)?;
        let shape = self.logical_shape(out)?;
        let (va, vb) = (self.take(a)?, self.take(b)?);
        let (ta, va) = self.store(va, a)?;
        let (tb, vb) = if a == b {
            (ta, va.clone())
        } else {
            self.store(vb, b)?
        };
        let ta = self.narrow(ta, a, self.bits.activation + 2)?;
        let tb = if a == b {
            ta
        } else {
            self.narrow(tb, b, self.bits.activation + 2)?
        };
        if a == b {
            let mut copy = self.copy_of(ta);
            let mut view = va;
            if !view.is_bijective() {
                (copy, view) = self.copy_view(ta, &view)?;
            }
            let (before, after) = (self.range(a)?, self.range(out)?);
            let kind = FunctionKind::Square;
            let target = Target::Function {
                kind,
                before: &before,
                after: &after,
            };
            let tensor = self.emit(copy, &node.name, target)?;
            return self.set_tensor(node, tensor, view);
        }
        let (to, storage, view) = self.common_layout(&[&va, &vb], &shape);
        let a = self.product_operand(ta, &va, &to)?;
        let b = self.product_operand(tb, &vb, &to)?;
        let expr = Expr {
            shape: storage,
            body: Body::Product {
                a,
                b,
                inner: vec![],
                factor: 1.0,
            },
        };
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
            .map(|(atoms, to)| {
                if atoms.is_empty() {
                    vec![]
                } else {
                    to.iter().map(|t| t.1).collect()
                }
            })
            .collect();
        let name = self.tensor(tensor).name.clone();
        let item = self.read(tensor, view, &layout(&extents))?;
        let (storage, stored) = View::grouped(&extents);
        let copy = self.exact(Expr::single(storage, item), &name)?;
        direct_operand(copy, &stored, to)
            .ok_or_else(|| "operands whose layouts do not match".into())
    }

    fn power(&mut self, node: &Node) -> Result<(), Refusal> {
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
        let fused = Node {
            fused: Some(kind),
            ..node.clone()
        };
        self.lower_elementwise(&fused)
            .unwrap_or(Err(Refusal::Follows))
    }

    fn extremum(&mut self, node: &Node, max: bool) -> Result<(), Refusal> {
        let (mut dynamic, mut bound) = (Vec::new(), None);
        for &id in node.inputs.iter().flatten() {
            match self.ir.constant(id) {
                Some(c) if bound.is_none() => {
                    let value = c.array.scalar().ok_or("a bound that is not one constant")?;
                    bound = Some(f64::from(value));
                }
                Some(_) => return Err("several constant operands".into()),
                None => dynamic.push(id),
            }
        }
        match (&dynamic[..], bound) {
            ([id], Some(bound)) => {
                let (low, high) = if max {
                    (Some(bound), None)
                } else {
                    (None, Some(bound))
                };
                let one = Node {
                    inputs: vec![Some(*id)],
                    ..node.clone()
                };
                self.clamp(&one, low, high)
            }
            ([a, b], None) => self.maximum(node, *a, *b, if max { 1.0 } else { -1.0 }),
            _ => Err("this combination of operands".into()),
        }
    }

    /// `sign * max(sign * a, sign * b)`.
    fn maximum(&mut self, node: &Node, a: ValueId, b: ValueId, sign: f64) -> Result<(), Refusal> {
        let out = node.output(0).ok_or(Refusal::Follows)?;
        let shape = self.logical_shape(out)?;
        let mut sides = Vec::new();
        for id in [a, b] {
            let value = self.take(id)?;
            let (tensor, view) = self.store(value, id)?;
            let mut tensor = self.narrow(tensor, id, self.bits.activation + 2)?;
            if sign < 0.0 {
                tensor = self.negated(tensor)?;
            }
            let view = if view.padded {
                self.contiguous(tensor, &view)?
            } else {
                (tensor, view)
            };
            sides.push(view);
        }
        let scale = sides
            .iter()
            .map(|s| i32::from(self.tensor(s.0).scale))
            .min()
            .unwrap_or(0);
        for side in &mut sides {
            if i32::from(self.tensor(side.0).scale) > scale {
                side.0 = self.coarser(side.0, scale)?;
            }
        }
        let views: Vec<&View> = sides.iter().map(|s| &s.1).collect();
        let (to, storage, view) = self.common_layout(&views, &shape);
        let mut maps = Vec::new();
        for (tensor, view) in &sides {
            let mut tensor = *tensor;
            let map = match view.read(&to) {
                Some(map) => map,
                None => match self.read(tensor, view, &to)? {
                    Item::Tensor { tensor: t, map, .. } => {
                        tensor = t;
                        map
                    }
                    item => {
                        let copy = Expr::single(storage.clone(), item);
                        tensor = self.exact(copy, &node.name)?;
                        View::whole(&storage)
                            .read(&layout(&View::whole(&storage).extents()))
                            .ok_or("a layout that is not supported")?
                    }
                },
            };
            maps.push(zkml_graph::View { tensor, map });
        }
        let range = maps.iter().fold((i64::MAX, i64::MIN), |r, v| {
            let t = self.tensor(v.tensor);
            (r.0.min(t.min), r.1.max(t.max))
        });
        let power = self.range(out)?.mean_square();
        let [a, b] = &maps[..] else {
            return Err(Refusal::Follows);
        };
        let op = Op::Max {
            a: a.clone(),
            b: b.clone(),
        };
        let mut tensor = self.push_op(op, &node.name, &storage, range, scale)?;
        self.power[tensor as usize] = power;
        if sign < 0.0 {
            tensor = self.negated(tensor)?;
        }
        self.set_tensor(node, tensor, view)
    }

    /// `-x`, exactly.
    pub(super) fn negated(&mut self, tensor: TensorId) -> Result<TensorId, Refusal> {
        let name = self.tensor(tensor).name.clone();
        let mut copy = self.copy_of(tensor);
        let minus = Spread {
            axes: vec![],
            values: vec![-1.0],
            secret: false,
            name: name.clone(),
        };
        copy.multiply(&minus).map_err(|_| Refusal::Follows)?;
        self.exact(copy, &name)
    }

    /// `slope * x + (1 - slope) * relu(x)`.
    fn prelu(&mut self, node: &Node) -> Result<(), Refusal> {
        let slope = self
            .constant_array(node, 1)
            .ok_or("a slope that depends on the input")?;
        let slope = slope.clone();
        let name = node
            .input(1)
            .map(|v| self.ir.values[v].name.clone())
            .unwrap_or_default();
        let (id, tensor, view) = self.input_tensor(node, 0)?;
        let tensor = self.narrow(tensor, id, self.bits.activation + 2)?;
        let range = map_range(&self.range(id)?, |x| x.max(0.0));
        let bits = self.bits.activation;
        let (mut copy, mut view) = if view.is_simple() {
            (self.copy_of(tensor), view)
        } else {
            self.copy_view(tensor, &view)?
        };
        let relu = self.emit(
            copy.clone(),
            &node.name,
            Target::Clamp {
                low: Some(0.0),
                high: None,
                range: &range,
                bits,
            },
        )?;
        let values = slope.to_floats();
        let rest = values.iter().map(|s| 1.0 - s).collect();
        let rest = Array::f32(slope.shape.clone(), rest);
        let slope = Array::f32(slope.shape, values);
        let mut positive = self.copy_of(relu);
        let ok = copy.multiply(&spread(&slope, &view, true, &name)).is_ok()
            && positive
                .multiply(&spread(&rest, &view, true, &name))
                .is_ok()
            && copy.join(positive).is_ok();
        if !ok {
            return Err("a slope of this shape".into());
        }
        view.padded = false;
        self.set_pending(node, copy, view)
    }

    /// A constant as a term in a box of an output stored as `view` says.
    pub(super) fn constant_term(
        &self,
        array: &Array,
        view: &View,
        region: Vec<(usize, usize)>,
        secret: bool,
        name: &str,
    ) -> super::Term {
        let spread = spread(array, view, secret, name);
        let mut term = everywhere(
            &view.storage,
            match spread.uniform() {
                Some(value) if !secret => Item::Constant(value),
                _ => Item::Bias {
                    rows: spread.values,
                    outer_axes: spread.axes,
                    name: name.into(),
                },
            },
        );
        term.region = region;
        term
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
            None => u32::try_from(map.offset)
                .ok()
                .filter(|&o| (o as usize) < extent)
                .map(OperandAxis::Fixed),
            Some((out, 1)) if map.offset == 0 => {
                let whole = to
                    .iter()
                    .flatten()
                    .any(|t| t.0 == out as usize && t.1 == extent);
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

/// A constant, broadcast to a value's logical shape, over the stored axes on which it varies.
pub(super) fn spread(array: &Array, view: &View, secret: bool, name: &str) -> Spread {
    let shape = view.shape();
    let mut dims = vec![1; shape.len().saturating_sub(array.shape.len())];
    dims.extend(&array.shape);
    let values = array.to_floats();
    let same = !secret && values.windows(2).all(|w| w[0] == w[1]);
    if same && !values.is_empty() {
        return Spread {
            axes: vec![],
            values: vec![values[0]],
            secret,
            name: name.into(),
        };
    }
    let mut axes: Vec<usize> = view
        .axes
        .iter()
        .zip(&dims)
        .filter(|(_, d)| **d > 1)
        .flat_map(|(atoms, _)| atoms.iter().filter_map(|a| a.axis))
        .collect();
    axes.sort_unstable();
    axes.dedup();
    let extents: Vec<usize> = axes.iter().map(|&a| view.storage[a]).collect();
    let steps = strides(&dims);
    let mut out = Vec::with_capacity(extents.iter().product());
    for_each_index(&extents, |index| {
        let mut at = 0;
        for ((atoms, &dim), &step) in view.axes.iter().zip(&dims).zip(&steps) {
            if dim > 1 {
                let i = atoms.iter().fold(0, |i, atom| {
                    let p = axes.iter().position(|&a| Some(a) == atom.axis);
                    i * atom.extent + p.map_or(0, |p| index[p])
                });
                at += i * step;
            }
        }
        out.push(values[at]);
    });
    Spread {
        axes,
        values: out,
        secret,
        name: name.into(),
    }
}

/// A constant repeated to a shape.
pub(super) fn expanded(array: &Array, shape: &[usize]) -> Vec<f32> {
    let values = array.to_floats();
    broadcast_positions(&array.shape, shape)
        .into_iter()
        .map(|p| values[p])
        .collect()
}
