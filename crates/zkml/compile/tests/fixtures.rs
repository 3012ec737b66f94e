//! Every operator and small network that both PyTorch exporters wrote into the float crate's
//! `fixtures/`: the integer model against the float model.

use std::path::{Path, PathBuf};

use zkml_compile::{Options, ReluProof, Sample, compile};
use zkml_float::Model;
use zkml_testkit::fixtures::{self, Fixture, Outcome};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../float/tests/fixtures")
}

/// The samples of a fixture, with expected outputs.
fn samples(fixture: &Fixture, model: &Model) -> Outcome<Vec<Sample>> {
    let inputs = fixtures::samples(&fixture.inputs, model.inputs().iter().map(|v| v.name.as_str()))?;
    let outputs = fixtures::samples(&fixture.outputs, model.outputs().iter().map(|v| v.name.as_str()))?;
    let pairs = inputs.into_iter().zip(outputs);
    Ok(pairs.map(|(inputs, output)| Sample { inputs, labels: Vec::new(), output: Some(output) }).collect())
}

/// Compiles every fixture at one width; errors are relative to the greatest output.
fn integers_follow_floats(bits: u8, relu: ReluProof, tolerance: f64) -> Outcome<()> {
    let mut failures = Vec::new();
    for name in fixtures::names(&folder())? {
        let check = || -> Outcome<()> {
            let fixture = fixtures::read(&folder(), &name)?;
            let model = Model::read(&fixture.model)?;
            // Every sample twice: all are calibrated on, and all are judged.
            let samples = samples(&fixture, &model)?.into_iter().flat_map(|s| [s.clone(), s]);
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
