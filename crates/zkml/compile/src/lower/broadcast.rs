//! Constants laid over the stored axes of a value.

use super::expr::{Broadcast, Item};
use super::view::View;
use super::{Lowering, everywhere};
use zkml_float::array::{Array, broadcast_positions, for_each_index, strides};

impl Lowering<'_> {
    /// A constant as a term in a box of an output stored as `view` says.
    pub(super) fn constant_term(
        &self,
        array: &Array,
        view: &View,
        region: Vec<(usize, usize)>,
        secret: bool,
        name: &str,
    ) -> super::Term {
        let laid = broadcast(array, view, secret, name);
        let mut term = everywhere(
            &view.storage,
            match laid.uniform() {
                Some(value) if !secret => Item::Constant(value),
                _ => Item::Bias { rows: laid.values, outer_axes: laid.axes, name: name.into() },
            },
        );
        term.region = region;
        term
    }
}

/// A constant, broadcast to a value's logical shape, over the stored axes on which it varies.
pub(super) fn broadcast(array: &Array, view: &View, secret: bool, name: &str) -> Broadcast {
    let shape = view.shape();
    let mut dims = vec![1; shape.len().saturating_sub(array.shape.len())];
    dims.extend(&array.shape);
    let values = array.to_floats();
    let same = !secret && values.windows(2).all(|w| w[0] == w[1]);
    if same && !values.is_empty() {
        return Broadcast { axes: vec![], values: vec![values[0]], secret, name: name.into() };
    }
    let mut axes: Vec<usize> = view
        .axes
        .iter()
        .zip(&dims)
        .filter(|(_, d)| **d > 1)
        .flat_map(|(atoms, _)| atoms.iter().filter_map(|a| a.axis))
        .collect();
    axes.sort_unstable();
    axes.dedup();
    let extents: Vec<usize> = axes.iter().map(|&a| view.storage[a]).collect();
    let steps = strides(&dims);
    let mut out = Vec::with_capacity(extents.iter().product());
    for_each_index(&extents, |index| {
        let mut at = 0;
        for ((atoms, &dim), &step) in view.axes.iter().zip(&dims).zip(&steps) {
            if dim > 1 {
                let i = atoms.iter().fold(0, |i, atom| {
                    let p = axes.iter().position(|&a| Some(a) == atom.axis);
                    i * atom.extent + p.map_or(0, |p| index[p])
                });
                at += i * step;
            }
        }
        out.push(values[at]);
    });
    Broadcast { axes, values: out, secret, name: name.into() }
}

/// A constant repeated to a shape.
pub(super) fn expanded(array: &Array, shape: &[usize]) -> Vec<f32> {
    let values = array.to_floats();
    broadcast_positions(&array.shape, shape).into_iter().map(|p| values[p]).collect()
}
