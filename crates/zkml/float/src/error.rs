//! Everything that can go wrong with a float model, one variant per check.

use serde::Serialize;

/// A node that cannot be run or proven, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unsupported {
    /// Name of the node, or of its first output if it has none.
    pub node: String,
    /// Operator, with its domain if that is not the default one.
    pub operator: String,
    /// Why it cannot.
    pub reason: String,
}

impl Unsupported {
    /// How many nodes, in words.
    #[must_use]
    pub fn count(nodes: &[Self]) -> String {
        if nodes.len() == 1 { "1 node".into() } else { format!("{} nodes", nodes.len()) }
    }

    /// The nodes with their reasons, in one line.
    #[must_use]
    pub fn list(nodes: &[Self]) -> String {
        let lines: Vec<String> =
            nodes.iter().map(|n| format!("{} ({}): {}", n.node, n.operator, n.reason)).collect();
        lines.join("; ")
    }
}

/// Failure to read or run a model.
#[derive(Debug, thiserror::Error)]
pub enum FloatError {
    /// The file or one of its parts is larger than is accepted.
    #[error("{what}: {got} exceeds the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// Greatest accepted value.
        limit: u64,
        /// Value found.
        got: u64,
    },
    /// The bytes are not an ONNX model, or were cut or altered.
    #[error("not a readable ONNX model: {0}")]
    Decode(#[from] prost::DecodeError),
    /// A field that every ONNX model has is missing or unusable.
    #[error("ONNX model: field {field}: {reason}")]
    Field {
        /// The field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A format or operator-set version that is not supported.
    #[error("ONNX model: {field} is {got}, supported is {expected}")]
    Version {
        /// Which version.
        field: &'static str,
        /// Accepted versions.
        expected: &'static str,
        /// Version found.
        got: i64,
    },
    /// A tensor's data is in another file, which cannot be read.
    #[error("tensor {tensor:?}: its data is in the file {location:?}: {reason}")]
    ExternalData {
        /// Name of the tensor.
        tensor: String,
        /// File that the model names.
        location: String,
        /// Why it is not read.
        reason: String,
    },
    /// An element type that is not supported.
    #[error("tensor {tensor:?}: element type {got} is not supported")]
    ElementType {
        /// Name of the tensor.
        tensor: String,
        /// ONNX number of the type.
        got: i32,
    },
    /// The data of a tensor does not fill its shape.
    #[error("tensor {tensor:?}: shape {shape:?} needs {expected} elements, the data holds {got}")]
    TensorSize {
        /// Name of the tensor.
        tensor: String,
        /// Declared shape.
        shape: Vec<i64>,
        /// Elements of the shape.
        expected: u64,
        /// Elements found.
        got: u64,
    },
    /// A tensor holds NaN, or an infinity where a number is needed.
    #[error("tensor {tensor:?}: element {index} is {got}, not a finite number")]
    NotFinite {
        /// Name of the tensor.
        tensor: String,
        /// Row-major index.
        index: usize,
        /// What was found.
        got: f32,
    },
    /// A node reads a value that nothing before it defines.
    #[error("node {node:?}: input {value:?} is not defined before it")]
    UnknownValue {
        /// Node.
        node: String,
        /// Name of the value.
        value: String,
    },
    /// Two definitions of one name.
    #[error("value {value:?} is defined twice")]
    Duplicate {
        /// Name of the value.
        value: String,
    },
    /// A node whose shapes or attributes contradict its operator.
    #[error("node {node:?} ({operator}): {reason}")]
    Node {
        /// Node.
        node: String,
        /// Operator.
        operator: String,
        /// What is wrong.
        reason: String,
    },
    /// All nodes that cannot be run.
    #[error("{} cannot be run: {}", Unsupported::count(.0), Unsupported::list(.0))]
    Unsupported(Vec<Unsupported>),
    /// The model takes another number of inputs.
    #[error("the model takes {expected} inputs, got {got}")]
    InputCount {
        /// Inputs of the model.
        expected: usize,
        /// Inputs given.
        got: usize,
    },
    /// An array has another number of elements than the tensor it is for.
    #[error("{name:?}: shape {shape:?} needs {expected} elements, got {got}")]
    ArraySize {
        /// Name of the input or tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Elements needed.
        expected: usize,
        /// Elements given.
        got: usize,
    },
}

/// Refuses more than is accepted.
pub(crate) fn limit(what: &str, limit: u64, got: u64) -> Result<(), FloatError> {
    if got > limit { Err(FloatError::TooLarge { what: what.into(), limit, got }) } else { Ok(()) }
}
