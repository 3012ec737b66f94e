//! Numbers to integers: one scale for an accumulator, weights and hidden constants in the declared
//! width, public factors exact where they can be.

use zkml_graph::{Epilogue, Op, Param, Source, Weight, bounds, types};

use super::expr::{Body, Expr, Factor, Item, Term, power_of_two};
use super::{Lowering, Refusal};
use crate::error::CompileError;
use crate::scale::{exp2, fit};

/// Fractional bits of a public factor that is not a power of two.
const FACTOR_BITS: i32 = 14;
/// Most bits of a hidden constant.
const MAX_BIAS_BITS: i32 = 40;

impl Lowering<'_> {
    /// The accumulator's scale and the operation without its epilogue.
    pub(super) fn quantize(&mut self, expr: Expr, name: &str) -> Result<(i32, (Op, Vec<usize>)), Refusal> {
        let shape = expr.shape;
        match expr.body {
            Body::Product { a, b, inner, factor } => {
                let scale = i32::from(self.tensor(a.tensor).scale) + i32::from(self.tensor(b.tensor).scale)
                    - power_of_two(factor).unwrap_or(0);
                let operand = |o: super::expr::Operand| types::Operand { tensor: o.tensor, axes: o.axes };
                let op = Op::Product {
                    a: operand(a),
                    b: operand(b),
                    inner: inner.iter().map(|&e| e as u32).collect(),
                    epilogue: Epilogue::Exact,
                };
                Ok((scale, (op, shape)))
            }
            Body::Affine(mut terms) => {
                let scale = self.accumulator_scale(&mut terms)?;
                self.correct_biases(&mut terms, scale);
                let mut out = Vec::with_capacity(terms.len());
                for term in terms {
                    out.extend(self.quantize_term(term, scale, name)?);
                }
                if out.is_empty() {
                    return Err(Refusal::Unsupported("the result does not depend on the input".into()));
                }
                Ok((scale, (Op::Affine { terms: out, epilogue: Epilogue::Exact }, shape)))
            }
        }
    }

    /// Adds to hidden constants what rounding the weights takes from the sum at the mean
    /// activation, so that rounding shifts no output.
    fn correct_biases(&self, terms: &mut [Term], scale: i32) {
        let half = exp2(i32::from(self.bits.weight) - 1);
        let mut shifts: Vec<(Vec<usize>, Vec<f64>)> = Vec::new();
        for term in terms.iter() {
            let Item::Tensor { tensor, inner, factor: Factor::Hidden { rows, outer_axes, .. }, .. } =
                &term.item
            else {
                continue;
            };
            let mean = self.power[*tensor as usize].mean;
            let step = exp2(scale - i32::from(self.tensor(*tensor).scale));
            let width = inner.iter().product::<usize>().max(1);
            let lost = |row: &[f32]| -> f64 {
                let rounded = |w: f64| w - (w * step).round().clamp(-half, half - 1.0) / step;
                row.iter().map(|&w| rounded(f64::from(w))).sum::<f64>() * mean
            };
            let bias = terms.iter().any(|t| {
                t.region == term.region
                    && matches!(&t.item, Item::Bias { outer_axes: axes, .. } if axes == outer_axes)
            });
            if bias {
                shifts.push((outer_axes.clone(), rows.chunks(width).map(lost).collect()));
            }
        }
        for (axes, shift) in shifts {
            let found = terms.iter_mut().find_map(|t| match &mut t.item {
                Item::Bias { rows, outer_axes, .. } if *outer_axes == axes => Some(rows),
                _ => None,
            });
            if let Some(rows) = found.filter(|rows| rows.len() == shift.len()) {
                rows.iter_mut().zip(shift).for_each(|(b, s)| *b += s as f32);
            }
        }
    }

    /// One scale for all terms: the one at which quantized weights disturb the sum least; without
    /// weights, one at which public factors are exact.
    fn accumulator_scale(&mut self, terms: &mut [Term]) -> Result<i32, Refusal> {
        let bits = self.bits.weight;
        let (low, high) = (-exp2(i32::from(bits) - 1), exp2(i32::from(bits) - 1) - 1.0);
        let mut first = i32::MAX;
        let mut last = i32::MIN;
        for term in terms.iter() {
            if let Item::Tensor { tensor, factor: Factor::Hidden { rows, name, .. }, .. } = &term.item {
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
        let (first, last) = (if first == i32::MAX { first } else { first.min(cap) }, last.min(cap));
        if first == i32::MAX {
            // Only public terms, or weights that are all zero.
            let weighted =
                terms.iter().any(|t| matches!(&t.item, Item::Tensor { factor: Factor::Hidden { .. }, .. }));
            let exact = terms.iter().filter_map(|t| self.exact_scale(&t.item)).max();
            let scale = if weighted { exact.unwrap_or(0).max(12) } else { exact.unwrap_or(12) };
            return Ok((scale + constant_bits(terms, scale)).min(cap.max(scale)));
        }
        let mut best = (f64::INFINITY, first);
        for scale in first..=last {
            let mut noise = 0.0;
            for term in terms.iter() {
                let Item::Tensor { tensor, factor: Factor::Hidden { rows, .. }, .. } = &term.item else {
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
                noise += lost / (step * step) * self.power[*tensor as usize].square;
            }
            if noise < best.0 {
                best = (noise, scale);
            }
        }
        let scale = best.1;
        // Public terms that are finer than the accumulator are rounded before they are added.
        for term in terms.iter_mut() {
            if let Some(exact) = self.exact_scale(&term.item).filter(|&e| e > scale)
                && let Item::Tensor { tensor, factor: Factor::Public(f), .. }
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
            Item::Tensor { tensor, factor: Factor::Public(f), .. } => (tensor, *f),
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

    fn quantize_term(&mut self, term: Term, scale: i32, node: &str) -> Result<Option<types::Term>, Refusal> {
        let region: Vec<(u32, u32)> = term.region.iter().map(|&(s, l)| (s as u32, l as u32)).collect();
        let rows_of = |axes: &[usize]| axes.iter().map(|&a| term.region[a].1).product::<usize>();
        let source = match term.item {
            Item::Constant(value) => {
                let value = integer(value * exp2(scale))?;
                if value == 0 {
                    return Ok(None);
                }
                Source::Constant(value)
            }
            Item::Bias { rows, outer_axes, name } => {
                finite(&rows, &name)?;
                let param = self.bias(&rows, scale, &name)?;
                Source::Bias { param, outer_axes: narrow(&outer_axes) }
            }
            Item::Reshape { tensor, factor } => {
                let from = i32::from(self.tensor(tensor).scale);
                let multiplier = integer(factor * exp2(scale - from))?;
                Source::Reshape { tensor, multiplier }
            }
            Item::Tensor { tensor, inner, map, factor } => {
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
                    Factor::Hidden { rows, outer_axes, name } => {
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
                        Weight::Param { param, outer_axes: narrow(&outer_axes) }
                    }
                };
                Source::Tensor { tensor, inner: narrow(&inner), map, weight }
            }
        };
        Ok(Some(types::Term { region, source }))
    }

    /// A hidden constant as balanced digits, least first.
    fn bias(&mut self, rows: &[f32], scale: i32, name: &str) -> Result<u32, Refusal> {
        let values =
            rows.iter().map(|&b| integer(f64::from(b) * exp2(scale))).collect::<Result<Vec<i64>, _>>()?;
        let bits = u32::from(self.bits.weight);
        let digits = values.iter().map(|&v| balanced(v, bits).len()).max().unwrap_or(1);
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
        self.graph.params.push(Param { name: super::short(name), outer: outer as u32, inner: inner as u32 });
        self.weights.push(cells);
        id
    }
}

/// Bits to add to a scale so that constants are exact, or a little finer than the rest.
fn constant_bits(terms: &[Term], scale: i32) -> i32 {
    const MOST: i32 = 4;
    let needed = |item: &Item| match item {
        Item::Bias { .. } => MOST,
        Item::Constant(value) => {
            (0..MOST).find(|&b| (value * exp2(scale + b)).fract() == 0.0).unwrap_or(MOST)
        }
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

fn integer(value: f64) -> Result<i64, Refusal> {
    let rounded = value.round();
    if rounded.abs() < bounds::MAX_ACCUMULATOR as f64 {
        Ok(rounded as i64)
    } else {
        Err(Refusal::Unsupported(format!("constant {value} does not fit the accumulator")))
    }
}

/// Refuses NaN and infinities among weights.
fn finite(rows: &[f32], name: &str) -> Result<(), Refusal> {
    match rows.iter().position(|w| !w.is_finite()) {
        Some(index) => {
            Err(Refusal::Failed(CompileError::NotFinite { tensor: name.into(), index, got: rows[index] }))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::balanced;

    #[test]
    fn digits_sum_to_the_value() {
        for bits in [2, 8, 12, 16] {
            for value in [0, 1, -1, 127, 128, -128, -129, 32767, 32768, -12345, 1 << 40] {
                let sum: i64 =
                    balanced(value, bits).iter().rev().fold(0, |sum, &d| (sum << bits) + i64::from(d));
                assert_eq!(sum, value, "{bits} bits");
            }
        }
    }
}
