//! Compiling: calibrate, lower, judge, and widen where the target is missed.

use crate::calibrate::calibrate;
use crate::error::ImportError;
use crate::lower::{Bits, lower};
use crate::model::Model;
use crate::report::{AccuracyReport, Judge};
use zkml_graph::validate::validate;
use zkml_graph::{Graph, Weights};
use zkml_verifier::circuit::Circuit;

/// How ReLU is proven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReluProof {
    /// By a table, together with rounding and saturation.
    #[default]
    Lookup,
    /// By the bits of the accumulator.
    Bits,
}

/// A sample: inputs in the model's order, and what is known of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// One row-major array for each input, with or without the batch axis of 1.
    pub inputs: Vec<Vec<f32>>,
    /// The right class.
    pub label: Option<i64>,
    /// Outputs that the model's author computed, to check the import against.
    pub output: Option<Vec<Vec<f32>>>,
}

/// How to compile.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Bits of weights, 2..=16.
    pub weight_bits: u8,
    /// Bits of activations, 4..=12.
    pub activation_bits: u8,
    /// How ReLU is proven.
    pub relu: ReluProof,
    /// Least share of rows whose top class is the float model's, 0 to 1.
    pub min_agreement: f64,
    /// Greatest loss of accuracy against the labels, where there are labels, 0 to 1.
    pub max_accuracy_loss: f64,
    /// Whether to try more bits (10, then 12) where these two targets are missed.
    pub search: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            weight_bits: 8,
            activation_bits: 8,
            relu: ReluProof::Lookup,
            min_agreement: 0.99,
            max_accuracy_loss: 0.005,
            search: true,
        }
    }
}

/// A compiled model.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The public graph. Its inputs and outputs are the float model's, in order.
    pub graph: Graph,
    /// The hidden weights.
    pub weights: Weights,
    /// How well it agrees with the float model.
    pub report: AccuracyReport,
}

/// Most samples that scales are calibrated on.
const MAX_CALIBRATION: usize = 256;
/// Widths that the search tries after the first.
const WIDER: [u8; 2] = [10, 12];

pub(crate) fn check(options: &Options) -> Result<(), ImportError> {
    let fraction = |option, value: f64| {
        if (0.0..=1.0).contains(&value) {
            return Ok(());
        }
        Err(ImportError::Option { option, expected: "0 to 1", got: value.to_string() })
    };
    fraction("min_agreement", options.min_agreement)?;
    fraction("max_accuracy_loss", options.max_accuracy_loss)?;
    if !(2..=16).contains(&options.weight_bits) {
        let got = options.weight_bits.to_string();
        return Err(ImportError::Option { option: "weight_bits", expected: "2 to 16", got });
    }
    if !(4..=12).contains(&options.activation_bits) {
        let got = options.activation_bits.to_string();
        return Err(ImportError::Option { option: "activation_bits", expected: "4 to 12", got });
    }
    Ok(())
}

/// Whether keys can be made for a graph: it is well-formed, and it has a circuit.
fn provable(graph: &Graph) -> Result<(), ImportError> {
    validate(graph)?;
    Circuit::new(graph)?;
    Ok(())
}

/// Turns a float model into an exact integer graph.
///
/// Every other sample (at most 256) sets the scales; the rest judge the result, and where the
/// targets of `options` are missed and the search is on, more bits are tried. A single sample
/// does both, and the report says so. `progress` hears a stage's name, and how much of it is
/// done out of how much.
///
/// # Errors
/// [`ImportError::Unsupported`] lists every node that cannot be proven. Others name the sample's
/// array, the option or the tensor at fault.
pub fn compile(
    model: &Model,
    samples: &[Sample],
    options: &Options,
    progress: &mut dyn FnMut(&str, u64, u64),
) -> Result<Compiled, ImportError> {
    check(options)?;
    if samples.is_empty() {
        return Err(ImportError::NoSamples);
    }
    if !model.prepared.unsupported.is_empty() {
        // All that cannot be proven, not only what cannot be run.
        model.sketch(options)?;
    }
    let (seen, unseen): (Vec<_>, Vec<_>) =
        samples.iter().enumerate().partition(|(i, _)| i % 2 == 0 && i / 2 < MAX_CALIBRATION);
    let calibration: Vec<&Sample> = seen.into_iter().map(|(_, s)| s).collect();
    let mut judged: Vec<&Sample> = unseen.into_iter().map(|(_, s)| s).collect();
    if judged.is_empty() {
        judged.clone_from(&calibration);
    }

    progress("calibrating", 0, calibration.len() as u64);
    let arrays = calibration.iter().map(|s| model.arrays(&s.inputs)).collect::<Result<Vec<_>, _>>()?;
    let stats = calibrate(model, &arrays)?;
    progress("calibrating", calibration.len() as u64, calibration.len() as u64);
    let judge = Judge::new(model, &judged, calibration.len(), samples.len() == 1, progress)?;

    let mut widths = vec![(options.weight_bits, options.activation_bits)];
    for bits in WIDER.into_iter().filter(|_| options.search) {
        widths.push((bits.max(options.weight_bits), bits.max(options.activation_bits)));
    }
    widths.dedup();
    let mut best: Option<Compiled> = None;
    for (attempt, (weight, activation)) in widths.iter().copied().enumerate() {
        let stage = format!("quantising to {weight}-bit weights, {activation}-bit activations");
        progress(&stage, attempt as u64, widths.len() as u64);
        let bits = Bits { weight, activation };
        let lowered = match lower(&model.ir, &stats, bits, options.relu) {
            // What is too wide with more bits may still have compiled with fewer.
            Err(ImportError::Unsupported(_)) if best.is_some() => break,
            other => other?,
        };
        match provable(&lowered.graph) {
            Err(_) if best.is_some() => break,
            other => other?,
        }
        let report = judge.judge(&lowered.graph, &lowered.weights, bits, options, progress)?;
        let met = report.target_met;
        let better = best.as_ref().is_none_or(|b| report.agreement > b.report.agreement || met);
        if better {
            let (graph, weights) = (lowered.graph, lowered.weights);
            best = Some(Compiled { graph, weights, report });
        }
        if met {
            break;
        }
    }
    best.ok_or(ImportError::NoSamples)
}
