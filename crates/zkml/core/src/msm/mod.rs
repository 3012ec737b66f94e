//! Multi-scalar multiplication: `sum scalar * point`.
//!
//! Buckets are filled in affine coordinates with shared inversions (Montgomery's trick), about
//! six field products an addition. Full scalars are halved with the curve's endomorphism
//! (Gallant–Lambert–Vanstone); small integers use as many windows as their size needs.
//! Running times depend on the scalars; callers prove things about their own data only.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "segments are counted by the loops that fill them, in 32 bits: a batch has fewer than 2^32 digits, each within its window's buckets"
)]

mod affine;
mod fixed;
mod fold;
mod halve;

use self::affine::{add_affine, denominator, invert_all};
use self::halve::{Halves, split};
use crate::field::F;
use crate::group::{Affine, Projective};
use crate::parallel;
use alloc::vec;
use alloc::vec::Vec;
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::Zero;

pub use self::fixed::FixedBase;
pub use self::fold::fold;

/// A multi-scalar multiplication: ours, or a host's.
pub trait Msm {
    /// `sum scalars[i] * bases[i]` over the shorter of the two.
    fn msm(&self, bases: &[Affine], scalars: &[F]) -> Projective;
}

/// The built-in algorithm.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native;

impl Msm for Native {
    fn msm(&self, bases: &[Affine], scalars: &[F]) -> Projective {
        msm(bases, scalars)
    }
}

/// `sum scalars[i] * bases[i]` for full scalars.
pub fn msm(bases: &[Affine], scalars: &[F]) -> Projective {
    msm_many(&[(bases, scalars)]).pop().unwrap_or_default()
}

/// Several independent sums at once, for full scalars: they share their inversions.
#[must_use]
pub fn msm_many(sums: &[(&[Affine], &[F])]) -> Vec<Projective> {
    let split: Vec<Halves> = sums.iter().map(|(bases, scalars)| split(bases, scalars)).collect();
    let mut shapes = Vec::new();
    let mut tasks = Vec::new();
    for (points, halves) in &split {
        let bits = halves.iter().map(|(_, half)| 129 - half.leading_zeros() as usize).max().unwrap_or(1);
        let window_bits = window_bits(points.len(), bits);
        let windows = bits.div_ceil(window_bits);
        shapes.push((window_bits, windows));
        let mut digits = vec![Vec::with_capacity(points.len()); windows];
        for half in halves {
            signed_digits(*half, window_bits, &mut digits);
        }
        tasks.extend(digits.into_iter().map(|digits| Task {
            points,
            digits,
            buckets: 1 << (window_bits - 1),
        }));
    }
    recombine(&shapes, &bucket_sums(&tasks))
}

/// `sum rows[r][i] * bases[i]` for every row of small integers; zeros cost nothing.
#[must_use]
pub fn msm_small(bases: &[Affine], rows: &[&[i64]]) -> Vec<Projective> {
    let prepared = parallel::map(rows.len(), |row| {
        let integers = rows[row];
        let greatest = integers.iter().map(|value| value.unsigned_abs()).max().unwrap_or(0);
        let used = integers.iter().filter(|value| **value != 0).count();
        // Signed digits need one bit more than the magnitude, unless it is one window.
        let bits = 65 - greatest.leading_zeros() as usize;
        let window_bits = window_bits(used, bits);
        let windows = bits.div_ceil(window_bits);
        let mut digits = vec![Vec::with_capacity(integers.len()); windows];
        for value in integers {
            signed_digits((*value < 0, u128::from(value.unsigned_abs())), window_bits, &mut digits);
        }
        (window_bits, digits)
    });
    let mut shapes = Vec::new();
    let mut tasks = Vec::new();
    for (window_bits, digits) in prepared {
        shapes.push((window_bits, digits.len()));
        tasks.extend(digits.into_iter().map(|digits| Task {
            points: bases,
            digits,
            buckets: 1 << (window_bits - 1),
        }));
    }
    recombine(&shapes, &bucket_sums(&tasks))
}

/// One window of one sum: `sum digits[i] * points[i]`, digits up to `buckets` in magnitude.
struct Task<'a> {
    points: &'a [Affine],
    digits: Vec<i32>,
    buckets: usize,
}

/// Points that share their inversions: enough to make them cheap, few enough for the cache.
const BATCH_POINTS: usize = 4096;

/// The sum of every task, in batches.
fn bucket_sums(tasks: &[Task<'_>]) -> Vec<Projective> {
    let total: usize = tasks.iter().map(|task| task.digits.len()).sum();
    let batch = BATCH_POINTS.min(total.div_ceil(parallel::threads()).max(1));
    let mut ranges = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (index, task) in tasks.iter().enumerate() {
        size += task.digits.len();
        if size >= batch || index + 1 == tasks.len() {
            ranges.push(start..index + 1);
            (start, size) = (index + 1, 0);
        }
    }
    parallel::map(ranges.len(), |index| bucket_batch(&tasks[ranges[index].clone()])).concat()
}

/// Adds up the windows of every sum, from the highest.
fn recombine(shapes: &[(usize, usize)], windows: &[Projective]) -> Vec<Projective> {
    use ark_ff::AdditiveGroup;
    let mut rest = windows;
    let mut totals = Vec::with_capacity(shapes.len());
    for (window_bits, count) in shapes {
        let (here, after) = rest.split_at(*count);
        rest = after;
        totals.push(here.iter().rev().fold(Projective::zero(), |mut total, sum| {
            if !total.is_zero() {
                for _ in 0..*window_bits {
                    total.double_in_place();
                }
            }
            total + sum
        }));
    }
    totals
}

/// The sums of a batch of tasks.
fn bucket_batch(tasks: &[Task<'_>]) -> Vec<Projective> {
    // Counting sort of all points by task and magnitude.
    let slots: usize = tasks.iter().map(|task| task.buckets + 1).sum();
    let mut ends = vec![0u32; slots];
    let mut first = 0;
    for task in tasks {
        for digit in task.digits.iter().filter(|digit| **digit != 0) {
            ends[first + digit.unsigned_abs() as usize] += 1;
        }
        first += task.buckets + 1;
    }
    let mut total = 0;
    for end in &mut ends {
        total += *end;
        *end = total - *end;
    }
    let mut sorted = vec![Affine::zero(); total as usize];
    first = 0;
    for task in tasks {
        for (point, digit) in task.points.iter().zip(&task.digits) {
            if *digit != 0 {
                let slot = &mut ends[first + digit.unsigned_abs() as usize];
                sorted[*slot as usize] =
                    if *digit < 0 { Affine::new_unchecked(point.x, -point.y) } else { *point };
                *slot += 1;
            }
        }
        first += task.buckets + 1;
    }
    // Now every slot holds the end of its segment.
    let lengths = sum_segments(&mut sorted, &ends);
    let (mut from, mut slot) = (0, 0);
    tasks
        .iter()
        .map(|task| {
            let lengths = &lengths[slot..slot + task.buckets + 1];
            slot += task.buckets + 1;
            let end = from + lengths.iter().sum::<u32>() as usize;
            let (mut running, mut total) = (Projective::zero(), Projective::zero());
            let mut at = end;
            for length in lengths[1..].iter().rev() {
                for point in &sorted[at - *length as usize..at] {
                    running += point;
                }
                at -= *length as usize;
                if !running.is_zero() {
                    total += running;
                }
            }
            from = end;
            total
        })
        .collect()
}

/// Fewer pairs than this are not worth an inversion.
const LEAST_PAIRS: usize = 64;

/// Shortens every segment of `points`, keeping its sum, until most have one point; segment `k`
/// ends at `ends[k]`. Returns the new lengths; the segments stay in order, without gaps.
fn sum_segments(points: &mut [Affine], ends: &[u32]) -> Vec<u32> {
    let mut lengths: Vec<u32> = Vec::with_capacity(ends.len());
    let mut start = 0;
    for end in ends {
        lengths.push(end - start);
        start = *end;
    }
    let mut slopes = Vec::new();
    while lengths.iter().map(|length| *length as usize / 2).sum::<usize>() >= LEAST_PAIRS {
        slopes.clear();
        let mut at = 0;
        for length in &lengths {
            for pair in points[at..at + *length as usize].chunks_exact(2) {
                slopes.push(denominator(&pair[0], &pair[1]));
            }
            at += *length as usize;
        }
        invert_all(&mut slopes);
        let (mut from, mut to) = (0, 0);
        let mut inverses = slopes.iter();
        for length in &mut lengths {
            for inverse in inverses.by_ref().take(*length as usize / 2) {
                points[to] = add_affine(&points[from], &points[from + 1], inverse);
                from += 2;
                to += 1;
            }
            if *length % 2 == 1 {
                points[to] = points[from];
                from += 1;
                to += 1;
            }
            *length = length.div_ceil(2);
        }
    }
    lengths
}

/// What a multi-scalar multiplication of so many points with full scalars takes, in halves of an
/// addition: the smallest cost of a window, before it is done.
#[must_use]
pub fn half_additions(points: u64) -> u64 {
    // Halved scalars: twice the points, 129 bits with the sign.
    (2u32..=14)
        .map(|window| {
            let each = points.saturating_mul(4).saturating_add(5 << (window - 1));
            each.saturating_mul(129u64.div_ceil(window.into()))
        })
        .min()
        .unwrap_or(0)
}

/// The window that minimises additions: `windows * (points + 2.5 * buckets)`.
fn window_bits(points: usize, bits: usize) -> usize {
    (2..=14).min_by_key(|window| bits.div_ceil(*window) * (2 * points + 5 * (1 << (window - 1)))).unwrap_or(8)
}

/// Appends the signed digits of an integer to each window's list, least window first; each digit
/// is in `-2^(window_bits-1)..=2^(window_bits-1)`.
fn signed_digits((negative, mut magnitude): (bool, u128), window_bits: usize, windows: &mut [Vec<i32>]) {
    let (mask, half) = ((1u128 << window_bits) - 1, 1i32 << (window_bits - 1));
    for window in windows {
        let mut digit = (magnitude & mask) as i32;
        magnitude >>= window_bits;
        if digit > half {
            digit -= half * 2;
            magnitude += 1;
        }
        window.push(if negative { -digit } else { digit });
    }
}

/// Affine forms of many points, with one inversion.
#[must_use]
pub fn to_affine(points: &[Projective]) -> Vec<Affine> {
    Projective::normalize_batch(points)
}

#[cfg(test)]
mod tests;
