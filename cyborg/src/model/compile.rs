//! `cyborg model compile`: an ONNX model to an exact integer model.

use std::time::Instant;

use zkml_compile::{AccuracyReport, Options, ReluProof, Sample};
use zkml_float::Model;
use zkml_graph::codec::encode_model;

use super::arguments::{Compile, Relu};
use super::{read, samples};
use crate::error::Failure;
use crate::files::{self, Output, Secrecy};
use crate::progress::Progress;
use crate::report::{CommandOutput, bytes, seconds};

/// Compiles and writes the integer model.
pub(super) fn run(arguments: &Compile) -> Result<CommandOutput, Failure> {
    let out = Output::new(&arguments.out, Secrecy::Secret)?
        .apart_from(&[&arguments.model, &arguments.calibrate])?;
    let model =
        Model::read(&read(&arguments.model)?).map_err(|error| Failure::input(&arguments.model, error))?;
    let samples = Sample::all(&model, &samples(&arguments.calibrate)?)?;
    let defaults = Options::default();
    let fraction = |percent: Option<f64>, default| percent.map_or(default, |value| value / 100.0);
    let options = Options {
        weight_bits: arguments.weight_bits.unwrap_or(defaults.weight_bits),
        activation_bits: arguments.activation_bits.unwrap_or(defaults.activation_bits),
        relu: match arguments.relu {
            Relu::Lookup => ReluProof::Lookup,
            Relu::Bits => ReluProof::Bits,
        },
        min_agreement: fraction(arguments.min_agreement, defaults.min_agreement),
        max_accuracy_loss: fraction(arguments.max_loss, defaults.max_accuracy_loss),
        search: !arguments.fixed_bits,
    };

    let progress = Progress::new("compiling");
    let start = Instant::now();
    let compiled = zkml_compile::compile(&model, &samples, &options, &mut |stage, done, total| {
        progress.stage(stage, done, total);
    })
    .map_err(|error| Failure::input(&arguments.model, error))?;
    let elapsed = start.elapsed().as_secs_f64();
    drop(progress);
    let accuracy = &compiled.report;
    let asked = arguments.min_agreement.is_some() || arguments.max_loss.is_some();
    if asked && !accuracy.target_met {
        return Err(Failure::input(&arguments.model, missed(accuracy)));
    }
    let encoded = encode_model(&compiled.graph, &compiled.weights)
        .map_err(|error| Failure::input(&arguments.model, error))?;
    files::write(&[(&out, &encoded)])?;

    let mut report = CommandOutput::default();
    let path = arguments.out.display().to_string();
    let shown = format!("{path} ({}; holds the weights)", bytes(encoded.len() as u64));
    report.field("model", path, "model", shown);
    report.json("model_bytes", encoded.len());
    describe(&mut report, accuracy);
    report.field("seconds", elapsed, "time", seconds(elapsed));
    if !accuracy.target_met {
        report.line(format!("note: {}", missed(accuracy)));
    }
    Ok(report)
}

/// The accuracy report: integers against floats.
fn describe(report: &mut CommandOutput, accuracy: &AccuracyReport) {
    let widths = format!("{} bits, activations {}", accuracy.weight_bits, accuracy.activation_bits);
    report.json("weight_bits", accuracy.weight_bits);
    report.json("activation_bits", accuracy.activation_bits);
    report.line(format!("{:<24} {widths}", "weights"));
    let split = if accuracy.held_out { "others" } else { "the same ones" };
    report.json("calibration_samples", accuracy.calibration_samples);
    report.json("judged_samples", accuracy.judged_samples);
    report.json("held_out", accuracy.held_out);
    report.line(format!(
        "{:<24} {} set the scales, {} judge ({split})",
        "samples", accuracy.calibration_samples, accuracy.judged_samples
    ));
    let agreement = 100.0 * accuracy.agreement;
    let shown = format!("{agreement:.2} % of {} rows, {}", accuracy.rows, accuracy.criterion);
    report.field("agreement_percent", agreement, "agreement with floats", shown);
    report.json("criterion", accuracy.criterion);
    for (key, label, value) in [
        ("float_accuracy_percent", "accuracy of floats", accuracy.float_accuracy),
        ("accuracy_percent", "accuracy of integers", accuracy.integer_accuracy),
    ] {
        if let Some(value) = value {
            report.field(key, 100.0 * value, label, format!("{:.2} %", 100.0 * value));
        }
    }
    let magnitude = accuracy.output_magnitude;
    let shown = format!(
        "{:.4} on average, {:.4} at most, of outputs up to {magnitude:.2}",
        accuracy.mean_error, accuracy.max_error
    );
    report.json("max_output_error", accuracy.max_error);
    report.json("output_magnitude", magnitude);
    report.field("mean_output_error", accuracy.mean_error, "output error", shown);
    if let Some(error) = accuracy.reference_error {
        let shown = format!("{error:.2e} from the outputs in the samples");
        report.field("reference_error", error, "import error", shown);
    }
    report.json("target_met", accuracy.target_met);
}

/// Why an integer model is not good enough, and what helps.
fn missed(accuracy: &AccuracyReport) -> String {
    let loss = accuracy.float_accuracy.zip(accuracy.integer_accuracy).map_or(0.0, |(f, i)| f - i);
    format!(
        "the integer model misses the accepted accuracy: {:.2} % agreement, {:.2} points lost; \
         calibrate on more samples, widen with --weight-bits and --activation-bits, or accept it \
         with --min-agreement and --max-loss",
        100.0 * accuracy.agreement,
        100.0 * loss
    )
}
