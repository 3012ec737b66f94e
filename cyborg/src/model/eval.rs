//! `cyborg model run` and `cyborg model eval`: integer inference of one sample or of all.

use std::time::Instant;

use rayon::prelude::*;
use zkml_engine::Engine;
use zkml_samples::{Criterion, Ports, Row, Score};

use super::arguments::{Eval, Run};
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
    let samples = samples(&arguments.sample.input)?;
    let inputs = Ports::inputs(&graph).sample(&samples, arguments.sample.index)?;
    let start = Instant::now();
    let outputs = zkml_engine::run(&graph, &weights, &inputs)
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
    report.field("latency_seconds", latency, "latency", seconds(latency));
    Ok(report)
}

/// Accuracy, agreement with the float model, latency and throughput over a data set.
pub(super) fn eval(arguments: &Eval) -> Result<CommandOutput, Failure> {
    let (graph, weights) = load(&arguments.model)?;
    let samples = samples(&arguments.data)?;
    let (inputs, outputs) = (Ports::inputs(&graph), Ports::outputs(&graph));
    let count = inputs.count(&samples)?;
    let classes = outputs.tensors.first().and_then(|tensor| tensor.shape.last()).copied();
    let classes = classes.unwrap_or(1) as usize;
    let failed = |error| Failure::input(&arguments.model, error);
    let engine = Engine::new(&graph, &weights).map_err(failed)?;
    let infer = |inputs: &[Vec<i64>]| engine.run(inputs).map_err(failed);

    let progress = Progress::new("evaluating");
    let mut score = Score::default();
    let mut latencies = Vec::with_capacity(count);
    let mut integers = Vec::with_capacity(count);
    for index in 0..count {
        let sample = inputs.sample(&samples, index)?;
        let start = Instant::now();
        let answer = infer(&sample)?;
        latencies.push(start.elapsed().as_secs_f64());
        let other = outputs.rows(&samples, index)?;
        let other = other.as_deref().and_then(<[Row<'_>]>::first).map(|row| row.to_f32());
        if let Some(real) = outputs.real(&answer).first() {
            score.count(real, classes, Criterion::Top1, samples.labels_for(index)?, other.as_deref());
            if let Some(other) = &other {
                score.measure(real, other);
            }
        }
        integers.push(sample);
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
    if score.compared > 0 {
        let agreement = percent(score.agreed, score.compared);
        let shown = format!("{agreement:.2} % ({} of {})", score.agreed, score.compared);
        report.field("agreement_percent", agreement, "agreement with floats", shown);
        let (max, mean) = (score.max_error, score.mean_error());
        report.field("max_output_error", max, "greatest output error", format!("{max:.6}"));
        report.field("mean_output_error", mean, "mean output error", format!("{mean:.6}"));
    }
    report.field("latency_seconds", median, "latency, median", seconds(median));
    report.field("latency_p95_seconds", slow, "latency, 95 %", seconds(slow));
    let shown = format!("{throughput:.0} samples/s on {} threads", rayon::current_num_threads());
    report.field("throughput_per_second", throughput, "throughput", shown);
    Ok(report)
}

/// A fraction in percent.
fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}
