//! One error for each check of keys and proofs.

use crate::circuit::CircuitError;
use alloc::string::String;
use thiserror::Error;
use zkml_core::transcript::Aborted;
use zkml_core::zip::Unequal;
use zkml_graph::codec::CodecError;

/// Bytes that are not a key, opening or proof of this version.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FormatError {
    /// The first bytes are not those of this kind of file.
    #[error("not a Cyborg {expected} file: it does not start with its magic bytes")]
    Magic {
        /// The kind expected.
        expected: &'static str,
    },
    /// Another version of the format.
    #[error("{kind} format version {got}, this program reads version {expected}")]
    Version {
        /// The kind of file.
        kind: &'static str,
        /// Version read.
        got: u16,
        /// Version supported.
        expected: u16,
    },
    /// The bytes end within a field.
    #[error("truncated: {field} needs {needed} bytes, {left} are left")]
    Truncated {
        /// The field.
        field: &'static str,
        /// Bytes needed.
        needed: usize,
        /// Bytes left.
        left: usize,
    },
    /// Bytes follow the last field.
    #[error("{count} bytes follow the last field")]
    Trailing {
        /// The number.
        count: usize,
    },
    /// A point is not canonical or not on the curve.
    #[error("{field} number {index} is not a point of the group")]
    Point {
        /// The field.
        field: &'static str,
        /// Which of the field's points.
        index: usize,
    },
    /// A scalar is not below the modulus.
    #[error("{field} number {index} is not a canonical scalar")]
    Scalar {
        /// The field.
        field: &'static str,
        /// Which of the field's scalars.
        index: usize,
    },
    /// A flag has an unknown value.
    #[error("{field} has the unknown value {got}")]
    Flag {
        /// The field.
        field: &'static str,
        /// The value.
        got: u8,
    },
    /// A count disagrees with the key.
    #[error("{field}: expected {expected}, got {got}")]
    Count {
        /// The field.
        field: &'static str,
        /// What the key demands.
        expected: usize,
        /// What was read.
        got: usize,
    },
    /// A public value is outside its tensor's range.
    #[error("public value {index} of tensor {tensor} is outside {min}..={max}")]
    PublicValue {
        /// Name of the tensor.
        tensor: String,
        /// Position of the value.
        index: usize,
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// The graph does not decode or is not valid.
    #[error("graph: {0}")]
    Graph(#[from] CodecError),
    /// The graph cannot be proven.
    #[error("graph: {0}")]
    Circuit(#[from] CircuitError),
}

/// An opening that does not fit what it is used for.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum OpeningError {
    /// An opening or a list of tensors for another number of tensors.
    #[error("the opening or list has {got} tensors, expected {expected}")]
    Count {
        /// What the graph has.
        expected: usize,
        /// What was given.
        got: usize,
    },
    /// An opening leaves an input closed.
    #[error("the opening has no values for input {input}")]
    Closed {
        /// Position of the input.
        input: usize,
    },
    /// An opening or input has another number of values than its tensor.
    #[error("input {tensor} has {expected} values, {got} were given")]
    Length {
        /// Name of the tensor.
        tensor: String,
        /// What the graph has.
        expected: usize,
        /// What was given.
        got: usize,
    },
    /// An opening has another number of blinds than there are chunks.
    #[error("input {input} has {expected} chunks, the opening has {got} blinds")]
    Blinds {
        /// Position of the input.
        input: usize,
        /// Number of chunks.
        expected: usize,
        /// What was given.
        got: usize,
    },
    /// An opening was made for another key.
    #[error("the opening is for another key")]
    Key,
    /// An opening was given for inputs that the statement is to show.
    #[error("an opening was given for public inputs")]
    OfPublic,
    /// An opening holds other values than the request.
    #[error("the opening holds other values for input {input} than the request")]
    Values {
        /// Position of the input.
        input: usize,
    },
    /// An opening holds other outputs than follow from its inputs.
    #[error("the opening holds other values for output {output} than follow from its inputs")]
    Outputs {
        /// Position of the output.
        output: usize,
    },
}

impl From<Unequal> for OpeningError {
    fn from(Unequal { left, right }: Unequal) -> Self {
        Self::Count { expected: left, got: right }
    }
}

/// A well-formed proof or key that is not accepted, or bytes that are not well formed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum VerifyError {
    /// The bytes are not a proof for this key's shape.
    #[error("proof: {0}")]
    Format(#[from] FormatError),
    /// The proof names another verifying key.
    #[error("the proof is for another key: it names {got}, this key is {expected}")]
    Key {
        /// Digest of this key, hexadecimal.
        expected: String,
        /// Digest in the proof.
        got: String,
    },
    /// The group equation of the proof does not hold: some constraint is violated, or the
    /// statement, key or context is not the one that was proven.
    #[error("the proof is false for this key, statement and context")]
    Equation,
    /// The live verifier has gone.
    #[error(transparent)]
    Aborted(#[from] Aborted),
    /// Proof, statement or key have another shape than the circuit.
    #[error(transparent)]
    Shape(ProtocolError),
}

/// Why a run of the protocol ends early.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ProtocolError {
    /// The live verifier has gone.
    #[error(transparent)]
    Aborted(#[from] Aborted),
    /// A party is asked for what it does not have: a stage that it is not in, a scalar that the
    /// proof does not bring, a pad that was not committed.
    #[error("a message of the protocol has no answer")]
    NoAnswer,
    /// Lists that belong together have different lengths.
    #[error(transparent)]
    Unequal(#[from] Unequal),
}

impl From<ProtocolError> for VerifyError {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::Aborted(aborted) => Self::Aborted(aborted),
            shape => Self::Shape(shape),
        }
    }
}

impl VerifyError {
    /// Whether the bytes were well formed: the proof is false rather than unreadable.
    #[must_use]
    pub fn is_false_proof(&self) -> bool {
        !matches!(self, Self::Format(_))
    }
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|nibble| char::from_digit(nibble.into(), 16))
        .collect()
}
