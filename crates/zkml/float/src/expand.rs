//! Operators that are compositions, taken apart into simpler ones before lowering.

mod arithmetic;
mod recurrent;

use std::sync::Arc;

use zkml_graph::FunctionKind as F;

use crate::array::Array;
use crate::ir::{Attr, Constant, Ir, Node, Value, ValueId};
use crate::onnx::element;

/// Makes new values and nodes while a model is taken apart.
struct Builder<'a> {
    ir: &'a mut Ir,
    nodes: Vec<Node>,
}

impl Builder<'_> {
    fn value(&mut self, name: String, shape: Option<Vec<usize>>) -> ValueId {
        self.ir.values.push(Value { name, constant: None, shape });
        self.ir.values.len() - 1
    }

    fn constant(&mut self, name: &str, value: f32) -> ValueId {
        self.array(name, Array::f32(vec![], vec![value]))
    }

    /// A public constant.
    fn array(&mut self, name: &str, array: Array) -> ValueId {
        let id = self.value(name.into(), Some(array.shape.clone()));
        self.ir.values[id].constant = Some(Constant { array: Arc::new(array), secret: false });
        id
    }

    /// A node with one output of the given shape.
    fn node(
        &mut self,
        part: &str,
        of: &Node,
        op: &str,
        inputs: &[ValueId],
        shape: Option<Vec<usize>>,
    ) -> ValueId {
        let output = self.value(format!("{}.{part}", of.name), shape);
        self.nodes.push(Node {
            name: format!("{}.{part}", of.name),
            op: op.into(),
            attrs: Default::default(),
            inputs: inputs.iter().map(|&v| Some(v)).collect(),
            outputs: vec![Some(output)],
            fused: None,
            origin: Some((of.name.clone(), of.op.clone())),
        });
        output
    }

    /// The result of an operator without attributes, if it depends on constants alone; nothing if it does not, or
    /// cannot be run.
    fn folded(&mut self, of: &Node, op: &str, inputs: &[ValueId]) -> Option<ValueId> {
        let constants: Vec<Constant> =
            inputs.iter().map(|&id| self.ir.constant(id).cloned()).collect::<Option<_>>()?;
        let node = Node { op: op.into(), attrs: Default::default(), ..of.clone() };
        let context = crate::exec::Context { opset: self.ir.opset, shapes_only: false };
        let arrays: Vec<Option<&Array>> = constants.iter().map(|c| Some(c.array.as_ref())).collect();
        let array = crate::exec::exec(&node, &arrays, context).ok()?.into_iter().next()?;
        let id = self.value(format!("{}.{op}", of.name), Some(array.shape.clone()));
        let secret = constants.iter().any(|constant| constant.secret);
        self.ir.values[id].constant = Some(Constant { array: Arc::new(array), secret });
        Some(id)
    }

    /// Gives the last node an attribute.
    fn attribute(&mut self, name: &str, value: Attr) {
        if let Some(last) = self.nodes.last_mut() {
            last.attrs.insert(name.into(), value);
        }
    }

    /// Axes of a reduction of `x`, its shape, and the shape of the result; nothing if they are not known.
    fn reduction(&self, node: &Node, x: ValueId) -> Option<(Vec<usize>, Vec<usize>, Vec<usize>)> {
        let shape = self.ir.values[x].shape.clone()?;
        let listed = match node.input(1) {
            Some(axes) => Some(self.ir.constant(axes)?.array.clone()),
            None => None,
        };
        let axes = crate::exec::reduce_axes(node, listed.as_deref(), shape.len()).ok()?;
        let out = self.ir.values[node.output(0)?].shape.clone()?;
        Some((axes, shape, out))
    }

    /// The same elements in another shape.
    fn reshaped(&mut self, part: &str, of: &Node, x: ValueId, shape: &[usize]) -> ValueId {
        let list = shape.iter().map(|&extent| extent as i64).collect();
        let list = self.array("shape", Array::i64(vec![shape.len()], list));
        self.node(part, of, "Reshape", &[x, list], Some(shape.to_vec()))
    }

    /// A reduction that keeps its axes with an extent of 1.
    fn reduced(
        &mut self,
        part: &str,
        of: &Node,
        op: &str,
        x: ValueId,
        axes: &[usize],
        kept: &[usize],
    ) -> ValueId {
        let out = self.node(part, of, op, &[x], Some(kept.to_vec()));
        self.attribute("axes", Attr::Ints(axes.iter().map(|&axis| axis as i64).collect()));
        out
    }

    /// `x` (less its mean, if it is centred) divided by its root mean square over some axes.
    fn normalised(
        &mut self,
        of: &Node,
        x: ValueId,
        axes: &[usize],
        kept: &[usize],
        centred: bool,
    ) -> ValueId {
        let full = self.ir.values[x].shape.clone();
        let mut c = x;
        if centred {
            let mean = self.reduced("mean", of, "ReduceMean", x, axes, kept);
            c = self.node("centre", of, "Sub", &[x, mean], full.clone());
        }
        let square = self.node("square", of, "Mul", &[c, c], full.clone());
        let variance = self.reduced("variance", of, "ReduceMean", square, axes, kept);
        let epsilon = self.constant("epsilon", of.float("epsilon", 1e-5));
        let sum = self.node("add", of, "Add", &[variance, epsilon], Some(kept.to_vec()));
        let root = self.node("rsqrt", of, "Rsqrt", &[sum], Some(kept.to_vec()));
        if let Some(last) = self.nodes.last_mut() {
            last.fused = Some(F::Rsqrt);
        }
        self.node("normalise", of, "Mul", &[c, root], full)
    }

    /// Makes the last node write the output of the node that it replaces.
    fn finish(&mut self, of: &Node) {
        if let Some(last) = self.nodes.last_mut() {
            last.outputs.clone_from(&of.outputs);
            last.name.clone_from(&of.name);
        }
    }
}

pub(crate) fn take_apart(ir: &mut Ir) {
    let nodes = std::mem::take(&mut ir.nodes);
    let mut to = Builder { ir, nodes: Vec::with_capacity(nodes.len()) };
    for node in nodes {
        if !expand(&mut to, &node) {
            to.nodes.push(node);
        }
    }
    let nodes = to.nodes;
    ir.nodes = nodes;
}

/// Writes a node as simpler ones; false if it stays as it is.
fn expand(to: &mut Builder<'_>, node: &Node) -> bool {
    let Some(x) = node.input(0).filter(|_| node.fused.is_none()) else {
        return false;
    };
    let shape = to.ir.values[x].shape.clone();
    let scalar = |to: &Builder<'_>, index: usize| {
        node.input(index).and_then(|v| to.ir.constant(v)).and_then(|c| c.array.scalar())
    };
    match node.op.as_str() {
        "Mish" => {
            let s = to.node("softplus", node, "Softplus", &[x], shape.clone());
            let t = to.node("tanh", node, "Tanh", &[s], shape.clone());
            to.node("mul", node, "Mul", &[x, t], shape);
        }
        "Celu" => {
            let alpha = node.float("alpha", 1.0);
            let inverse = to.constant("1/alpha", 1.0 / alpha);
            let alpha = to.constant("alpha", alpha);
            let scaled = to.node("in", node, "Mul", &[x, inverse], shape.clone());
            let elu = to.node("elu", node, "Elu", &[scaled], shape.clone());
            to.node("out", node, "Mul", &[elu, alpha], shape);
        }
        "Softsign" => {
            let one = to.constant("one", 1.0);
            let abs = to.node("abs", node, "Abs", &[x], shape.clone());
            let sum = to.node("add", node, "Add", &[abs, one], shape.clone());
            let inverse = to.node("reciprocal", node, "Reciprocal", &[sum], shape.clone());
            to.node("mul", node, "Mul", &[x, inverse], shape);
        }
        "Pow" => match scalar(to, 1).and_then(|exponent| (3..=8).find(|&whole| exponent == whole as f32)) {
            Some(exponent) => arithmetic::power(to, node, x, exponent),
            None => return false,
        },
        "Sinh" => arithmetic::hyperbolic(to, node, x, "Sub"),
        "Cosh" => arithmetic::hyperbolic(to, node, x, "Add"),
        "ThresholdedRelu" => arithmetic::thresholded(to, node, x),
        "ArgMin" => return arithmetic::arg_min(to, node, x),
        "Max" => return arithmetic::bounded(to, node, true),
        "Min" => return arithmetic::bounded(to, node, false),
        "ReduceProd" => return arithmetic::product(to, node, x),
        "CumSum" => return arithmetic::running_sum(to, node, x),
        "Mod" => return arithmetic::remainder(to, node, x),
        "ArgMax" => return arithmetic::arg_last(to, node, x),
        "Resize" | "Upsample" => return arithmetic::resized(to, node, x),
        "RNN" | "GRU" | "LSTM" => return recurrent::unrolled(to, node, x),
        "Div" => {
            let Some(divisor) = node.input(1).filter(|&v| to.ir.constant(v).is_none()) else {
                return false;
            };
            // A quotient of integers is no product with a reciprocal.
            if to.ir.integer.contains(&divisor) {
                return false;
            }
            divide(to, node, x, divisor);
        }
        "LayerNormalization" => return normalise_rows(to, node, x, true),
        "RMSNormalization" => return normalise_rows(to, node, x, false),
        "InstanceNormalization" | "GroupNormalization" => return normalise_groups(to, node, x),
        "ReduceL1" | "ReduceL2" | "ReduceSumSquare" | "ReduceLogSumExp" => return reduce(to, node, x),
        "Softmax" | "LogSoftmax" => return flat_softmax(to, node, x),
        "Slice" => return reversed(to, node, x),
        "Where" => return chosen(to, node, x),
        "Gather" => return embedding(to, node, x),
        _ => return false,
    }
    to.finish(node);
    true
}

/// Most cells of the one-hot vectors of an embedding.
const MAX_ONE_HOT: usize = 1 << 22;

/// Rows of a constant table, looked up by integers: one-hot vectors times the table.
fn embedding(to: &mut Builder<'_>, node: &Node, table: ValueId) -> bool {
    let (Some(constant), Some(indices)) = (to.ir.constant(table), node.input(1)) else {
        return false;
    };
    let (&[rows, _], 0) = (&constant.array.shape[..], node.int("axis", 0)) else {
        return false;
    };
    let Some(mut shape) = to.ir.values[indices].shape.clone() else { return false };
    shape.push(rows);
    let cells = shape.iter().try_fold(1_usize, |cells, &extent| cells.checked_mul(extent));
    if constant.array.floats().is_err() || cells.is_none_or(|cells| cells > MAX_ONE_HOT) {
        return false;
    }
    let depth = to.array("depth", Array::i64(vec![], vec![rows as i64]));
    let values = to.array("off and on", Array::f32(vec![2], vec![0.0, 1.0]));
    let hot = to.node("one-hot", node, "OneHot", &[indices, depth, values], Some(shape));
    let out = node.output(0).and_then(|o| to.ir.values[o].shape.clone());
    to.node("rows", node, "MatMul", &[hot, table], out);
    to.finish(node);
    true
}

/// `x / divisor` as a reciprocal and a product.
fn divide(to: &mut Builder<'_>, node: &Node, x: ValueId, divisor: ValueId) {
    let shape = to.ir.values[divisor].shape.clone();
    let out = node.output(0).and_then(|o| to.ir.values[o].shape.clone());
    let inverse = to.node("reciprocal", node, "Reciprocal", &[divisor], shape);
    to.node("mul", node, "Mul", &[x, inverse], out);
}

/// The axes from `node`'s on, and the shape that is left of them with extents of 1.
fn rows(node: &Node, shape: &[usize]) -> Option<(Vec<usize>, Vec<usize>)> {
    let first = crate::array::axis(node.int("axis", -1), shape.len()).ok()?;
    let kept = shape.iter().enumerate().map(|(i, &e)| if i < first { e } else { 1 }).collect();
    Some(((first..shape.len()).collect(), kept))
}

/// Mean (of a LayerNorm), difference, variance, reciprocal root, scale and shift.
fn normalise_rows(to: &mut Builder<'_>, node: &Node, x: ValueId, centred: bool) -> bool {
    let (Some(shape), Some(scale)) = (to.ir.values[x].shape.clone(), node.input(1)) else {
        return false;
    };
    let Some((axes, kept)) = rows(node, &shape) else { return false };
    if node.outputs.iter().skip(1).any(Option::is_some) {
        return false;
    }
    let y = to.normalised(node, x, &axes, &kept, centred);
    let full = Some(shape);
    let scaled = to.node("scale", node, "Mul", &[y, scale], full.clone());
    if let Some(bias) = node.input(2).filter(|_| centred) {
        to.node("shift", node, "Add", &[scaled, bias], full);
    }
    to.finish(node);
    true
}

/// Groups of channels as rows, normalised, and back; scale and shift by channel.
fn normalise_groups(to: &mut Builder<'_>, node: &Node, x: ValueId) -> bool {
    let Some(shape) = to.ir.values[x].shape.clone().filter(|shape| shape.len() > 2) else { return false };
    let (batch, channels) = (shape[0], shape[1]);
    let groups = match node.op.as_str() {
        "InstanceNormalization" => channels,
        _ => usize::try_from(node.int("num_groups", 0)).unwrap_or(0),
    };
    if groups == 0 || channels % groups != 0 {
        return false;
    }
    let by_channel = |to: &mut Builder<'_>, index: usize| -> Option<ValueId> {
        let constant = to.ir.constant(node.input(index)?)?.clone();
        let values = constant.array.floats().ok()?;
        // Until operator set 21 there was one for each group.
        let each: Vec<f32> = match values.len() {
            n if n == channels => values.to_vec(),
            n if n == groups => (0..channels).map(|c| values[c * groups / channels]).collect(),
            _ => return None,
        };
        let mut along = vec![1; shape.len() - 1];
        along[0] = channels;
        let array = Arc::new(Array::f32(along, each));
        let name = to.ir.values[node.input(index)?].name.clone();
        let id = to.value(name, Some(array.shape.clone()));
        to.ir.values[id].constant = Some(Constant { array, secret: constant.secret });
        Some(id)
    };
    let (Some(scale), Some(bias)) = (by_channel(to, 1), by_channel(to, 2)) else { return false };
    let cells = shape[2..].iter().product::<usize>() * (channels / groups);
    let flat = to.reshaped("groups", node, x, &[batch, groups, cells]);
    let y = to.normalised(node, flat, &[2], &[batch, groups, 1], true);
    let back = to.reshaped("channels", node, y, &shape);
    let scaled = to.node("scale", node, "Mul", &[back, scale], Some(shape.clone()));
    to.node("shift", node, "Add", &[scaled, bias], Some(shape));
    to.finish(node);
    true
}

/// Norms and sums of functions: the function, the sum, and what follows it.
fn reduce(to: &mut Builder<'_>, node: &Node, x: ValueId) -> bool {
    let Some((axes, shape, out_shape)) = to.reduction(node, x) else { return false };
    if axes.is_empty() || to.ir.integer.contains(&x) {
        return false;
    }
    let kept = crate::exec::reduced_shape(&shape, &axes, true);
    let (full, left) = (Some(shape), Some(kept.clone()));
    match node.op.as_str() {
        "ReduceL1" => {
            let abs = to.node("abs", node, "Abs", &[x], full);
            to.reduced("sum", node, "ReduceSum", abs, &axes, &kept);
        }
        "ReduceL2" | "ReduceSumSquare" => {
            let square = to.node("square", node, "Mul", &[x, x], full);
            let sum = to.reduced("sum", node, "ReduceSum", square, &axes, &kept);
            if node.op == "ReduceL2" {
                to.node("root", node, "Sqrt", &[sum], left);
            }
        }
        _ => {
            let max = to.reduced("max", node, "ReduceMax", x, &axes, &kept);
            let below = to.node("below", node, "Sub", &[x, max], full.clone());
            let exp = to.node("exp", node, "Exp", &[below], full);
            let sum = to.reduced("sum", node, "ReduceSum", exp, &axes, &kept);
            let log = to.node("log", node, "Log", &[sum], left.clone());
            to.node("result", node, "Add", &[log, max], left);
        }
    }
    if out_shape != kept {
        let last = to.nodes.last().and_then(|node| node.output(0)).unwrap_or(x);
        to.reshaped("shape", node, last, &out_shape);
    }
    to.finish(node);
    true
}

/// A softmax over several axes together, as operator sets before 13 have it: over one axis of all of them.
fn flat_softmax(to: &mut Builder<'_>, node: &Node, x: ValueId) -> bool {
    let Some(shape) = to.ir.values[x].shape.clone() else { return false };
    let Ok(axes) = crate::exec::softmax_axes(node, shape.len(), to.ir.opset) else { return false };
    let long = axes.iter().filter(|&&axis| shape[axis] > 1).count();
    let (Some(&first), false) = (axes.first(), long < 2) else { return false };
    let flat = [shape[..first].iter().product(), shape[first..].iter().product()];
    let rows = to.reshaped("rows", node, x, &flat);
    let softmax = to.node("softmax", node, &node.op, &[rows], Some(flat.to_vec()));
    to.attribute("axis", Attr::Int(1));
    to.reshaped("shape", node, softmax, &shape);
    to.finish(node);
    true
}

/// `b + c * (a - b)`, where the condition `c` depends on the input, or both branches do.
fn chosen(to: &mut Builder<'_>, node: &Node, condition: ValueId) -> bool {
    let (Some(a), Some(b), Some(out)) = (node.input(1), node.input(2), node.output(0)) else { return false };
    let is_constant = |id: ValueId| to.ir.constant(id).is_some();
    if is_constant(condition) && (is_constant(a) || is_constant(b)) {
        return false;
    }
    let shape_of = |to: &Builder<'_>, id: ValueId| to.ir.values[id].shape.clone();
    let (Some(shape), Some(of_a), Some(of_b), Some(of_c)) =
        (shape_of(to, out), shape_of(to, a), shape_of(to, b), shape_of(to, condition))
    else {
        return false;
    };
    let Ok(between) = crate::array::broadcast(&of_a, &of_b) else { return false };
    let apart = match to.folded(node, "Sub", &[a, b]) {
        Some(apart) => apart,
        None if to.ir.constant(a).is_some() && to.ir.constant(b).is_some() => return false,
        None => to.node("between", node, "Sub", &[a, b], Some(between)),
    };
    let element = if to.ir.integer.contains(&out) { element::INT64 } else { element::FLOAT };
    let number = match to.ir.constant(condition).map(|c| (c.array.to_floats(), c.secret)) {
        None => {
            let number = to.node("number", node, "Cast", &[condition], Some(of_c));
            to.attribute("to", Attr::Int(element.into()));
            number
        }
        Some((truths, secret)) => {
            let array = match element {
                element::INT64 => Array::i64(of_c, truths.into_iter().map(|truth| truth as i64).collect()),
                _ => Array::f32(of_c, truths),
            };
            let id = to.array("number", array);
            if let Some(constant) = &mut to.ir.values[id].constant {
                constant.secret = secret;
            }
            id
        }
    };
    let part = to.node("chosen", node, "Mul", &[number, apart], Some(shape.clone()));
    to.node("result", node, "Add", &[part, b], Some(shape));
    to.finish(node);
    true
}

/// A slice with a negative step: single elements of its axes, in their order.
fn reversed(to: &mut Builder<'_>, node: &Node, x: ValueId) -> bool {
    let Some(mut shape) = to.ir.values[x].shape.clone() else { return false };
    let inputs: Vec<Option<Arc<Array>>> = (0..5)
        .map(|index| node.input(index).and_then(|v| to.ir.constant(v)).map(|c| c.array.clone()))
        .collect();
    let inputs: Vec<Option<&Array>> = inputs.iter().map(Option::as_deref).collect();
    let Ok(ranges) = crate::exec::slice_ranges(&shape, &inputs) else { return false };
    if ranges.iter().all(|&(_, step, _)| step > 0) {
        return false;
    }
    let mut value = x;
    for (axis, (start, step, length)) in ranges.into_iter().enumerate() {
        if (start, step, length) == (0, 1, shape[axis]) {
            continue;
        }
        let indices = (0..length as i64).map(|i| start as i64 + i * step).collect();
        let indices = to.array("indices", Array::i64(vec![length], indices));
        shape[axis] = length;
        value = to.node("elements", node, "Gather", &[value, indices], Some(shape.clone()));
        to.attribute("axis", Attr::Int(axis as i64));
    }
    to.finish(node);
    true
}
