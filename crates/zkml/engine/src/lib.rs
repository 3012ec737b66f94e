//! Integer execution of a graph: the output of a model and the trace that the prover commits to.
//!
//! The result is defined by [`mod@reference`], which follows the definitions of
//! [`zkml_graph::types`] one element at a time. Everything else in this crate computes the same
//! integers faster, and tests hold it to that. [`zkml_graph::validate`] has bounded every sum, so
//! that nothing overflows 64 bits.
//!
//! | module | content |
//! |---|---|
//! | [`mod@reference`] | the definition of the semantics, element by element |
//! | [`error`] | what can be wrong with weights or inputs |
//! | `affine`, `nodes`, `epilogue` | the operations, by rows of linear forms |
//! | `gemm` | hidden weights: matrix products and convolutions in 16-bit digits |
//! | `window` | padding made real, indices as linear forms |

mod affine;
mod epilogue;
pub mod error;
mod gemm;
mod nodes;
pub mod reference;
mod window;

pub use error::EngineError;

use affine::Sources;
use epilogue::Memories;
use zkml_graph::validate::validate;
use zkml_graph::{Graph, Node, Op, Source, TensorId, Weights};

/// Every value that a run computes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Execution {
    /// The elements of every tensor, by tensor id, row-major.
    pub tensors: Vec<Vec<i64>>,
    /// The accumulator of every element of a node's output, by position of the node, row-major;
    /// empty for `Max` and `Normalize`, which have none.
    pub accumulators: Vec<Vec<i64>>,
}

/// A graph and its weights, checked, ready to run on many inputs and from many threads.
#[derive(Debug)]
pub struct Engine<'a> {
    graph: &'a Graph,
    weights: &'a Weights,
    memories: Memories,
}

impl<'a> Engine<'a> {
    /// Checks the graph and the weights.
    ///
    /// # Errors
    /// Returns an error if the graph is not well formed, or the weights have other shapes or widths.
    pub fn new(graph: &'a Graph, weights: &'a Weights) -> Result<Self, EngineError> {
        validate(graph)?;
        error::check_weights(graph, weights)?;
        Ok(Self { graph, weights, memories: Memories::new(graph) })
    }

    /// Runs the graph and keeps every intermediate value.
    ///
    /// `inputs` holds one row-major vector for each of the graph's inputs, in their order.
    ///
    /// # Errors
    /// Returns an error if an input has the wrong length or a value out of its tensor's range, or a softmax
    /// has nothing to divide by.
    pub fn execute(&self, inputs: &[Vec<i64>]) -> Result<Execution, EngineError> {
        let mut tensors = self.start(inputs)?;
        let mut accumulators = Vec::with_capacity(self.graph.nodes.len());
        for (index, node) in self.graph.nodes.iter().enumerate() {
            let (accumulator, output) = self.node(index, node, &tensors)?;
            accumulators.push(accumulator);
            tensors[node.output as usize] = output;
        }
        Ok(Execution { tensors, accumulators })
    }

    /// Computes the nodes from position `from` on again, from the tensors as they are: what
    /// follows from a changed value. Tests use it for provers that lie.
    ///
    /// # Errors
    /// Returns an error if a softmax has nothing to divide by.
    #[doc(hidden)]
    pub fn resume(&self, execution: &mut Execution, from: usize) -> Result<(), EngineError> {
        for (index, node) in self.graph.nodes.iter().enumerate().skip(from) {
            let (accumulator, output) = self.node(index, node, &execution.tensors)?;
            execution.accumulators[index] = accumulator;
            execution.tensors[node.output as usize] = output;
        }
        Ok(())
    }

    /// Runs the graph and returns its outputs, in their order.
    ///
    /// # Errors
    /// Returns the errors of [`Engine::execute`].
    pub fn run(&self, inputs: &[Vec<i64>]) -> Result<Vec<Vec<i64>>, EngineError> {
        let mut tensors = self.start(inputs)?;
        let mut readers = vec![0_usize; tensors.len()];
        for node in &self.graph.nodes {
            reads(node, &mut |id| readers[id as usize] += 1);
        }
        for &id in &self.graph.outputs {
            readers[id as usize] += 1;
        }
        for (index, node) in self.graph.nodes.iter().enumerate() {
            let (_, output) = self.node(index, node, &tensors)?;
            tensors[node.output as usize] = output;
            // What nobody reads any more is freed.
            reads(node, &mut |id| {
                readers[id as usize] -= 1;
                if readers[id as usize] == 0 {
                    tensors[id as usize] = Vec::new();
                }
            });
        }
        let outputs = self.graph.outputs.iter();
        Ok(outputs.map(|&id| std::mem::take(&mut tensors[id as usize])).collect())
    }

    /// The tensors before the first node.
    fn start(&self, inputs: &[Vec<i64>]) -> Result<Vec<Vec<i64>>, EngineError> {
        error::check_inputs(self.graph, inputs)?;
        let mut tensors = vec![Vec::new(); self.graph.tensors.len()];
        for (&id, values) in self.graph.inputs.iter().zip(inputs) {
            tensors[id as usize].clone_from(values);
        }
        Ok(tensors)
    }

    /// The accumulators and the output of a node.
    fn node(
        &self,
        index: usize,
        node: &Node,
        values: &[Vec<i64>],
    ) -> Result<(Vec<i64>, Vec<i64>), EngineError> {
        let sources = Sources { graph: self.graph, weights: self.weights, values };
        let output = &self.graph.tensors[node.output as usize];
        let (acc, epilogue) = match &node.op {
            Op::Affine { terms, epilogue } => (affine::accumulate(&sources, output, terms), epilogue),
            Op::Product { a, b, inner, epilogue } => {
                (nodes::product(&sources, output, [a, b], inner), epilogue)
            }
            Op::Max { a, b } => {
                return Ok((Vec::new(), nodes::maximum(&sources, output, [a, b])));
            }
            Op::Normalize { numerator, axis, shift } => {
                let numerator = &values[*numerator as usize];
                let result = nodes::normalize(node, output, numerator, *axis as usize, *shift)?;
                return Ok((Vec::new(), result));
            }
        };
        let result = self.memories.apply(index, epilogue, &acc);
        Ok((acc, result))
    }
}

/// The tensors that a node reads, with repetition.
fn reads(node: &Node, read: &mut impl FnMut(TensorId)) {
    match &node.op {
        Op::Affine { terms, .. } => {
            for term in terms {
                if let Source::Tensor { tensor, .. } | Source::Reshape { tensor, .. } = term.source {
                    read(tensor);
                }
            }
        }
        Op::Max { a, b } => [a.tensor, b.tensor].into_iter().for_each(read),
        Op::Product { a, b, .. } => [a.tensor, b.tensor].into_iter().for_each(read),
        Op::Normalize { numerator, .. } => read(*numerator),
    }
}

/// Runs the graph once and keeps every intermediate value; see [`Engine::execute`].
///
/// # Errors
/// Returns the errors of [`Engine::new`] and [`Engine::execute`].
pub fn execute(graph: &Graph, weights: &Weights, inputs: &[Vec<i64>]) -> Result<Execution, EngineError> {
    Engine::new(graph, weights)?.execute(inputs)
}

/// Runs the graph once and returns its outputs, in their order; see [`Engine::run`].
///
/// # Errors
/// Returns the errors of [`Engine::new`] and [`Engine::run`].
pub fn run(graph: &Graph, weights: &Weights, inputs: &[Vec<i64>]) -> Result<Vec<Vec<i64>>, EngineError> {
    Engine::new(graph, weights)?.run(inputs)
}
