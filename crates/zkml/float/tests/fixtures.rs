//! Every operator and small network that both PyTorch exporters wrote into `fixtures/`: the float
//! model against PyTorch's own outputs.

use std::path::{Path, PathBuf};

use zkml_float::Model;
use zkml_testkit::fixtures::{Outcome, names, read, samples};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The float model's outputs are close to those that PyTorch computed.
fn agrees_with_pytorch(name: &str) -> Outcome<()> {
    let fixture = read(&folder(), name)?;
    let model = Model::read(&fixture.model)?;
    let inputs = samples(&fixture.inputs, model.inputs().iter().map(|v| v.name.as_str()))?;
    let outputs = samples(&fixture.outputs, model.outputs().iter().map(|v| v.name.as_str()))?;
    for (sample, outputs) in inputs.iter().zip(outputs) {
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
    for name in names(&folder())? {
        if let Err(error) = agrees_with_pytorch(&name) {
            failures.push(format!("{name}: {error}"));
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}
