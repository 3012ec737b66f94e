//! Arithmetic that all sum-checks share: tables that end early, binding, weighted sums.

use ark_ff::{One, Zero};
use rayon::prelude::*;
use zkml_core::F;
use zkml_core::poly::eq_table;

/// Below this many pairs, threads cost more than they save.
pub(super) const PARALLEL_PAIRS: usize = 1 << 10;

/// A table over `log` variables whose entries from `values.len()` on are all `rest`.
pub(super) struct Table {
    pub(super) values: Vec<F>,
    pub(super) log: usize,
    pub(super) rest: F,
}

impl Table {
    pub(super) fn new(values: Vec<F>, log: usize, rest: F) -> Self {
        Self { values, log, rest }
    }

    /// A full table.
    pub(super) fn full(values: Vec<F>) -> Self {
        let log = values.len().trailing_zeros() as usize;
        Self { values, log, rest: F::zero() }
    }

    #[inline(always)]
    pub(super) fn at(&self, index: usize) -> F {
        if index < self.values.len() { self.values[index] } else { self.rest }
    }

    /// Half of the entries: the pairs of the next round.
    pub(super) fn half(&self) -> usize {
        1 << (self.log - 1)
    }

    /// Pairs from this number on are all `(rest, rest)`.
    pub(super) fn pairs(&self) -> usize {
        self.values.len().min(self.half())
    }

    /// Binds the highest variable.
    pub(super) fn bind(&mut self, challenge: &F) {
        let half = self.half();
        let rest = self.rest;
        let end = half.min(self.values.len());
        let (low, high) = self.values.split_at_mut(end);
        let one = |(index, low): (usize, &mut F)| {
            let above = high.get(index).copied().unwrap_or(rest);
            *low += *challenge * (above - *low);
        };
        if low.len() >= PARALLEL_PAIRS {
            low.par_iter_mut().enumerate().with_min_len(PARALLEL_PAIRS).for_each(one);
        } else {
            low.iter_mut().enumerate().for_each(one);
        }
        self.values.truncate(half);
        self.log -= 1;
    }
}

/// `eq(point, .)` as a product of two small tables.
pub(super) struct SplitEq {
    low: Vec<F>,
    high: Vec<F>,
    log: usize,
}

impl SplitEq {
    /// `scale * eq(point, .)`.
    pub(super) fn new(point: &[F], scale: F) -> Self {
        let log = point.len().min(9);
        Self { low: eq_table(&point[..log], F::one()), high: eq_table(&point[log..], scale), log }
    }

    #[inline(always)]
    pub(super) fn at(&self, index: usize) -> F {
        self.high[index >> self.log] * self.low[index & ((1 << self.log) - 1)]
    }

    /// `sum over index < count of eq(index) f(index)`, several sums at once.
    pub(super) fn sum<const N: usize>(&self, count: usize, f: impl Fn(usize) -> [F; N] + Sync) -> [F; N] {
        let block = |number: usize| {
            let start = number << self.log;
            let end = (start + self.low.len()).min(count);
            let mut sums = [F::zero(); N];
            for (index, weight) in (start..end).zip(&self.low) {
                let terms = f(index);
                sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += *weight * term);
            }
            sums.map(|sum| sum * self.high[number])
        };
        let blocks = count.div_ceil(1 << self.log);
        if count >= PARALLEL_PAIRS {
            (0..blocks).into_par_iter().map(block).reduce(|| [F::zero(); N], add)
        } else {
            (0..blocks).map(block).fold([F::zero(); N], add)
        }
    }
}

/// `sum over index < count of eq(point, index)`.
pub(super) fn eq_prefix_sum(point: &[F], count: usize) -> F {
    if count >> point.len() > 0 {
        return F::one();
    }
    let (mut sum, mut product) = (F::zero(), F::one());
    for (bit, coordinate) in point.iter().enumerate().rev() {
        if count >> bit & 1 == 1 {
            sum += product * (F::one() - coordinate);
            product *= coordinate;
        } else {
            product *= F::one() - coordinate;
        }
    }
    sum
}

/// The sum of `f` over `0..count`, several sums at once.
pub(super) fn sum<const N: usize>(count: usize, f: impl Fn(usize) -> [F; N] + Sync + Send) -> [F; N] {
    let zero = [F::zero(); N];
    if count >= PARALLEL_PAIRS {
        (0..count).into_par_iter().with_min_len(PARALLEL_PAIRS / 2).map(f).reduce(|| zero, add)
    } else {
        (0..count).map(f).fold(zero, add)
    }
}

fn add<const N: usize>(mut a: [F; N], b: [F; N]) -> [F; N] {
    a.iter_mut().zip(b).for_each(|(x, y)| *x += y);
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_ends_change_nothing() {
        let point: Vec<F> = (3..8u64).map(F::from).collect();
        let rest = F::from(17u64);
        for used in [0, 1, 7, 16, 21, 32] {
            let values: Vec<F> = (0..used as u64).map(|i| F::from(i * i + 1)).collect();
            let mut full = values.clone();
            full.resize(32, rest);
            let mut short = Table::new(values, 5, rest);
            let mut long = Table::full(full);
            let eq = SplitEq::new(&point, F::one());
            let expected: F = (0..used).map(|i| eq.at(i)).sum();
            assert_eq!(eq_prefix_sum(&point, used), expected);
            assert_eq!(eq.sum(used, |_| [F::one()]), [expected]);
            for challenge in &point {
                short.bind(challenge);
                long.bind(challenge);
                assert!((0..1 << long.log).all(|i| short.at(i) == long.at(i)));
            }
        }
    }
}
