//! What calibration samples show of every value: its range and a sample of its elements.

use rayon::prelude::*;

use crate::error::CompileError;
use zkml_float::Model;
use zkml_float::array::{Array, Data};
use zkml_float::ir::ValueId;

/// Elements kept per value over all calibration samples.
const KEPT: usize = 1 << 14;

/// Mean and mean square of a value's elements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    pub(crate) mean: f64,
    pub(crate) square: f64,
}

impl Moments {
    /// For a value of which nothing is known.
    pub(crate) const UNKNOWN: Self = Self { mean: 0.0, square: 1.0 };
}

/// Range of a value and some of its elements.
#[derive(Clone, Debug)]
pub(crate) struct Range {
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) kept: Vec<f32>,
    /// Whether the elements are integers by type: they are represented exactly if that is possible.
    pub(crate) integer: bool,
}

impl Range {
    /// A range known without calibration.
    pub(crate) fn known(min: f64, max: f64) -> Self {
        Self { min, max, kept: Vec::new(), integer: false }
    }

    /// Mean and mean square of the elements.
    pub(crate) fn moments(&self) -> Moments {
        if self.kept.is_empty() {
            let bound = self.min.abs().max(self.max.abs());
            return Moments { mean: f64::midpoint(self.min, self.max), square: bound * bound / 3.0 };
        }
        let n = self.kept.len() as f64;
        let values = self.kept.iter().map(|&x| f64::from(x));
        Moments { mean: values.clone().sum::<f64>() / n, square: values.map(|x| x * x).sum::<f64>() / n }
    }

    fn include(&mut self, array: &Array, quota: usize) {
        let mut see = |values: &mut dyn Iterator<Item = f32>, len: usize| {
            let every = len.div_ceil(quota).max(1);
            for (i, v) in values.filter(|v| v.is_finite()).enumerate() {
                self.min = self.min.min(f64::from(v));
                self.max = self.max.max(f64::from(v));
                if i % every == 0 {
                    self.kept.push(v);
                }
            }
        };
        match &array.data {
            Data::F32(v) => see(&mut v.iter().copied(), v.len()),
            Data::I64(v) => {
                see(&mut v.iter().map(|&x| x as f32), v.len());
                self.integer = true;
            }
            Data::Bool(v) => see(&mut v.iter().map(|&x| f32::from(u8::from(x))), v.len()),
        }
    }

    fn merge(mut self, other: Self) -> Self {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.kept.extend(other.kept);
        self
    }
}

/// Ranges of all values, by number.
pub(crate) type Stats = Vec<Option<Range>>;

/// Adds one value of one sample.
fn include(stats: &mut Stats, id: ValueId, array: &Array, quota: usize) {
    let range = stats[id].get_or_insert(Range::known(f64::INFINITY, f64::NEG_INFINITY));
    range.include(array, quota);
}

/// A value without a finite element counts as zero.
fn finished(mut stats: Stats) -> Stats {
    for range in stats.iter_mut().flatten() {
        if !(range.min.is_finite() && range.max.is_finite()) {
            *range = Range { min: 0.0, max: 0.0, kept: vec![0.0], integer: range.integer };
        }
    }
    stats
}

fn quota(samples: usize) -> usize {
    (KEPT / samples.max(1)).max(16)
}

/// Runs the float model on the samples, as far as it can be run.
pub(crate) fn calibrate_leniently(model: &Model, samples: &[Vec<Array>]) -> Stats {
    let mut stats: Stats = vec![None; model.graph().values.len()];
    for inputs in samples {
        model.execute_leniently(inputs.clone(), &mut |id, array| {
            include(&mut stats, id, array, quota(samples.len()));
        });
    }
    finished(stats)
}

/// Runs the float model on the samples.
pub(crate) fn calibrate(model: &Model, samples: &[Vec<Array>]) -> Result<Stats, CompileError> {
    let values = model.graph().values.len();
    let stats = samples
        .par_iter()
        .map(|inputs| {
            let mut stats: Stats = vec![None; values];
            model.execute(inputs.clone(), &mut |id, array| {
                include(&mut stats, id, array, quota(samples.len()));
            })?;
            Ok::<Stats, CompileError>(stats)
        })
        .try_reduce(
            || vec![None; values],
            |a, b| {
                let pairs = a.into_iter().zip(b);
                Ok(pairs
                    .map(|pair| match pair {
                        (Some(a), Some(b)) => Some(a.merge(b)),
                        (a, b) => a.or(b),
                    })
                    .collect())
            },
        )?;
    Ok(finished(stats))
}
