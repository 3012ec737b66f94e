//! Pooling over spatial axes.

use super::{Context, Fault, Inputs, Operator, need, one};
use crate::array::{Array, count, for_each_index, strides};
use crate::geometry::{Window, windows};
use crate::ir::Node;

/// Most elements under all windows of a pool.
const MAX_TAPS: u64 = 1 << 34;

/// Everything that slides a window.
pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("MaxPool", pool),
    Operator::new("AveragePool", pool),
    Operator::new("GlobalAveragePool", pool),
    Operator::new("GlobalMaxPool", pool),
];

fn pool(node: &Node, inputs: &Inputs<'_>, context: Context) -> Result<Vec<Array>, Fault> {
    let op = node.op.as_str();
    let x = need(inputs, 0)?;
    if x.shape.len() < 3 {
        return Err(Fault::Invalid(format!("shape {:?} has no spatial axes", x.shape)));
    }
    let spatial = &x.shape[2..];
    let windows = if op.starts_with("Global") {
        spatial
            .iter()
            .map(|&n| Window { input: n, kernel: n, stride: 1, dilation: 1, pad: (0, 0), output: 1 })
            .collect()
    } else {
        windows(node, spatial, None)?
    };
    if node.outputs.len() > 1 && node.output(1).is_some() {
        return Err(Fault::Unsupported("the indices of a MaxPool are not supported".into()));
    }
    let average = op.ends_with("AveragePool");
    let include_pad = node.int("count_include_pad", 0) != 0;
    let mut shape = x.shape[..2].to_vec();
    shape.extend(windows.iter().map(|w| w.output));
    let mut out = vec![0.0; count(&shape)?];
    let input = x.floats()?;
    let in_plane: usize = spatial.iter().product();
    let out_plane: usize = shape[2..].iter().product();
    if out.is_empty() || in_plane == 0 {
        return Err("an empty plane".into());
    }
    let taps = windows.iter().fold(out.len() as u64, |n, w| n.saturating_mul(w.kernel as u64));
    if taps > MAX_TAPS {
        return Err(Fault::Unsupported(format!("{taps} elements under windows")));
    }
    if context.shapes_only {
        return one(Array::f32(shape, out));
    }
    let kernel: Vec<usize> = windows.iter().map(|w| w.kernel).collect();
    let steps = strides(spatial);
    let mut taps: Vec<(f32, Vec<usize>)> = Vec::with_capacity(out_plane);
    for_each_index(&shape[2..], |o| {
        let mut positions = Vec::new();
        for_each_index(&kernel, |k| {
            let position = windows
                .iter()
                .enumerate()
                .try_fold(0, |p, (axis, window)| window.tap(o[axis], k[axis]).map(|i| p + i * steps[axis]));
            positions.extend(position);
        });
        let divisor: usize = windows.iter().zip(o).map(|(w, &o)| w.divisor(o, include_pad)).product();
        taps.push((divisor as f32, positions));
    });
    for (plane, out) in input.chunks_exact(in_plane).zip(out.chunks_exact_mut(out_plane)) {
        for (o, (divisor, positions)) in out.iter_mut().zip(&taps) {
            let values = positions.iter().map(|&p| plane[p]);
            *o = if average {
                values.sum::<f32>() / divisor
            } else {
                values.fold(f32::NEG_INFINITY, f32::max)
            };
        }
    }
    one(Array::f32(shape, out))
}
