//! Resize and Upsample: each axis by itself, every result a weighted sum of elements of the axis.

use super::{Fault, Inputs, Operator, maybe, need, one};
use crate::array::{Array, axis, count};
use crate::ir::{Attr, Node};

/// Both operators.
pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("Resize", |node, inputs, context| {
        one(resized(need(inputs, 0)?, &plan(node, inputs, context.opset)?)?)
    }),
    Operator::new("Upsample", |node, inputs, context| {
        one(resized(need(inputs, 0)?, &plan(node, inputs, context.opset)?)?)
    }),
];

/// Most weights of an axis: extent before times extent after.
const MAX_WEIGHTS: usize = 1 << 24;

/// What happens to an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AxisPlan {
    /// Nothing.
    Keep,
    /// Each result is one element.
    Pick(Vec<usize>),
    /// Each result is a sum: `rows[result]` has the weights of all elements.
    Mix(Vec<Vec<f32>>),
}

/// What a node does to each axis of its input.
pub(crate) fn plan(node: &Node, inputs: &Inputs<'_>, opset: i64) -> Result<Vec<AxisPlan>, Fault> {
    let shape = &need(inputs, 0)?.shape;
    let sampling = Sampling::of(node, opset)?;
    extents(node, inputs, shape, opset)?
        .into_iter()
        .zip(shape)
        .map(|((length, scale), &from)| {
            if length == from && scale == 1.0 {
                return Ok(AxisPlan::Keep);
            }
            if from == 0
                || length == 0
                || from.checked_mul(length).is_none_or(|weights| weights > MAX_WEIGHTS)
            {
                return Err(Fault::Invalid(format!(
                    "an axis of {from} elements cannot become one of {length}"
                )));
            }
            // The standard's reference counts a part of an element, runtimes do not.
            if sampling.coordinates == "align_corners" && (from as f64 * scale - length as f64).abs() > 1e-6 {
                let reason = format!("aligned corners of an axis of {from} elements scaled by {scale}");
                return Err(Fault::Unsupported(reason));
            }
            Ok(sampling.axis(from, length, scale))
        })
        .collect()
}

/// Extent and scale of each axis afterwards.
fn extents(
    node: &Node,
    inputs: &Inputs<'_>,
    shape: &[usize],
    opset: i64,
) -> Result<Vec<(usize, f64)>, Fault> {
    let axes: Vec<usize> = match node.ints("axes") {
        Some(axes) => axes.iter().map(|&at| axis(at, shape.len())).collect::<Result<_, _>>()?,
        None => (0..shape.len()).collect(),
    };
    if node.op == "Resize" && !matches!(node.text("keep_aspect_ratio_policy"), "" | "stretch") {
        return Err(Fault::Unsupported("a policy that keeps the aspect ratio".into()));
    }
    let (scales, sizes) = if node.op == "Upsample" || opset < 11 { (1, usize::MAX) } else { (2, 3) };
    let given = match node.attrs.get("scales") {
        Some(Attr::Floats(scales)) => Some(scales.clone()),
        _ => maybe(inputs, scales).map(Array::to_floats).filter(|scales| !scales.is_empty()),
    };
    let mut all: Vec<(usize, f64)> = shape.iter().map(|&extent| (extent, 1.0)).collect();
    let wrong = || Fault::Invalid("scales or sizes do not fit the axes".into());
    if let Some(scales) = given {
        if scales.len() != axes.len() {
            return Err(wrong());
        }
        for (&at, &scale) in axes.iter().zip(&scales) {
            let length = (shape[at] as f64 * f64::from(scale)).floor();
            if !(scale > 0.0 && length < MAX_WEIGHTS as f64) {
                return Err(Fault::Invalid(format!("a scale of {scale}")));
            }
            all[at] = (length as usize, f64::from(scale));
        }
    } else {
        let sizes = maybe(inputs, sizes).ok_or_else(wrong)?.ints()?;
        if sizes.len() != axes.len() {
            return Err(wrong());
        }
        for (&at, &size) in axes.iter().zip(sizes) {
            let length = usize::try_from(size).map_err(|_| wrong())?;
            all[at] = (length, length as f64 / shape[at].max(1) as f64);
        }
    }
    count(&all.iter().map(|(length, _)| *length).collect::<Vec<_>>())?;
    Ok(all)
}

/// How results are made of elements.
struct Sampling {
    mode: Mode,
    /// Where a result lies among the elements.
    coordinates: String,
    exclude_outside: bool,
}

enum Mode {
    Nearest { rounding: String },
    Linear,
    Cubic { a: f64 },
}

impl Sampling {
    fn of(node: &Node, opset: i64) -> Result<Self, Fault> {
        let or = |name: &str, default: &str| match node.text(name) {
            "" => default.to_owned(),
            given => given.to_owned(),
        };
        // Before operator set 11 there was one way.
        let (old_coordinates, old_rounding) = if node.op == "Upsample" || opset < 11 {
            ("asymmetric", "floor")
        } else {
            ("half_pixel", "round_prefer_floor")
        };
        let coordinates = or("coordinate_transformation_mode", old_coordinates);
        let known =
            ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"];
        if !known.contains(&coordinates.as_str()) {
            return Err(Fault::Unsupported(format!("coordinates by {coordinates}")));
        }
        if node.int("antialias", 0) != 0 {
            return Err(Fault::Unsupported("antialiasing".into()));
        }
        let mode = match or("mode", "nearest").as_str() {
            "nearest" => Mode::Nearest { rounding: or("nearest_mode", old_rounding) },
            "linear" | "bilinear" => Mode::Linear,
            "cubic" => Mode::Cubic { a: f64::from(node.float("cubic_coeff_a", -0.75)) },
            other => return Err(Fault::Unsupported(format!("mode {other}"))),
        };
        Ok(Self { mode, coordinates, exclude_outside: node.int("exclude_outside", 0) != 0 })
    }

    /// Where a result lies, counted in elements.
    fn position(&self, index: usize, from: usize, length: usize, scale: f64) -> f64 {
        let (index, inside, outside) = (index as f64, from as f64, length as f64);
        let half_pixel = (index + 0.5) / scale - 0.5;
        match self.coordinates.as_str() {
            "asymmetric" => index / scale,
            "align_corners" if length == 1 => 0.0,
            "align_corners" => index * (inside - 1.0) / (outside - 1.0),
            "pytorch_half_pixel" if length == 1 => 0.0,
            "half_pixel_symmetric" => inside / 2.0 * (1.0 - outside / (scale * inside)) + half_pixel,
            _ => half_pixel,
        }
    }

    fn axis(&self, from: usize, length: usize, scale: f64) -> AxisPlan {
        let positions = (0..length).map(|index| self.position(index, from, length, scale));
        let clamped = |at: f64| at.clamp(0.0, (from - 1) as f64) as usize;
        // Elements before the position, and the weights of those from there on.
        let (before, weights): (f64, Box<dyn Fn(f64) -> Vec<f64>>) = match &self.mode {
            Mode::Nearest { rounding } => {
                let nearest = |at: f64| match rounding.as_str() {
                    "floor" => at.floor(),
                    "ceil" => at.ceil(),
                    "round_prefer_ceil" => (at + 0.5).floor(),
                    _ => (at - 0.5).ceil(),
                };
                return AxisPlan::Pick(positions.map(|at| clamped(nearest(at))).collect());
            }
            Mode::Linear => (0.0, Box::new(|rest| vec![1.0 - rest, rest])),
            Mode::Cubic { a } => (1.0, Box::new(|rest| cubic(rest, *a))),
        };
        let rows = positions.map(|at| {
            let first = at.floor() - before;
            let mut each = weights(at - at.floor());
            let outside = |tap: usize| !(0.0..from as f64).contains(&(first + tap as f64));
            if self.exclude_outside {
                each.iter_mut().enumerate().filter(|(tap, _)| outside(*tap)).for_each(|(_, w)| *w = 0.0);
                let sum: f64 = each.iter().sum();
                each.iter_mut().for_each(|weight| *weight /= sum);
            }
            let mut row = vec![0.0; from];
            for (tap, weight) in each.into_iter().enumerate() {
                row[clamped(first + tap as f64)] += weight as f32;
            }
            row
        });
        AxisPlan::Mix(rows.collect())
    }
}

/// Weights of the four elements around a position, by Keys' convolution kernel (IEEE ASSP 29, 1981).
fn cubic(rest: f64, a: f64) -> Vec<f64> {
    let near = |d: f64| ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
    let far = |d: f64| ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a;
    vec![far(1.0 + rest), near(rest), near(1.0 - rest), far(2.0 - rest)]
}

fn resized(x: &Array, plans: &[AxisPlan]) -> Result<Array, Fault> {
    let mut array = x.clone();
    for (at, plan) in plans.iter().enumerate() {
        let sums: Vec<Vec<(usize, f32)>> = match plan {
            AxisPlan::Keep => continue,
            AxisPlan::Pick(indices) => indices.iter().map(|&index| vec![(index, 1.0)]).collect(),
            AxisPlan::Mix(rows) => rows
                .iter()
                .map(|row| row.iter().copied().enumerate().filter(|(_, weight)| *weight != 0.0).collect())
                .collect(),
        };
        let (from, inner) = (array.shape[at], array.shape[at + 1..].iter().product::<usize>());
        let outer: usize = array.shape[..at].iter().product();
        let values = array.floats()?;
        let mut results = Vec::with_capacity(outer * sums.len() * inner);
        for block in 0..outer {
            for sum in &sums {
                results.extend((0..inner).map(|column| {
                    let value = |index: usize| values[(block * from + index) * inner + column];
                    sum.iter().map(|&(index, weight)| weight * value(index)).sum::<f32>()
                }));
            }
        }
        let mut shape = array.shape;
        shape[at] = sums.len();
        array = Array::f32(shape, results);
    }
    Ok(array)
}
