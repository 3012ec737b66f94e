//! Stage 5: the sum-check over the columns, for all classes of rows at once.

use super::Witness;
use super::fold::{Table, sum};
use super::kernel::combine_rows;
use rayon::prelude::*;
use zkml_core::F;
use zkml_core::zip::{Unequal, zip_eq};
use zkml_verifier::circuit::{IO_CHUNK, Source};
use zkml_verifier::protocol::{Class, ClassRows};

pub(super) struct Columns {
    /// Combined row and factors of every class.
    tables: Vec<(Table, Table)>,
}

/// The combination of committed rows that each class is about.
pub(super) fn class_rows(
    witness: &Witness<'_>,
    classes: &[Class],
    bound_trace: &[F],
    weight_rows: &[Option<Vec<F>>],
) -> Result<Vec<Vec<F>>, Unequal> {
    let circuit = witness.circuit;
    let columns = circuit.columns();
    let one = |class: &Class| -> Result<Vec<F>, Unequal> {
        let mut row = match &class.rows {
            ClassRows::Trace(factors) => committed_trace(witness, bound_trace, factors),
            ClassRows::Packed(index) => {
                let mut row = vec![F::default(); columns];
                for (start, values) in circuit.weights.row(witness.weights, *index)? {
                    for (cell, value) in row[start..].iter_mut().zip(values) {
                        *cell = F::from(i64::from(*value));
                    }
                }
                row
            }
            ClassRows::Matrix { param, chunk, factors } => {
                let inner = circuit.weights.params[*param].inner;
                let range = chunk * columns..((chunk + 1) * columns).min(inner);
                match &weight_rows[*param] {
                    Some(combined) => combined[range].to_vec(),
                    None => combine_rows(&witness.weights[*param], inner, factors)[range].to_vec(),
                }
            }
            ClassRows::Chunk { tensor, chunk } => {
                let values = witness.trace.read(&circuit.blocks[circuit.statement[*tensor]]);
                values
                    .chunks(IO_CHUNK)
                    .nth(*chunk)
                    .unwrap_or_default()
                    .iter()
                    .map(|value| F::from(*value))
                    .collect()
            }
        };
        row.resize(columns, F::default());
        Ok(row)
    };
    classes.par_iter().with_min_len(4).map(one).collect()
}

/// The bound trace without the rows that the statement holds.
fn committed_trace(witness: &Witness<'_>, bound_trace: &[F], factors: &[F]) -> Vec<F> {
    let circuit = witness.circuit;
    let columns = circuit.columns();
    let mut row = bound_trace.to_vec();
    for block in circuit.blocks.iter().filter(|block| block.source == Source::Statement) {
        let start = block.offset as usize;
        let cells = &witness.trace.cells[start..start + (1 << block.log)];
        for (index, part) in cells.chunks(columns).enumerate() {
            let factor = factors[start / columns + index];
            for (sum, cell) in row.iter_mut().zip(part) {
                if *cell != 0 {
                    *sum -= factor * F::from(*cell);
                }
            }
        }
    }
    row
}

impl Columns {
    pub(super) fn new(rows: &[Vec<F>], classes: &[Class]) -> Result<Self, Unequal> {
        let tables = zip_eq(rows, classes)?
            .map(|(row, class)| (Table::full(row.clone()), Table::full(class.factors(row.len()))));
        Ok(Self { tables: tables.collect() })
    }

    pub(super) fn answer(&mut self, challenge: Option<&F>, out: &mut [F]) {
        if let Some(challenge) = challenge {
            self.tables.par_iter_mut().with_min_len(8).for_each(|(row, values)| {
                row.bind(challenge);
                values.bind(challenge);
            });
        }
        let add = |a: [F; 2], b: [F; 2]| [a[0] + b[0], a[1] + b[1]];
        let one = |(row, values): &(Table, Table)| {
            let half = row.half();
            let (row, values) = (&row.values, &values.values);
            sum(half, |i| [row[i] * values[i], (row[i + half] - row[i]) * (values[i + half] - values[i])])
        };
        let total = self.tables.par_iter().with_min_len(8).map(one).reduce(|| [F::default(); 2], add);
        out.copy_from_slice(&total);
    }
}
