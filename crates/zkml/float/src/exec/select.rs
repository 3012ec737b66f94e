//! Operators that choose, repeat or surround elements.

use super::layout::{dims, pick};
use super::{Fault, Inputs, Operator, maybe, need, one};
use crate::array::{Array, Data, axis, count, for_each_index, strides};
use crate::ir::Node;

/// Everything that chooses, repeats or surrounds elements.
pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("Split", |node, inputs, _| split(node, inputs)),
    Operator::new("Slice", |_, inputs, _| one(slice(inputs)?)),
    Operator::new("Gather", |node, inputs, _| one(gather(node, inputs)?)),
    Operator::new("OneHot", |node, inputs, _| one(one_hot(node, inputs)?)),
    Operator::new("GatherElements", |node, inputs, _| one(gather_elements(node, inputs)?)),
    Operator::new("Tile", |_, inputs, _| one(tile(inputs)?)),
    Operator::new("Pad", |node, inputs, _| one(pad(node, inputs)?)),
    Operator::new("Trilu", |node, inputs, _| one(trilu(node, inputs)?)),
];

/// Lengths of the parts of a Split along an axis of extent `n`.
pub fn split_lengths(node: &Node, input: Option<&Array>, n: usize) -> Result<Vec<usize>, String> {
    let listed = match (node.ints("split"), input) {
        (Some(lengths), _) => Some(lengths.to_vec()),
        (None, Some(array)) => Some(array.ints()?.to_vec()),
        (None, None) => None,
    };
    let parts = node.outputs.len().max(1);
    let told = node.int("num_outputs", parts as i64);
    if usize::try_from(told) != Ok(parts) {
        return Err(format!("num_outputs is {told}, and there are {parts} outputs"));
    }
    let lengths = match listed {
        Some(lengths) => lengths
            .iter()
            .map(|&l| usize::try_from(l).map_err(|_| format!("split {lengths:?}")))
            .collect::<Result<Vec<_>, _>>()?,
        None => {
            let each = n.div_ceil(parts);
            (0..parts).map(|i| each.min(n.saturating_sub(i * each))).collect()
        }
    };
    if lengths.len() != parts || lengths.iter().try_fold(0usize, |s, &l| s.checked_add(l)) != Some(n) {
        return Err(format!("split {lengths:?} does not fit extent {n} and {parts} outputs"));
    }
    Ok(lengths)
}

fn split(node: &Node, inputs: &Inputs<'_>) -> Result<Vec<Array>, Fault> {
    let x = need(inputs, 0)?;
    let axis = axis(node.int("axis", 0), x.shape.len())?;
    let steps = strides(&x.shape);
    let mut start = 0;
    let mut out = Vec::new();
    for length in split_lengths(node, maybe(inputs, 1), x.shape[axis])? {
        let mut shape = x.shape.clone();
        shape[axis] = length;
        let base = start * steps[axis];
        out.push(pick(x, shape, |index| base + index.iter().zip(&steps).map(|(i, s)| i * s).sum::<usize>()));
        start += length;
    }
    Ok(out)
}

/// Start, step and length on every axis of a Slice.
pub fn slice_ranges(shape: &[usize], inputs: &Inputs<'_>) -> Result<Vec<(usize, i64, usize)>, Fault> {
    let (starts, ends) = (need(inputs, 1)?.ints()?, need(inputs, 2)?.ints()?);
    let axes = match maybe(inputs, 3) {
        Some(a) => a.ints()?.to_vec(),
        None => (0..starts.len() as i64).collect(),
    };
    let steps = match maybe(inputs, 4) {
        Some(a) => a.ints()?.to_vec(),
        None => vec![1; starts.len()],
    };
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
        return Err("starts, ends, axes and steps of different lengths".into());
    }
    let mut out: Vec<(usize, i64, usize)> = shape.iter().map(|&n| (0, 1, n)).collect();
    for i in 0..starts.len() {
        let a = axis(axes[i], shape.len())?;
        let n = shape[a] as i64;
        let step = steps[i];
        if step == 0 || step == i64::MIN {
            return Err("a step of zero".into());
        }
        let wrap = |v: i64| if v < 0 { v.saturating_add(n) } else { v };
        let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
        let start = wrap(starts[i]).clamp(low.max(0), high.max(0));
        let end = if step < 0 && ends[i] < -n { -1 } else { wrap(ends[i]).clamp(low, high) };
        let distance = if step > 0 { end - start } else { start - end };
        let length = if distance <= 0 { 0 } else { (distance - 1) / step.abs() + 1 };
        out[a] = (start as usize, step, length as usize);
    }
    Ok(out)
}

fn slice(inputs: &Inputs<'_>) -> Result<Array, Fault> {
    let x = need(inputs, 0)?;
    let ranges = slice_ranges(&x.shape, inputs)?;
    let steps = strides(&x.shape);
    let shape = ranges.iter().map(|r| r.2).collect();
    Ok(pick(x, shape, |index| {
        index
            .iter()
            .zip(&ranges)
            .zip(&steps)
            .map(|((&i, r), s)| (r.0 as i64 + i as i64 * r.1) as usize * s)
            .sum()
    }))
}

fn gather(node: &Node, inputs: &Inputs<'_>) -> Result<Array, Fault> {
    let (x, indices) = (need(inputs, 0)?, need(inputs, 1)?);
    let axis = axis(node.int("axis", 0), x.shape.len())?;
    let n = x.shape[axis] as i64;
    let indices_values = indices
        .ints()?
        .iter()
        .map(|&i| {
            let i = if i < 0 { i + n } else { i };
            if (0..n).contains(&i) { Ok(i as usize) } else { Err(format!("index {i} of {n}")) }
        })
        .collect::<Result<Vec<_>, _>>()?;
    let outer: usize = x.shape[..axis].iter().product();
    let inner: usize = x.shape[axis + 1..].iter().product();
    let mut shape = x.shape[..axis].to_vec();
    shape.extend(&indices.shape);
    shape.extend(&x.shape[axis + 1..]);
    let mut positions = Vec::with_capacity(count(&shape)?);
    for o in 0..outer {
        for &i in &indices_values {
            let base = (o * x.shape[axis] + i) * inner;
            positions.extend(base..base + inner);
        }
    }
    Ok(x.gather(shape, &positions))
}

/// A vector for each index: the second value at its place, the first elsewhere. Indices count from the end if
/// they are negative; those that are none have no place.
fn one_hot(node: &Node, inputs: &Inputs<'_>) -> Result<Array, Fault> {
    let (indices, values) = (need(inputs, 0)?, need(inputs, 2)?);
    let depth = need(inputs, 1)?.scalar().filter(|&depth| depth >= 1.0 && depth.fract() == 0.0);
    let depth = depth.ok_or("a depth that is not a positive integer")? as usize;
    let axis = axis(node.int("axis", -1), indices.shape.len() + 1)?;
    if values.len() != 2 {
        return Err("the values are not two".into());
    }
    let outer: usize = indices.shape[..axis].iter().product();
    let inner: usize = indices.shape[axis..].iter().product();
    let mut shape = indices.shape.clone();
    shape.insert(axis, depth);
    let mut positions = vec![0; count(&shape)?];
    for (at, index) in indices.to_floats().into_iter().enumerate().take(outer * inner) {
        let index = if index < 0.0 { index + depth as f32 } else { index };
        if index >= 0.0 && index < depth as f32 {
            positions[(at / inner * depth + index as usize) * inner + at % inner] = 1;
        }
    }
    Ok(values.gather(shape, &positions))
}

fn gather_elements(node: &Node, inputs: &Inputs<'_>) -> Result<Array, Fault> {
    let (x, indices) = (need(inputs, 0)?, need(inputs, 1)?);
    let axis = axis(node.int("axis", 0), x.shape.len())?;
    if indices.shape.len() != x.shape.len() {
        return Err("indices of another rank".into());
    }
    let n = x.shape[axis] as i64;
    let steps = strides(&x.shape);
    let values = indices.ints()?;
    let mut positions = Vec::with_capacity(values.len());
    let mut fault = None;
    let mut at = 0;
    for_each_index(&indices.shape, |index| {
        let i = if values[at] < 0 { values[at] + n } else { values[at] };
        at += 1;
        let fits = (0..n).contains(&i)
            && index.iter().zip(&x.shape).enumerate().all(|(a, (i, d))| a == axis || i < d);
        if !fits {
            fault = Some(format!("index {i} of {n}"));
        }
        positions.push(if fits {
            index
                .iter()
                .zip(&steps)
                .enumerate()
                .map(|(a, (&p, s))| if a == axis { i as usize * s } else { p * s })
                .sum()
        } else {
            0
        });
    });
    match fault {
        Some(fault) => Err(Fault::Invalid(fault)),
        None => Ok(x.gather(indices.shape.clone(), &positions)),
    }
}

fn tile(inputs: &Inputs<'_>) -> Result<Array, Fault> {
    let x = need(inputs, 0)?;
    let repeats = dims(need(inputs, 1)?)?;
    if repeats.len() != x.shape.len() {
        return Err("repeats do not fit the rank".into());
    }
    let shape: Option<Vec<usize>> = x.shape.iter().zip(&repeats).map(|(a, b)| a.checked_mul(*b)).collect();
    let shape = shape.ok_or("too large")?;
    count(&shape)?;
    let steps = strides(&x.shape);
    Ok(pick(x, shape, |index| index.iter().zip(&x.shape).zip(&steps).map(|((i, n), s)| i % n * s).sum()))
}

/// Padding before and after every axis.
pub fn pad_amounts(node: &Node, inputs: &Inputs<'_>, rank: usize) -> Result<Vec<(i64, i64)>, Fault> {
    let pads = match node.ints("pads") {
        Some(pads) => pads.to_vec(),
        None => need(inputs, 1)?.ints()?.to_vec(),
    };
    let axes = match maybe(inputs, 3) {
        Some(axes) => axes.ints()?.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() || pads.iter().any(|p| p.unsigned_abs() > 1 << 20) {
        return Err(Fault::Invalid(format!("pads {pads:?} do not fit {} axes", axes.len())));
    }
    let mut out = vec![(0, 0); rank];
    for (i, &a) in axes.iter().enumerate() {
        out[a] = (pads[i], pads[axes.len() + i]);
    }
    Ok(out)
}

fn pad(node: &Node, inputs: &Inputs<'_>) -> Result<Array, Fault> {
    let x = need(inputs, 0)?;
    let pads = pad_amounts(node, inputs, x.shape.len())?;
    let mut shape = Vec::new();
    for (&n, p) in x.shape.iter().zip(&pads) {
        let extent = n as i64 + p.0 + p.1;
        shape.push(usize::try_from(extent).map_err(|_| format!("pads {pads:?}"))?);
    }
    count(&shape)?;
    let mode = match node.text("mode") {
        "" => "constant",
        mode => mode,
    };
    let value = maybe(inputs, 2).and_then(Array::scalar).unwrap_or(node.float("value", 0.0));
    let steps = strides(&x.shape);
    let mut positions = Vec::with_capacity(count(&shape)?);
    let mut bad = false;
    for_each_index(&shape, |index| {
        let position = index.iter().enumerate().try_fold(0, |at, (a, &i)| {
            let n = x.shape[a] as i64;
            let i = i as i64 - pads[a].0;
            let i = match mode {
                "edge" => i.clamp(0, n - 1),
                "reflect" if i < 0 => -i,
                "reflect" if i >= n => 2 * (n - 1) - i,
                "wrap" => i.rem_euclid(n.max(1)),
                _ => i,
            };
            (0..n).contains(&i).then(|| at + i as usize * steps[a])
        });
        bad |= position.is_none() && mode != "constant";
        positions.push(position);
    });
    if bad || !matches!(mode, "constant" | "edge" | "reflect" | "wrap") {
        return Err(Fault::Invalid(format!("mode {mode:?} with pads {pads:?}")));
    }
    fn fill<T: Copy>(v: &[T], positions: &[Option<usize>], pad: T) -> Vec<T> {
        positions.iter().map(|p| p.map_or(pad, |p| v[p])).collect()
    }
    let data = match &x.data {
        Data::F32(v) => Data::F32(fill(v, &positions, value)),
        Data::I64(v) => Data::I64(fill(v, &positions, value as i64)),
        Data::Bool(v) => Data::Bool(fill(v, &positions, value != 0.0)),
    };
    Ok(Array { shape, data })
}

fn trilu(node: &Node, inputs: &Inputs<'_>) -> Result<Array, Fault> {
    let x = need(inputs, 0)?;
    let k = match maybe(inputs, 1) {
        Some(k) => k.ints()?.first().copied().unwrap_or(0),
        None => 0,
    };
    let &[.., rows, columns] = x.shape.as_slice() else {
        return Err("not a matrix".into());
    };
    let upper = node.int("upper", 1) != 0;
    let keep = |i: usize| {
        let (r, c) = ((i / columns % rows) as i64, (i % columns) as i64);
        let distance = (c - r).saturating_sub(k);
        if upper { distance >= 0 } else { distance <= 0 }
    };
    let data = match &x.data {
        Data::F32(v) => {
            Data::F32(v.iter().enumerate().map(|(i, &v)| if keep(i) { v } else { 0.0 }).collect())
        }
        Data::I64(v) => Data::I64(v.iter().enumerate().map(|(i, &v)| if keep(i) { v } else { 0 }).collect()),
        Data::Bool(v) => Data::Bool(v.iter().enumerate().map(|(i, &v)| v && keep(i)).collect()),
    };
    Ok(Array { shape: x.shape.clone(), data })
}
