//! Stage 2: all relations at the lookups' point, combined at random.
#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a circuit's relations name its own blocks, sums and tables; ranks are at most 9"
)]

use super::{ProtocolError, QuadItem};
use crate::circuit::{Circuit, Expr, QuadShape};
use crate::kernel::{Functional, GraphView, Kernel, axis_point, axis_tables, prefix_tables, selector};
use alloc::vec;
use alloc::vec::Vec;
use ark_ff::{Field, Zero};
use zkml_core::F;
use zkml_core::field::WideSum;
use zkml_core::poly::eq_prefix;
use zkml_core::zip::zip_eq;

/// Stage 2: everything that holds at `rho`, combined with powers of `beta`.
pub(super) fn relations(
    circuit: &Circuit,
    weight_bits: u8,
    (alpha, gamma, beta): (F, [F; 4], F),
    rho: &[F],
) -> Result<(Functional, Vec<QuadItem>), ProtocolError> {
    let mut functional = Functional::default();
    let mut cells = vec![F::zero(); circuit.blocks.len()];
    let mut sums = vec![F::zero(); circuit.sums.len()];
    let mut quads = vec![F::zero(); circuit.quads.len()];
    let mut constant = F::zero();
    let mut add = |expr: &Expr, factor: F| {
        constant += factor * F::from(expr.constant);
        let scaled = |integer: i64| factor * F::from(integer);
        expr.cells.iter().for_each(|(block, integer)| cells[*block] += scaled(*integer));
        expr.sums.iter().for_each(|(sum, integer)| sums[*sum] += scaled(*integer));
        expr.quads.iter().for_each(|(quad, integer)| quads[*quad] += scaled(*integer));
    };
    // Numerators and denominators of unused leaves are zero and one.
    let (mut numerator, mut denominator) = (F::zero(), F::ONE);
    for lookup in &circuit.lookups {
        let block = &circuit.blocks[lookup.domain];
        let share = selector(rho, block.log, lookup.leaf);
        let inside: F = axis_tables(block, rho).iter().map(|table| table.iter().sum::<F>()).product();
        numerator += share * inside;
        denominator += share * (alpha - gamma[3] * F::from(lookup.table as u64) - F::ONE);
        // One power for each column that a table can have; the last is the tag's.
        for (column, factor) in lookup.columns.iter().zip(&gamma) {
            add(column, -beta * share * factor);
        }
    }
    let mut power = beta;
    for relation in &circuit.relations {
        power *= beta;
        add(&relation.expr, power);
    }
    let logs = circuit.tables.iter().map(|table| circuit.blocks[table.multiplicities].log);
    let tables = prefix_tables(rho, logs.max().unwrap_or(0));
    for (tag, table) in circuit.tables.iter().enumerate() {
        let log = circuit.blocks[table.multiplicities].log;
        let share = selector(rho, log, table.leaf);
        let columns = table.kind.columns();
        let entries: F = columns
            .iter()
            .zip(&gamma)
            .map(|(column, factor)| {
                // A table ends before its block does.
                let parts = column.chunks(WideSum::TERMS).zip(tables[log].chunks(WideSum::TERMS));
                let part = |(values, weights): (&[i64], &[F])| {
                    let mut sum = WideSum::default();
                    values.iter().zip(weights).for_each(|(value, weight)| sum.add(*value, weight));
                    sum.reduce()
                };
                parts.map(part).sum::<F>() * factor
            })
            .sum();
        denominator += share * (alpha - gamma[3] * F::from(tag as u64) - entries - F::ONE);
        functional.kernels.push(Kernel::Separable {
            block: table.multiplicities,
            coefficient: -share,
            axes: vec![eq_prefix(&rho[..log], table.kind.len())],
        });
    }
    functional.constant += constant + numerator + beta * denominator;
    for (block, coefficient) in
        cells.into_iter().enumerate().filter(|(_, coefficient)| !coefficient.is_zero())
    {
        functional.kernels.push(Kernel::Eq { block, coefficient });
    }
    let view = GraphView { blocks: &circuit.blocks, weight_bits, params: &circuit.weights.params };
    for (sum, coefficient) in zip_eq(&circuit.sums, &sums)? {
        if !coefficient.is_zero() {
            functional.add_sum(&view, sum, *coefficient, rho)?;
        }
    }
    let items = zip_eq(&circuit.quads, &quads)?.enumerate().map(|(index, (quad, coefficient))| {
        // Output axes that no factor follows repeat the sum.
        let axes = &circuit.blocks[quad.domain].axes;
        let followed = |axis: usize| {
            let out = zkml_graph::OperandAxis::Out(axis as u32);
            quad.a.axes.contains(&out) || quad.b.axes.contains(&out)
        };
        let repeated = (0..axes.len()).filter(|axis| !followed(*axis));
        let total =
            repeated.map(|axis| eq_prefix(axis_point(&axes[axis], rho), axes[axis].len).iter().sum::<F>());
        let coefficient = *coefficient * total.product::<F>();
        QuadItem { quad: index, coefficient, shape: QuadShape::new(circuit, quad) }
    });
    let items = items.collect();
    Ok((functional, items))
}
