//! Matrix products and convolutions. A sum over an input runs in the order in which the input is
//! stored, and the weights are permuted to match: flattening costs nothing.

use super::broadcast::broadcast;
use super::expr::{Expr, Factor, Item};
use super::view::{Contraction, View};
use super::{Lowering, Refusal, Stored, Value};
use zkml_float::array::Array;
use zkml_float::exec::transpose as transposed;
use zkml_float::ir::{Node, ValueId};
use zkml_graph::{AxisMap, TensorId};

/// A constant matrix `[k][n]`, or one for each index of leading axes.
struct Matrix {
    values: Vec<f32>,
    k: usize,
    n: usize,
    name: String,
}

impl Lowering<'_> {
    pub(super) fn constant_name(&self, node: &Node, index: usize) -> String {
        node.input(index).map(|v| self.ir.values[v].name.clone()).unwrap_or_default()
    }

    pub(super) fn matmul(&mut self, node: &Node) -> Result<(), Refusal> {
        let shape = self.logical_shape(node.output(0).ok_or(Refusal::Follows)?)?;
        let left = self.constant(node, 0).cloned();
        let right = self.constant(node, 1).cloned();
        match (left, right) {
            (None, Some(w)) => {
                let (id, tensor, view) = self.input_tensor(node, 0)?;
                let name = self.constant_name(node, 1);
                let matrix = matrix(&w.array, name, false)?;
                let last = view.axes.len() - 1;
                let (expr, out) = self.contract(tensor, id, &view, last, &matrix)?;
                // A vector on the right leaves no axis behind.
                let out = out.reshape(&shape).ok_or("operands of this rank")?;
                self.set_pending(node, expr, out)
            }
            (Some(w), None) => {
                let (id, tensor, view) = self.input_tensor(node, 1)?;
                let name = self.constant_name(node, 0);
                let matrix = matrix(&w.array, name, true)?;
                let rank = view.axes.len();
                let axis = rank.saturating_sub(2);
                let (expr, out) = self.contract(tensor, id, &view, axis, &matrix)?;
                // The new axis comes last; it belongs where the summed one was.
                let mut order: Vec<usize> = (0..rank).collect();
                if rank >= 2 {
                    order.swap(rank - 2, rank - 1);
                }
                let out = out.transpose(&order);
                let out = out.reshape(&shape).ok_or("operands of this rank")?;
                self.set_pending(node, expr, out)
            }
            _ => self.dynamic_matmul(node, &shape),
        }
    }

    pub(super) fn gemm(&mut self, node: &Node) -> Result<(), Refusal> {
        let shape = self.logical_shape(node.output(0).ok_or(Refusal::Follows)?)?;
        let Some(w) = self.constant(node, 1).cloned() else {
            return Err("a second factor that depends on the input".into());
        };
        if self.constant(node, 0).is_some() {
            return Err("a constant first factor".into());
        }
        let (id, tensor, mut view) = self.input_tensor(node, 0)?;
        if node.int("transA", 0) != 0 {
            view = view.transpose(&[1, 0]);
        }
        let mut matrix = matrix(&w.array, self.constant_name(node, 1), node.int("transB", 0) != 0)?;
        let alpha = node.float("alpha", 1.0);
        matrix.values.iter_mut().for_each(|v| *v *= alpha);
        let (mut expr, out) = self.contract(tensor, id, &view, 1, &matrix)?;
        if let Some(c) = node.input(2) {
            let constant = self.ir.constant(c).ok_or("a bias that depends on the input")?.clone();
            let beta = node.float("beta", 1.0);
            let values = constant.array.to_floats().iter().map(|v| v * beta).collect();
            let array = Array::f32(constant.array.shape.clone(), values);
            let name = self.constant_name(node, 2);
            let bias = broadcast(&array, &out, constant.secret, &name);
            expr = self.add(expr, &bias, id, node)?;
        }
        if out.shape() != shape {
            return Err(format!("shape {:?} instead of {shape:?}", out.shape()).into());
        }
        self.set_pending(node, expr, out)
    }

    /// Sums a logical axis against a matrix: `[.., k] x [k, n] -> [.., n]`.
    fn contract(
        &mut self,
        tensor: TensorId,
        id: ValueId,
        view: &View,
        axis: usize,
        matrix: &Matrix,
    ) -> Result<(Expr, View), Refusal> {
        let (tensor, view, sum) = self.contraction(tensor, id, view, &[axis])?;
        let Matrix { values, k, n, name } = matrix;
        if sum.order.len() != *k {
            return Err(format!("{} elements against {k} rows", sum.order.len()).into());
        }
        let mut groups = view.extents();
        groups.remove(axis);
        groups.push(vec![*n]);
        let (storage, out) = View::grouped(&groups);
        let mut maps = view.maps();
        let kept: Vec<usize> = (0..view.axes.len()).filter(|&a| a != axis).collect();
        follow(&mut maps, &view, &kept, 0)?;
        let inner = sum_over(&mut maps, &sum, 0);
        let mut rows = Vec::with_capacity(k * n);
        for column in 0..*n {
            rows.extend(sum.order.iter().map(|&row| values[row * n + column]));
        }
        let outer_axes = if *n > 1 { vec![storage.len() - 1] } else { vec![] };
        let factor = Factor::Hidden { rows, outer_axes, name: name.clone() };
        let item = Item::Tensor { tensor, inner, map: maps, factor };
        Ok((Expr::single(storage, item), out))
    }

    /// How a sum over logical axes runs over storage; the tensor is stored anew if it cannot.
    pub(super) fn contraction(
        &mut self,
        tensor: TensorId,
        id: ValueId,
        view: &View,
        axes: &[usize],
    ) -> Result<(TensorId, View, Contraction), Refusal> {
        let attempt = |view: &View| {
            let sum = view.contract(axes)?;
            let mut maps = view.maps();
            let kept: Vec<usize> = (0..view.axes.len()).filter(|a| !axes.contains(a)).collect();
            follow(&mut maps, view, &kept, 0).ok().map(|()| sum)
        };
        if let Some(sum) = attempt(view) {
            return Ok((tensor, view.clone(), sum));
        }
        let name = self.tensor(tensor).name.clone();
        let stored = Value { source: Stored::Tensor(tensor), view: view.clone(), name };
        let stored = self.regrouped(stored, id)?;
        let (tensor, view) = self.store(stored, id)?;
        match attempt(&view) {
            Some(sum) => Ok((tensor, view, sum)),
            None => Err("a sum over this layout".into()),
        }
    }
}

/// A constant as `[k][n]`; `flip` if it is given as `[n][k]`.
fn matrix(array: &Array, name: String, flip: bool) -> Result<Matrix, Refusal> {
    let values = array.floats()?;
    let rank = array.shape.len();
    let (batch, last) = array.shape.split_at(rank.saturating_sub(2));
    if batch.iter().any(|&e| e != 1) {
        return Err("a batch of constant matrices".into());
    }
    Ok(match *last {
        [k] => Matrix { values: values.to_vec(), k, n: 1, name },
        [n, k] if flip => Matrix { values: transposed(values, n, k), k, n, name },
        [k, n] => Matrix { values: values.to_vec(), k, n, name },
        _ => return Err("a scalar factor".into()),
    })
}

/// Makes stored axes follow the atoms of logical axes, which are output axes from `first` on.
pub(super) fn follow(maps: &mut [AxisMap], view: &View, axes: &[usize], first: usize) -> Result<(), Refusal> {
    let atoms = axes.iter().flat_map(|&a| &view.axes[a]);
    for (out, atom) in atoms.enumerate() {
        if let Some(axis) = atom.axis {
            if maps[axis].out.is_some() {
                return Err("an axis that is cut twice".into());
            }
            maps[axis].out = Some(((first + out) as u32, atom.stride as u32));
        }
    }
    Ok(())
}

/// Makes stored axes run through a sum whose indices begin at `first`; returns their extents.
pub(super) fn sum_over(maps: &mut [AxisMap], sum: &Contraction, first: usize) -> Vec<usize> {
    sum.inner
        .iter()
        .enumerate()
        .map(|(index, &(axis, dilation, extent))| {
            maps[axis].inner = Some(((first + index) as u32, dilation as u32));
            extent
        })
        .collect()
}
