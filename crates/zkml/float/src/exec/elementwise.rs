//! Elementwise operators: functions of one variable, arithmetic, comparison, selection, casts.

use super::function::{eval, fixed};
use super::{Fault, Inputs, Operator, maybe, need, one};
use crate::array::{Array, Data, broadcast, broadcast_positions, count};
use crate::ir::{Attr, Node};
use crate::onnx::tensor::element;
use zkml_graph::FunctionKind as F;

/// Everything that works on elements one by one.
pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("Identity", |_, inputs, _| one(need(inputs, 0)?.clone())),
    Operator::new("Dropout", |_, inputs, _| dropout(inputs)),
    Operator::new("Cast", |node, inputs, _| one(cast(need(inputs, 0)?, node.int("to", 0) as i32)?)),
    Operator::new("CastLike", |_, inputs, _| cast_like(inputs)),
    Operator::new("Not", |_, inputs, _| not(need(inputs, 0)?)),
    Operator::new("Clip", |node, inputs, _| one(clip(node, inputs)?)),
    Operator::new("Where", |_, inputs, _| one(select(inputs)?)),
    Operator::new("PRelu", |_, inputs, _| {
        one(arithmetic(inputs, |x, s| if x < 0.0 { x * s } else { x }, |_, _| None)?)
    }),
    Operator::new("Add", |_, inputs, _| one(arithmetic(inputs, |a, b| a + b, i64::checked_add)?)),
    Operator::new("Sub", |_, inputs, _| one(arithmetic(inputs, |a, b| a - b, i64::checked_sub)?)),
    Operator::new("Mul", |_, inputs, _| one(arithmetic(inputs, |a, b| a * b, i64::checked_mul)?)),
    Operator::new("Div", |_, inputs, _| one(arithmetic(inputs, |a, b| a / b, i64::checked_div)?)),
    Operator::new("Pow", |_, inputs, _| one(power(inputs)?)),
    Operator::new("Mod", |node, inputs, _| one(modulo(node, inputs)?)),
    Operator::new("Min", |_, inputs, _| one(many(inputs, f32::min, i64::min)?)),
    Operator::new("Max", |_, inputs, _| one(many(inputs, f32::max, i64::max)?)),
    Operator::new("Sum", |_, inputs, _| one(many(inputs, |a, b| a + b, i64::wrapping_add)?)),
    Operator::new("Mean", |_, inputs, _| {
        let n = inputs.len() as f32;
        let sum = many(inputs, |a, b| a + b, i64::wrapping_add)?;
        one(Array::f32(sum.shape.clone(), sum.floats()?.iter().map(|x| x / n).collect()))
    }),
    Operator::new("Equal", |_, inputs, _| one(compare(inputs, |a, b| a == b)?)),
    Operator::new("Less", |_, inputs, _| one(compare(inputs, |a, b| a < b)?)),
    Operator::new("LessOrEqual", |_, inputs, _| one(compare(inputs, |a, b| a <= b)?)),
    Operator::new("Greater", |_, inputs, _| one(compare(inputs, |a, b| a > b)?)),
    Operator::new("GreaterOrEqual", |_, inputs, _| one(compare(inputs, |a, b| a >= b)?)),
    Operator::new("And", |_, inputs, _| one(compare(inputs, |a, b| a != 0.0 && b != 0.0)?)),
    Operator::new("Or", |_, inputs, _| one(compare(inputs, |a, b| a != 0.0 || b != 0.0)?)),
    Operator::new("Xor", |_, inputs, _| one(compare(inputs, |a, b| (a != 0.0) != (b != 0.0))?)),
];

/// Functions of one variable. Those of the fixed list name their kind; where the kind holds
/// attributes in fixed point, the float function uses the exact ones.
pub(super) const FUNCTIONS: &[Operator] = &[
    Operator::new("Relu", |_, inputs, _| map_numbers(inputs, |x| x.max(0.0), |x| x.max(0))),
    Operator::new("Neg", |_, inputs, _| map_numbers(inputs, |x| -x, i64::wrapping_neg)),
    Operator::new("Sign", |_, inputs, _| {
        map_numbers(inputs, |x| if x == 0.0 { 0.0 } else { x.signum() }, i64::signum)
    }),
    Operator::new("Softsign", |_, inputs, _| map(inputs, |x| x / (1.0 + x.abs()))),
    Operator::new("Mish", |_, inputs, _| map(inputs, |x| x * eval(F::Softplus, x).tanh())),
    Operator::new("Tan", |_, inputs, _| map(inputs, f32::tan)),
    Operator::new("Atan", |_, inputs, _| map(inputs, f32::atan)),
    Operator::new("Asin", |_, inputs, _| map(inputs, f32::asin)),
    Operator::new("Acos", |_, inputs, _| map(inputs, f32::acos)),
    Operator::new("Sinh", |_, inputs, _| map(inputs, f32::sinh)),
    Operator::new("Cosh", |_, inputs, _| map(inputs, f32::cosh)),
    Operator::new("Celu", |node, inputs, _| {
        let alpha = node.float("alpha", 1.0);
        map(inputs, |x| x.max(0.0) + (alpha * (x / alpha).exp_m1()).min(0.0))
    }),
    Operator::new("ThresholdedRelu", |node, inputs, _| {
        let alpha = node.float("alpha", 1.0);
        map(inputs, |x| if x > alpha { x } else { 0.0 })
    }),
    Operator::function("LeakyRelu", |node| Some(F::LeakyRelu { alpha: fixed(node.float("alpha", 0.01))? }))
        .running(|node, inputs, _| {
            let alpha = node.float("alpha", 0.01);
            map(inputs, |x| if x < 0.0 { alpha * x } else { x })
        }),
    Operator::function("HardSigmoid", |node| {
        let (alpha, beta) = (fixed(node.float("alpha", 0.2))?, fixed(node.float("beta", 0.5))?);
        Some(F::HardSigmoid { alpha, beta })
    })
    .running(|node, inputs, _| {
        let (alpha, beta) = (node.float("alpha", 0.2), node.float("beta", 0.5));
        map(inputs, |x| (alpha * x + beta).clamp(0.0, 1.0))
    }),
    Operator::function("Elu", |node| Some(F::Elu { alpha: fixed(node.float("alpha", 1.0))? })).running(
        |node, inputs, _| {
            let alpha = node.float("alpha", 1.0);
            map(inputs, |x| if x < 0.0 { alpha * x.exp_m1() } else { x })
        },
    ),
    Operator::function("Abs", |_| Some(F::Abs))
        .running(|_, inputs, _| map_numbers(inputs, f32::abs, i64::wrapping_abs)),
    Operator::function("Selu", |node| {
        let alpha = fixed(node.float("alpha", 1.673_263_2))?;
        Some(F::Selu { alpha, gamma: fixed(node.float("gamma", 1.050_701))? })
    }),
    Operator::function("Gelu", |node| {
        Some(if node.text("approximate") == "tanh" { F::GeluTanh } else { F::Gelu })
    }),
    Operator::function("Swish", |node| (node.float("alpha", 1.0) == 1.0).then_some(F::Silu)),
    Operator::function("Sigmoid", |_| Some(F::Sigmoid)),
    Operator::function("Tanh", |_| Some(F::Tanh)),
    Operator::function("HardSwish", |_| Some(F::HardSwish)),
    Operator::function("Softplus", |_| Some(F::Softplus)),
    Operator::function("Erf", |_| Some(F::Erf)),
    Operator::function("Exp", |_| Some(F::Exp)),
    Operator::function("Log", |_| Some(F::Log)),
    Operator::function("Sqrt", |_| Some(F::Sqrt)),
    Operator::function("Reciprocal", |_| Some(F::Reciprocal)),
    Operator::function("Sin", |_| Some(F::Sin)),
    Operator::function("Cos", |_| Some(F::Cos)),
    Operator::function("Floor", |_| Some(F::Floor)),
    Operator::function("Ceil", |_| Some(F::Ceil)),
    Operator::function("Round", |_| Some(F::Round)),
];

/// A function of the input's elements, which are floats.
pub(super) fn map(inputs: &Inputs<'_>, f: impl Fn(f32) -> f32) -> Result<Vec<Array>, Fault> {
    let x = need(inputs, 0)?;
    one(Array::f32(x.shape.clone(), x.floats()?.iter().map(|&v| f(v)).collect()))
}

/// A function of the input's elements, floats or integers.
fn map_numbers(
    inputs: &Inputs<'_>,
    f: impl Fn(f32) -> f32,
    g: impl Fn(i64) -> i64,
) -> Result<Vec<Array>, Fault> {
    let x = need(inputs, 0)?;
    match &x.data {
        Data::I64(v) => one(Array::i64(x.shape.clone(), v.iter().map(|&x| g(x)).collect())),
        _ => map(inputs, f),
    }
}

fn dropout(inputs: &Inputs<'_>) -> Result<Vec<Array>, Fault> {
    if maybe(inputs, 2).and_then(Array::scalar).is_some_and(|training| training != 0.0) {
        return Err(Fault::Unsupported("training mode is not inference".into()));
    }
    one(need(inputs, 0)?.clone())
}

fn cast_like(inputs: &Inputs<'_>) -> Result<Vec<Array>, Fault> {
    one(cast(need(inputs, 0)?, need(inputs, 1)?.element_type())?)
}

fn not(x: &Array) -> Result<Vec<Array>, Fault> {
    match &x.data {
        Data::Bool(v) => one(Array::bool(x.shape.clone(), v.iter().map(|x| !x).collect())),
        _ => Err("expected boolean elements".into()),
    }
}

fn modulo(node: &Node, inputs: &Inputs<'_>) -> Result<Array, Fault> {
    if node.int("fmod", 0) != 0 {
        return arithmetic(inputs, |a, b| a % b, i64::checked_rem);
    }
    arithmetic(
        inputs,
        |a, b| {
            let rest = a % b;
            if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
        },
        |a, b| a.checked_rem(b).map(|r| if r != 0 && (r < 0) != (b < 0) { r + b } else { r }),
    )
}

fn pair<'a>(inputs: &Inputs<'a>) -> Result<(&'a Array, &'a Array, Vec<usize>), Fault> {
    let (a, b) = (need(inputs, 0)?, need(inputs, 1)?);
    let shape = broadcast(&a.shape, &b.shape)?;
    count(&shape)?;
    Ok((a, b, shape))
}

fn zip<T: Copy, S: Copy, U>(
    a: (&[usize], &[T]),
    b: (&[usize], &[S]),
    shape: &[usize],
    f: impl Fn(T, S) -> U,
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
    if let Data::I64(base) = &a.data {
        let exponents = b.to_floats();
        let power = |x: i64, y: f32| (x as f64).powf(f64::from(y)) as i64;
        return Ok(Array::i64(shape.clone(), zip((&a.shape, base), (&b.shape, &exponents), &shape, power)));
    }
    let out = zip((&a.shape, &a.to_floats()), (&b.shape, &b.to_floats()), &shape, |x, y| {
        if y == 2.0 { x * x } else { x.powf(y) }
    });
    Ok(Array::f32(shape, out))
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
pub fn clip_bounds(node: &Node, low: Option<&Array>, high: Option<&Array>) -> (f32, f32) {
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
            let bound = |index| maybe(inputs, index).and_then(|a| a.ints().ok()?.first().copied());
            let (low, high) = (bound(1).unwrap_or(low as i64), bound(2).unwrap_or(high as i64));
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
        INT64 | INT32 | INT16 | INT8 | UINT64 | UINT32 | UINT16 | UINT8 => {
            let wide: Vec<i64> = match &x.data {
                Data::F32(v) => v.iter().map(|&x| x as i64).collect(),
                Data::I64(v) => v.clone(),
                Data::Bool(v) => v.iter().map(|&x| i64::from(x)).collect(),
            };
            Data::I64(wide.into_iter().map(|x| narrowed(x, to)).collect())
        }
        _ => return Err(Fault::Invalid(format!("cannot cast to element type {to}"))),
    };
    Ok(Array { shape: x.shape.clone(), data })
}

/// An integer in the width of its element type: higher bits are dropped, as in numpy. Of 64 bits, which an
/// array holds, an unsigned number keeps what fits.
fn narrowed(x: i64, to: i32) -> i64 {
    use element::*;
    match to {
        INT32 => i64::from(x as i32),
        INT16 => i64::from(x as i16),
        INT8 => i64::from(x as i8),
        UINT32 => i64::from(x as u32),
        UINT16 => i64::from(x as u16),
        UINT8 => i64::from(x as u8),
        _ => x,
    }
}
