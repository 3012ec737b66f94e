//! The models of `tests/data`: trained, exported, and compiled here.

use std::error::Error;
use std::path::Path;

use zkml_import::data::Samples;
use zkml_import::{Compiled, Model, Options, Sample, compile, quantize};

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
    let data = Samples::open(&folder.join(format!("{name}_io.npz")))?;
    let names = |infos: &[zkml_import::ValueInfo]| -> (Vec<String>, Vec<usize>) {
        infos.iter().map(|info| (info.name.clone(), info.len())).unzip()
    };
    let (names, sizes) = names(model.inputs());
    let mut samples = Vec::new();
    for index in 0..data.count(&names, &sizes)? {
        samples.push(Sample {
            inputs: data.inputs_for(&names, &sizes, index)?,
            label: data.labels_for(index)?.and_then(|row| row.first().copied()),
            output: None,
        });
    }
    let Compiled { graph, weights, .. } = compile(&model, &samples, &Options::default(), &mut |_, _, _| ())?;
    let mut cases = Vec::new();
    for sample in samples.iter().take(count) {
        let mut inputs = Vec::new();
        for (id, values) in graph.inputs.iter().zip(&sample.inputs) {
            inputs.push(quantize(&graph.tensors[*id as usize], values)?);
        }
        cases.push(Case { graph: graph.clone(), weights: weights.clone(), inputs });
    }
    Ok(cases)
}
