//! What a class of rows says of the columns beyond its values.
//!
//! A chunk of a committed input or output has at most [`IO_CHUNK`](crate::circuit::IO_CHUNK)
//! values, and an argument over more columns opens it. A prover that commits to something behind
//! the values would prove a commitment that nobody can open. So stage 5 draws one more challenge
//! `tau` where a statement has commitments, and column `c` of chunk `j` gets the factor
//! `tau^((j + 1) C + c)`, with `C` columns and the chunks of all tensors counted together. The
//! claim does not change. It holds for a `tau` drawn later only if every such cell is zero.

use super::Class;
use alloc::vec::Vec;
use ark_ff::Field;
use zkml_core::F;
use zkml_core::field::dot;
use zkml_core::poly::powers_from;
use zkml_core::zip::Unequal;

/// Column `c` beyond the values has the factor `scale * base^c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The chunk's own power of the challenge.
    pub scale: F,
    /// The challenge.
    pub base: F,
}

impl Tail {
    /// The tails of one chunk after the other, for `2^columns_log` columns.
    pub(super) fn of_chunks(tau: F, columns_log: usize) -> impl Iterator<Item = Self> {
        let step = (0..columns_log).fold(tau, |power, _| power.square());
        core::iter::successors(Some(step), move |scale| Some(*scale * step))
            .map(move |scale| Self { scale, base: tau })
    }
}

impl Class {
    /// One factor for each column.
    #[must_use]
    pub fn factors(&self, columns: usize) -> Vec<F> {
        let mut factors = self.values.clone();
        if let Some(Tail { scale, base }) = self.tail {
            let first = scale * base.pow([factors.len() as u64]);
            let powers = core::iter::successors(Some(first), |power| Some(*power * base));
            factors.extend(powers.take(columns.saturating_sub(factors.len())));
        }
        factors.resize(columns, F::default());
        factors
    }
}

/// The extension of each class's factors at a column point, of which `eq` is the table.
pub(super) fn multipliers(classes: &[Class], point: &[F], eq: &[F]) -> Result<Vec<F>, Unequal> {
    let mut powers: Vec<F> = Vec::new();
    // Most chunks have the same number of values, and all have the same base.
    let mut known: Option<(usize, F)> = None;
    let one = |class: &Class| {
        let values = dot(&class.values, eq);
        let Some(Tail { scale, base }) = class.tail else {
            return Ok(values);
        };
        if powers.is_empty() {
            powers.extend(core::iter::successors(Some(base), |power| Some(power.square())).take(point.len()));
        }
        let start = class.values.len();
        let tail = match known {
            Some((known, tail)) if known == start => tail,
            _ => powers_from(start, &powers, point)?,
        };
        known = Some((start, tail));
        Ok(values + scale * tail)
    };
    classes.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ClassRows;
    use zkml_core::random::Random;

    /// What the prover sums up and what the verifier evaluates are one polynomial.
    #[test]
    fn the_multiplier_is_the_extension_of_all_factors() -> Result<(), Unequal> {
        let mut random = Random::new("tails", &[1; 32], &[]);
        let log = 5;
        let mut point: Vec<F> = Vec::new();
        point.resize_with(log, || random.scalar());
        let eq = zkml_core::poly::eq_table(&point, F::ONE);
        let mut tails = Tail::of_chunks(random.scalar(), log);
        let mut classes = Vec::new();
        for len in [1, 8, 8, 13, 31, 32] {
            let mut values = Vec::new();
            values.resize_with(len, || random.scalar());
            let tail = if len == 13 { None } else { tails.next() };
            classes.push(Class { rows: ClassRows::Packed(0), values, tail });
        }
        let found = multipliers(&classes, &point, &eq)?;
        for (class, found) in classes.iter().zip(found) {
            let factors = class.factors(1 << log);
            assert_eq!(factors.len(), eq.len());
            assert_eq!(dot(&factors, &eq), found);
        }
        Ok(())
    }

    /// No two columns of any two chunks share a power: what they hold cannot cancel.
    #[test]
    fn powers_differ() {
        let (log, chunks) = (3, 3);
        let mut seen = Vec::new();
        for tail in Tail::of_chunks(F::from(3u64), log).take(chunks) {
            let class = Class { rows: ClassRows::Packed(0), values: Vec::new(), tail: Some(tail) };
            seen.extend(class.factors(1 << log));
        }
        let expected: Vec<F> = (8u64..32).map(|power| F::from(3u64).pow([power])).collect();
        assert_eq!(seen, expected);
    }
}
