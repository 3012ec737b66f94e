//! The fixed list of one-variable functions in floating point.

use zkml_graph::FunctionKind;

/// One in the fixed point of function parameters.
pub(crate) const ONE: f32 = 65536.0;

/// A parameter as the fixed point of [`FunctionKind`]; `None` outside its range.
pub(crate) fn fixed(value: f32) -> Option<i32> {
    let scaled = f64::from(value) * f64::from(ONE);
    (scaled.is_finite() && scaled.abs() < f64::from(i32::MAX)).then(|| scaled.round() as i32)
}

fn real(fixed: i32) -> f32 {
    fixed as f32 / ONE
}

/// The function at `x`.
pub(crate) fn eval(kind: FunctionKind, x: f32) -> f32 {
    use FunctionKind as F;
    match kind {
        F::Identity => x,
        F::LeakyRelu { alpha } => {
            if x < 0.0 {
                real(alpha) * x
            } else {
                x
            }
        }
        F::Sigmoid => sigmoid(x),
        F::Tanh => x.tanh(),
        F::HardSigmoid { alpha, beta } => (real(alpha) * x + real(beta)).clamp(0.0, 1.0),
        F::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
        F::Elu { alpha } => {
            if x < 0.0 {
                real(alpha) * x.exp_m1()
            } else {
                x
            }
        }
        F::Selu { alpha, gamma } => real(gamma) * if x < 0.0 { real(alpha) * x.exp_m1() } else { x },
        F::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        F::Gelu => 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
        F::GeluTanh => 0.5 * x * (1.0 + (0.797_884_6 * (x + 0.044_715 * x * x * x)).tanh()),
        F::Silu => x * sigmoid(x),
        F::Erf => erf(x),
        F::Exp => x.exp(),
        F::Log => x.ln(),
        F::Sqrt => x.sqrt(),
        F::Rsqrt => 1.0 / x.sqrt(),
        F::Reciprocal => 1.0 / x,
        F::Abs => x.abs(),
        F::Square => x * x,
        F::Sin => x.sin(),
        F::Cos => x.cos(),
        F::Floor => x.floor(),
        F::Ceil => x.ceil(),
        F::Round => x.round_ties_even(),
        F::Truncate { divisor } => (x / divisor as f32).trunc(),
        F::ArgIndex { n } => {
            let n = n.max(1) as f32;
            n - 1.0 - x.rem_euclid(n)
        }
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// The error function: a series near zero, a continued fraction beyond.
pub(crate) fn erf(x: f32) -> f32 {
    let a = f64::from(x.abs());
    if a.is_nan() {
        return x;
    }
    let value = if a < 2.5 {
        let (mut term, mut sum, mut n) = (a, a, 0.0);
        while term.abs() > 1e-12 {
            n += 1.0;
            term *= -a * a / n;
            sum += term / (2.0 * n + 1.0);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else if a < 6.0 {
        let mut fraction = a;
        for k in (1..=60).rev() {
            fraction = a + f64::from(k) / 2.0 / fraction;
        }
        1.0 - (-a * a).exp() / (fraction * std::f64::consts::PI.sqrt())
    } else {
        1.0
    };
    (value as f32).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_values() {
        for (x, y) in [(0.0, 0.0), (0.5, 0.520_499_9), (1.0, 0.842_700_8), (3.0, 0.999_977_9)] {
            assert!((erf(x) - y).abs() < 1e-6, "{x}");
            assert!((erf(-x) + y).abs() < 1e-6, "{x}");
        }
        assert_eq!(erf(20.0), 1.0);
    }
}
