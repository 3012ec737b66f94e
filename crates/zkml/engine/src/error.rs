//! What can be wrong with the weights and inputs of a run, and the checks that say so.

use zkml_graph::validate::GraphError;
use zkml_graph::{Graph, Weights};

/// Why a graph cannot run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The graph is not well formed.
    #[error("the graph is not well formed: {0}")]
    Graph(#[from] GraphError),
    /// Weights for another number of parameters.
    #[error("the weights hold {got} parameters, the graph has {expected}")]
    ParamCount {
        /// Parameters of the graph.
        expected: usize,
        /// Vectors of weights.
        got: usize,
    },
    /// A parameter with another number of cells.
    #[error("parameter {param} has {got} weights, expected {expected}")]
    ParamLength {
        /// Name of the parameter.
        param: String,
        /// `outer * inner`.
        expected: usize,
        /// Cells found.
        got: usize,
    },
    /// A weight outside its width.
    #[error("parameter {param}: weight {value} at {index} does not fit {bits} bits")]
    WeightRange {
        /// Name of the parameter.
        param: String,
        /// Position, row-major.
        index: usize,
        /// The weight.
        value: i16,
        /// The declared width.
        bits: u8,
    },
    /// Another number of inputs.
    #[error("{got} inputs, expected {expected}")]
    InputCount {
        /// Inputs of the graph.
        expected: usize,
        /// Inputs given.
        got: usize,
    },
    /// An input with another number of elements.
    #[error("input {tensor} has {got} elements, expected {expected}")]
    InputLength {
        /// Name of the tensor.
        tensor: String,
        /// Elements of its shape.
        expected: usize,
        /// Elements given.
        got: usize,
    },
    /// An input element outside the tensor's range.
    #[error("input {tensor}: value {value} at {index} is outside {min}..={max}")]
    InputRange {
        /// Name of the tensor.
        tensor: String,
        /// Position, row-major.
        index: usize,
        /// The value.
        value: i64,
        /// Least value allowed.
        min: i64,
        /// Greatest value allowed.
        max: i64,
    },
    /// A softmax whose numerators sum to zero.
    #[error("node {node}: the sum that it divides by is {sum}, expected at least 1")]
    DivisorRange {
        /// Name of the node.
        node: String,
        /// The sum.
        sum: i64,
    },
}

/// Number of cells of a shape whose size [`zkml_graph::validate`] has bounded.
pub(crate) fn cells(shape: &[u32]) -> usize {
    shape.iter().map(|&extent| extent as usize).product()
}

/// Checks the number, lengths and widths of the weights.
pub(crate) fn check_weights(graph: &Graph, weights: &Weights) -> Result<(), EngineError> {
    if weights.0.len() != graph.params.len() {
        return Err(EngineError::ParamCount { expected: graph.params.len(), got: weights.0.len() });
    }
    let half = 1_i32 << (graph.weight_bits - 1);
    for (param, values) in graph.params.iter().zip(&weights.0) {
        let expected = param.outer as usize * param.inner as usize;
        if values.len() != expected {
            return Err(EngineError::ParamLength { param: param.name.clone(), expected, got: values.len() });
        }
        let low = values.iter().copied().fold(0, i16::min);
        let high = values.iter().copied().fold(0, i16::max);
        if i32::from(low) < -half || i32::from(high) >= half {
            let fits = |value: i16| (-half..half).contains(&i32::from(value));
            if let Some((index, &value)) = values.iter().enumerate().find(|(_, v)| !fits(**v)) {
                return Err(EngineError::WeightRange {
                    param: param.name.clone(),
                    index,
                    value,
                    bits: graph.weight_bits,
                });
            }
        }
    }
    Ok(())
}

/// Checks the number, lengths and ranges of the inputs.
pub(crate) fn check_inputs(graph: &Graph, inputs: &[Vec<i64>]) -> Result<(), EngineError> {
    if inputs.len() != graph.inputs.len() {
        return Err(EngineError::InputCount { expected: graph.inputs.len(), got: inputs.len() });
    }
    for (&id, values) in graph.inputs.iter().zip(inputs) {
        let tensor = &graph.tensors[id as usize];
        let expected = cells(&tensor.shape);
        if values.len() != expected {
            return Err(EngineError::InputLength {
                tensor: tensor.name.clone(),
                expected,
                got: values.len(),
            });
        }
        let range = tensor.min..=tensor.max;
        if let Some((index, &value)) = values.iter().enumerate().find(|(_, value)| !range.contains(value)) {
            return Err(EngineError::InputRange {
                tensor: tensor.name.clone(),
                index,
                value,
                min: tensor.min,
                max: tensor.max,
            });
        }
    }
    Ok(())
}
