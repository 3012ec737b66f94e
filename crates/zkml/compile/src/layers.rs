//! Where an integer model loses most: its tensors against the values of the float model, layer by layer.

use serde::Serialize;
use zkml_engine::Engine;
use zkml_float::Model;
use zkml_float::array::Array;
use zkml_samples::{Ports, dequantize};

use crate::error::CompileError;
use crate::lower::Lowered;

/// Most samples that are looked at.
const SAMPLES: usize = 8;

/// A layer, and how far its integers are from the float model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerLoss {
    /// Name of the node.
    pub node: String,
    /// Its operator.
    pub operator: String,
    /// Root mean square of the error, as a share of the standard deviation of the float values.
    pub error: f64,
    /// The same of the values that it reads.
    pub error_before: f64,
}

/// Squares of errors and values.
#[derive(Clone, Copy, Default)]
struct Squares {
    error: f64,
    value: f64,
    sum: f64,
    count: f64,
}

impl Squares {
    fn include(&mut self, float: f32, integer: f32) {
        let (float, integer) = (f64::from(float), f64::from(integer));
        if float.is_finite() {
            self.error += (float - integer) * (float - integer);
            self.value += float * float;
            self.sum += float;
            self.count += 1.0;
        }
    }

    /// Error relative to the spread; `None` of values that are all the same.
    fn relative(self) -> Option<f64> {
        let mean = self.sum / self.count.max(1.0);
        let variance = self.value / self.count.max(1.0) - mean * mean;
        (variance > 0.0).then(|| (self.error / self.count.max(1.0) / variance).sqrt())
    }
}

/// The layer whose result is further from the float model than what it reads, by most. `None` if no layer
/// is.
pub(crate) fn worst(
    model: &Model,
    lowered: &Lowered,
    samples: &[Vec<Array>],
) -> Result<Option<LayerLoss>, CompileError> {
    let ir = model.graph();
    let engine = Engine::new(&lowered.graph, &lowered.weights)?;
    let inputs = Ports::inputs(&lowered.graph);
    let mut squares = vec![Squares::default(); ir.values.len()];
    for arrays in samples.iter().take(SAMPLES) {
        let reals: Vec<Vec<f32>> = arrays.iter().map(Array::to_floats).collect();
        let execution = engine.execute(&inputs.integers(&reals)?)?;
        model.execute(arrays.clone(), &mut |value, float| {
            let Some(tensor) = lowered.tensors.get(value).copied().flatten() else { return };
            let Some(integers) = execution.tensors.get(tensor as usize) else { return };
            let reals = dequantize(&lowered.graph.tensors[tensor as usize], integers);
            float.to_floats().iter().zip(&reals).for_each(|(&f, &i)| squares[value].include(f, i));
        })?;
    }
    let mut errors: Vec<f64> = squares.iter().map(|s| s.relative().unwrap_or(0.0)).collect();
    let mut worst: Option<LayerLoss> = None;
    for node in &ir.nodes {
        let before = node.inputs.iter().flatten().map(|&value| errors[value]).fold(0.0, f64::max);
        for &output in node.outputs.iter().flatten() {
            // What is not stored as a tensor of its own has the errors of what it is made of.
            if squares[output].count == 0.0 {
                errors[output] = before;
            }
            let loss = errors[output] - before;
            if loss > worst.as_ref().map_or(0.0, |worst| worst.error - worst.error_before) {
                let own = || (node.name.clone(), node.op.clone());
                let (node, operator) = node.origin.clone().unwrap_or_else(own);
                worst = Some(LayerLoss { node, operator, error: errors[output], error_before: before });
            }
        }
    }
    Ok(worst)
}
