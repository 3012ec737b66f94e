//! Operators that move elements or compute shapes.

use super::{Fault, Inputs, Operator, maybe, need, one};
use crate::array::{Array, Data, axis, broadcast, broadcast_positions, count, for_each_index, strides};
use crate::ir::{Attr, Node};

/// Everything that moves elements or computes shapes.
pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("Constant", |node, _, _| one(constant(node)?)),
    Operator::new("Shape", |node, inputs, _| one(shape_of(node, need(inputs, 0)?)?)),
    Operator::new("Size", |_, inputs, _| one(Array::i64(vec![], vec![need(inputs, 0)?.len() as i64]))),
    Operator::new("Reshape", |node, inputs, _| one(reshape(node, need(inputs, 0)?, need(inputs, 1)?)?)),
    Operator::new("Flatten", |node, inputs, _| one(flatten(node, need(inputs, 0)?)?)),
    Operator::new("Squeeze", |node, inputs, _| {
        let x = need(inputs, 0)?;
        let axes = squeeze_axes(node, maybe(inputs, 1), &x.shape)?;
        one(x.reshaped(super::reduce::reduced_shape(&x.shape, &axes, false))?)
    }),
    Operator::new("Unsqueeze", |node, inputs, _| one(unsqueeze(node, inputs)?)),
    Operator::new("Transpose", |node, inputs, _| {
        let x = need(inputs, 0)?;
        one(transpose(x, &permutation(node, x.shape.len())?))
    }),
    Operator::new("Concat", |node, inputs, _| one(concat(node, inputs)?)),
    Operator::new("Expand", |_, inputs, _| one(expand(need(inputs, 0)?, need(inputs, 1)?)?)),
    Operator::new("Range", |_, inputs, _| one(range(inputs)?)),
    Operator::new("ConstantOfShape", |node, inputs, _| one(constant_of_shape(node, need(inputs, 0)?)?)),
    Operator::new("DepthToSpace", |node, inputs, _| one(depth_to_space(node, need(inputs, 0)?)?)),
    Operator::new("SpaceToDepth", |node, inputs, _| one(space_to_depth(node, need(inputs, 0)?)?)),
];

fn flatten(node: &Node, x: &Array) -> Result<Array, Fault> {
    let rank = x.shape.len();
    let at = node.int("axis", 1);
    let at = if at == rank as i64 { rank } else { axis(at, rank.max(1))? };
    let at = at.min(rank);
    Ok(x.reshaped(vec![x.shape[..at].iter().product(), x.shape[at..].iter().product()])?)
}

fn expand(x: &Array, target: &Array) -> Result<Array, Fault> {
    let shape = broadcast(&x.shape, &dims(target)?)?;
    count(&shape)?;
    Ok(x.gather(shape.clone(), &broadcast_positions(&x.shape, &shape)))
}

fn constant_of_shape(node: &Node, shape: &Array) -> Result<Array, Fault> {
    let shape = dims(shape)?;
    let n = count(&shape)?;
    match node.attrs.get("value") {
        Some(Attr::Tensor(t)) if t.len() == 1 => Ok(t.gather(shape, &vec![0; n])),
        None => Ok(Array::f32(shape, vec![0.0; n])),
        _ => Err("value is not one element".into()),
    }
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
        if v < 0 { (v + rank).max(0) } else { v.min(rank) }
    };
    let (start, end) = (clamp(node.int("start", 0)), clamp(node.int("end", rank)));
    let dims: Vec<i64> =
        x.shape.iter().skip(start as usize).take((end - start).max(0) as usize).map(|&d| d as i64).collect();
    Ok(Array::i64(vec![dims.len()], dims))
}

pub(super) fn dims(array: &Array) -> Result<Vec<usize>, Fault> {
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
            0 if !allow_zero => *x.shape.get(i).ok_or("a zero extent beyond the input's rank")?,
            d => usize::try_from(d).map_err(|_| Fault::Invalid(format!("target shape {target:?}")))?,
        });
    }
    if let Some(i) = open {
        let known = count(&shape)?;
        if known == 0 || !x.len().is_multiple_of(known) {
            return Err(Fault::Invalid(format!("{:?} does not fill {target:?}", x.shape)));
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
    let axes = listed.into_iter().map(|a| axis(a, shape.len())).collect::<Result<Vec<_>, _>>()?;
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
    let axes = listed.into_iter().map(|a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
    let mut rest = x.shape.iter();
    let shape: Vec<usize> =
        (0..rank).map(|i| if axes.contains(&i) { 1 } else { rest.next().copied().unwrap_or(1) }).collect();
    Ok(x.reshaped(shape)?)
}

/// The permutation of a Transpose: reversal by default.
pub fn permutation(node: &Node, rank: usize) -> Result<Vec<usize>, String> {
    let Some(perm) = node.ints("perm") else {
        return Ok((0..rank).rev().collect());
    };
    let out = perm.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
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
    pick(x, shape, |index| index.iter().zip(&steps).map(|(i, s)| i * s).sum())
}

/// An array of `shape` whose element at an index is `x` at `position(index)`.
pub(super) fn pick(x: &Array, shape: Vec<usize>, position: impl Fn(&[usize]) -> usize) -> Array {
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
            && x.shape.iter().zip(&first.shape).enumerate().all(|(i, (a, b))| i == axis || a == b);
        if !fits {
            return Err(Fault::Invalid(format!("shapes {:?} and {:?}", first.shape, x.shape)));
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
            let parts: Result<Vec<_>, String> = arrays.iter().map(|x| Ok((x.floats()?, row(x)))).collect();
            Data::F32(join(&parts?, outer))
        }
        Data::I64(_) => {
            let parts: Result<Vec<_>, String> = arrays.iter().map(|x| Ok((x.ints()?, row(x)))).collect();
            Data::I64(join(&parts?, outer))
        }
        Data::Bool(_) => return Err("boolean elements".into()),
    };
    Ok(Array { shape, data })
}

fn range(inputs: &Inputs<'_>) -> Result<Array, Fault> {
    let (a, b, c) = (need(inputs, 0)?, need(inputs, 1)?, need(inputs, 2)?);
    match (&a.data, &b.data, &c.data) {
        (Data::I64(a), Data::I64(b), Data::I64(c))
            if a.len() == 1 && b.len() == 1 && c.len() == 1 && c[0] != 0 =>
        {
            let n = (b[0] as i128 - a[0] as i128 + c[0] as i128 - c[0].signum() as i128) / c[0] as i128;
            let n = usize::try_from(n.max(0)).unwrap_or(usize::MAX);
            count(&[n])?;
            Ok(Array::i64(vec![n], (0..n).map(|i| a[0] + i as i64 * c[0]).collect()))
        }
        (Data::F32(a), Data::F32(b), Data::F32(c))
            if a.len() == 1 && b.len() == 1 && c.len() == 1 && c[0] != 0.0 =>
        {
            let n = ((b[0] - a[0]) / c[0]).ceil().max(0.0) as usize;
            count(&[n])?;
            Ok(Array::f32(vec![n], (0..n).map(|i| a[0] + i as f32 * c[0]).collect()))
        }
        _ => Err("start, limit and delta are not scalars of one type".into()),
    }
}

fn block(node: &Node, x: &Array) -> Result<(usize, [usize; 4]), Fault> {
    let b = usize::try_from(node.int("blocksize", 0)).ok().filter(|&b| b > 0 && b < 1 << 10);
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
    let order = if node.text("mode") == "CRD" { [0, 1, 3, 5, 2, 4] } else { [0, 3, 5, 1, 2, 4] };
    let out = transpose(&x.reshaped(vec![n, c, h / b, b, w / b, b])?, &order);
    Ok(out.reshaped(vec![n, c * b * b, h / b, w / b])?)
}
