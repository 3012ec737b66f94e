//! Compiling: calibrate, lower, judge, and widen if the target is missed.

use crate::calibrate::calibrate;
use crate::error::CompileError;
use crate::inspect::sketch;
use crate::layers::worst;
use crate::lower::{Lowered, lower};
use crate::options::{Bits, Options, Sample, check};
use crate::report::{AccuracyReport, Judge};
use zkml_float::Model;
use zkml_graph::validate::validate;
use zkml_graph::{Graph, Weights};
use zkml_verifier::circuit::Circuit;

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

/// Whether keys can be made for a graph: it is well-formed, and it has a circuit.
fn provable(graph: &Graph) -> Result<(), CompileError> {
    validate(graph)?;
    Circuit::new(graph)?;
    Ok(())
}

/// Turns a float model into an exact integer graph.
///
/// Every other sample (at most 256) sets the scales; the rest judge the result. If the
/// targets of `options` are missed and the search is on, more bits are tried. A single sample
/// does both, and the report says so. `progress` is called with a stage's name, how much of it is
/// done, and how much there is.
///
/// The float model that judges is the one of the file, before any rewrite, on all of its outputs.
///
/// # Errors
/// Returns [`CompileError::Unsupported`] with every node that cannot be proven. Other errors name the
/// sample's array, the option or the tensor at fault.
pub fn compile(
    model: &Model,
    samples: &[Sample],
    options: &Options,
    progress: &mut dyn FnMut(&str, u64, u64),
) -> Result<Compiled, CompileError> {
    check(options)?;
    if samples.is_empty() {
        return Err(CompileError::NoSamples);
    }
    if !model.unsupported().is_empty() {
        // All that cannot be proven, not only what cannot be run.
        sketch(model, options)?;
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
    let judge = Judge::new(model, &judged, calibration.len(), samples.len() == 1, options, progress)?;

    let mut widths = vec![(options.weight_bits, options.activation_bits)];
    for bits in WIDER.into_iter().filter(|_| options.search) {
        widths.push((bits.max(options.weight_bits), bits.max(options.activation_bits)));
    }
    widths.dedup();
    let mut best: Option<(Lowered, AccuracyReport)> = None;
    for (attempt, (weight, activation)) in widths.iter().copied().enumerate() {
        let stage = format!("quantizing to {weight}-bit weights, {activation}-bit activations");
        progress(&stage, attempt as u64, widths.len() as u64);
        let bits = Bits { weight, activation };
        let lowered = match lower(model.graph(), &stats, bits, options.relu) {
            // What is too wide with more bits may still have compiled with fewer.
            Err(CompileError::Unsupported(_)) if best.is_some() => break,
            other => other?,
        };
        match provable(&lowered.graph) {
            Err(_) if best.is_some() => break,
            other => other?,
        }
        let report = judge.judge(&lowered.graph, &lowered.weights, bits, options, progress)?;
        let met = report.target_met;
        let better = best.as_ref().is_none_or(|(_, b)| report.agreement > b.agreement || met);
        if better {
            best = Some((lowered, report));
        }
        if met {
            break;
        }
    }
    let (lowered, mut report) = best.ok_or(CompileError::NoSamples)?;
    if !report.target_met {
        progress("looking for the layer that loses most", 0, 1);
        report.worst_layer = worst(model, &lowered, &arrays)?;
    }
    Ok(Compiled { graph: lowered.graph, weights: lowered.weights, report })
}
