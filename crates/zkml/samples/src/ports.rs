//! Samples to integers and back: the names, shapes and scales at a graph's edges.

use zkml_graph::{Graph, Tensor, TensorId};

use crate::{DataError, QuantizeError, Row, Samples, dequantize, quantize, saturated};

/// The graph's inputs or outputs, in their order.
#[derive(Clone, Debug)]
pub struct Ports<'a> {
    /// The tensors.
    pub tensors: Vec<&'a Tensor>,
    /// Their names.
    pub names: Vec<String>,
    /// Their numbers of elements.
    pub sizes: Vec<usize>,
}

impl<'a> Ports<'a> {
    /// The tensors that the user supplies.
    #[must_use]
    pub fn inputs(graph: &'a Graph) -> Self {
        Self::new(graph, &graph.inputs)
    }

    /// The tensors that the user receives.
    #[must_use]
    pub fn outputs(graph: &'a Graph) -> Self {
        Self::new(graph, &graph.outputs)
    }

    fn new(graph: &'a Graph, ids: &[TensorId]) -> Self {
        let tensors: Vec<&Tensor> = ids.iter().map(|&id| &graph.tensors[id as usize]).collect();
        let names = tensors.iter().map(|tensor| tensor.name.clone()).collect();
        let sizes = tensors.iter().map(|tensor| size(tensor)).collect();
        Self { tensors, names, sizes }
    }

    /// How many samples there are for these tensors.
    ///
    /// # Errors
    /// As [`Samples::count`].
    pub fn count(&self, samples: &Samples) -> Result<usize, DataError> {
        samples.count(&self.names, &self.sizes)
    }

    /// One sample as integers, one row-major vector for each tensor; values out of range saturate.
    ///
    /// # Errors
    /// As [`Samples::inputs_for`].
    pub fn sample(&self, samples: &Samples, index: usize) -> Result<Vec<Vec<i64>>, DataError> {
        let inputs = samples.inputs_for(&self.names, &self.sizes, index)?;
        self.integers(&inputs)
            .map_err(|problem| DataError::Quantize { file: samples.file().to_owned(), problem })
    }

    /// The outputs of one sample as the file has them; `None` if it has none.
    ///
    /// # Errors
    /// As [`Samples::outputs_for`].
    pub fn rows<'s>(&self, samples: &'s Samples, index: usize) -> Result<Option<Vec<Row<'s>>>, DataError> {
        samples.outputs_for(&self.names, &self.sizes, index)
    }

    /// The integers nearest to real numbers, one row-major vector for each tensor.
    ///
    /// # Errors
    /// As [`quantize`].
    pub fn integers(&self, reals: &[Vec<f32>]) -> Result<Vec<Vec<i64>>, QuantizeError> {
        self.tensors.iter().zip(reals).map(|(tensor, values)| quantize(tensor, values)).collect()
    }

    /// How many of real numbers lie outside of the tensors' ranges, and how many there are.
    #[must_use]
    pub fn saturated(&self, reals: &[Vec<f32>]) -> (usize, usize) {
        let pairs = self.tensors.iter().zip(reals);
        pairs.fold((0, 0), |(outside, all), (tensor, values)| {
            (outside + saturated(tensor, values), all + values.len())
        })
    }

    /// The real numbers behind integers.
    #[must_use]
    pub fn real(&self, integers: &[Vec<i64>]) -> Vec<Vec<f32>> {
        self.tensors.iter().zip(integers).map(|(tensor, values)| dequantize(tensor, values)).collect()
    }
}

/// Number of elements of a tensor; a graph that was decoded has no larger ones than fit.
fn size(tensor: &Tensor) -> usize {
    tensor.shape.iter().map(|&extent| extent as usize).product()
}
