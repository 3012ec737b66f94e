//! Float32 execution of single nodes: the reference that calibration and the accuracy report
//! use, and what folds constants. One operator family per file.

mod elementwise;
pub(crate) mod function;
mod layout;
mod linear;
mod pool;
mod reduce;
mod select;

pub(crate) use elementwise::{clip_bounds, kind as function_kind};
pub(crate) use layout::permutation;
pub(crate) use linear::{batch_norm_affine, transpose};
pub(crate) use reduce::{axes as reduce_axes, softmax_axes};
pub(crate) use select::{pad_amounts, slice_ranges, split_lengths};

use crate::array::Array;
use crate::ir::Node;

/// Inputs of a node; absent optional ones are `None`.
pub(crate) type Inputs<'a> = [Option<&'a Array>];

/// Why a node could not be run.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
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
pub(crate) struct Context {
    /// Version of the operator set.
    pub(crate) opset: i64,
    /// Large sums are skipped and leave zeros: enough to learn shapes.
    pub(crate) shapes_only: bool,
}

/// The input at `index`, which must be there.
pub(crate) fn need<'a>(inputs: &Inputs<'a>, index: usize) -> Result<&'a Array, Fault> {
    inputs.get(index).copied().flatten().ok_or_else(|| Fault::Invalid(format!("input {index} is missing")))
}

/// The input at `index`, where present.
pub(crate) fn maybe<'a>(inputs: &Inputs<'a>, index: usize) -> Option<&'a Array> {
    inputs.get(index).copied().flatten()
}

/// Runs one node.
pub(crate) fn exec(node: &Node, inputs: &Inputs<'_>, context: Context) -> Result<Vec<Array>, Fault> {
    if let Some(kind) = node.fused {
        let x = need(inputs, 0)?;
        let out = x.floats()?.iter().map(|&v| function::eval(kind, v)).collect();
        return Ok(vec![Array::f32(x.shape.clone(), out)]);
    }
    for family in [elementwise::exec, layout::exec, select::exec, linear::exec, pool::exec, reduce::exec] {
        match family(node, inputs, context) {
            Err(Fault::Unknown) => {}
            result => return result,
        }
    }
    Err(Fault::Unknown)
}
