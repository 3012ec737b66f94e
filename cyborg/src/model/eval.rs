//! `cyborg model run` and `cyborg model eval`: integer inference of one sample or of all.

use std::time::Instant;

use rayon::prelude::*;
use serde_json::{Value, json};
use zkml_engine::Engine;
use zkml_samples::{OutputKind, Ports, Row, Samples, Score, Spread};

use super::arguments::{Eval, Run};
use super::input::{Input, saturation};
use super::{integers_as_json, load, samples, shown};
use crate::error::Failure;
use crate::files::{self, Output, Secrecy};
use crate::progress::Progress;
use crate::report::{CommandOutput, seconds};

/// Integer inference of one sample.
pub(super) fn run(arguments: &Run) -> Result<CommandOutput, Failure> {
    let out = arguments
        .out
        .as_deref()
        .map(|path| {
            Output::new(path, Secrecy::Public)?.apart_from(&[&arguments.model, &arguments.sample.input])
        })
        .transpose()?;
    let (graph, weights) = load(&arguments.model)?;
    let input = Input::read(&Ports::inputs(&graph), &arguments.sample)?;
    let start = Instant::now();
    let outputs = zkml_engine::run(&graph, &weights, &input.integers)
        .map_err(|error| Failure::input(&arguments.model, error))?;
    let latency = start.elapsed().as_secs_f64();

    let ports = Ports::outputs(&graph);
    if let Some(out) = &out {
        files::write(&[(out, integers_as_json(&ports, &outputs).to_string().as_bytes())])?;
    }
    let (lines, values) = shown(&ports, &outputs);
    let mut report = CommandOutput::default();
    report.json("index", arguments.sample.index).json("outputs", values);
    lines.into_iter().for_each(|line| {
        report.line(line);
    });
    input.describe(&mut report);
    report.field("latency_seconds", latency, "latency", seconds(latency));
    Ok(report)
}

/// Accuracy, agreement with the float model, latency and throughput over a data set.
pub(super) fn eval(arguments: &Eval) -> Result<CommandOutput, Failure> {
    let (graph, weights) = load(&arguments.model)?;
    let samples = samples(&arguments.data)?;
    let (inputs, outputs) = (Ports::inputs(&graph), Ports::outputs(&graph));
    let count = inputs.count(&samples)?;
    let failed = |error| Failure::input(&arguments.model, error);
    let engine = Engine::new(&graph, &weights).map_err(failed)?;
    let infer = |inputs: &[Vec<i64>]| engine.run(inputs).map_err(failed);

    let progress = Progress::new("evaluating");
    let mut scores = scores(&outputs, &samples, count, &arguments.output_kinds)?;
    let mut saturated = (0, 0);
    let mut latencies = Vec::with_capacity(count);
    let mut integers = Vec::with_capacity(count);
    for index in 0..count {
        let sample = Input::of(&inputs, &samples, index)?;
        saturated = (saturated.0 + sample.saturated, saturated.1 + sample.elements);
        let start = Instant::now();
        let answer = infer(&sample.integers)?;
        latencies.push(start.elapsed().as_secs_f64());
        let other = outputs.rows(&samples, index)?;
        for (place, (score, own)) in scores.iter_mut().zip(outputs.real(&answer)).enumerate() {
            let labels = samples.labels_for(index)?.filter(|_| place == 0);
            let other = other.as_deref().and_then(|rows| rows.get(place)).map(|row| row.to_f32());
            score.count(&own, labels, other.as_deref());
        }
        integers.push(sample.integers);
        progress.stage("one at a time", index as u64 + 1, count as u64);
    }
    progress.stage("in parallel", 0, 1);
    let start = Instant::now();
    integers.par_iter().try_for_each(|sample| infer(sample).map(drop))?;
    let throughput = count as f64 / start.elapsed().as_secs_f64().max(f64::MIN_POSITIVE);
    drop(progress);
    latencies.sort_by(f64::total_cmp);
    let at = |share: usize| latencies.get((count * share / 100).min(count.saturating_sub(1)));
    let median = at(50).copied().unwrap_or_default();
    let slow = at(95).copied().unwrap_or_default();

    let mut report = CommandOutput::default();
    report.field("samples", count, "samples", count);
    if let Some(score) = scores.first() {
        describe_labels(&mut report, score);
    }
    for (name, score) in outputs.names.iter().zip(&scores).filter(|(_, score)| score.compared > 0) {
        describe_output(&mut report, name, score, scores.len() > 1);
    }
    if scores.iter().any(|score| score.compared > 0) {
        let agreement = scores.iter().map(Score::agreement).fold(1.0, f64::min);
        report.json("agreement_percent", 100.0 * agreement);
        report.json("outputs", outputs_as_json(&outputs, &scores));
    }
    report.json("saturated_inputs", saturated.0);
    if saturated.0 > 0 {
        report.line(format!("note: {}", saturation(saturated.0, saturated.1)));
    }
    report.field("latency_seconds", median, "latency, median", seconds(median));
    report.field("latency_p95_seconds", slow, "latency, 95 %", seconds(slow));
    let shown = format!("{throughput:.0} samples/s on {} threads", rayon::current_num_threads());
    report.field("throughput_per_second", throughput, "throughput", shown);
    Ok(report)
}

/// A score for each output: its kind as told, or as guessed from its shape and the file.
fn scores(
    outputs: &Ports<'_>,
    samples: &Samples,
    count: usize,
    kinds: &[(String, OutputKind)],
) -> Result<Vec<Score>, Failure> {
    let mut spreads = vec![Spread::default(); outputs.names.len()];
    let mut integer = vec![false; outputs.names.len()];
    for index in 0..count {
        for (place, row) in outputs.rows(samples, index)?.into_iter().flatten().enumerate() {
            integer[place] = matches!(row, Row::Integer(_));
            spreads[place].include(&row.to_f32());
        }
    }
    if let Some((name, _)) = kinds.iter().find(|(name, _)| !outputs.names.contains(name)) {
        let problem = format!("the model has no output {name:?}; it has {}", outputs.names.join(", "));
        return Err(Failure::Usage { flag: "--output-kind", problem });
    }
    let labelled = count > 0 && samples.labels_for(0)?.is_some();
    let score = |place: usize| {
        let (name, tensor) = (&outputs.names[place], outputs.tensors[place]);
        // A graph keeps no batch axis.
        let shape: Vec<usize> = [1].into_iter().chain(tensor.shape.iter().map(|&e| e as usize)).collect();
        let told = kinds.iter().find(|(told, _)| told == name).map(|(_, kind)| *kind);
        let guess = || OutputKind::guess(name, &shape, integer[place], false, labelled && place == 0);
        let last = shape.last().copied().unwrap_or(1);
        Score::new(told.unwrap_or_else(guess), last, spreads[place].range())
    };
    Ok((0..outputs.names.len()).map(score).collect())
}

/// How often the class is right.
fn describe_labels(report: &mut CommandOutput, score: &Score) {
    if score.labelled > 0 {
        let accuracy = percent(score.right, score.labelled);
        let shown = format!("{accuracy:.2} % ({} of {})", score.right, score.labelled);
        report.field("accuracy_percent", accuracy, "accuracy", shown);
    }
    if score.other_labelled > 0 {
        let accuracy = percent(score.other_right, score.other_labelled);
        let shown = format!("{accuracy:.2} % ({} of {})", score.other_right, score.other_labelled);
        report.field("float_accuracy_percent", accuracy, "accuracy of floats", shown);
    }
}

/// How well an output agrees with the float model's in the file.
fn describe_output(report: &mut CommandOutput, name: &str, score: &Score, named: bool) {
    let of = if named { format!(" of {name}") } else { String::new() };
    let agreement = percent(score.agreed, score.compared);
    let criterion = score.kind().criterion();
    report.line(format!(
        "{:<24} {agreement:.2} % ({} of {}), {criterion}",
        format!("agreement{of}"),
        score.agreed,
        score.compared
    ));
    let (max, mean) = (score.max_error, score.mean_error());
    report.line(format!("{:<24} {mean:.6} on average, {max:.6} at most", format!("error{of}")));
    if let Some((measure, value)) = score.detail_measured() {
        report.line(detail(&of, measure, value));
    }
}

/// A line for what else is measured of an output.
pub(super) fn detail(of: &str, measure: &str, value: f64) -> String {
    let (label, shown) = match measure {
        "error_of_range" => ("error", format!("{:.3} % of the range, on average", 100.0 * value)),
        "perplexity_factor" => ("perplexity", format!("{:+.2} %", 100.0 * (value - 1.0))),
        "cosine" => ("cosine", format!("{value:.5} on average")),
        _ => ("signal to noise", format!("{value:.1} dB on average")),
    };
    format!("{:<24} {shown}", format!("{label}{of}"))
}

fn outputs_as_json(outputs: &Ports<'_>, scores: &[Score]) -> Vec<Value> {
    let pairs = outputs.names.iter().zip(scores);
    pairs
        .map(|(name, score)| {
            let mut object = json!({
                "name": name,
                "kind": score.kind().name(),
                "criterion": score.kind().criterion(),
                "rows": score.compared,
                "agreement_percent": 100.0 * score.agreement(),
                "max_error": score.max_error,
                "mean_error": score.mean_error(),
                "not_finite": score.not_finite,
            });
            if let Some((measure, value)) = score.detail_measured() {
                object[measure] = value.into();
            }
            object
        })
        .collect()
}

/// A fraction in percent.
fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}
