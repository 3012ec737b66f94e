//! Choosing power-of-two scales: where rounding and saturation together lose least.

use zkml_graph::function::MAX_DOMAIN_BITS;

use crate::calibrate::Range;

/// A window of consecutive integers at a scale: the real value behind `v` is `v * 2^-scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) scale: i32,
    pub(crate) min: i64,
    /// The window has `2^bits` integers.
    pub(crate) bits: u8,
}

impl Window {
    pub(crate) fn max(&self) -> i64 {
        self.min + (1 << self.bits) - 1
    }
}

/// `2^exponent`.
pub(crate) fn exp2(exponent: i32) -> f64 {
    f64::from(exponent).exp2()
}

/// Largest scale at which `magnitude` is at most `limit`.
pub(crate) fn fit(magnitude: f64, limit: f64) -> i32 {
    if magnitude > 0.0 && magnitude.is_finite() {
        ((limit / magnitude).log2().floor() as i32).clamp(-120, 60)
    } else {
        0
    }
}

/// Mean squared error of the kept elements in a window.
fn error(range: &Range, window: Window) -> f64 {
    let factor = exp2(window.scale);
    let (low, high) = (window.min as f64, window.max() as f64);
    let sum: f64 = range
        .kept
        .iter()
        .map(|&x| {
            let x = f64::from(x) * factor;
            let e = (x.round().clamp(low, high) - x) / factor;
            e * e
        })
        .sum();
    sum / range.kept.len().max(1) as f64
}

/// What samples that were not seen may lose: one element a little beyond the range, and a share
/// of one far beyond it.
fn tail(range: &Range, window: Window, low: f64, high: f64, open: (bool, bool)) -> f64 {
    let factor = exp2(window.scale);
    let reach = low.abs().max(high.abs());
    let beyond = |by: f64| {
        let above = (high + by * reach - window.max() as f64 / factor).max(0.0);
        let below = (window.min as f64 / factor - (low - by * reach)).max(0.0);
        let (above, below) = (if open.1 { above } else { 0.0 }, if open.0 { below } else { 0.0 });
        above * above + below * below
    };
    (beyond(0.15) + 0.05 * beyond(0.5)) / range.kept.len().max(1) as f64
}

/// A window of scale one around integers: of `2^bits` of them, or of as many as they need, but of no more
/// than a table holds.
fn whole(range: &Range, bits: u8) -> Option<Window> {
    // Beyond 2^53 floating point holds no integer exactly, and a cast saturates.
    if range.min.abs().max(range.max.abs()) > exp2(53) {
        return None;
    }
    let (low, high) = (range.min as i64, range.max as i64);
    let span = high - low;
    let bits = bits.max((64 - span.leading_zeros()) as u8);
    if span < 0 || bits > MAX_DOMAIN_BITS {
        return None;
    }
    let spare = (1_i64 << bits) - 1 - span;
    // Counts and indices are not negative.
    let min = if low >= 0 { low - spare.min(low) } else { low - spare / 2 };
    Some(Window { scale: 0, min, bits })
}

/// The window of `2^bits` integers that represents a range best, at no finer scale than `finest`.
/// `floor`: values below it need no representation (ReLU). `open`: whether other samples may
/// reach beyond the range.
pub(crate) fn choose(range: &Range, bits: u8, finest: i32, floor: Option<f64>, open: bool) -> Window {
    if let Some(window) = whole(range, bits).filter(|_| range.integer && finest >= 0) {
        return window;
    }
    let low = floor.map_or(range.min, |f| range.min.max(f)).min(range.max);
    let (low, high) = match floor {
        // Zero is what padding and dead units yield.
        Some(f) if low >= f => (f.min(range.max), range.max),
        _ => (low, range.max),
    };
    let size = (1i64 << bits) as f64;
    let span = (high - low).max(1e-30);
    let coarse =
        if high - low > 0.0 { fit(span, size - 1.0) } else { fit(high.abs().max(1e-9), size / 2.0 - 1.0) };
    let mut best: Option<(f64, Window)> = None;
    for scale in [coarse, coarse - 1, coarse - 2, coarse + 1] {
        let scale = scale.min(finest);
        let factor = exp2(scale);
        let from_low = (low * factor).floor() as i64;
        let from_high = (high * factor).ceil() as i64 - (1 << bits) + 1;
        let middle = from_low + (from_high - from_low) / 2;
        let mut starts = match floor {
            Some(f) => vec![(f * factor).round() as i64],
            None if range.min >= 0.0 && from_low < 1 << bits => vec![0, from_low],
            None => vec![middle, from_low, from_high],
        };
        starts.dedup();
        for min in starts {
            let window = Window { scale, min, bits };
            let clipped =
                (low * factor).round() < min as f64 || (high * factor).round() > window.max() as f64;
            if range.kept.is_empty() && clipped {
                continue;
            }
            let mut lost = error(range, window);
            if open && !range.kept.is_empty() {
                lost += tail(range, window, low, high, (floor.is_none() && low < 0.0, high > 0.0));
            }
            if best.as_ref().is_none_or(|(e, _)| lost < *e * 0.999) {
                best = Some((lost, window));
            }
        }
    }
    best.map_or(Window { scale: coarse.min(finest), min: -(1 << (bits - 1)), bits }, |b| b.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(values: &[f32]) -> Range {
        Range {
            min: values.iter().copied().fold(f32::INFINITY, f32::min).into(),
            max: values.iter().copied().fold(f32::NEG_INFINITY, f32::max).into(),
            kept: values.to_vec(),
            integer: false,
        }
    }

    #[test]
    fn windows_hold_what_was_seen() {
        let unsigned = choose(&range(&[0.0, 0.2, 0.5, 1.9, 3.9]), 8, 40, None, false);
        assert_eq!((unsigned.scale, unsigned.min), (6, 0));
        let signed = choose(&range(&[-1.0, -0.3, 0.2, 0.99]), 8, 40, None, false);
        assert_eq!((signed.scale, signed.min), (7, -128));
        let coarse = choose(&range(&[-1.0, 1.0]), 8, 3, None, false);
        assert_eq!(coarse.scale, 3);
        let zero = choose(&range(&[0.0, 0.0]), 8, 20, Some(0.0), false);
        assert_eq!(zero.min, 0);
    }

    #[test]
    fn integers_keep_their_scale_as_long_as_a_table_holds_them() {
        let integers = |values: &[f32]| Range { integer: true, ..range(values) };
        let window = |values: &[f32]| choose(&integers(values), 8, 40, None, true);
        assert_eq!(window(&[3.0, 200.0]), Window { scale: 0, min: 0, bits: 8 });
        assert_eq!(window(&[-3.0, 4.0]), Window { scale: 0, min: -127, bits: 8 });
        assert_eq!(window(&[1000.0, 21_000.0]), Window { scale: 0, min: 0, bits: 15 });
        assert_eq!(window(&[-40_000.0, 25_535.0]), Window { scale: 0, min: -40_000, bits: 16 });
        assert!(window(&[0.0, 65_536.0]).scale < 0);
        // Beyond what a cast holds: windows like any other's, and no overflow.
        assert!(window(&[-3e38, -3e38]).scale < 0);
        assert!(window(&[-3e38, 3e38]).scale < 0);
    }
}
