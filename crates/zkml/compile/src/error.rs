//! Everything that can go wrong between a float model and an integer graph, one variant per check.

use zkml_float::{FloatError, Unsupported};

/// Failure to compile a model.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The float model cannot be run.
    #[error(transparent)]
    Float(#[from] FloatError),
    /// All nodes that cannot be proven.
    #[error("{} cannot be proven: {}", Unsupported::count(.0), Unsupported::list(.0))]
    Unsupported(Vec<Unsupported>),
    /// A weight is NaN or an infinity.
    #[error("tensor {tensor:?}: element {index} is {got}, not a finite number")]
    NotFinite {
        /// Name of the tensor.
        tensor: String,
        /// Row-major index.
        index: usize,
        /// What was found.
        got: f32,
    },
    /// There is no sample to calibrate on.
    #[error("calibration needs at least one sample")]
    NoSamples,
    /// An option is outside its range.
    #[error("option {option}: {got} is outside {expected}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// Accepted values.
        expected: &'static str,
        /// Value given.
        got: String,
    },
    /// A kind is given for an output that the model has not.
    #[error("the model has no output {name:?}; it has {known}")]
    UnknownOutput {
        /// Name given.
        name: String,
        /// Names of the model's outputs.
        known: String,
    },
    /// A sample does not fit the integer graph.
    #[error(transparent)]
    Quantize(#[from] zkml_samples::QuantizeError),
    /// The lowered graph does not pass the graph's own checks: a limit was reached.
    #[error("the integer graph is not accepted: {0}")]
    Graph(#[from] zkml_graph::validate::GraphError),
    /// The lowered graph is well-formed, but beyond what a proof can hold.
    #[error("the integer graph cannot be proven: {0}")]
    Circuit(#[from] zkml_verifier::circuit::CircuitError),
    /// The integer graph could not be run.
    #[error("running the integer graph: {0}")]
    Engine(#[from] zkml_engine::EngineError),
}
