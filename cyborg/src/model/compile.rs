//! `cyborg model compile`: an ONNX model to an exact integer model.

use std::time::Instant;

use serde_json::{Value, json};
use zkml_compile::{AccuracyReport, LayerLoss, Options, OutputReport, ReluProof, Sample};
use zkml_graph::codec::encode_model;

use super::arguments::{Compile, Relu};
use super::eval::detail;
use super::input::saturation;
use super::{onnx, read, samples};
use crate::error::Failure;
use crate::files::{self, Output, Secrecy};
use crate::progress::Progress;
use crate::report::{CommandOutput, bytes, seconds};

/// Compiles and writes the integer model.
pub(super) fn run(arguments: &Compile) -> Result<CommandOutput, Failure> {
    let out = Output::new(&arguments.out, Secrecy::Secret)?
        .apart_from(&[&arguments.model, &arguments.calibrate])?;
    let model = onnx(&arguments.model, &read(&arguments.model)?, &arguments.shapes)?;
    let samples = Sample::all(&model, &samples(&arguments.calibrate)?)?;
    let defaults = Options::default();
    let options = Options {
        weight_bits: arguments.weight_bits.unwrap_or(defaults.weight_bits),
        activation_bits: arguments.activation_bits.unwrap_or(defaults.activation_bits),
        relu: match arguments.relu {
            Relu::Lookup => ReluProof::Lookup,
            Relu::Bits => ReluProof::Bits,
        },
        min_agreement: arguments.accept_accuracy.map(|percent| percent / 100.0),
        max_accuracy_loss: arguments.max_loss.map_or(defaults.max_accuracy_loss, |points| points / 100.0),
        search: !arguments.fixed_bits,
        outputs: arguments.output_kinds.clone(),
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
    if !accuracy.target_met {
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
    report.json("agreement_percent", 100.0 * accuracy.agreement);
    report.json("outputs", accuracy.outputs.iter().map(as_json).collect::<Vec<_>>());
    for output in &accuracy.outputs {
        let of = if accuracy.outputs.len() > 1 { format!(" of {}", output.name) } else { String::new() };
        describe_output(report, &of, output);
    }
    for (key, label, value) in [
        ("float_accuracy_percent", "accuracy of floats", accuracy.float_accuracy),
        ("accuracy_percent", "accuracy of integers", accuracy.integer_accuracy),
    ] {
        if let Some(value) = value {
            report.field(key, 100.0 * value, label, format!("{:.2} %", 100.0 * value));
        }
    }
    report.json("saturated_inputs", accuracy.saturated_inputs);
    if accuracy.saturated_inputs > 0 {
        report.line(format!("note: {}", saturation(accuracy.saturated_inputs, accuracy.input_elements)));
    }
    if let Some(error) = accuracy.reference_error {
        let shown = format!("{error:.2e} from the outputs in the samples");
        report.field("reference_error", error, "import error", shown);
    }
    report.json("target_met", accuracy.target_met);
}

/// Agreement and error of one output.
fn describe_output(report: &mut CommandOutput, of: &str, output: &OutputReport) {
    let OutputReport { agreement, rows, criterion, mean_error, max_error, magnitude, .. } = output;
    let label = if of.is_empty() { "agreement with floats".to_owned() } else { format!("agreement{of}") };
    report.line(format!("{label:<24} {:.2} % of {rows} rows, {criterion}", 100.0 * agreement));
    report.line(format!(
        "{:<24} {mean_error:.4} on average, {max_error:.4} at most, of outputs up to {magnitude:.2}",
        if of.is_empty() { "output error".to_owned() } else { format!("error{of}") }
    ));
    if let Some((measure, value)) = output.detail {
        report.line(detail(of, measure, value));
    }
    if output.not_finite > 0 {
        let elements = output.not_finite;
        report.line(format!("note: {elements} elements{of} are NaN or infinite in the float model"));
    }
}

fn as_json(output: &OutputReport) -> Value {
    let mut object = json!({
        "name": output.name,
        "kind": output.kind,
        "criterion": output.criterion,
        "rows": output.rows,
        "agreement_percent": 100.0 * output.agreement,
        "max_error": output.max_error,
        "mean_error": output.mean_error,
        "magnitude": output.magnitude,
        "not_finite": output.not_finite,
    });
    if let Some((measure, value)) = output.detail {
        object[measure] = value.into();
    }
    object
}

/// Why an integer model is not good enough, and what helps.
fn missed(accuracy: &AccuracyReport) -> String {
    if !accuracy.import_right {
        let error = accuracy.reference_error.unwrap_or(f64::NAN);
        return format!(
            "the float model does not yield the outputs that the samples give: it is {error:.3e} away; are \
             they of this model?"
        );
    }
    let loss = accuracy.float_accuracy.zip(accuracy.integer_accuracy).map_or(0.0, |(f, i)| f - i);
    let least = accuracy.outputs.iter().min_by(|a, b| a.agreement.total_cmp(&b.agreement));
    let output = least.filter(|_| accuracy.outputs.len() > 1).map(|output| format!(" of {:?}", output.name));
    let criterion = least.map_or("", |output| output.criterion);
    let place = accuracy.worst_layer.as_ref().map(|layer| {
        let LayerLoss { node, operator, error, .. } = layer;
        format!(
            "; most is lost in {node:?} ({operator}), whose error is {:.1} % of its spread",
            100.0 * error
        )
    });
    format!(
        "the integer model misses the accepted accuracy: {:.2} % of rows{} agree ({criterion}), {:.2} points \
         lost{}; calibrate on more samples, widen with --weight-bits and --activation-bits, or accept it with \
         --accept-accuracy and --max-loss",
        100.0 * accuracy.agreement,
        output.unwrap_or_default(),
        100.0 * loss,
        place.unwrap_or_default()
    )
}
