//! The end of stage 4 and the inner products of stage 5.
#![expect(clippy::indexing_slicing, reason = "kernels name the circuit's own blocks")]

use super::{Class, ClassRows, ProtocolError, Tail};
use crate::circuit::{Circuit, IO_CHUNK};
use crate::kernel::{Functional, Kernel, WeightCoefficients, axis_tables, outer_product, selector};
use crate::statement::Shown;
use alloc::vec;
use alloc::vec::Vec;
use ark_ff::{Field, Zero};
use zkml_core::F;
use zkml_core::poly::{eq, eq_table};
use zkml_core::zip::zip_eq;

/// What everybody knows at the end of stage 4.
pub struct MasterEnd {
    /// The public part of the kernel at `r`.
    pub kernel: F,
    /// For every parameter kernel, the selector of its block.
    pub shares: Vec<F>,
    /// `eq(r)` on the axes of every block that a kernel reads.
    pub tables: Vec<Option<Vec<Vec<F>>>>,
}

impl MasterEnd {
    /// Evaluates the public kernels at `r`.
    ///
    /// # Errors
    /// Returns an error if a kernel is not one of the circuit's: its block has other axes or extents.
    pub fn new(
        circuit: &Circuit,
        functional: &Functional,
        rho: &[F],
        r: &[F],
    ) -> Result<Self, ProtocolError> {
        let mut last = F::ONE;
        let mut prefix_eq = vec![last];
        // Leaves and trace have as many variables as they need; a block has the first of both.
        for (a, b) in rho.iter().zip(r) {
            last *= eq(core::slice::from_ref(a), core::slice::from_ref(b))?;
            prefix_eq.push(last);
        }
        let mut tables: Vec<Option<Vec<Vec<F>>>> = vec![None; circuit.blocks.len()];
        let mut end = Self { kernel: F::zero(), shares: Vec::new(), tables: Vec::new() };
        for kernel in &functional.kernels {
            let block = &circuit.blocks[kernel.block()];
            let share = selector(r, block.log, block.offset);
            let axes: &[Vec<F>] = if matches!(kernel, Kernel::Eq { .. }) {
                &[]
            } else {
                tables[kernel.block()].get_or_insert_with(|| axis_tables(block, r))
            };
            end.kernel += share * kernel.evaluate(block, axes, &prefix_eq)?;
            if matches!(kernel, Kernel::Param(_)) {
                end.shares.push(share);
            }
        }
        end.tables = tables;
        Ok(end)
    }
}

/// What stage 5 draws first.
#[derive(Clone, Copy)]
pub(super) struct ColumnChallenges {
    /// Factors of `V` and of the bias functional.
    pub(super) eta: [F; 2],
    /// Base of the factors of unused columns, where a statement has commitments.
    pub(super) tau: Option<F>,
}

/// The inner products of stage 5, and what public inputs and outputs contribute to `t`.
pub(super) fn classes(
    circuit: &Circuit,
    statement: &[Shown],
    functional: &Functional,
    end: &MasterEnd,
    challenges: ColumnChallenges,
    r: &[F],
) -> Result<(Vec<Class>, F), ProtocolError> {
    let ColumnChallenges { eta, tau } = challenges;
    let columns = circuit.columns();
    let (low, high) = r.split_at(circuit.columns_log);
    let class = |rows: ClassRows, values: Vec<F>| Class { rows, values, tail: None };
    let mut classes = vec![class(ClassRows::Trace(eq_table(high, F::ONE)), eq_table(low, F::ONE))];

    let mut weights = WeightCoefficients::new(&circuit.weights);
    let mut shares = end.shares.iter();
    for kernel in &functional.kernels {
        if let Kernel::Param(param) = kernel {
            let tables = end.tables[param.block].as_ref().ok_or(ProtocolError::NoAnswer)?;
            let share = *shares.next().ok_or(ProtocolError::NoAnswer)?;
            weights.add_param(&circuit.weights, param, tables, share * eta[0])?;
        }
    }
    for bias in &functional.biases {
        weights.add_bias(&circuit.weights, bias, eta[1])?;
    }
    for (row, values) in weights.packed.chunks(columns).enumerate() {
        classes.push(class(ClassRows::Packed(row), values.to_vec()));
    }
    for (param, factors, values) in weights.matrices {
        for (chunk, values) in values.chunks(columns).enumerate() {
            let rows = ClassRows::Matrix { param, chunk, factors: factors.clone() };
            classes.push(class(rows, values.to_vec()));
        }
    }

    let mut public = F::zero();
    let mut tails = tau.map(|tau| Tail::of_chunks(tau, circuit.columns_log));
    for (tensor, (shown, block)) in zip_eq(statement, &circuit.statement)?.enumerate() {
        let block = &circuit.blocks[*block];
        let elements = outer_product(&axis_tables(block, r), selector(r, block.log, block.offset));
        match shown {
            Shown::Public(values) => {
                let terms = zip_eq(&elements, values)?.map(|(factor, value)| *factor * F::from(*value));
                public += terms.sum::<F>();
            }
            Shown::Committed(_) => {
                for (chunk, values) in elements.chunks(IO_CHUNK).enumerate() {
                    let tail = tails.as_mut().and_then(Iterator::next).ok_or(ProtocolError::NoAnswer)?;
                    let rows = ClassRows::Chunk { tensor, chunk };
                    classes.push(Class { rows, values: values.to_vec(), tail: Some(tail) });
                }
            }
        }
    }
    Ok((classes, public))
}
