//! What a user says about compiling: samples, widths, targets.

use zkml_float::Model;
use zkml_samples::{DataError, OutputKind, Row, Samples};

use crate::error::CompileError;

/// How ReLU is proven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReluProof {
    /// By a table, together with rounding and saturation.
    #[default]
    Lookup,
    /// By the bits of the accumulator.
    Bits,
}

/// A sample: inputs in the model's order, and what is known of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// One row-major array for each input, with or without the batch axis of 1.
    pub inputs: Vec<Vec<f32>>,
    /// The right class, or token, of every row of the first output; none if they are not known.
    pub labels: Vec<i64>,
    /// Outputs that the model's author computed, to check the import against.
    pub output: Option<Vec<Vec<f32>>>,
}

/// How to compile.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Bits of weights, 2..=16.
    pub weight_bits: u8,
    /// Bits of activations, 4..=12.
    pub activation_bits: u8,
    /// How ReLU is proven.
    pub relu: ReluProof,
    /// Least share of rows of each output that agree with the float model's, 0 to 1. Without it, 99 %; of a
    /// language model's tokens 98 %, with a perplexity at most 1 % above the float model's.
    pub min_agreement: Option<f64>,
    /// Greatest loss of accuracy against the labels, if there are labels, 0 to 1.
    pub max_accuracy_loss: f64,
    /// Whether to try more bits (10, then 12) if these two targets are missed.
    pub search: bool,
    /// What outputs are, by name; others are guessed ([`OutputKind::guess`]).
    pub outputs: Vec<(String, OutputKind)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            weight_bits: 8,
            activation_bits: 8,
            relu: ReluProof::Lookup,
            min_agreement: None,
            max_accuracy_loss: 0.005,
            search: true,
            outputs: Vec::new(),
        }
    }
}

impl Sample {
    /// Every sample of a file, in the form that compiling takes.
    ///
    /// # Errors
    /// Returns an error if the file's arrays do not fit the model's inputs or outputs.
    pub fn all(model: &Model, samples: &Samples) -> Result<Vec<Self>, DataError> {
        let edge = |values: &[zkml_float::ValueInfo]| -> (Vec<String>, Vec<usize>) {
            values.iter().map(|value| (value.name.clone(), value.len())).unzip()
        };
        let ((names, sizes), (output_names, output_sizes)) = (edge(model.inputs()), edge(model.outputs()));
        (0..samples.count(&names, &sizes)?)
            .map(|index| {
                let outputs = samples.outputs_for(&output_names, &output_sizes, index)?;
                Ok(Self {
                    inputs: samples.inputs_for(&names, &sizes, index)?,
                    labels: samples.labels_for(index)?.unwrap_or_default().to_vec(),
                    output: outputs.map(|rows| rows.into_iter().map(Row::to_f32).collect()),
                })
            })
            .collect()
    }
}

/// Widths of the integer model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bits {
    pub(crate) weight: u8,
    pub(crate) activation: u8,
}

/// Refuses options outside their ranges.
pub(crate) fn check(options: &Options) -> Result<(), CompileError> {
    let fraction = |option, value: f64| {
        if (0.0..=1.0).contains(&value) {
            return Ok(());
        }
        Err(CompileError::Option { option, expected: "0 to 1", got: value.to_string() })
    };
    fraction("min_agreement", options.min_agreement.unwrap_or(0.0))?;
    fraction("max_accuracy_loss", options.max_accuracy_loss)?;
    if !(2..=16).contains(&options.weight_bits) {
        let got = options.weight_bits.to_string();
        return Err(CompileError::Option { option: "weight_bits", expected: "2 to 16", got });
    }
    if !(4..=12).contains(&options.activation_bits) {
        let got = options.activation_bits.to_string();
        return Err(CompileError::Option { option: "activation_bits", expected: "4 to 12", got });
    }
    Ok(())
}
