//! Slices and cuts of pending sums: a part of a matrix product is the product with a part of the
//! matrix, and an output axis that only the weights follow can be cut into several.

use zkml_graph::OperandAxis;

use super::expr::{Body, Expr, Factor, Item};
use super::view::{Atom, View};

/// Rows of `width` over `axes` of the given extents, restricted to a slice of one of them.
fn slice_rows(rows: &[f32], axes: &[usize], shape: &[usize], cut: (usize, usize, usize, usize)) -> Vec<f32> {
    let (axis, start, step, length) = cut;
    let Some(position) = axes.iter().position(|&a| a == axis) else {
        return rows.to_vec();
    };
    let outer: usize = axes[..position].iter().map(|&a| shape[a]).product();
    let below = rows.len() / (outer * shape[axis]).max(1);
    let mut out = Vec::with_capacity(outer * length * below);
    for o in 0..outer {
        for i in 0..length {
            let at = (o * shape[axis] + start + i * step) * below;
            out.extend_from_slice(&rows[at..at + below]);
        }
    }
    out
}

/// `length` elements of an output axis from `start`, `step` apart: `cut` is
/// `(axis, start, step, length)`. `None` if a term covers only a part of the output.
pub(super) fn slice(expr: &Expr, cut: (usize, usize, usize, usize)) -> Option<Expr> {
    let (axis, start, step, length) = cut;
    let Body::Affine(terms) = &expr.body else {
        return None;
    };
    let mut shape = expr.shape.clone();
    shape[axis] = length;
    let whole = Expr::everywhere(&expr.shape);
    let mut out = Vec::with_capacity(terms.len());
    for term in terms {
        if term.region != whole {
            return None;
        }
        let mut term = term.clone();
        term.region = Expr::everywhere(&shape);
        match &mut term.item {
            Item::Constant(_) => {}
            Item::Reshape { .. } => return None,
            Item::Bias { rows, outer_axes, .. } => {
                *rows = slice_rows(rows, outer_axes, &expr.shape, cut);
            }
            Item::Tensor { map, factor, .. } => {
                for map in map {
                    if let Some((out, stride)) = &mut map.out
                        && *out as usize == axis
                    {
                        map.offset += i64::try_from(start).ok()? * i64::from(*stride);
                        *stride = stride.checked_mul(u32::try_from(step).ok()?)?;
                    }
                }
                if let Factor::Hidden { rows, outer_axes, .. } = factor {
                    *rows = slice_rows(rows, outer_axes, &expr.shape, cut);
                }
            }
        }
        out.push(term);
    }
    Some(Expr { shape, body: Body::Affine(out) })
}

/// Cuts output axes where the view's atoms cut them, so that the view becomes simple. `None`
/// if an activation follows an axis that would be cut.
pub(super) fn split(expr: &Expr, view: &View) -> Option<(Expr, View)> {
    if !view.is_bijective() || view.offset.iter().any(|&o| o != 0) {
        return None;
    }
    let mut shape = Vec::new();
    // New axes of every old one.
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut axes = view.axes.clone();
    for (axis, &extent) in view.storage.iter().enumerate() {
        let mut here: Vec<Atom> = view.atoms().filter(|a| a.axis == Some(axis)).copied().collect();
        here.sort_by_key(|a| std::cmp::Reverse(a.stride));
        let mut mine = Vec::new();
        for atom in &here {
            for target in axes.iter_mut().flatten() {
                if target.axis == Some(axis) && target.stride == atom.stride {
                    // Beyond the old axes, so that no later turn finds it.
                    *target = Atom { extent: atom.extent, axis: Some(shape.len() + 1024), stride: 1 };
                }
            }
            mine.push(shape.len());
            shape.push(atom.extent);
        }
        if here.is_empty() {
            mine.push(shape.len());
            shape.push(extent);
        }
        parts.push(mine);
    }
    for atom in axes.iter_mut().flatten() {
        atom.axis = atom.axis.map(|a| a - 1024);
    }
    let one = |axis: u32| match parts.get(axis as usize)?[..] {
        [new] => u32::try_from(new).ok(),
        _ => None,
    };
    let all =
        |outer: &[usize]| -> Vec<usize> { outer.iter().flat_map(|&a| parts[a].iter().copied()).collect() };
    let body = match &expr.body {
        Body::Product { a, b, inner, factor } => {
            let operand = |o: &super::expr::Operand| {
                let axes = o.axes.iter().map(|&axis| match axis {
                    OperandAxis::Out(o) => one(o).map(OperandAxis::Out),
                    other => Some(other),
                });
                Some(super::expr::Operand { tensor: o.tensor, axes: axes.collect::<Option<_>>()? })
            };
            let (a, b) = (operand(a)?, operand(b)?);
            Body::Product { a, b, inner: inner.clone(), factor: *factor }
        }
        Body::Affine(terms) => {
            let whole = Expr::everywhere(&expr.shape);
            let mut out = Vec::with_capacity(terms.len());
            for term in terms {
                let mut term = term.clone();
                if term.region != whole {
                    return None;
                }
                term.region = Expr::everywhere(&shape);
                match &mut term.item {
                    Item::Constant(_) | Item::Reshape { .. } => {}
                    Item::Bias { outer_axes, .. } => *outer_axes = all(outer_axes),
                    Item::Tensor { map, factor, .. } => {
                        for map in map {
                            if let Some((out, _)) = &mut map.out {
                                *out = one(*out)?;
                            }
                        }
                        if let Factor::Hidden { outer_axes, .. } = factor {
                            *outer_axes = all(outer_axes);
                        }
                    }
                }
                out.push(term);
            }
            Body::Affine(out)
        }
    };
    let view = View { axes, offset: vec![0; shape.len()], storage: shape.clone(), padded: false };
    view.is_simple().then_some((Expr { shape, body }, view))
}
