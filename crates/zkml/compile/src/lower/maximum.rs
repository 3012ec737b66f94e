//! The greater or smaller of two values, and PRelu.

use super::broadcast::broadcast;
use super::elementwise::map_range;
use super::emit::Target;
use super::expr::{Broadcast, Expr, Item};
use super::view::{View, layout};
use super::{Lowering, Refusal};
use zkml_float::array::Array;
use zkml_float::ir::{Node, ValueId};
use zkml_graph::{Op, TensorId};

impl Lowering<'_> {
    pub(super) fn greater_or_less(&mut self, node: &Node, max: bool) -> Result<(), Refusal> {
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
                let (low, high) = if max { (Some(bound), None) } else { (None, Some(bound)) };
                let one = Node { inputs: vec![Some(*id)], ..node.clone() };
                self.clamp(&one, low, high)
            }
            ([a, b], None) => self.maximum(node, *a, *b, if max { 1.0 } else { -1.0 }),
            _ => Err("this combination of operands".into()),
        }
    }

    /// `sign * max(sign * a, sign * b)`.
    pub(super) fn maximum(&mut self, node: &Node, a: ValueId, b: ValueId, sign: f64) -> Result<(), Refusal> {
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
            let view = if view.padded { self.contiguous(tensor, &view)? } else { (tensor, view) };
            sides.push(view);
        }
        let scale = sides.iter().map(|s| i32::from(self.tensor(s.0).scale)).min().unwrap_or(0);
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
        let power = self.range(out)?.moments();
        let [a, b] = &maps[..] else {
            return Err(Refusal::Follows);
        };
        let op = Op::Max { a: a.clone(), b: b.clone() };
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
        let minus = Broadcast { axes: vec![], values: vec![-1.0], secret: false, name: name.clone() };
        copy.multiply(&minus).map_err(|_| Refusal::Follows)?;
        let mean = self.power[tensor as usize].mean;
        let out = self.exact(copy, &name)?;
        self.power[out as usize].mean = -mean;
        Ok(out)
    }

    /// `slope * x + (1 - slope) * relu(x)`.
    pub(super) fn prelu(&mut self, node: &Node) -> Result<(), Refusal> {
        let slope = self.constant_array(node, 1).ok_or("a slope that depends on the input")?;
        let slope = slope.clone();
        let name = node.input(1).map(|v| self.ir.values[v].name.clone()).unwrap_or_default();
        let (id, tensor, view) = self.input_tensor(node, 0)?;
        let tensor = self.narrow(tensor, id, self.bits.activation + 2)?;
        let range = map_range(&self.range(id)?, |x| x.max(0.0));
        let bits = self.bits.activation;
        let (mut copy, mut view) =
            if view.is_simple() { (self.copy_of(tensor), view) } else { self.copy_view(tensor, &view)? };
        let relu = self.emit(
            copy.clone(),
            &node.name,
            Target::Clamp { low: Some(0.0), high: None, range: &range, bits },
        )?;
        let values = slope.to_floats();
        let rest = values.iter().map(|s| 1.0 - s).collect();
        let rest = Array::f32(slope.shape.clone(), rest);
        let slope = Array::f32(slope.shape, values);
        let mut positive = self.copy_of(relu);
        let ok = copy.multiply(&broadcast(&slope, &view, true, &name)).is_ok()
            && positive.multiply(&broadcast(&rest, &view, true, &name)).is_ok()
            && copy.join(positive).is_ok();
        if !ok {
            return Err("a slope of this shape".into());
        }
        view.padded = false;
        self.set_pending(node, copy, view)
    }
}
