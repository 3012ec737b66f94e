//! From the float model to the integer graph. Linear operators collect in pending sums
//! ([`expr`]) and become a node ([`emit`]) only when a function, a pool or a second reader needs
//! the numbers; layouts are followed by views ([`view`]). Each operator is a row of `operators`, and
//! its lowering is in its family's file.

mod broadcast;
mod combine;
mod compare;
mod conv;
mod elementwise;
mod emit;
mod expr;
mod layout;
mod linear;
mod maximum;
mod operators;
mod pad;
mod pool;
mod product;
mod quantize;
mod select;
mod slice;
mod softmax;
mod store;
mod view;

use zkml_graph::{Graph, Tensor, TensorId, Weights};

use crate::calibrate::{Moments, Range, Stats};
use crate::error::CompileError;
use crate::options::{Bits, ReluProof};
use crate::scale::choose;
use emit::Target;
use expr::{Expr, Item, Term};
use view::View;
use zkml_float::Unsupported;
use zkml_float::array::Array;
use zkml_float::ir::{Constant, Ir, Node, ValueId};

/// Why a node was not lowered.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It cannot be proven.
    Unsupported(String),
    /// It reads the result of a node that was refused.
    Follows,
    /// The model is faulty.
    Failed(CompileError),
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self::Unsupported(reason)
    }
}

impl From<&str> for Refusal {
    fn from(reason: &str) -> Self {
        Self::Unsupported(reason.into())
    }
}

/// A value of the float model: a stored tensor or a pending sum, and how it lies there.
/// A pending sum is always seen whole.
#[derive(Clone, Debug)]
struct Value {
    source: Stored,
    view: View,
    /// Node that made it.
    name: String,
}

impl Value {
    /// The tensor that holds it in row-major order.
    fn tensor(&self) -> Option<TensorId> {
        match self.source {
            Stored::Tensor(tensor) if self.view.is_row_major() => Some(tensor),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
enum Stored {
    Tensor(TensorId),
    Pending(Expr),
}

/// The graph being built.
pub(crate) struct Lowering<'a> {
    ir: &'a Ir,
    stats: &'a Stats,
    bits: Bits,
    relu: ReluProof,
    graph: Graph,
    weights: Vec<Vec<i16>>,
    /// Mean and mean square of every tensor's real values.
    power: Vec<Moments>,
    values: Vec<Option<Value>>,
    uses: Vec<usize>,
}

/// What lowering yields.
pub(crate) struct Lowered {
    pub(crate) graph: Graph,
    pub(crate) weights: Weights,
    /// The tensor that holds a value of the float model in its order, by the value's number.
    pub(crate) tensors: Vec<Option<TensorId>>,
}

/// A name as graphs accept it.
fn short(name: &str) -> String {
    let mut end = name.len().min(zkml_graph::validate::MAX_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].into()
}

/// Lowers a model. Every node that cannot be lowered is listed.
pub(crate) fn lower(ir: &Ir, stats: &Stats, bits: Bits, relu: ReluProof) -> Result<Lowered, CompileError> {
    let mut lowering = Lowering::new(ir, stats, bits, relu);
    lowering.inputs();
    let mut problems = Vec::new();
    for node in &ir.nodes {
        match lowering.operator(node) {
            Ok(()) | Err(Refusal::Follows) => {}
            Err(Refusal::Unsupported(reason)) => {
                let own = || (node.name.clone(), node.op.clone());
                let (node, operator) = node.origin.clone().unwrap_or_else(own);
                problems.push(Unsupported { node, operator, reason });
            }
            Err(Refusal::Failed(error)) => return Err(error),
        }
    }
    let outputs = if problems.is_empty() { &ir.outputs[..] } else { &[] };
    for &output in outputs {
        let reason = match lowering.output(output) {
            Ok(()) => continue,
            Err(Refusal::Failed(error)) => return Err(error),
            Err(Refusal::Follows) => "it does not depend on an input".into(),
            Err(Refusal::Unsupported(reason)) => reason,
        };
        let (node, operator) = (ir.values[output].name.clone(), "graph output".into());
        problems.push(Unsupported { node, operator, reason });
    }
    if problems.is_empty() {
        let tensors = lowering.values.iter().map(|value| value.as_ref().and_then(Value::tensor)).collect();
        Ok(Lowered { graph: lowering.graph, weights: Weights(lowering.weights), tensors })
    } else {
        Err(CompileError::Unsupported(problems))
    }
}

impl<'a> Lowering<'a> {
    fn new(ir: &'a Ir, stats: &'a Stats, bits: Bits, relu: ReluProof) -> Self {
        let mut uses = vec![0; ir.values.len()];
        let read = ir.nodes.iter().flat_map(|node| node.inputs.iter().flatten());
        read.chain(&ir.outputs).for_each(|&v| uses[v] += 1);
        let graph = Graph {
            name: short(&ir.name),
            weight_bits: bits.weight,
            tensors: Vec::new(),
            params: Vec::new(),
            nodes: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        };
        let (weights, power, values) = (Vec::new(), Vec::new(), vec![None; ir.values.len()]);
        Self { ir, stats, bits, relu, graph, weights, power, values, uses }
    }
}

impl Lowering<'_> {
    fn inputs(&mut self) {
        for &id in &self.ir.inputs {
            let name = self.ir.values[id].name.clone();
            let logical = self.ir.values[id].shape.clone().unwrap_or_default();
            // The batch axis of 1 is not stored.
            let storage = match logical[..] {
                [] => vec![1],
                [1, ref rest @ ..] if !rest.is_empty() => rest.to_vec(),
                _ => logical.clone(),
            };
            let fallback = Range::known(0.0, 0.0);
            let range = self.stats[id].as_ref().unwrap_or(&fallback);
            let integral = range.kept.iter().all(|v| v.fract() == 0.0);
            let mut window = choose(range, self.bits.activation, 30, None, false);
            if integral && window.scale > 0 {
                window.min = (window.min as f64 / crate::scale::exp2(window.scale)).floor() as i64;
                window.scale = 0;
            }
            let power = range.moments();
            let bounds = match self.indexes(id) {
                Some(rows) => {
                    window.scale = 0;
                    (0, rows - 1)
                }
                None => (window.min, window.max()),
            };
            let tensor = self.push_tensor(&name, &storage, bounds, window.scale);
            self.power[tensor as usize] = power;
            self.graph.inputs.push(tensor);
            // Row-major order is kept, so the reshape always succeeds.
            let view = View::whole(&storage).reshape(&logical);
            self.values[id] = view.map(|view| Value { source: Stored::Tensor(tensor), view, name });
        }
    }

    fn tensor(&self, id: TensorId) -> &Tensor {
        &self.graph.tensors[id as usize]
    }

    fn shape_of(&self, id: TensorId) -> Vec<usize> {
        self.tensor(id).shape.iter().map(|&e| e as usize).collect()
    }

    fn range(&self, id: ValueId) -> Result<Range, Refusal> {
        self.stats[id].clone().ok_or(Refusal::Follows)
    }

    fn logical_shape(&self, id: ValueId) -> Result<Vec<usize>, Refusal> {
        self.ir.values[id].shape.clone().ok_or(Refusal::Follows)
    }

    fn constant(&self, node: &Node, index: usize) -> Option<&Constant> {
        node.input(index).and_then(|id| self.ir.constant(id))
    }

    fn constant_array(&self, node: &Node, index: usize) -> Option<&Array> {
        self.constant(node, index).map(|c| c.array.as_ref())
    }

    /// The value of a node's input; a pending sum with several readers becomes a tensor first.
    fn take(&mut self, id: ValueId) -> Result<Value, Refusal> {
        let value = self.values[id].clone().ok_or(Refusal::Follows)?;
        if self.uses[id] > 1 && matches!(value.source, Stored::Pending(_)) {
            let (tensor, view) = self.store(value, id)?;
            let name = self.ir.values[id].name.clone();
            let value = Value { source: Stored::Tensor(tensor), view, name };
            self.values[id] = Some(value.clone());
            return Ok(value);
        }
        Ok(value)
    }

    /// The required input `index` of a node.
    fn input(&mut self, node: &Node, index: usize) -> Result<(ValueId, Value), Refusal> {
        let id = node.input(index).ok_or_else(|| format!("input {index} is missing"))?;
        Ok((id, self.take(id)?))
    }

    /// The input `index` of a node as a stored tensor.
    fn input_tensor(&mut self, node: &Node, index: usize) -> Result<(ValueId, TensorId, View), Refusal> {
        let (id, value) = self.input(node, index)?;
        let (tensor, view) = self.store(value, id)?;
        Ok((id, tensor, view))
    }

    fn set(&mut self, node: &Node, value: Value) -> Result<(), Refusal> {
        self.set_at(node, 0, value)
    }

    fn set_at(&mut self, node: &Node, index: usize, value: Value) -> Result<(), Refusal> {
        if let Some(id) = node.output(index) {
            let expected = self.logical_shape(id)?;
            if value.view.shape() != expected {
                return Err(format!(
                    "internal: lowered to shape {:?} instead of {expected:?}",
                    value.view.shape()
                )
                .into());
            }
            self.values[id] = Some(value);
        }
        Ok(())
    }

    fn set_pending(&mut self, node: &Node, expr: Expr, view: View) -> Result<(), Refusal> {
        self.set(node, Value { source: Stored::Pending(expr), view, name: node.name.clone() })
    }

    fn set_tensor(&mut self, node: &Node, tensor: TensorId, view: View) -> Result<(), Refusal> {
        self.set(node, Value { source: Stored::Tensor(tensor), view, name: node.name.clone() })
    }

    /// Makes a value a graph output, row-major.
    fn output(&mut self, id: ValueId) -> Result<(), Refusal> {
        let value = self.values[id].clone().ok_or(Refusal::Follows)?;
        let name = self.ir.values[id].name.clone();
        let (tensor, view) = match value.source {
            Stored::Pending(expr) if self.uses[id] == 1 => (self.emit(expr, &name, Target::Raw)?, value.view),
            _ => self.store(value, id)?,
        };
        let (mut tensor, _) = self.contiguous(tensor, &view)?;
        if self.graph.inputs.contains(&tensor) || self.graph.outputs.contains(&tensor) {
            let copy = self.copy_of(tensor);
            tensor = self.exact(copy, &name)?;
        }
        self.graph.tensors[tensor as usize].name = short(&name);
        self.graph.outputs.push(tensor);
        Ok(())
    }
}

/// A term over a whole output.
fn everywhere(shape: &[usize], item: Item) -> Term {
    Term { region: Expr::everywhere(shape), item }
}
