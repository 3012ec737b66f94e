//! `cyborg model …`: compile, inspect, run and evaluate models.
//!
//! | module | content |
//! |---|---|
//! | `compile` | ONNX to an integer model, with its accuracy report |
//! | `inspect` | what a model holds, costs, and what of it can be proven |
//! | `cost` | what a graph costs to run and to prove |
//! | `eval` | one sample, or a whole data set |
//! | `input` | one sample of a file, quantized |
//! | `values` | values for people and for programs |

pub(crate) mod arguments;
mod compile;
mod cost;
mod eval;
mod input;
mod inspect;
mod values;

use std::io;
use std::path::Path;

use zkml_float::Model;
use zkml_float::onnx::Reading;
use zkml_graph::codec::{CodecError, decode_model};
use zkml_graph::{Graph, Weights};
use zkml_samples::Samples;

pub(crate) use cost::too_much_for_the_chain;
pub(crate) use input::Input;
pub(crate) use inspect::describe_graph;
pub(crate) use values::{integers_as_json, shown};

use self::arguments::ModelCommand;
use crate::error::Failure;
use crate::files;
use crate::report::CommandOutput;

/// Largest file of weights beside a model, in bytes.
const MAX_WEIGHT_BYTES: u64 = 1 << 33;
/// Largest model read, in bytes: protobuf's own limit.
const MAX_MODEL_BYTES: u64 = (1 << 31) - 1;

/// Runs one of the commands.
pub(crate) fn run(command: &ModelCommand) -> Result<CommandOutput, Failure> {
    match command {
        ModelCommand::Inspect(arguments) => inspect::run(arguments),
        ModelCommand::Compile(arguments) => compile::run(arguments),
        ModelCommand::Run(arguments) => eval::run(arguments),
        ModelCommand::Eval(arguments) => eval::eval(arguments),
    }
}

/// Reads a model of either kind.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    files::read(path, MAX_MODEL_BYTES)
}

/// An ONNX model, with the weights that lie in files beside it.
fn onnx(path: &Path, content: &[u8], shapes: &[(String, Vec<usize>)]) -> Result<Model, Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let external = |location: &str| {
        let (folder, file) = (folder.canonicalize()?, folder.join(location).canonicalize()?);
        // A link may lead out of the folder.
        if !file.starts_with(&folder) {
            return Err(io::Error::other("it is not in the model's folder"));
        }
        files::read(&file, MAX_WEIGHT_BYTES).map_err(|failure| io::Error::other(failure.to_string()))
    };
    let reading = Reading { shapes: shapes.to_vec(), external: Some(&external) };
    Model::read_with(content, &reading).map_err(|error| Failure::input(path, error))
}

/// Reads a file of samples.
pub(crate) fn samples(path: &Path) -> Result<Samples, Failure> {
    let bytes = files::read(path, zkml_samples::MAX_FILE_BYTES)?;
    Ok(Samples::from_bytes(&path.display().to_string(), &bytes)?)
}

/// Reads an integer model.
pub(crate) fn load(path: &Path) -> Result<(Graph, Weights), Failure> {
    decode(path, &read(path)?)
}

/// Decodes an integer model; `path` is for messages.
fn decode(path: &Path, content: &[u8]) -> Result<(Graph, Weights), Failure> {
    decode_model(content).map_err(|error| match error {
        // Protobuf's first field is ONNX's version of its format.
        CodecError::Magic { .. } if content.first() == Some(&0x08) => Failure::input(
            path,
            "looks like an ONNX model; `cyborg model compile` makes an integer model of it",
        ),
        CodecError::Magic { .. } if content.starts_with(b"CYB") => {
            Failure::input(path, "is no integer model; `cyborg zk inspect` says what it is")
        }
        error => Failure::input(path, error),
    })
}
