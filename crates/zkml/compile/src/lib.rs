//! From a float model to an exact integer graph.
//!
//! [`compile`] turns a [`zkml_float::Model`] into a [`zkml_graph::Graph`] and its weights, with
//! power-of-two scales calibrated on samples, and reports how well the integers agree with the
//! floats on samples that the calibration did not see. [`inspect`] says what a model contains and
//! what of it can be proven.
//!
//! | module | content |
//! |---|---|
//! | `options` | samples, widths, targets |
//! | `calibrate`, `scale` | ranges of values, and the scales that suit them |
//! | `lower` | operators to integer nodes, one family per file |
//! | `report` | agreement and accuracy, against the model of the file |
//! | `layers` | where an integer model loses most |
//! | `inspect` | what a model contains; a graph before there are samples |
//!
//! **What stays hidden.** Trained numbers (initialisers and what is folded from them) become
//! hidden parameters, in matrices, as biases, and as scalar factors. Public are the graph's
//! structure and shapes, attributes, `Constant` nodes, bounds of clips, exponents, scales,
//! divisors of integers, the number of rows of an embedding, and scalar factors that are zero or a power of two.

mod calibrate;
mod compile;
mod error;
mod inspect;
mod layers;
mod lower;
mod options;
mod report;
mod scale;
#[cfg(test)]
mod tests;

pub use compile::{Compiled, compile};
pub use error::CompileError;
pub use inspect::{Inspection, NodeInfo, inspect, sketch};
pub use layers::LayerLoss;
pub use options::{Options, ReluProof, Sample};
pub use report::{AccuracyReport, OutputReport};
