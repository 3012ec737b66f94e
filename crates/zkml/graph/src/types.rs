//! Tensors, parameters, nodes, and the index maps that join them.
//!
//! Index conventions: shapes list the slowest axis first (row-major), batch axis removed.
//! `o` is an index into a node's output, `i` an index of the sum inside one output element.

use alloc::string::String;
use alloc::vec::Vec;

/// Position of a tensor in [`Graph::tensors`].
pub type TensorId = u32;
/// Position of a parameter in [`Graph::params`].
pub type ParamId = u32;

/// A model: tensors, hidden parameters, and nodes in execution order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// Name shown to people; at most [`crate::validate::MAX_NAME`] bytes.
    pub name: String,
    /// Width of every weight cell, signed two's complement: 2..=16. All parameters share it.
    pub weight_bits: u8,
    /// Every tensor: graph inputs and node outputs.
    pub tensors: Vec<Tensor>,
    /// Every hidden parameter; each is used by exactly one term.
    pub params: Vec<Param>,
    /// Nodes, each after the nodes whose outputs it reads.
    pub nodes: Vec<Node>,
    /// Tensors that the user supplies, all before any node.
    pub inputs: Vec<TensorId>,
    /// Tensors that the user receives.
    pub outputs: Vec<TensorId>,
}

/// An activation tensor. The real number behind the integer `v` is `v * 2^-scale`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Name of the value in the source model.
    pub name: String,
    /// Extent of every axis, each at least 1; at least one axis (a scalar has shape `[1]`).
    pub shape: Vec<u32>,
    /// Least value that an element can take.
    pub min: i64,
    /// Greatest value that an element can take.
    pub max: i64,
    /// log2 of the quantization factor.
    pub scale: i8,
}

/// A hidden parameter: `outer x inner` signed integers of [`Graph::weight_bits`] bits, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Name of the initialiser in the source model.
    pub name: String,
    /// Number of rows.
    pub outer: u32,
    /// Number of values in a row.
    pub inner: u32,
}

/// The secret half of a model: one vector for each of [`Graph::params`], row-major `[outer][inner]`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Weights(pub Vec<Vec<i16>>);

/// One operation and the tensor that it defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Name of the node in the source model, for people.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// The tensor that it defines; no other node defines it, and it is not a graph input.
    pub output: TensorId,
}

/// The operations. Everything that the importer supports is lowered to these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// `acc[o]` is the sum of terms that are linear in the activations; then the epilogue.
    Affine {
        /// Terms of the sum; at least one.
        terms: Vec<Term>,
        /// How the accumulator becomes the output.
        epilogue: Epilogue,
    },
    /// `out[o] = max(a[o], b[o])`, elementwise over two views.
    Max {
        /// First view.
        a: View,
        /// Second view.
        b: View,
    },
    /// `acc[o]` is the sum over `i` of `a[..] * b[..]`, both activations; then the epilogue.
    Product {
        /// First factor.
        a: Operand,
        /// Second factor.
        b: Operand,
        /// Extents of the sum's indices; empty for an elementwise product.
        inner: Vec<u32>,
        /// How the accumulator becomes the output.
        epilogue: Epilogue,
    },
    /// `out[o] = floor(numerator[o] * 2^shift / s)` with `s` the sum of `numerator` along `axis`:
    /// the last step of a softmax. The numerator is never negative and `s` is at least 1.
    Normalize {
        /// Tensor of the output's shape.
        numerator: TensorId,
        /// Axis of the sum.
        axis: u32,
        /// log2 of the output that stands for one.
        shift: u8,
    },
}

/// How an accumulator becomes an output element: the epilogue of a matrix product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Epilogue {
    /// `out = acc`.
    Exact,
    /// `q = floor((acc + 2^(shift-1)) / 2^shift)` (`q = acc` where `shift` is 0),
    /// `u = clamp(q, domain_min, domain_min + 2^domain_bits - 1)`, `out = function(u)`.
    Requant {
        /// Bits dropped, 0..=40.
        shift: u8,
        /// Least argument of the function.
        domain_min: i64,
        /// log2 of the number of arguments of the function, 1..=16.
        domain_bits: u8,
        /// The function, tabulated over its domain.
        function: Function,
    },
    /// `q` as in `Requant`, `out = max(q, 0)`, without saturation; proved by the bits of `acc`.
    ReluBits {
        /// Bits dropped, 0..=40.
        shift: u8,
    },
}

/// A one-variable function from integers to integers: `u * 2^-in_scale` maps to
/// `round(f(u * 2^-in_scale) * 2^out_scale)`, clamped to `[out_min, out_max]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Function {
    /// Which function of the fixed list.
    pub kind: FunctionKind,
    /// log2 of the argument's quantization factor.
    pub in_scale: i8,
    /// log2 of the result's quantization factor.
    pub out_scale: i8,
    /// Least result.
    pub out_min: i64,
    /// Greatest result.
    pub out_max: i64,
}

/// The fixed list of functions. Parameters are fixed-point numbers with 16 fractional bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "named as in the literature and in ONNX")]
pub enum FunctionKind {
    /// `f(x) = x`; with a domain that starts at zero this is ReLU, with other domains Clip.
    Identity,
    LeakyRelu {
        alpha: i32,
    },
    Sigmoid,
    Tanh,
    HardSigmoid {
        alpha: i32,
        beta: i32,
    },
    HardSwish,
    Elu {
        alpha: i32,
    },
    Selu {
        alpha: i32,
        gamma: i32,
    },
    Softplus,
    Gelu,
    GeluTanh,
    Silu,
    Erf,
    Exp,
    Log,
    Sqrt,
    /// `1/sqrt(x)`; arguments at or below zero give `out_max`.
    Rsqrt,
    /// `1/x`; zero gives `out_max`.
    Reciprocal,
    Abs,
    Square,
    Sin,
    Cos,
    Floor,
    Ceil,
    /// The nearest integer, the even one of two that are equally near.
    Round,
    /// `x / divisor` without its fraction (rounded towards zero); zero if the divisor is zero.
    Truncate {
        /// An integer: this parameter has no fractional bits.
        divisor: i32,
    },
    /// `n - 1 - (u mod n)` on the integer argument, scales ignored: the index in an ArgMax key.
    ArgIndex {
        n: u32,
    },
}

/// One term of an affine sum, present only inside a box of the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// `(start, length)` on every output axis; the term sees the local index `o - start`.
    pub region: Vec<(u32, u32)>,
    /// What is summed.
    pub source: Source,
}

/// What a term sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A public constant.
    Constant(i64),
    /// `multiplier * o[axis]`, with the local index.
    Index {
        /// Output axis.
        axis: u32,
        /// Factor.
        multiplier: i64,
    },
    /// A hidden constant: the sum over `d` of `param[outer(o)][d] * 2^(weight_bits * d)`,
    /// so that a row holds the digits of one number, least first, each balanced around zero.
    Bias {
        /// The parameter; its `outer` is the product of the region's lengths on `outer_axes`.
        param: ParamId,
        /// Output axes whose local indices, row-major in this order, select the row.
        outer_axes: Vec<u32>,
    },
    /// The sum over `i` of `weight(o, i) * tensor[view(o, i)]`.
    Tensor {
        /// The tensor read.
        tensor: TensorId,
        /// Extents of `i`; row-major in this order they number a parameter's row.
        inner: Vec<u32>,
        /// One map for every axis of the tensor.
        map: Vec<AxisMap>,
        /// The factor.
        weight: Weight,
    },
    /// `multiplier * tensor[flat(o)]`: the tensor's elements in row-major order, in a region
    /// with as many elements.
    Reshape {
        /// The tensor read.
        tensor: TensorId,
        /// Factor.
        multiplier: i64,
    },
}

/// The factor of a tensor term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The same public factor everywhere.
    Public(i64),
    /// `param[outer(o)][flat(i)]`.
    Param {
        /// The parameter; its `inner` is the product of the term's `inner`.
        param: ParamId,
        /// Output axes whose local indices, row-major in this order, select the row.
        outer_axes: Vec<u32>,
    },
}

/// The coordinate of a tensor on one axis: `offset + stride * o[out] + dilation * i[inner]`.
/// A coordinate outside the axis makes the element contribute nothing (padding).
///
/// Within one term: an output axis and an inner index each appear in at most one axis map;
/// every inner index appears in exactly one; a map with an `inner` does not use an output axis
/// that also selects the parameter's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct AxisMap {
    /// Constant part; negative for leading padding.
    pub offset: i64,
    /// Output axis and its stride, at least 1.
    pub out: Option<(u32, u32)>,
    /// Inner index and its dilation, at least 1.
    pub inner: Option<(u32, u32)>,
}

/// A tensor read at one element for each output element; where a coordinate falls outside, the
/// tensor's declared minimum is read. Maps have no `inner`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The tensor read.
    pub tensor: TensorId,
    /// One map for every axis of the tensor.
    pub map: Vec<AxisMap>,
}

/// A factor of a product of activations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operand {
    /// The tensor read.
    pub tensor: TensorId,
    /// What each axis of the tensor follows; no axis or index twice.
    pub axes: Vec<OperandAxis>,
}

/// What an axis of an operand follows, with equal extents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperandAxis {
    /// An output axis.
    Out(u32),
    /// An index of the sum.
    Inner(u32),
    /// A fixed coordinate.
    Fixed(u32),
}
