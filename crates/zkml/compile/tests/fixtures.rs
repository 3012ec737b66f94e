//! Every operator and small network that both PyTorch exporters wrote into the float crate's
//! `fixtures/`: the integer model against the float model.

use std::error::Error;
use std::path::{Path, PathBuf};

use serde_json::Value;
use zkml_compile::{Options, ReluProof, Sample, compile};
use zkml_float::Model;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../float/tests/fixtures")
}

/// Names of the fixtures with expected outputs, sorted.
fn names() -> Outcome<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder())? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "json") {
            names.extend(path.file_stem().map(|s| s.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

fn floats(value: &Value) -> Vec<f32> {
    let list = value.as_array().map_or(&[][..], Vec::as_slice);
    list.iter().map(|v| v.as_f64().unwrap_or(f64::NAN) as f32).collect()
}

/// The samples of a fixture, with expected outputs.
fn samples(name: &str, model: &Model) -> Outcome<Vec<Sample>> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json")))?;
    let value: Value = serde_json::from_str(&text)?;
    let arrays = |kind: &str, name: &str| -> Outcome<Vec<Vec<f32>>> {
        let samples = value[kind][name]["samples"].as_array();
        let samples = samples.ok_or_else(|| format!("{kind} {name:?} is missing"))?;
        Ok(samples.iter().map(floats).collect())
    };
    let columns = |kind: &str, names: Vec<String>| -> Outcome<Vec<Vec<Vec<f32>>>> {
        names.iter().map(|n| arrays(kind, n)).collect()
    };
    let inputs = columns("inputs", model.inputs().iter().map(|v| v.name.clone()).collect())?;
    let outputs = columns("outputs", model.outputs().iter().map(|v| v.name.clone()).collect())?;
    let count = inputs.first().map_or(0, Vec::len);
    Ok((0..count)
        .map(|i| Sample {
            inputs: inputs.iter().map(|c| c[i].clone()).collect(),
            label: None,
            output: Some(outputs.iter().map(|c| c[i].clone()).collect()),
        })
        .collect())
}

fn read(name: &str) -> Outcome<Model> {
    Ok(Model::read(&std::fs::read(folder().join(format!("{name}.onnx")))?)?)
}

/// Compiles every fixture at one width; errors are relative to the greatest output.
fn integers_follow_floats(bits: u8, relu: ReluProof, tolerance: f64) -> Outcome<()> {
    let mut failures = Vec::new();
    for name in names()? {
        let check = || -> Outcome<()> {
            let model = read(&name)?;
            // Every sample twice: all are calibrated on, and all are judged.
            let samples = samples(&name, &model)?.into_iter().flat_map(|s| [s.clone(), s]);
            let samples: Vec<Sample> = samples.collect();
            let options = Options {
                weight_bits: bits,
                activation_bits: bits,
                relu,
                search: false,
                ..Options::default()
            };
            let compiled = compile(&model, &samples, &options, &mut |_, _, _| {})?;
            // A step moves a whole unit when its argument rounds to the other side.
            let steps = ["ceil", "floor", "round", "sign"].iter().any(|s| name.starts_with(s));
            for output in compiled.report.outputs {
                let mean = output.mean_error / output.magnitude.max(1e-3);
                let relative = if steps { mean } else { output.relative_error() };
                if relative > tolerance {
                    return Err(format!("relative error {relative:.4}: {output:?}").into());
                }
            }
            Ok(())
        };
        if let Err(error) = check() {
            failures.push(format!("{name}: {error}"));
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

#[test]
fn integers_of_8_bits_follow_floats() -> Outcome<()> {
    integers_follow_floats(8, ReluProof::Lookup, 0.05)
}

#[test]
fn integers_of_12_bits_follow_floats() -> Outcome<()> {
    integers_follow_floats(12, ReluProof::Lookup, 0.005)
}

#[test]
fn relu_by_bits_follows_floats() -> Outcome<()> {
    integers_follow_floats(8, ReluProof::Bits, 0.05)
}
