//! Models in floating point: reading ONNX, running, and rewriting them.
//!
//! [`Model::read`] reads a model as PyTorch exports it; [`Model::run`] computes it in float32.
//! Whatever turns float models into something else (integers, smaller models, halves of a model)
//! works on [`Model::graph`]: nodes in execution order over numbered values.
//!
//! | module | content |
//! |---|---|
//! | [`ir`] | the graph: values, constants, nodes, attributes |
//! | [`mod@array`] | dense arrays: row-major, slowest axis first |
//! | [`onnx`] | messages, versions, constant tensors |
//! | `prepare` | shapes and constants, by running nodes on zeros |
//! | `expand` | operators that are compositions, taken apart |
//! | `rewrite` | compositions that are one function of the fixed list |
//! | [`exec`] | float32 execution, one operator family per file |
//! | [`geometry`] | sliding windows of convolutions and pools |
//!
//! **Shapes.** An [`array::Array`] has the shape of the ONNX value, the batch axis included; a
//! symbolic batch is 1. What users pass to [`Model::run`] is the same elements without the shape,
//! row-major.
//!
//! Nothing here knows of integers, circuits or proofs: of the integer graph only the list of
//! functions of one variable ([`zkml_graph::FunctionKind`]) is used, which rewrites recognise.

pub mod array;
mod error;
pub mod exec;
mod expand;
pub mod geometry;
pub mod ir;
mod model;
pub mod onnx;
mod prepare;
mod rewrite;

pub use error::{FloatError, Unsupported};
pub use model::{Model, ValueInfo};
