//! From a pending sum in real numbers to a node on integers: weights quantized, one scale for the
//! accumulator, an epilogue that yields the output.

use zkml_graph::{
    AxisMap, Epilogue, Function, FunctionKind, Node, Op, Source, Tensor, TensorId, Weight, bounds,
};

use super::expr::{Expr, Factor, Item};
use super::{Lowering, Refusal};
use crate::calibrate::{Moments, Range};
use crate::scale::{Window, choose, exp2};

/// Widest span, in bits, of a tensor that is kept without rounding.
const EXACT_SPAN_BITS: u32 = 14;
/// Most bits that an epilogue can drop.
const MAX_SHIFT: i32 = 40;
/// Widest table.
const MAX_TABLE_BITS: u8 = 16;
/// Table of a function with steps: an argument that is rounded over a step falls on its wrong side.
const STEP_TABLE_BITS: u8 = 14;
/// Widest span, in bits, of an accumulator after its shift: 16 bits by table and 14 above them
/// can be proven, less one for where the parts begin.
const QUOTIENT_SPAN_BITS: i32 = 29;

/// What the accumulator becomes.
pub(crate) enum Target<'r> {
    /// The accumulator itself.
    Raw,
    /// A tensor of the given values; exact if that is narrow enough.
    Value { range: &'r Range, bits: u8 },
    /// `clamp(x, low, high)`, where a missing bound is the range's.
    Clamp { low: Option<f64>, high: Option<f64>, range: &'r Range, bits: u8 },
    /// A function of the fixed list.
    Function { kind: FunctionKind, before: &'r Range, after: &'r Range },
}

/// Arguments beyond which a saturating function does not change by a step of `2^-bits`.
fn saturation(kind: FunctionKind, bits: u8) -> Option<f64> {
    let bits = f64::from(bits);
    match kind {
        FunctionKind::Sigmoid => Some(0.7 * bits + 1.0),
        FunctionKind::Tanh => Some(0.35 * bits + 1.0),
        FunctionKind::Erf => Some(3.0),
        _ => None,
    }
}

/// Whether a function's results have a bound that samples reach.
fn is_bounded(kind: FunctionKind) -> bool {
    use FunctionKind as F;
    matches!(kind, F::Sigmoid | F::Tanh | F::Erf | F::HardSigmoid { .. } | F::Sin | F::Cos | F::Log)
}

/// Whether a function's results are integers.
fn is_step(kind: FunctionKind) -> bool {
    use FunctionKind as F;
    matches!(kind, F::Floor | F::Ceil | F::Round | F::Truncate { .. })
}

impl Lowering<'_> {
    /// Emits a node for a pending sum; returns the tensor that it defines.
    pub(crate) fn emit(&mut self, expr: Expr, name: &str, target: Target<'_>) -> Result<TensorId, Refusal> {
        let (scale, op) = self.quantize(expr, name)?;
        let bits = self.bits.activation;
        let (op, shape) = op;
        // The bounds of the accumulator come from the node itself, before it has an epilogue.
        let acc = self.push_tensor(name, &shape, (0, 0), scale);
        let node = Node { name: super::short(name), op, output: acc };
        let range = bounds::accumulator(&self.graph, &node)
            .map_err(|e| Refusal::Unsupported(format!("the accumulator cannot be bounded: {e}")))?;
        self.graph.tensors.pop();
        let finest = finest(range, scale);
        let public = !uses_weights(&node.op);
        match target {
            Target::Raw => self.push(node, Epilogue::Exact, &shape, range, scale, Moments::UNKNOWN),
            Target::Value { range: values, bits } => {
                let span = (range.1 - range.0) as u64;
                let power = values.moments();
                if public && span < 1 << EXACT_SPAN_BITS {
                    return self.push(node, Epilogue::Exact, &shape, range, scale, power);
                }
                let window = choose(values, bits, finest, None, true);
                self.push_window(node, &shape, scale, window, None, power)
            }
            Target::Clamp { low, high, range: values, bits } => {
                let mut window = choose(values, bits, finest, low, high.is_none());
                if let Some(low) = low {
                    window.min = (low * exp2(window.scale)).round() as i64;
                }
                let power = values.moments();
                let relu = low == Some(0.0) && high.is_none();
                if relu && self.relu == crate::options::ReluProof::Bits {
                    return self.push_relu_bits(node, &shape, range, scale, window, power);
                }
                self.push_window(node, &shape, scale, window, high, power)
            }
            Target::Function { kind, before, after } => {
                let domain = self.domain(kind, before, range, scale)?;
                if matches!(kind, FunctionKind::Truncate { .. }) && before.integer && domain.scale != 0 {
                    let (low, high) = (before.min, before.max);
                    let reason = format!(
                        "a division of integers between {low} and {high}: a table holds 2^{MAX_TABLE_BITS}"
                    );
                    return Err(Refusal::Unsupported(reason));
                }
                let after = &Range { integer: after.integer || is_step(kind), ..after.clone() };
                let out = choose(after, bits, 60, None, !is_bounded(kind));
                let window = (out.min, out.max());
                let function = Function {
                    kind,
                    in_scale: scale_i8(domain.scale)?,
                    out_scale: scale_i8(out.scale)?,
                    out_min: window.0,
                    out_max: window.1,
                };
                let epilogue = Epilogue::Requant {
                    shift: shift(scale, domain.scale)?,
                    domain_min: domain.min,
                    domain_bits: domain.bits,
                    function,
                };
                self.push(node, epilogue, &shape, window, out.scale, after.moments())
            }
        }
    }

    /// The arguments of a function's table.
    fn domain(
        &self,
        kind: FunctionKind,
        before: &Range,
        acc: (i64, i64),
        scale: i32,
    ) -> Result<Window, Refusal> {
        let bits = if is_step(kind) { STEP_TABLE_BITS } else { self.bits.activation + 2 };
        let span = u64::try_from(acc.1 - acc.0).unwrap_or(u64::MAX);
        let needed = (64 - span.leading_zeros()).max(1) as u8;
        if needed <= bits && !(before.integer && scale != 0) {
            // Every value that can occur has its entry: nothing is rounded before the function.
            return Ok(Window { scale, min: acc.0, bits: needed });
        }
        let mut range = before.clone();
        if let Some(limit) = saturation(kind, self.bits.activation) {
            range.min = range.min.clamp(-limit, limit);
            range.max = range.max.clamp(-limit, limit);
            range.kept.retain(|v| f64::from(v.abs()) <= limit);
        }
        let finest = finest(acc, scale);
        Ok(choose(&range, bits.min(MAX_TABLE_BITS), finest, None, saturation(kind, 8).is_none()))
    }

    /// An epilogue that rounds to a window and saturates there.
    fn push_window(
        &mut self,
        node: Node,
        shape: &[usize],
        scale: i32,
        window: Window,
        high: Option<f64>,
        power: Moments,
    ) -> Result<TensorId, Refusal> {
        let mut max = window.max();
        if let Some(high) = high {
            max = max.min((high * exp2(window.scale)).round() as i64).max(window.min);
        }
        let (epilogue, range) = saturate(scale, window, max)?;
        self.push(node, epilogue, shape, range, window.scale, power)
    }

    fn push_relu_bits(
        &mut self,
        node: Node,
        shape: &[usize],
        acc: (i64, i64),
        scale: i32,
        window: Window,
        power: Moments,
    ) -> Result<TensorId, Refusal> {
        let shift = shift(scale, window.scale)?;
        let name = node.name.clone();
        let top = bounds::quotient(acc, shift).1.max(0);
        let wide = self.push(node, Epilogue::ReluBits { shift }, shape, (0, top), window.scale, power)?;
        if top <= window.max() {
            return Ok(wide);
        }
        let copy = self.copy_of(wide);
        let (epilogue, range) = saturate(window.scale, window, window.max())?;
        let (_, (op, shape)) = self.quantize(copy, &name)?;
        let node = Node { name, op, output: 0 };
        self.push(node, epilogue, &shape, range, window.scale, power)
    }

    /// A pending copy of a tensor.
    pub(crate) fn copy_of(&self, tensor: TensorId) -> Expr {
        let shape = self.shape_of(tensor);
        let map = (0..shape.len())
            .map(|axis| AxisMap { offset: 0, out: Some((axis as u32, 1)), inner: None })
            .collect();
        let item = Item::Tensor { tensor, inner: vec![], map, factor: Factor::Public(1.0) };
        Expr::single(shape, item)
    }

    /// The tensor at a coarser scale: rounded, not saturated further than its own range.
    pub(crate) fn coarser(&mut self, tensor: TensorId, scale: i32) -> Result<TensorId, Refusal> {
        let t = self.tensor(tensor);
        let (from, range) = (i32::from(t.scale), (t.min, t.max));
        let name = t.name.clone();
        let shift = shift(from, scale)?;
        let (low, high) = bounds::quotient(range, shift);
        let span = (high - low) as u64;
        let bits = (64 - span.leading_zeros()).max(1) as u8;
        if bits > MAX_TABLE_BITS {
            return Err(Refusal::Unsupported("the sum mixes scales that are too far apart".into()));
        }
        let window = Window { scale, min: low, bits };
        let power = self.power[tensor as usize];
        let copy = self.copy_of(tensor);
        let (at, (op, shape)) = self.quantize(copy, &name)?;
        let (epilogue, range) = saturate(at, window, high)?;
        self.push(Node { name, op, output: 0 }, epilogue, &shape, range, scale, power)
    }

    fn push(
        &mut self,
        mut node: Node,
        epilogue: Epilogue,
        shape: &[usize],
        range: (i64, i64),
        scale: i32,
        power: Moments,
    ) -> Result<TensorId, Refusal> {
        scale_i8(scale)?;
        match &mut node.op {
            Op::Affine { epilogue: s, .. } | Op::Product { epilogue: s, .. } => *s = epilogue,
            Op::Max { .. } | Op::Normalize { .. } => {}
        }
        node.output = self.push_tensor(&node.name, shape, range, scale);
        let output = node.output;
        self.power[output as usize] = power;
        self.graph.nodes.push(node);
        Ok(output)
    }

    /// Emits a pending sum with an epilogue that the caller made, at the sum's own scale.
    pub(crate) fn emit_epilogue(
        &mut self,
        expr: Expr,
        name: &str,
        epilogue: Epilogue,
        range: (i64, i64),
        scale: i32,
    ) -> Result<TensorId, Refusal> {
        let (_, (op, shape)) = self.quantize(expr, name)?;
        let node = Node { name: super::short(name), op, output: 0 };
        self.push(node, epilogue, &shape, range, scale, Moments::UNKNOWN)
    }

    /// Adds a node whose output range is known.
    pub(crate) fn push_op(
        &mut self,
        op: Op,
        name: &str,
        shape: &[usize],
        range: (i64, i64),
        scale: i32,
    ) -> Result<TensorId, Refusal> {
        scale_i8(scale)?;
        let output = self.push_tensor(name, shape, range, scale);
        self.graph.nodes.push(Node { name: super::short(name), op, output });
        Ok(output)
    }

    pub(crate) fn push_tensor(
        &mut self,
        name: &str,
        shape: &[usize],
        (min, max): (i64, i64),
        scale: i32,
    ) -> TensorId {
        let id = self.graph.tensors.len();
        self.graph.tensors.push(Tensor {
            name: super::short(name),
            shape: shape.iter().map(|&e| e as u32).collect(),
            min,
            max,
            scale: scale.clamp(-128, 127) as i8,
        });
        self.power.truncate(id);
        self.power.push(Moments::UNKNOWN);
        id as TensorId
    }
}

fn saturate(scale: i32, window: Window, max: i64) -> Result<(Epilogue, (i64, i64)), Refusal> {
    let at = scale_i8(window.scale)?;
    let epilogue = Epilogue::Requant {
        shift: shift(scale, window.scale)?,
        domain_min: window.min,
        domain_bits: window.bits,
        function: Function {
            kind: FunctionKind::Identity,
            in_scale: at,
            out_scale: at,
            out_min: window.min,
            out_max: max,
        },
    };
    Ok((epilogue, (window.min, max)))
}

fn uses_weights(op: &Op) -> bool {
    match op {
        Op::Affine { terms, .. } => terms.iter().any(|t| match &t.source {
            Source::Bias { .. } => true,
            Source::Tensor { weight, .. } => matches!(weight, Weight::Param { .. }),
            _ => false,
        }),
        _ => false,
    }
}

/// The finest scale that an accumulator of this range can be rounded to.
fn finest(range: (i64, i64), scale: i32) -> i32 {
    let span = u64::try_from(range.1.saturating_sub(range.0)).unwrap_or(0);
    scale - ((64 - span.leading_zeros()) as i32 - QUOTIENT_SPAN_BITS).max(0)
}

fn shift(from: i32, to: i32) -> Result<u8, Refusal> {
    let shift = from - to;
    if (0..=MAX_SHIFT).contains(&shift) {
        Ok(shift as u8)
    } else {
        Err(Refusal::Unsupported(format!(
            "rescaling from 2^-{from} to 2^-{to} drops {shift} bits; 0 to {MAX_SHIFT} are possible"
        )))
    }
}

fn scale_i8(scale: i32) -> Result<i8, Refusal> {
    i8::try_from(scale).map_err(|_| Refusal::Unsupported(format!("a scale of 2^-{scale} is out of range")))
}
