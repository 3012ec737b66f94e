//! The float graph: values numbered, constants resolved, attributes typed.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use zkml_graph::FunctionKind;

use crate::array::Array;

/// Position of a value in [`Ir::values`].
pub type ValueId = usize;

/// A value known before any input is.
#[derive(Clone, Debug)]
pub struct Constant {
    /// The elements, with the shape that ONNX gives them.
    pub array: Arc<Array>,
    /// Whether it comes from the model's parameters. Attributes, `Constant` nodes and shapes are
    /// structure, and public.
    pub secret: bool,
}

/// What is known of a value.
#[derive(Clone, Debug)]
pub struct Value {
    /// Name in the ONNX graph, or one made for it.
    pub name: String,
    /// Its elements, if they depend on no input.
    pub constant: Option<Constant>,
    /// Shape, the batch axis included; `None` behind an operator that cannot be run.
    pub shape: Option<Vec<usize>>,
}

/// An attribute; the kinds that the supported operators use.
#[derive(Clone, Debug)]
pub enum Attr {
    /// One float.
    Float(f32),
    /// One integer.
    Int(i64),
    /// A text.
    Text(String),
    /// An array.
    Tensor(Arc<Array>),
    /// Several floats.
    Floats(Vec<f32>),
    /// Several integers.
    Ints(Vec<i64>),
    /// Several texts.
    Texts(Vec<String>),
    /// Of another kind.
    Other,
}

/// An operation.
#[derive(Clone, Debug)]
pub struct Node {
    /// Name, or that of its first output.
    pub name: String,
    /// Operator, with its domain if that is not the default one.
    pub op: String,
    /// Attributes by name.
    pub attrs: BTreeMap<String, Attr>,
    /// What it reads; absent optional inputs are `None`.
    pub inputs: Vec<Option<ValueId>>,
    /// What it defines; outputs without a name are `None`.
    pub outputs: Vec<Option<ValueId>>,
    /// A function of one variable that replaces the operator: the result of a rewrite.
    pub fused: Option<FunctionKind>,
    /// Name and operator of the node that this one was taken out of.
    pub origin: Option<(String, String)>,
}

impl Node {
    /// An integer attribute.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        match self.attrs.get(name) {
            Some(Attr::Int(v)) => *v,
            _ => default,
        }
    }

    /// A float attribute.
    pub fn float(&self, name: &str, default: f32) -> f32 {
        match self.attrs.get(name) {
            Some(Attr::Float(v)) => *v,
            _ => default,
        }
    }

    /// A text attribute; empty if it is absent.
    pub fn text(&self, name: &str) -> &str {
        match self.attrs.get(name) {
            Some(Attr::Text(v)) => v,
            _ => "",
        }
    }

    /// A list attribute.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.attrs.get(name) {
            Some(Attr::Ints(v)) => Some(v),
            _ => None,
        }
    }

    /// The value of input `index`, if it is present.
    pub fn input(&self, index: usize) -> Option<ValueId> {
        self.inputs.get(index).copied().flatten()
    }

    /// The value of output `index`, if it has a name.
    pub fn output(&self, index: usize) -> Option<ValueId> {
        self.outputs.get(index).copied().flatten()
    }
}

/// The float model: nodes in execution order, only those that an output needs.
#[derive(Clone, Debug)]
pub struct Ir {
    /// Name of the graph.
    pub name: String,
    /// Program that wrote the file, with its version.
    pub producer: String,
    /// Version of the file format.
    pub ir_version: i64,
    /// Version of the operator set.
    pub opset: i64,
    /// Everything that nodes read and define.
    pub values: Vec<Value>,
    /// Operations: each after those that it reads.
    pub nodes: Vec<Node>,
    /// What the model takes, in order.
    pub inputs: Vec<ValueId>,
    /// What the model yields, in order.
    pub outputs: Vec<ValueId>,
    /// Values that hold integers.
    pub integer: HashSet<ValueId>,
    /// Parameters: elements of all initialisers that a live node reads.
    pub parameters: u64,
}

impl Ir {
    /// The constant behind a value, if it is one.
    pub fn constant(&self, value: ValueId) -> Option<&Constant> {
        self.values[value].constant.as_ref()
    }
}
