//! Small models of one question each, which reviewers wrote: the importer and the integer model against
//! onnxruntime's outputs.
//!
//! `cases/NAME.npz` holds inputs and `cases/NAME.out.npz` what onnxruntime makes of them (with
//! `OUTPUT:not finite` where it is NaN or infinite); `cases.txt` what we do with each, in one line.
//! A model that is accepted must be right: a wrong one fails here, whatever the file says. After a
//! change, `ZKML_WRITE_CASES=1` writes the file anew.

use std::error::Error;
use std::path::{Path, PathBuf};

use zkml_compile::{AccuracyReport, Options, Sample, compile};
use zkml_float::Model;
use zkml_float::onnx::Reading;
use zkml_samples::{Array, Samples, Values};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Greatest error of the float model, as a share of the range of the reference: what half precision, in
/// which onnxruntime computes a model of it, leaves open.
const FLOAT_ERROR: f64 = 1e-3;
/// Greatest mean error of an integer model that meets its targets, as a share of the range.
const INTEGER_ERROR: f64 = 0.03;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn names() -> Outcome<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder().join("cases"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "onnx") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

fn read(name: &str) -> Outcome<Samples> {
    Ok(Samples::from_bytes(name, &std::fs::read(folder().join("cases").join(name))?)?)
}

/// The array of a name as rows of one sample each.
fn rows(samples: &Samples, name: &str) -> Option<Vec<Vec<f32>>> {
    let array: &Array = samples.array(name)?;
    let count = *array.shape().first()?;
    let values: Vec<f32> = match array.values() {
        Values::Float(values) => values.clone(),
        Values::Integer(values) => values.iter().map(|&value| value as f32).collect(),
    };
    let size = values.len() / count.max(1);
    Some((0..count).map(|sample| values[sample * size..][..size].to_vec()).collect())
}

/// By sample and output, what onnxruntime yields.
fn reference(name: &str, model: &Model) -> Outcome<Option<Vec<Vec<Vec<f32>>>>> {
    let Ok(samples) = read(&format!("{name}.out.npz")) else { return Ok(None) };
    let mut columns = Vec::new();
    for output in model.outputs() {
        let mut column = rows(&samples, &output.name).ok_or("an output is missing")?;
        for (row, flags) in column
            .iter_mut()
            .zip(rows(&samples, &format!("{}:not finite", output.name)).into_iter().flatten())
        {
            row.iter_mut().zip(&flags).filter(|(_, flag)| **flag != 0.0).for_each(|(v, _)| *v = f32::NAN);
        }
        columns.push(column);
    }
    let count = columns.first().map_or(0, Vec::len);
    Ok(Some((0..count).map(|i| columns.iter().map(|column| column[i].clone()).collect()).collect()))
}

/// Greatest and mean error of rows against a reference, as a share of its range; the greatest is infinite
/// where only one of them is finite.
fn errors(own: &[Vec<f32>], reference: &[Vec<f32>]) -> (f64, f64) {
    let finite = || reference.iter().flatten().copied().filter(|value| value.is_finite()).map(f64::from);
    let (low, high) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let range = if high > low { high - low } else { high.abs().max(1e-6) };
    let (mut greatest, mut sum, mut count) = (0.0, 0.0, 0.0);
    for (&own, &reference) in own.iter().flatten().zip(reference.iter().flatten()) {
        if own.is_finite() != reference.is_finite() {
            greatest = f64::INFINITY;
        } else if own.is_finite() {
            let error = (f64::from(own) - f64::from(reference)).abs() / range;
            greatest = f64::max(greatest, error);
            sum += error;
            count += 1.0;
        }
    }
    (greatest, sum / f64::max(count, 1.0))
}

/// One output of every sample.
fn column(outputs: &[Vec<Vec<f32>>], index: usize) -> Vec<Vec<f32>> {
    outputs.iter().map(|sample| sample[index].clone()).collect()
}

/// What becomes of a case; an error if it is accepted and wrong.
fn judged(name: &str) -> Outcome<String> {
    let bytes = std::fs::read(folder().join(format!("cases/{name}.onnx")))?;
    let external = |location: &str| std::fs::read(folder().join("cases").join(location));
    let shapes = match name {
        "16c_dyn_seq" => vec![("x".to_owned(), vec![1, 4, 8])],
        _ => Vec::new(),
    };
    let model = match Model::read_with(&bytes, &Reading { shapes, external: Some(&external) }) {
        Ok(model) => model,
        Err(error) => return Ok(format!("not read: {error}")),
    };
    let samples = read(&format!("{name}.npz"))?;
    let columns = model.inputs().iter().map(|input| rows(&samples, &input.name));
    let columns = columns.collect::<Option<Vec<_>>>().ok_or("an input is missing")?;
    let expected = reference(name, &model)?;
    let count = columns.first().map_or(0, Vec::len);
    let samples: Vec<Sample> = (0..count)
        .map(|i| Sample {
            inputs: columns.iter().map(|column| column[i].clone()).collect(),
            labels: Vec::new(),
            output: None,
        })
        .collect();
    if model.unsupported().is_empty()
        && let Some(expected) = &expected
    {
        let own = samples.iter().map(|s| model.run(&s.inputs)).collect::<Result<Vec<_>, _>>()?;
        for (index, output) in model.outputs().iter().enumerate() {
            let (greatest, _) = errors(&column(&own, index), &column(expected, index));
            if greatest > FLOAT_ERROR {
                return Err(format!("{}: the float model is wrong by {greatest:.2e}", output.name).into());
            }
        }
    }
    let compiled = match compile(&model, &samples, &Options::default(), &mut |_, _, _| {}) {
        Ok(compiled) => compiled,
        Err(error) => return Ok(format!("refused: {error}")),
    };
    let expected = expected.ok_or("accepted, and onnxruntime refuses it")?;
    if compiled.report.target_met {
        let ports = zkml_samples::Ports::inputs(&compiled.graph);
        let outputs = zkml_samples::Ports::outputs(&compiled.graph);
        let mut own = Vec::new();
        for sample in &samples {
            let inputs = ports.integers(&sample.inputs)?;
            own.push(outputs.real(&zkml_engine::run(&compiled.graph, &compiled.weights, &inputs)?));
        }
        for (index, output) in model.outputs().iter().enumerate() {
            let (greatest, mean) = errors(&column(&own, index), &column(&expected, index));
            if mean > INTEGER_ERROR || greatest.is_infinite() {
                return Err(format!(
                    "{}: accepted, and wrong by {:.1} % of the range",
                    output.name,
                    100.0 * mean
                )
                .into());
            }
        }
    }
    Ok(described(&compiled.report))
}

fn described(report: &AccuracyReport) -> String {
    let outputs: Vec<String> = report
        .outputs
        .iter()
        .map(|output| format!("{} {:.1} % {}", output.name, 100.0 * output.agreement, output.criterion))
        .collect();
    let bits = format!("{} bits", report.activation_bits);
    let verdict = match &report.worst_layer {
        _ if report.target_met => "right".to_owned(),
        Some(layer) => format!("below the target, most of it in {} ({})", layer.node, layer.operator),
        None => "below the target".to_owned(),
    };
    format!("{verdict}: {bits}, {}", outputs.join(", "))
}

#[test]
fn what_is_accepted_is_right() -> Outcome<()> {
    let (mut lines, mut wrong) = (String::new(), Vec::new());
    for name in names()? {
        match judged(&name) {
            Ok(line) => lines += &format!("{name} | {}\n", line.escape_debug()),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "accepted and wrong:\n{}", wrong.join("\n"));
    let path = folder().join("cases.txt");
    if std::env::var_os("ZKML_WRITE_CASES").is_some() {
        std::fs::write(&path, &lines)?;
    }
    let kept = std::fs::read_to_string(&path)?;
    for (now, kept) in lines.lines().zip(kept.lines()) {
        assert_eq!(now, kept, "the outcome changed; ZKML_WRITE_CASES=1 writes cases.txt anew");
    }
    assert_eq!(lines.lines().count(), kept.lines().count());
    Ok(())
}
