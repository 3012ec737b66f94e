//! The models of `tests/data`: trained, exported, and compiled here.

use std::error::Error;
use std::path::Path;

use zkml_compile::{Compiled, Options, Sample, compile};
use zkml_float::Model;
use zkml_graph::{Graph, Weights};
use zkml_samples::{Ports, Samples};

use crate::case::Case;

/// A model of `tests/data` (`digits_mlp`, `digits_cnn`), with its first sample.
///
/// # Errors
/// Returns an error if a file is missing or does not compile.
pub fn digits(name: &str) -> Result<Case, Box<dyn Error + Send + Sync>> {
    let (graph, weights, mut samples) = digits_and_samples(name, 1)?;
    Ok(Case { graph, weights, inputs: samples.remove(0) })
}

/// The same, with its first `count` samples as integers: for each, a vector for each input.
///
/// # Errors
/// Returns an error if a file is missing or does not compile.
#[expect(clippy::type_complexity, reason = "two parts of a model and integers by sample and input")]
pub fn digits_and_samples(
    name: &str,
    count: usize,
) -> Result<(Graph, Weights, Vec<Vec<Vec<i64>>>), Box<dyn Error + Send + Sync>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/data");
    let model = Model::read(&std::fs::read(folder.join(format!("{name}.onnx")))?)?;
    let data = Samples::from_bytes(name, &std::fs::read(folder.join(format!("{name}_io.npz")))?)?;
    // The outputs would only be compared: the tests do not look at the report.
    let calibration: Vec<Sample> =
        Sample::all(&model, &data)?.into_iter().map(|sample| Sample { output: None, ..sample }).collect();
    let Compiled { graph, weights, .. } =
        compile(&model, &calibration, &Options::default(), &mut |_, _, _| ())?;
    let ports = Ports::inputs(&graph);
    let samples = (0..count).map(|index| ports.sample(&data, index)).collect::<Result<_, _>>()?;
    Ok((graph, weights, samples))
}
