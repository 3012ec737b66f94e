//! Arithmetic operators as sums, products and the functions of the list.

use super::Builder;
use crate::array::Array;
use crate::exec::resize::AxisPlan;
use crate::ir::{Attr, Node, ValueId};
use crate::onnx::element;

/// Longest axis whose elements are multiplied together.
const MAX_FACTORS: usize = 16;
/// Longest axis along which sums run: their weights are a matrix of its square.
const MAX_RUNNING: usize = 1 << 11;

/// `max(a, b) = relu(a - b) + b` and `min(a, b) = a - relu(a - b)`, one operand after another, where more than one
/// number bounds the input. False if integer operations have the node as it is.
pub(super) fn bounded(to: &mut Builder<'_>, node: &Node, max: bool) -> bool {
    let inputs: Vec<ValueId> = node.inputs.iter().flatten().copied().collect();
    let (bounds, mut operands): (Vec<ValueId>, Vec<ValueId>) =
        inputs.iter().partition(|&&id| to.ir.constant(id).is_some());
    let scalar = |id: &ValueId| to.ir.constant(*id).is_some_and(|constant| constant.array.scalar().is_some());
    if bounds.is_empty() || bounds.len() == 1 && bounds.iter().all(scalar) {
        return false;
    }
    operands.extend(bounds);
    let mut operands = operands.into_iter();
    let Some(mut value) = operands.next().filter(|&first| to.ir.constant(first).is_none()) else {
        return false;
    };
    for bound in operands {
        let shapes = to.ir.values[value].shape.clone().zip(to.ir.values[bound].shape.clone());
        let Some(Ok(shape)) = shapes.map(|(a, b)| crate::array::broadcast(&a, &b)) else { return false };
        let shape = Some(shape);
        let above = to.node("above", node, "Sub", &[value, bound], shape.clone());
        let above = to.node("relu", node, "Relu", &[above], shape.clone());
        value = match max {
            true => to.node("max", node, "Add", &[above, bound], shape),
            false => to.node("min", node, "Sub", &[value, above], shape),
        };
    }
    to.finish(node);
    true
}

/// A small whole power, by squaring.
pub(super) fn power(to: &mut Builder<'_>, node: &Node, x: ValueId, exponent: u32) {
    let shape = to.ir.values[x].shape.clone();
    let mut product = None;
    let mut square = x;
    for bit in 0..=exponent.ilog2() {
        if bit > 0 {
            square = to.node("square", node, "Mul", &[square, square], shape.clone());
        }
        if exponent >> bit & 1 == 1 {
            product = Some(match product {
                None => square,
                Some(product) => to.node("product", node, "Mul", &[product, square], shape.clone()),
            });
        }
    }
}

/// `(e^x - e^-x) / 2`, or the sum.
pub(super) fn hyperbolic(to: &mut Builder<'_>, node: &Node, x: ValueId, combine: &str) {
    let shape = to.ir.values[x].shape.clone();
    let half = to.constant("half", 0.5);
    let up = to.node("up", node, "Exp", &[x], shape.clone());
    let negative = to.node("negative", node, "Neg", &[x], shape.clone());
    let down = to.node("down", node, "Exp", &[negative], shape.clone());
    let both = to.node("both", node, combine, &[up, down], shape.clone());
    to.node("half", node, "Mul", &[both, half], shape);
}

/// The input where it is above `alpha`, else zero.
pub(super) fn thresholded(to: &mut Builder<'_>, node: &Node, x: ValueId) {
    let shape = to.ir.values[x].shape.clone();
    let alpha = to.constant("alpha", node.float("alpha", 1.0));
    let above = to.node("above", node, "Greater", &[x, alpha], shape.clone());
    let number = to.node("number", node, "Cast", &[above], shape.clone());
    to.attribute("to", Attr::Int(element::FLOAT.into()));
    to.node("kept", node, "Mul", &[x, number], shape);
}

/// The remainder of integers by one constant: `x - c × (x / c)`, and once more the divisor where that has the other
/// sign and the result is to have the divisor's.
pub(super) fn remainder(to: &mut Builder<'_>, node: &Node, x: ValueId) -> bool {
    let divisor = node.input(1).filter(|_| to.ir.integer.contains(&x));
    let Some(divisor) = divisor.filter(|&id| to.ir.constant(id).is_some()) else { return false };
    let value = to.ir.constant(divisor).and_then(|constant| constant.array.scalar());
    let Some(value) = value.filter(|&value| value != 0.0) else { return false };
    let shape = to.ir.values[x].shape.clone();
    let quotient = to.node("quotient", node, "Div", &[x, divisor], shape.clone());
    let whole = to.node("whole", node, "Mul", &[quotient, divisor], shape.clone());
    let rest = to.node("rest", node, "Sub", &[x, whole], shape.clone());
    if node.int("fmod", 0) == 0 {
        let zero = to.array("zero", Array::i64(vec![], vec![0]));
        let other_sign = if value > 0.0 { "Less" } else { "Greater" };
        let wrong = to.node("wrong", node, other_sign, &[rest, zero], shape.clone());
        let number = to.node("number", node, "Cast", &[wrong], shape.clone());
        to.attribute("to", Attr::Int(element::INT64.into()));
        let more = to.node("more", node, "Mul", &[number, divisor], shape.clone());
        to.node("remainder", node, "Add", &[rest, more], shape);
    }
    to.finish(node);
    true
}

/// The last of the greatest, if that is asked for: counted from the end of the axis turned round.
pub(super) fn arg_last(to: &mut Builder<'_>, node: &Node, x: ValueId) -> bool {
    if node.int("select_last_index", 0) == 0 {
        return false;
    }
    let Some(shape) = to.ir.values[x].shape.clone() else { return false };
    let Ok(axis) = crate::array::axis(node.int("axis", 0), shape.len()) else { return false };
    let out = node.output(0).and_then(|out| to.ir.values[out].shape.clone());
    let length = shape[axis] as i64;
    let turned = to.array("turned", Array::i64(vec![shape[axis]], (0..length).rev().collect()));
    let turned = to.node("turned", node, "Gather", &[x, turned], Some(shape));
    to.attribute("axis", Attr::Int(axis as i64));
    let first = to.node("first", node, "ArgMax", &[turned], out.clone());
    to.attribute("axis", Attr::Int(axis as i64));
    to.attribute("keepdims", Attr::Int(node.int("keepdims", 1)));
    let last = to.array("last", Array::i64(vec![], vec![length - 1]));
    to.node("from the end", node, "Sub", &[last, first], out);
    to.finish(node);
    true
}

/// Axis after axis: elements picked, or a product with the matrix of their weights.
pub(super) fn resized(to: &mut Builder<'_>, node: &Node, x: ValueId) -> bool {
    let constants: Option<Vec<Option<Array>>> = node
        .inputs
        .iter()
        .skip(1)
        .map(|input| input.map_or(Some(None), |id| to.ir.constant(id).map(|c| Some((*c.array).clone()))))
        .collect();
    let (Some(constants), Some(mut shape)) = (constants, to.ir.values[x].shape.clone()) else { return false };
    let zeros = Array::f32(shape.clone(), vec![0.0; shape.iter().product()]);
    let inputs: Vec<Option<&Array>> =
        std::iter::once(Some(&zeros)).chain(constants.iter().map(Option::as_ref)).collect();
    let Ok(plans) = crate::exec::resize::plan(node, &inputs, to.ir.opset) else { return false };
    let mut value = x;
    for (axis, plan) in plans.into_iter().enumerate() {
        match plan {
            AxisPlan::Keep => {}
            AxisPlan::Pick(indices) => {
                shape[axis] = indices.len();
                let indices: Vec<i64> = indices.into_iter().map(|index| index as i64).collect();
                let indices = to.array("indices", Array::i64(vec![indices.len()], indices));
                value = to.node("picked", node, "Gather", &[value, indices], Some(shape.clone()));
                to.attribute("axis", Attr::Int(axis as i64));
            }
            AxisPlan::Mix(rows) => {
                let (from, length) = (shape[axis], rows.len());
                let turned = crate::exec::transpose(&rows.concat(), length, from);
                value = along(to, node, value, &mut shape, axis, Array::f32(vec![from, length], turned));
            }
        }
    }
    if value == x {
        to.node("same", node, "Identity", &[x], Some(shape));
    }
    to.finish(node);
    true
}

/// The elements of an axis times a public matrix, whose columns become the elements of that axis.
fn along(
    to: &mut Builder<'_>,
    node: &Node,
    x: ValueId,
    shape: &mut [usize],
    axis: usize,
    matrix: Array,
) -> ValueId {
    let last = shape.len() - 1;
    let mut order: Vec<usize> = (0..shape.len()).collect();
    order.swap(axis, last);
    let turn = Attr::Ints(order.iter().map(|&axis| axis as i64).collect());
    let turned = |shape: &[usize]| Some(order.iter().map(|&axis| shape[axis]).collect());
    let mut value = x;
    if axis != last {
        value = to.node("turned", node, "Transpose", &[value], turned(shape));
        to.attribute("perm", turn.clone());
    }
    shape[axis] = matrix.shape[1];
    let matrix = to.array("weights", matrix);
    value = to.node("sums", node, "MatMul", &[value, matrix], turned(shape));
    if axis != last {
        value = to.node("back", node, "Transpose", &[value], Some(shape.to_vec()));
        to.attribute("perm", turn);
    }
    value
}

/// The greatest of the negatives.
pub(super) fn arg_min(to: &mut Builder<'_>, node: &Node, x: ValueId) -> bool {
    let shape = to.ir.values[x].shape.clone();
    let out = node.output(0).and_then(|out| to.ir.values[out].shape.clone());
    let negative = to.node("negative", node, "Neg", &[x], shape);
    if arg_last(to, node, negative) {
        return true;
    }
    to.node("greatest", node, "ArgMax", &[negative], out);
    for (name, value) in &node.attrs {
        to.attribute(name, value.clone());
    }
    to.finish(node);
    true
}

/// A product along one axis, element by element. False if there are several axes, or too many elements.
pub(super) fn product(to: &mut Builder<'_>, node: &Node, x: ValueId) -> bool {
    let Some((axes, mut shape, out_shape)) = to.reduction(node, x) else { return false };
    let (&[axis], false) = (&axes[..], to.ir.integer.contains(&x)) else { return false };
    let length = shape[axis];
    if length > MAX_FACTORS {
        return false;
    }
    shape[axis] = 1;
    let mut result = None;
    for index in 0..length {
        let at = to.array("at", Array::i64(vec![1], vec![index as i64]));
        let factor = to.node("factor", node, "Gather", &[x, at], Some(shape.clone()));
        to.attribute("axis", Attr::Int(axis as i64));
        result = Some(match result {
            None => factor,
            Some(product) => to.node("product", node, "Mul", &[product, factor], Some(shape.clone())),
        });
    }
    let Some(result) = result else { return false };
    if out_shape != shape {
        to.reshaped("shape", node, result, &out_shape);
    }
    to.finish(node);
    true
}

/// Sums that run along an axis: the input times a triangle of ones.
pub(super) fn running_sum(to: &mut Builder<'_>, node: &Node, x: ValueId) -> bool {
    let axis = node.input(1).and_then(|axis| to.ir.constant(axis)).and_then(|axis| axis.array.scalar());
    let (Some(axis), Some(mut shape)) = (axis, to.ir.values[x].shape.clone()) else { return false };
    let Ok(axis) = crate::array::axis(axis as i64, shape.len()) else { return false };
    let length = shape[axis];
    if length > MAX_RUNNING || to.ir.integer.contains(&x) {
        return false;
    }
    let (exclusive, reverse) = (node.int("exclusive", 0) != 0, node.int("reverse", 0) != 0);
    let counts = |from: usize, at: usize| {
        let (from, at) = if reverse { (at, from) } else { (from, at) };
        from < at || from == at && !exclusive
    };
    let ones = (0..length * length).map(|cell| f32::from(u8::from(counts(cell / length, cell % length))));
    let ones = Array::f32(vec![length, length], ones.collect());
    along(to, node, x, &mut shape, axis, ones);
    to.finish(node);
    true
}
