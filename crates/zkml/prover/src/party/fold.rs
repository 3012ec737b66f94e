//! Arithmetic that all sum-checks share: binding a variable, sums over pairs in parallel.

use rayon::prelude::*;
use zkml_core::F;

/// Below this many pairs, threads cost more than they save.
pub(super) const PARALLEL_PAIRS: usize = 1 << 10;

/// Binds the highest variable of a table.
pub(super) fn bind(table: &mut Vec<F>, challenge: &F) {
    let half = table.len() / 2;
    let (low, high) = table.split_at_mut(half);
    let one = |(l, h): (&mut F, &mut F)| *l += *challenge * (*h - *l);
    if half >= PARALLEL_PAIRS {
        low.par_iter_mut()
            .zip(high.par_iter_mut())
            .with_min_len(PARALLEL_PAIRS)
            .for_each(one);
    } else {
        low.iter_mut().zip(high.iter_mut()).for_each(one);
    }
    table.truncate(half);
}

/// Drops the highest variable of an `eq` table: its two halves add up to the smaller table.
pub(super) fn drop_top(table: &mut Vec<F>) {
    let half = table.len() / 2;
    let (low, high) = table.split_at_mut(half);
    low.iter_mut().zip(high.iter()).for_each(|(l, h)| *l += h);
    table.truncate(half);
}

/// The sum of `f` over `0..count`, several sums at once.
pub(super) fn sum<const N: usize>(
    count: usize,
    f: impl Fn(usize) -> [F; N] + Sync + Send,
) -> [F; N] {
    let add = |mut a: [F; N], b: [F; N]| {
        a.iter_mut().zip(b).for_each(|(x, y)| *x += y);
        a
    };
    let zero = [F::default(); N];
    if count >= PARALLEL_PAIRS {
        (0..count)
            .into_par_iter()
            .with_min_len(PARALLEL_PAIRS / 2)
            .map(f)
            .reduce(|| zero, add)
    } else {
        (0..count).map(f).fold(zero, add)
    }
}
