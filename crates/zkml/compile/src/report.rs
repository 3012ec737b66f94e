//! The accuracy report: how well the integers agree with the floats, on samples that the
//! calibration did not see.

use rayon::prelude::*;
use serde::Serialize;
use zkml_engine::Engine;
use zkml_graph::{Graph, Weights};

use zkml_samples::{Criterion, Ports, Score};

use crate::error::CompileError;
use crate::options::{Bits, Options, Sample};
use zkml_float::{FloatError, Model};

/// Agreement of an integer model with the float model that it was made from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccuracyReport {
    /// Bits of weights.
    pub weight_bits: u8,
    /// Bits of activations.
    pub activation_bits: u8,
    /// Samples that set the scales.
    pub calibration_samples: usize,
    /// Samples that judged the result.
    pub judged_samples: usize,
    /// Whether the judging samples are others than the calibrating ones.
    pub held_out: bool,
    /// What agreement means: `top-1` if the first output's last axis has several elements,
    /// `exact` if the outputs are integers, else `within 1 % of the range`.
    pub criterion: &'static str,
    /// Share of rows (of the last axis) of the first output that agree.
    pub agreement: f64,
    /// Rows counted.
    pub rows: usize,
    /// Accuracy of the float model against the labels.
    pub float_accuracy: Option<f64>,
    /// Accuracy of the integer model against the labels.
    pub integer_accuracy: Option<f64>,
    /// Greatest absolute difference of any output element.
    pub max_error: f64,
    /// Mean absolute difference of output elements.
    pub mean_error: f64,
    /// Greatest magnitude of a float output: what the errors are relative to.
    pub output_magnitude: f64,
    /// Greatest difference of the float run to the outputs given with the samples, if any.
    pub reference_error: Option<f64>,
    /// Share of output rows that must agree.
    pub agreement_target: f64,
    /// Whether the targets for agreement and for loss of accuracy are met.
    pub target_met: bool,
}

/// Samples with the float model's results, to judge integer models by.
pub(crate) struct Judge {
    inputs: Vec<Vec<Vec<f32>>>,
    labels: Vec<Option<i64>>,
    floats: Vec<Vec<Vec<f32>>>,
    row: usize,
    criterion: Criterion,
    calibration_samples: usize,
    held_out: bool,
    reference_error: Option<f64>,
}

/// Samples between two reports of progress.
const CHUNK: usize = 16;

impl Judge {
    /// Runs the float model on the samples.
    pub(crate) fn new(
        model: &Model,
        samples: &[&Sample],
        calibration_samples: usize,
        shared: bool,
        progress: &mut dyn FnMut(&str, u64, u64),
    ) -> Result<Self, CompileError> {
        let mut floats = Vec::with_capacity(samples.len());
        for chunk in samples.chunks(CHUNK) {
            progress("running the float model", floats.len() as u64, samples.len() as u64);
            let run: Result<Vec<_>, FloatError> = chunk.par_iter().map(|s| model.run(&s.inputs)).collect();
            floats.extend(run?);
        }
        let shape = &model.outputs()[0].shape;
        let row = shape.last().copied().unwrap_or(1).max(1);
        let first = floats.iter().filter_map(|o| o.first()).flatten();
        let (low, high) = first.fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
        let integral = model.graph().integer.contains(&model.graph().outputs[0]);
        let criterion = if integral {
            Criterion::Exact
        } else if row > 1 {
            Criterion::Top1
        } else {
            Criterion::Close(f64::from(high - low).max(1e-9) / 100.0)
        };
        let mut reference_error = None;
        for (sample, run) in samples.iter().zip(&floats) {
            for (given, own) in sample.output.iter().flatten().zip(run) {
                for (a, b) in given.iter().zip(own) {
                    let e = f64::from((a - b).abs());
                    reference_error = Some(f64::max(reference_error.unwrap_or(0.0), e));
                }
            }
        }
        Ok(Self {
            inputs: samples.iter().map(|s| s.inputs.clone()).collect(),
            labels: samples.iter().map(|s| s.label).collect(),
            floats,
            row,
            criterion,
            calibration_samples,
            held_out: !shared,
            reference_error,
        })
    }

    /// Runs an integer model on the samples.
    pub(crate) fn judge(
        &self,
        graph: &Graph,
        weights: &Weights,
        bits: Bits,
        options: &Options,
        progress: &mut dyn FnMut(&str, u64, u64),
    ) -> Result<AccuracyReport, CompileError> {
        let engine = Engine::new(graph, weights)?;
        let (inputs, outputs) = (Ports::inputs(graph), Ports::outputs(graph));
        let run = |sample: &Vec<Vec<f32>>| -> Result<Vec<Vec<f32>>, CompileError> {
            Ok(outputs.real(&engine.run(&inputs.integers(sample)?)?))
        };
        let mut score = Score::default();
        let mut done = 0;
        for chunk in self.inputs.chunks(CHUNK) {
            progress("running the integer model", done as u64, self.inputs.len() as u64);
            let answers: Result<Vec<_>, CompileError> = chunk.par_iter().map(run).collect();
            for answer in answers? {
                self.compare(&self.floats[done], &answer, self.labels[done], &mut score);
                done += 1;
            }
        }
        progress("running the integer model", done as u64, done as u64);
        Ok(self.report(&score, bits, options))
    }

    fn compare(&self, float: &[Vec<f32>], integer: &[Vec<f32>], label: Option<i64>, score: &mut Score) {
        float.iter().zip(integer).for_each(|(float, integer)| score.measure(integer, float));
        if let (Some(float), Some(integer)) = (float.first(), integer.first()) {
            score.count(
                integer,
                self.row,
                self.criterion,
                label.as_ref().map(std::slice::from_ref),
                Some(float),
            );
        }
    }

    fn report(&self, score: &Score, bits: Bits, options: &Options) -> AccuracyReport {
        let share = |n: u64, of: u64| n as f64 / of.max(1) as f64;
        let accuracy = |right, of| (of > 0).then(|| share(right, of));
        let float = accuracy(score.other_right, score.other_labelled);
        let integer = accuracy(score.right, score.labelled);
        let agreement = share(score.agreed, score.compared);
        let loss = float.zip(integer).map_or(0.0, |(f, i)| f - i);
        AccuracyReport {
            weight_bits: bits.weight,
            activation_bits: bits.activation,
            calibration_samples: self.calibration_samples,
            judged_samples: self.inputs.len(),
            held_out: self.held_out,
            criterion: match self.criterion {
                Criterion::Top1 => "top-1",
                Criterion::Exact => "exact",
                Criterion::Close(_) => "within 1 % of the range",
            },
            agreement,
            rows: score.compared as usize,
            float_accuracy: float,
            integer_accuracy: integer,
            max_error: score.max_error,
            mean_error: score.mean_error(),
            output_magnitude: score.magnitude,
            reference_error: self.reference_error,
            agreement_target: options.min_agreement,
            target_met: agreement >= options.min_agreement && loss <= options.max_accuracy_loss,
        }
    }
}
