//! Stage 1: the fraction tree over all lookups and tables, and its layers' sum-checks.
//!
//! Layer `k` has `2^k` fractions; the fraction `i` of layer `k` is the sum of the fractions `i`
//! and `i + 2^k` of layer `k + 1`. Tables end where the last lookup or table does; all fractions
//! beyond are zero over one.

use super::Witness;
use super::fold::{SplitEq, Table, eq_prefix_sum};
use ark_ff::{Field, One, Zero};
use rayon::prelude::*;
use zkml_core::F;

/// Numerators and denominators of a layer, as far as they are used.
type Fractions = (Vec<F>, Vec<F>);

/// All layers of the tree; the leaves come last.
pub(super) struct Tree {
    layers: Vec<Fractions>,
    next: usize,
}

impl Tree {
    pub(super) fn new(witness: &Witness<'_>, alpha: F, gamma: [F; 4]) -> Self {
        let leaf_log = witness.circuit.leaf_log;
        let (numerators, denominators) = leaves(witness, alpha, gamma);
        let mut layers = vec![first_sums(&numerators, &denominators, 1 << (leaf_log - 1))];
        let leaf_numerators =
            numerators.par_iter().with_min_len(1024).map(|numerator| small(*numerator)).collect();
        for log in (1..leaf_log).rev() {
            let (p, q) = &layers[layers.len() - 1];
            let half = 1 << (log - 1);
            let pair = |i: usize| match q.get(i + half) {
                Some(high) => (p[i] * high + p[i + half] * q[i], q[i] * high),
                None => (p[i], q[i]),
            };
            layers.push((0..half.min(p.len())).into_par_iter().with_min_len(512).map(pair).unzip());
        }
        layers.reverse();
        layers.push((leaf_numerators, denominators));
        Self { layers, next: 1 }
    }

    /// The fractions below the root, their products, and the inverse of the denominator.
    pub(super) fn root(&self, out: &mut [F]) {
        let (p, q) = &self.layers[1];
        let at = |table: &[F], index: usize, rest: F| table.get(index).copied().unwrap_or(rest);
        let (p0, p1) = (at(p, 0, F::zero()), at(p, 1, F::zero()));
        let (q0, q1) = (at(q, 0, F::one()), at(q, 1, F::one()));
        let denominator = q0 * q1;
        let inverse = denominator.inverse().unwrap_or_default();
        out.copy_from_slice(&[p0, p1, q0, q1, p0 * q1, p1 * q0, denominator, inverse]);
    }

    /// The next layer's fractions, for the sum-check that leads to them.
    pub(super) fn next_layer(&mut self) -> Option<Fractions> {
        self.next += 1;
        self.layers.get_mut(self.next).map(std::mem::take)
    }
}

/// The leaves: numerators are small integers.
fn leaves(witness: &Witness<'_>, alpha: F, gamma: [F; 4]) -> (Vec<i64>, Vec<F>) {
    let circuit = witness.circuit;
    let mut numerators = vec![0i64; circuit.leaf_used];
    let mut denominators = vec![F::one(); circuit.leaf_used];
    let denominator = |tag: usize, values: &mut dyn Iterator<Item = i64>| {
        let combined: F = values.zip(&gamma).map(|(value, factor)| *factor * F::from(value)).sum();
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
        for (entry, numerator) in numerators[start..start + entries.len()].iter_mut().enumerate() {
            *numerator = -witness.trace.cells[block.offset as usize + entry];
        }
        of_table.push(entries);
        last_columns.extend(columns.into_iter().next_back());
    }
    for ((lookup, columns), entries) in
        circuit.lookups.iter().zip(&witness.trace.lookups).zip(&witness.trace.entries)
    {
        let domain = &circuit.blocks[lookup.domain];
        let start = lookup.leaf as usize;
        if domain.len() < 1 << domain.log {
            let padding = denominator(lookup.table, &mut lookup.columns.iter().map(|column| column.constant));
            denominators[start..start + (1 << domain.log)].fill(padding);
        }
        let table = &of_table[lookup.table];
        domain.for_each(|element, cell| {
            numerators[start + cell] = 1;
            // An entry follows from the first columns; a lie can only be in the last one.
            let honest = entries[element].filter(|entry| {
                columns
                    .last()
                    .is_some_and(|column| column[element] == last_columns[lookup.table][*entry as usize])
            });
            denominators[start + cell] = match honest {
                Some(entry) => table[entry as usize],
                None => denominator(lookup.table, &mut columns.iter().map(|column| column[element])),
            };
        });
    }
    (numerators, denominators)
}

/// The layer above the leaves, where numerators are small integers.
fn first_sums(numerators: &[i64], denominators: &[F], half: usize) -> Fractions {
    let times = |integer: i64, factor: &F| match integer {
        0 => F::zero(),
        1 => *factor,
        other => small(other) * factor,
    };
    (0..half.min(numerators.len()))
        .into_par_iter()
        .with_min_len(512)
        .map(|i| match denominators.get(i + half) {
            Some(high) => {
                let low = &denominators[i];
                (times(numerators[i], high) + times(numerators[i + half], low), *low * high)
            }
            None => (small(numerators[i]), denominators[i]),
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
    tables: [Table; 4],
    point: Vec<F>,
    lambda: F,
}

impl Layer {
    pub(super) fn new((mut p0, mut q0): Fractions, point: &[F], lambda: F) -> Self {
        let log = point.len();
        let half = (1 << log).min(p0.len());
        let mut p1 = p0.split_off(half);
        let q1 = q0.split_off(half);
        p1.par_iter_mut().zip(&q1).with_min_len(1024).for_each(|(p, q)| *p += lambda * q);
        let tables = [
            Table::new(p0, log, F::zero()),
            Table::new(p1, log, lambda),
            Table::new(q0, log, F::one()),
            Table::new(q1, log, F::one()),
        ];
        Self { tables, point: point.to_vec(), lambda }
    }

    pub(super) fn answer(&mut self, challenge: Option<&F>, out: &mut [F]) {
        if let Some(challenge) = challenge {
            self.tables.iter_mut().for_each(|table| table.bind(challenge));
            self.point.pop();
        }
        let [p0, p1, q0, q1] = &self.tables;
        if out.len() != 2 {
            let [p0, p1, q0, q1] = [p0.at(0), p1.at(0), q0.at(0), q1.at(0)];
            let plain = p1 - self.lambda * q1;
            out.copy_from_slice(&[p0, plain, q0, q1, q1 * (self.lambda * q0 + p0), plain * q0]);
            return;
        }
        let half = p0.half();
        let below = &self.point[..self.point.len() - 1];
        let used = p0.pairs();
        let sums = SplitEq::new(below, F::one()).sum(used, |i| {
            let (a, b, c, d) = (p0.at(i), p1.at(i), q0.at(i), q1.at(i));
            let step = |table: &Table, low: F| table.at(i + half) - low;
            let (da, db, dc, dd) = (step(p0, a), step(p1, b), step(q0, c), step(q1, d));
            [a * d + b * c, da * dd + db * dc]
        });
        // Where all tables have ended, p0 = 0, p1 + lambda q1 = lambda, q0 = q1 = 1.
        out.copy_from_slice(&[sums[0] + self.lambda * (F::one() - eq_prefix_sum(below, used)), sums[1]]);
    }
}
