//! Stage 1: the fraction tree over all lookups and tables, and its layers' sum-checks.
//!
//! Layer `k` has `2^k` fractions; the fraction `i` of layer `k` is the sum of the fractions `i`
//! and `i + 2^k` of layer `k + 1`.

use super::Witness;
use super::fold::{bind, drop_top, sum};
use ark_ff::{Field, One, Zero};
use rayon::prelude::*;
use zkml_core::F;
use zkml_core::poly::eq_table;

/// All layers of the tree; the leaves come last.
pub(super) struct Tree {
    layers: Vec<(Vec<F>, Vec<F>)>,
    next: usize,
}

impl Tree {
    pub(super) fn new(witness: &Witness<'_>, alpha: F, gamma: [F; 4]) -> Self {
        let (numerators, denominators) = leaves(witness, alpha, gamma);
        let mut layers = vec![first_sums(&numerators, &denominators)];
        let leaf_numerators = numerators
            .iter()
            .map(|numerator| small(*numerator))
            .collect();
        for _ in 1..witness.circuit.leaf_log {
            let (p, q) = &layers[layers.len() - 1];
            let half = p.len() / 2;
            let pair = |i: usize| (p[i] * q[i + half] + p[i + half] * q[i], q[i] * q[i + half]);
            layers.push(
                (0..half)
                    .into_par_iter()
                    .with_min_len(512)
                    .map(pair)
                    .unzip(),
            );
        }
        layers.reverse();
        layers.push((leaf_numerators, denominators));
        Self { layers, next: 1 }
    }

    /// The fractions below the root, their products, and the inverse of the denominator.
    pub(super) fn root(&self, out: &mut [F]) {
        let (p, q) = &self.layers[1];
        let denominator = q[0] * q[1];
        let inverse = denominator.inverse().unwrap_or_default();
        out.copy_from_slice(&[
            p[0],
            p[1],
            q[0],
            q[1],
            p[0] * q[1],
            p[1] * q[0],
            denominator,
            inverse,
        ]);
    }

    /// The next layer's table of fractions, for the sum-check that leads to it.
    pub(super) fn next_layer(&mut self) -> Option<(Vec<F>, Vec<F>)> {
        self.next += 1;
        self.layers.get_mut(self.next).map(std::mem::take)
    }
}

/// The leaves: numerators are small integers.
fn leaves(witness: &Witness<'_>, alpha: F, gamma: [F; 4]) -> (Vec<i64>, Vec<F>) {
    let circuit = witness.circuit;
    let mut numerators = vec![0i64; 1 << circuit.leaf_log];
    let mut denominators = vec![F::one(); 1 << circuit.leaf_log];
    let denominator = |tag: usize, values: &mut dyn Iterator<Item = i64>| {
        let combined: F = values
            .zip(&gamma)
            .map(|(value, factor)| *factor * F::from(value))
            .sum();
        alpha - gamma[3] * F::from(tag as u64) - combined
    };
    let mut of_table: Vec<Vec<F>> = Vec::new();
    let mut last_columns: Vec<Vec<i64>> = Vec::new();
    for (tag, table) in circuit.tables.iter().enumerate() {
        let block = &circuit.blocks[table.multiplicities];
        let columns = table.kind.columns();
        let entries = (0..table.kind.len())
            .into_par_iter()
            .with_min_len(256)
            .map(|entry| denominator(tag, &mut columns.iter().map(|column| column[entry])));
        let entries: Vec<F> = entries.collect();
        let start = table.leaf as usize;
        let padding = denominator(tag, &mut std::iter::empty());
        denominators[start..start + (1 << block.log)].fill(padding);
        denominators[start..start + entries.len()].copy_from_slice(&entries);
        for (entry, numerator) in numerators[start..start + entries.len()]
            .iter_mut()
            .enumerate()
        {
            *numerator = -witness.trace.cells[block.offset as usize + entry];
        }
        of_table.push(entries);
        last_columns.extend(columns.into_iter().next_back());
    }
    for ((lookup, columns), entries) in circuit
        .lookups
        .iter()
        .zip(&witness.trace.lookups)
        .zip(&witness.trace.entries)
    {
        let domain = &circuit.blocks[lookup.domain];
        let start = lookup.leaf as usize;
        if domain.len() < 1 << domain.log {
            let padding = denominator(
                lookup.table,
                &mut lookup.columns.iter().map(|column| column.constant),
            );
            denominators[start..start + (1 << domain.log)].fill(padding);
        }
        let table = &of_table[lookup.table];
        domain.for_each(|element, cell| {
            numerators[start + cell] = 1;
            // An entry follows from the first columns; a lie can only be in the last one.
            let honest = entries[element].filter(|entry| {
                columns.last().is_some_and(|column| {
                    column[element] == last_columns[lookup.table][*entry as usize]
                })
            });
            denominators[start + cell] = match honest {
                Some(entry) => table[entry as usize],
                None => denominator(
                    lookup.table,
                    &mut columns.iter().map(|column| column[element]),
                ),
            };
        });
    }
    (numerators, denominators)
}

/// The layer above the leaves, where numerators are small integers.
fn first_sums(numerators: &[i64], denominators: &[F]) -> (Vec<F>, Vec<F>) {
    let half = numerators.len() / 2;
    let times = |integer: i64, factor: &F| match integer {
        0 => F::zero(),
        1 => *factor,
        other => small(other) * factor,
    };
    (0..half)
        .into_par_iter()
        .with_min_len(512)
        .map(|i| {
            let (low, high) = (&denominators[i], &denominators[i + half]);
            (
                times(numerators[i], high) + times(numerators[i + half], low),
                *low * high,
            )
        })
        .unzip()
}

fn small(integer: i64) -> F {
    match integer {
        0 => F::zero(),
        1 => F::one(),
        other => F::from(other),
    }
}

/// The sum-check of one layer: `sum eq(w, x) (p0 q1 + p1 q0 + lambda q0 q1)`, the highest
/// variable first.
pub(super) struct Layer {
    /// `p0, p1 + lambda q1, q0, q1`.
    tables: [Vec<F>; 4],
    /// `eq` of the variables below the one being bound.
    weights: Vec<F>,
    lambda: F,
}

impl Layer {
    pub(super) fn new((mut p0, mut q0): (Vec<F>, Vec<F>), point: &[F], lambda: F) -> Self {
        let half = p0.len() / 2;
        let mut p1 = p0.split_off(half);
        let q1 = q0.split_off(half);
        p1.par_iter_mut()
            .zip(&q1)
            .with_min_len(1024)
            .for_each(|(p, q)| *p += lambda * q);
        let weights = eq_table(&point[..point.len() - 1], F::one());
        Self {
            tables: [p0, p1, q0, q1],
            weights,
            lambda,
        }
    }

    pub(super) fn answer(&mut self, challenge: Option<&F>, out: &mut [F]) {
        if let Some(challenge) = challenge {
            self.tables
                .iter_mut()
                .for_each(|table| bind(table, challenge));
            if self.weights.len() > 1 {
                drop_top(&mut self.weights);
            }
        }
        let [p0, p1, q0, q1] = &self.tables;
        if out.len() != 2 {
            let plain = p1[0] - self.lambda * q1[0];
            let first = q1[0] * (self.lambda * q0[0] + p0[0]);
            out.copy_from_slice(&[p0[0], plain, q0[0], q1[0], first, plain * q0[0]]);
            return;
        }
        let half = p0.len() / 2;
        let weights = &self.weights;
        let [constant, leading] = sum(half, |i| {
            let constant = p0[i] * q1[i] + p1[i] * q0[i];
            let step = |table: &[F]| table[i + half] - table[i];
            let leading = step(p0) * step(q1) + step(p1) * step(q0);
            [weights[i] * constant, weights[i] * leading]
        });
        out.copy_from_slice(&[constant, leading]);
    }
}
