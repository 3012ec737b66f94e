//! Matrix products and convolutions. A sum over an input runs in the order in which the input is
//! stored, and the weights are permuted to match: flattening costs nothing.

use super::combine::{INNER, spread};
use super::expr::{Body, Expr, Factor, Item, Spread, Term};
use super::view::{Contraction, View, layout};
use super::{Lowering, Refusal, Stored, Value};
use crate::array::{Array, for_each_index};
use crate::float::transpose as transposed;
use crate::geometry::{Window, windows};
use crate::ir::{Node, ValueId};
use zkml_graph::{AxisMap, TensorId};

/// A constant matrix `[k][n]`, or one for each index of leading axes.
struct Matrix {
    values: Vec<f32>,
    k: usize,
    n: usize,
    name: String,
}

impl Lowering<'_> {
    pub(super) fn lower_linear(&mut self, node: &Node) -> Option<Result<(), Refusal>> {
        Some(match node.op.as_str() {
            "MatMul" => self.matmul(node),
            "Gemm" => self.gemm(node),
            "Conv" => self.conv(node),
            _ => return None,
        })
    }

    fn constant_name(&self, node: &Node, index: usize) -> String {
        node.input(index)
            .map(|v| self.ir.values[v].name.clone())
            .unwrap_or_default()
    }

    fn matmul(&mut self, node: &Node) -> Result<(), Refusal> {
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

    fn gemm(&mut self, node: &Node) -> Result<(), Refusal> {
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
        let mut matrix = matrix(
            &w.array,
            self.constant_name(node, 1),
            node.int("transB", 0) != 0,
        )?;
        let alpha = node.float("alpha", 1.0);
        matrix.values.iter_mut().for_each(|v| *v *= alpha);
        let (mut expr, out) = self.contract(tensor, id, &view, 1, &matrix)?;
        if let Some(c) = node.input(2) {
            let constant = self
                .ir
                .constant(c)
                .ok_or("a bias that depends on the input")?
                .clone();
            let beta = node.float("beta", 1.0);
            let values = constant
                .array
                .to_floats()
                .iter()
                .map(|v| v * beta)
                .collect();
            let array = Array::f32(constant.array.shape.clone(), values);
            let name = self.constant_name(node, 2);
            let bias = spread(&array, &out, constant.secret, &name);
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
        let outer_axes = if *n > 1 {
            vec![storage.len() - 1]
        } else {
            vec![]
        };
        let factor = Factor::Hidden {
            rows,
            outer_axes,
            name: name.clone(),
        };
        let item = Item::Tensor {
            tensor,
            inner,
            map: maps,
            factor,
        };
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
        let stored = Value {
            source: Stored::Tensor(tensor),
            view: view.clone(),
            name,
        };
        let stored = self.regrouped(stored, id)?;
        let (tensor, view) = self.store(stored, id)?;
        match attempt(&view) {
            Some(sum) => Ok((tensor, view, sum)),
            None => Err("a sum over this layout".into()),
        }
    }

    /// Both factors are activations.
    fn dynamic_matmul(&mut self, node: &Node, shape: &[usize]) -> Result<(), Refusal> {
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
            let value = Value {
                source: Stored::Tensor(ta),
                view: va,
                name,
            };
            (ta, va) = self
                .regrouped(value, a_id)
                .and_then(|v| self.store(v, a_id))?;
        }
        if split(&vb) {
            let name = self.tensor(tb).name.clone();
            let value = Value {
                source: Stored::Tensor(tb),
                view: vb,
                name,
            };
            (tb, vb) = self
                .regrouped(value, b_id)
                .and_then(|v| self.store(v, b_id))?;
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
        let expr = Expr {
            shape: storage,
            body: Body::Product {
                a,
                b,
                inner,
                factor: 1.0,
            },
        };
        self.set_pending(node, expr, out)
    }

    fn conv(&mut self, node: &Node) -> Result<(), Refusal> {
        let Some(w) = self.constant(node, 1).cloned() else {
            return Err("weights that depend on the input".into());
        };
        let w = w.array;
        let shape = self.logical_shape(node.output(0).ok_or(Refusal::Follows)?)?;
        let (id, tensor, view) = self.input_tensor(node, 0)?;
        let from = view.shape();
        let windows = windows(node, &from[2..], Some(&w.shape[2..]))?;
        let groups = node.int("group", 1) as usize;
        let (outs, per_group) = (w.shape[0], w.shape[1]);
        let name = self.constant_name(node, 1);
        let (tensor, view) = self.windowed(tensor, id, &view, &windows)?;
        let taps = Taps::new(&w, &windows)?;
        let depthwise = per_group == 1 && groups > 1;
        let channels = if depthwise {
            let mut group: Vec<usize> = view.axes[1].iter().map(|a| a.extent).collect();
            group.push(outs / groups);
            group
        } else {
            vec![outs]
        };
        let batch = view.axes[0].iter().map(|a| a.extent).collect();
        let mut extents: Vec<Vec<usize>> = vec![batch, channels];
        extents.extend(windows.iter().map(|w| vec![w.output]));
        let (storage, out) = View::grouped(&extents);
        let outer_axes: Vec<usize> = out.axes[1].iter().filter_map(|a| a.axis).collect();
        let first = view.axes[0].len() + out.axes[1].len();
        let mut terms = Vec::new();
        if depthwise {
            let mut map = view.maps();
            follow(&mut map, &view, &[0, 1], 0)?;
            let inner = slide(&mut map, &view, &windows, first, 0);
            let rows: Vec<f32> = (0..outs)
                .flat_map(|m| taps.row(&w, m, &[0]).collect::<Vec<_>>())
                .collect();
            let factor = Factor::Hidden {
                rows,
                outer_axes,
                name,
            };
            let item = Item::Tensor {
                tensor,
                inner,
                map,
                factor,
            };
            terms.push(Term {
                region: Expr::everywhere(&storage),
                item,
            });
        } else {
            let each = outs / groups;
            for group in 0..groups {
                let part = view
                    .slice(1, group * per_group, 1, per_group)
                    .ok_or("groups of this channel layout")?;
                let sum = part.contract(&[1]).ok_or("channels of this layout")?;
                let mut map = part.maps();
                follow(&mut map, &part, &[0], 0)?;
                let mut inner = sum_over(&mut map, &sum, 0);
                let kernel = slide(&mut map, &part, &windows, first, inner.len());
                inner.extend(kernel);
                let rows: Vec<f32> = (group * each..(group + 1) * each)
                    .flat_map(|m| taps.row(&w, m, &sum.order).collect::<Vec<_>>())
                    .collect();
                let mut region = Expr::everywhere(&storage);
                if let (true, Some(&axis)) = (groups > 1, outer_axes.first()) {
                    region[axis] = (group * each, each);
                }
                let factor = Factor::Hidden {
                    rows,
                    outer_axes: outer_axes.clone(),
                    name: name.clone(),
                };
                let item = Item::Tensor {
                    tensor,
                    inner,
                    map,
                    factor,
                };
                terms.push(Term { region, item });
            }
        }
        let mut expr = Expr {
            shape: storage,
            body: Body::Affine(terms),
        };
        if let Some(b) = node.input(2) {
            let constant = self
                .ir
                .constant(b)
                .ok_or("a bias that depends on the input")?;
            let bias = Spread {
                axes: out.axes[1].iter().filter_map(|a| a.axis).collect(),
                values: constant.array.to_floats(),
                secret: constant.secret,
                name: self.ir.values[b].name.clone(),
            };
            if expr.add(&bias).is_err() {
                return Err("a bias of this shape".into());
            }
        }
        if out.shape() != shape {
            return Err(format!("shape {:?} instead of {shape:?}", out.shape()).into());
        }
        self.set_pending(node, expr, out)
    }

    /// A view on whose spatial axes windows can slide: each a stored axis of its own, and zero
    /// wherever a window leaves it.
    pub(super) fn windowed(
        &mut self,
        tensor: TensorId,
        id: ValueId,
        view: &View,
        windows: &[Window],
    ) -> Result<(TensorId, View), Refusal> {
        let fits = |view: &View| {
            view.axes[2..]
                .iter()
                .zip(windows)
                .all(|(atoms, window)| match atoms[..] {
                    [] => true,
                    [atom] => atom.axis.is_some_and(|axis| {
                        let alone = view.atoms().filter(|a| a.axis == Some(axis)).count() == 1;
                        let reach = (window.output - 1) * window.stride
                            + (window.kernel - 1) * window.dilation;
                        let inside = window.pad.0 == 0 && reach < window.input;
                        let end = view.offset[axis] + (atom.extent * atom.stride) as i64;
                        let whole = atom.stride == 1
                            && view.offset[axis] <= 0
                            && end >= view.storage[axis] as i64;
                        alone && (inside || whole)
                    }),
                    _ => false,
                })
                && follow(&mut view.maps(), view, &[0, 1], 0).is_ok()
        };
        if fits(view) {
            return Ok((tensor, view.clone()));
        }
        let name = self.tensor(tensor).name.clone();
        let stored = Value {
            source: Stored::Tensor(tensor),
            view: view.clone(),
            name,
        };
        let stored = self.regrouped(stored, id)?;
        let (tensor, view) = self.store(stored, id)?;
        if fits(&view) {
            Ok((tensor, view))
        } else {
            Err("windows over this layout".into())
        }
    }
}

/// A constant as `[k][n]`; `flip` where it is given as `[n][k]`.
fn matrix(array: &Array, name: String, flip: bool) -> Result<Matrix, Refusal> {
    let values = array.floats()?;
    let rank = array.shape.len();
    let (batch, last) = array.shape.split_at(rank.saturating_sub(2));
    if batch.iter().any(|&e| e != 1) {
        return Err("a batch of constant matrices".into());
    }
    Ok(match *last {
        [k] => Matrix {
            values: values.to_vec(),
            k,
            n: 1,
            name,
        },
        [n, k] if flip => Matrix {
            values: transposed(values, n, k),
            k,
            n,
            name,
        },
        [k, n] => Matrix {
            values: values.to_vec(),
            k,
            n,
            name,
        },
        _ => return Err("a scalar factor".into()),
    })
}

/// Makes stored axes follow the atoms of logical axes, which are output axes from `first` on.
pub(super) fn follow(
    maps: &mut [AxisMap],
    view: &View,
    axes: &[usize],
    first: usize,
) -> Result<(), Refusal> {
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

/// Makes the spatial axes follow sliding windows: output axes from `out` on, inner indices from
/// `first` on. Returns the extents of the inner indices.
pub(super) fn slide(
    maps: &mut [AxisMap],
    view: &View,
    windows: &[Window],
    mut out: usize,
    first: usize,
) -> Vec<usize> {
    let mut inner = Vec::new();
    for (atoms, window) in view.axes[2..].iter().zip(windows) {
        if let Some((atom, axis)) = atoms.first().and_then(|a| a.axis.map(|x| (a, x))) {
            let map = &mut maps[axis];
            map.offset -= (window.pad.0 * atom.stride) as i64;
            if window.output > 1 {
                map.out = Some((out as u32, (window.stride * atom.stride) as u32));
            }
            if window.kernel > 1 {
                let index = (first + inner.len()) as u32;
                map.inner = Some((index, (window.dilation * atom.stride) as u32));
                inner.push(window.kernel);
            }
        }
        if window.output > 1 {
            out += 1;
        }
    }
    inner
}

/// Which taps of a kernel are summed: all, except on axes of extent 1, where one meets the input.
struct Taps {
    positions: Vec<Option<usize>>,
}

impl Taps {
    fn new(w: &Array, windows: &[Window]) -> Result<Self, Refusal> {
        let mut choices: Vec<Vec<Option<usize>>> = Vec::new();
        for window in windows {
            choices.push(if window.input > 1 {
                (0..window.kernel).map(Some).collect()
            } else {
                let taps: Vec<Option<usize>> = (0..window.output)
                    .map(|o| (0..window.kernel).find(|&k| window.tap(o, k).is_some()))
                    .collect();
                if taps.windows(2).any(|t| t[0] != t[1]) {
                    return Err("a padded window on an axis of extent 1".into());
                }
                vec![taps.first().copied().flatten()]
            });
        }
        let shape: Vec<usize> = choices.iter().map(Vec::len).collect();
        let mut positions = Vec::new();
        for_each_index(&shape, |index| {
            positions.push(
                index
                    .iter()
                    .zip(&choices)
                    .zip(&w.shape[2..])
                    .try_fold(0, |at, ((&i, choice), extent)| {
                        choice[i].map(|k| at * extent + k)
                    }),
            );
        });
        Ok(Self { positions })
    }

    /// Weights of output channel `m`, for the given input channels in order.
    fn row<'a>(
        &'a self,
        w: &'a Array,
        m: usize,
        channels: &'a [usize],
    ) -> impl Iterator<Item = f32> + 'a {
        let values = w.floats().unwrap_or(&[]);
        let kernel: usize = w.shape[2..].iter().product();
        let per_row = w.shape[1] * kernel;
        channels.iter().flat_map(move |&c| {
            self.positions
                .iter()
                .map(move |p| p.map_or(0.0, |p| values[m * per_row + c * kernel + p]))
        })
    }
}
