//! The one-variable functions and their tables, by integer arithmetic alone.
//!
//! A function is part of the model's meaning: every machine must find the same integers, so the
//! value is *defined* as the correctly rounded one, ties away from zero. Rational functions and
//! roots are computed exactly. The others carry more than 100 correct bits, so that a value is
//! rounded the wrong way only if it lies within 2^-100 of a tie relative to its size: no such
//! case is known below 32-bit results, and the algorithm's result stays the definition then.
//! The one exception is the left tail of [`FunctionKind::Gelu`] and values of
//! [`FunctionKind::Erf`] near one, whose absolute error stays below 2^-100.
//!
//! Where `f` is not defined: `log(x)` at or below zero gives `out_min`, `sqrt(x)` below zero
//! gives zero, `1/sqrt(x)` at or below zero and `1/x` at zero give `out_max`.

use alloc::vec::Vec;

use crate::elementary::{self, Precision, QUICK_BITS};
use crate::real::Real;
use crate::types::{Function, FunctionKind};

/// Fractional bits of the parameters of [`FunctionKind`].
const PARAMETER_BITS: i32 = 16;
/// Largest log2 of the number of entries of a table.
pub const MAX_DOMAIN_BITS: u8 = 16;

impl Function {
    /// The value at `u`, in `out_min..=out_max`. Total: defined for every `u` and every field.
    #[must_use]
    pub fn eval(&self, u: i64) -> i64 {
        self.clamp(self.unclamped(u))
    }

    /// The values at `domain_min, domain_min + 1, ..`, `2^domain_bits` of them (at most
    /// `2^MAX_DOMAIN_BITS`, whatever is asked).
    #[must_use]
    pub fn table(&self, domain_min: i64, domain_bits: u8) -> Vec<i64> {
        let entries = 1_i64 << domain_bits.min(MAX_DOMAIN_BITS);
        (0..entries).map(|index| self.eval(domain_min.saturating_add(index))).collect()
    }

    fn clamp(&self, value: i64) -> i64 {
        value.min(self.out_max).max(self.out_min)
    }

    #[expect(
        clippy::arithmetic_side_effects,
        reason = "a remainder is below its divisor of 32 bits, and scales have 8 bits"
    )]
    fn unclamped(&self, u: i64) -> i64 {
        match self.kind {
            FunctionKind::Identity if self.in_scale == self.out_scale => return u,
            FunctionKind::ArgIndex { n } => {
                return match u.checked_rem_euclid(i64::from(n)) {
                    Some(rest) => i64::from(n) - 1 - rest,
                    None => 0,
                };
            }
            _ => {}
        }
        let x = Real::from_int(i128::from(u), -i32::from(self.in_scale));
        let undefined = x.is_negative() || x.is_zero();
        match self.kind {
            FunctionKind::Log if undefined => self.out_min,
            FunctionKind::Rsqrt if undefined => self.out_max,
            FunctionKind::Reciprocal if x.is_zero() => self.out_max,
            kind @ (FunctionKind::Gelu | FunctionKind::Erf) => {
                self.in_two_steps(|precision| value(kind, x, u, self.in_scale, precision))
            }
            kind => self.round(value(kind, x, u, self.in_scale, Precision::Full)),
        }
    }

    fn round(&self, value: Real) -> i64 {
        value.scale(i32::from(self.out_scale)).round()
    }

    /// Rounds a quick value where its error cannot matter, else a precise one (Ziv's strategy).
    fn in_two_steps(&self, compute: impl Fn(Precision) -> Real) -> i64 {
        let quick = compute(Precision::Quick);
        let error = quick.scale(-QUICK_BITS);
        let rounded = self.round(quick.sub(error));
        if rounded == self.round(quick.add(error)) {
            return rounded;
        }
        self.round(compute(Precision::Full))
    }
}

/// `f(x)` for `x = u * 2^-in_scale`; only the slowest functions know a quicker way.
fn value(kind: FunctionKind, x: Real, u: i64, in_scale: i8, precision: Precision) -> Real {
    let negative = x.is_negative();
    match kind {
        FunctionKind::Identity => x,
        FunctionKind::LeakyRelu { alpha } if negative => x.mul(parameter(alpha)),
        FunctionKind::LeakyRelu { .. } => x,
        FunctionKind::Sigmoid => elementary::sigmoid(x),
        FunctionKind::Tanh => elementary::tanh(x),
        FunctionKind::HardSigmoid { alpha, beta } => {
            between(x.mul(parameter(alpha)).add(parameter(beta)), Real::ONE)
        }
        FunctionKind::HardSwish => {
            let six = Real::from_int(6, 0);
            let gate = between(x.add(Real::from_int(3, 0)), six);
            x.mul(gate).div(six)
        }
        FunctionKind::Elu { alpha } if negative => elementary::expm1(x).mul(parameter(alpha)),
        FunctionKind::Elu { .. } => x,
        FunctionKind::Selu { alpha, gamma } if negative => {
            elementary::expm1(x).mul(parameter(alpha)).mul(parameter(gamma))
        }
        FunctionKind::Selu { gamma, .. } => x.mul(parameter(gamma)),
        FunctionKind::Softplus => elementary::softplus(x),
        FunctionKind::Gelu => elementary::gelu(x, precision),
        FunctionKind::GeluTanh => elementary::gelu_tanh(x),
        FunctionKind::Silu => x.mul(elementary::sigmoid(x)),
        FunctionKind::Erf => elementary::erf(x, precision),
        FunctionKind::Exp => elementary::exp(x),
        FunctionKind::Log => elementary::log(x),
        FunctionKind::Sqrt => x.sqrt(),
        FunctionKind::Rsqrt => Real::ONE.div(x).sqrt(),
        FunctionKind::Reciprocal => Real::ONE.div(x),
        FunctionKind::Abs => x.abs(),
        FunctionKind::Square => x.mul(x),
        FunctionKind::Sin => elementary::sin(x),
        FunctionKind::Cos => elementary::cos(x),
        FunctionKind::Floor => whole(u, in_scale, false),
        FunctionKind::Ceil => whole(u, in_scale, true),
        FunctionKind::Round => nearest(u, in_scale),
        FunctionKind::Truncate { divisor } => truncated(u, in_scale, divisor),
        FunctionKind::ArgIndex { .. } => Real::ZERO,
    }
}

/// A fixed-point parameter of the function.
fn parameter(fixed: i32) -> Real {
    Real::from_int(i128::from(fixed), -PARAMETER_BITS)
}

/// `x` clamped to `[0, high]`.
fn between(x: Real, high: Real) -> Real {
    if x.is_negative() {
        Real::ZERO
    } else if x.cmp(high).is_gt() {
        high
    } else {
        x
    }
}

/// The floor or the ceiling of `u * 2^-in_scale`.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "64 bits and less than 2^126 in 128 bits, and scales have 8 bits"
)]
fn whole(u: i64, in_scale: i8, up: bool) -> Real {
    let Ok(shift @ 1..) = u32::try_from(in_scale) else {
        return Real::from_int(i128::from(u), -i32::from(in_scale));
    };
    let shift = shift.min(126);
    let (u, half_up) = (i128::from(u), (1_i128 << shift) - 1);
    Real::from_int(if up { (u + half_up) >> shift } else { u >> shift }, 0)
}

/// The integer nearest to `u * 2^-in_scale`, ties to the even one.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "64 bits and less than 2^126 in 128 bits, and scales have 8 bits"
)]
fn nearest(u: i64, in_scale: i8) -> Real {
    let Ok(shift @ 1..) = u32::try_from(in_scale) else {
        return Real::from_int(i128::from(u), -i32::from(in_scale));
    };
    let shift = shift.min(126);
    let (half, u) = (1_i128 << (shift - 1), i128::from(u));
    let floor = u >> shift;
    let rest = u - (floor << shift);
    let up = rest > half || (rest == half && floor & 1 == 1);
    Real::from_int(floor + i128::from(up), 0)
}

/// `u * 2^-in_scale / divisor`, rounded towards zero; zero if the divisor is zero. Scales below -62
/// count as -62.
fn truncated(u: i64, in_scale: i8, divisor: i32) -> Real {
    let (u, divisor, bits) = (i128::from(u), i128::from(divisor), u32::from(in_scale.unsigned_abs()));
    let quotient = if in_scale > 0 {
        // Beyond 94 bits, as at 94 bits, the divisor is greater than every argument.
        u.checked_div(divisor << bits.min(94))
    } else {
        (u << bits.min(62)).checked_div(divisor)
    };
    Real::from_int(quotient.unwrap_or(0), 0)
}
