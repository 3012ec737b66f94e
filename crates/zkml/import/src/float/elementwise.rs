//! Elementwise operators: functions of one variable, arithmetic, comparison, selection, casts.

use super::function::{erf, eval, fixed};
use super::{Context, Fault, Inputs, maybe, need};
use crate::array::{Array, Data, broadcast, broadcast_positions, count};
use crate::ir::{Attr, Node};
use crate::onnx::tensor::element;
use zkml_graph::FunctionKind as F;

pub(super) fn exec(node: &Node, inputs: &Inputs<'_>, context: Context) -> Result<Vec<Array>, Fault> {
    let out = match node.op.as_str() {
        "Identity" => need(inputs, 0)?.clone(),
        "Dropout" => {
            if maybe(inputs, 2).and_then(Array::scalar).is_some_and(|training| training != 0.0) {
                return Err(Fault::Unsupported("training mode is not inference".into()));
            }
            need(inputs, 0)?.clone()
        }
        "Cast" => cast(need(inputs, 0)?, node.int("to", 0) as i32)?,
        "CastLike" => {
            let to = match need(inputs, 1)?.data {
                Data::F32(_) => element::FLOAT,
                Data::I64(_) => element::INT64,
                Data::Bool(_) => element::BOOL,
            };
            cast(need(inputs, 0)?, to)?
        }
        "Not" => match &need(inputs, 0)?.data {
            Data::Bool(v) => Array::bool(need(inputs, 0)?.shape.clone(), v.iter().map(|x| !x).collect()),
            _ => return Err("expected boolean elements".into()),
        },
        "Clip" => clip(node, inputs)?,
        "Where" => select(inputs)?,
        "PRelu" => arithmetic(inputs, |x, s| if x < 0.0 { x * s } else { x }, |_, _| None)?,
        "Add" => arithmetic(inputs, |a, b| a + b, i64::checked_add)?,
        "Sub" => arithmetic(inputs, |a, b| a - b, i64::checked_sub)?,
        "Mul" => arithmetic(inputs, |a, b| a * b, i64::checked_mul)?,
        "Div" => arithmetic(inputs, |a, b| a / b, i64::checked_div)?,
        "Pow" => power(inputs)?,
        "Mod" if node.int("fmod", 0) != 0 => arithmetic(inputs, |a, b| a % b, i64::checked_rem)?,
        "Mod" => arithmetic(
            inputs,
            |a, b| a - b * (a / b).floor(),
            |a, b| a.checked_rem(b).map(|r| if r != 0 && (r < 0) != (b < 0) { r + b } else { r }),
        )?,
        "Min" => many(inputs, f32::min, i64::min)?,
        "Max" => many(inputs, f32::max, i64::max)?,
        "Sum" => many(inputs, |a, b| a + b, i64::wrapping_add)?,
        "Mean" => {
            let n = inputs.len() as f32;
            let sum = many(inputs, |a, b| a + b, i64::wrapping_add)?;
            Array::f32(sum.shape.clone(), sum.floats()?.iter().map(|x| x / n).collect())
        }
        "Equal" => compare(inputs, |a, b| a == b)?,
        "Less" => compare(inputs, |a, b| a < b)?,
        "LessOrEqual" => compare(inputs, |a, b| a <= b)?,
        "Greater" => compare(inputs, |a, b| a > b)?,
        "GreaterOrEqual" => compare(inputs, |a, b| a >= b)?,
        "And" => compare(inputs, |a, b| a != 0.0 && b != 0.0)?,
        "Or" => compare(inputs, |a, b| a != 0.0 || b != 0.0)?,
        "Xor" => compare(inputs, |a, b| (a != 0.0) != (b != 0.0))?,
        _ => return unary(node, inputs, context),
    };
    Ok(vec![out])
}

/// The function of the fixed list that a node computes, where it is one.
pub(crate) fn kind(node: &Node) -> Option<F> {
    if node.fused.is_some() {
        return node.fused;
    }
    Some(match node.op.as_str() {
        "LeakyRelu" => F::LeakyRelu { alpha: fixed(node.float("alpha", 0.01))? },
        "Sigmoid" => F::Sigmoid,
        "Tanh" => F::Tanh,
        "HardSigmoid" => {
            F::HardSigmoid { alpha: fixed(node.float("alpha", 0.2))?, beta: fixed(node.float("beta", 0.5))? }
        }
        "HardSwish" => F::HardSwish,
        "Elu" => F::Elu { alpha: fixed(node.float("alpha", 1.0))? },
        "Selu" => F::Selu {
            alpha: fixed(node.float("alpha", 1.673_263_2))?,
            gamma: fixed(node.float("gamma", 1.050_701))?,
        },
        "Softplus" => F::Softplus,
        "Gelu" if node.text("approximate") == "tanh" => F::GeluTanh,
        "Gelu" => F::Gelu,
        "Swish" if node.float("alpha", 1.0) == 1.0 => F::Silu,
        "Erf" => F::Erf,
        "Exp" => F::Exp,
        "Log" => F::Log,
        "Sqrt" => F::Sqrt,
        "Reciprocal" => F::Reciprocal,
        "Abs" => F::Abs,
        "Sin" => F::Sin,
        "Cos" => F::Cos,
        "Floor" => F::Floor,
        "Ceil" => F::Ceil,
        _ => return None,
    })
}

fn unary(node: &Node, inputs: &Inputs<'_>, _: Context) -> Result<Vec<Array>, Fault> {
    let f: Box<dyn Fn(f32) -> f32> = match node.op.as_str() {
        "Relu" => Box::new(|x| x.max(0.0)),
        "Neg" => Box::new(|x| -x),
        "Round" => Box::new(f32::round_ties_even),
        "Sign" => Box::new(|x| if x == 0.0 { 0.0 } else { x.signum() }),
        "Softsign" => Box::new(|x| x / (1.0 + x.abs())),
        "Mish" => Box::new(|x| x * eval(F::Softplus, x).tanh()),
        "Tan" => Box::new(f32::tan),
        "Atan" => Box::new(f32::atan),
        "Asin" => Box::new(f32::asin),
        "Acos" => Box::new(f32::acos),
        "Sinh" => Box::new(f32::sinh),
        "Cosh" => Box::new(f32::cosh),
        "Celu" => {
            let alpha = node.float("alpha", 1.0);
            Box::new(move |x| x.max(0.0) + (alpha * (x / alpha).exp_m1()).min(0.0))
        }
        "ThresholdedRelu" => {
            let alpha = node.float("alpha", 1.0);
            Box::new(move |x| if x > alpha { x } else { 0.0 })
        }
        "Erf" => Box::new(erf),
        // The exact attributes, not their fixed point.
        "LeakyRelu" => {
            let alpha = node.float("alpha", 0.01);
            Box::new(move |x| if x < 0.0 { alpha * x } else { x })
        }
        "HardSigmoid" => {
            let (alpha, beta) = (node.float("alpha", 0.2), node.float("beta", 0.5));
            Box::new(move |x| (alpha * x + beta).clamp(0.0, 1.0))
        }
        "Elu" => {
            let alpha = node.float("alpha", 1.0);
            Box::new(move |x: f32| if x < 0.0 { alpha * x.exp_m1() } else { x })
        }
        _ => {
            let kind = kind(node).ok_or(Fault::Unknown)?;
            Box::new(move |x| eval(kind, x))
        }
    };
    let x = need(inputs, 0)?;
    if let (Data::I64(v), "Neg" | "Abs" | "Sign" | "Relu") = (&x.data, node.op.as_str()) {
        let g: fn(i64) -> i64 = match node.op.as_str() {
            "Neg" => i64::wrapping_neg,
            "Abs" => i64::wrapping_abs,
            "Sign" => i64::signum,
            _ => |x| x.max(0),
        };
        return Ok(vec![Array::i64(x.shape.clone(), v.iter().map(|&x| g(x)).collect())]);
    }
    Ok(vec![Array::f32(x.shape.clone(), x.floats()?.iter().map(|&v| f(v)).collect())])
}

fn pair<'a>(inputs: &Inputs<'a>) -> Result<(&'a Array, &'a Array, Vec<usize>), Fault> {
    let (a, b) = (need(inputs, 0)?, need(inputs, 1)?);
    let shape = broadcast(&a.shape, &b.shape)?;
    count(&shape)?;
    Ok((a, b, shape))
}

fn zip<T: Copy, U>(
    a: (&[usize], &[T]),
    b: (&[usize], &[T]),
    shape: &[usize],
    f: impl Fn(T, T) -> U,
) -> Vec<U> {
    if a.0 == shape && b.0 == shape {
        return a.1.iter().zip(b.1).map(|(&x, &y)| f(x, y)).collect();
    }
    let p = broadcast_positions(a.0, shape);
    let q = broadcast_positions(b.0, shape);
    p.iter().zip(&q).map(|(&p, &q)| f(a.1[p], b.1[q])).collect()
}

fn arithmetic(
    inputs: &Inputs<'_>,
    f: impl Fn(f32, f32) -> f32,
    g: impl Fn(i64, i64) -> Option<i64>,
) -> Result<Array, Fault> {
    let (a, b, shape) = pair(inputs)?;
    match (&a.data, &b.data) {
        (Data::F32(x), Data::F32(y)) => {
            let out = zip((&a.shape, x), (&b.shape, y), &shape, f);
            Ok(Array::f32(shape, out))
        }
        (Data::I64(x), Data::I64(y)) => {
            let out = zip((&a.shape, x), (&b.shape, y), &shape, g);
            let out = out.into_iter().collect::<Option<Vec<i64>>>();
            Ok(Array::i64(shape, out.ok_or("integer overflow or division by zero")?))
        }
        _ => Err("operands of different element types".into()),
    }
}

fn power(inputs: &Inputs<'_>) -> Result<Array, Fault> {
    let (a, b, shape) = pair(inputs)?;
    let out = zip((&a.shape, &a.to_floats()), (&b.shape, &b.to_floats()), &shape, |x, y| {
        if y == 2.0 { x * x } else { x.powf(y) }
    });
    match a.data {
        Data::I64(_) => Ok(Array::i64(shape, out.iter().map(|&x| x as i64).collect())),
        _ => Ok(Array::f32(shape, out)),
    }
}

fn many(
    inputs: &Inputs<'_>,
    f: impl Fn(f32, f32) -> f32,
    g: impl Fn(i64, i64) -> i64,
) -> Result<Array, Fault> {
    let mut out = need(inputs, 0)?.clone();
    for index in 1..inputs.len() {
        out = arithmetic(&[Some(&out), Some(need(inputs, index)?)], &f, |a, b| Some(g(a, b)))?;
    }
    Ok(out)
}

fn compare(inputs: &Inputs<'_>, f: impl Fn(f64, f64) -> bool) -> Result<Array, Fault> {
    fn wide(a: &Array) -> Vec<f64> {
        match &a.data {
            Data::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Data::I64(v) => v.iter().map(|&x| x as f64).collect(),
            Data::Bool(v) => v.iter().map(|&x| f64::from(u8::from(x))).collect(),
        }
    }
    let (a, b, shape) = pair(inputs)?;
    let out = zip((&a.shape, &wide(a)), (&b.shape, &wide(b)), &shape, f);
    Ok(Array::bool(shape, out))
}

fn select(inputs: &Inputs<'_>) -> Result<Array, Fault> {
    let (condition, a, b) = (need(inputs, 0)?, need(inputs, 1)?, need(inputs, 2)?);
    let shape = broadcast(&broadcast(&condition.shape, &a.shape)?, &b.shape)?;
    count(&shape)?;
    let Data::Bool(c) = &condition.data else {
        return Err("the condition is not boolean".into());
    };
    let c: Vec<bool> = broadcast_positions(&condition.shape, &shape).into_iter().map(|p| c[p]).collect();
    let p = broadcast_positions(&a.shape, &shape);
    let q = broadcast_positions(&b.shape, &shape);
    fn choose<T: Copy>(c: &[bool], a: &[T], p: &[usize], b: &[T], q: &[usize]) -> Vec<T> {
        (0..c.len()).map(|i| if c[i] { a[p[i]] } else { b[q[i]] }).collect()
    }
    let data = match (&a.data, &b.data) {
        (Data::F32(x), Data::F32(y)) => Data::F32(choose(&c, x, &p, y, &q)),
        (Data::I64(x), Data::I64(y)) => Data::I64(choose(&c, x, &p, y, &q)),
        (Data::Bool(x), Data::Bool(y)) => Data::Bool(choose(&c, x, &p, y, &q)),
        _ => return Err("operands of different element types".into()),
    };
    Ok(Array { shape, data })
}

/// Bounds of a Clip: attributes before opset 11, inputs since.
pub(crate) fn clip_bounds(node: &Node, low: Option<&Array>, high: Option<&Array>) -> (f32, f32) {
    let bound = |array: Option<&Array>, name: &str, default: f32| match array {
        Some(array) => array.scalar().unwrap_or(default),
        None => match node.attrs.get(name) {
            Some(Attr::Float(v)) => *v,
            _ => default,
        },
    };
    (bound(low, "min", f32::NEG_INFINITY), bound(high, "max", f32::INFINITY))
}

fn clip(node: &Node, inputs: &Inputs<'_>) -> Result<Array, Fault> {
    let x = need(inputs, 0)?;
    let (low, high) = clip_bounds(node, maybe(inputs, 1), maybe(inputs, 2));
    match &x.data {
        Data::F32(v) => Ok(Array::f32(x.shape.clone(), v.iter().map(|x| x.max(low).min(high)).collect())),
        Data::I64(v) => {
            let (low, high) = (low as i64, high as i64);
            Ok(Array::i64(x.shape.clone(), v.iter().map(|&x| x.max(low).min(high)).collect()))
        }
        Data::Bool(_) => Err("expected numbers".into()),
    }
}

fn cast(x: &Array, to: i32) -> Result<Array, Fault> {
    use element::*;
    let data = match to {
        FLOAT | DOUBLE | FLOAT16 | BFLOAT16 => Data::F32(x.to_floats()),
        BOOL => Data::Bool(match &x.data {
            Data::F32(v) => v.iter().map(|&x| x != 0.0).collect(),
            Data::I64(v) => v.iter().map(|&x| x != 0).collect(),
            Data::Bool(v) => v.clone(),
        }),
        INT64 | INT32 | INT16 | INT8 | UINT64 | UINT32 | UINT16 | UINT8 => Data::I64(match &x.data {
            Data::F32(v) => v.iter().map(|&x| x as i64).collect(),
            Data::I64(v) => v.clone(),
            Data::Bool(v) => v.iter().map(|&x| i64::from(x)).collect(),
        }),
        _ => return Err(Fault::Invalid(format!("cannot cast to element type {to}"))),
    };
    Ok(Array { shape: x.shape.clone(), data })
}
