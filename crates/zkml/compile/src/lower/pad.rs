//! Padding: zeros are read outside the tensor, other modes copy rows.

use super::expr::{Body, Expr, Item, Term};
use super::view::{View, layout};
use super::{Lowering, Refusal, Value, everywhere};
use zkml_float::array::Array;
use zkml_float::exec::pad_amounts;
use zkml_float::ir::Node;

impl Lowering<'_> {
    pub(super) fn pad(&mut self, node: &Node) -> Result<(), Refusal> {
        let (id, value) = self.input(node, 0)?;
        let shape = value.view.shape();
        let arrays: Vec<Option<&Array>> =
            (0..4).map(|i| if i == 0 { None } else { self.constant_array(node, i) }).collect();
        let pads = pad_amounts(node, &arrays, shape.len())?;
        let mut cuts = Vec::new();
        for (axis, &(before, after)) in pads.iter().enumerate() {
            if before < 0 || after < 0 {
                let start = (-before).max(0) as usize;
                let length = shape[axis] as i64 - start as i64 + after.min(0);
                let length = usize::try_from(length).ok().filter(|&l| l > 0);
                cuts.push((axis, start, 1, length.ok_or("pads that leave nothing")?));
            }
        }
        let mut value = self.cut(&value, id, &cuts)?;
        let constant = self.constant_array(node, 2).and_then(Array::scalar);
        let fill = constant.unwrap_or(node.float("value", 0.0));
        if !matches!(node.text("mode"), "" | "constant") {
            let mode = node.text("mode").to_owned();
            for (axis, &(before, after)) in pads.iter().enumerate() {
                let pads = (before.max(0) as usize, after.max(0) as usize);
                value = self.pad_rows(value, id, axis, pads, &mode)?;
            }
            return self.set(node, value);
        }
        if !fill.is_finite() {
            return Err(format!("padding with {fill}").into());
        }
        let pad_all = |view: &View| {
            pads.iter().enumerate().try_fold(view.clone(), |v, (axis, &(b, a))| {
                v.pad(axis, b.max(0) as usize, a.max(0) as usize)
            })
        };
        let padded = match pad_all(&value.view) {
            Some(view) => view,
            None => {
                value = self.regrouped(value, id)?;
                match pad_all(&value.view) {
                    Some(view) => view,
                    None => return self.pad_units(node, value, id, &pads, fill),
                }
            }
        };
        let (tensor, _) = self.store(value, id)?;
        if fill == 0.0 {
            return self.set_tensor(node, tensor, padded);
        }
        let (mut expr, view) = self.copy_view(tensor, &padded)?;
        self.fill(&mut expr, &view, &pads, fill);
        self.set_pending(node, expr, view)
    }

    /// Padding where an axis of extent 1 is padded, which has no stored axis.
    fn pad_units(
        &mut self,
        node: &Node,
        value: Value,
        id: usize,
        pads: &[(i64, i64)],
        fill: f32,
    ) -> Result<(), Refusal> {
        let (tensor, from) = self.store(value, id)?;
        let shape = self.out_shape(node)?;
        let groups: Vec<Vec<usize>> = shape.iter().map(|&e| vec![e]).collect();
        let (storage, view) = View::grouped(&groups);
        let mut region = Expr::everywhere(&storage);
        let mut to = layout(&groups);
        for ((axis, &(before, _)), extent) in pads.iter().enumerate().zip(from.shape()) {
            if let Some(slot) = to[axis].first_mut() {
                region[slot.0] = (before.max(0) as usize, extent);
                slot.1 = extent;
            }
            to[axis].retain(|t| t.1 > 1);
        }
        let item = self.read(tensor, &from, &to)?;
        let mut expr = Expr { shape: storage, body: Body::Affine(vec![Term { region, item }]) };
        self.fill(&mut expr, &view, pads, fill);
        self.set_pending(node, expr, view)
    }

    /// Adds `fill` outside the padded box.
    fn fill(&self, expr: &mut Expr, view: &View, pads: &[(i64, i64)], fill: f32) {
        if fill == 0.0 {
            return;
        }
        let mut inside = Expr::everywhere(&expr.shape);
        for (atoms, &(before, after)) in view.axes.iter().zip(pads) {
            if let Some(axis) = atoms.first().and_then(|a| a.axis)
                && (before > 0 || after > 0)
            {
                let (before, after) = (before.max(0) as usize, after.max(0) as usize);
                inside[axis] = (before, expr.shape[axis] - before - after);
            }
        }
        let value = f64::from(fill);
        let all = everywhere(&expr.shape, Item::Constant(value));
        if let Body::Affine(terms) = &mut expr.body {
            terms.push(all);
            terms.push(Term { region: inside, item: Item::Constant(-value) });
        }
    }

    /// Padding that repeats rows: each padded row is a copy of its own.
    fn pad_rows(
        &mut self,
        value: Value,
        id: usize,
        axis: usize,
        (before, after): (usize, usize),
        mode: &str,
    ) -> Result<Value, Refusal> {
        if before == 0 && after == 0 {
            return Ok(value);
        }
        let n = value.view.shape()[axis] as i64;
        let rows: Vec<i64> = (-(before as i64)..n + after as i64)
            .map(|i| match mode {
                "edge" => i.clamp(0, n - 1),
                "reflect" if i < 0 => -i,
                "reflect" if i >= n => 2 * (n - 1) - i,
                _ => i.rem_euclid(n),
            })
            .collect();
        if rows.iter().any(|r| !(0..n).contains(r)) {
            return Err(format!("mode {mode:?} with pads beyond the extent").into());
        }
        let rows: Vec<usize> = rows.into_iter().map(|r| r as usize).collect();
        self.rows(value, id, axis, &rows)
    }
}
