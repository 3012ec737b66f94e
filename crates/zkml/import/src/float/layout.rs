//! Operators that move elements or compute shapes.

use super::{Context, Fault, Inputs, maybe, need};
use crate::array::{
    Array, Data, axis, broadcast, broadcast_positions, count, for_each_index, strides,
};
use crate::ir::{Attr, Node};

pub(super) fn exec(
    node: &Node,
    inputs: &Inputs<'_>,
    context: Context,
) -> Result<Vec<Array>, Fault> {
    let out = match node.op.as_str() {
        "Constant" => constant(node)?,
        "Shape" => shape_of(node, need(inputs, 0)?)?,
        "Size" => Array::i64(vec![], vec![need(inputs, 0)?.len() as i64]),
        "Reshape" => reshape(node, need(inputs, 0)?, need(inputs, 1)?)?,
        "Flatten" => {
            let x = need(inputs, 0)?;
            let rank = x.shape.len();
            let at = node.int("axis", 1);
            let at = if at == rank as i64 {
                rank
            } else {
                axis(at, rank.max(1))?
            };
            let at = at.min(rank);
            x.reshaped(vec![
                x.shape[..at].iter().product(),
                x.shape[at..].iter().product(),
            ])?
        }
        "Squeeze" => {
            let x = need(inputs, 0)?;
            let axes = squeeze_axes(node, maybe(inputs, 1), &x.shape)?;
            x.reshaped(super::reduce::reduced_shape(&x.shape, &axes, false))?
        }
        "Unsqueeze" => unsqueeze(node, inputs)?,
        "Transpose" => {
            let x = need(inputs, 0)?;
            transpose(x, &permutation(node, x.shape.len())?)
        }
        "Concat" => concat(node, inputs)?,
        "Split" => return split(node, inputs),
        "Slice" => slice(inputs)?,
        "Gather" => gather(node, inputs)?,
        "GatherElements" => gather_elements(node, inputs)?,
        "Expand" => {
            let x = need(inputs, 0)?;
            let target = dims(need(inputs, 1)?)?;
            let shape = broadcast(&x.shape, &target)?;
            count(&shape)?;
            x.gather(shape.clone(), &broadcast_positions(&x.shape, &shape))
        }
        "Tile" => tile(inputs)?,
        "Range" => range(inputs)?,
        "ConstantOfShape" => {
            let shape = dims(need(inputs, 0)?)?;
            let n = count(&shape)?;
            match node.attrs.get("value") {
                Some(Attr::Tensor(t)) if t.len() == 1 => t.gather(shape, &vec![0; n]),
                None => Array::f32(shape, vec![0.0; n]),
                _ => return Err("value is not one element".into()),
            }
        }
        "Pad" => pad(node, inputs)?,
        "Trilu" => trilu(node, inputs)?,
        "DepthToSpace" => depth_to_space(node, need(inputs, 0)?)?,
        "SpaceToDepth" => space_to_depth(node, need(inputs, 0)?)?,
        _ => return Err(Fault::Unknown),
    };
    let _ = context;
    Ok(vec![out])
}

fn constant(node: &Node) -> Result<Array, Fault> {
    for (name, value) in &node.attrs {
        return Ok(match (name.as_str(), value) {
            ("value", Attr::Tensor(t)) => t.as_ref().clone(),
            ("value_float", Attr::Float(v)) => Array::f32(vec![], vec![*v]),
            ("value_floats", Attr::Floats(v)) => Array::f32(vec![v.len()], v.clone()),
            ("value_int", Attr::Int(v)) => Array::i64(vec![], vec![*v]),
            ("value_ints", Attr::Ints(v)) => Array::i64(vec![v.len()], v.clone()),
            _ => continue,
        });
    }
    Err("no value of a supported kind".into())
}

fn shape_of(node: &Node, x: &Array) -> Result<Array, Fault> {
    let rank = x.shape.len() as i64;
    let clamp = |v: i64| {
        if v < 0 {
            (v + rank).max(0)
        } else {
            v.min(rank)
        }
    };
    let (start, end) = (clamp(node.int("start", 0)), clamp(node.int("end", rank)));
    let dims: Vec<i64> = x
        .shape
        .iter()
        .skip(start as usize)
        .take((end - start).max(0) as usize)
        .map(|&d| d as i64)
        .collect();
    Ok(Array::i64(vec![dims.len()], dims))
}

fn dims(array: &Array) -> Result<Vec<usize>, Fault> {
    array
        .ints()?
        .iter()
        .map(|&d| usize::try_from(d).map_err(|_| Fault::Invalid(format!("extent {d}"))))
        .collect()
}

fn reshape(node: &Node, x: &Array, target: &Array) -> Result<Array, Fault> {
    let target = target.ints()?;
    let allow_zero = node.int("allowzero", 0) != 0;
    let mut shape = Vec::with_capacity(target.len());
    let mut open = None;
    for (i, &d) in target.iter().enumerate() {
        shape.push(match d {
            -1 if open.is_none() => {
                open = Some(i);
                1
            }
            0 if !allow_zero => *x
                .shape
                .get(i)
                .ok_or("a zero extent beyond the input's rank")?,
            d => usize::try_from(d)
                .map_err(|_| Fault::Invalid(format!("target shape {target:?}")))?,
        });
    }
    if let Some(i) = open {
        let known = count(&shape)?;
        if known == 0 || !x.len().is_multiple_of(known) {
            return Err(Fault::Invalid(format!(
                "{:?} does not fill {target:?}",
                x.shape
            )));
        }
        shape[i] = x.len() / known;
    }
    Ok(x.reshaped(shape)?)
}

fn squeeze_axes(node: &Node, input: Option<&Array>, shape: &[usize]) -> Result<Vec<usize>, Fault> {
    let listed = match (node.ints("axes"), input) {
        (Some(axes), _) => axes.to_vec(),
        (None, Some(array)) => array.ints()?.to_vec(),
        (None, None) => return Ok((0..shape.len()).filter(|&i| shape[i] == 1).collect()),
    };
    let axes = listed
        .into_iter()
        .map(|a| axis(a, shape.len()))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(&a) = axes.iter().find(|&&a| shape[a] != 1) {
        return Err(Fault::Invalid(format!("axis {a} of {shape:?} is not 1")));
    }
    Ok(axes)
}

fn unsqueeze(node: &Node, inputs: &Inputs<'_>) -> Result<Array, Fault> {
    let x = need(inputs, 0)?;
    let listed = match node.ints("axes") {
        Some(axes) => axes.to_vec(),
        None => need(inputs, 1)?.ints()?.to_vec(),
    };
    let rank = x.shape.len() + listed.len();
    let axes = listed
        .into_iter()
        .map(|a| axis(a, rank))
        .collect::<Result<Vec<_>, _>>()?;
    let mut rest = x.shape.iter();
    let shape: Vec<usize> = (0..rank)
        .map(|i| {
            if axes.contains(&i) {
                1
            } else {
                rest.next().copied().unwrap_or(1)
            }
        })
        .collect();
    Ok(x.reshaped(shape)?)
}

/// The permutation of a Transpose: reversal by default.
pub(crate) fn permutation(node: &Node, rank: usize) -> Result<Vec<usize>, String> {
    let Some(perm) = node.ints("perm") else {
        return Ok((0..rank).rev().collect());
    };
    let out = perm
        .iter()
        .map(|&a| axis(a, rank))
        .collect::<Result<Vec<_>, _>>()?;
    let mut sorted = out.clone();
    sorted.sort_unstable();
    if sorted.iter().copied().eq(0..rank) {
        Ok(out)
    } else {
        Err(format!("perm {perm:?} does not permute {rank} axes"))
    }
}

fn transpose(x: &Array, permutation: &[usize]) -> Array {
    let from = strides(&x.shape);
    let shape: Vec<usize> = permutation.iter().map(|&a| x.shape[a]).collect();
    let steps: Vec<usize> = permutation.iter().map(|&a| from[a]).collect();
    pick(x, shape, |index| {
        index.iter().zip(&steps).map(|(i, s)| i * s).sum()
    })
}

/// An array of `shape` whose element at an index is `x` at `position(index)`.
fn pick(x: &Array, shape: Vec<usize>, position: impl Fn(&[usize]) -> usize) -> Array {
    let mut positions = Vec::with_capacity(shape.iter().product());
    for_each_index(&shape, |index| positions.push(position(index)));
    x.gather(shape, &positions)
}

fn concat(node: &Node, inputs: &Inputs<'_>) -> Result<Array, Fault> {
    let first = need(inputs, 0)?;
    let axis = axis(node.int("axis", 0), first.shape.len())?;
    let outer: usize = first.shape[..axis].iter().product();
    let mut shape = first.shape.clone();
    shape[axis] = 0;
    let mut arrays = Vec::new();
    for index in 0..inputs.len() {
        let x = need(inputs, index)?;
        let fits = x.shape.len() == shape.len()
            && x.shape
                .iter()
                .zip(&first.shape)
                .enumerate()
                .all(|(i, (a, b))| i == axis || a == b);
        if !fits {
            return Err(Fault::Invalid(format!(
                "shapes {:?} and {:?}",
                first.shape, x.shape
            )));
        }
        shape[axis] += x.shape[axis];
        arrays.push(x);
    }
    count(&shape)?;
    fn join<T: Copy>(parts: &[(&[T], usize)], outer: usize) -> Vec<T> {
        let mut out = Vec::new();
        for o in 0..outer {
            for (values, row) in parts {
                out.extend_from_slice(&values[o * row..(o + 1) * row]);
            }
        }
        out
    }
    let row = |x: &Array| x.shape[axis..].iter().product::<usize>();
    let data = match &first.data {
        Data::F32(_) => {
            let parts: Result<Vec<_>, String> =
                arrays.iter().map(|x| Ok((x.floats()?, row(x)))).collect();
            Data::F32(join(&parts?, outer))
        }
        Data::I64(_) => {
            let parts: Result<Vec<_>, String> =
                arrays.iter().map(|x| Ok((x.ints()?, row(x)))).collect();
            Data::I64(join(&parts?, outer))
        }
        Data::Bool(_) => return Err("boolean elements".into()),
    };
    Ok(Array { shape, data })
}

/// Lengths of the parts of a Split along an axis of extent `n`.
pub(crate) fn split_lengths(
    node: &Node,
    input: Option<&Array>,
    n: usize,
) -> Result<Vec<usize>, String> {
    let listed = match (node.ints("split"), input) {
        (Some(lengths), _) => Some(lengths.to_vec()),
        (None, Some(array)) => Some(array.ints()?.to_vec()),
        (None, None) => None,
    };
    let parts = node.outputs.len().max(1);
    let lengths = match listed {
        Some(lengths) => lengths
            .iter()
            .map(|&l| usize::try_from(l).map_err(|_| format!("split {lengths:?}")))
            .collect::<Result<Vec<_>, _>>()?,
        None => {
            let each = n.div_ceil(parts);
            (0..parts)
                .map(|i| each.min(n.saturating_sub(i * each)))
                .collect()
        }
    };
    if lengths.len() != parts
        || lengths.iter().try_fold(0usize, |s, &l| s.checked_add(l)) != Some(n)
    {
        return Err(format!(
            "split {lengths:?} does not fit extent {n} and {parts} outputs"
        ));
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
        out.push(pick(x, shape, |index| {
            base + index.iter().zip(&steps).map(|(i, s)| i * s).sum::<usize>()
        }));
        start += length;
    }
    Ok(out)
}

/// Start, step and length on every axis of a Slice.
pub(crate) fn slice_ranges(
    shape: &[usize],
    inputs: &Inputs<'_>,
) -> Result<Vec<(usize, i64, usize)>, Fault> {
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
        let end = if step < 0 && ends[i] < -n {
            -1
        } else {
            wrap(ends[i]).clamp(low, high)
        };
        let distance = if step > 0 { end - start } else { start - end };
        let length = if distance <= 0 {
            0
        } else {
            (distance - 1) / step.abs() + 1
        };
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
            if (0..n).contains(&i) {
                Ok(i as usize)
            } else {
                Err(format!("index {i} of {n}"))
            }
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
        let i = if values[at] < 0 {
            values[at] + n
        } else {
            values[at]
        };
        at += 1;
        let fits = (0..n).contains(&i)
            && index
                .iter()
                .zip(&x.shape)
                .enumerate()
                .all(|(a, (i, d))| a == axis || i < d);
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
    let shape: Option<Vec<usize>> = x
        .shape
        .iter()
        .zip(&repeats)
        .map(|(a, b)| a.checked_mul(*b))
        .collect();
    let shape = shape.ok_or("too large")?;
    count(&shape)?;
    let steps = strides(&x.shape);
    Ok(pick(x, shape, |index| {
        index
            .iter()
            .zip(&x.shape)
            .zip(&steps)
            .map(|((i, n), s)| i % n * s)
            .sum()
    }))
}

fn range(inputs: &Inputs<'_>) -> Result<Array, Fault> {
    let (a, b, c) = (need(inputs, 0)?, need(inputs, 1)?, need(inputs, 2)?);
    match (&a.data, &b.data, &c.data) {
        (Data::I64(a), Data::I64(b), Data::I64(c))
            if a.len() == 1 && b.len() == 1 && c.len() == 1 && c[0] != 0 =>
        {
            let n =
                (b[0] as i128 - a[0] as i128 + c[0] as i128 - c[0].signum() as i128) / c[0] as i128;
            let n = usize::try_from(n.max(0)).unwrap_or(usize::MAX);
            count(&[n])?;
            Ok(Array::i64(
                vec![n],
                (0..n).map(|i| a[0] + i as i64 * c[0]).collect(),
            ))
        }
        (Data::F32(a), Data::F32(b), Data::F32(c))
            if a.len() == 1 && b.len() == 1 && c.len() == 1 && c[0] != 0.0 =>
        {
            let n = ((b[0] - a[0]) / c[0]).ceil().max(0.0) as usize;
            count(&[n])?;
            Ok(Array::f32(
                vec![n],
                (0..n).map(|i| a[0] + i as f32 * c[0]).collect(),
            ))
        }
        _ => Err("start, limit and delta are not scalars of one type".into()),
    }
}

/// Padding before and after every axis.
pub(crate) fn pad_amounts(
    node: &Node,
    inputs: &Inputs<'_>,
    rank: usize,
) -> Result<Vec<(i64, i64)>, Fault> {
    let pads = match node.ints("pads") {
        Some(pads) => pads.to_vec(),
        None => need(inputs, 1)?.ints()?.to_vec(),
    };
    let axes = match maybe(inputs, 3) {
        Some(axes) => axes
            .ints()?
            .iter()
            .map(|&a| axis(a, rank))
            .collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() || pads.iter().any(|p| p.abs() > 1 << 20) {
        return Err(Fault::Invalid(format!(
            "pads {pads:?} do not fit {} axes",
            axes.len()
        )));
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
    let value = maybe(inputs, 2)
        .and_then(Array::scalar)
        .unwrap_or(node.float("value", 0.0));
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
        Data::F32(v) => Data::F32(
            v.iter()
                .enumerate()
                .map(|(i, &v)| if keep(i) { v } else { 0.0 })
                .collect(),
        ),
        Data::I64(v) => Data::I64(
            v.iter()
                .enumerate()
                .map(|(i, &v)| if keep(i) { v } else { 0 })
                .collect(),
        ),
        Data::Bool(v) => Data::Bool(v.iter().enumerate().map(|(i, &v)| v && keep(i)).collect()),
    };
    Ok(Array {
        shape: x.shape.clone(),
        data,
    })
}

fn block(node: &Node, x: &Array) -> Result<(usize, [usize; 4]), Fault> {
    let b = usize::try_from(node.int("blocksize", 0))
        .ok()
        .filter(|&b| b > 0 && b < 1 << 10);
    match (b, x.shape.as_slice()) {
        (Some(b), &[n, c, h, w]) => Ok((b, [n, c, h, w])),
        _ => Err("blocksize or rank".into()),
    }
}

fn depth_to_space(node: &Node, x: &Array) -> Result<Array, Fault> {
    let (b, [n, c, h, w]) = block(node, x)?;
    if c % (b * b) != 0 {
        return Err("the channels do not divide".into());
    }
    let d = c / (b * b);
    let out = if node.text("mode") == "CRD" {
        transpose(&x.reshaped(vec![n, d, b, b, h, w])?, &[0, 1, 4, 2, 5, 3])
    } else {
        transpose(&x.reshaped(vec![n, b, b, d, h, w])?, &[0, 3, 4, 1, 5, 2])
    };
    Ok(out.reshaped(vec![n, d, h * b, w * b])?)
}

fn space_to_depth(node: &Node, x: &Array) -> Result<Array, Fault> {
    let (b, [n, c, h, w]) = block(node, x)?;
    if h % b != 0 || w % b != 0 {
        return Err("the plane does not divide".into());
    }
    let out = transpose(
        &x.reshaped(vec![n, c, h / b, b, w / b, b])?,
        &[0, 3, 5, 1, 2, 4],
    );
    Ok(out.reshaped(vec![n, c * b * b, h / b, w / b])?)
}
