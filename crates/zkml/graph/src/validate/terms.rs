//! The rules of what nodes read: terms of an affine sum, views, and operands of a product.

use alloc::vec;

use super::{Checker, GraphError, MAX_COORDINATE, MAX_RANK, MAX_TENSOR_CELLS, NodeContext, cells};
use crate::types::{AxisMap, Operand, OperandAxis, Source, Tensor, Term, View, Weight};

/// Lengths that indices run over: the region's, and the sum's.
struct Extents<'a> {
    region: &'a [(u32, u32)],
    inner: &'a [u32],
    /// Output axes that select a parameter's row.
    rows: &'a [u32],
}

fn lookup<T: Copy>(list: &[T], index: u32) -> Option<T> {
    list.get(usize::try_from(index).ok()?).copied()
}

/// Marks `index` as seen; whether it already was. Indices outside count as seen.
fn twice(seen: &mut [bool], index: u32) -> bool {
    usize::try_from(index)
        .ok()
        .and_then(|index| seen.get_mut(index))
        .is_none_or(|seen| core::mem::replace(seen, true))
}

impl<'a> Checker<'a> {
    pub(super) fn affine(&mut self, context: NodeContext<'a>, terms: &'a [Term]) -> Result<(), GraphError> {
        if terms.is_empty() {
            return Err(GraphError::NoTerms { node: context.at() });
        }
        for (term, content) in terms.iter().enumerate() {
            region(context, term, &content.region)?;
            self.source(context, term, content)?;
        }
        Ok(())
    }

    fn source(&mut self, context: NodeContext<'a>, term: usize, content: &'a Term) -> Result<(), GraphError> {
        let elements = region_cells(&content.region);
        match &content.source {
            Source::Constant(_) => self.work(elements, 1),
            Source::Index { axis, .. } => {
                axis_length(context, term, &content.region, *axis)?;
                self.work(elements, 1)
            }
            Source::Bias { param, outer_axes } => {
                let outer = rows(context, term, &content.region, outer_axes)?;
                self.param(context, term, *param, outer, None)?;
                self.work(elements, 1)
            }
            Source::Tensor { tensor, inner, map, weight } => {
                let read = self.operand(context, *tensor)?;
                let addends = inner_cells(context, term, inner)?;
                let mut row_axes: &[u32] = &[];
                if let Weight::Param { param, outer_axes } = weight {
                    row_axes = outer_axes;
                    let outer = rows(context, term, &content.region, outer_axes)?;
                    self.param(context, term, *param, outer, Some(addends))?;
                }
                let extents = Extents { region: &content.region, inner, rows: row_axes };
                maps(context, term, read, map, &extents)?;
                self.work(elements, addends)
            }
            Source::Reshape { tensor, .. } => {
                let got = cells(&self.operand(context, *tensor)?.shape);
                if got != elements {
                    return Err(GraphError::ReshapeCells {
                        node: context.at(),
                        term,
                        expected: elements,
                        got,
                    });
                }
                self.work(elements, 1)
            }
        }
    }

    /// A view of a maximum; its position stands where errors name a term.
    pub(super) fn view(
        &self,
        context: NodeContext<'a>,
        position: usize,
        view: &View,
    ) -> Result<&'a Tensor, GraphError> {
        let read = self.operand(context, view.tensor)?;
        let region: alloc::vec::Vec<(u32, u32)> =
            context.output.shape.iter().map(|&extent| (0, extent)).collect();
        let extents = Extents { region: &region, inner: &[], rows: &[] };
        maps(context, position, read, &view.map, &extents)?;
        Ok(read)
    }

    pub(super) fn product(
        &mut self,
        context: NodeContext<'a>,
        operands: [&'a Operand; 2],
        inner: &[u32],
    ) -> Result<(), GraphError> {
        let addends = inner_cells(context, 0, inner)?;
        let mut used = vec![false; inner.len()];
        for (position, operand) in operands.into_iter().enumerate() {
            let tensor = self.operand(context, operand.tensor)?;
            operand_axes(context, position, tensor, operand, inner)?;
            for axis in &operand.axes {
                if let OperandAxis::Inner(index) = *axis {
                    twice(&mut used, index);
                }
            }
        }
        all_used(context, 0, &used)?;
        self.work(cells(&context.output.shape), addends)
    }
}

fn region_cells(region: &[(u32, u32)]) -> u64 {
    region.iter().fold(1, |total: u64, &(_, length)| total.saturating_mul(u64::from(length)))
}

fn region(context: NodeContext<'_>, term: usize, region: &[(u32, u32)]) -> Result<(), GraphError> {
    let shape = &context.output.shape;
    if region.len() != shape.len() {
        return Err(GraphError::RegionRank {
            node: context.at(),
            term,
            expected: shape.len(),
            got: region.len(),
        });
    }
    for (axis, (&(start, length), &extent)) in region.iter().zip(shape).enumerate() {
        if length == 0 || u64::from(start).saturating_add(length.into()) > u64::from(extent) {
            return Err(GraphError::RegionBox { node: context.at(), term, axis, start, length, extent });
        }
    }
    Ok(())
}

fn axis_length(
    context: NodeContext<'_>,
    term: usize,
    region: &[(u32, u32)],
    axis: u32,
) -> Result<u32, GraphError> {
    match lookup(region, axis) {
        Some((_, length)) => Ok(length),
        None => Err(GraphError::OutputAxis { node: context.at(), term, axis }),
    }
}

/// The number of rows that the output axes select from.
fn rows(
    context: NodeContext<'_>,
    term: usize,
    region: &[(u32, u32)],
    outer_axes: &[u32],
) -> Result<u64, GraphError> {
    let mut seen = vec![false; region.len()];
    let mut total = 1_u64;
    for &axis in outer_axes {
        let length = axis_length(context, term, region, axis)?;
        if twice(&mut seen, axis) {
            return Err(GraphError::RowAxisTwice { node: context.at(), term, axis });
        }
        total = total.saturating_mul(u64::from(length));
    }
    Ok(total)
}

fn inner_cells(context: NodeContext<'_>, term: usize, inner: &[u32]) -> Result<u64, GraphError> {
    if inner.len() > MAX_RANK {
        return Err(GraphError::InnerRank { node: context.at(), term, rank: inner.len() });
    }
    match cells(inner) {
        addends @ 1..=MAX_TENSOR_CELLS => Ok(addends),
        _ => Err(GraphError::InnerCells { node: context.at(), term }),
    }
}

fn all_used(context: NodeContext<'_>, term: usize, used: &[bool]) -> Result<(), GraphError> {
    match used.iter().position(|&used| !used) {
        Some(index) => Err(GraphError::InnerUnused { node: context.at(), term, index }),
        None => Ok(()),
    }
}

fn maps(
    context: NodeContext<'_>,
    term: usize,
    read: &Tensor,
    maps: &[AxisMap],
    extents: &Extents<'_>,
) -> Result<(), GraphError> {
    let node = || context.at();
    if maps.len() != read.shape.len() {
        return Err(GraphError::MapRank { node: node(), term, expected: read.shape.len(), got: maps.len() });
    }
    let mut outputs = vec![false; extents.region.len()];
    let mut inners = vec![false; extents.inner.len()];
    for (map, axis_map) in maps.iter().enumerate() {
        let mut last = i128::from(axis_map.offset);
        if let Some((axis, stride)) = axis_map.out {
            let length = axis_length(context, term, extents.region, axis)?;
            if twice(&mut outputs, axis) {
                return Err(GraphError::MapOutputTwice { node: node(), term, axis });
            }
            if stride == 0 {
                return Err(GraphError::Stride { node: node(), term, map });
            }
            if axis_map.inner.is_some() && extents.rows.contains(&axis) {
                return Err(GraphError::MapRowAxis { node: node(), term, map, axis });
            }
            last = last.saturating_add(i128::from(stride).saturating_mul(length.saturating_sub(1).into()));
        }
        if let Some((index, dilation)) = axis_map.inner {
            let Some(extent) = lookup(extents.inner, index) else {
                return Err(GraphError::InnerAxis { node: node(), term, index });
            };
            if twice(&mut inners, index) {
                return Err(GraphError::MapInnerTwice { node: node(), term, index });
            }
            if dilation == 0 {
                return Err(GraphError::Dilation { node: node(), term, map });
            }
            last = last.saturating_add(i128::from(dilation).saturating_mul(extent.saturating_sub(1).into()));
        }
        if axis_map.offset < -MAX_COORDINATE || last > i128::from(MAX_COORDINATE) {
            return Err(GraphError::Coordinate { node: node(), term, map });
        }
    }
    all_used(context, term, &inners)
}

fn operand_axes(
    context: NodeContext<'_>,
    position: usize,
    tensor: &Tensor,
    operand: &Operand,
    inner: &[u32],
) -> Result<(), GraphError> {
    let node = || context.at();
    if operand.axes.len() != tensor.shape.len() {
        return Err(GraphError::OperandRank {
            node: node(),
            operand: position,
            expected: tensor.shape.len(),
            got: operand.axes.len(),
        });
    }
    let shape = &context.output.shape;
    let mut outputs = vec![false; shape.len()];
    let mut inners = vec![false; inner.len()];
    // An index that does not exist is another error than one that repeats.
    let again = |seen: &mut [bool], index: u32| lookup(seen, index).is_some() && twice(seen, index);
    for (axis, (follows, &got)) in operand.axes.iter().zip(&tensor.shape).enumerate() {
        let repeated = match *follows {
            OperandAxis::Out(out) => again(&mut outputs, out),
            OperandAxis::Inner(index) => again(&mut inners, index),
            OperandAxis::Fixed(_) => false,
        };
        if repeated {
            return Err(GraphError::OperandTwice { node: node(), operand: position, axis });
        }
        let expected = match *follows {
            OperandAxis::Out(out) => lookup(shape, out),
            OperandAxis::Inner(index) => lookup(inner, index),
            OperandAxis::Fixed(coordinate) => (coordinate < got).then_some(got),
        };
        let Some(expected) = expected else {
            return Err(GraphError::OperandAxis { node: node(), operand: position, axis });
        };
        if expected != got {
            return Err(GraphError::OperandExtent { node: node(), operand: position, axis, expected, got });
        }
    }
    Ok(())
}
