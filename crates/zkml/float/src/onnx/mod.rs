//! Reading ONNX: bytes to messages, messages to arrays, nodes and typed attributes.

mod external;
pub mod messages;
pub(crate) mod read;
pub(crate) mod tensor;

pub use read::{External, OPSETS, Reading};
pub use tensor::element;
