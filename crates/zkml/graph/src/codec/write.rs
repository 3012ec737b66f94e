//! Writing; the mirror of `read.rs`, in the same order.

use alloc::vec::Vec;

use super::{GRAPH_MAGIC, VERSION};
use crate::types::{
    AxisMap, Epilogue, Function, FunctionKind, Graph, Node, Op, Operand, OperandAxis, Param, Source, Tensor,
    Term, View, Weight,
};

type Bytes = Vec<u8>;

/// A `u32` count. A longer list than that is cut: no valid graph has one.
fn list<T>(bytes: &mut Bytes, items: &[T], mut item: impl FnMut(&mut Bytes, &T)) {
    let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
    u32(bytes, count);
    for content in items.iter().take(usize::try_from(count).unwrap_or(usize::MAX)) {
        item(bytes, content);
    }
}

fn u32(bytes: &mut Bytes, value: u32) {
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn i32(bytes: &mut Bytes, value: i32) {
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn i64(bytes: &mut Bytes, value: i64) {
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn i8(bytes: &mut Bytes, value: i8) {
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn u32s(bytes: &mut Bytes, values: &[u32]) {
    list(bytes, values, |bytes, &value| u32(bytes, value));
}

fn pairs(bytes: &mut Bytes, values: &[(u32, u32)]) {
    list(bytes, values, |bytes, &(first, second)| {
        u32(bytes, first);
        u32(bytes, second);
    });
}

fn name(bytes: &mut Bytes, value: &str) {
    list(bytes, value.as_bytes(), |bytes, &byte| bytes.push(byte));
}

pub(super) fn graph(bytes: &mut Bytes, graph: &Graph) {
    bytes.extend_from_slice(&GRAPH_MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    name(bytes, &graph.name);
    bytes.push(graph.weight_bits);
    list(bytes, &graph.tensors, tensor);
    list(bytes, &graph.params, param);
    list(bytes, &graph.nodes, node);
    u32s(bytes, &graph.inputs);
    u32s(bytes, &graph.outputs);
}

fn tensor(bytes: &mut Bytes, tensor: &Tensor) {
    name(bytes, &tensor.name);
    u32s(bytes, &tensor.shape);
    i64(bytes, tensor.min);
    i64(bytes, tensor.max);
    i8(bytes, tensor.scale);
}

fn param(bytes: &mut Bytes, param: &Param) {
    name(bytes, &param.name);
    u32(bytes, param.outer);
    u32(bytes, param.inner);
}

fn node(bytes: &mut Bytes, node: &Node) {
    name(bytes, &node.name);
    u32(bytes, node.output);
    match &node.op {
        Op::Affine { terms, epilogue: s } => {
            bytes.push(0);
            list(bytes, terms, term);
            epilogue(bytes, s);
        }
        Op::Max { a, b } => {
            bytes.push(1);
            view(bytes, a);
            view(bytes, b);
        }
        Op::Product { a, b, inner, epilogue: s } => {
            bytes.push(2);
            operand(bytes, a);
            operand(bytes, b);
            u32s(bytes, inner);
            epilogue(bytes, s);
        }
        Op::Normalize { numerator, axis, shift } => {
            bytes.push(3);
            u32(bytes, *numerator);
            u32(bytes, *axis);
            bytes.push(*shift);
        }
    }
}

fn epilogue(bytes: &mut Bytes, epilogue: &Epilogue) {
    match epilogue {
        Epilogue::Exact => bytes.push(0),
        Epilogue::Requant { shift, domain_min, domain_bits, function: f } => {
            bytes.push(1);
            bytes.push(*shift);
            i64(bytes, *domain_min);
            bytes.push(*domain_bits);
            function(bytes, f);
        }
        Epilogue::ReluBits { shift } => {
            bytes.push(2);
            bytes.push(*shift);
        }
    }
}

fn function(bytes: &mut Bytes, function: &Function) {
    let tag = match function.kind {
        FunctionKind::Identity => 0,
        FunctionKind::LeakyRelu { .. } => 1,
        FunctionKind::Sigmoid => 2,
        FunctionKind::Tanh => 3,
        FunctionKind::HardSigmoid { .. } => 4,
        FunctionKind::HardSwish => 5,
        FunctionKind::Elu { .. } => 6,
        FunctionKind::Selu { .. } => 7,
        FunctionKind::Softplus => 8,
        FunctionKind::Gelu => 9,
        FunctionKind::GeluTanh => 10,
        FunctionKind::Silu => 11,
        FunctionKind::Erf => 12,
        FunctionKind::Exp => 13,
        FunctionKind::Log => 14,
        FunctionKind::Sqrt => 15,
        FunctionKind::Rsqrt => 16,
        FunctionKind::Reciprocal => 17,
        FunctionKind::Abs => 18,
        FunctionKind::Square => 19,
        FunctionKind::Sin => 20,
        FunctionKind::Cos => 21,
        FunctionKind::Floor => 22,
        FunctionKind::Ceil => 23,
        FunctionKind::ArgIndex { .. } => 24,
        FunctionKind::Round => 25,
        FunctionKind::Truncate { .. } => 26,
    };
    bytes.push(tag);
    match function.kind {
        FunctionKind::LeakyRelu { alpha } | FunctionKind::Elu { alpha } => i32(bytes, alpha),
        FunctionKind::HardSigmoid { alpha, beta: second } | FunctionKind::Selu { alpha, gamma: second } => {
            i32(bytes, alpha);
            i32(bytes, second);
        }
        FunctionKind::ArgIndex { n } => u32(bytes, n),
        FunctionKind::Truncate { divisor } => i32(bytes, divisor),
        _ => {}
    }
    i8(bytes, function.in_scale);
    i8(bytes, function.out_scale);
    i64(bytes, function.out_min);
    i64(bytes, function.out_max);
}

fn term(bytes: &mut Bytes, term: &Term) {
    pairs(bytes, &term.region);
    match &term.source {
        Source::Constant(value) => {
            bytes.push(0);
            i64(bytes, *value);
        }
        Source::Index { axis, multiplier } => {
            bytes.push(1);
            u32(bytes, *axis);
            i64(bytes, *multiplier);
        }
        Source::Bias { param, outer_axes } => {
            bytes.push(2);
            u32(bytes, *param);
            u32s(bytes, outer_axes);
        }
        Source::Tensor { tensor, inner, map, weight: w } => {
            bytes.push(3);
            u32(bytes, *tensor);
            u32s(bytes, inner);
            list(bytes, map, axis_map);
            weight(bytes, w);
        }
        Source::Reshape { tensor, multiplier } => {
            bytes.push(4);
            u32(bytes, *tensor);
            i64(bytes, *multiplier);
        }
    }
}

fn weight(bytes: &mut Bytes, weight: &Weight) {
    match weight {
        Weight::Public(value) => {
            bytes.push(0);
            i64(bytes, *value);
        }
        Weight::Param { param, outer_axes } => {
            bytes.push(1);
            u32(bytes, *param);
            u32s(bytes, outer_axes);
        }
    }
}

fn axis_map(bytes: &mut Bytes, map: &AxisMap) {
    i64(bytes, map.offset);
    for part in [map.out, map.inner] {
        match part {
            None => bytes.push(0),
            Some((index, factor)) => {
                bytes.push(1);
                u32(bytes, index);
                u32(bytes, factor);
            }
        }
    }
}

fn view(bytes: &mut Bytes, view: &View) {
    u32(bytes, view.tensor);
    list(bytes, &view.map, axis_map);
}

fn operand(bytes: &mut Bytes, operand: &Operand) {
    u32(bytes, operand.tensor);
    list(bytes, &operand.axes, |bytes, axis| {
        let (tag, value) = match *axis {
            OperandAxis::Out(axis) => (0, axis),
            OperandAxis::Inner(index) => (1, index),
            OperandAxis::Fixed(coordinate) => (2, coordinate),
        };
        bytes.push(tag);
        u32(bytes, value);
    });
}

/// The cells of a parameter, each within its width.
pub(super) fn weights(bytes: &mut Bytes, values: &[i16], bits: u8) {
    if bits <= 8 {
        // Within 8 bits the low byte is the whole value.
        bytes.extend(values.iter().map(|&value| value.to_le_bytes()[0]));
    } else {
        bytes.extend(values.iter().flat_map(|&value| value.to_le_bytes()));
    }
}
