//! How much arithmetic an inference is: one count for tariffs, schedulers and reports.
//!
//! The unit is the multiply-accumulate: one product of two numbers, added to a sum. What is no
//! product (a constant, a bias, a maximum, a division) counts as one for each element that it
//! makes, so that no node is free.

use crate::types::{Graph, Node, Op, Source};

/// Multiply-accumulates of `elements` sums of `addends` products.
#[must_use]
pub fn sums(elements: u64, addends: u64) -> u64 {
    elements.saturating_mul(addends)
}

/// Multiply-accumulates of an inference; `u64::MAX` if they are more.
#[must_use]
pub fn multiply_accumulates(graph: &Graph) -> u64 {
    graph.nodes.iter().fold(0, |total: u64, node| total.saturating_add(of_node(graph, node)))
}

/// Hidden integers of a graph; `u64::MAX` if they are more.
#[must_use]
pub fn weights(graph: &Graph) -> u64 {
    graph.params.iter().fold(0, |total: u64, param| {
        total.saturating_add(u64::from(param.outer).saturating_mul(u64::from(param.inner)))
    })
}

/// Elements of a tensor; 1 if there is no such tensor.
#[must_use]
pub fn elements(graph: &Graph, tensor: u32) -> u64 {
    let shape = graph.tensors.get(tensor as usize).map_or(&[][..], |tensor| &tensor.shape);
    product(shape.iter().copied())
}

fn of_node(graph: &Graph, node: &Node) -> u64 {
    match &node.op {
        Op::Affine { terms, .. } => terms.iter().fold(0, |total: u64, term| {
            let addends = match &term.source {
                Source::Tensor { inner, .. } => product(inner.iter().copied()),
                Source::Constant(_) | Source::Index { .. } | Source::Bias { .. } | Source::Reshape { .. } => {
                    1
                }
            };
            total.saturating_add(sums(product(term.region.iter().map(|&(_, length)| length)), addends))
        }),
        Op::Product { inner, .. } => sums(elements(graph, node.output), product(inner.iter().copied())),
        Op::Max { .. } | Op::Normalize { .. } => elements(graph, node.output),
    }
}

fn product(extents: impl Iterator<Item = u32>) -> u64 {
    extents.fold(1, |cells: u64, extent| cells.saturating_mul(u64::from(extent)))
}
