//! Every operator and small network that both PyTorch exporters wrote into `fixtures/`: the float
//! model against PyTorch's own outputs.

use std::error::Error;
use std::path::{Path, PathBuf};

use serde_json::Value;
use zkml_float::{Model, ValueInfo};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
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

/// All samples of a fixture's values: for each sample one array for each value.
fn samples(fixture: &Value, kind: &str, values: &[ValueInfo]) -> Outcome<Vec<Vec<Vec<f32>>>> {
    let mut samples: Vec<Vec<Vec<f32>>> = Vec::new();
    for ValueInfo { name, .. } in values {
        let arrays = fixture[kind][name]["samples"].as_array();
        let arrays = arrays.ok_or_else(|| format!("{kind} {name:?} is missing"))?;
        samples.resize(samples.len().max(arrays.len()), Vec::new());
        samples.iter_mut().zip(arrays).for_each(|(sample, array)| sample.push(floats(array)));
    }
    Ok(samples)
}

/// The float model's outputs are close to those that PyTorch computed.
fn agrees_with_pytorch(name: &str) -> Outcome<()> {
    let model = Model::read(&std::fs::read(folder().join(format!("{name}.onnx")))?)?;
    let fixture = serde_json::from_str(&std::fs::read_to_string(folder().join(format!("{name}.json")))?)?;
    let inputs = samples(&fixture, "inputs", model.inputs())?;
    for (sample, outputs) in inputs.iter().zip(samples(&fixture, "outputs", model.outputs())?) {
        for (got, expected) in model.run(sample)?.iter().zip(outputs) {
            if got.len() != expected.len() {
                return Err(format!("{} elements, not {}", got.len(), expected.len()).into());
            }
            let size = expected.iter().fold(1f32, |m, v| m.max(v.abs()));
            for (g, e) in got.iter().zip(expected) {
                if (g - e).abs() > 1e-4 * size {
                    return Err(format!("{g} instead of {e}").into());
                }
            }
        }
    }
    Ok(())
}

#[test]
fn the_float_model_is_pytorch_s() -> Outcome<()> {
    let mut failures = Vec::new();
    for name in names()? {
        if let Err(error) = agrees_with_pytorch(&name) {
            failures.push(format!("{name}: {error}"));
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}
