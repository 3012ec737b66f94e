//! From a pending sum in real numbers to a node on integers: weights quantised, one scale for the
//! accumulator, a stage that yields the output.

use zkml_graph::{
    AxisMap, Function, FunctionKind, Node, Op, Param, Source, Stage, Tensor, TensorId, Weight,
    bounds, types,
};

use super::expr::{Body, Expr, Factor, Item, Term, power_of_two};
use super::{Lowering, Refusal};
use crate::calibrate::Range;
use crate::error::ImportError;
use crate::scale::{Window, choose, exp2, fit};

/// Fractional bits of a public factor that is not a power of two.
const FACTOR_BITS: i32 = 14;
/// Widest span, in bits, of a tensor that is kept without rounding.
const EXACT_SPAN_BITS: u32 = 14;
/// Most bits of a hidden constant.
const MAX_BIAS_BITS: i32 = 40;
/// Most bits that a stage can drop.
const MAX_SHIFT: i32 = 40;
/// Widest table.
const MAX_TABLE_BITS: u8 = 16;

/// What the accumulator becomes.
pub(crate) enum Target<'r> {
    /// The accumulator itself.
    Raw,
    /// A tensor of the given values; exact where that is narrow enough.
    Value { range: &'r Range, bits: u8 },
    /// `clamp(x, low, high)`, where a missing bound is the range's.
    Clamp {
        low: Option<f64>,
        high: Option<f64>,
        range: &'r Range,
        bits: u8,
    },
    /// A function of the fixed list.
    Function {
        kind: FunctionKind,
        before: &'r Range,
        after: &'r Range,
    },
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

impl Lowering<'_> {
    /// Emits a node for a pending sum; returns the tensor that it defines.
    pub(crate) fn emit(
        &mut self,
        expr: Expr,
        name: &str,
        target: Target<'_>,
    ) -> Result<TensorId, Refusal> {
        let (scale, op) = self.quantise(expr, name)?;
        let bits = self.bits.activation;
        let (op, shape) = op;
        // The bounds of the accumulator come from the node itself, before it has a stage.
        let acc = self.push_tensor(name, &shape, (0, 0), scale);
        let node = Node {
            name: super::short(name),
            op,
            output: acc,
        };
        let range = bounds::accumulator(&self.graph, &node)
            .map_err(|e| Refusal::Unsupported(format!("the accumulator cannot be bounded: {e}")))?;
        self.graph.tensors.pop();
        let public = !uses_weights(&node.op);
        match target {
            Target::Raw => self.push(node, Stage::Exact, &shape, range, scale, 1.0),
            Target::Value {
                range: values,
                bits,
            } => {
                let span = (range.1 - range.0) as u64;
                let power = values.mean_square();
                if public && span < 1 << EXACT_SPAN_BITS {
                    return self.push(node, Stage::Exact, &shape, range, scale, power);
                }
                let window = choose(values, bits, scale, None);
                self.push_window(node, &shape, scale, window, None, power)
            }
            Target::Clamp {
                low,
                high,
                range: values,
                bits,
            } => {
                let mut window = choose(values, bits, scale, low);
                if let Some(low) = low {
                    window.min = (low * exp2(window.scale)).round() as i64;
                }
                let power = values.mean_square();
                let relu = low == Some(0.0) && high.is_none();
                if relu && self.relu == crate::ReluProof::Bits {
                    return self.push_relu_bits(node, &shape, range, scale, window, power);
                }
                self.push_window(node, &shape, scale, window, high, power)
            }
            Target::Function {
                kind,
                before,
                after,
            } => {
                let domain = self.domain(kind, before, range, scale)?;
                let out = choose(after, bits, 60, None);
                let window = (out.min, out.max());
                let function = Function {
                    kind,
                    in_scale: scale_i8(domain.scale)?,
                    out_scale: scale_i8(out.scale)?,
                    out_min: window.0,
                    out_max: window.1,
                };
                let stage = Stage::Requant {
                    shift: shift(scale, domain.scale)?,
                    domain_min: domain.min,
                    domain_bits: domain.bits,
                    function,
                };
                self.push(node, stage, &shape, window, out.scale, after.mean_square())
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
        let bits = self.bits.activation + 2;
        let span = u64::try_from(acc.1 - acc.0).unwrap_or(u64::MAX);
        let needed = (64 - span.leading_zeros()).max(1) as u8;
        if needed <= bits {
            // Every value that can occur has its entry: nothing is rounded before the function.
            return Ok(Window {
                scale,
                min: acc.0,
                bits: needed,
            });
        }
        let mut range = before.clone();
        if let Some(limit) = saturation(kind, self.bits.activation) {
            range.min = range.min.clamp(-limit, limit);
            range.max = range.max.clamp(-limit, limit);
            range.kept.retain(|v| f64::from(v.abs()) <= limit);
        }
        Ok(choose(&range, bits.min(MAX_TABLE_BITS), scale, None))
    }

    /// A stage that rounds to a window and saturates there.
    fn push_window(
        &mut self,
        node: Node,
        shape: &[usize],
        scale: i32,
        window: Window,
        high: Option<f64>,
        power: f64,
    ) -> Result<TensorId, Refusal> {
        let mut max = window.max();
        if let Some(high) = high {
            max = max
                .min((high * exp2(window.scale)).round() as i64)
                .max(window.min);
        }
        let (stage, range) = saturate(scale, window, max)?;
        self.push(node, stage, shape, range, window.scale, power)
    }

    fn push_relu_bits(
        &mut self,
        node: Node,
        shape: &[usize],
        acc: (i64, i64),
        scale: i32,
        window: Window,
        power: f64,
    ) -> Result<TensorId, Refusal> {
        let shift = shift(scale, window.scale)?;
        let name = node.name.clone();
        let top = bounds::quotient(acc, shift).1.max(0);
        let wide = self.push(
            node,
            Stage::ReluBits { shift },
            shape,
            (0, top),
            window.scale,
            power,
        )?;
        if top <= window.max() {
            return Ok(wide);
        }
        let copy = self.copy_of(wide);
        let (stage, range) = saturate(window.scale, window, window.max())?;
        let (_, (op, shape)) = self.quantise(copy, &name)?;
        let node = Node {
            name,
            op,
            output: 0,
        };
        self.push(node, stage, &shape, range, window.scale, power)
    }

    /// A pending copy of a tensor.
    pub(crate) fn copy_of(&self, tensor: TensorId) -> Expr {
        let shape = self.shape_of(tensor);
        let map = (0..shape.len())
            .map(|axis| AxisMap {
                offset: 0,
                out: Some((axis as u32, 1)),
                inner: None,
            })
            .collect();
        let item = Item::Tensor {
            tensor,
            inner: vec![],
            map,
            factor: Factor::Public(1.0),
        };
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
            return Err(Refusal::Unsupported(
                "the sum mixes scales that are too far apart".into(),
            ));
        }
        let window = Window {
            scale,
            min: low,
            bits,
        };
        let power = self.power[tensor as usize];
        let copy = self.copy_of(tensor);
        let (at, (op, shape)) = self.quantise(copy, &name)?;
        let (stage, range) = saturate(at, window, high)?;
        self.push(
            Node {
                name,
                op,
                output: 0,
            },
            stage,
            &shape,
            range,
            scale,
            power,
        )
    }

    fn push(
        &mut self,
        mut node: Node,
        stage: Stage,
        shape: &[usize],
        range: (i64, i64),
        scale: i32,
        power: f64,
    ) -> Result<TensorId, Refusal> {
        scale_i8(scale)?;
        match &mut node.op {
            Op::Affine { stage: s, .. } | Op::Product { stage: s, .. } => *s = stage,
            Op::Max { .. } | Op::Normalize { .. } => {}
        }
        node.output = self.push_tensor(&node.name, shape, range, scale);
        let output = node.output;
        self.power[output as usize] = power;
        self.graph.nodes.push(node);
        Ok(output)
    }

    /// Emits a pending sum with a stage that the caller made, at the sum's own scale.
    pub(crate) fn emit_stage(
        &mut self,
        expr: Expr,
        name: &str,
        stage: Stage,
        range: (i64, i64),
        scale: i32,
    ) -> Result<TensorId, Refusal> {
        let (_, (op, shape)) = self.quantise(expr, name)?;
        let node = Node {
            name: super::short(name),
            op,
            output: 0,
        };
        self.push(node, stage, &shape, range, scale, 1.0)
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
        self.graph.nodes.push(Node {
            name: super::short(name),
            op,
            output,
        });
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
        self.power.push(1.0);
        id as TensorId
    }

    /// The accumulator's scale and the operation without its stage.
    fn quantise(&mut self, expr: Expr, name: &str) -> Result<(i32, (Op, Vec<usize>)), Refusal> {
        let shape = expr.shape;
        match expr.body {
            Body::Product {
                a,
                b,
                inner,
                factor,
            } => {
                let scale = i32::from(self.tensor(a.tensor).scale)
                    + i32::from(self.tensor(b.tensor).scale)
                    - power_of_two(factor).unwrap_or(0);
                let operand = |o: super::expr::Operand| types::Operand {
                    tensor: o.tensor,
                    axes: o.axes,
                };
                let op = Op::Product {
                    a: operand(a),
                    b: operand(b),
                    inner: inner.iter().map(|&e| e as u32).collect(),
                    stage: Stage::Exact,
                };
                Ok((scale, (op, shape)))
            }
            Body::Affine(mut terms) => {
                let scale = self.accumulator_scale(&mut terms)?;
                let mut out = Vec::with_capacity(terms.len());
                for term in terms {
                    out.extend(self.quantise_term(term, scale, name)?);
                }
                if out.is_empty() {
                    return Err(Refusal::Unsupported(
                        "the result does not depend on the input".into(),
                    ));
                }
                Ok((
                    scale,
                    (
                        Op::Affine {
                            terms: out,
                            stage: Stage::Exact,
                        },
                        shape,
                    ),
                ))
            }
        }
    }

    /// One scale for all terms: the one at which quantised weights disturb the sum least; without
    /// weights, one at which public factors are exact.
    fn accumulator_scale(&mut self, terms: &mut [Term]) -> Result<i32, Refusal> {
        let bits = self.bits.weight;
        let (low, high) = (-exp2(i32::from(bits) - 1), exp2(i32::from(bits) - 1) - 1.0);
        let mut first = i32::MAX;
        let mut last = i32::MIN;
        for term in terms.iter() {
            if let Item::Tensor {
                tensor,
                factor: Factor::Hidden { rows, name, .. },
                ..
            } = &term.item
            {
                finite(rows, name)?;
                let peak = rows.iter().fold(0f64, |m, &w| m.max(f64::from(w.abs())));
                if peak > 0.0 {
                    let natural = i32::from(self.tensor(*tensor).scale) + fit(peak, high);
                    first = first.min(natural);
                    last = last.max(natural + 2);
                }
            }
        }
        // A hidden constant must fit its digits, and leave room for the rest of the sum.
        let digits = (MAX_BIAS_BITS / i32::from(bits)).max(1) * i32::from(bits);
        let cap = terms
            .iter()
            .filter_map(|t| match &t.item {
                Item::Bias { rows, .. } => {
                    let peak = rows.iter().fold(0f64, |m, &b| m.max(f64::from(b.abs())));
                    (peak > 0.0).then(|| fit(peak, exp2(digits - 1) * 0.9))
                }
                _ => None,
            })
            .min()
            .unwrap_or(i32::MAX);
        let (first, last) = (
            if first == i32::MAX {
                first
            } else {
                first.min(cap)
            },
            last.min(cap),
        );
        if first == i32::MAX {
            // Only public terms, or weights that are all zero.
            let weighted = terms.iter().any(|t| {
                matches!(
                    &t.item,
                    Item::Tensor {
                        factor: Factor::Hidden { .. },
                        ..
                    }
                )
            });
            let exact = terms.iter().filter_map(|t| self.exact_scale(&t.item)).max();
            let scale = if weighted {
                exact.unwrap_or(0).max(12)
            } else {
                exact.unwrap_or(12)
            };
            return Ok((scale + constant_bits(terms, scale)).min(cap.max(scale)));
        }
        let mut best = (f64::INFINITY, first);
        for scale in first..=last {
            let mut noise = 0.0;
            for term in terms.iter() {
                let Item::Tensor {
                    tensor,
                    factor: Factor::Hidden { rows, .. },
                    ..
                } = &term.item
                else {
                    continue;
                };
                let step = exp2(scale - i32::from(self.tensor(*tensor).scale));
                let lost: f64 = rows
                    .iter()
                    .map(|&w| {
                        let w = f64::from(w) * step;
                        let e = w.round().clamp(low, high) - w;
                        e * e
                    })
                    .sum();
                noise += lost / (step * step) * self.power[*tensor as usize];
            }
            if noise < best.0 {
                best = (noise, scale);
            }
        }
        let scale = best.1;
        // Public terms that are finer than the accumulator are rounded before they are added.
        for term in terms.iter_mut() {
            if let Some(exact) = self.exact_scale(&term.item).filter(|&e| e > scale)
                && let Item::Tensor {
                    tensor,
                    factor: Factor::Public(f),
                    ..
                }
                | Item::Reshape { tensor, factor: f } = &mut term.item
                && power_of_two(*f).is_some()
            {
                let from = i32::from(self.tensor(*tensor).scale);
                *tensor = self.coarser(*tensor, from - (exact - scale))?;
            }
        }
        Ok(scale)
    }

    /// The least scale at which a public term is exact, or as good as exact.
    fn exact_scale(&self, item: &Item) -> Option<i32> {
        let (tensor, factor) = match item {
            Item::Tensor {
                tensor,
                factor: Factor::Public(f),
                ..
            } => (tensor, *f),
            Item::Reshape { tensor, factor } => (tensor, *factor),
            _ => return None,
        };
        let scale = i32::from(self.tensor(*tensor).scale);
        if factor == 0.0 {
            return Some(scale);
        }
        Some(match power_of_two(factor) {
            Some(log) => scale - log,
            None => {
                // An odd multiple of a power of two, such as 3/4, is exact as well.
                let log = factor.abs().log2().floor() as i32;
                let exact = (0..FACTOR_BITS)
                    .find(|&b| (factor * exp2(b - log)).fract() == 0.0)
                    .unwrap_or(FACTOR_BITS);
                scale + exact - log
            }
        })
    }

    fn quantise_term(
        &mut self,
        term: Term,
        scale: i32,
        node: &str,
    ) -> Result<Option<types::Term>, Refusal> {
        let region: Vec<(u32, u32)> = term
            .region
            .iter()
            .map(|&(s, l)| (s as u32, l as u32))
            .collect();
        let rows_of = |axes: &[usize]| axes.iter().map(|&a| term.region[a].1).product::<usize>();
        let source = match term.item {
            Item::Constant(value) => {
                let value = integer(value * exp2(scale))?;
                if value == 0 {
                    return Ok(None);
                }
                Source::Constant(value)
            }
            Item::Bias {
                rows,
                outer_axes,
                name,
            } => {
                finite(&rows, &name)?;
                let param = self.bias(&rows, scale, &name)?;
                Source::Bias {
                    param,
                    outer_axes: narrow(&outer_axes),
                }
            }
            Item::Reshape { tensor, factor } => {
                let from = i32::from(self.tensor(tensor).scale);
                let multiplier = integer(factor * exp2(scale - from))?;
                Source::Reshape { tensor, multiplier }
            }
            Item::Tensor {
                tensor,
                inner,
                map,
                factor,
            } => {
                let from = i32::from(self.tensor(tensor).scale);
                let weight = match factor {
                    Factor::Public(f) => {
                        let multiplier = integer(f * exp2(scale - from))?;
                        if multiplier == 0 && f != 0.0 {
                            return Err(Refusal::Unsupported(format!(
                                "factor {f} is too small beside the other terms of the sum"
                            )));
                        }
                        Weight::Public(multiplier)
                    }
                    Factor::Hidden {
                        rows,
                        outer_axes,
                        name,
                    } => {
                        let width: usize = inner.iter().product();
                        let outer = rows_of(&outer_axes);
                        if rows.len() != outer * width {
                            return Err(Refusal::Unsupported(format!(
                                "{node}: {} weights for {outer} rows of {width}",
                                rows.len()
                            )));
                        }
                        let step = exp2(scale - from);
                        let half = exp2(i32::from(self.bits.weight) - 1);
                        let cells = rows
                            .iter()
                            .map(|&w| (f64::from(w) * step).round().clamp(-half, half - 1.0) as i16)
                            .collect();
                        let param = self.push_param(&name, outer, width, cells);
                        Weight::Param {
                            param,
                            outer_axes: narrow(&outer_axes),
                        }
                    }
                };
                Source::Tensor {
                    tensor,
                    inner: narrow(&inner),
                    map,
                    weight,
                }
            }
        };
        Ok(Some(types::Term { region, source }))
    }

    /// A hidden constant as balanced digits, least first.
    fn bias(&mut self, rows: &[f32], scale: i32, name: &str) -> Result<u32, Refusal> {
        let values = rows
            .iter()
            .map(|&b| integer(f64::from(b) * exp2(scale)))
            .collect::<Result<Vec<i64>, _>>()?;
        let bits = u32::from(self.bits.weight);
        let digits = values
            .iter()
            .map(|&v| balanced(v, bits).len())
            .max()
            .unwrap_or(1);
        let mut cells = Vec::with_capacity(values.len() * digits);
        for &value in &values {
            let mut row = balanced(value, bits);
            row.resize(digits, 0);
            cells.extend(row);
        }
        Ok(self.push_param(name, rows.len(), digits, cells))
    }

    fn push_param(&mut self, name: &str, outer: usize, inner: usize, cells: Vec<i16>) -> u32 {
        let id = self.graph.params.len() as u32;
        self.graph.params.push(Param {
            name: super::short(name),
            outer: outer as u32,
            inner: inner as u32,
        });
        self.weights.push(cells);
        id
    }
}

/// Bits to add to a scale so that constants are exact, or a little finer than the rest.
fn constant_bits(terms: &[Term], scale: i32) -> i32 {
    const MOST: i32 = 4;
    let needed = |item: &Item| match item {
        Item::Bias { .. } => MOST,
        Item::Constant(value) => (0..MOST)
            .find(|&b| (value * exp2(scale + b)).fract() == 0.0)
            .unwrap_or(MOST),
        _ => 0,
    };
    terms.iter().map(|t| needed(&t.item)).max().unwrap_or(0)
}

fn narrow(values: &[usize]) -> Vec<u32> {
    values.iter().map(|&v| v as u32).collect()
}

/// Digits of `value` in base `2^bits`, each in `[-2^(bits-1), 2^(bits-1))`; at least one.
fn balanced(mut value: i64, bits: u32) -> Vec<i16> {
    let (base, half) = (1i64 << bits, 1i64 << (bits - 1));
    let mut digits = Vec::new();
    while value != 0 || digits.is_empty() {
        let digit = (value + half).rem_euclid(base) - half;
        digits.push(digit as i16);
        value = (value - digit) >> bits;
    }
    digits
}

fn saturate(scale: i32, window: Window, max: i64) -> Result<(Stage, (i64, i64)), Refusal> {
    let at = scale_i8(window.scale)?;
    let stage = Stage::Requant {
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
    Ok((stage, (window.min, max)))
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
    i8::try_from(scale)
        .map_err(|_| Refusal::Unsupported(format!("a scale of 2^-{scale} is out of range")))
}

fn integer(value: f64) -> Result<i64, Refusal> {
    let rounded = value.round();
    if rounded.abs() < bounds::MAX_ACCUMULATOR as f64 {
        Ok(rounded as i64)
    } else {
        Err(Refusal::Unsupported(format!(
            "constant {value} does not fit the accumulator"
        )))
    }
}

/// Refuses NaN and infinities among weights.
fn finite(rows: &[f32], name: &str) -> Result<(), Refusal> {
    match rows.iter().position(|w| !w.is_finite()) {
        Some(index) => Err(Refusal::Failed(ImportError::NotFinite {
            tensor: name.into(),
            index,
            got: rows[index],
        })),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::balanced;

    #[test]
    fn digits_sum_to_the_value() {
        for bits in [2, 8, 12, 16] {
            for value in [
                0,
                1,
                -1,
                127,
                128,
                -128,
                -129,
                32767,
                32768,
                -12345,
                1 << 40,
            ] {
                let sum: i64 = balanced(value, bits)
                    .iter()
                    .rev()
                    .fold(0, |sum, &d| (sum << bits) + i64::from(d));
                assert_eq!(sum, value, "{bits} bits");
            }
        }
    }
}
