//! Elementary functions of [`Real`] numbers, to better than 100 bits.
//!
//! Arguments are reduced exactly or with guard bits, then a polynomial is summed in fixed point
//! with coefficients that the compiler derives from small integers. Results that are exact
//! (`exp(0)`, `log(1)`, `cos(0)`) come out exact; other results lie on the right side of any
//! exact value they are close to, which is what rounding a tie needs.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "operators of Real, which bounds what it holds, and tables at constant places"
)]

use core::cmp::Ordering;

use crate::real::{Real, mul_high, widening_mul};

const LN_2: Real = Real::constant(0xb172_17f7_d1cf_79ab_c9e3_b398_03f2_f6af, -128);
const LOG2_E: Real = Real::constant(0xb8aa_3b29_5c17_f0bb_be87_fed0_691d_3e88, -127);
const HALF_PI: Real = Real::constant(0xc90f_daa2_2168_c234_c4c6_628b_80dc_1cd1, -127);
const TWO_OVER_SQRT_PI: Real = Real::constant(0x906e_ba82_14db_688d_71d4_8a7f_6bfe_c344, -127);
const SQRT_HALF: Real = Real::constant(0xb504_f333_f9de_6484_597d_89b3_754a_be9f, -128);
/// `2 sqrt(2 / pi)`.
const TWO_SQRT_TWO_OVER_PI: Real = Real::constant(0xcc42_299e_a1b2_8468_7e59_e280_5d5c_717f, -127);
/// The first 512 bits of `2 / pi`, most significant limb first.
const TWO_OVER_PI: [u64; 8] = [
    0xa2f9_836e_4e44_1529,
    0xfc27_57d1_f534_ddc0,
    0xdb62_9599_3c43_9041,
    0xfe51_63ab_debb_c561,
    0xb724_6e3a_424d_d2e0,
    0x0649_2eea_09d1_921c,
    0xfe1d_eb1c_b129_a73e,
    0xe882_35f5_2ebb_4484,
];

/// Beyond every result that rounding to 64 bits at any scale can tell from infinity.
const HUGE: Real = Real::constant(1 << 127, 800);
/// Below every result that rounding at any scale can tell from zero.
const TINY: Real = Real::constant(1 << 127, -1000);
/// Arguments of `exp` of at least `2^HUGE_LOG2` in magnitude give [`HUGE`] or [`TINY`].
const HUGE_LOG2: i32 = 9;
/// Below `2^SMALL_LOG2`, odd functions differ from their tangent by less than the precision.
const SMALL_LOG2: i32 = -60;

/// `1 / (n+1)!` with 127 fractional bits.
const EXP_COEFFICIENTS: [u128; 28] = {
    let mut table = [1 << 127; 28];
    let mut n = 1;
    while n < 28 {
        table[n] = table[n - 1] / (n as u128 + 1);
        n += 1;
    }
    table
};

/// `1 / (2n+1)` with 127 fractional bits.
const ATANH_COEFFICIENTS: [u128; 26] = {
    let mut table = [1 << 127; 26];
    let mut n = 1;
    while n < 26 {
        table[n] = (1 << 127) / (2 * n as u128 + 1);
        n += 1;
    }
    table
};

/// `1 / (2n+1)!` with 127 fractional bits.
const SIN_COEFFICIENTS: [u128; 18] = {
    let mut table = [1 << 127; 18];
    let mut n = 1;
    while n < 18 {
        let even = 2 * n as u128;
        table[n] = table[n - 1] / (even * (even + 1));
        n += 1;
    }
    table
};

/// `1 / (2n)!` with 127 fractional bits.
const COS_COEFFICIENTS: [u128; 18] = {
    let mut table = [1 << 127; 18];
    let mut n = 1;
    while n < 18 {
        let even = 2 * n as u128;
        table[n] = table[n - 1] / (even * (even - 1));
        n += 1;
    }
    table
};

/// Fractional bits of [`ERF_COEFFICIENTS`].
const ERF_BITS: i32 = 114;
/// `8^n / (n! (2n+1))`, for a variable divided by 8.
const ERF_COEFFICIENTS: [u128; 62] = {
    let mut table = [1 << ERF_BITS; 62];
    let mut power = 1_u128 << ERF_BITS;
    let mut n = 1;
    while n < 62 {
        power = power * 8 / n as u128;
        table[n] = power / (2 * n as u128 + 1);
        n += 1;
    }
    table
};

/// `sum of coefficients[n] * z^n`, `z` with 128 fractional bits.
fn horner(coefficients: &[u128], z: u128) -> u128 {
    coefficients.iter().rev().fold(0, |sum, &coefficient| coefficient + mul_high(z, sum))
}

/// `sum of coefficients[n] * (-z)^n`, for terms that decrease.
fn horner_alternating(coefficients: &[u128], z: u128) -> u128 {
    coefficients.iter().rev().fold(0, |sum, &coefficient| coefficient - mul_high(z, sum))
}

/// `exp(r) - 1` for `|r| < 0.35`, with relative precision.
fn expm1_small(r: Real) -> Real {
    const ONE: u128 = 1 << 127;
    if r.is_zero() {
        return Real::ZERO;
    }
    let z = r.to_fixed(128);
    let sum = if r.is_negative() {
        horner_alternating(&EXP_COEFFICIENTS, z).min(ONE - 1)
    } else {
        horner(&EXP_COEFFICIENTS, z) | 1
    };
    r.mul(Real::new(false, sum, -127))
}

/// `(k, r)` with `x = k ln 2 + r` and `|r| < 0.35`, for `|x| < 2^HUGE_LOG2`.
fn reduce_exp(x: Real) -> (i32, Real) {
    let k = i32::try_from(x.mul(LOG2_E).round()).unwrap_or(0);
    if k == 0 {
        return (0, x);
    }
    (k, x.sub(Real::from_int(i128::from(k), 0).mul(LN_2)))
}

pub(crate) fn exp(x: Real) -> Real {
    if x.log2() >= HUGE_LOG2 {
        return if x.is_negative() { TINY } else { HUGE };
    }
    let (k, r) = reduce_exp(x);
    Real::ONE.add(expm1_small(r)).scale(k)
}

/// `exp(x) - 1`, with relative precision near zero.
pub(crate) fn expm1(x: Real) -> Real {
    if x.log2() >= HUGE_LOG2 {
        return if x.is_negative() { Real::ONE.neg().towards_zero() } else { HUGE };
    }
    let (k, r) = reduce_exp(x);
    if k == 0 { expm1_small(r) } else { Real::ONE.add(expm1_small(r)).scale(k).sub(Real::ONE) }
}

/// `2 atanh(t)` for `|t| < 0.175`.
fn twice_atanh(t: Real) -> Real {
    if t.is_zero() {
        return t;
    }
    let z = t.mul(t).to_fixed(128);
    let sum = horner(&ATANH_COEFFICIENTS, z) | 1;
    t.mul(Real::new(false, sum, -127)).scale(1)
}

/// The natural logarithm of a positive number.
pub(crate) fn log(x: Real) -> Real {
    let mut exponent = x.log2();
    let mut mantissa = x.scale(-exponent);
    if mantissa.scale(-1).cmp(SQRT_HALF) == Ordering::Greater {
        mantissa = mantissa.scale(-1);
        exponent += 1;
    }
    let t = mantissa.sub(Real::ONE).div(mantissa.add(Real::ONE));
    let whole = Real::from_int(i128::from(exponent), 0).mul(LN_2);
    whole.add(twice_atanh(t))
}

/// `log(1 + y)` for `y >= 0`, with relative precision near zero.
fn log1p(y: Real) -> Real {
    if y.log2() < -2 { twice_atanh(y.div(Real::TWO.add(y))) } else { log(Real::ONE.add(y)) }
}

pub(crate) fn sigmoid(x: Real) -> Real {
    Real::ONE.div(Real::ONE.add(exp(x.neg())))
}

pub(crate) fn tanh(x: Real) -> Real {
    if x.log2() < SMALL_LOG2 {
        return x.towards_zero();
    }
    let e = expm1(x.abs().scale(1));
    let magnitude = e.div(e.add(Real::TWO));
    if x.is_negative() { magnitude.neg() } else { magnitude }
}

/// `log(1 + exp(x))`.
pub(crate) fn softplus(x: Real) -> Real {
    let tail = log1p(exp(x.abs().neg()));
    if x.is_negative() { tail } else { x.add(tail) }
}

/// `(q, r)`: `|x| = q pi/2 + r` with `|r| <= pi/4`, and `q` modulo 4.
///
/// `|x|` has 64 significant bits and an exponent that functions pass (below `2^192`).
fn reduce_angle(x: Real) -> (u64, Real) {
    // Below 1/2 there is nothing to do, and the result keeps its relative precision.
    if x.log2() < -1 {
        return (0, x.abs());
    }
    // |x| = u * 2^exponent; the arguments of functions are integers of at most 64 bits.
    let exponent = x.log2() - 63;
    let u = x.to_fixed(-exponent);
    // The fraction of |x| * (2/pi) / 4 needs the bits of 2/pi from position `exponent - 2` on:
    // those before only add whole turns.
    let start = exponent - 2;
    let window = |limb: i32| -> u64 {
        let position = start.max(0) + 64 * limb;
        let (index, shift) = (position / 64, position % 64);
        let get = |index: i32| {
            usize::try_from(index).ok().and_then(|index| TWO_OVER_PI.get(index)).copied().unwrap_or(0)
        };
        if shift == 0 { get(index) } else { get(index) << shift | get(index + 1) >> (64 - shift) }
    };
    let pair = |limb: i32| u128::from(window(limb)) << 64 | u128::from(window(limb + 1));
    // u * 0.window, as an integer part of 64 bits and a fraction of 256 bits.
    let (carry_low, low) = widening_mul(u, pair(2));
    let (carry_high, middle) = widening_mul(u, pair(0));
    let (middle, carry) = middle.overflowing_add(carry_low);
    let high = carry_high + u128::from(carry);
    let (mut middle, mut low) = (middle, low);
    if start < 0 {
        // Here `start >= -66`, since |x| >= 1/2.
        let shift = start.unsigned_abs().min(127);
        low = low >> shift | middle << (128 - shift);
        middle = middle >> shift | high << (128 - shift);
    }
    // Whole turns are dropped; the next two bits are the quadrant, rounded to the nearest.
    let mut quadrant = u64::try_from(middle >> 126).unwrap_or(0);
    let mut fraction = (middle << 2 | low >> 126, low << 2);
    let negative = fraction.0 >> 127 == 1;
    if negative {
        quadrant += 1;
        let (low, borrow) = 0_u128.overflowing_sub(fraction.1);
        fraction = (0_u128.wrapping_sub(fraction.0).wrapping_sub(u128::from(borrow)), low);
    }
    let fraction = Real::from_wide(negative, fraction.0, fraction.1, -256);
    (quadrant % 4, fraction.mul(HALF_PI))
}

fn sin_small(r: Real) -> Real {
    if r.log2() < SMALL_LOG2 {
        return r.towards_zero();
    }
    let sum = horner_alternating(&SIN_COEFFICIENTS, r.mul(r).to_fixed(128));
    r.mul(Real::new(false, sum, -127))
}

fn cos_small(r: Real) -> Real {
    if r.is_zero() {
        return Real::ONE;
    }
    let sum = horner_alternating(&COS_COEFFICIENTS, r.mul(r).to_fixed(128));
    Real::new(false, sum, -127).towards_zero()
}

pub(crate) fn sin(x: Real) -> Real {
    let (quadrant, r) = reduce_angle(x);
    let magnitude = match quadrant {
        0 => sin_small(r),
        1 => cos_small(r),
        2 => sin_small(r).neg(),
        _ => cos_small(r).neg(),
    };
    if x.is_negative() { magnitude.neg() } else { magnitude }
}

pub(crate) fn cos(x: Real) -> Real {
    let (quadrant, r) = reduce_angle(x);
    match quadrant {
        0 => cos_small(r),
        1 => sin_small(r).neg(),
        2 => cos_small(r).neg(),
        _ => sin_small(r),
    }
}

/// How far a result may be off, relative to its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    /// At most `2^-QUICK_BITS`.
    Quick,
    /// As everywhere else.
    Full,
}

/// Bits that [`Precision::Quick`] promises.
pub(crate) const QUICK_BITS: i32 = 48;

/// `t >= 2.5`: where the complement's continued fraction replaces the series.
fn in_tail(t: Real) -> bool {
    t.cmp(Real::constant(5 << 125, -126)) != Ordering::Less
}

/// `erf(t)` for `0 <= t < 2.5`: the Maclaurin series.
fn erf_series(t: Real) -> Real {
    let z = t.mul(t).to_fixed(125);
    let sum = horner_alternating(&ERF_COEFFICIENTS, z);
    t.mul(TWO_OVER_SQRT_PI).mul(Real::new(false, sum, -ERF_BITS))
}

/// `1 - erf(t)` for `t >= 2.5`: the even part of Laplace's continued fraction,
/// `exp(-t^2) t / sqrt(pi) * 2 / (b0 - a1/(b1 - a2/(b2 - ..)))` with `bn = 2t^2 + 4n + 1` and
/// `an = (2n-1) 2n`, by the forward recurrence.
fn erfc_tail(t: Real, precision: Precision) -> Real {
    let square = t.mul(t);
    // Beyond t^2 = 128 even the widest scale rounds it to zero.
    if square.log2() >= 7 {
        return TINY;
    }
    // Enough for 50 or 110 bits from t = 2.5, 4 and 8 on.
    let steps = match (precision, t.log2()) {
        (Precision::Quick, ..2) => 20,
        (Precision::Quick, 2) => 10,
        (Precision::Quick, _) => 5,
        (Precision::Full, ..2) => 72,
        (Precision::Full, 2) => 36,
        (Precision::Full, _) => 16,
    };
    let twice = square.scale(1);
    let mut numerator = (Real::ONE, twice.add(Real::ONE));
    let mut denominator = (Real::ZERO, Real::ONE);
    for n in 1..=steps {
        let a = Real::from_int((2 * n - 1) * 2 * n, 0);
        let b = twice.add(Real::from_int(4 * n + 1, 0));
        let step = |pair: (Real, Real)| (pair.1, b.mul(pair.1).sub(a.mul(pair.0)));
        numerator = step(numerator);
        denominator = step(denominator);
    }
    exp(square.neg()).mul(t).mul(TWO_OVER_SQRT_PI).mul(denominator.1).div(numerator.1)
}

pub(crate) fn erf(x: Real, precision: Precision) -> Real {
    let t = x.abs();
    let magnitude = if in_tail(t) { Real::ONE.sub(erfc_tail(t, precision)) } else { erf_series(t) };
    if x.is_negative() { magnitude.neg() } else { magnitude }
}

/// `x Phi(x)`, with `Phi` the normal distribution function.
pub(crate) fn gelu(x: Real, precision: Precision) -> Real {
    let t = x.abs().mul(SQRT_HALF);
    let twice_phi = match (in_tail(t), x.is_negative()) {
        (true, true) => erfc_tail(t, precision),
        (true, false) => Real::TWO.sub(erfc_tail(t, precision)),
        (false, true) => Real::ONE.sub(erf_series(t)),
        (false, false) => Real::ONE.add(erf_series(t)),
    };
    x.mul(twice_phi).scale(-1)
}

/// `x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`.
pub(crate) fn gelu_tanh(x: Real) -> Real {
    let cubic = Real::from_int(44_715, 0).div(Real::from_int(1_000_000, 0));
    let inner = x.mul(Real::ONE.add(cubic.mul(x.mul(x))));
    x.mul(sigmoid(inner.mul(TWO_SQRT_TWO_OVER_PI)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The quick values keep their promise, with bits to spare, where the number of steps changes
    /// and between.
    #[test]
    fn quick_values_are_close() {
        for numerator in 1..2000 {
            for sign in [1, -1] {
                let x = Real::from_int(sign * numerator, -7);
                for function in [erf, gelu] {
                    let full = function(x, Precision::Full);
                    let error = function(x, Precision::Quick).sub(full);
                    assert!(error.log2() < full.log2() - QUICK_BITS - 2, "{numerator}");
                }
            }
        }
    }
}
