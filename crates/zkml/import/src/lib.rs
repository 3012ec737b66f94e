//! From an ONNX file to an exact integer graph.
//!
//! [`Model::read`] reads a float model as PyTorch exports it; [`compile`] turns it into a
//! [`zkml_graph::Graph`] and its weights, with power-of-two scales calibrated on samples, and
//! reports how well the integers agree with the floats on samples that the calibration did not
//! see. [`Model::inspect`] says what a model contains and what of it can be proven.
//!
//! | module | content |
//! |---|---|
//! | `onnx` | messages, versions, constant tensors |
//! | `prepare` | shapes and constants, by running nodes on zeros |
//! | `rewrite` | compositions that are one function of the fixed list |
//! | `float` | float32 execution, one operator family per file |
//! | `calibrate`, `scale` | ranges of values, and the scales that suit them |
//! | `lower` | operators to integer nodes, one family per file |
//! | `report` | agreement and accuracy |
//!
//! **What stays hidden.** Trained numbers (initialisers and what is folded from them) become
//! hidden parameters, in matrices, as biases, and as scalar factors. Public are the graph's
//! structure and shapes, attributes, `Constant` nodes, bounds of clips, exponents, scales, and
//! scalar factors that are zero or a power of two.
//!
//! Floating point appears only here, before a model is compiled; the graph is integers.

mod array;
mod calibrate;
mod compile;
pub mod data;
mod error;
mod float;
mod geometry;
mod inspect;
mod ir;
mod lower;
mod model;
mod onnx;
mod prepare;
mod quantize;
mod report;
mod rewrite;
mod scale;
#[cfg(test)]
mod tests;

pub use compile::{Compiled, Options, ReluProof, Sample, compile};
pub use error::{ImportError, Unsupported};
pub use inspect::{Inspection, NodeInfo};
pub use model::{Model, ValueInfo};
pub use quantize::{dequantize, quantize};
pub use report::AccuracyReport;
