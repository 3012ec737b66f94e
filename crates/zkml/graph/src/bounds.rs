//! Worst-case ranges: what an accumulator can reach for *every* weight of the declared width and
//! every activation inside its tensor's declared range.
//!
//! The prover sizes its range checks by these numbers and the verifier recomputes them, so that
//! no sum wraps modulo the field's order. Nothing here depends on the weights' values. The graph
//! may be malformed: whatever these functions read, they check; the rest is [`crate::validate`].

use alloc::vec::Vec;

use crate::types::{AxisMap, Graph, Node, Op, Operand, ParamId, Source, Tensor, TensorId, Term, Weight};

/// Greatest magnitude of an accumulator, of each of its terms, and of a graph's constants.
pub const MAX_ACCUMULATOR: i64 = 1 << 46;
/// Greatest sum of the magnitudes that the terms of an accumulator can reach, so that sums of some of
/// its terms fit an `i64` in any order.
pub const MAX_PARTIAL_SUM: i64 = 1 << 62;

/// Most steps for each term that [`accumulator`] spends on regions that overlap in part.
///
/// A concatenation of `n` parts takes `n^2`; a grid of `n x n` parts `n^3`.
pub const MAX_STEPS_PER_TERM: usize = 1 << 11;

/// Most steps that bounding all accumulators of a graph may take, beside [`FREE_STEPS_PER_TERM`]
/// for each term: what keys that nobody has paid for yet can make a verifier do.
pub const MAX_STEPS: usize = 1 << 20;
/// More than a term takes whose region overlaps no other in part, at the greatest rank.
pub const FREE_STEPS_PER_TERM: usize = 64;

/// Why an accumulator has no usable bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoundsError {
    /// A tensor id outside the graph.
    #[error("tensor {tensor} does not exist: the graph has {count} tensors")]
    UnknownTensor {
        /// The id.
        tensor: TensorId,
        /// Number of tensors.
        count: usize,
    },
    /// A parameter id outside the graph.
    #[error("parameter {param} does not exist: the graph has {count} parameters")]
    UnknownParam {
        /// The id.
        param: ParamId,
        /// Number of parameters.
        count: usize,
    },
    /// A region, map or axis that does not fit the rank it refers to.
    #[error("term {term} does not fit its tensors' ranks")]
    Rank {
        /// Position of the term in the node (0 for a product).
        term: usize,
    },
    /// A weight width outside 1..=16.
    #[error("weights of {bits} bits: expected 1..=16")]
    WeightBits {
        /// The width found.
        bits: u8,
    },
    /// The magnitude of a term or of the whole sum can exceed [`MAX_ACCUMULATOR`].
    #[error("the accumulator can reach 2^46 or more in magnitude")]
    TooWide,
    /// The magnitudes of the terms can add up to more than [`MAX_PARTIAL_SUM`].
    #[error("the terms' magnitudes can add up to more than 2^62")]
    PartialSumTooWide,
    /// The regions overlap in too many ways to bound the sum.
    #[error("the terms' regions overlap in too many ways")]
    TooManyRegions,
    /// `Max` and `Normalize` have no accumulator.
    #[error("this operation has no accumulator")]
    NoAccumulator,
}

/// The least and greatest value of the accumulator of an affine or product node.
///
/// A term counts where its region is, so that the disjoint parts of a concatenation do not add
/// up. Elements that no term covers are 0.
///
/// # Errors
/// Returns an error if the sum, or one term alone, can exceed [`MAX_ACCUMULATOR`]; if the terms' magnitudes
/// can add up to more than [`MAX_PARTIAL_SUM`]; if an id or a rank does not fit; if the node has no
/// accumulator.
pub fn accumulator(graph: &Graph, node: &Node) -> Result<(i64, i64), BoundsError> {
    accumulator_within(graph, node, &mut step_budget(graph))
}

/// The steps that bounding all accumulators of a graph may take together.
#[must_use]
pub fn step_budget(graph: &Graph) -> usize {
    let terms = graph.nodes.iter().map(|node| match &node.op {
        Op::Affine { terms, .. } => terms.len(),
        _ => 0,
    });
    terms.fold(MAX_STEPS, |budget, terms| {
        budget.saturating_add(FREE_STEPS_PER_TERM.saturating_mul(terms.saturating_add(1)))
    })
}

/// [`accumulator`] with at most `budget` steps, from which it takes those that it uses.
///
/// # Errors
/// Returns the errors of [`accumulator`].
pub fn accumulator_within(graph: &Graph, node: &Node, budget: &mut usize) -> Result<(i64, i64), BoundsError> {
    match &node.op {
        Op::Affine { terms, .. } => {
            let output = tensor(graph, node.output)?;
            let ranges = terms
                .iter()
                .enumerate()
                .map(|(index, term)| {
                    if term.region.len() != output.shape.len() {
                        return Err(BoundsError::Rank { term: index });
                    }
                    affine_term(graph, index, term)
                })
                .collect::<Result<Vec<_>, _>>()?;
            let active: Vec<usize> = (0..terms.len()).collect();
            let mut search = Search {
                terms,
                ranges: &ranges,
                shape: &output.shape,
                steps: 0,
                limit: MAX_STEPS_PER_TERM.saturating_mul(terms.len().saturating_add(1)).min(*budget),
                range: None,
            };
            let visited = search.visit(0, &active);
            *budget = budget.saturating_sub(search.steps);
            visited?;
            search.range.ok_or(BoundsError::TooWide)
        }
        Op::Product { a, b, inner, .. } => product(graph, a, b, inner),
        Op::Max { .. } | Op::Normalize { .. } => Err(BoundsError::NoAccumulator),
    }
}

/// The range of `floor((acc + 2^(shift-1)) / 2^shift)` for `acc` in `range`; `acc` where `shift`
/// is 0. The function is monotone, so the ends of `range` give the ends of the result.
#[must_use]
pub fn quotient(range: (i64, i64), shift: u8) -> (i64, i64) {
    (rescale(range.0, shift), rescale(range.1, shift))
}

/// `floor((acc + 2^(shift-1)) / 2^shift)`, or `acc` where `shift` is 0: division by a power of
/// two, ties towards positive infinity.
#[must_use]
#[expect(clippy::arithmetic_side_effects, reason = "64 bits and half of 2^66 in 128 bits")]
pub fn rescale(acc: i64, shift: u8) -> i64 {
    if shift == 0 {
        return acc;
    }
    // Beyond 64 bits the quotient of any i64 is 0.
    let shift = u32::from(shift.min(66));
    let shifted = (i128::from(acc) + (1_i128 << (shift - 1))) >> shift;
    i64::try_from(shifted).unwrap_or(0)
}

/// The range of a weight of `bits` bits.
#[expect(clippy::arithmetic_side_effects, reason = "1 to 16 bits, checked first")]
fn weight_range(bits: u8) -> Result<(i128, i128), BoundsError> {
    if !(1..=16).contains(&bits) {
        return Err(BoundsError::WeightBits { bits });
    }
    let half = 1_i128 << (bits - 1);
    Ok((-half, half - 1))
}

fn tensor(graph: &Graph, id: TensorId) -> Result<&Tensor, BoundsError> {
    usize::try_from(id)
        .ok()
        .and_then(|index| graph.tensors.get(index))
        .ok_or(BoundsError::UnknownTensor { tensor: id, count: graph.tensors.len() })
}

/// Products of extents, saturated: only their comparison with [`MAX_ACCUMULATOR`] matters.
fn cells(extents: &[u32]) -> i128 {
    extents.iter().fold(1_i128, |total, &extent| total.saturating_mul(extent.into()).min(1_i128 << 64))
}

fn narrow((low, high): (i128, i128)) -> Result<(i64, i64), BoundsError> {
    let limit = i128::from(MAX_ACCUMULATOR);
    if low < i128::from(-MAX_ACCUMULATOR) || high > limit {
        return Err(BoundsError::TooWide);
    }
    match (i64::try_from(low), i64::try_from(high)) {
        (Ok(low), Ok(high)) => Ok((low, high)),
        _ => Err(BoundsError::TooWide),
    }
}

/// All products of a value of `a` and a value of `b`. Operands are below 2^64 in magnitude.
fn multiply(a: (i128, i128), b: (i128, i128)) -> (i128, i128) {
    let corners =
        [a.0.saturating_mul(b.0), a.0.saturating_mul(b.1), a.1.saturating_mul(b.0), a.1.saturating_mul(b.1)];
    corners.iter().fold((i128::MAX, i128::MIN), |(low, high), &corner| (low.min(corner), high.max(corner)))
}

/// `count` times a range.
fn repeat(range: (i128, i128), count: i128) -> (i128, i128) {
    (range.0.saturating_mul(count), range.1.saturating_mul(count))
}

fn affine_term(graph: &Graph, index: usize, term: &Term) -> Result<(i64, i64), BoundsError> {
    let range = match &term.source {
        Source::Constant(value) => (i128::from(*value), i128::from(*value)),
        Source::Index { axis, multiplier } => {
            let length = usize::try_from(*axis)
                .ok()
                .and_then(|axis| term.region.get(axis))
                .ok_or(BoundsError::Rank { term: index })?
                .1;
            let last = i128::from(length.saturating_sub(1));
            multiply((0, last), (i128::from(*multiplier), i128::from(*multiplier)))
        }
        Source::Bias { param, .. } => {
            let digits = usize::try_from(*param)
                .ok()
                .and_then(|id| graph.params.get(id))
                .ok_or(BoundsError::UnknownParam { param: *param, count: graph.params.len() })?
                .inner;
            bias(graph.weight_bits, digits)?
        }
        Source::Tensor { tensor: id, inner, map, weight } => {
            let read = tensor(graph, *id)?;
            let factor = match weight {
                Weight::Public(value) => (i128::from(*value), i128::from(*value)),
                Weight::Param { .. } => weight_range(graph.weight_bits)?,
            };
            let mut one = multiply(factor, (i128::from(read.min), i128::from(read.max)));
            if pads(index, term, read, inner, map)? {
                one = (one.0.min(0), one.1.max(0));
            }
            repeat(one, cells(inner))
        }
        Source::Reshape { tensor: id, multiplier } => {
            let read = tensor(graph, *id)?;
            let factor = i128::from(*multiplier);
            multiply((factor, factor), (i128::from(read.min), i128::from(read.max)))
        }
    };
    narrow(range)
}

/// The range of a hidden constant of `digits` balanced digits.
#[expect(clippy::arithmetic_side_effects, reason = "digits of 16 bits at places up to 46, in 128 bits")]
fn bias(weight_bits: u8, digits: u32) -> Result<(i128, i128), BoundsError> {
    let (low, high) = weight_range(weight_bits)?;
    let mut range = (0_i128, 0_i128);
    for digit in 0..digits {
        let place = u32::from(weight_bits).saturating_mul(digit);
        if place > 46 {
            return Err(BoundsError::TooWide);
        }
        range = (range.0 + (low << place), range.1 + (high << place));
    }
    Ok(range)
}

/// Whether some coordinate of the term falls outside the tensor.
#[expect(clippy::arithmetic_side_effects, reason = "64 bits and two products of 32 bits each, in 128 bits")]
fn pads(
    index: usize,
    term: &Term,
    read: &Tensor,
    inner: &[u32],
    map: &[AxisMap],
) -> Result<bool, BoundsError> {
    if map.len() != read.shape.len() {
        return Err(BoundsError::Rank { term: index });
    }
    let mut outside = false;
    for (axis, &extent) in map.iter().zip(&read.shape) {
        let mut last = i128::from(axis.offset);
        if let Some((out, stride)) = axis.out {
            let length = usize::try_from(out)
                .ok()
                .and_then(|out| term.region.get(out))
                .ok_or(BoundsError::Rank { term: index })?
                .1;
            last += i128::from(stride) * i128::from(length.saturating_sub(1));
        }
        if let Some((position, dilation)) = axis.inner {
            let length = usize::try_from(position)
                .ok()
                .and_then(|position| inner.get(position))
                .ok_or(BoundsError::Rank { term: index })?;
            last += i128::from(dilation) * i128::from(length.saturating_sub(1));
        }
        outside |= axis.offset < 0 || last >= i128::from(extent);
    }
    Ok(outside)
}

fn product(graph: &Graph, a: &Operand, b: &Operand, inner: &[u32]) -> Result<(i64, i64), BoundsError> {
    let (a, b) = (tensor(graph, a.tensor)?, tensor(graph, b.tensor)?);
    let one = multiply((i128::from(a.min), i128::from(a.max)), (i128::from(b.min), i128::from(b.max)));
    narrow(repeat(one, cells(inner)))
}

/// Walks the boxes into which the terms' regions cut the output, axis by axis.
struct Search<'a> {
    terms: &'a [Term],
    ranges: &'a [(i64, i64)],
    shape: &'a [u32],
    steps: usize,
    limit: usize,
    range: Option<(i64, i64)>,
}

impl Search<'_> {
    /// `active`: the terms whose regions hold the box chosen on the axes before `axis`.
    fn visit(&mut self, axis: usize, active: &[usize]) -> Result<(), BoundsError> {
        self.steps = self.steps.saturating_add(active.len()).saturating_add(1);
        if self.steps > self.limit {
            return Err(BoundsError::TooManyRegions);
        }
        let Some(&extent) = self.shape.get(axis) else {
            return self.leaf(active);
        };
        let span = |&term: &usize| {
            let (start, length) =
                self.terms.get(term).and_then(|term| term.region.get(axis)).copied().unwrap_or((0, 0));
            (u64::from(start), u64::from(start).saturating_add(u64::from(length)))
        };
        let extent = u64::from(extent);
        let mut cuts: Vec<u64> = active
            .iter()
            .map(span)
            .flat_map(|(start, end)| [start, end])
            .filter(|&cut| cut < extent)
            .collect();
        cuts.push(0);
        cuts.sort_unstable();
        cuts.dedup();
        // Two boxes with the same terms have the same sum: only the first is visited.
        let mut previous: Option<Vec<usize>> = None;
        for cut in cuts {
            let inside: Vec<usize> = active
                .iter()
                .copied()
                .filter(|term| {
                    let (start, end) = span(term);
                    start <= cut && cut < end
                })
                .collect();
            self.steps = self.steps.saturating_add(active.len());
            if previous.as_ref() != Some(&inside) {
                self.visit(axis.saturating_add(1), &inside)?;
            }
            previous = Some(inside);
        }
        Ok(())
    }

    fn leaf(&mut self, active: &[usize]) -> Result<(), BoundsError> {
        let (mut low, mut high, mut magnitude) = (0_i128, 0_i128, 0_u64);
        for &(least, greatest) in active.iter().filter_map(|&term| self.ranges.get(term)) {
            low = low.saturating_add(least.into());
            high = high.saturating_add(greatest.into());
            magnitude = magnitude.saturating_add(least.unsigned_abs().max(greatest.unsigned_abs()));
        }
        if magnitude > MAX_PARTIAL_SUM.unsigned_abs() {
            return Err(BoundsError::PartialSumTooWide);
        }
        let (low, high) = narrow((low, high))?;
        let (least, greatest) = self.range.unwrap_or((low, high));
        self.range = Some((least.min(low), greatest.max(high)));
        Ok(())
    }
}
