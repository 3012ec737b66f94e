//! Reading ONNX: bytes to messages, messages to arrays, nodes and typed attributes.

pub mod messages;
pub(crate) mod read;
pub(crate) mod tensor;

pub use read::OPSETS;
pub use tensor::element;
