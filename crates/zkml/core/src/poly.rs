//! Multilinear polynomials over the Boolean cube.
//!
//! A point lists its coordinates lowest variable first; index `i` of a table has bit `j` as the
//! value of variable `j`. A prefix of a point is therefore the point of a smaller table.

use crate::field::F;
use crate::zip::{Unequal, zip_eq};
use alloc::vec;
use alloc::vec::Vec;
use ark_ff::{Field, One, Zero};

/// `eq(point, x)` for every `x`, scaled: a table of `2^point.len()` scalars.
#[must_use]
pub fn eq_table(point: &[F], scale: F) -> Vec<F> {
    let mut table = vec![F::zero(); 1 << point.len()];
    if let Some(first) = table.first_mut() {
        *first = scale;
    }
    for (variable, coordinate) in point.iter().enumerate() {
        let half = 1 << variable;
        let (low, high) = table.split_at_mut(half);
        // The upper part still has room for the variables to come.
        for (l, h) in low.iter_mut().zip(high.iter_mut()) {
            *h = *l * coordinate;
            *l -= *h;
        }
    }
    table
}

/// The first `len` entries of [`eq_table`], for `len` up to `2^point.len()`.
#[must_use]
pub fn eq_prefix(point: &[F], len: usize) -> Vec<F> {
    let mut table = eq_table(point, F::one());
    table.truncate(len);
    table
}

/// `eq(a, b)` of two points of equal length.
///
/// # Errors
/// Returns an error if the lengths are not equal.
pub fn eq(a: &[F], b: &[F]) -> Result<F, Unequal> {
    let variable = |(x, y): (&F, &F)| {
        let both = *x * y;
        both + both + F::one() - x - y
    };
    Ok(zip_eq(a, b)?.map(variable).product())
}

/// `eq(point, index)` where the bits of `index` are the second point.
#[must_use]
pub fn eq_index(point: &[F], index: u64) -> F {
    point
        .iter()
        .enumerate()
        .map(|(bit, x)| if bit < 64 && index >> bit & 1 == 1 { *x } else { F::one() - x })
        .product()
}

/// `sum over i >= start of base^i eq(point, i)`, where `powers` are `base^(2^j)`, one for each
/// coordinate: the extension of a vector of powers whose first entries are zero.
///
/// # Errors
/// Returns an error if there is not one power for each coordinate.
pub fn powers_from(start: usize, powers: &[F], point: &[F]) -> Result<F, Unequal> {
    // Of the indices' lowest bits: all sums, and those of indices not below the start's.
    let (mut all, mut from) = (F::one(), F::one());
    let mut left = start;
    for (power, coordinate) in zip_eq(powers, point)? {
        let (zero, one) = (F::one() - coordinate, *power * coordinate);
        from = if left & 1 == 1 { one * from } else { zero * from + one * all };
        all *= zero + one;
        left >>= 1;
    }
    Ok(if left == 0 { from } else { F::zero() })
}

/// Evaluates a table of `2^point.len()` scalars (shorter ones count as padded with zeros).
#[must_use]
pub fn evaluate(table: &[F], point: &[F]) -> F {
    crate::field::dot(table, &eq_table(point, F::one()))
}

/// Binds the highest variable: the table shrinks to its lower half.
pub fn bind_top(table: &mut Vec<F>, challenge: &F) {
    let half = table.len() / 2;
    let (low, high) = table.split_at_mut(half);
    for (l, h) in low.iter_mut().zip(high.iter()) {
        *l += *challenge * (*h - *l);
    }
    table.truncate(half);
}

/// Inverts every element in place; zeros stay zero.
pub fn batch_invert(values: &mut [F]) {
    let mut prefix = Vec::with_capacity(values.len());
    let mut product = F::one();
    for value in values.iter() {
        prefix.push(product);
        if !value.is_zero() {
            product *= value;
        }
    }
    let Some(mut inverse) = product.inverse() else {
        return;
    };
    for (value, before) in values.iter_mut().zip(prefix).rev() {
        if !value.is_zero() {
            let next = inverse * *value;
            *value = inverse * before;
            inverse = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point() -> Vec<F> {
        [3u64, 5, 11].map(F::from).to_vec()
    }

    #[test]
    fn tables_agree_with_the_closed_form() {
        let point = point();
        let table = eq_table(&point, F::one());
        for (index, value) in table.iter().enumerate() {
            let bits: Vec<F> = (0..3).map(|bit| F::from((index >> bit & 1) as u64)).collect();
            assert_eq!(eq(&point, &bits), Ok(*value));
            assert_eq!(*value, eq_index(&point, index as u64));
        }
    }

    #[test]
    fn points_of_different_spaces_are_an_error() {
        assert_eq!(eq(&point(), &point()[..2]), Err(Unequal { left: 3, right: 2 }));
    }

    #[test]
    fn powers_from_any_start() -> Result<(), Unequal> {
        let (point, base) = (point(), F::from(13u64));
        let powers: Vec<F> = [1, 2, 4].map(|power| base.pow([power])).to_vec();
        let table = eq_table(&point, F::one());
        for start in 0..20 {
            let sum: F = (start..8).map(|i| base.pow([i as u64]) * table[i]).sum();
            assert_eq!(powers_from(start, &powers, &point)?, sum);
        }
        assert!(powers_from(0, &powers, &point[..2]).is_err());
        Ok(())
    }

    #[test]
    fn binding_every_variable_evaluates() {
        let point = point();
        let table: Vec<F> = (0..8u64).map(|i| F::from(i * i + 7)).collect();
        let mut bound = table.clone();
        for coordinate in point.iter().rev() {
            bind_top(&mut bound, coordinate);
        }
        assert_eq!(bound, [evaluate(&table, &point)]);
    }

    #[test]
    fn batch_inversion_skips_zeros() {
        let mut values = [F::from(2u64), F::zero(), F::from(7u64)];
        batch_invert(&mut values);
        assert_eq!(
            values,
            [
                F::from(2u64).inverse().unwrap_or_default(),
                F::zero(),
                F::from(7u64).inverse().unwrap_or_default()
            ]
        );
    }
}
