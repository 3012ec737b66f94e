//! What can be wrong with a graph: one variant for each check.

use alloc::string::String;
use core::fmt;

use crate::bounds::BoundsError;
use crate::types::{ParamId, TensorId};

/// A tensor, parameter or node: its position in the graph and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// Position in the graph's list.
    pub index: usize,
    /// Name, for people.
    pub name: String,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.index, self.name)
    }
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Tensors of the graph.
    Tensors,
    /// Parameters of the graph.
    Params,
    /// Nodes of the graph.
    Nodes,
    /// Terms of all nodes.
    Terms,
    /// Elements of all tensors.
    TensorCells,
    /// Weights of all parameters.
    ParamCells,
    /// Multiplications, additions and comparisons of one run.
    Operations,
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tensors => "tensors",
            Self::Params => "parameters",
            Self::Nodes => "nodes",
            Self::Terms => "terms",
            Self::TensorCells => "tensor elements",
            Self::ParamCells => "weights",
            Self::Operations => "operations",
        })
    }
}

/// Why a graph is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the messages name")]
pub enum GraphError {
    /// More of something than a graph may have.
    #[error("too many {what}: {got}, at most {limit}")]
    TooMany { what: Counted, got: u64, limit: u64 },
    /// The graph's name is too long.
    #[error("the graph's name has {bytes} bytes, at most 256")]
    GraphName { bytes: usize },
    /// A tensor's name is too long.
    #[error("the name of tensor {index} has {bytes} bytes, at most 256")]
    TensorName { index: usize, bytes: usize },
    /// A parameter's name is too long.
    #[error("the name of parameter {index} has {bytes} bytes, at most 256")]
    ParamName { index: usize, bytes: usize },
    /// A node's name is too long.
    #[error("the name of node {index} has {bytes} bytes, at most 256")]
    NodeName { index: usize, bytes: usize },
    /// A width of weights outside 2..=16.
    #[error("weights of {bits} bits, expected 2..=16")]
    WeightBits { bits: u8 },
    /// No graph input.
    #[error("the graph has no input")]
    NoInput,
    /// No graph output.
    #[error("the graph has no output")]
    NoOutput,
    /// A rank outside 1..=8.
    #[error("tensor {tensor} has {rank} axes, expected 1..=8")]
    TensorRank { tensor: At, rank: usize },
    /// An empty axis.
    #[error("tensor {tensor}: axis {axis} is empty")]
    TensorExtent { tensor: At, axis: usize },
    /// Too many elements in one tensor.
    #[error("tensor {tensor} has more than 2^24 elements")]
    TensorCells { tensor: At },
    /// A range that is empty or not inside `-2^46..=2^46`.
    #[error("tensor {tensor}: the range {min}..={max} is empty or too wide")]
    TensorRange { tensor: At, min: i64, max: i64 },
    /// A parameter without rows or columns.
    #[error("parameter {param} has the shape {outer} x {inner}")]
    ParamShape { param: At, outer: u32, inner: u32 },
    /// A graph input that does not exist.
    #[error("graph input {position} is tensor {tensor}, which does not exist")]
    UnknownInput { position: usize, tensor: TensorId },
    /// A tensor that is a graph input twice.
    #[error("tensor {tensor} is a graph input twice")]
    DuplicateInput { tensor: At },
    /// A graph input with more than 2^16 possible values.
    #[error("graph input {tensor}: {min}..={max} holds more than 2^16 values")]
    InputRange { tensor: At, min: i64, max: i64 },
    /// A graph output that does not exist.
    #[error("graph output {position} is tensor {tensor}, which does not exist")]
    UnknownOutput { position: usize, tensor: TensorId },
    /// A tensor that is a graph output twice.
    #[error("tensor {tensor} is a graph output twice")]
    DuplicateOutput { tensor: At },
    /// A graph output that no node computes.
    #[error("graph output {tensor} is a graph input")]
    OutputIsInput { tensor: At },
    /// A tensor that is neither a graph input nor the output of a node.
    #[error("tensor {tensor} is neither a graph input nor the output of a node")]
    Undefined { tensor: At },
    /// A node whose output does not exist.
    #[error("node {node} defines tensor {tensor}, which does not exist")]
    UnknownNodeOutput { node: At, tensor: TensorId },
    /// A node that defines a graph input, or what another node defines.
    #[error("node {node} defines tensor {tensor}, which is already defined")]
    Redefined { node: At, tensor: At },
    /// A node that reads what does not exist.
    #[error("node {node} reads tensor {tensor}, which does not exist")]
    UnknownOperand { node: At, tensor: TensorId },
    /// A node that reads what no earlier node defines.
    #[error("node {node} reads tensor {tensor}, which no earlier node defines")]
    Order { node: At, tensor: At },
    /// An affine node without terms.
    #[error("node {node} has no terms")]
    NoTerms { node: At },
    /// A region of another rank than the output.
    #[error("node {node}, term {term}: the region has {got} axes, the output {expected}")]
    RegionRank { node: At, term: usize, expected: usize, got: usize },
    /// A region that is empty or leaves the output.
    #[error("node {node}, term {term}: the region {start}+{length} leaves axis {axis} of {extent}")]
    RegionBox { node: At, term: usize, axis: usize, start: u32, length: u32, extent: u32 },
    /// An output axis that does not exist.
    #[error("node {node}, term {term}: output axis {axis} does not exist")]
    OutputAxis { node: At, term: usize, axis: u32 },
    /// A parameter that does not exist.
    #[error("node {node}, term {term}: parameter {param} does not exist")]
    UnknownParam { node: At, term: usize, param: ParamId },
    /// A parameter used by two terms.
    #[error("node {node}, term {term}: parameter {param} is used twice")]
    ParamReused { node: At, term: usize, param: At },
    /// A parameter that no term uses.
    #[error("parameter {param} is not used")]
    ParamUnused { param: At },
    /// An output axis that selects a parameter's row twice.
    #[error("node {node}, term {term}: output axis {axis} selects the row twice")]
    RowAxisTwice { node: At, term: usize, axis: u32 },
    /// A parameter whose rows are not those of the term.
    #[error("node {node}, term {term}: parameter {param} has {got} rows, expected {expected}")]
    ParamOuter { node: At, term: usize, param: At, expected: u64, got: u32 },
    /// A parameter whose columns are not those of the term.
    #[error("node {node}, term {term}: parameter {param} has {got} columns, expected {expected}")]
    ParamInner { node: At, term: usize, param: At, expected: u64, got: u32 },
    /// Too many inner indices.
    #[error("node {node}, term {term}: {rank} inner indices, at most 8")]
    InnerRank { node: At, term: usize, rank: usize },
    /// An inner index with no values, or too many inner elements.
    #[error("node {node}, term {term}: the inner extents are zero or exceed 2^24 together")]
    InnerCells { node: At, term: usize },
    /// An inner index that no map or operand uses.
    #[error("node {node}, term {term}: inner index {index} is not used")]
    InnerUnused { node: At, term: usize, index: usize },
    /// Another number of axis maps than the tensor has axes.
    #[error("node {node}, term {term}: {got} axis maps, the tensor has {expected} axes")]
    MapRank { node: At, term: usize, expected: usize, got: usize },
    /// An output axis in two maps.
    #[error("node {node}, term {term}: output axis {axis} is in two axis maps")]
    MapOutputTwice { node: At, term: usize, axis: u32 },
    /// An inner index that does not exist, or that a view names.
    #[error("node {node}, term {term}: inner index {index} does not exist")]
    InnerAxis { node: At, term: usize, index: u32 },
    /// An inner index in two maps.
    #[error("node {node}, term {term}: inner index {index} is in two axis maps")]
    MapInnerTwice { node: At, term: usize, index: u32 },
    /// A stride of zero.
    #[error("node {node}, term {term}, axis map {map}: the stride is 0")]
    Stride { node: At, term: usize, map: usize },
    /// A dilation of zero.
    #[error("node {node}, term {term}, axis map {map}: the dilation is 0")]
    Dilation { node: At, term: usize, map: usize },
    /// A map that joins an inner index to an output axis that selects the row.
    #[error("node {node}, term {term}, axis map {map}: output axis {axis} also selects the row")]
    MapRowAxis { node: At, term: usize, map: usize, axis: u32 },
    /// Coordinates outside `-2^40..=2^40`.
    #[error("node {node}, term {term}, axis map {map}: the coordinates exceed 2^40 in magnitude")]
    Coordinate { node: At, term: usize, map: usize },
    /// A reshape between different numbers of elements.
    #[error("node {node}, term {term}: reshapes {got} elements into {expected}")]
    ReshapeCells { node: At, term: usize, expected: u64, got: u64 },
    /// A rescale by more than 2^40.
    #[error("node {node}: shift {shift}, at most 40")]
    Shift { node: At, shift: u8 },
    /// A table's size outside 2^1..=2^16.
    #[error("node {node}: a table of 2^{bits} entries, expected 2^1..=2^16")]
    DomainBits { node: At, bits: u8 },
    /// A table's first argument beyond 2^46 in magnitude.
    #[error("node {node}: the table starts at {min}, at most 2^46 in magnitude")]
    DomainMin { node: At, min: i64 },
    /// A function whose range is empty.
    #[error("node {node}: the function's range {min}..={max} is empty")]
    FunctionRange { node: At, min: i64, max: i64 },
    /// A function of indices without any index.
    #[error("node {node}: the function counts indices of an empty axis")]
    FunctionIndex { node: At },
    /// A quotient without a value.
    #[error("node {node}: the function divides by zero")]
    FunctionDivisor { node: At },
    /// A node whose results can leave its output's range.
    #[error("node {node}: results in {low}..={high} do not fit {min}..={max} of its output {tensor}")]
    OutputRange { node: At, tensor: At, low: i64, high: i64, min: i64, max: i64 },
    /// An accumulator without a usable bound.
    #[error("node {node}: {source}")]
    Bounds { node: At, source: BoundsError },
    /// Another number of axes in an operand than in its tensor.
    #[error("node {node}, operand {operand}: {got} axes, its tensor has {expected}")]
    OperandRank { node: At, operand: usize, expected: usize, got: usize },
    /// An operand that follows an axis or index that does not exist.
    #[error("node {node}, operand {operand}: axis {axis} follows what does not exist")]
    OperandAxis { node: At, operand: usize, axis: usize },
    /// An operand's axis of another extent than what it follows.
    #[error("node {node}, operand {operand}: axis {axis} has {got} elements, expected {expected}")]
    OperandExtent { node: At, operand: usize, axis: usize, expected: u32, got: u32 },
    /// An operand that follows one axis or index twice.
    #[error("node {node}, operand {operand}: axis {axis} follows what another axis follows")]
    OperandTwice { node: At, operand: usize, axis: usize },
    /// A softmax between tensors of different shapes.
    #[error("node {node}: the numerator and the output have different shapes")]
    NormalizeShape { node: At },
    /// A softmax along an axis that does not exist.
    #[error("node {node}: axis {axis} does not exist")]
    NormalizeAxis { node: At, axis: u32 },
    /// A softmax of more than 16 fractional bits.
    #[error("node {node}: {shift} fractional bits, at most 16")]
    NormalizeShift { node: At, shift: u8 },
    /// A softmax whose numerator can be negative, or whose sum can exceed 2^46.
    #[error("node {node}: the numerator's range {min}..={max} is negative or sums beyond 2^46")]
    NormalizeRange { node: At, min: i64, max: i64 },
}
