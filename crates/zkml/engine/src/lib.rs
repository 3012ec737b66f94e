//! Integer execution of a graph: the output of a model and the trace that the prover commits to.
//!
//! The result is defined by [`mod@reference`], which follows the definitions of
//! [`zkml_graph::types`] one element at a time. Everything else in this crate computes the same
//! integers faster, and tests hold it to that.
//!
//! | module | content |
//! |---|---|
//! | [`mod@reference`] | the definition of the semantics, element by element |
//! | [`error`] | what can be wrong with weights or inputs |

pub mod error;
pub mod reference;

pub use error::EngineError;

use zkml_graph::{Graph, Weights};

/// Every value that a run computes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Execution {
    /// The elements of every tensor, by tensor id, row-major.
    pub tensors: Vec<Vec<i64>>,
    /// The accumulator of every element of a node's output, by position of the node, row-major;
    /// empty for `Max` and `Normalize`, which have none.
    pub accumulators: Vec<Vec<i64>>,
}

/// Runs the graph and keeps every intermediate value.
///
/// `inputs` holds one row-major vector for each of the graph's inputs, in their order.
///
/// # Errors
/// Where the weights do not fit the graph, or an input has the wrong length or a value out of
/// its tensor's range.
pub fn execute(
    graph: &Graph,
    weights: &Weights,
    inputs: &[Vec<i64>],
) -> Result<Execution, EngineError> {
    reference::execute(graph, weights, inputs)
}

/// Runs the graph and returns its outputs, in their order.
///
/// # Errors
/// As [`execute`].
pub fn run(
    graph: &Graph,
    weights: &Weights,
    inputs: &[Vec<i64>],
) -> Result<Vec<Vec<i64>>, EngineError> {
    let mut execution = execute(graph, weights, inputs)?;
    Ok(graph
        .outputs
        .iter()
        .map(|&id| std::mem::take(&mut execution.tensors[id as usize]))
        .collect())
}
