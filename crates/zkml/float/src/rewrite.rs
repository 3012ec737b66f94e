//! Rewrites of the float model before lowering: compositions that are one function of the fixed
//! list become that function.
//!
//! Exporters write GELU, SiLU, softplus and the like in many ways. Instead of a pattern for each,
//! every elementwise composition of one variable is evaluated on probes and compared with the
//! functions of the list: near zero, at zero, below it, and far outside of what activations reach, so that
//! a guard (`log(max(x, 1e-6))`, `sqrt(abs x)`) is never taken for what it guards.

use std::collections::{BTreeSet, HashMap, HashSet};

use zkml_graph::FunctionKind as F;

use crate::array::Array;
use crate::exec::function::{ONE, eval, fixed};
use crate::exec::{Context, exec, function_kind};
use crate::ir::{Ir, Node, Value, ValueId};

/// Most nodes of a composition.
const MAX_NODES: usize = 16;
/// Greatest relative difference of a composition to the function that replaces it.
const TOLERANCE: f32 = 3e-5;

/// Slopes and offsets that activation functions have by default.
const USUAL: [f32; 9] = [0.01, 0.05, 0.1, 0.2, 0.25, 0.3, 1.0 / 6.0, 0.5, 1.0];

/// Rewrites in place.
pub(crate) fn rewrite(ir: &mut Ir) {
    fuse(ir);
    crate::expand::take_apart(ir);
    drop_dead(ir);
    pool_last(ir);
}

/// A maximum and a function that never decreases commute: the function comes first, where it
/// shares the rounding of the sum before it.
fn pool_last(ir: &mut Ir) {
    let mut uses = vec![0; ir.values.len()];
    ir.nodes.iter().flat_map(|n| n.inputs.iter().flatten()).for_each(|&v| uses[v] += 1);
    ir.outputs.iter().for_each(|&v| uses[v] += 1);
    for first in 0..ir.nodes.len() {
        let pool = &ir.nodes[first];
        let (Some(x), Some(pooled)) = (pool.input(0), pool.output(0)) else {
            continue;
        };
        if pool.op != "MaxPool" || uses[x] != 1 || uses[pooled] != 1 {
            continue;
        }
        let second = ir.nodes.iter().position(|n| n.input(0) == Some(pooled) && never_decreases(n));
        let Some(second) = second else { continue };
        let Some(out) = ir.nodes[second].output(0) else {
            continue;
        };
        // The function now acts on the larger array; the value between them changes its meaning.
        let shape = ir.values[x].shape.clone();
        let between = ir.values.len();
        let name = format!("{}.early", ir.values[out].name);
        ir.values.push(Value { name, constant: None, shape });
        uses.push(1);
        let function = &mut ir.nodes[second];
        function.inputs[0] = Some(x);
        function.outputs = vec![Some(between)];
        let pool = &mut ir.nodes[first];
        pool.inputs[0] = Some(between);
        pool.outputs = vec![Some(out)];
        ir.nodes.swap(first, second);
    }
}

fn never_decreases(node: &Node) -> bool {
    match function_kind(node) {
        Some(kind) => {
            matches!(
                kind,
                F::Sigmoid | F::Tanh | F::HardSigmoid { alpha: 0.., .. } | F::Softplus | F::Erf | F::Exp
            )
        }
        None => matches!(node.op.as_str(), "Relu" | "Clip"),
    }
}

/// Operators that act on every element alone.
const ELEMENTWISE: [&str; 27] = [
    "Relu",
    "Neg",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Pow",
    "Min",
    "Max",
    "Where",
    "Equal",
    "Less",
    "LessOrEqual",
    "Greater",
    "GreaterOrEqual",
    "And",
    "Or",
    "Not",
    "Clip",
    "Sum",
    "Round",
    "Sign",
    "Softsign",
    "Mish",
    "Celu",
    "ThresholdedRelu",
    "Identity",
];

fn is_elementwise(ir: &Ir, node: &Node) -> bool {
    (ELEMENTWISE.contains(&node.op.as_str()) || function_kind(node).is_some())
        && node.outputs.len() == 1
        && node.inputs.iter().flatten().all(|&v| match ir.constant(v) {
            Some(c) => c.array.len() == 1,
            // Functions of the list are of real numbers; integers divide and round differently.
            None => {
                !ir.integer.contains(&v)
                    && node.output(0).is_some_and(|o| ir.values[o].shape == ir.values[v].shape)
            }
        })
}

fn fuse(ir: &mut Ir) {
    let producer: HashMap<ValueId, usize> = ir
        .nodes
        .iter()
        .enumerate()
        .flat_map(|(i, n)| n.outputs.iter().flatten().map(move |&o| (o, i)))
        .collect();
    let elementwise: Vec<bool> = ir.nodes.iter().map(|n| is_elementwise(ir, n)).collect();
    for end in (0..ir.nodes.len()).rev() {
        if !elementwise[end] {
            continue;
        }
        if let Some((root, kind)) = composition(ir, &producer, &elementwise, end) {
            let node = &mut ir.nodes[end];
            node.op = name(kind);
            node.fused = Some(kind);
            node.inputs = vec![Some(root)];
            node.attrs.clear();
        }
    }
}

/// The longest composition that ends at a node and is a function of the list.
fn composition(
    ir: &Ir,
    producer: &HashMap<ValueId, usize>,
    elementwise: &[bool],
    end: usize,
) -> Option<(ValueId, F)> {
    let mut inside = BTreeSet::new();
    // Values still to be explained, latest producer last.
    let mut frontier: BTreeSet<(Option<usize>, ValueId)> = BTreeSet::new();
    let output = ir.nodes[end].output(0)?;
    frontier.insert((Some(end), output));
    let mut found = None;
    while inside.len() < MAX_NODES {
        let &(Some(index), value) = frontier.last()? else {
            break;
        };
        if !elementwise[index] {
            break;
        }
        frontier.remove(&(Some(index), value));
        inside.insert(index);
        for &input in ir.nodes[index].inputs.iter().flatten() {
            if ir.constant(input).is_none() {
                frontier.insert((producer.get(&input).copied(), input));
            }
        }
        let single = frontier.first().filter(|_| frontier.len() == 1);
        if let (Some(&(_, root)), true) = (single, inside.len() > 1)
            && let Some(kind) = recognise(ir, &inside, root, output)
        {
            found = Some((root, kind));
        }
    }
    found
}

fn run(ir: &Ir, nodes: &BTreeSet<usize>, root: ValueId, out: ValueId, x: &[f32]) -> Option<Vec<f32>> {
    let context = Context { opset: ir.opset, shapes_only: false };
    let mut known: HashMap<ValueId, Array> = HashMap::from([(root, Array::f32(vec![x.len()], x.to_vec()))]);
    for &index in nodes {
        let node = &ir.nodes[index];
        let scalars: Vec<Option<Array>> = node
            .inputs
            .iter()
            .map(|v| v.and_then(|v| ir.constant(v)).and_then(|c| c.array.reshaped(vec![]).ok()))
            .collect();
        let inputs: Vec<Option<&Array>> = node
            .inputs
            .iter()
            .zip(&scalars)
            .map(|(v, scalar)| scalar.as_ref().or_else(|| v.and_then(|v| known.get(&v))))
            .collect();
        let result = exec(node, &inputs, context).ok()?.into_iter().next()?;
        known.insert(node.output(0)?, result);
    }
    let result = known.remove(&out)?;
    result.floats().ok().filter(|v| v.len() == x.len()).map(<[f32]>::to_vec)
}

/// Arguments at which a composition must equal the function that replaces it.
fn probes() -> Vec<f32> {
    let near = (-40..=40).map(|i| i as f32 * 0.237 + 0.011);
    let magnitudes = (-20..=30).map(|exponent| 10f32.powi(exponent));
    near.chain([0.0]).chain(magnitudes.flat_map(|x| [x, -x])).collect()
}

/// Beyond this magnitude the exponentials in a composition may leave single precision although its value
/// would not, as in `log(1 + exp x)`: where the composition is not finite there, it says nothing.
const EXPONENTIALS: f32 = 80.0;

/// Whether `y` is what a function yields at `x`.
fn is_value(kind: F, x: f32, y: f32) -> bool {
    let expected = eval(kind, x);
    if expected.is_finite() && y.is_finite() {
        // What the fixed point of a slope or an offset leaves out.
        let rounding = match kind {
            F::LeakyRelu { .. } | F::HardSigmoid { .. } | F::Elu { .. } | F::Selu { .. } => x.abs() / ONE,
            _ => 0.0,
        };
        return (y - expected).abs() <= TOLERANCE * expected.abs().max(1.0) + rounding;
    }
    let overflows = expected.is_finite() && x.abs() > EXPONENTIALS;
    overflows || y == expected || (y.is_nan() && expected.is_nan())
}

fn recognise(ir: &Ir, nodes: &BTreeSet<usize>, root: ValueId, out: ValueId) -> Option<F> {
    let x = probes();
    let y = run(ir, nodes, root, out, &x)?;
    let mut kinds = vec![
        F::Gelu,
        F::GeluTanh,
        F::Silu,
        F::HardSwish,
        F::Softplus,
        F::Sigmoid,
        F::Tanh,
        F::Erf,
        F::Abs,
        F::Square,
        F::Exp,
        F::Rsqrt,
        F::Reciprocal,
        F::Sqrt,
        F::Log,
    ];
    let at = run(ir, nodes, root, out, &[0.0, 0.01, -1.0, -60.0])?;
    // A parameter that may be trained must not enter the public graph: beside constants of
    // the model, only the values that everybody uses are read off.
    let secret = nodes
        .iter()
        .flat_map(|&i| ir.nodes[i].inputs.iter().flatten())
        .any(|&v| ir.constant(v).is_some_and(|c| c.secret));
    let public = |value: f32| {
        let usual = USUAL.iter().any(|u| (u - value).abs() < 2e-5);
        fixed(value).filter(|_| usual || !secret)
    };
    kinds.extend(public(-at[2]).map(|alpha| F::LeakyRelu { alpha }));
    kinds.extend(public(-at[3]).map(|alpha| F::Elu { alpha }));
    kinds.extend(fixed(1.673_263_2).zip(fixed(1.050_701)).map(|(alpha, gamma)| F::Selu { alpha, gamma }));
    let slope = public((at[1] - at[0]) * 100.0);
    kinds.extend(slope.zip(public(at[0])).map(|(alpha, beta)| F::HardSigmoid { alpha, beta }));
    kinds.into_iter().find(|&kind| x.iter().zip(&y).all(|(&x, &y)| is_value(kind, x, y)))
}

fn name(kind: F) -> String {
    let text = format!("{kind:?}");
    text.split([' ', '{']).next().unwrap_or_default().into()
}

/// Keeps the nodes that an output needs.
fn drop_dead(ir: &mut Ir) {
    let mut live: HashSet<ValueId> = ir.outputs.iter().copied().collect();
    let mut keep = vec![false; ir.nodes.len()];
    for (index, node) in ir.nodes.iter().enumerate().rev() {
        if node.outputs.iter().flatten().any(|o| live.contains(o)) {
            keep[index] = true;
            live.extend(node.inputs.iter().flatten());
        }
    }
    let mut keep = keep.into_iter();
    ir.nodes.retain(|_| keep.next().unwrap_or(false));
}
