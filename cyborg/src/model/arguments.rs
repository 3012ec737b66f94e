//! The flags of `cyborg model …`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use zkml_samples::OutputKind;

use crate::cli::values::percent;

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Show a model's operators, shapes and cost, and what of it can be proven
    #[command(after_help = "Example:\n  cyborg model inspect model.onnx")]
    Inspect(Inspect),
    /// Turn an ONNX model into an exact integer model, and report the accuracy it keeps
    #[command(
        after_help = "Example:\n  cyborg model compile model.onnx --calibrate samples.npz -o model.cyb"
    )]
    Compile(Compile),
    /// Run an integer model on one sample
    #[command(after_help = "Example:\n  cyborg model run model.cyb --input samples.npz --index 3")]
    Run(Run),
    /// Measure accuracy, agreement with the float model, latency and throughput over a data set
    #[command(after_help = "Example:\n  cyborg model eval model.cyb --data samples.npz")]
    Eval(Eval),
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// ONNX model, or integer model made by `cyborg model compile`
    #[arg(value_name = "MODEL", value_hint = ValueHint::FilePath)]
    pub(crate) model: PathBuf,
    /// Shape of an input whose extents the file leaves open, such as `x=1,3,224,224`
    #[arg(long = "shape", value_name = "NAME=EXTENTS", value_parser = shape)]
    pub(crate) shapes: Vec<(String, Vec<usize>)>,
}

#[derive(Debug, Args)]
pub(crate) struct Compile {
    /// ONNX model, as PyTorch exports it; weights in files beside it are read
    #[arg(value_name = "M.onnx", value_hint = ValueHint::FilePath)]
    pub(crate) model: PathBuf,
    /// Shape of an input whose extents the file leaves open, such as `x=1,3,224,224`
    #[arg(long = "shape", value_name = "NAME=EXTENTS", value_parser = shape)]
    pub(crate) shapes: Vec<(String, Vec<usize>)>,
    /// Samples that show the range of every activation (.npz or .json)
    #[arg(long, value_name = "X.npz", value_hint = ValueHint::FilePath)]
    pub(crate) calibrate: PathBuf,
    /// Where to write the integer model
    #[arg(short, long, value_name = "M.cyb", value_hint = ValueHint::FilePath)]
    pub(crate) out: PathBuf,
    /// Bits of every weight (8 by default)
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(2..=16))]
    pub(crate) weight_bits: Option<u8>,
    /// Bits of every activation (8 by default)
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(4..=12))]
    pub(crate) activation_bits: Option<u8>,
    /// Use these widths as they are; otherwise wider ones are tried where accuracy is missed
    #[arg(long)]
    pub(crate) fixed_bits: bool,
    /// Least agreement with the float model that is accepted, in percent of rows of each output (99 by
    /// default; 98 of a language model's tokens, whose perplexity then may grow by 1 %)
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) accept_accuracy: Option<f64>,
    /// Greatest loss of accuracy that is accepted, in percentage points, where there are labels (0.5 by
    /// default)
    #[arg(long, value_name = "POINTS", value_parser = percent)]
    pub(crate) max_loss: Option<f64>,
    /// What an output is, where it is not what its name and shape suggest: `classes`, `tokens`, `integers`,
    /// `values`, `embedding` or `image`. It decides how agreement is measured
    #[arg(long = "output-kind", value_name = "NAME=KIND", value_parser = output_kind)]
    pub(crate) output_kinds: Vec<(String, OutputKind)>,
    /// How ReLU is proven
    #[arg(long, value_enum, default_value_t)]
    pub(crate) relu: Relu,
}

/// An input and its shape.
fn shape(text: &str) -> Result<(String, Vec<usize>), String> {
    let (name, extents) = text.rsplit_once('=').ok_or("expected NAME=EXTENT,EXTENT,…")?;
    let extent = |text: &str| match text.trim().parse() {
        Ok(0) | Err(_) => Err(format!("{text:?} is not a positive extent")),
        Ok(extent) => Ok(extent),
    };
    Ok((name.to_owned(), extents.split(',').map(extent).collect::<Result<_, _>>()?))
}

/// An output and what it is.
fn output_kind(text: &str) -> Result<(String, OutputKind), String> {
    let (name, kind) = text.rsplit_once('=').ok_or("expected NAME=KIND")?;
    Ok((name.to_owned(), kind.parse()?))
}

/// How ReLU is proven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Relu {
    /// By a table, together with rounding and saturation
    #[default]
    Lookup,
    /// By the bits of the accumulator
    Bits,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Integer model
    #[arg(value_name = "M.cyb", value_hint = ValueHint::FilePath)]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) sample: Sample,
    /// Write the output's integers as JSON, in the form that `cyborg zk verify --output` reads
    #[arg(short, long, value_name = "Y.json", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
}

/// One sample of a file.
#[derive(Debug, Args)]
pub(crate) struct Sample {
    /// Samples (.npz or .json); arrays named as the model's inputs, or `inputs`
    #[arg(long, value_name = "X.npz", value_hint = ValueHint::FilePath)]
    pub(crate) input: PathBuf,
    /// Which sample, from 0
    #[arg(long, value_name = "I", default_value_t = 0)]
    pub(crate) index: usize,
    /// Refuse a sample with values outside of the range that compiling calibrated, which would saturate
    #[arg(long)]
    pub(crate) refuse_saturated: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Eval {
    /// Integer model
    #[arg(value_name = "M.cyb", value_hint = ValueHint::FilePath)]
    pub(crate) model: PathBuf,
    /// Samples (.npz or .json), with `labels` and the float model's `outputs` where there are any
    #[arg(long, value_name = "X.npz", value_hint = ValueHint::FilePath)]
    pub(crate) data: PathBuf,
    /// What an output is, as for `cyborg model compile`
    #[arg(long = "output-kind", value_name = "NAME=KIND", value_parser = output_kind)]
    pub(crate) output_kinds: Vec<(String, OutputKind)>,
}
