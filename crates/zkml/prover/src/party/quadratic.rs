//! Stage 3: one sum-check for all quadratic sums. Smaller sums wait for their first variable:
//! each variable above them contributes the factor `1 - x`.

use super::Witness;
use super::fold::{Table, sum};
use ark_ff::{One, Zero};
use zkml_core::F;
use zkml_core::poly::{eq_prefix, eq_table};
use zkml_graph::OperandAxis;
use zkml_verifier::circuit::{Axis, BlockId, Factor, QuadShape};
use zkml_verifier::kernel::axis_point;
use zkml_verifier::protocol::QuadItem;

pub(super) struct Quadratic {
    items: Vec<Item>,
    /// Variables still to be bound.
    left: usize,
    asked: bool,
}

struct Item {
    /// Factor of the sum, with `1 - r` for every variable above it that is bound.
    scale: F,
    /// Number of its own variables.
    log: usize,
    /// `eq` of the batch variables, and the two factors, over its own variables.
    tables: [Table; 3],
    /// The sum, while it waits.
    total: F,
}

impl Quadratic {
    pub(super) fn new(witness: &Witness<'_>, items: &[QuadItem], rho: &[F]) -> Self {
        let left = items.iter().map(|item| item.shape.log).max().unwrap_or(0);
        let build = |item: &QuadItem| {
            let quad = &witness.circuit.quads[item.quad];
            let axes = &witness.circuit.blocks[quad.domain].axes;
            let mut batch = vec![F::one()];
            // Inner variables are lowest and have no `eq` factor.
            let inner: usize = item.shape.inner.iter().map(|axis| axis.log).sum();
            batch.resize(1 << inner, F::one());
            for (axis, _) in item.shape.batch.iter().rev() {
                let weights = eq_table(axis_point(&axes[*axis], rho), F::one());
                batch = weights
                    .iter()
                    .flat_map(|weight| batch.iter().map(move |value| *weight * value))
                    .collect();
            }
            let tables = [
                batch,
                factor_table(witness, &quad.a, &item.shape, quad.domain, rho),
                factor_table(witness, &quad.b, &item.shape, quad.domain, rho),
            ];
            let [eq, a, b] = &tables;
            let [total] = sum(eq.len(), |i| [eq[i] * a[i] * b[i]]);
            let tables = tables.map(Table::full);
            Item { scale: item.coefficient, log: item.shape.log, tables, total }
        };
        Self { items: items.iter().map(build).collect(), left, asked: false }
    }

    pub(super) fn answer(&mut self, challenge: Option<&F>, out: &mut [F]) {
        if !self.asked {
            self.asked = true;
            let total: F = self.items.iter().map(|item| item.scale * item.total).sum();
            out.copy_from_slice(&[total]);
            return;
        }
        if let Some(challenge) = challenge {
            for item in &mut self.items {
                if item.log < self.left {
                    item.scale *= F::one() - challenge;
                } else {
                    item.tables.iter_mut().for_each(|table| table.bind(challenge));
                    item.log -= 1;
                }
            }
            self.left -= 1;
        }
        if out.len() == 3 && self.left > 0 {
            out.fill(F::zero());
            for item in &self.items {
                let round = item.round(self.left);
                out.iter_mut().zip(round).for_each(|(sum, value)| *sum += item.scale * value);
            }
        } else {
            for (values, item) in out.chunks_exact_mut(3).zip(&self.items) {
                let (a, b) = (item.tables[1].at(0), item.tables[2].at(0));
                values.copy_from_slice(&[a, b, a * b]);
            }
        }
    }
}

impl Item {
    /// Coefficients of degrees 0, 2 and 3.
    fn round(&self, left: usize) -> [F; 3] {
        if self.log < left {
            // total * (1 - x)
            return [self.total, F::zero(), F::zero()];
        }
        let [e, a, b] = &self.tables;
        let half = e.half();
        let (e, a, b) = (&e.values, &a.values, &b.values);
        sum(half, |i| {
            let (de, da, db) = (e[i + half] - e[i], a[i + half] - a[i], b[i + half] - b[i]);
            let (ab, dadb) = (a[i] * b[i], da * db);
            let cross = a[i] * db + da * b[i];
            [e[i] * ab, e[i] * dadb + de * cross, de * dadb]
        })
    }
}

/// A factor over the variables of its sum: axes that only it follows are summed with `eq(rho)`.
fn factor_table(
    witness: &Witness<'_>,
    factor: &Factor,
    shape: &QuadShape,
    domain: BlockId,
    rho: &[F],
) -> Vec<F> {
    let circuit = witness.circuit;
    let block = &circuit.blocks[factor.block];
    let cells = &witness.trace.cells[block.offset as usize..];
    // For every axis of the block: its place among the variables, or a weight for each coordinate.
    enum Role {
        Variable(Axis),
        Weighted(Vec<F>),
        Fixed(usize),
    }
    let roles: Vec<Role> = factor
        .axes
        .iter()
        .zip(&block.axes)
        .map(|(follows, axis)| match follows {
            OperandAxis::Inner(index) => Role::Variable(shape.inner[*index as usize]),
            OperandAxis::Out(out) => match shape.batch.iter().find(|(batch, _)| *batch == *out as usize) {
                Some((_, place)) => Role::Variable(*place),
                None => Role::Weighted(eq_prefix(
                    axis_point(&circuit.blocks[domain].axes[*out as usize], rho),
                    axis.len,
                )),
            },
            OperandAxis::Fixed(coordinate) => Role::Fixed(*coordinate as usize),
        })
        .collect();
    let mut table = vec![F::zero(); 1 << shape.log];
    let mut index = vec![0usize; roles.len()];
    let strides: Vec<usize> = {
        let mut strides = vec![1; roles.len()];
        for axis in (0..roles.len().saturating_sub(1)).rev() {
            strides[axis] = strides[axis + 1] * block.axes[axis + 1].len;
        }
        strides
    };
    block.for_each(|element, cell| {
        let value = cells[cell];
        if value == 0 {
            return;
        }
        let mut rest = element;
        for (place, stride) in index.iter_mut().zip(&strides) {
            *place = rest / stride;
            rest %= stride;
        }
        let mut at = 0;
        let mut weight = F::from(value);
        for (role, coordinate) in roles.iter().zip(&index) {
            match role {
                Role::Variable(axis) => at += coordinate << axis.shift,
                Role::Weighted(weights) => weight *= weights[*coordinate],
                Role::Fixed(fixed) if fixed == coordinate => {}
                Role::Fixed(_) => return,
            }
        }
        table[at] += weight;
    });
    // A variable that this factor does not follow repeats it.
    let followed =
        roles.iter().filter_map(|role| if let Role::Variable(axis) = role { Some(*axis) } else { None });
    let followed: Vec<Axis> = followed.collect();
    for axis in shape.inner.iter().chain(shape.batch.iter().map(|(_, axis)| axis)) {
        if !followed.contains(axis) {
            repeat(&mut table, axis);
        }
    }
    table
}

/// Copies the values at coordinate zero of an axis to all its coordinates, padding included, so
/// that the factor's extension does not depend on the axis.
fn repeat(table: &mut [F], axis: &Axis) {
    let mask = ((1usize << axis.log) - 1) << axis.shift;
    for index in 0..table.len() {
        table[index] = table[index & !mask];
    }
}
