//! What can go wrong on the prover's side.

use crate::check::Violation;
use thiserror::Error;
use zkml_core::transcript::Aborted;
use zkml_core::zip::Unequal;
use zkml_engine::EngineError;
use zkml_graph::codec::{CodecError, EncodeError};
use zkml_verifier::circuit::CircuitError;
use zkml_verifier::protocol::ProtocolError;
use zkml_verifier::{FormatError, OpeningError};

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
    /// The bytes are not a prover key.
    #[error("{0}")]
    Format(#[from] FormatError),
    /// The inference fails on this input.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The trace breaks a relation: a defect of this program, never of an input.
    #[error("the trace does not satisfy the circuit: {0}")]
    Violation(#[from] Violation),
    /// The opening does not fit the key, the graph or the request.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// The system gives no randomness.
    #[error("no randomness from the operating system: {0}")]
    Randomness(String),
    /// The live verifier has gone.
    #[error(transparent)]
    Aborted(#[from] Aborted),
    /// The prover has no answer in the protocol: a defect of this program, never of an input.
    #[error("no proof: {0}")]
    Protocol(ProtocolError),
}

impl From<Unequal> for ProveError {
    fn from(error: Unequal) -> Self {
        ProtocolError::from(error).into()
    }
}

impl From<ProtocolError> for ProveError {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::Aborted(aborted) => Self::Aborted(aborted),
            defect => Self::Protocol(defect),
        }
    }
}
