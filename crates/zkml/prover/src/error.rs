//! What can go wrong on the prover's side.

use crate::check::Violation;
use thiserror::Error;
use zkml_core::transcript::Aborted;
use zkml_engine::EngineError;
use zkml_graph::codec::{CodecError, EncodeError};
use zkml_verifier::FormatError;
use zkml_verifier::circuit::CircuitError;

/// A key or proof that cannot be made.
#[derive(Debug, Error)]
pub enum ProveError {
    /// The graph cannot be proven.
    #[error("model: {0}")]
    Circuit(#[from] CircuitError),
    /// The graph is not valid.
    #[error("model: {0}")]
    Graph(#[from] zkml_graph::validate::GraphError),
    /// The weights do not fit the graph.
    #[error("model: {0}")]
    Weights(#[from] EncodeError),
    /// The model in a key does not decode.
    #[error("prover key: {0}")]
    Model(#[from] CodecError),
    /// The bytes are no prover key or opening.
    #[error("{0}")]
    Format(#[from] FormatError),
    /// The inference fails on this input.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The trace breaks a relation: a defect of this program, never of an input.
    #[error("the trace does not satisfy the circuit: {0}")]
    Violation(#[from] Violation),
    /// An opening or a list of inputs for another number of inputs.
    #[error("the model has {expected} inputs, the opening or list has {got}")]
    OpeningCount {
        /// What the graph has.
        expected: usize,
        /// What was given.
        got: usize,
    },
    /// An opening leaves an input closed.
    #[error("the opening has no values for input {input}")]
    OpeningClosed {
        /// Position of the input.
        input: usize,
    },
    /// An opening or input has another number of values than its tensor.
    #[error("input {tensor} has {expected} values, {got} were given")]
    OpeningLength {
        /// Name of the tensor.
        tensor: String,
        /// What the graph has.
        expected: usize,
        /// What was given.
        got: usize,
    },
    /// An opening has another number of blinds than there are chunks.
    #[error("input {input} has {expected} chunks, the opening has {got} blinds")]
    OpeningBlinds {
        /// Position of the input.
        input: usize,
        /// Number of chunks.
        expected: usize,
        /// What was given.
        got: usize,
    },
    /// An opening was made for another key.
    #[error("the opening is for another key")]
    OpeningKey,
    /// An opening was given for inputs that the statement is to show.
    #[error("an opening was given for public inputs")]
    OpeningOfPublic,
    /// An opening holds other values than the request.
    #[error("the opening holds other values for input {input} than the request")]
    OpeningValues {
        /// Position of the input.
        input: usize,
    },
    /// An opening holds other outputs than follow from its inputs.
    #[error("the opening holds other values for output {output} than follow from its inputs")]
    OpeningOutputs {
        /// Position of the output.
        output: usize,
    },
    /// The system gives no randomness.
    #[error("no randomness from the operating system: {0}")]
    Randomness(String),
    /// The live verifier has gone.
    #[error(transparent)]
    Aborted(#[from] Aborted),
}
