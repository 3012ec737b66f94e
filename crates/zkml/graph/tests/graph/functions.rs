//! Functions against values from an arbitrary-precision library, against `f64` over whole tables,
//! and at the extremes of every field.
#![expect(
    clippy::cast_precision_loss,
    clippy::unwrap_used,
    reason = "a test: comparisons with floating point, and failures end it"
)]

use zkml_graph::{Function, FunctionKind};

fn kind(name: &str, p0: i32, p1: i32) -> FunctionKind {
    match name {
        "Identity" => FunctionKind::Identity,
        "LeakyRelu" => FunctionKind::LeakyRelu { alpha: p0 },
        "Sigmoid" => FunctionKind::Sigmoid,
        "Tanh" => FunctionKind::Tanh,
        "HardSigmoid" => FunctionKind::HardSigmoid { alpha: p0, beta: p1 },
        "HardSwish" => FunctionKind::HardSwish,
        "Elu" => FunctionKind::Elu { alpha: p0 },
        "Selu" => FunctionKind::Selu { alpha: p0, gamma: p1 },
        "Softplus" => FunctionKind::Softplus,
        "Gelu" => FunctionKind::Gelu,
        "GeluTanh" => FunctionKind::GeluTanh,
        "Silu" => FunctionKind::Silu,
        "Erf" => FunctionKind::Erf,
        "Exp" => FunctionKind::Exp,
        "Log" => FunctionKind::Log,
        "Sqrt" => FunctionKind::Sqrt,
        "Rsqrt" => FunctionKind::Rsqrt,
        "Reciprocal" => FunctionKind::Reciprocal,
        "Abs" => FunctionKind::Abs,
        "Square" => FunctionKind::Square,
        "Sin" => FunctionKind::Sin,
        "Cos" => FunctionKind::Cos,
        "Floor" => FunctionKind::Floor,
        "Ceil" => FunctionKind::Ceil,
        "Round" => FunctionKind::Round,
        "Truncate" => FunctionKind::Truncate { divisor: p0 },
        other => panic!("{other}"),
    }
}

const NAMES: [&str; 26] = [
    "Identity",
    "LeakyRelu",
    "Sigmoid",
    "Tanh",
    "HardSigmoid",
    "HardSwish",
    "Elu",
    "Selu",
    "Softplus",
    "Gelu",
    "GeluTanh",
    "Silu",
    "Erf",
    "Exp",
    "Log",
    "Sqrt",
    "Rsqrt",
    "Reciprocal",
    "Abs",
    "Square",
    "Sin",
    "Cos",
    "Floor",
    "Ceil",
    "Round",
    "Truncate",
];

fn function(kind: FunctionKind, in_scale: i8, out_scale: i8) -> Function {
    Function { kind, in_scale, out_scale, out_min: i64::MIN, out_max: i64::MAX }
}

#[test]
fn golden_values_are_correctly_rounded() {
    let mut wrong = Vec::new();
    let lines = include_str!("../data/functions.txt").lines();
    for line in lines.filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(' ').collect();
        let number = |index: usize| fields[index].parse::<i64>().unwrap();
        let narrow = |index: usize| i32::try_from(number(index)).unwrap();
        let scale = |index: usize| i8::try_from(number(index)).unwrap();
        let function = function(kind(fields[0], narrow(1), narrow(2)), scale(3), scale(4));
        let found = function.eval(number(5));
        if found != number(6) {
            wrong.push(format!("{line}: found {found}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The same functions in floating point; those without one in `std` are left to the golden values.
fn float(kind: FunctionKind, x: f64) -> Option<f64> {
    let q = |fixed: i32| f64::from(fixed) / 65536.0;
    Some(match kind {
        FunctionKind::Identity => x,
        FunctionKind::LeakyRelu { alpha } => {
            if x < 0.0 {
                x * q(alpha)
            } else {
                x
            }
        }
        FunctionKind::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        FunctionKind::Tanh => x.tanh(),
        FunctionKind::HardSigmoid { alpha, beta } => (q(alpha) * x + q(beta)).clamp(0.0, 1.0),
        FunctionKind::HardSwish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
        FunctionKind::Elu { alpha } => {
            if x < 0.0 {
                q(alpha) * x.exp_m1()
            } else {
                x
            }
        }
        FunctionKind::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        FunctionKind::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            x / 2.0 * (1.0 + inner.tanh())
        }
        FunctionKind::Silu => x / (1.0 + (-x).exp()),
        FunctionKind::Exp => x.exp(),
        FunctionKind::Log if x > 0.0 => x.ln(),
        FunctionKind::Sqrt if x >= 0.0 => x.sqrt(),
        FunctionKind::Rsqrt if x > 0.0 => 1.0 / x.sqrt(),
        FunctionKind::Reciprocal if x != 0.0 => 1.0 / x,
        FunctionKind::Abs => x.abs(),
        FunctionKind::Square => x * x,
        FunctionKind::Sin => x.sin(),
        FunctionKind::Cos => x.cos(),
        FunctionKind::Floor => x.floor(),
        FunctionKind::Ceil => x.ceil(),
        FunctionKind::Round => x.round_ties_even(),
        FunctionKind::Truncate { divisor } => (x / f64::from(divisor)).trunc(),
        _ => return None,
    })
}

#[test]
fn tables_agree_with_floating_point() {
    for name in NAMES {
        let kind = kind(name, 19_661, 32_768);
        for (in_scale, out_scale) in [(0, 0), (3, 7), (8, 8), (10, 12), (12, 4), (9, 15)] {
            let function =
                Function { out_min: -(1 << 40), out_max: 1 << 40, ..function(kind, in_scale, out_scale) };
            let table = function.table(-2048, 12);
            for (index, &found) in (-2048_i64..).zip(&table) {
                let x = index as f64 / f64::from(in_scale).exp2();
                let Some(expected) = float(kind, x) else {
                    continue;
                };
                let expected = expected * f64::from(out_scale).exp2();
                let expected = expected.clamp(-(40_f64.exp2()), 40_f64.exp2());
                let error = (found as f64 - expected).abs();
                assert!(
                    error <= 0.5 + 1e-6 + expected.abs() * 1e-14,
                    "{name} in {in_scale} out {out_scale} at {index}: {found}, {expected}"
                );
            }
        }
    }
}

#[test]
fn values_outside_the_domain_of_definition() {
    let function = |kind| Function { kind, in_scale: 4, out_scale: 4, out_min: -77, out_max: 99 };
    for u in [0, -1, -16, i64::MIN] {
        assert_eq!(function(FunctionKind::Log).eval(u), -77);
        assert_eq!(function(FunctionKind::Rsqrt).eval(u), 99);
        assert_eq!(function(FunctionKind::Sqrt).eval(u), 0);
    }
    assert_eq!(function(FunctionKind::Reciprocal).eval(0), 99);
    let index = function(FunctionKind::ArgIndex { n: 10 });
    assert_eq!([0, 9, 13, -1].map(|u| index.eval(u)), [9, 0, 6, 0]);
    assert_eq!(function(FunctionKind::ArgIndex { n: 0 }).eval(5), 0);
    assert_eq!(function(FunctionKind::Truncate { divisor: 0 }).eval(5), 0);
}

#[test]
fn every_field_value_gives_a_result() {
    let extremes = [i64::MIN, -(1 << 40), -3, -1, 0, 1, 2, 1 << 33, i64::MAX];
    for name in NAMES {
        for (p0, p1) in [(i32::MIN, i32::MAX), (0, 0), (1, -1), (i32::MAX, i32::MIN)] {
            for in_scale in [i8::MIN, -64, -1, 0, 1, 31, 64, i8::MAX] {
                for out_scale in [i8::MIN, -20, 0, 1, 40, i8::MAX] {
                    let function = Function {
                        out_min: -128,
                        out_max: 127,
                        ..function(kind(name, p0, p1), in_scale, out_scale)
                    };
                    for u in extremes {
                        let value = function.eval(u);
                        assert!((-128..=127).contains(&value), "{name}");
                    }
                }
            }
        }
    }
    let reversed =
        Function { kind: FunctionKind::Identity, in_scale: 0, out_scale: 0, out_min: 5, out_max: -5 };
    assert_eq!(reversed.eval(0), 5);
    assert_eq!(reversed.table(i64::MAX - 1, 255).len(), 1 << 16);
}
