//! Reading ONNX: bytes to messages, messages to arrays, nodes and typed attributes.

pub(crate) mod messages;
pub(crate) mod read;
pub(crate) mod tensor;
