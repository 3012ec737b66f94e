//! What a well-formed graph is: every rule that [`crate::types`] states, and limits on sizes.
//!
//! Graphs come from files and from keys: [`validate`] holds for any value without panicking, and
//! everything after it (bounds, execution, circuits) may rely on what it has checked. The values
//! of weights are not part of a graph; whoever holds them checks their shapes and widths.

mod epilogue;
mod error;
mod terms;

use alloc::vec;
use alloc::vec::Vec;

pub use error::{At, Counted, GraphError};

use crate::bounds::MAX_ACCUMULATOR;
use crate::types::{Graph, Node, Op, ParamId, Tensor, TensorId};

/// Greatest length of a name in bytes.
pub const MAX_NAME: usize = 256;
/// Greatest number of tensors.
pub const MAX_TENSORS: usize = 1 << 17;
/// Greatest number of parameters.
pub const MAX_PARAMS: usize = 1 << 17;
/// Greatest number of nodes.
pub const MAX_NODES: usize = 1 << 16;
/// Greatest number of terms of all nodes together.
pub const MAX_TERMS: usize = 1 << 18;
/// Greatest number of axes of a tensor, and of indices of a sum.
pub const MAX_RANK: usize = 8;
/// Greatest number of elements of a tensor, and of addends of one term.
pub const MAX_TENSOR_CELLS: u64 = 1 << 24;
/// Greatest number of elements of all tensors together.
pub const MAX_TRACE_CELLS: u64 = 1 << 27;
/// Greatest number of weights of all parameters together.
pub const MAX_PARAM_CELLS: u64 = 1 << 28;
/// Greatest number of elementary operations of one run.
pub const MAX_OPERATIONS: u64 = 1 << 42;
/// Greatest number of values that an element of a graph input may take.
pub const MAX_INPUT_VALUES: i64 = 1 << 16;
/// Greatest shift of a rescale.
pub const MAX_SHIFT: u8 = 40;
/// Greatest number of fractional bits of a softmax.
pub const MAX_NORMALIZE_SHIFT: u8 = 16;
/// Greatest magnitude of a coordinate, inside or outside its tensor.
pub const MAX_COORDINATE: i64 = 1 << 40;

/// Checks a graph.
///
/// # Errors
/// The first rule that the graph breaks, in the order: limits and names, tensors, parameters,
/// inputs, nodes in order, outputs.
pub fn validate(graph: &Graph) -> Result<(), GraphError> {
    sizes(graph)?;
    names(graph)?;
    tensors(graph)?;
    params(graph)?;
    let mut checker = Checker {
        graph,
        defined: vec![false; graph.tensors.len()],
        used: vec![false; graph.params.len()],
        operations: 0,
        steps: crate::bounds::step_budget(graph),
    };
    checker.inputs()?;
    for (index, node) in graph.nodes.iter().enumerate() {
        checker.node(index, node)?;
    }
    checker.outputs()
}

/// Product of extents, saturated.
pub(crate) fn cells(extents: &[u32]) -> u64 {
    extents.iter().fold(1, |total: u64, &extent| total.saturating_mul(u64::from(extent)))
}

fn limit(what: Counted, got: u64, limit: u64) -> Result<(), GraphError> {
    if got > limit {
        return Err(GraphError::TooMany { what, got, limit });
    }
    Ok(())
}

fn sizes(graph: &Graph) -> Result<(), GraphError> {
    let count = |what, got: usize, most: usize| limit(what, got as u64, most as u64);
    count(Counted::Tensors, graph.tensors.len(), MAX_TENSORS)?;
    count(Counted::Params, graph.params.len(), MAX_PARAMS)?;
    count(Counted::Nodes, graph.nodes.len(), MAX_NODES)?;
    let terms = graph.nodes.iter().fold(0_usize, |total, node| match &node.op {
        Op::Affine { terms, .. } => total.saturating_add(terms.len()),
        _ => total,
    });
    count(Counted::Terms, terms, MAX_TERMS)?;
    if !(2..=16).contains(&graph.weight_bits) {
        return Err(GraphError::WeightBits { bits: graph.weight_bits });
    }
    if graph.inputs.is_empty() {
        return Err(GraphError::NoInput);
    }
    if graph.outputs.is_empty() {
        return Err(GraphError::NoOutput);
    }
    Ok(())
}

/// The first length beyond a name's, and its position.
fn too_long(lengths: impl Iterator<Item = usize>) -> Option<(usize, usize)> {
    lengths.enumerate().find(|&(_, bytes)| bytes > MAX_NAME)
}

fn names(graph: &Graph) -> Result<(), GraphError> {
    let bytes = graph.name.len();
    if bytes > MAX_NAME {
        return Err(GraphError::GraphName { bytes });
    }
    let tensors = graph.tensors.iter().map(|tensor| tensor.name.len());
    if let Some((index, bytes)) = too_long(tensors) {
        return Err(GraphError::TensorName { index, bytes });
    }
    let params = graph.params.iter().map(|param| param.name.len());
    if let Some((index, bytes)) = too_long(params) {
        return Err(GraphError::ParamName { index, bytes });
    }
    let nodes = graph.nodes.iter().map(|node| node.name.len());
    if let Some((index, bytes)) = too_long(nodes) {
        return Err(GraphError::NodeName { index, bytes });
    }
    Ok(())
}

fn at_tensor(index: usize, tensor: &Tensor) -> At {
    At { index, name: tensor.name.clone() }
}

fn tensors(graph: &Graph) -> Result<(), GraphError> {
    let mut total = 0_u64;
    for (index, tensor) in graph.tensors.iter().enumerate() {
        let at = || at_tensor(index, tensor);
        let rank = tensor.shape.len();
        if !(1..=MAX_RANK).contains(&rank) {
            return Err(GraphError::TensorRank { tensor: at(), rank });
        }
        if let Some(axis) = tensor.shape.iter().position(|&extent| extent == 0) {
            return Err(GraphError::TensorExtent { tensor: at(), axis });
        }
        let cells = cells(&tensor.shape);
        if cells > MAX_TENSOR_CELLS {
            return Err(GraphError::TensorCells { tensor: at() });
        }
        total = total.saturating_add(cells);
        let (min, max) = (tensor.min, tensor.max);
        if min > max || min < -MAX_ACCUMULATOR || max > MAX_ACCUMULATOR {
            return Err(GraphError::TensorRange { tensor: at(), min, max });
        }
    }
    limit(Counted::TensorCells, total, MAX_TRACE_CELLS)
}

fn params(graph: &Graph) -> Result<(), GraphError> {
    let mut total = 0_u64;
    for (index, param) in graph.params.iter().enumerate() {
        let (outer, inner) = (param.outer, param.inner);
        if outer == 0 || inner == 0 {
            return Err(GraphError::ParamShape {
                param: At { index, name: param.name.clone() },
                outer,
                inner,
            });
        }
        total = total.saturating_add(u64::from(outer).saturating_mul(inner.into()));
    }
    limit(Counted::ParamCells, total, MAX_PARAM_CELLS)
}

/// The state of a pass over the nodes.
struct Checker<'a> {
    graph: &'a Graph,
    /// Tensors that are graph inputs or outputs of the nodes passed.
    defined: Vec<bool>,
    /// Parameters that the nodes passed use.
    used: Vec<bool>,
    /// Elementary operations of the nodes passed.
    operations: u64,
    /// Steps that are left for bounding accumulators.
    steps: usize,
}

/// A node under check.
#[derive(Clone, Copy)]
struct NodeContext<'a> {
    index: usize,
    node: &'a Node,
    output: &'a Tensor,
}

impl NodeContext<'_> {
    fn at(&self) -> At {
        At { index: self.index, name: self.node.name.clone() }
    }
}

impl<'a> Checker<'a> {
    fn tensor(&self, id: TensorId) -> Option<(usize, &'a Tensor)> {
        let index = usize::try_from(id).ok()?;
        Some((index, self.graph.tensors.get(index)?))
    }

    fn is_defined(&self, index: usize) -> bool {
        self.defined.get(index).copied().unwrap_or(false)
    }

    /// Marks a tensor as defined; whether it already was.
    fn define(&mut self, index: usize) -> bool {
        self.defined.get_mut(index).is_none_or(|defined| core::mem::replace(defined, true))
    }

    fn inputs(&mut self) -> Result<(), GraphError> {
        for (position, &id) in self.graph.inputs.iter().enumerate() {
            let Some((index, tensor)) = self.tensor(id) else {
                return Err(GraphError::UnknownInput { position, tensor: id });
            };
            if self.define(index) {
                return Err(GraphError::DuplicateInput { tensor: at_tensor(index, tensor) });
            }
            // Ranges are at most 2^47 wide by now.
            if tensor.max.saturating_sub(tensor.min) >= MAX_INPUT_VALUES {
                return Err(GraphError::InputRange {
                    tensor: at_tensor(index, tensor),
                    min: tensor.min,
                    max: tensor.max,
                });
            }
        }
        Ok(())
    }

    fn outputs(&self) -> Result<(), GraphError> {
        let mut seen = vec![false; self.graph.tensors.len()];
        let mut is_input = vec![false; self.graph.tensors.len()];
        for (index, _) in self.graph.inputs.iter().filter_map(|&id| self.tensor(id)) {
            if let Some(input) = is_input.get_mut(index) {
                *input = true;
            }
        }
        for (position, &id) in self.graph.outputs.iter().enumerate() {
            let Some((index, tensor)) = self.tensor(id) else {
                return Err(GraphError::UnknownOutput { position, tensor: id });
            };
            let tensor = || at_tensor(index, tensor);
            if is_input.get(index) == Some(&true) {
                return Err(GraphError::OutputIsInput { tensor: tensor() });
            }
            let twice = seen.get_mut(index).is_some_and(|seen| core::mem::replace(seen, true));
            if twice {
                return Err(GraphError::DuplicateOutput { tensor: tensor() });
            }
        }
        let undefined = |&(index, _): &(usize, _)| !self.is_defined(index);
        if let Some((index, tensor)) = self.graph.tensors.iter().enumerate().find(undefined) {
            return Err(GraphError::Undefined { tensor: at_tensor(index, tensor) });
        }
        let unused = self.used.iter().position(|&used| !used);
        if let Some((index, param)) = unused.and_then(|i| Some((i, self.graph.params.get(i)?))) {
            return Err(GraphError::ParamUnused { param: At { index, name: param.name.clone() } });
        }
        Ok(())
    }

    fn node(&mut self, index: usize, node: &'a Node) -> Result<(), GraphError> {
        let at = || At { index, name: node.name.clone() };
        let Some((output_index, output)) = self.tensor(node.output) else {
            return Err(GraphError::UnknownNodeOutput { node: at(), tensor: node.output });
        };
        if self.is_defined(output_index) {
            return Err(GraphError::Redefined { node: at(), tensor: at_tensor(output_index, output) });
        }
        let context = NodeContext { index, node, output };
        match &node.op {
            Op::Affine { terms, epilogue } => {
                self.affine(context, terms)?;
                self.epilogue(context, epilogue)?;
            }
            Op::Product { a, b, inner, epilogue } => {
                self.product(context, [a, b], inner)?;
                self.epilogue(context, epilogue)?;
            }
            Op::Max { a, b } => {
                let (a, b) = (self.view(context, 0, a)?, self.view(context, 1, b)?);
                self.work(cells(&output.shape), 1)?;
                self.within(context, a.min.min(b.min), a.max.max(b.max))?;
            }
            Op::Normalize { numerator, axis, shift } => self.normalize(context, *numerator, *axis, *shift)?,
        }
        self.define(output_index);
        Ok(())
    }

    /// A tensor that a node reads: it exists and is defined.
    fn operand(&self, context: NodeContext<'_>, id: TensorId) -> Result<&'a Tensor, GraphError> {
        let Some((index, tensor)) = self.tensor(id) else {
            return Err(GraphError::UnknownOperand { node: context.at(), tensor: id });
        };
        if !self.is_defined(index) {
            return Err(GraphError::Order { node: context.at(), tensor: at_tensor(index, tensor) });
        }
        Ok(tensor)
    }

    /// Marks a parameter as used and checks its shape.
    fn param(
        &mut self,
        context: NodeContext<'_>,
        term: usize,
        id: ParamId,
        outer: u64,
        inner: Option<u64>,
    ) -> Result<(), GraphError> {
        let node = || context.at();
        let found = usize::try_from(id).ok().and_then(|index| Some((index, self.graph.params.get(index)?)));
        let Some((index, param)) = found else {
            return Err(GraphError::UnknownParam { node: node(), term, param: id });
        };
        let at = || At { index, name: param.name.clone() };
        let used = self.used.get_mut(index);
        if used.is_none_or(|used| core::mem::replace(used, true)) {
            return Err(GraphError::ParamReused { node: node(), term, param: at() });
        }
        if u64::from(param.outer) != outer {
            return Err(GraphError::ParamOuter {
                node: node(),
                term,
                param: at(),
                expected: outer,
                got: param.outer,
            });
        }
        match inner {
            Some(expected) if u64::from(param.inner) != expected => {
                Err(GraphError::ParamInner { node: node(), term, param: at(), expected, got: param.inner })
            }
            _ => Ok(()),
        }
    }

    /// Counts `elements * each` operations.
    fn work(&mut self, elements: u64, each: u64) -> Result<(), GraphError> {
        let more = elements.saturating_mul(each);
        self.operations = self.operations.saturating_add(more);
        limit(Counted::Operations, self.operations, MAX_OPERATIONS)
    }

    /// The results of a node lie in its output's range.
    fn within(&self, context: NodeContext<'_>, low: i64, high: i64) -> Result<(), GraphError> {
        let (min, max) = (context.output.min, context.output.max);
        if low < min || high > max {
            return Err(GraphError::OutputRange {
                node: context.at(),
                tensor: at_tensor(context.node.output as usize, context.output),
                low,
                high,
                min,
                max,
            });
        }
        Ok(())
    }
}
