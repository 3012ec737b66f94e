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
use ark_ff::{Field, PrimeField, Zero};
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
    msm_many(&[(bases, scalars)]).pop().unwrap_or_default()
}

/// Several independent sums at once, for full scalars: they share their inversions.
#[must_use]
pub fn msm_many(sums: &[(&[Affine], &[F])]) -> Vec<Projective> {
    let split: Vec<(Vec<Affine>, Vec<(bool, u128)>)> = sums
        .iter()
        .map(|(bases, scalars)| split(bases, scalars))
        .collect();
    let mut shapes = Vec::new();
    let mut tasks = Vec::new();
    for (points, halves) in &split {
        let bits = halves
            .iter()
            .map(|(_, half)| 129 - half.leading_zeros() as usize)
            .max()
            .unwrap_or(1);
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
        let greatest = integers
            .iter()
            .map(|value| value.unsigned_abs())
            .max()
            .unwrap_or(0);
        let used = integers.iter().filter(|value| **value != 0).count();
        // Signed digits need one bit more than the magnitude, unless it is one window.
        let bits = 65 - greatest.leading_zeros() as usize;
        let window_bits = window_bits(used, bits);
        let windows = bits.div_ceil(window_bits);
        let mut digits = vec![Vec::with_capacity(integers.len()); windows];
        for value in integers {
            signed_digits(
                (*value < 0, u128::from(value.unsigned_abs())),
                window_bits,
                &mut digits,
            );
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
    parallel::map(ranges.len(), |index| {
        bucket_batch(&tasks[ranges[index].clone()])
    })
    .concat()
}

/// Adds up the windows of every sum, from the highest.
fn recombine(shapes: &[(usize, usize)], windows: &[Projective]) -> Vec<Projective> {
    use ark_ff::AdditiveGroup;
    let mut rest = windows;
    let mut totals = Vec::with_capacity(shapes.len());
    for (window_bits, count) in shapes {
        let (here, after) = rest.split_at(*count);
        rest = after;
        totals.push(
            here.iter()
                .rev()
                .fold(Projective::zero(), |mut total, sum| {
                    if !total.is_zero() {
                        for _ in 0..*window_bits {
                            total.double_in_place();
                        }
                    }
                    total + sum
                }),
        );
    }
    totals
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
    if points.len() < LEAST_PAIRS {
        return to_affine(
            &points
                .iter()
                .map(|point| scale_one(point, challenge))
                .collect::<Vec<Projective>>(),
        );
    }
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

fn scale_one(point: &Affine, challenge: ShortChallenge) -> Projective {
    use ark_ff::AdditiveGroup;
    let double = *point + *point;
    let mut multiples = vec![point.into_group()];
    for step in 0..3 {
        multiples.push(multiples[step] + double);
    }
    let odd = to_affine(&multiples);
    let (plain, turned) = (naf(challenge.a), naf(challenge.b));
    let mut sum = Projective::zero();
    for bit in (0..plain.len()).rev() {
        sum.double_in_place();
        for (digit, endomorphism) in [(plain[bit], false), (turned[bit], true)] {
            if digit != 0 {
                let mut term = odd[digit.unsigned_abs() as usize / 2];
                if endomorphism {
                    term.x *= PallasConfig::ENDO_COEFFS[0];
                }
                sum += if digit < 0 { -term } else { term };
            }
        }
    }
    sum
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
                sorted[*slot as usize] = if *digit < 0 {
                    Affine::new_unchecked(point.x, -point.y)
                } else {
                    *point
                };
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
    while lengths
        .iter()
        .map(|length| *length as usize / 2)
        .sum::<usize>()
        >= LEAST_PAIRS
    {
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

/// The window that minimises additions: `windows * (points + 2.5 * buckets)`.
fn window_bits(points: usize, bits: usize) -> usize {
    (2..=14)
        .min_by_key(|window| bits.div_ceil(*window) * (2 * points + 5 * (1 << (window - 1))))
        .unwrap_or(8)
}

/// Appends the signed digits of an integer to each window's list, least window first; each digit
/// is in `-2^(window_bits-1)..=2^(window_bits-1)`.
fn signed_digits(
    (negative, mut magnitude): (bool, u128),
    window_bits: usize,
    windows: &mut [Vec<i32>],
) {
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

/// Halves every scalar: `k P = k1 P + k2 phi(P)` with `k1`, `k2` below 2^128 in magnitude.
fn split(bases: &[Affine], scalars: &[F]) -> (Vec<Affine>, Vec<(bool, u128)>) {
    let mut points = Vec::with_capacity(2 * bases.len());
    let mut halves = Vec::with_capacity(2 * bases.len());
    for (base, scalar) in bases.iter().zip(scalars) {
        let limbs = scalar.into_bigint().0;
        points.push(*base);
        if limbs[2] == 0 && limbs[3] == 0 {
            halves.push((false, low_half(&limbs)));
            continue;
        }
        let (k1, k2) = decompose(&limbs);
        points.push(Affine::new_unchecked(
            base.x * PallasConfig::ENDO_COEFFS[0],
            base.y,
        ));
        halves.extend([k1, k2]);
    }
    (points, halves)
}

/// `2^382 a / r` and `2^382 b / r`, rounded down, for the short lattice basis `(-a, b)`,
/// `(-a - b, -a)` of the endomorphism's eigenvalue modulo the order `r`.
const A_OVER_ORDER: [u64; 4] = [
    0x52a568b65c85c76d,
    0xd86bf7a9a1203e95,
    0x8cb12792ffffffff,
    0x49e69d1640a89953,
];
const B_OVER_ORDER: [u64; 4] = [
    0xb1a27161e7e62937,
    0xd86bf7a9a0f9da22,
    0x7fcae1c700000000,
    0x49e69d1640f04915,
];
const A: u128 = 98231058071100081932162823354453065728;
const B: u128 = 98231058071186745657228807397848383489;

/// `k = k1 + k2 lambda`, with signs and magnitudes below 2^127 (Gallant, Lambert, Vanstone 2001):
/// subtracts the nearest lattice vector, up to a rounding error far below one.
fn decompose(k: &[u64; 4]) -> ((bool, u128), (bool, u128)) {
    let x = scaled_quotient(k, &A_OVER_ORDER);
    let y = scaled_quotient(k, &B_OVER_ORDER);
    // k1 = k - x a - y (a + b) and k2 = x b - y a, modulo 2^256 in two's complement.
    let k1 = subtract(&subtract(k, &product(x, A)), &product(y, A + B));
    let k2 = subtract(&product(x, B), &product(y, A));
    (sign_magnitude(&k1), sign_magnitude(&k2))
}

/// `round(k c / 2^382)`, below 2^128.
fn scaled_quotient(k: &[u64; 4], c: &[u64; 4]) -> u128 {
    let mut wide = [0u64; 8];
    for (i, left) in k.iter().enumerate() {
        let mut carry = 0u128;
        for (j, right) in c.iter().enumerate() {
            let sum = u128::from(*left) * u128::from(*right) + u128::from(wide[i + j]) + carry;
            wide[i + j] = sum as u64;
            carry = sum >> 64;
        }
        wide[i + 4] = carry as u64;
    }
    let high = u128::from(wide[6]) | u128::from(wide[7]) << 64;
    (high << 2 | u128::from(wide[5] >> 62)) + u128::from(wide[5] >> 61 & 1)
}

/// The product of two 128-bit integers.
fn product(a: u128, b: u128) -> [u64; 4] {
    let (a, b) = ([a as u64, (a >> 64) as u64], [b as u64, (b >> 64) as u64]);
    let mut wide = [0u64; 4];
    for (i, left) in a.iter().enumerate() {
        let mut carry = 0u128;
        for (j, right) in b.iter().enumerate() {
            let sum = u128::from(*left) * u128::from(*right) + u128::from(wide[i + j]) + carry;
            wide[i + j] = sum as u64;
            carry = sum >> 64;
        }
        wide[i + 2] = carry as u64;
    }
    wide
}

/// The difference modulo 2^256.
fn subtract(a: &[u64; 4], b: &[u64; 4]) -> [u64; 4] {
    let mut out = [0; 4];
    let mut borrow = false;
    for ((out, left), right) in out.iter_mut().zip(a).zip(b) {
        let (first, under) = left.overflowing_sub(*right);
        let (second, again) = first.overflowing_sub(u64::from(borrow));
        *out = second;
        borrow = under || again;
    }
    out
}

/// Whether a two's complement integer is negative, and its magnitude.
fn sign_magnitude(limbs: &[u64; 4]) -> (bool, u128) {
    let negative = limbs[3] >> 63 == 1;
    let magnitude = if negative {
        subtract(&[0; 4], limbs)
    } else {
        *limbs
    };
    (negative, low_half(&magnitude))
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
                msm_small(&bases, &[&integers]),
                [naive(&bases, &scalars)],
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
