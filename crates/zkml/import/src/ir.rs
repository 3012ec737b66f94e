//! The float model inside the importer: values numbered, constants resolved, attributes typed.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use zkml_graph::FunctionKind;

use crate::array::Array;

/// Position of a value in [`Ir::values`].
pub(crate) type ValueId = usize;

/// A value known before any input is.
#[derive(Clone, Debug)]
pub(crate) struct Constant {
    pub(crate) array: Arc<Array>,
    /// Whether it comes from the model's parameters. Attributes, `Constant` nodes and shapes are
    /// structure, and public.
    pub(crate) secret: bool,
}

/// What is known of a value.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) name: String,
    pub(crate) constant: Option<Constant>,
    /// Shape, the batch axis included; `None` behind an operator that the importer cannot run.
    pub(crate) shape: Option<Vec<usize>>,
}

/// An attribute; the kinds that the supported operators use.
#[derive(Clone, Debug)]
pub(crate) enum Attr {
    Float(f32),
    Int(i64),
    Text(String),
    Tensor(Arc<Array>),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Other,
}

/// An operation.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// Operator, with its domain where that is not the default one.
    pub(crate) op: String,
    pub(crate) attrs: BTreeMap<String, Attr>,
    pub(crate) inputs: Vec<Option<ValueId>>,
    pub(crate) outputs: Vec<Option<ValueId>>,
    /// A function of one variable that replaces the operator: the result of a rewrite.
    pub(crate) fused: Option<FunctionKind>,
    /// Name and operator of the node that this one was taken out of.
    pub(crate) origin: Option<(String, String)>,
}

impl Node {
    /// An integer attribute.
    pub(crate) fn int(&self, name: &str, default: i64) -> i64 {
        match self.attrs.get(name) {
            Some(Attr::Int(v)) => *v,
            _ => default,
        }
    }

    /// A float attribute.
    pub(crate) fn float(&self, name: &str, default: f32) -> f32 {
        match self.attrs.get(name) {
            Some(Attr::Float(v)) => *v,
            _ => default,
        }
    }

    /// A text attribute; empty where absent.
    pub(crate) fn text(&self, name: &str) -> &str {
        match self.attrs.get(name) {
            Some(Attr::Text(v)) => v,
            _ => "",
        }
    }

    /// A list attribute.
    pub(crate) fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.attrs.get(name) {
            Some(Attr::Ints(v)) => Some(v),
            _ => None,
        }
    }

    /// The value of input `index`, where present.
    pub(crate) fn input(&self, index: usize) -> Option<ValueId> {
        self.inputs.get(index).copied().flatten()
    }

    /// The value of output `index`, where named.
    pub(crate) fn output(&self, index: usize) -> Option<ValueId> {
        self.outputs.get(index).copied().flatten()
    }
}

/// The float model: nodes in execution order, only those that an output needs.
#[derive(Clone, Debug)]
pub(crate) struct Ir {
    pub(crate) name: String,
    pub(crate) producer: String,
    pub(crate) ir_version: i64,
    pub(crate) opset: i64,
    pub(crate) values: Vec<Value>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) inputs: Vec<ValueId>,
    pub(crate) outputs: Vec<ValueId>,
    /// Values that hold integers.
    pub(crate) integer: HashSet<ValueId>,
    /// Parameters: elements of all initialisers that a live node reads.
    pub(crate) parameters: u64,
}

impl Ir {
    /// The constant behind a value, where it is one.
    pub(crate) fn constant(&self, value: ValueId) -> Option<&Constant> {
        self.values[value].constant.as_ref()
    }
}
