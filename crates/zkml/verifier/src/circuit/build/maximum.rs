//! The maximum of two views.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a validated graph names its own tensors and axes, and the builder its own blocks; extents are below 2^28, values within 2^48"
)]

use super::{Builder, CircuitError, MAX_TABLE_LOG};
use crate::circuit::layout::log2_ceil_u64;
use crate::circuit::tables::TableKind;
use crate::circuit::{BlockId, Expr, Label, Property, Sum};
use alloc::vec;
use alloc::vec::Vec;
use zkml_core::zip::{Unequal, zip_eq};
use zkml_graph::{AxisMap, Term, View, Weight};

impl Builder<'_> {
    pub(super) fn maximum(
        &mut self,
        index: usize,
        output: BlockId,
        a: &View,
        b: &View,
    ) -> Result<(), CircuitError> {
        let (a_sum, b_sum) = (self.view(output, a)?, self.view(output, b)?);
        let tensor = |view: &View| &self.graph.tensors[view.tensor as usize];
        let reach = (tensor(a).max - tensor(b).min).max(tensor(b).max - tensor(a).min);
        let property = Property::Maximum;
        let log = log2_ceil_u64(2 * reach.unsigned_abs() + 1);
        if log > MAX_TABLE_LOG {
            return Err(CircuitError::TableTooLarge { node: index, property, log });
        }
        let table = self.table(TableKind::Positive { reach });
        let difference = Expr { constant: reach, sums: vec![(a_sum, 1), (b_sum, -1)], ..Expr::default() };
        let excess = Expr { cells: vec![(output, 1)], sums: vec![(b_sum, -1)], ..Expr::default() };
        let label = Label { node: Some(index), property };
        self.lookup(table, output, vec![difference, excess], label);
        Ok(())
    }

    /// The sum that reads a view, with the tensor's minimum where a coordinate is outside.
    pub(super) fn view(&mut self, domain: BlockId, view: &View) -> Result<usize, Unequal> {
        let tensor = &self.graph.tensors[view.tensor as usize];
        let extents: Vec<u32> = self.circuit.blocks[domain].axes.iter().map(|axis| axis.len as u32).collect();
        let whole: Vec<(u32, u32)> = extents.iter().map(|len| (0, *len)).collect();
        let mut terms = vec![Term {
            region: whole.clone(),
            source: zkml_graph::Source::Tensor {
                tensor: view.tensor,
                inner: Vec::new(),
                map: view.map.clone(),
                weight: Weight::Public(1),
            },
        }];
        if tensor.min != 0 {
            // The positions whose coordinates are all inside form a box.
            let mut inside = whole.clone();
            let mut empty = false;
            for (map, len) in zip_eq(&view.map, &tensor.shape)? {
                match map.out {
                    Some((axis, stride)) => {
                        let (from, to) = inside_range(map, i64::from(stride), i64::from(*len));
                        let (start, count) = &mut inside[axis as usize];
                        let end = to.min(i64::from(*start + *count));
                        let begin = from.max(i64::from(*start));
                        empty |= begin >= end;
                        *start = begin.max(0) as u32;
                        *count = (end - begin).max(0) as u32;
                    }
                    None => empty |= !(0..i64::from(*len)).contains(&map.offset),
                }
            }
            let constant = |region, value| Term { region, source: zkml_graph::Source::Constant(value) };
            if empty {
                terms.push(constant(whole, tensor.min));
            } else if inside != whole {
                terms.push(constant(whole, tensor.min));
                terms.push(constant(inside, -tensor.min));
            }
        }
        self.circuit.sums.push(Sum { domain, terms, node: None });
        Ok(self.circuit.sums.len() - 1)
    }
}

/// The local output indices `from..to` whose coordinate is inside `0..len`.
fn inside_range(map: &AxisMap, stride: i64, len: i64) -> (i64, i64) {
    let from = (-map.offset + stride - 1).div_euclid(stride).max(0);
    let to = (len - 1 - map.offset).div_euclid(stride) + 1;
    (from, to)
}
