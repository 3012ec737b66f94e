//! The relations, tested in the clear on a trace: what the proof says, with names.
//!
//! A prover runs it on its own trace where speed does not count; tests use it to see *which*
//! check a lie breaks, since a proof, by design, does not tell.

use crate::trace::Trace;
use thiserror::Error;
use zkml_verifier::circuit::{Circuit, Label};

/// A relation that a trace breaks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}: {} fails at element {element}", .label.node.map_or_else(|| "input or key".to_owned(), |node| format!("node {node}")), .label.property)]
pub struct Violation {
    /// Node and property.
    pub label: Label,
    /// Which element of the domain, row-major.
    pub element: usize,
}

/// Every relation that the trace breaks, at its first element.
#[must_use]
pub fn violations(circuit: &Circuit, trace: &Trace) -> Vec<Violation> {
    let mut found = Vec::new();
    let tables: Vec<Vec<Vec<i64>>> = circuit.tables.iter().map(|table| table.kind.columns()).collect();
    for ((lookup, columns), entries) in circuit.lookups.iter().zip(&trace.lookups).zip(&trace.entries) {
        let table = &tables[lookup.table];
        let broken = (0..entries.len()).find(|element| match entries[*element] {
            None => true,
            Some(entry) => {
                columns.iter().zip(table).any(|(column, table)| column[*element] != table[entry as usize])
            }
        });
        found.extend(broken.map(|element| Violation { label: lookup.label, element }));
    }
    for relation in &circuit.relations {
        let domain = &circuit.blocks[relation.domain];
        let mut values = vec![i128::from(relation.expr.constant); domain.len()];
        let mut add = |terms: &[i64], factor: i64| {
            values
                .iter_mut()
                .zip(terms)
                .for_each(|(value, term)| *value += i128::from(factor) * i128::from(*term));
        };
        for (block, factor) in &relation.expr.cells {
            add(&trace.read(&circuit.blocks[*block]), *factor);
        }
        for (sum, factor) in &relation.expr.sums {
            add(&trace.sum(circuit, *sum), *factor);
        }
        for (quad, factor) in &relation.expr.quads {
            add(&trace.quad(circuit, &circuit.quads[*quad]), *factor);
        }
        let broken = values.iter().position(|value| *value != 0);
        found.extend(broken.map(|element| Violation { label: relation.label, element }));
    }
    found
}
