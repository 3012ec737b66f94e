//! Matrix products, convolutions and batch normalisation.

use super::{Context, Fault, Inputs, Operator, maybe, need, one};
use crate::array::{Array, broadcast, broadcast_positions, count};
use crate::geometry::{Window, windows};
use crate::ir::Node;
use zkml_graph::work::sums;

/// Everything that sums products.
pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("MatMul", |_, inputs, context| one(matmul(need(inputs, 0)?, need(inputs, 1)?, context)?))
        .summing(|_, inputs| match shapes(inputs) {
            (Some(a), Some(&[k, n])) if a.last() == Some(&k) => sums(cells(a), n as u64),
            (Some(a), Some(b)) if b.len() > 1 => sums(cells(a), b[b.len() - 1] as u64),
            _ => 0,
        }),
    Operator::new("Gemm", |node, inputs, context| one(gemm(node, inputs, context)?)).summing(
        |node, inputs| match shapes(inputs) {
            (Some(a), Some(&[r, c])) => sums(cells(a), if node.int("transB", 0) != 0 { r } else { c } as u64),
            _ => 0,
        },
    ),
    Operator::new("Conv", |node, inputs, context| one(conv(node, inputs, context)?)).summing(
        |node, inputs| match shapes(inputs) {
            (Some(x), Some(w)) if x.len() > 2 && w.len() == x.len() => {
                let windows = windows(node, &x[2..], Some(&w[2..])).unwrap_or_default();
                let outputs = windows.iter().fold(x[0] as u64, |n, w| n.saturating_mul(w.output as u64));
                if windows.is_empty() { 0 } else { sums(outputs, cells(w)) }
            }
            _ => 0,
        },
    ),
    Operator::new("BatchNormalization", |node, inputs, _| one(batch_norm(node, inputs)?)),
];

/// Shapes of the first two inputs.
fn shapes<'a>(inputs: &Inputs<'a>) -> (Option<&'a [usize]>, Option<&'a [usize]>) {
    let shape = |index| maybe(inputs, index).map(|array| array.shape.as_slice());
    (shape(0), shape(1))
}

/// Elements of a shape, which may be too large to be held.
fn cells(shape: &[usize]) -> u64 {
    shape.iter().fold(1, |cells: u64, &extent| cells.saturating_mul(extent as u64))
}

/// `out[m][n] += sum over k of a[m][k] * b[k][n]`.
fn multiply(a: &[f32], b: &[f32], out: &mut [f32], k: usize, n: usize) {
    if k == 0 || n == 0 {
        return;
    }
    for (row, out) in a.chunks_exact(k).zip(out.chunks_exact_mut(n)) {
        for (&x, b) in row.iter().zip(b.chunks_exact(n)) {
            if x != 0.0 {
                for (o, &y) in out.iter_mut().zip(b) {
                    *o += x * y;
                }
            }
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; 16];
    let (a_chunks, a_rest) = a.as_chunks::<16>();
    let (b_chunks, b_rest) = b.as_chunks::<16>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for i in 0..16 {
            lanes[i] += x[i] * y[i];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f32>() + rest
}

fn matmul(a: &Array, b: &Array, context: Context) -> Result<Array, Fault> {
    let (x, y) = (a.floats()?, b.floats()?);
    let mut a_shape = a.shape.clone();
    let mut b_shape = b.shape.clone();
    if a_shape.is_empty() || b_shape.is_empty() {
        return Err("a scalar operand".into());
    }
    let (a_vector, b_vector) = (a_shape.len() == 1, b_shape.len() == 1);
    if a_vector {
        a_shape.insert(0, 1);
    }
    if b_vector {
        b_shape.push(1);
    }
    let (a_rank, b_rank) = (a_shape.len(), b_shape.len());
    let (m, k) = (a_shape[a_rank - 2], a_shape[a_rank - 1]);
    let (k2, n) = (b_shape[b_rank - 2], b_shape[b_rank - 1]);
    if k != k2 {
        return Err(Fault::Invalid(format!(
            "shapes {:?} and {:?}: inner extents {k} and {k2} differ",
            a.shape, b.shape
        )));
    }
    let (a_batch, b_batch) = (&a_shape[..a_rank - 2], &b_shape[..b_rank - 2]);
    let batch = broadcast(a_batch, b_batch)?;
    let mut shape = batch.clone();
    if !a_vector {
        shape.push(m);
    }
    if !b_vector {
        shape.push(n);
    }
    let mut out = vec![0.0; count(&shape)?];
    if !context.shapes_only && m * n > 0 {
        let p = broadcast_positions(a_batch, &batch);
        let q = broadcast_positions(b_batch, &batch);
        for ((out, p), q) in out.chunks_exact_mut(m * n).zip(p).zip(q) {
            multiply(&x[p * m * k..][..m * k], &y[q * k * n..][..k * n], out, k, n);
        }
    }
    Ok(Array::f32(shape, out))
}

/// The transpose of a matrix of `rows x columns`.
pub fn transpose(from: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(from.len());
    for column in 0..columns {
        out.extend((0..rows).map(|row| from[row * columns + column]));
    }
    out
}

fn gemm(node: &Node, inputs: &Inputs<'_>, context: Context) -> Result<Array, Fault> {
    let (a, b) = (need(inputs, 0)?, need(inputs, 1)?);
    let (&[a0, a1], &[b0, b1]) = (a.shape.as_slice(), b.shape.as_slice()) else {
        return Err(Fault::Invalid(format!("shapes {:?} and {:?} are not matrices", a.shape, b.shape)));
    };
    let (trans_a, trans_b) = (node.int("transA", 0) != 0, node.int("transB", 0) != 0);
    let (m, k) = if trans_a { (a1, a0) } else { (a0, a1) };
    let (n, k2) = if trans_b { (b0, b1) } else { (b1, b0) };
    if k != k2 {
        return Err(Fault::Invalid(format!(
            "shapes {:?} and {:?}: inner extents {k} and {k2} differ",
            a.shape, b.shape
        )));
    }
    let x = if trans_a { transpose(a.floats()?, a0, a1) } else { a.floats()?.to_vec() };
    let y = b.floats()?;
    let mut out = vec![0.0; count(&[m, n])?];
    if !context.shapes_only && k > 0 && n > 0 {
        if trans_b {
            for (row, out) in x.chunks_exact(k).zip(out.chunks_exact_mut(n)) {
                for (o, column) in out.iter_mut().zip(y.chunks_exact(k)) {
                    *o = dot(row, column);
                }
            }
        } else {
            multiply(&x, y, &mut out, k, n);
        }
    }
    let (alpha, beta) = (node.float("alpha", 1.0), node.float("beta", 1.0));
    out.iter_mut().for_each(|o| *o *= alpha);
    if let Some(c) = maybe(inputs, 2) {
        if broadcast(&c.shape, &[m, n])? != [m, n] {
            return Err(Fault::Invalid(format!("bias of shape {:?} for {:?}", c.shape, [m, n])));
        }
        let values = c.floats()?;
        for (o, p) in out.iter_mut().zip(broadcast_positions(&c.shape, &[m, n])) {
            *o += beta * values[p];
        }
    }
    Ok(Array::f32(vec![m, n], out))
}

fn conv(node: &Node, inputs: &Inputs<'_>, context: Context) -> Result<Array, Fault> {
    let (x, w) = (need(inputs, 0)?, need(inputs, 1)?);
    if x.shape.len() < 3 || w.shape.len() != x.shape.len() {
        return Err(Fault::Invalid(format!("input {:?}, weights {:?}", x.shape, w.shape)));
    }
    let groups = usize::try_from(node.int("group", 1)).ok().filter(|&g| g > 0);
    let groups = groups.ok_or("group is not positive")?;
    let (batch, channels) = (x.shape[0], x.shape[1]);
    let (outs, per_group) = (w.shape[0], w.shape[1]);
    if per_group.checked_mul(groups) != Some(channels) || outs % groups != 0 {
        return Err(Fault::Invalid(format!(
            "input {:?}, weights {:?} and {groups} groups do not fit",
            x.shape, w.shape
        )));
    }
    let windows = windows(node, &x.shape[2..], Some(&w.shape[2..]))?;
    let spatial: Vec<usize> = windows.iter().map(|w| w.output).collect();
    let mut shape = vec![batch, outs];
    shape.extend(&spatial);
    let mut out = vec![0.0; count(&shape)?];
    if context.shapes_only || out.is_empty() {
        return Ok(Array::f32(shape, out));
    }
    let (input, weights) = (x.floats()?, w.floats()?);
    let in_plane: usize = x.shape[2..].iter().product();
    let out_plane: usize = spatial.iter().product();
    let kernel: usize = w.shape[2..].iter().product();
    count(&[per_group, kernel, out_plane])?;
    let taps = taps(&windows, &spatial, kernel);
    let depth = per_group * kernel;
    let group_outs = outs / groups;
    let mut columns = vec![0.0; count(&[depth, out_plane])?];
    for b in 0..batch {
        for g in 0..groups {
            for c in 0..per_group {
                let plane = &input[(b * channels + g * per_group + c) * in_plane..][..in_plane];
                for (tap, positions) in taps.iter().enumerate() {
                    let row = &mut columns[(c * kernel + tap) * out_plane..][..out_plane];
                    for (o, &p) in row.iter_mut().zip(positions) {
                        *o = if p == usize::MAX { 0.0 } else { plane[p] };
                    }
                }
            }
            let w = &weights[g * group_outs * depth..][..group_outs * depth];
            let at = (b * outs + g * group_outs) * out_plane;
            let out = &mut out[at..][..group_outs * out_plane];
            multiply(w, &columns, out, depth, out_plane);
        }
    }
    if let Some(bias) = maybe(inputs, 2) {
        let bias = bias.floats()?;
        if bias.len() != outs {
            return Err(Fault::Invalid(format!("{} biases for {outs} channels", bias.len())));
        }
        for (plane, b) in out.chunks_exact_mut(out_plane).zip(bias.iter().cycle()) {
            plane.iter_mut().for_each(|o| *o += b);
        }
    }
    Ok(Array::f32(shape, out))
}

/// Where each tap of each output reads its plane; `usize::MAX` in the padding.
fn taps(windows: &[Window], spatial: &[usize], kernel: usize) -> Vec<Vec<usize>> {
    let mut taps = vec![Vec::with_capacity(spatial.iter().product()); kernel];
    for (tap, positions) in taps.iter_mut().enumerate() {
        crate::array::for_each_index(spatial, |o| {
            let mut rest = tap;
            let mut position = Some(0);
            let mut step = 1;
            for (axis, window) in windows.iter().enumerate().rev() {
                let k = rest % window.kernel;
                rest /= window.kernel;
                position = position.and_then(|p| Some(p + window.tap(o[axis], k)? * step));
                step *= window.input;
            }
            positions.push(position.unwrap_or(usize::MAX));
        });
    }
    taps
}

/// Factor and constant per channel of a batch normalisation in inference mode.
pub fn batch_norm_affine(
    node: &Node,
    inputs: &Inputs<'_>,
    channels: usize,
) -> Result<(Vec<f32>, Vec<f32>), Fault> {
    if node.int("training_mode", 0) != 0 {
        return Err(Fault::Unsupported("training mode is not inference".into()));
    }
    let mut rows = Vec::new();
    for index in 1..5 {
        let row = need(inputs, index)?.floats()?;
        if row.len() != channels {
            return Err(Fault::Invalid(format!(
                "input {index} has {} elements for {channels} channels",
                row.len()
            )));
        }
        rows.push(row);
    }
    let epsilon = node.float("epsilon", 1e-5);
    let factor: Vec<f32> = rows[0].iter().zip(rows[3]).map(|(g, v)| g / (v + epsilon).sqrt()).collect();
    let constant = (0..channels).map(|c| rows[1][c] - rows[2][c] * factor[c]).collect();
    Ok((factor, constant))
}

fn batch_norm(node: &Node, inputs: &Inputs<'_>) -> Result<Array, Fault> {
    let x = need(inputs, 0)?;
    let &channels = x.shape.get(1).ok_or("the input has no channel axis")?;
    let (factor, constant) = batch_norm_affine(node, inputs, channels)?;
    let plane: usize = x.shape[2..].iter().product();
    let mut out = x.floats()?.to_vec();
    if plane > 0 {
        for (i, chunk) in out.chunks_exact_mut(plane).enumerate() {
            let c = i % channels;
            chunk.iter_mut().for_each(|v| *v = *v * factor[c] + constant[c]);
        }
    }
    Ok(Array::f32(x.shape.clone(), out))
}
