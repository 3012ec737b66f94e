//! The part of a tensor that a term or a view reads, as linear forms over a dense buffer.
//!
//! Coordinates are affine in the output's and the sum's indices, so that an element's position is
//! a start plus a step for each output axis plus a delta for each inner position. Padding is made
//! real: where a coordinate can leave the tensor, the buffer is a copy with the padding in it.

use std::borrow::Cow;

use zkml_graph::AxisMap;

/// A window beyond this many cells more than four times its tensor is not worth copying.
const SPARE_CELLS: u128 = 1 << 20;

/// Positions in a buffer: `base + sum of steps[axis] * o[axis] + deltas[flat(i)]`.
#[derive(Debug)]
pub(crate) struct Window {
    /// Step for every output axis; 0 where no map follows it.
    pub(crate) steps: Vec<usize>,
    /// Offset for every inner position, row-major.
    pub(crate) deltas: Vec<usize>,
    /// Position of the first element.
    pub(crate) base: usize,
    /// Cells copied on every tensor axis: first coordinate and number; nothing where the
    /// buffer is the tensor itself.
    copied: Option<Vec<(i64, usize)>>,
}

impl Window {
    /// The window of `map` over a tensor of `shape`, for output indices below `lengths` and inner
    /// indices below `inner`; nothing where it would be too large to copy.
    ///
    /// With `crop` the buffer is always a copy of just what is read.
    pub(crate) fn new(
        shape: &[u32],
        map: &[AxisMap],
        lengths: &[u32],
        inner: &[u32],
        crop: bool,
    ) -> Option<Self> {
        let mut spans = Vec::with_capacity(shape.len());
        let (mut inside, mut cells, mut whole) = (true, 1_u128, 1_u128);
        for (axis, &extent) in map.iter().zip(shape) {
            let mut last = axis.offset;
            if let Some((out, stride)) = axis.out {
                last += i64::from(stride) * i64::from(lengths[out as usize] - 1);
            }
            if let Some((index, dilation)) = axis.inner {
                last += i64::from(dilation) * i64::from(inner[index as usize] - 1);
            }
            inside &= axis.offset >= 0 && last < i64::from(extent);
            let span = usize::try_from(last - axis.offset + 1).ok()?;
            spans.push((axis.offset, span));
            cells = cells.saturating_mul(span as u128);
            whole *= u128::from(extent);
        }
        let copy = crop || !inside;
        if copy && cells > 4 * whole + SPARE_CELLS {
            return None;
        }
        let mut steps = vec![0; lengths.len()];
        let mut inner_steps = vec![0; inner.len()];
        let (mut base, mut step) = (0, 1);
        for ((axis, &extent), &(first, span)) in map.iter().zip(shape).zip(&spans).rev() {
            if let Some((out, stride)) = axis.out {
                steps[out as usize] = step * stride as usize;
            }
            if let Some((index, dilation)) = axis.inner {
                inner_steps[index as usize] = step * dilation as usize;
            }
            if copy {
                step *= span;
            } else {
                base += step * usize::try_from(first).ok()?;
                step *= extent as usize;
            }
        }
        Some(Self { steps, deltas: positions(inner, &inner_steps), base, copied: copy.then_some(spans) })
    }

    /// The buffer, borrowed where nothing needs a copy.
    pub(crate) fn buffer<'a>(&self, shape: &[u32], values: &'a [i64], padding: i64) -> Cow<'a, [i64]> {
        match &self.copied {
            None => Cow::Borrowed(values),
            Some(_) => Cow::Owned(self.copy(shape, values, padding, |value| value)),
        }
    }

    /// The buffer as a copy, each value converted.
    pub(crate) fn copy<T: Copy>(
        &self,
        shape: &[u32],
        values: &[i64],
        padding: T,
        convert: impl Fn(i64) -> T,
    ) -> Vec<T> {
        let Some(spans) = &self.copied else {
            return values.iter().map(|&value| convert(value)).collect();
        };
        let cells = spans.iter().map(|&(_, span)| span).product();
        let mut buffer = Vec::with_capacity(cells);
        self.copy_axis(shape, spans, values, 0, &mut buffer, padding, &convert);
        buffer
    }

    #[expect(clippy::too_many_arguments, reason = "the state of one recursion over the axes")]
    fn copy_axis<T: Copy>(
        &self,
        shape: &[u32],
        spans: &[(i64, usize)],
        values: &[i64],
        position: usize,
        buffer: &mut Vec<T>,
        padding: T,
        convert: &impl Fn(i64) -> T,
    ) {
        let ([extent, inner_shape @ ..], [(first, span), inner_spans @ ..]) = (shape, spans) else {
            return;
        };
        let extent = i64::from(*extent);
        let rest: usize = inner_spans.iter().map(|&(_, span)| span).product();
        let end = *first + *span as i64;
        // Coordinates before the tensor, inside it, and after it.
        let before = (0.min(end) - first.min(&0)) as usize;
        let (low, high) = ((*first).clamp(0, extent), end.clamp(0, extent));
        let after = (end.max(extent) - (*first).max(extent)) as usize;
        buffer.resize(buffer.len() + before * rest, padding);
        if inner_shape.is_empty() {
            let start = position * extent as usize;
            let row = &values[start + low as usize..start + high as usize];
            buffer.extend(row.iter().map(|&value| convert(value)));
        } else {
            for coordinate in low..high {
                let position = position * extent as usize + coordinate as usize;
                self.copy_axis(inner_shape, inner_spans, values, position, buffer, padding, convert);
            }
        }
        buffer.resize(buffer.len() + after * rest, padding);
    }
}

/// The value of a linear form at every index of a box, row-major.
pub(crate) fn positions(extents: &[u32], steps: &[usize]) -> Vec<usize> {
    let mut all = vec![0];
    for (&extent, &step) in extents.iter().zip(steps) {
        let mut next = Vec::with_capacity(all.len() * extent as usize);
        for start in all {
            next.extend((0..extent as usize).map(|index| start + index * step));
        }
        all = next;
    }
    all
}

/// Row-major steps of a box.
pub(crate) fn strides(extents: &[u32]) -> Vec<usize> {
    let mut step = 1;
    let mut steps: Vec<usize> = extents
        .iter()
        .rev()
        .map(|&extent| {
            let current = step;
            step *= extent as usize;
            current
        })
        .collect();
    steps.reverse();
    steps
}

/// The steps of a parameter's position over the output axes; `columns` cells a row.
pub(crate) fn row_steps(lengths: &[u32], outer_axes: &[u32], columns: usize) -> Vec<usize> {
    let mut steps = vec![0; lengths.len()];
    let mut step = columns;
    for &axis in outer_axes.iter().rev() {
        steps[axis as usize] = step;
        step *= lengths[axis as usize] as usize;
    }
    steps
}

/// The values of a linear form over the chosen axes of a box, row-major.
pub(crate) fn form(lengths: &[u32], axes: &[usize], start: usize, steps: &[usize]) -> Vec<usize> {
    let extents: Vec<u32> = axes.iter().map(|&axis| lengths[axis]).collect();
    let steps: Vec<usize> = axes.iter().map(|&axis| steps[axis]).collect();
    let mut all = positions(&extents, &steps);
    for position in &mut all {
        *position += start;
    }
    all
}

/// Visits every row along the last axis of a box, with the values of `N` linear forms at the
/// row's start.
pub(crate) fn rows<const N: usize>(
    lengths: &[u32],
    bases: [usize; N],
    steps: [&[usize]; N],
    visit: &mut impl FnMut([usize; N]),
) {
    let [length, rest @ ..] = lengths else {
        return visit(bases);
    };
    if rest.is_empty() {
        return visit(bases);
    }
    for index in 0..*length as usize {
        let mut inner = bases;
        for (value, steps) in inner.iter_mut().zip(steps) {
            *value += index * steps[0];
        }
        rows(rest, inner, steps.map(|steps| &steps[1..]), visit);
    }
}
