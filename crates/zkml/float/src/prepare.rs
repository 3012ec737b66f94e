//! Shapes and constants: runs every node once on zeros, folds what depends on no input, and
//! drops what no output needs. This replaces shape inference: each operator's shape rule is its
//! float implementation.

use std::collections::HashSet;
use std::sync::Arc;

use crate::array::{Array, count};
use crate::error::{FloatError, Unsupported, limit};
use crate::exec::{Context, Fault, exec, is_known, macs};
use crate::ir::{Attr, Constant, Ir};
use crate::onnx::read::Declared;
use crate::onnx::tensor::element;

/// Most elements that all intermediate arrays may have together.
const MAX_TOTAL_ELEMENTS: u64 = 1 << 28;
/// Most multiply-accumulates of one inference.
const MAX_MACS: u64 = 1 << 38;

/// What one pass over the model finds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepared {
    /// Nodes that cannot be run.
    pub(crate) unsupported: Vec<Unsupported>,
    /// Multiply-accumulates of one inference.
    pub(crate) macs: u64,
    /// Elements of all values that depend on an input.
    pub(crate) activations: u64,
}

/// Operators whose result is the same whatever the elements of their input are.
const SHAPE_ONLY: [&str; 2] = ["Shape", "Size"];

/// Fills in shapes and constants, and keeps only live nodes.
pub(crate) fn prepare(ir: &mut Ir, declared: &Declared) -> Result<Prepared, FloatError> {
    let mut known: Vec<Option<Arc<Array>>> =
        ir.values.iter().map(|v| v.constant.as_ref().map(|c| c.array.clone())).collect();
    for (&id, &element) in ir.inputs.iter().zip(&declared.input_types) {
        let shape = ir.values[id].shape.clone().unwrap_or_default();
        let zeros = placeholder(&ir.values[id].name, element, shape)?;
        if zeros.ints().is_ok() {
            ir.integer.insert(id);
        }
        known[id] = Some(Arc::new(zeros));
    }
    drop_unread(ir);
    let nodes = ir.nodes.len();
    let mut pass =
        Pass { ir, declared, known, faults: vec![None; nodes], macs: vec![0; nodes], elements: 0, work: 0 };
    for index in 0..nodes {
        pass.node(index)?;
    }
    let Pass { faults, macs, .. } = pass;
    Ok(retain_live(ir, &faults, &macs))
}

/// Takes away second and later outputs that nobody reads, such as the statistics of a LayerNorm.
fn drop_unread(ir: &mut Ir) {
    let mut read: HashSet<usize> = ir.outputs.iter().copied().collect();
    read.extend(ir.nodes.iter().flat_map(|node| node.inputs.iter().flatten()));
    for node in ir.nodes.iter_mut().filter(|node| node.op != "Split") {
        for output in node.outputs.iter_mut().skip(1) {
            *output = output.filter(|id| read.contains(id));
        }
        while node.outputs.len() > 1 && node.outputs.last() == Some(&None) {
            node.outputs.pop();
        }
    }
}

/// One pass over the nodes, in order.
struct Pass<'a> {
    ir: &'a mut Ir,
    declared: &'a Declared,
    /// Constants, and zeros of the shape of whatever depends on an input.
    known: Vec<Option<Arc<Array>>>,
    /// Why a node cannot be run.
    faults: Vec<Option<String>>,
    macs: Vec<u64>,
    /// Elements and multiply-accumulates so far.
    elements: u64,
    work: u64,
}

impl Pass<'_> {
    fn node(&mut self, index: usize) -> Result<(), FloatError> {
        self.settle_type(index);
        let node = &self.ir.nodes[index];
        if node.inputs.iter().flatten().any(|&v| self.known[v].is_none()) {
            let fault = (!is_known(node)).then_some(Fault::Unknown);
            self.faulty(index, fault);
            return Ok(());
        }
        let fold = node.inputs.iter().flatten().all(|&v| self.ir.constant(v).is_some());
        let inputs: Vec<Option<&Array>> =
            node.inputs.iter().map(|v| v.and_then(|v| self.known[v].as_deref())).collect();
        self.macs[index] = macs(node, &inputs);
        self.work = self.work.saturating_add(self.macs[index]);
        limit("multiply-accumulates of one inference", MAX_MACS, self.work)?;
        let context = Context { opset: self.ir.opset, shapes_only: !fold };
        match exec(node, &inputs, context) {
            Ok(arrays) => self.results(index, fold, arrays),
            Err(Fault::Invalid(reason)) => Err(self.error(index, reason)),
            Err(fault) => {
                self.faulty(index, Some(fault));
                Ok(())
            }
        }
    }

    /// Makes a cast to the type of another value one to that type.
    fn settle_type(&mut self, index: usize) {
        let node = &mut self.ir.nodes[index];
        let like =
            node.input(1).filter(|_| node.op == "CastLike").and_then(|like| self.known[like].as_deref());
        if let Some(like) = like {
            node.op = "Cast".into();
            node.attrs.insert("to".into(), Attr::Int(like.element_type().into()));
            node.inputs.truncate(1);
        }
    }

    /// Keeps what a node yields: shapes, and constants if it depends on no input.
    fn results(&mut self, index: usize, fold: bool, arrays: Vec<Array>) -> Result<(), FloatError> {
        let node = &self.ir.nodes[index];
        let shape_only = SHAPE_ONLY.contains(&node.op.as_str());
        let constants = node.inputs.iter().flatten().filter_map(|&v| self.ir.constant(v));
        let secret = constants.into_iter().any(|c| c.secret) && !shape_only;
        for (output, array) in node.outputs.clone().into_iter().zip(arrays) {
            let Some(output) = output else { continue };
            if !fold && array.is_empty() {
                let reason = format!("its result of shape {:?} is empty", array.shape);
                return Err(self.error(index, reason));
            }
            self.elements = self.elements.saturating_add(array.len() as u64);
            limit("activations of the model: elements", MAX_TOTAL_ELEMENTS, self.elements)?;
            self.ir.values[output].shape = Some(array.shape.clone());
            if array.ints().is_ok() {
                self.ir.integer.insert(output);
            }
            let array = Arc::new(array);
            if fold || shape_only {
                self.ir.values[output].constant = Some(Constant { array: array.clone(), secret });
            }
            self.known[output] = Some(array);
        }
        Ok(())
    }

    /// Notes why a node cannot be run, and goes on with the shapes that the file declares.
    fn faulty(&mut self, index: usize, fault: Option<Fault>) {
        self.faults[index] = fault.map(|fault| match fault {
            Fault::Unsupported(reason) | Fault::Invalid(reason) => reason,
            Fault::Unknown => "the operator is not supported".into(),
        });
        for output in self.ir.nodes[index].outputs.iter().flatten() {
            if let Some(shape) = self.declared.shapes.get(output).filter(|s| count(s).is_ok()) {
                let n = shape.iter().product();
                self.ir.values[*output].shape = Some(shape.clone());
                self.known[*output] = Some(Arc::new(Array::f32(shape.clone(), vec![0.0; n])));
            }
        }
    }

    fn error(&self, index: usize, reason: String) -> FloatError {
        let node = &self.ir.nodes[index];
        FloatError::Node { node: node.name.clone(), operator: node.op.clone(), reason }
    }
}

fn retain_live(ir: &mut Ir, faults: &[Option<String>], macs: &[u64]) -> Prepared {
    let mut live: HashSet<usize> = ir.outputs.iter().copied().collect();
    let mut keep = vec![false; ir.nodes.len()];
    for (index, node) in ir.nodes.iter().enumerate().rev() {
        let needed =
            node.outputs.iter().flatten().any(|&o| live.contains(&o) && ir.values[o].constant.is_none());
        if needed {
            keep[index] = true;
            live.extend(node.inputs.iter().flatten());
        }
    }
    let mut prepared = Prepared::default();
    let mut parameters = HashSet::new();
    for (index, node) in ir.nodes.iter().enumerate().filter(|(i, _)| keep[*i]) {
        prepared.macs = prepared.macs.saturating_add(macs[index]);
        for &output in node.outputs.iter().flatten() {
            let elements = ir.values[output].shape.as_ref().map_or(0, |s| s.iter().product());
            prepared.activations += elements as u64;
        }
        parameters.extend(
            node.inputs
                .iter()
                .flatten()
                .copied()
                .filter(|&v| ir.constant(v).is_some_and(|c| c.secret && c.array.floats().is_ok())),
        );
        if let Some(reason) = &faults[index] {
            prepared.unsupported.push(Unsupported {
                node: node.name.clone(),
                operator: node.op.clone(),
                reason: reason.clone(),
            });
        }
    }
    ir.parameters = parameters.iter().filter_map(|&v| ir.constant(v)).map(|c| c.array.len() as u64).sum();
    let mut keep = keep.into_iter();
    ir.nodes.retain(|_| keep.next().unwrap_or(false));
    prepared
}

/// Zeros of an input's shape and kind of element.
pub(crate) fn placeholder(name: &str, element_type: i32, shape: Vec<usize>) -> Result<Array, FloatError> {
    use element::*;
    let n = shape.iter().product();
    Ok(match element_type {
        FLOAT | DOUBLE | FLOAT16 | BFLOAT16 => Array::f32(shape, vec![0.0; n]),
        INT64 | INT32 | INT16 | INT8 | UINT64 | UINT32 | UINT16 | UINT8 => Array::i64(shape, vec![0; n]),
        BOOL => Array::bool(shape, vec![false; n]),
        got => {
            return Err(FloatError::ElementType { tensor: name.into(), got });
        }
    })
}
