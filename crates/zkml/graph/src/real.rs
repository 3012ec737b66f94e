//! Binary floating point on integers: 128-bit mantissas, rounded to odd.
//!
//! [`crate::function`] computes with these numbers and rounds once at the end. Rounding to odd
//! (the lowest bit of an inexact result is set) keeps the direction of the error, so that one
//! inexact operation followed by the final rounding gives exactly the correctly rounded result,
//! and an exact tie is told from a value beside it. Exponents stay far inside `i32` for the
//! arguments that functions pass.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "exponents stay far inside 32 bits, and steps that could carry say why they do not; the profile checks both"
)]

use core::cmp::Ordering;

/// `±mantissa * 2^exponent`; the mantissa is 0 or has its top bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Real {
    negative: bool,
    mantissa: u128,
    exponent: i32,
}

impl Real {
    pub(crate) const ZERO: Self = Self { negative: false, mantissa: 0, exponent: 0 };
    pub(crate) const ONE: Self = Self::constant(1 << 127, -127);
    pub(crate) const TWO: Self = Self::constant(1 << 127, -126);

    /// A positive constant; `mantissa` has its top bit set.
    pub(crate) const fn constant(mantissa: u128, exponent: i32) -> Self {
        Self { negative: false, mantissa, exponent }
    }

    /// `±mantissa * 2^exponent`, exactly.
    pub(crate) fn new(negative: bool, mantissa: u128, exponent: i32) -> Self {
        if mantissa == 0 {
            return Self::ZERO;
        }
        let shift = mantissa.leading_zeros();
        Self { negative, mantissa: mantissa << shift, exponent: exponent - shift.cast_signed() }
    }

    /// `value * 2^exponent`, exactly.
    pub(crate) fn from_int(value: i128, exponent: i32) -> Self {
        Self::new(value < 0, value.unsigned_abs(), exponent)
    }

    /// `±(high * 2^128 + low) * 2^exponent`, rounded to odd.
    pub(crate) fn from_wide(negative: bool, high: u128, low: u128, exponent: i32) -> Self {
        if high == 0 {
            return Self::new(negative, low, exponent);
        }
        let shift = high.leading_zeros();
        let (mantissa, rest) =
            if shift == 0 { (high, low) } else { (high << shift | low >> (128 - shift), low << shift) };
        Self {
            negative,
            mantissa: mantissa | u128::from(rest != 0),
            exponent: exponent + 128 - shift.cast_signed(),
        }
    }

    pub(crate) fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    pub(crate) fn is_negative(self) -> bool {
        self.negative
    }

    /// The exponent `e` with `2^e <= |self| < 2^(e+1)`; very negative for zero.
    pub(crate) fn log2(self) -> i32 {
        if self.mantissa == 0 { i32::MIN / 2 } else { self.exponent + 127 }
    }

    pub(crate) fn neg(self) -> Self {
        Self { negative: !self.negative && self.mantissa != 0, ..self }
    }

    pub(crate) fn abs(self) -> Self {
        Self { negative: false, ..self }
    }

    /// `self * 2^power`.
    pub(crate) fn scale(self, power: i32) -> Self {
        if self.mantissa == 0 {
            return self;
        }
        Self { exponent: self.exponent + power, ..self }
    }

    /// The neighbour one unit in the last place nearer to zero: a value just below `|self|`.
    pub(crate) fn towards_zero(self) -> Self {
        if self.mantissa == 0 {
            return self;
        }
        if self.mantissa == 1 << 127 {
            return Self { mantissa: u128::MAX, exponent: self.exponent - 1, ..self };
        }
        Self { mantissa: self.mantissa - 1, ..self }
    }

    pub(crate) fn mul(self, other: Self) -> Self {
        if self.mantissa == 0 || other.mantissa == 0 {
            return Self::ZERO;
        }
        let (high, low) = widening_mul(self.mantissa, other.mantissa);
        Self::from_wide(self.negative != other.negative, high, low, self.exponent + other.exponent)
    }

    pub(crate) fn add(self, other: Self) -> Self {
        if self.mantissa == 0 {
            return other;
        }
        if other.mantissa == 0 {
            return self;
        }
        let (large, small) =
            if self.magnitude_cmp(other) == Ordering::Less { (other, self) } else { (self, other) };
        let gap = (large.exponent - small.exponent).unsigned_abs();
        // The small mantissa, aligned below the large one: 128 more bits, then a sticky one.
        let (high, low) = match gap {
            0 => (small.mantissa, 0),
            1..128 => (small.mantissa >> gap, small.mantissa << (128 - gap)),
            128 => (0, small.mantissa),
            129..256 => {
                let dropped = small.mantissa << (256 - gap) != 0;
                (0, small.mantissa >> (gap - 128) | u128::from(dropped))
            }
            _ => (0, 1),
        };
        let exponent = large.exponent - 128;
        if large.negative == small.negative {
            let (sum, carry) = large.mantissa.overflowing_add(high);
            if carry {
                let low = (low >> 1) | (low & 1) | (sum & 1) << 127;
                return Self::from_wide(large.negative, sum >> 1 | 1 << 127, low, exponent + 1);
            }
            Self::from_wide(large.negative, sum, low, exponent)
        } else {
            let (rest, borrow) = 0_u128.overflowing_sub(low);
            let top = large.mantissa - high - u128::from(borrow);
            Self::from_wide(large.negative, top, rest, exponent)
        }
    }

    pub(crate) fn sub(self, other: Self) -> Self {
        self.add(other.neg())
    }

    /// The quotient; zero where `other` is zero, which callers exclude.
    pub(crate) fn div(self, other: Self) -> Self {
        if self.mantissa == 0 || other.mantissa == 0 {
            return Self::ZERO;
        }
        let divisor = other.mantissa;
        // One integer bit, then 128 fractional bits.
        let integer = u128::from(self.mantissa >= divisor);
        let rest = self.mantissa - integer * divisor;
        let (high, rest) = divide_limb(rest, divisor);
        let (low, rest) = divide_limb(rest, divisor);
        let fraction = u128::from(high) << 64 | u128::from(low);
        let exponent = self.exponent - other.exponent - 128;
        let negative = self.negative != other.negative;
        let mut quotient = Self::from_wide(negative, integer, fraction, exponent);
        quotient.mantissa |= u128::from(rest != 0);
        quotient
    }

    /// The square root of a number that is not negative, to 64 bits and a sticky one.
    pub(crate) fn sqrt(self) -> Self {
        if self.mantissa == 0 || self.negative {
            return Self::ZERO;
        }
        let odd = self.exponent & 1;
        let lost = if odd == 1 { self.mantissa & 1 } else { 0 };
        let radicand = self.mantissa >> odd;
        let root = radicand.isqrt();
        let sticky = u128::from(lost != 0 || root * root != radicand);
        Self::new(false, root << 1 | sticky, (self.exponent + odd) / 2 - 1)
    }

    fn magnitude_cmp(self, other: Self) -> Ordering {
        match (self.mantissa, other.mantissa) {
            (0, 0) => Ordering::Equal,
            (0, _) => Ordering::Less,
            (_, 0) => Ordering::Greater,
            _ => (self.exponent, self.mantissa).cmp(&(other.exponent, other.mantissa)),
        }
    }

    pub(crate) fn cmp(self, other: Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.magnitude_cmp(other),
            (true, true) => other.magnitude_cmp(self),
        }
    }

    /// The nearest integer, ties away from zero, saturated to `i64`.
    pub(crate) fn round(self) -> i64 {
        let magnitude = match self.exponent {
            0.. => u128::MAX,
            ..-128 => 0,
            -128 => 1,
            exponent => {
                let half = exponent.unsigned_abs() - 1;
                let doubled = self.mantissa >> half;
                (doubled >> 1) + (doubled & 1)
            }
        };
        let magnitude = if self.mantissa == 0 { 0 } else { magnitude };
        if self.negative {
            i64::try_from(magnitude).map_or(i64::MIN, |value| -value)
        } else {
            i64::try_from(magnitude).unwrap_or(i64::MAX)
        }
    }

    /// `floor(|self| * 2^bits)` for `|self| * 2^bits < 2^128`; the low bits are dropped.
    pub(crate) fn to_fixed(self, bits: i32) -> u128 {
        let shift = -(self.exponent + bits);
        match shift {
            ..=0 => self.mantissa,
            1..128 => self.mantissa >> shift,
            _ => 0,
        }
    }
}

/// Quotient and remainder of `rest * 2^64` by `divisor`, for `rest < divisor` and a divisor with
/// its top bit set (Knuth, algorithm D).
fn divide_limb(rest: u128, divisor: u128) -> (u64, u128) {
    const LOW: u128 = u64::MAX as u128;
    let (high, low) = (divisor >> 64, divisor & LOW);
    // At most two too large: the divisor's low limb is missing.
    let mut quotient = (rest / high).min(LOW);
    let mut partial = rest - quotient * high;
    while partial <= LOW && quotient * low > partial << 64 {
        quotient -= 1;
        partial += high;
    }
    let rest = (partial << 64).wrapping_sub(quotient * low);
    (u64::try_from(quotient).unwrap_or(u64::MAX), rest)
}

/// The 256-bit product, `(high, low)`.
pub(crate) const fn widening_mul(a: u128, b: u128) -> (u128, u128) {
    const LOW: u128 = u64::MAX as u128;
    let (a1, a0) = (a >> 64, a & LOW);
    let (b1, b0) = (b >> 64, b & LOW);
    let low = a0 * b0;
    let (mid_a, mid_b) = (a1 * b0, a0 * b1);
    let mid = (low >> 64) + (mid_a & LOW) + (mid_b & LOW);
    let high = a1 * b1 + (mid_a >> 64) + (mid_b >> 64) + (mid >> 64);
    (high, (low & LOW) | (mid << 64))
}

/// The top half of the 256-bit product.
pub(crate) const fn mul_high(a: u128, b: u128) -> u128 {
    widening_mul(a, b).0
}
