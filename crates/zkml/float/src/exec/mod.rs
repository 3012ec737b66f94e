//! Float32 execution of single nodes: the reference for calibration and accuracy, and what folds
//! constants. Each operator has one row in the table of its family's file.

mod elementwise;
pub(crate) mod function;
mod layout;
mod linear;
mod pool;
pub(crate) mod recurrent;
mod reduce;
pub(crate) mod resize;
mod select;

pub use elementwise::clip_bounds;
pub use layout::permutation;
pub use linear::{batch_norm_affine, transpose};
pub(crate) use reduce::reduced_shape;
pub use reduce::{axes as reduce_axes, softmax_axes};
pub use select::{pad_amounts, slice_ranges, split_lengths};

use zkml_graph::FunctionKind;

use crate::array::Array;
use crate::ir::Node;

/// Inputs of a node; absent optional ones are `None`.
pub type Inputs<'a> = [Option<&'a Array>];

/// Why a node could not be run.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The operator is not implemented.
    Unknown,
    /// It is, but not this mode of it.
    Unsupported(String),
    /// This node's shapes or attributes do not make sense.
    Invalid(String),
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self::Invalid(reason)
    }
}

impl From<&str> for Fault {
    fn from(reason: &str) -> Self {
        Self::Invalid(reason.into())
    }
}

/// How to run.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Version of the operator set.
    pub opset: i64,
    /// Large sums are skipped and leave zeros: enough to learn shapes.
    pub shapes_only: bool,
}

/// The input at `index`, which must be there.
pub fn need<'a>(inputs: &Inputs<'a>, index: usize) -> Result<&'a Array, Fault> {
    inputs.get(index).copied().flatten().ok_or_else(|| Fault::Invalid(format!("input {index} is missing")))
}

/// The input at `index`, if it is present.
pub fn maybe<'a>(inputs: &Inputs<'a>, index: usize) -> Option<&'a Array> {
    inputs.get(index).copied().flatten()
}

/// The results of an operator with one output.
fn one(array: Array) -> Result<Vec<Array>, Fault> {
    Ok(vec![array])
}

/// What there is to know of an ONNX operator in floating point.
pub(crate) struct Operator {
    name: &'static str,
    run: fn(&Node, &Inputs<'_>, Context) -> Result<Vec<Array>, Fault>,
    /// Multiply-accumulates, before anything is run.
    macs: fn(&Node, &Inputs<'_>) -> u64,
    /// The function of the fixed list that it is.
    kind: fn(&Node) -> Option<FunctionKind>,
}

impl Operator {
    const fn new(
        name: &'static str,
        run: fn(&Node, &Inputs<'_>, Context) -> Result<Vec<Array>, Fault>,
    ) -> Self {
        Self { name, run, macs: |_, _| 0, kind: |_| None }
    }

    /// A function of the fixed list, with the attributes that the list can hold.
    const fn function(name: &'static str, kind: fn(&Node) -> Option<FunctionKind>) -> Self {
        Self { name, run: listed, macs: |_, _| 0, kind }
    }

    const fn running(mut self, run: fn(&Node, &Inputs<'_>, Context) -> Result<Vec<Array>, Fault>) -> Self {
        self.run = run;
        self
    }

    const fn summing(mut self, macs: fn(&Node, &Inputs<'_>) -> u64) -> Self {
        self.macs = macs;
        self
    }
}

/// The one table of operators, a part of it in each family's file.
const TABLE: [&[Operator]; 9] = [
    elementwise::OPERATORS,
    elementwise::FUNCTIONS,
    layout::OPERATORS,
    linear::OPERATORS,
    pool::OPERATORS,
    recurrent::OPERATORS,
    reduce::OPERATORS,
    resize::OPERATORS,
    select::OPERATORS,
];

/// Names of the operators that can be run, those of ONNX's default domain, in the order of the families.
pub fn operators() -> impl Iterator<Item = &'static str> {
    TABLE.into_iter().flatten().map(|row| row.name)
}

fn operator(node: &Node) -> Option<&'static Operator> {
    TABLE.into_iter().flatten().find(|row| row.name == node.op)
}

/// Whether a node's operator can be run, whatever its inputs.
pub(crate) fn is_known(node: &Node) -> bool {
    node.fused.is_some() || operator(node).is_some()
}

/// Multiply-accumulates of a node on inputs of these shapes.
pub(crate) fn macs(node: &Node, inputs: &Inputs<'_>) -> u64 {
    operator(node).map_or(0, |row| (row.macs)(node, inputs))
}

/// The function of the fixed list that a node computes, if it is one.
#[must_use]
pub fn function_kind(node: &Node) -> Option<FunctionKind> {
    node.fused.or_else(|| operator(node).and_then(|row| (row.kind)(node)))
}

/// Runs a function of the fixed list.
fn listed(node: &Node, inputs: &Inputs<'_>, _: Context) -> Result<Vec<Array>, Fault> {
    let kind = function_kind(node).ok_or(Fault::Unknown)?;
    elementwise::map(inputs, |x| function::eval(kind, x))
}

/// Runs one node on arrays of the shapes that ONNX gives its inputs.
///
/// # Errors
/// Returns a [`Fault`] if the operator, its mode, or this node's shapes and attributes cannot be run.
pub fn exec(node: &Node, inputs: &Inputs<'_>, context: Context) -> Result<Vec<Array>, Fault> {
    if node.fused.is_some() {
        return listed(node, inputs, context);
    }
    let row = operator(node).ok_or(Fault::Unknown)?;
    (row.run)(node, inputs, context)
}
