//! Convolutions: windows over stored spatial axes, one term for each group.

use super::expr::{Body, Broadcast, Expr, Factor, Item, Term};
use super::linear::{follow, sum_over};
use super::view::View;
use super::{Lowering, Refusal, Stored, Value};
use zkml_float::array::{Array, for_each_index};
use zkml_float::geometry::{Window, windows};
use zkml_float::ir::{Node, ValueId};
use zkml_graph::{AxisMap, TensorId};

impl Lowering<'_> {
    pub(super) fn conv(&mut self, node: &Node) -> Result<(), Refusal> {
        let Some(w) = self.constant(node, 1).cloned() else {
            return Err("weights that depend on the input".into());
        };
        let w = w.array;
        let weights = w.floats()?;
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
            let rows: Vec<f32> =
                (0..outs).flat_map(|m| taps.row(weights, m, 1, &[0]).collect::<Vec<_>>()).collect();
            let factor = Factor::Hidden { rows, outer_axes, name };
            let item = Item::Tensor { tensor, inner, map, factor };
            terms.push(Term { region: Expr::everywhere(&storage), item });
        } else {
            let each = outs / groups;
            for group in 0..groups {
                let part =
                    view.slice(1, group * per_group, 1, per_group).ok_or("groups of this channel layout")?;
                let sum = part.contract(&[1]).ok_or("channels of this layout")?;
                let mut map = part.maps();
                follow(&mut map, &part, &[0], 0)?;
                let mut inner = sum_over(&mut map, &sum, 0);
                let kernel = slide(&mut map, &part, &windows, first, inner.len());
                inner.extend(kernel);
                let rows: Vec<f32> = (group * each..(group + 1) * each)
                    .flat_map(|m| taps.row(weights, m, per_group, &sum.order).collect::<Vec<_>>())
                    .collect();
                let mut region = Expr::everywhere(&storage);
                if let (true, Some(&axis)) = (groups > 1, outer_axes.first()) {
                    region[axis] = (group * each, each);
                }
                let factor = Factor::Hidden { rows, outer_axes: outer_axes.clone(), name: name.clone() };
                let item = Item::Tensor { tensor, inner, map, factor };
                terms.push(Term { region, item });
            }
        }
        let mut expr = Expr { shape: storage, body: Body::Affine(terms) };
        if let Some(b) = node.input(2) {
            let constant = self.ir.constant(b).ok_or("a bias that depends on the input")?;
            let bias = Broadcast {
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
            view.axes[2..].iter().zip(windows).all(|(atoms, window)| match atoms[..] {
                [] => true,
                [atom] => atom.axis.is_some_and(|axis| {
                    let alone = view.atoms().filter(|a| a.axis == Some(axis)).count() == 1;
                    let reach = (window.output - 1) * window.stride + (window.kernel - 1) * window.dilation;
                    let inside = window.pad.0 == 0 && reach < window.input;
                    let end = view.offset[axis] + (atom.extent * atom.stride) as i64;
                    let whole =
                        atom.stride == 1 && view.offset[axis] <= 0 && end >= view.storage[axis] as i64;
                    alone && (inside || whole)
                }),
                _ => false,
            }) && follow(&mut view.maps(), view, &[0, 1], 0).is_ok()
        };
        if fits(view) {
            return Ok((tensor, view.clone()));
        }
        let name = self.tensor(tensor).name.clone();
        let stored = Value { source: Stored::Tensor(tensor), view: view.clone(), name };
        let stored = self.regrouped(stored, id)?;
        let (tensor, view) = self.store(stored, id)?;
        if fits(&view) { Ok((tensor, view)) } else { Err("windows over this layout".into()) }
    }
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
    /// Elements of one kernel.
    kernel: usize,
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
                    .try_fold(0, |at, ((&i, choice), extent)| choice[i].map(|k| at * extent + k)),
            );
        });
        Ok(Self { kernel: w.shape[2..].iter().product(), positions })
    }

    /// Weights of output channel `m`, which has `inputs` input channels, for the given ones of them in order.
    fn row<'a>(
        &'a self,
        weights: &'a [f32],
        m: usize,
        inputs: usize,
        channels: &'a [usize],
    ) -> impl Iterator<Item = f32> + 'a {
        channels.iter().flat_map(move |&c| {
            let first = (m * inputs + c) * self.kernel;
            self.positions.iter().map(move |p| p.map_or(0.0, |p| weights[first + p]))
        })
    }
}
