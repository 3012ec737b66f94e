//! Reductions along axes: sums, maxima, softmax, normalisation, ArgMax.

use super::{Context, Fault, Inputs, Operator, maybe, need, one};
use crate::array::{Array, Data, axis, broadcast_positions, count};
use crate::ir::Node;

/// Everything that reduces axes.
pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("ReduceMean", |node, inputs, _| {
        reduce(
            node,
            inputs,
            |v| v.iter().sum::<f32>() / v.len() as f32,
            |v| sum(v)?.checked_div(i64::try_from(v.len()).ok()?),
        )
    }),
    Operator::new("ReduceSum", |node, inputs, _| reduce(node, inputs, |v| v.iter().sum(), sum)),
    Operator::new("ReduceMax", |node, inputs, _| {
        reduce(
            node,
            inputs,
            |v| v.iter().copied().fold(f32::NEG_INFINITY, f32::max),
            |v| v.iter().copied().max(),
        )
    }),
    Operator::new("ReduceMin", |node, inputs, _| {
        reduce(node, inputs, |v| v.iter().copied().fold(f32::INFINITY, f32::min), |v| v.iter().copied().min())
    }),
    Operator::new("ReduceProd", |node, inputs, _| {
        reduce(
            node,
            inputs,
            |v| v.iter().product(),
            |v| v.iter().try_fold(1_i64, |product, &x| product.checked_mul(x)),
        )
    }),
    Operator::new("ReduceSumSquare", |node, inputs, _| {
        let squares = |v: &[i64]| v.iter().try_fold(0_i64, |sum, &x| sum.checked_add(x.checked_mul(x)?));
        reduce(node, inputs, |v| v.iter().map(|x| x * x).sum(), squares)
    }),
    Operator::new("ReduceL2", |node, inputs, _| {
        let root = |v: &[i64]| Some(v.iter().map(|&x| (x as f64).powi(2)).sum::<f64>().sqrt() as i64);
        reduce(node, inputs, |v| v.iter().map(|x| x * x).sum::<f32>().sqrt(), root)
    }),
    Operator::new("ReduceL1", |node, inputs, _| {
        let magnitudes = |v: &[i64]| v.iter().try_fold(0_i64, |sum, &x| sum.checked_add(x.checked_abs()?));
        reduce(node, inputs, |v| v.iter().map(|x| x.abs()).sum(), magnitudes)
    }),
    Operator::new("ReduceLogSumExp", |node, inputs, _| {
        reduce(
            node,
            inputs,
            |v| {
                let max = v.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                max + v.iter().map(|x| (x - max).exp()).sum::<f32>().ln()
            },
            |v| Some(v.iter().map(|&x| (x as f64).exp()).sum::<f64>().ln() as i64),
        )
    }),
    Operator::new("Softmax", |node, inputs, context| one(softmax(node, inputs, context, false)?)),
    Operator::new("LogSoftmax", |node, inputs, context| one(softmax(node, inputs, context, true)?)),
    Operator::new("ArgMax", |node, inputs, _| one(arg_max(node, inputs, |a, b| a > b)?)),
    Operator::new("ArgMin", |node, inputs, _| one(arg_max(node, inputs, |a, b| a < b)?)),
    Operator::new("CumSum", |node, inputs, _| one(running_sum(node, inputs)?)),
    Operator::new("LayerNormalization", |node, inputs, _| one(layer_norm(node, inputs)?)),
    Operator::new("RMSNormalization", |node, inputs, _| one(rms_norm(node, inputs)?)),
    Operator::new("InstanceNormalization", |node, inputs, _| one(group_norm(node, inputs, None)?)),
    Operator::new("GroupNormalization", |node, inputs, _| {
        one(group_norm(node, inputs, Some(node.int("num_groups", 0)))?)
    }),
];

/// The axes that a reduction runs over, ascending: attribute or second input.
pub fn axes(node: &Node, input: Option<&Array>, rank: usize) -> Result<Vec<usize>, String> {
    let listed = match (node.ints("axes"), input) {
        (Some(axes), _) => axes.to_vec(),
        (None, Some(array)) => array.ints()?.to_vec(),
        (None, None) => Vec::new(),
    };
    if listed.is_empty() {
        return Ok(if node.int("noop_with_empty_axes", 0) != 0 { Vec::new() } else { (0..rank).collect() });
    }
    let mut out = listed.into_iter().map(|a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
    out.sort_unstable();
    out.dedup();
    Ok(out)
}

/// Shape after reducing `axes`.
pub(crate) fn reduced_shape(shape: &[usize], axes: &[usize], keep: bool) -> Vec<usize> {
    shape
        .iter()
        .enumerate()
        .filter_map(|(i, &d)| match (axes.contains(&i), keep) {
            (false, _) => Some(d),
            (true, true) => Some(1),
            (true, false) => None,
        })
        .collect()
}

/// The sum of integers; `None` if it does not fit.
fn sum(values: &[i64]) -> Option<i64> {
    values.iter().try_fold(0_i64, |sum, &x| sum.checked_add(x))
}

/// Reduces the axes of a node by `real`, or by `whole` if the elements are integers.
fn reduce(
    node: &Node,
    inputs: &Inputs<'_>,
    real: impl Fn(&[f32]) -> f32,
    whole: impl Fn(&[i64]) -> Option<i64>,
) -> Result<Vec<Array>, Fault> {
    let x = need(inputs, 0)?;
    let axes = axes(node, maybe(inputs, 1), x.shape.len())?;
    let kept = reduced_shape(&x.shape, &axes, true);
    if x.shape.contains(&0) {
        return Err("an empty input".into());
    }
    let positions = broadcast_positions(&kept, &x.shape);
    let shape = reduced_shape(&x.shape, &axes, node.int("keepdims", 1) != 0);
    let cells = count(&kept)?;
    if let Data::I64(values) = &x.data {
        let out = grouped(values, &positions, cells).iter().map(|group| whole(group)).collect::<Option<_>>();
        return one(Array::i64(shape, out.ok_or("integer overflow")?));
    }
    let groups = grouped(&x.to_floats(), &positions, cells);
    one(Array::f32(shape, groups.iter().map(|group| real(group)).collect()))
}

/// The values that go to each of `cells` positions, in order.
fn grouped<T: Copy>(values: &[T], positions: &[usize], cells: usize) -> Vec<Vec<T>> {
    let mut groups = vec![Vec::new(); cells];
    for (value, &position) in values.iter().zip(positions) {
        groups[position].push(*value);
    }
    groups
}

/// The axes over which a softmax sums: one since opset 13, all from `axis` on before.
pub fn softmax_axes(node: &Node, rank: usize, opset: i64) -> Result<Vec<usize>, String> {
    if opset >= 13 {
        Ok(vec![axis(node.int("axis", -1), rank)?])
    } else {
        Ok((axis(node.int("axis", 1), rank)?..rank).collect())
    }
}

fn softmax(node: &Node, inputs: &Inputs<'_>, context: Context, log: bool) -> Result<Array, Fault> {
    let x = need(inputs, 0)?;
    let axes = softmax_axes(node, x.shape.len(), context.opset)?;
    let kept = reduced_shape(&x.shape, &axes, true);
    let values = x.floats()?;
    let rows = count(&kept)?;
    let positions = broadcast_positions(&kept, &x.shape);
    let mut max = vec![f32::NEG_INFINITY; rows];
    for (v, &p) in values.iter().zip(&positions) {
        max[p] = max[p].max(*v);
    }
    let exps: Vec<f32> = values.iter().zip(&positions).map(|(v, &p)| (v - max[p]).exp()).collect();
    let mut sum = vec![0.0f32; rows];
    for (e, &p) in exps.iter().zip(&positions) {
        sum[p] += e;
    }
    let out = positions
        .iter()
        .enumerate()
        .map(|(i, &p)| if log { values[i] - max[p] - sum[p].ln() } else { exps[i] / sum[p] })
        .collect();
    Ok(Array::f32(x.shape.clone(), out))
}

/// The first or last element of an axis that none is `better` than.
fn arg_max(node: &Node, inputs: &Inputs<'_>, better: fn(f32, f32) -> bool) -> Result<Array, Fault> {
    let x = need(inputs, 0)?;
    let axis = axis(node.int("axis", 0), x.shape.len())?;
    let last = node.int("select_last_index", 0) != 0;
    let values = x.to_floats();
    let n = x.shape[axis];
    let inner: usize = x.shape[axis + 1..].iter().product();
    let outer: usize = x.shape[..axis].iter().product();
    if n == 0 {
        return Err("an empty axis".into());
    }
    let mut out = Vec::with_capacity(outer * inner);
    for o in 0..outer {
        for i in 0..inner {
            let mut best = 0;
            for j in 1..n {
                let (v, b) = (values[(o * n + j) * inner + i], values[(o * n + best) * inner + i]);
                if better(v, b) || (last && v == b) {
                    best = j;
                }
            }
            out.push(best as i64);
        }
    }
    Ok(Array::i64(reduced_shape(&x.shape, &[axis], node.int("keepdims", 1) != 0), out))
}

fn running_sum(node: &Node, inputs: &Inputs<'_>) -> Result<Array, Fault> {
    let (x, along) = (need(inputs, 0)?, need(inputs, 1)?);
    let along = along.scalar().ok_or("the axis is not one number")?;
    let axis = axis(along as i64, x.shape.len())?;
    let (exclusive, reverse) = (node.int("exclusive", 0) != 0, node.int("reverse", 0) != 0);
    let inner: usize = x.shape[axis + 1..].iter().product();
    let length = x.shape[axis];
    let values: Vec<f64> = match x.ints() {
        Ok(values) => values.iter().map(|&value| value as f64).collect(),
        Err(_) => x.floats()?.iter().map(|&value| f64::from(value)).collect(),
    };
    let mut sums = vec![0.0; values.len()];
    for row in 0..values.len().checked_div(length).unwrap_or(0) {
        let first = row / inner * length * inner + row % inner;
        let mut sum = 0.0;
        for step in 0..length {
            let at = first + inner * if reverse { length - 1 - step } else { step };
            sums[at] = if exclusive { sum } else { sum + values[at] };
            sum += values[at];
        }
    }
    Ok(match x.ints() {
        Ok(_) => Array::i64(x.shape.clone(), sums.into_iter().map(|sum| sum as i64).collect()),
        Err(_) => Array::f32(x.shape.clone(), sums.into_iter().map(|sum| sum as f32).collect()),
    })
}

fn normalise(row: &mut [f32], epsilon: f32) {
    let n = row.len() as f32;
    let mean = row.iter().sum::<f32>() / n;
    let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / n;
    let factor = 1.0 / (variance + epsilon).sqrt();
    row.iter_mut().for_each(|x| *x = (*x - mean) * factor);
}

fn layer_norm(node: &Node, inputs: &Inputs<'_>) -> Result<Array, Fault> {
    let (x, scale) = (need(inputs, 0)?, need(inputs, 1)?);
    if node.outputs.iter().skip(1).any(Option::is_some) {
        return Err(Fault::Unsupported("outputs for training are not supported".into()));
    }
    let axis = axis(node.int("axis", -1), x.shape.len())?;
    let row: usize = x.shape[axis..].iter().product();
    let scale = affine_row(scale, &x.shape[axis..])?;
    let bias = maybe(inputs, 2).map(|b| affine_row(b, &x.shape[axis..])).transpose()?;
    let mut out = x.floats()?.to_vec();
    if row == 0 {
        return Err("an empty row".into());
    }
    for chunk in out.chunks_exact_mut(row) {
        normalise(chunk, node.float("epsilon", 1e-5));
        for (i, v) in chunk.iter_mut().enumerate() {
            *v = *v * scale[i] + bias.as_ref().map_or(0.0, |b| b[i]);
        }
    }
    Ok(Array::f32(x.shape.clone(), out))
}

fn rms_norm(node: &Node, inputs: &Inputs<'_>) -> Result<Array, Fault> {
    let (x, scale) = (need(inputs, 0)?, need(inputs, 1)?);
    let axis = axis(node.int("axis", -1), x.shape.len())?;
    let row: usize = x.shape[axis..].iter().product();
    let scale = affine_row(scale, &x.shape[axis..])?;
    let mut out = x.floats()?.to_vec();
    if row == 0 {
        return Err("an empty row".into());
    }
    for chunk in out.chunks_exact_mut(row) {
        let square = chunk.iter().map(|x| x * x).sum::<f32>() / row as f32;
        let factor = 1.0 / (square + node.float("epsilon", 1e-5)).sqrt();
        chunk.iter_mut().zip(&scale).for_each(|(x, scale)| *x = *x * factor * scale);
    }
    Ok(Array::f32(x.shape.clone(), out))
}

fn affine_row(array: &Array, shape: &[usize]) -> Result<Vec<f32>, Fault> {
    let values = array.floats()?;
    if crate::array::broadcast(&array.shape, shape)? != shape {
        return Err(Fault::Invalid(format!("shape {:?} for rows of {shape:?}", array.shape)));
    }
    Ok(broadcast_positions(&array.shape, shape).into_iter().map(|p| values[p]).collect())
}

fn group_norm(node: &Node, inputs: &Inputs<'_>, groups: Option<i64>) -> Result<Array, Fault> {
    let (x, scale, bias) = (need(inputs, 0)?, need(inputs, 1)?, need(inputs, 2)?);
    let &channels = x.shape.get(1).ok_or("the input has no channel axis")?;
    let groups = match groups {
        None => channels,
        Some(g) => usize::try_from(g).ok().filter(|&g| g > 0).ok_or("num_groups")?,
    };
    let plane: usize = x.shape[2..].iter().product();
    let (scale, bias) = (scale.floats()?, bias.floats()?);
    if channels % groups != 0 || plane == 0 || channels == 0 {
        return Err(Fault::Invalid(format!("{channels} channels, {groups} groups")));
    }
    let per_channel = |v: &[f32], c: usize| match v.len() {
        n if n == channels => Ok(v[c]),
        n if n == groups => Ok(v[c * groups / channels]),
        n => Err(format!("{n} factors for {channels} channels")),
    };
    let mut out = x.floats()?.to_vec();
    for chunk in out.chunks_exact_mut(channels / groups * plane) {
        normalise(chunk, node.float("epsilon", 1e-5));
    }
    for (i, chunk) in out.chunks_exact_mut(plane).enumerate() {
        let (s, b) = (per_channel(scale, i % channels)?, per_channel(bias, i % channels)?);
        chunk.iter_mut().for_each(|v| *v = *v * s + b);
    }
    Ok(Array::f32(x.shape.clone(), out))
}
