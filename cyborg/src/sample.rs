//! The model that comes with the program: `digits_cnn`, a network that reads handwritten digits, and
//! digits to read. What measures or shows something on a real model needs no file for it.

use zkml_compile::{Compiled, Options, Sample};
use zkml_float::Model;
use zkml_samples::{Ports, Samples};

use crate::error::Failure;

/// The network as PyTorch exported it.
pub(crate) const MODEL: &[u8] = include_bytes!("../../tests/data/digits_cnn.onnx");
/// Digits that it was not trained on, as `.npz`: `inputs`, their `labels`, and its `outputs` in
/// floating point.
pub(crate) const DIGITS: &[u8] = include_bytes!("../../tests/data/digits_cnn_io.npz");

/// Its names in messages.
const MODEL_NAME: &str = "digits_cnn.onnx (built in)";
const DIGITS_NAME: &str = "digits_cnn_io.npz (built in)";

/// Compiles it as `cyborg model compile` does without options.
pub(crate) fn compile() -> Result<Compiled, Failure> {
    let failed = |problem: String| Failure::Input { file: MODEL_NAME.to_owned(), problem };
    let model = Model::read(MODEL).map_err(|error| failed(error.to_string()))?;
    let samples = Sample::all(&model, &digits()?)?;
    zkml_compile::compile(&model, &samples, &Options::default(), &mut |_, _, _| ())
        .map_err(|error| failed(error.to_string()))
}

/// The digits.
pub(crate) fn digits() -> Result<Samples, Failure> {
    Ok(Samples::from_bytes(DIGITS_NAME, DIGITS)?)
}

/// One digit as the integers that the compiled model takes.
pub(crate) fn digit(compiled: &Compiled, index: usize) -> Result<Vec<Vec<i64>>, Failure> {
    Ok(Ports::inputs(&compiled.graph).sample(&digits()?, index)?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn it_reads_its_digits() {
        let compiled = compile().unwrap();
        assert!(compiled.report.target_met);
        let (samples, mut right) = (digits().unwrap(), 0);
        for index in 0..10 {
            let inputs = digit(&compiled, index).unwrap();
            let outputs = zkml_engine::run(&compiled.graph, &compiled.weights, &inputs).unwrap();
            let read = (0_i64..).zip(&outputs[0]).max_by_key(|(_, score)| **score).map(|(digit, _)| digit);
            right += usize::from(read == samples.labels_for(index).unwrap().map(|labels| labels[0]));
        }
        assert!(right >= 9, "{right} of 10");
    }
}
