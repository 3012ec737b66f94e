//! The float model as users see it: reading, its interface, running it.

use std::sync::Arc;

use serde::Serialize;

use crate::array::Array;
use crate::error::{FloatError, Unsupported};
use crate::exec::{Context, Fault, exec};
use crate::ir::{Ir, Node, ValueId};
use crate::onnx::Reading;
use crate::prepare::{Prepared, placeholder, prepare};

/// A graph input or output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ValueInfo {
    /// Name in the ONNX graph.
    pub name: String,
    /// Shape as in the ONNX graph, the batch axis included; a symbolic batch is 1.
    pub shape: Vec<usize>,
}

impl ValueInfo {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether an extent is zero.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A float model, read from ONNX and checked.
#[derive(Clone, Debug)]
pub struct Model {
    /// What the file says. Constants are shared with `ir`.
    original: Ir,
    /// The same function after rewrites.
    ir: Ir,
    prepared: Prepared,
    input_types: Vec<i32>,
    inputs: Vec<ValueInfo>,
    outputs: Vec<ValueInfo>,
}

impl Model {
    /// Reads an ONNX file that leaves nothing open: [`Model::read_with`] and its defaults.
    ///
    /// # Errors
    /// Returns the errors of [`Model::read_with`].
    pub fn read(bytes: &[u8]) -> Result<Self, FloatError> {
        Self::read_with(bytes, &Reading::default())
    }

    /// Reads an ONNX file, as PyTorch's exporters write it: operator sets 7 to 28. An extent that the file
    /// leaves open is as `reading` says, or 1 if it is the first of an input.
    ///
    /// Operators that cannot be run do not fail here: [`Model::unsupported`] lists them.
    ///
    /// # Errors
    /// Returns an error if the bytes are not a model, if a version or an element type is not supported, if
    /// weights beside the model cannot be read, and if shapes or attributes contradict their operator.
    pub fn read_with(bytes: &[u8], reading: &Reading<'_>) -> Result<Self, FloatError> {
        let (mut ir, declared) = crate::onnx::read::read(bytes, reading)?;
        let prepared = prepare(&mut ir, &declared)?;
        let original = ir.clone();
        crate::rewrite::rewrite(&mut ir);
        let info = |ids: &[ValueId]| {
            ids.iter()
                .map(|&id| ValueInfo {
                    name: ir.values[id].name.clone(),
                    shape: ir.values[id].shape.clone().unwrap_or_default(),
                })
                .collect()
        };
        let (inputs, outputs) = (info(&ir.inputs), info(&ir.outputs));
        Ok(Self { original, ir, prepared, input_types: declared.input_types, inputs, outputs })
    }

    /// Name of the graph.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.ir.name
    }

    /// The graph after rewrites: nodes in execution order, with shapes and constants filled in.
    #[must_use]
    pub fn graph(&self) -> &Ir {
        &self.ir
    }

    /// Nodes that cannot be run.
    #[must_use]
    pub fn unsupported(&self) -> &[Unsupported] {
        &self.prepared.unsupported
    }

    /// Multiply-accumulates of one inference.
    #[must_use]
    pub fn macs(&self) -> u64 {
        self.prepared.macs
    }

    /// Elements of all values that depend on an input.
    #[must_use]
    pub fn activations(&self) -> u64 {
        self.prepared.activations
    }

    /// What the model takes, in order.
    #[must_use]
    pub fn inputs(&self) -> &[ValueInfo] {
        &self.inputs
    }

    /// What the model yields, in order.
    #[must_use]
    pub fn outputs(&self) -> &[ValueInfo] {
        &self.outputs
    }

    /// Runs the model in float32 as the file says it, before any rewrite: whatever is made from
    /// [`Model::graph`] is judged by this. `inputs`: one row-major array for each of [`Model::inputs`].
    ///
    /// # Errors
    /// Returns an error if a count or size is wrong, if an input is NaN or infinite, and if a node
    /// cannot be run.
    pub fn run(&self, inputs: &[Vec<f32>]) -> Result<Vec<Vec<f32>>, FloatError> {
        self.outputs_of(&self.original, self.arrays(inputs)?, &mut |_, _| {})
    }

    /// Checks inputs, one row-major array for each of [`Model::inputs`], and gives them the model's
    /// shapes and element kinds.
    ///
    /// # Errors
    /// Returns an error if a count or size is wrong, and if an input is NaN or infinite.
    pub fn arrays(&self, inputs: &[Vec<f32>]) -> Result<Vec<Array>, FloatError> {
        if inputs.len() != self.inputs.len() {
            return Err(FloatError::InputCount { expected: self.inputs.len(), got: inputs.len() });
        }
        let mut arrays = Vec::with_capacity(inputs.len());
        for ((info, &kind), values) in self.inputs.iter().zip(&self.input_types).zip(inputs) {
            if values.len() != info.len() {
                return Err(FloatError::ArraySize {
                    name: info.name.clone(),
                    shape: info.shape.clone(),
                    expected: info.len(),
                    got: values.len(),
                });
            }
            if let Some(index) = values.iter().position(|v| !v.is_finite()) {
                return Err(FloatError::NotFinite { tensor: info.name.clone(), index, got: values[index] });
            }
            let mut array = placeholder(&info.name, kind, info.shape.clone())?;
            match &mut array.data {
                crate::array::Data::F32(v) => v.copy_from_slice(values),
                crate::array::Data::I64(v) => {
                    v.iter_mut().zip(values).for_each(|(a, &b)| *a = b.round() as i64);
                }
                crate::array::Data::Bool(v) => {
                    v.iter_mut().zip(values).for_each(|(a, &b)| *a = b != 0.0);
                }
            }
            arrays.push(array);
        }
        Ok(arrays)
    }

    /// Runs [`Model::graph`] on what [`Model::arrays`] makes of inputs, and shows every value that depends
    /// on an input to `observe`. The outputs are row-major.
    ///
    /// # Errors
    /// Returns an error if a node cannot be run.
    pub fn execute(
        &self,
        inputs: Vec<Array>,
        observe: &mut dyn FnMut(ValueId, &Array),
    ) -> Result<Vec<Vec<f32>>, FloatError> {
        self.outputs_of(&self.ir, inputs, observe)
    }

    fn outputs_of(
        &self,
        ir: &Ir,
        inputs: Vec<Array>,
        observe: &mut dyn FnMut(ValueId, &Array),
    ) -> Result<Vec<Vec<f32>>, FloatError> {
        if !self.prepared.unsupported.is_empty() {
            return Err(FloatError::Unsupported(self.prepared.unsupported.clone()));
        }
        let live = walk(ir, inputs, observe, false)?;
        ir.outputs
            .iter()
            .map(|&id| {
                live[id].as_ref().map(|a| a.to_floats()).ok_or_else(|| FloatError::UnknownValue {
                    node: "(graph output)".into(),
                    value: ir.values[id].name.clone(),
                })
            })
            .collect()
    }

    /// Runs what can be run. A node that cannot be run yields zeros if its shape is known.
    pub fn execute_leniently(&self, inputs: Vec<Array>, observe: &mut dyn FnMut(ValueId, &Array)) {
        // The faults are in [`Model::unsupported`].
        drop(walk(&self.ir, inputs, observe, true));
    }
}

/// Runs the nodes in order; returns the values still held at the end, the outputs among them.
fn walk(
    ir: &Ir,
    inputs: Vec<Array>,
    observe: &mut dyn FnMut(ValueId, &Array),
    lenient: bool,
) -> Result<Vec<Option<Arc<Array>>>, FloatError> {
    let context = Context { opset: ir.opset, shapes_only: false };
    let mut last_use = vec![0; ir.values.len()];
    for (index, node) in ir.nodes.iter().enumerate() {
        node.inputs.iter().flatten().for_each(|&v| last_use[v] = index);
    }
    ir.outputs.iter().for_each(|&v| last_use[v] = usize::MAX);
    let mut live: Vec<Option<Arc<Array>>> =
        ir.values.iter().map(|v| v.constant.as_ref().map(|c| c.array.clone())).collect();
    for (&id, array) in ir.inputs.iter().zip(inputs) {
        observe(id, &array);
        live[id] = Some(Arc::new(array));
    }
    for (index, node) in ir.nodes.iter().enumerate() {
        let arguments: Vec<Option<&Array>> =
            node.inputs.iter().map(|v| v.and_then(|v| live[v].as_deref())).collect();
        let results = match exec(node, &arguments, context) {
            Ok(results) => results,
            Err(_) if lenient => zeros(ir, node),
            Err(fault) => return Err(node_error(node, fault)),
        };
        for (output, array) in node.outputs.iter().zip(results) {
            if let Some(output) = *output {
                observe(output, &array);
                live[output] = Some(Arc::new(array));
            }
        }
        for &input in node.inputs.iter().flatten() {
            if last_use[input] == index {
                live[input] = None;
            }
        }
    }
    Ok(live)
}

/// Zeros of the shapes that a node's outputs are known to have; no arrays if one is unknown.
fn zeros(ir: &Ir, node: &Node) -> Vec<Array> {
    let zero = |output: &Option<ValueId>| {
        let shape = output.and_then(|o| ir.values[o].shape.clone())?;
        let n = shape.iter().product();
        Some(Array::f32(shape, vec![0.0; n]))
    };
    node.outputs.iter().map(zero).collect::<Option<Vec<_>>>().unwrap_or_default()
}

fn node_error(node: &Node, fault: Fault) -> FloatError {
    FloatError::Node {
        node: node.name.clone(),
        operator: node.op.clone(),
        reason: match fault {
            Fault::Unknown => "the operator is not supported".into(),
            Fault::Unsupported(reason) | Fault::Invalid(reason) => reason,
        },
    }
}
