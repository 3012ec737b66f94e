//! The accuracy report: how well the integers agree with the floats, on samples that the
//! calibration did not see. The floats are those of the model as the file says it.

use rayon::prelude::*;
use serde::Serialize;
use zkml_engine::Engine;
use zkml_graph::{Graph, Weights};
use zkml_samples::{OutputKind, Ports, Score, Spread};

use crate::error::CompileError;
use crate::layers::LayerLoss;
use crate::options::{Bits, Options, Sample};
use zkml_float::{FloatError, Model};

/// Greatest difference of the float run to the outputs given with the samples, as a share of their range:
/// beyond it, what was imported is another model.
const IMPORT_ERROR: f64 = 0.01;

/// Operators that yield booleans.
const TRUTHS: [&str; 9] =
    ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "And", "Or", "Xor", "Not"];
/// Least share of rows that agree, where nothing else is asked: of tokens, and of everything else. Among
/// thousands of tokens more are close calls.
const TOKEN_AGREEMENT: f64 = 0.98;
const AGREEMENT: f64 = 0.99;
/// Greatest perplexity, as a multiple of the float model's.
const PERPLEXITY: f64 = 1.01;

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
    /// Share of rows that agree, of the output that agrees least.
    pub agreement: f64,
    /// Accuracy of the float model against the labels, which are of the first output.
    pub float_accuracy: Option<f64>,
    /// Accuracy of the integer model against the labels.
    pub integer_accuracy: Option<f64>,
    /// Every output, in the model's order.
    pub outputs: Vec<OutputReport>,
    /// Greatest difference of the float run to the outputs given with the samples, if any.
    pub reference_error: Option<f64>,
    /// Whether that difference is below 1 % of the range of the outputs.
    pub import_right: bool,
    /// Elements of the judging samples' inputs that lie outside of what calibration showed, and saturate.
    pub saturated_inputs: usize,
    /// Elements of the judging samples' inputs.
    pub input_elements: usize,
    /// Whether the import is right and the targets for agreement and for loss of accuracy are met.
    pub target_met: bool,
    /// Where most is lost, if a target is missed.
    pub worst_layer: Option<LayerLoss>,
}

/// Agreement of one output.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OutputReport {
    /// Its name.
    pub name: String,
    /// What it was taken for: a name of [`OutputKind`].
    pub kind: &'static str,
    /// When rows agree.
    pub criterion: &'static str,
    /// Share of rows that agree.
    pub agreement: f64,
    /// Rows compared: of the last axis; elements of single values; whole samples of images.
    pub rows: usize,
    /// Greatest absolute difference of an element.
    pub max_error: f64,
    /// Mean absolute difference of the elements.
    pub mean_error: f64,
    /// Greatest magnitude of a float element.
    pub magnitude: f64,
    /// Elements that are NaN or infinite in the float model: they agree with nothing.
    pub not_finite: usize,
    /// What else is measured of this kind: [`Score::detail_measured`].
    pub detail: Option<(&'static str, f64)>,
}

impl OutputReport {
    /// Greatest error as a share of the greatest magnitude of the float model's output.
    #[must_use]
    pub fn relative_error(&self) -> f64 {
        self.max_error / self.magnitude.max(1e-3)
    }
}

/// What is known of an output before any integer model is.
struct Output {
    name: String,
    kind: OutputKind,
    last: usize,
    spread: Spread,
}

/// Samples with the float model's results, to judge integer models by.
pub(crate) struct Judge {
    inputs: Vec<Vec<Vec<f32>>>,
    labels: Vec<Vec<i64>>,
    floats: Vec<Vec<Vec<f32>>>,
    outputs: Vec<Output>,
    calibration_samples: usize,
    held_out: bool,
    reference_error: Option<f64>,
    import_right: bool,
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
        options: &Options,
        progress: &mut dyn FnMut(&str, u64, u64),
    ) -> Result<Self, CompileError> {
        let mut floats = Vec::with_capacity(samples.len());
        for chunk in samples.chunks(CHUNK) {
            progress("running the float model", floats.len() as u64, samples.len() as u64);
            let run: Result<Vec<_>, FloatError> = chunk.par_iter().map(|s| model.run(&s.inputs)).collect();
            floats.extend(run?);
        }
        let labelled = samples.iter().any(|sample| !sample.labels.is_empty());
        let outputs = outputs(model, &floats, labelled, options)?;
        let (reference_error, import_right) = import_error(samples, &floats, &outputs);
        Ok(Self {
            inputs: samples.iter().map(|s| s.inputs.clone()).collect(),
            labels: samples.iter().map(|s| s.labels.clone()).collect(),
            floats,
            outputs,
            calibration_samples,
            held_out: !shared,
            reference_error,
            import_right,
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
        let mut scores: Vec<Score> =
            self.outputs.iter().map(|o| Score::new(o.kind, o.last, o.spread.range())).collect();
        let mut done = 0;
        for chunk in self.inputs.chunks(CHUNK) {
            progress("running the integer model", done as u64, self.inputs.len() as u64);
            let answers: Result<Vec<_>, CompileError> = chunk.par_iter().map(run).collect();
            for answer in answers? {
                for (index, score) in scores.iter_mut().enumerate() {
                    let labels = Some(&self.labels[done][..]).filter(|_| index == 0);
                    score.count(&answer[index], labels, Some(&self.floats[done][index]));
                }
                done += 1;
            }
        }
        progress("running the integer model", done as u64, done as u64);
        let saturated = self.inputs.iter().map(|sample| inputs.saturated(sample));
        let saturated = saturated.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        Ok(self.report(&scores, saturated, bits, options))
    }

    fn report(
        &self,
        scores: &[Score],
        saturated: (usize, usize),
        bits: Bits,
        options: &Options,
    ) -> AccuracyReport {
        let share = |n: u64, of: u64| (of > 0).then(|| n as f64 / of as f64);
        let float = scores.first().and_then(|score| share(score.other_right, score.other_labelled));
        let integer = scores.first().and_then(|score| share(score.right, score.labelled));
        let outputs: Vec<OutputReport> = self.outputs.iter().zip(scores).map(output_report).collect();
        let agreement = outputs.iter().fold(1.0, |least: f64, output| least.min(output.agreement));
        let loss = float.zip(integer).map_or(0.0, |(f, i)| f - i);
        let agree = scores.iter().all(|score| agrees(score, options.min_agreement));
        let kept = agree && loss <= options.max_accuracy_loss;
        AccuracyReport {
            weight_bits: bits.weight,
            activation_bits: bits.activation,
            calibration_samples: self.calibration_samples,
            judged_samples: self.inputs.len(),
            held_out: self.held_out,
            agreement,
            float_accuracy: float,
            integer_accuracy: integer,
            outputs,
            reference_error: self.reference_error,
            import_right: self.import_right,
            saturated_inputs: saturated.0,
            input_elements: saturated.1,
            target_met: kept && self.import_right,
            worst_layer: None,
        }
    }
}

/// Whether an output agrees with the float model's as well as is asked.
fn agrees(score: &Score, asked: Option<f64>) -> bool {
    let detail = score.detail_measured().map_or(1.0, |(_, value)| value);
    match (asked, score.kind()) {
        (Some(asked), _) => score.agreement() >= asked,
        (None, OutputKind::Tokens) => score.agreement() >= TOKEN_AGREEMENT && detail <= PERPLEXITY,
        (None, _) => score.agreement() >= AGREEMENT,
    }
}

fn output_report((output, score): (&Output, &Score)) -> OutputReport {
    OutputReport {
        name: output.name.clone(),
        kind: output.kind.name(),
        criterion: output.kind.criterion(),
        agreement: score.agreement(),
        rows: score.compared as usize,
        max_error: score.max_error,
        mean_error: score.mean_error(),
        magnitude: output.spread.magnitude(),
        not_finite: score.not_finite as usize,
        detail: score.detail_measured(),
    }
}

/// What the model's outputs are, and the spread of their values.
fn outputs(
    model: &Model,
    floats: &[Vec<Vec<f32>>],
    labelled: bool,
    options: &Options,
) -> Result<Vec<Output>, CompileError> {
    let ir = model.graph();
    let names = || model.outputs().iter().map(|output| output.name.as_str());
    if let Some((unknown, _)) = options.outputs.iter().find(|(name, _)| !names().any(|n| n == name)) {
        return Err(CompileError::UnknownOutput {
            name: unknown.clone(),
            known: names().collect::<Vec<_>>().join(", "),
        });
    }
    let vocabulary = vocabulary(model);
    let describe = |(index, info): (usize, &zkml_float::ValueInfo)| {
        let id = ir.outputs[index];
        let maker = ir.nodes.iter().find(|node| node.outputs.contains(&Some(id)));
        let normalised = maker.is_some_and(|node| matches!(node.op.as_str(), "Softmax" | "LogSoftmax"));
        let told = options.outputs.iter().find(|(name, _)| *name == info.name).map(|(_, kind)| *kind);
        let boolean = maker.is_some_and(|node| TRUTHS.contains(&node.op.as_str()));
        let integer = boolean || ir.integer.contains(&id);
        let kind = told.unwrap_or_else(|| {
            let last = info.shape.last().copied();
            if info.shape.len() > 2 && last.is_some() && last == vocabulary {
                return OutputKind::Tokens;
            }
            OutputKind::guess(&info.name, &info.shape, integer, normalised, labelled && index == 0)
        });
        let mut spread = Spread::default();
        floats.iter().filter_map(|outputs| outputs.get(index)).for_each(|values| spread.include(values));
        Output { name: info.name.clone(), kind, last: info.shape.last().copied().unwrap_or(1), spread }
    };
    Ok(model.outputs().iter().enumerate().map(describe).collect())
}

/// How many tokens a language model knows: rows of the table that its input indexes.
fn vocabulary(model: &Model) -> Option<usize> {
    let ir = model.graph();
    let embedding = ir
        .nodes
        .iter()
        .find(|node| node.op == "OneHot" && node.input(0).is_some_and(|id| ir.inputs.contains(&id)))?;
    ir.values[embedding.output(0)?].shape.as_ref()?.last().copied()
}

/// Greatest difference of the float model's outputs to those given with the samples, and whether each
/// output's is small. A given NaN is met by a NaN only.
fn import_error(samples: &[&Sample], floats: &[Vec<Vec<f32>>], outputs: &[Output]) -> (Option<f64>, bool) {
    let (mut greatest, mut right) = (None, true);
    for (sample, run) in samples.iter().zip(floats) {
        for ((given, own), output) in sample.output.iter().flatten().zip(run).zip(outputs) {
            for (&given, &own) in given.iter().zip(own) {
                let error = (f64::from(given) - f64::from(own)).abs();
                if error.is_nan() {
                    right &= (given.is_nan() && own.is_nan()) || given == own;
                    continue;
                }
                greatest = Some(f64::max(greatest.unwrap_or(0.0), error));
                right &= error <= IMPORT_ERROR * output.spread.range();
            }
        }
    }
    (greatest, right)
}
