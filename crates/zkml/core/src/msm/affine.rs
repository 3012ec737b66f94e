//! Additions in affine coordinates that share one inversion (Montgomery's trick).

use crate::group::{Affine, Fq};
use alloc::vec::Vec;
use ark_ec::AffineRepr;
use ark_ff::Field;

/// `sums[i] += terms[i]`, with one inversion. Callers make one list in the length of the other.
pub(super) fn add_all(sums: &mut [Affine], terms: &[Affine]) {
    let mut slopes: Vec<Fq> = sums.iter().zip(terms).map(|(a, b)| denominator(a, b)).collect();
    invert_all(&mut slopes);
    for ((sum, term), inverse) in sums.iter_mut().zip(terms).zip(&slopes) {
        *sum = add_affine(sum, term, inverse);
    }
}

/// What must be inverted to add two points; one where nothing needs to be.
#[inline(always)]
pub(super) fn denominator(a: &Affine, b: &Affine) -> Fq {
    if a.is_zero() || b.is_zero() {
        Fq::ONE
    } else if a.x == b.x {
        if a.y == b.y { a.y + a.y } else { Fq::ONE }
    } else {
        b.x - a.x
    }
}

/// The sum of two points, given the inverse of their [`denominator`].
#[inline(always)]
pub(super) fn add_affine(a: &Affine, b: &Affine, inverse: &Fq) -> Affine {
    if a.is_zero() {
        return *b;
    }
    if b.is_zero() {
        return *a;
    }
    let slope = if a.x == b.x {
        if a.y != b.y {
            return Affine::zero();
        }
        let square = a.x.square();
        (square + square + square) * inverse
    } else {
        (b.y - a.y) * inverse
    };
    let x = slope.square() - a.x - b.x;
    Affine::new_unchecked(x, slope * (a.x - x) - a.y)
}

/// Inverts every element, none of which is zero.
pub(super) fn invert_all(values: &mut [Fq]) {
    let mut prefix = Vec::with_capacity(values.len());
    let mut product = Fq::ONE;
    for value in values.iter() {
        prefix.push(product);
        product *= value;
    }
    let Some(mut inverse) = product.inverse() else {
        return;
    };
    for (value, before) in values.iter_mut().zip(prefix).rev() {
        let next = inverse * *value;
        *value = inverse * before;
        inverse = next;
    }
}
