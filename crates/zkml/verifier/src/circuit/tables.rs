//! The lookup tables. Their entries follow from the public graph by integer arithmetic; nothing
//! in them comes from a key or a proof.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "tables have at most 2^18 entries, and their arguments are within 2^48"
)]

use super::BlockId;
use alloc::vec::Vec;
use zkml_graph::Function;

/// What a table holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableKind {
    /// `(i)` for `i` below `len`: a range.
    Range {
        /// Number of entries.
        len: usize,
    },
    /// `(i, f(clamp(i + first)))` for `i` below `len`: a function of a whole quotient.
    Whole {
        /// Least quotient.
        first: i64,
        /// Number of entries.
        len: usize,
        /// Least argument of the function.
        domain_min: i64,
        /// log2 of the number of arguments.
        domain_bits: u8,
        /// The function.
        function: Function,
    },
    /// `(i, class(i + first))` for `i` below `len`: the class of a quotient's high part.
    Class {
        /// Least high part.
        first: i64,
        /// Number of entries.
        len: usize,
    },
    /// `(class, low, f)` for three classes and `2^bits` low parts.
    Split {
        /// Bits of the low part.
        bits: u8,
        /// Least argument of the function.
        domain_min: i64,
        /// log2 of the number of arguments.
        domain_bits: u8,
        /// The function.
        function: Function,
    },
    /// `(i, max(i - reach, 0))` for `i` up to `2 reach`: the maximum of a difference and zero.
    Positive {
        /// Greatest magnitude of the difference.
        reach: i64,
    },
}

/// A table and its place.
#[derive(Clone, Debug)]
pub struct Table {
    /// What it holds.
    pub kind: TableKind,
    /// Block of the multiplicities.
    pub multiplicities: BlockId,
    /// First leaf in the fraction tree.
    pub leaf: u64,
}

impl TableKind {
    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Range { len } | Self::Whole { len, .. } | Self::Class { len, .. } => *len,
            Self::Split { bits, .. } => 3 << bits,
            Self::Positive { reach } => 2 * *reach as usize + 1,
        }
    }

    /// Whether it is empty: never.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The columns, each of [`TableKind::len`] entries.
    #[must_use]
    pub fn columns(&self) -> Vec<Vec<i64>> {
        let index: Vec<i64> = (0..self.len() as i64).collect();
        match self {
            Self::Range { .. } => alloc::vec![index],
            Self::Whole { first, domain_min, domain_bits, function, .. } => {
                let table = function.table(*domain_min, *domain_bits);
                let values = index.iter().map(|i| saturate(&table, i + first - domain_min)).collect();
                alloc::vec![index, values]
            }
            Self::Class { first, .. } => {
                let classes = index.iter().map(|i| class(i + first)).collect();
                alloc::vec![index, classes]
            }
            Self::Split { bits, domain_min, domain_bits, function } => {
                let table = function.table(*domain_min, *domain_bits);
                let low = |i: &i64| i & ((1 << bits) - 1);
                let class = |i: &i64| i >> bits;
                let value = |i: &i64| match class(i) {
                    0 => saturate(&table, low(i)),
                    1 => saturate(&table, i64::MAX),
                    _ => saturate(&table, -1),
                };
                let (classes, lows) = (index.iter().map(class).collect(), index.iter().map(low).collect());
                alloc::vec![classes, lows, index.iter().map(value).collect()]
            }
            Self::Positive { reach } => {
                let values = index.iter().map(|i| (i - reach).max(0)).collect();
                alloc::vec![index, values]
            }
        }
    }
}

/// 0 for zero, 1 for positive, 2 for negative high parts.
#[must_use]
pub fn class(high: i64) -> i64 {
    match high.signum() {
        0 => 0,
        1 => 1,
        _ => 2,
    }
}

fn saturate(table: &[i64], argument: i64) -> i64 {
    table[argument.clamp(0, table.len() as i64 - 1) as usize]
}
