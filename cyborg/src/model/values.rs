//! Samples to integers and back: the names, shapes and scales at a graph's edges.

use std::path::Path;

use serde_json::{Value, json};
use zkml_graph::{Graph, Tensor, TensorId};
use zkml_import::data::Samples;
use zkml_import::{dequantize, quantize};

use crate::error::Failure;
use crate::model::score::class_of;

/// The graph's inputs or outputs, in their order.
pub(crate) struct Ports<'a> {
    /// The tensors.
    pub(crate) tensors: Vec<&'a Tensor>,
    /// Their names.
    pub(crate) names: Vec<String>,
    /// Their numbers of elements.
    pub(crate) sizes: Vec<usize>,
}

impl<'a> Ports<'a> {
    /// The tensors that the user supplies.
    pub(crate) fn inputs(graph: &'a Graph) -> Self {
        Self::new(graph, &graph.inputs)
    }

    /// The tensors that the user receives.
    pub(crate) fn outputs(graph: &'a Graph) -> Self {
        Self::new(graph, &graph.outputs)
    }

    fn new(graph: &'a Graph, ids: &[TensorId]) -> Self {
        let tensors: Vec<&Tensor> = ids.iter().map(|&id| &graph.tensors[id as usize]).collect();
        let names = tensors.iter().map(|tensor| tensor.name.clone()).collect();
        let sizes = tensors.iter().map(|tensor| size(tensor)).collect();
        Self { tensors, names, sizes }
    }

    /// One sample as the integers that the graph takes; values out of range saturate.
    pub(crate) fn sample(&self, samples: &Samples, index: usize) -> Result<Vec<Vec<i64>>, Failure> {
        let inputs = samples.inputs_for(&self.names, &self.sizes, index)?;
        let quantized = self.tensors.iter().zip(&inputs).map(|(tensor, input)| quantize(tensor, input));
        quantized.collect::<Result<_, _>>().map_err(|error| Failure::input(Path::new(samples.file()), error))
    }

    /// Names, shapes, ranges and scales.
    pub(crate) fn describe(&self) -> Value {
        let describe = |tensor: &&Tensor| {
            let Tensor { name, shape, min, max, scale } = tensor;
            json!({ "name": name, "shape": shape, "min": min, "max": max, "scale": scale })
        };
        self.tensors.iter().map(describe).collect()
    }

    /// The real numbers behind integers.
    pub(crate) fn real(&self, integers: &[Vec<i64>]) -> Vec<Vec<f32>> {
        self.tensors.iter().zip(integers).map(|(tensor, values)| dequantize(tensor, values)).collect()
    }
}

/// Number of elements of a tensor; a graph that was decoded has no larger ones than fit.
fn size(tensor: &Tensor) -> usize {
    tensor.shape.iter().map(|&extent| extent as usize).product()
}

/// One sample's outputs as a file of samples has them: in the form that `--output` reads.
pub(crate) fn integers_as_json(ports: &Ports<'_>, outputs: &[Vec<i64>]) -> Value {
    match outputs {
        [output] => json!({ "outputs": [output] }),
        _ => {
            let arrays = outputs.iter().map(|output| json!([output]));
            Value::Object(ports.names.iter().cloned().zip(arrays).collect())
        }
    }
}

/// Values of tensors for people and for programs.
pub(crate) fn shown(ports: &Ports<'_>, integers: &[Vec<i64>]) -> (Vec<String>, Value) {
    const SHOWN: usize = 16;
    let (mut lines, mut list) = (Vec::new(), Vec::new());
    for ((tensor, values), real) in ports.tensors.iter().zip(integers).zip(ports.real(integers)) {
        let classes = tensor.shape.last().map_or(1, |&extent| extent as usize).max(1);
        let class: Vec<i64> = real.chunks_exact(classes).map(class_of).collect();
        let mut numbers: Vec<String> = real.iter().take(SHOWN).map(|value| format!("{value:.4}")).collect();
        if real.len() > SHOWN {
            numbers.push(format!("… {} in all", real.len()));
        }
        lines.push(format!("{} {:?}: {}", tensor.name, tensor.shape, numbers.join(" ")));
        if classes > 1 && class.len() == 1 {
            lines.push(format!("{}: greatest at {}", tensor.name, class[0]));
        }
        list.push(json!({
            "name": tensor.name,
            "shape": tensor.shape,
            "scale": tensor.scale,
            "integers": values,
            "values": real,
            "class": class,
        }));
    }
    (lines, Value::Array(list))
}
