//! The models of `tests/data`: trained, exported, and compiled here.

use std::error::Error;
use std::path::Path;

use zkml_compile::{Compiled, Options, Sample, compile};
use zkml_float::Model;
use zkml_samples::{Ports, Samples};

use crate::case::Case;

/// A model of `tests/data` (`digits_mlp`, `digits_cnn`), with its first sample.
///
/// # Errors
/// Returns an error if a file is missing or does not compile.
pub fn digits(name: &str) -> Result<Case, Box<dyn Error + Send + Sync>> {
    Ok(digits_and_samples(name, 1)?.remove(0))
}

/// The same, once for each of its first `count` samples.
///
/// # Errors
/// Returns an error if a file is missing or does not compile.
pub fn digits_and_samples(name: &str, count: usize) -> Result<Vec<Case>, Box<dyn Error + Send + Sync>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/data");
    let model = Model::read(&std::fs::read(folder.join(format!("{name}.onnx")))?)?;
    let data = Samples::from_bytes(name, &std::fs::read(folder.join(format!("{name}_io.npz")))?)?;
    // The outputs would only be compared: the tests do not look at the report.
    let calibration: Vec<Sample> =
        Sample::all(&model, &data)?.into_iter().map(|sample| Sample { output: None, ..sample }).collect();
    let Compiled { graph, weights, .. } =
        compile(&model, &calibration, &Options::default(), &mut |_, _, _| ())?;
    let ports = Ports::inputs(&graph);
    let cases = (0..count).map(|index| {
        let inputs = ports.sample(&data, index)?;
        Ok(Case { graph: graph.clone(), weights: weights.clone(), inputs })
    });
    cases.collect()
}
