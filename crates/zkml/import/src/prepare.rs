//! Shapes and constants: runs every node once on zeros, folds what depends on no input, and
//! drops what no output needs. This replaces shape inference: each operator's shape rule is its
//! float implementation.

use std::collections::HashSet;
use std::sync::Arc;

use crate::array::{Array, count};
use crate::error::{ImportError, Unsupported};
use crate::float::{Context, Fault, exec};
use crate::ir::{Constant, Ir, Node};
use crate::onnx::read::Declared;
use crate::onnx::tensor::element;

/// Most elements that all intermediate arrays may have together.
const MAX_TOTAL_ELEMENTS: u64 = 1 << 28;
/// Most multiply-accumulates of one inference.
const MAX_MACS: u64 = 1 << 38;

/// What one pass over the model finds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepared {
    /// Nodes that the importer cannot even run.
    pub(crate) unsupported: Vec<Unsupported>,
    /// Multiply-accumulates of one inference.
    pub(crate) macs: u64,
    /// Elements of all values that depend on an input.
    pub(crate) activations: u64,
}

/// Operators whose result is the same whatever the elements of their input are.
const SHAPE_ONLY: [&str; 2] = ["Shape", "Size"];

/// Fills in shapes and constants, and keeps only live nodes.
pub(crate) fn prepare(ir: &mut Ir, declared: &Declared) -> Result<Prepared, ImportError> {
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
    let context = Context { opset: ir.opset, shapes_only: true };
    let mut faults: Vec<Option<String>> = vec![None; ir.nodes.len()];
    let mut macs = vec![0u64; ir.nodes.len()];
    let mut total = 0u64;
    let mut work = 0u64;
    for index in 0..ir.nodes.len() {
        let node = &ir.nodes[index];
        let constants: Vec<Option<&Constant>> =
            node.inputs.iter().flatten().map(|&v| ir.constant(v)).collect();
        let fold = constants.iter().all(Option::is_some);
        let secret = constants.iter().flatten().any(|c| c.secret);
        let shape_only = SHAPE_ONLY.contains(&node.op.as_str());
        let results = if node.inputs.iter().flatten().any(|&v| known[v].is_none()) {
            Err(None)
        } else {
            let inputs: Vec<Option<&Array>> =
                node.inputs.iter().map(|v| v.and_then(|v| known[v].as_deref())).collect();
            macs[index] = count_macs(node, &inputs);
            work = work.saturating_add(macs[index]);
            if work > MAX_MACS {
                return Err(ImportError::TooLarge {
                    what: "multiply-accumulates of one inference".into(),
                    limit: MAX_MACS,
                    got: work,
                });
            }
            let context = Context { shapes_only: !fold, ..context };
            exec(node, &inputs, context).map_err(Some)
        };
        let outputs = node.outputs.clone();
        match results {
            Ok(arrays) => {
                for (output, array) in outputs.into_iter().zip(arrays) {
                    let Some(output) = output else { continue };
                    if !fold && array.len() == 0 {
                        return Err(ImportError::Node {
                            node: node.name.clone(),
                            operator: node.op.clone(),
                            reason: format!("its result of shape {:?} is empty", array.shape),
                        });
                    }
                    total = total.saturating_add(array.len() as u64);
                    if total > MAX_TOTAL_ELEMENTS {
                        return Err(ImportError::TooLarge {
                            what: "activations of the model: elements".into(),
                            limit: MAX_TOTAL_ELEMENTS,
                            got: total,
                        });
                    }
                    ir.values[output].shape = Some(array.shape.clone());
                    if array.ints().is_ok() {
                        ir.integer.insert(output);
                    }
                    let array = Arc::new(array);
                    if fold || shape_only {
                        let secret = secret && !shape_only;
                        ir.values[output].constant = Some(Constant { array: array.clone(), secret });
                    }
                    known[output] = Some(array);
                }
            }
            Err(Some(Fault::Invalid(reason))) => {
                return Err(ImportError::Node { node: node.name.clone(), operator: node.op.clone(), reason });
            }
            Err(fault) => {
                faults[index] = match fault {
                    Some(Fault::Unsupported(reason)) => Some(reason),
                    Some(_) => Some("the operator is not supported".into()),
                    None if !is_known(node) => Some("the operator is not supported".into()),
                    None => None,
                };
                for output in outputs.into_iter().flatten() {
                    if let Some(shape) = declared.shapes.get(&output).filter(|s| count(s).is_ok()) {
                        let n = shape.iter().product();
                        ir.values[output].shape = Some(shape.clone());
                        known[output] = Some(Arc::new(Array::f32(shape.clone(), vec![0.0; n])));
                    }
                }
            }
        }
    }
    Ok(retain_live(ir, &faults, &macs))
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
pub(crate) fn placeholder(name: &str, element_type: i32, shape: Vec<usize>) -> Result<Array, ImportError> {
    use element::*;
    let n = shape.iter().product();
    Ok(match element_type {
        FLOAT | DOUBLE | FLOAT16 | BFLOAT16 => Array::f32(shape, vec![0.0; n]),
        INT64 | INT32 | INT16 | INT8 | UINT64 | UINT32 | UINT16 | UINT8 => Array::i64(shape, vec![0; n]),
        BOOL => Array::bool(shape, vec![false; n]),
        got => {
            return Err(ImportError::ElementType { tensor: name.into(), got });
        }
    })
}

/// Whether an operator is implemented, whatever its inputs.
fn is_known(node: &Node) -> bool {
    let context = Context { opset: 20, shapes_only: true };
    !matches!(exec(node, &[], context), Err(Fault::Unknown))
}

/// Multiply-accumulates of a node.
fn count_macs(node: &Node, inputs: &[Option<&Array>]) -> u64 {
    let shape = |i: usize| inputs.get(i).copied().flatten().map(|a| a.shape.as_slice());
    let product = |s: &[usize]| s.iter().fold(1u64, |n, &d| n.saturating_mul(d as u64));
    match (node.op.as_str(), shape(0), shape(1)) {
        ("Conv", Some(x), Some(w)) if x.len() > 2 && w.len() == x.len() => {
            crate::geometry::windows(node, &x[2..], Some(&w[2..])).map_or(0, |windows| {
                windows
                    .iter()
                    .fold(product(w).saturating_mul(x[0] as u64), |n, w| n.saturating_mul(w.output as u64))
            })
        }
        ("MatMul", Some(a), Some(&[k, n])) if a.last() == Some(&k) => product(a).saturating_mul(n as u64),
        ("MatMul", Some(a), Some(b)) if b.len() > 1 => product(a).saturating_mul(b[b.len() - 1] as u64),
        ("Gemm", Some(a), Some(&[r, c])) => {
            let n = if node.int("transB", 0) != 0 { r } else { c };
            product(a).saturating_mul(n as u64)
        }
        _ => 0,
    }
}
