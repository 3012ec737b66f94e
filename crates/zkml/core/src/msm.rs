//! Multi-scalar multiplication: `sum scalar * point`.
//!
//! Buckets are filled in affine coordinates with shared inversions (Montgomery's trick), about
//! six field products an addition. Full scalars are halved with the curve's endomorphism
//! (Gallant–Lambert–Vanstone); small integers use as many windows as their size needs.
//! Running times depend on the scalars; callers prove things about their own data only.

use crate::field::F;
use crate::group::{Affine, Fq, Projective, ShortChallenge};
use crate::parallel;
use alloc::vec;
use alloc::vec::Vec;
use ark_ec::scalar_mul::glv::GLVConfig;
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{BigInteger, Field, PrimeField, Zero};
use ark_pallas::PallasConfig;

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
#[must_use]
pub fn msm(bases: &[Affine], scalars: &[F]) -> Projective {
    let count = bases.len().min(scalars.len());
    if count == 0 {
        return Projective::zero();
    }
    let (points, halves) = split(&bases[..count], &scalars[..count]);
    let window_bits = window_bits(points.len(), 129);
    let windows = 129usize.div_ceil(window_bits);
    let digits: Vec<Vec<i32>> = halves
        .iter()
        .map(|half| signed_digits(*half, window_bits, windows))
        .collect();
    let sums = parallel::map(windows, |window| {
        bucket_sum(
            &points,
            digits.iter().map(|digits| digits[window]),
            1 << (window_bits - 1),
        )
    });
    sums.iter()
        .rev()
        .fold(Projective::zero(), |mut total, sum| {
            for _ in 0..window_bits {
                use ark_ff::AdditiveGroup;
                total.double_in_place();
            }
            total + sum
        })
}

/// `sum integers[i] * bases[i]` for small integers; zeros cost nothing.
#[must_use]
pub fn msm_small(bases: &[Affine], integers: &[i64]) -> Projective {
    let greatest = integers
        .iter()
        .map(|value| value.unsigned_abs())
        .max()
        .unwrap_or(0);
    let bits = 64 - greatest.leading_zeros() as usize;
    if bits == 0 {
        return Projective::zero();
    }
    let used = integers.iter().filter(|value| **value != 0).count();
    // One window of the whole magnitude needs 2^bits buckets; signed digits need one bit more.
    let single = bits <= 8 && (bits <= 6 || used >= 1 << (bits - 2));
    if single {
        return bucket_sum(
            bases,
            integers.iter().map(|value| *value as i32),
            greatest as usize,
        );
    }
    let window_bits = window_bits(used, bits + 1);
    let windows = (bits + 1).div_ceil(window_bits);
    let digits: Vec<Vec<i32>> = integers
        .iter()
        .map(|value| {
            signed_digits(
                (*value < 0, u128::from(value.unsigned_abs())),
                window_bits,
                windows,
            )
        })
        .collect();
    (0..windows)
        .rev()
        .fold(Projective::zero(), |mut total, window| {
            for _ in 0..window_bits {
                use ark_ff::AdditiveGroup;
                total.double_in_place();
            }
            total
                + bucket_sum(
                    bases,
                    digits.iter().map(|digits| digits[window]),
                    1 << (window_bits - 1),
                )
        })
}

/// `low[i] + challenge * high[i]` for every `i`; points beyond the shorter slice count as zero.
#[must_use]
pub fn fold(low: &[Affine], high: &[Affine], challenge: ShortChallenge) -> Vec<Affine> {
    let chunk = low.len().div_ceil(parallel::threads()).max(32);
    let chunks = low.len().div_ceil(chunk);
    let folded = parallel::map(chunks, |index| {
        let range = index * chunk..((index + 1) * chunk).min(low.len());
        let high = &high[range.start.min(high.len())..range.end.min(high.len())];
        let mut sums = scale_all(high, challenge);
        sums.resize(range.len(), Affine::zero());
        add_all(&mut sums, &low[range]);
        sums
    });
    folded.concat()
}

/// `challenge * point` for every point: one double-and-add over all of them at once.
fn scale_all(points: &[Affine], challenge: ShortChallenge) -> Vec<Affine> {
    // Odd multiples 1, 3, 5, 7 of every point, for a signed window of four bits.
    let mut doubles = points.to_vec();
    add_all(&mut doubles, points);
    let mut odd = vec![points.to_vec()];
    for step in 0..3 {
        let mut next: Vec<Affine> = odd[step].clone();
        add_all(&mut next, &doubles);
        odd.push(next);
    }
    let (plain, turned) = (naf(challenge.a), naf(challenge.b));
    let mut sums = vec![Affine::zero(); points.len()];
    let mut started = false;
    for bit in (0..plain.len()).rev() {
        if started {
            let copy = sums.clone();
            add_all(&mut sums, &copy);
        }
        for (digits, endomorphism) in [(&plain, false), (&turned, true)] {
            let digit = digits[bit];
            if digit != 0 {
                let mut terms = odd[digit.unsigned_abs() as usize / 2].clone();
                for term in &mut terms {
                    if endomorphism {
                        term.x *= PallasConfig::ENDO_COEFFS[0];
                    }
                    if digit < 0 {
                        term.y = -term.y;
                    }
                }
                add_all(&mut sums, &terms);
                started = true;
            }
        }
    }
    sums
}

/// Non-adjacent form of width 4: 66 digits, odd or zero, in -7..=7.
fn naf(value: u64) -> [i8; 66] {
    let mut rest = u128::from(value);
    core::array::from_fn(|_| {
        let mut digit = 0;
        if rest & 1 == 1 {
            digit = (rest & 15) as i8;
            if digit > 7 {
                digit -= 16;
                rest += u128::from(digit.unsigned_abs());
            } else {
                rest -= digit as u128;
            }
        }
        rest >>= 1;
        digit
    })
}

/// `sums[i] += terms[i]`, with one inversion.
fn add_all(sums: &mut [Affine], terms: &[Affine]) {
    let mut slopes: Vec<Fq> = sums
        .iter()
        .zip(terms)
        .map(|(a, b)| denominator(a, b))
        .collect();
    invert_all(&mut slopes);
    for ((sum, term), inverse) in sums.iter_mut().zip(terms).zip(&slopes) {
        *sum = add_affine(sum, term, inverse);
    }
}

/// What must be inverted to add two points; one where nothing needs to be.
#[inline(always)]
fn denominator(a: &Affine, b: &Affine) -> Fq {
    if a.is_zero() || b.is_zero() {
        Fq::ONE
    } else if a.x == b.x {
        if a.y == b.y { a.y + a.y } else { Fq::ONE }
    } else {
        b.x - a.x
    }
}

/// The sum of two points, given the inverse of their [`denominator`].
#[inline(always)]
fn add_affine(a: &Affine, b: &Affine, inverse: &Fq) -> Affine {
    if a.is_zero() {
        return *b;
    }
    if b.is_zero() {
        return *a;
    }
    let slope = if a.x == b.x {
        if a.y != b.y {
            return Affine::zero();
        }
        let square = a.x.square();
        (square + square + square) * inverse
    } else {
        (b.y - a.y) * inverse
    };
    let x = slope.square() - a.x - b.x;
    Affine::new_unchecked(x, slope * (a.x - x) - a.y)
}

/// Inverts every element, none of which is zero.
fn invert_all(values: &mut [Fq]) {
    let mut prefix = Vec::with_capacity(values.len());
    let mut product = Fq::ONE;
    for value in values.iter() {
        prefix.push(product);
        product *= value;
    }
    let Some(mut inverse) = product.inverse() else {
        return;
    };
    for (value, before) in values.iter_mut().zip(prefix).rev() {
        let next = inverse * *value;
        *value = inverse * before;
        inverse = next;
    }
}

/// `sum digit * point` for digits of magnitude up to `buckets`.
fn bucket_sum(
    points: &[Affine],
    digits: impl Iterator<Item = i32> + Clone,
    buckets: usize,
) -> Projective {
    // Counting sort of the points by magnitude.
    let mut ends = vec![0u32; buckets + 1];
    for digit in digits.clone().filter(|digit| *digit != 0) {
        ends[digit.unsigned_abs() as usize] += 1;
    }
    let mut total = 0;
    for end in &mut ends {
        total += *end;
        *end = total - *end;
    }
    let mut sorted = vec![Affine::zero(); total as usize];
    for (point, digit) in points.iter().zip(digits) {
        if digit != 0 {
            let slot = &mut ends[digit.unsigned_abs() as usize];
            sorted[*slot as usize] = if digit < 0 {
                Affine::new_unchecked(point.x, -point.y)
            } else {
                *point
            };
            *slot += 1;
        }
    }
    // Now ends[k] is the end of bucket k.
    let sums = sum_segments(sorted, &ends);
    let (mut running, mut total) = (Projective::zero(), Projective::zero());
    for sum in sums.iter().skip(1).rev() {
        if !sum.is_zero() {
            running += sum;
        }
        if !running.is_zero() {
            total += running;
        }
    }
    total
}

/// The sum of every segment of `points`; segment `k` ends at `ends[k]`.
fn sum_segments(mut points: Vec<Affine>, ends: &[u32]) -> Vec<Affine> {
    let mut lengths: Vec<u32> = Vec::with_capacity(ends.len());
    let mut start = 0;
    for end in ends {
        lengths.push(end - start);
        start = *end;
    }
    let mut slopes = Vec::new();
    while lengths.iter().any(|length| *length > 1) {
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
            for _ in 0..*length / 2 {
                if let Some(inverse) = inverses.next() {
                    points[to] = add_affine(&points[from], &points[from + 1], inverse);
                }
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
    let mut at = 0;
    lengths
        .iter()
        .map(|length| {
            at += *length as usize;
            if *length == 0 {
                Affine::zero()
            } else {
                points[at - 1]
            }
        })
        .collect()
}

/// The window that minimises additions: `windows * (points + 2.5 * buckets)`.
fn window_bits(points: usize, bits: usize) -> usize {
    (2..=14)
        .min_by_key(|window| bits.div_ceil(*window) * (2 * points + 5 * (1 << (window - 1))))
        .unwrap_or(8)
}

/// Signed digits, least first, each in `-2^(window_bits-1)..=2^(window_bits-1)`.
fn signed_digits(
    (negative, mut magnitude): (bool, u128),
    window_bits: usize,
    windows: usize,
) -> Vec<i32> {
    let mut digits = Vec::with_capacity(windows);
    let (mask, half) = ((1u128 << window_bits) - 1, 1i32 << (window_bits - 1));
    for _ in 0..windows {
        let mut digit = (magnitude & mask) as i32;
        magnitude >>= window_bits;
        if digit > half {
            digit -= half * 2;
            magnitude += 1;
        }
        digits.push(if negative { -digit } else { digit });
    }
    digits
}

/// Halves every scalar: `k P = k1 P + k2 phi(P)` with `k1`, `k2` below 2^128 in magnitude.
fn split(bases: &[Affine], scalars: &[F]) -> (Vec<Affine>, Vec<(bool, u128)>) {
    let mut points = Vec::with_capacity(2 * bases.len());
    let mut halves = Vec::with_capacity(2 * bases.len());
    for (base, scalar) in bases.iter().zip(scalars) {
        let bits = scalar.into_bigint();
        if bits.num_bits() <= 127 {
            points.push(*base);
            halves.push((false, low_half(&bits.0)));
            continue;
        }
        let ((positive1, k1), (positive2, k2)) = PallasConfig::scalar_decomposition(*scalar);
        points.push(*base);
        halves.push((!positive1, low_half(&k1.into_bigint().0)));
        points.push(PallasConfig::endomorphism_affine(base));
        halves.push((!positive2, low_half(&k2.into_bigint().0)));
    }
    (points, halves)
}

fn low_half(limbs: &[u64; 4]) -> u128 {
    u128::from(limbs[0]) | u128::from(limbs[1]) << 64
}

/// Multiples of one point, for many scalars: 43 signed windows of six bits.
pub struct FixedBase {
    windows: Vec<Vec<Affine>>,
}

const FIXED_BITS: usize = 6;

impl FixedBase {
    /// Prepares the multiples.
    #[must_use]
    pub fn new(base: &Affine) -> Self {
        use ark_ff::AdditiveGroup;
        let count = 256usize.div_ceil(FIXED_BITS);
        let mut points = Vec::with_capacity(count << (FIXED_BITS - 1));
        let mut window = base.into_group();
        for _ in 0..count {
            let mut multiple = window;
            for _ in 0..1 << (FIXED_BITS - 1) {
                points.push(multiple);
                multiple += window;
            }
            for _ in 0..FIXED_BITS {
                window.double_in_place();
            }
        }
        let windows = to_affine(&points)
            .chunks(1 << (FIXED_BITS - 1))
            .map(<[Affine]>::to_vec)
            .collect();
        Self { windows }
    }

    /// `scalar * base`.
    #[must_use]
    pub fn mul(&self, scalar: &F) -> Projective {
        let limbs = scalar.into_bigint().0;
        let mut carry = 0;
        let mut total = Projective::zero();
        for (index, window) in self.windows.iter().enumerate() {
            let bit = index * FIXED_BITS;
            let (word, offset) = (bit / 64, bit % 64);
            let high = limbs.get(word + 1).map_or(0, |limb| {
                if offset == 0 {
                    0
                } else {
                    limb << (64 - offset)
                }
            });
            let raw = (limbs[word] >> offset | high) & ((1 << FIXED_BITS) - 1);
            let mut digit = raw as i32 + carry;
            carry = i32::from(digit > 1 << (FIXED_BITS - 1));
            digit -= carry << FIXED_BITS;
            if digit > 0 {
                total += window[digit as usize - 1];
            } else if digit < 0 {
                total -= window[-digit as usize - 1];
            }
        }
        total
    }
}

/// Affine forms of many points, with one inversion.
#[must_use]
pub fn to_affine(points: &[Projective]) -> Vec<Affine> {
    Projective::normalize_batch(points)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::derive_generator;
    use crate::random::Random;

    fn naive(bases: &[Affine], scalars: &[F]) -> Projective {
        bases
            .iter()
            .zip(scalars)
            .map(|(base, scalar)| *base * scalar)
            .sum()
    }

    fn bases(count: u64) -> Vec<Affine> {
        (0..count).map(derive_generator).collect()
    }

    #[test]
    fn full_scalars() {
        let mut random = Random::new("test", &[1; 32], &[]);
        for count in [0, 1, 2, 5, 33, 200] {
            let mut bases = bases(count);
            let mut scalars: Vec<F> = bases.iter().map(|_| random.scalar()).collect();
            if count > 4 {
                // Equal, opposite and zero points, equal and extreme scalars.
                bases[1] = bases[0];
                scalars[1] = scalars[0];
                bases[2] = -bases[0];
                scalars[2] = scalars[0];
                bases[3] = Affine::zero();
                scalars[4] = -F::ONE;
            }
            assert_eq!(msm(&bases, &scalars), naive(&bases, &scalars), "{count}");
        }
    }

    #[test]
    fn small_integers() {
        let bases = bases(300);
        for (modulus, shift) in [
            (2i64, 0i64),
            (255, 127),
            (256, 0),
            (3, 1),
            (65_536, 32_768),
            (1 << 40, 1 << 39),
            (1, 0),
        ] {
            let integers: Vec<i64> = (0..300i64)
                .map(|i| (i * i * 7_919 + i * 104_729 * 65_537).rem_euclid(modulus) - shift)
                .collect();
            let scalars: Vec<F> = integers.iter().map(|value| F::from(*value)).collect();
            assert_eq!(
                msm_small(&bases, &integers),
                naive(&bases, &scalars),
                "{modulus}"
            );
        }
    }

    #[test]
    fn fixed_bases() {
        let base = derive_generator(9);
        let table = FixedBase::new(&base);
        let mut random = Random::new("test", &[2; 32], &[]);
        let edges = [F::zero(), F::ONE, -F::ONE, F::from(32u64), F::from(33u64)];
        for scalar in edges.into_iter().chain((0..20).map(|_| random.scalar())) {
            assert_eq!(table.mul(&scalar), base * scalar);
        }
    }

    #[test]
    fn folding() {
        let bases = bases(75);
        for challenge in [
            ShortChallenge { a: u64::MAX, b: 0 },
            ShortChallenge {
                a: 1,
                b: u64::MAX - 6,
            },
            ShortChallenge { a: 0, b: 3 },
        ] {
            let folded = fold(&bases[..38], &bases[38..], challenge);
            for index in 0..38 {
                let high = bases.get(38 + index).copied().unwrap_or_else(Affine::zero);
                assert_eq!(
                    folded[index],
                    (bases[index] + high * challenge.scalar()).into_affine()
                );
            }
        }
    }
}
