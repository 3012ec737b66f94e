//! The scalar field of Pallas, its canonical bytes, and sums of small integers times scalars.

use alloc::vec::Vec;
use ark_ff::{BigInt, Field, PrimeField, Zero};

/// A scalar: an integer modulo the order of the Pallas group (255 bits).
pub type F = crate::curve::Fr;

/// Bytes of an encoded scalar.
pub const SCALAR_BYTES: usize = 32;

/// Canonical little-endian bytes of a scalar.
#[must_use]
pub fn encode(value: &F) -> [u8; SCALAR_BYTES] {
    let mut out = [0; SCALAR_BYTES];
    for (chunk, limb) in out.chunks_exact_mut(8).zip(value.into_bigint().0) {
        chunk.copy_from_slice(&limb.to_le_bytes());
    }
    out
}

/// Reads canonical bytes; `None` if the integer is not below the modulus.
#[must_use]
pub fn decode(bytes: &[u8; SCALAR_BYTES]) -> Option<F> {
    F::from_bigint(BigInt::new(limbs(bytes)))
}

/// Reduces 64 uniform bytes to a scalar, with a bias below 2^-250.
#[must_use]
pub fn from_uniform(bytes: &[u8; 64]) -> F {
    F::from_le_bytes_mod_order(bytes)
}

/// Powers `1, x, x^2, …` of a scalar.
#[must_use]
pub fn powers(x: &F, count: usize) -> Vec<F> {
    let mut out = Vec::with_capacity(count);
    let mut power = F::ONE;
    for _ in 0..count {
        out.push(power);
        power *= x;
    }
    out
}

/// The sum of products of two slices; extra elements of the longer one are ignored.
#[must_use]
pub fn dot(a: &[F], b: &[F]) -> F {
    a.iter().zip(b).map(|(x, y)| *x * y).sum()
}

fn limbs(bytes: &[u8; SCALAR_BYTES]) -> [u64; 4] {
    let mut out = [0; 4];
    for (limb, chunk) in out.iter_mut().zip(bytes.chunks_exact(8)) {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        *limb = u64::from_le_bytes(word);
    }
    out
}

/// A lazily reduced sum of `integer * scalar`: each of the four limbs holds less than
/// `sum |integer| * 2^64`, which must stay below 2^127. Who adds more than [`WideSum::TERMS`] integers
/// of up to 2^47 reduces after so many.
///
/// A scalar is stored as `a R mod p`; the limbs add up the stored integers, so that the sum
/// stands for `sum R^-1` and one reduction at the end suffices.
#[derive(Clone, Copy, Debug, Default)]
pub struct WideSum([i128; 4]);

#[expect(
    clippy::arithmetic_side_effects,
    reason = "limbs stay below 2^127 for as many terms as the type allows"
)]
impl WideSum {
    /// Integers of magnitude up to 2^47 that a sum holds: what cells and differences of cells are.
    pub const TERMS: usize = 1 << 15;

    /// Adds `integer * scalar`.
    #[inline(always)]
    pub fn add(&mut self, integer: i64, scalar: &F) {
        let value = i128::from(integer);
        for (sum, limb) in self.0.iter_mut().zip(scalar.0.0) {
            *sum += value * i128::from(limb);
        }
    }

    /// The reduced sum.
    #[must_use]
    pub fn reduce(&self) -> F {
        let mut total = F::zero();
        for limb in self.0.iter().rev() {
            total = total * F::from(1u128 << 64) + F::from(*limb);
        }
        // The stored integers carry a factor R = 2^256; F::new_unchecked(BigInt::one()) is R^-1.
        total * F::new_unchecked(BigInt::one())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scalar() -> impl Strategy<Value = F> {
        any::<[u8; 32]>().prop_map(|bytes| F::from_le_bytes_mod_order(&bytes))
    }

    proptest! {
        #[test]
        fn bytes_round_trip(value in scalar()) {
            prop_assert_eq!(decode(&encode(&value)), Some(value));
        }

        #[test]
        fn wide_sums_are_sums(terms in prop::collection::vec((-70_000i64..70_000, scalar()), 0..50)) {
            let mut wide = WideSum::default();
            for (integer, value) in &terms {
                wide.add(*integer, value);
            }
            let expected: F = terms.iter().map(|(integer, value)| F::from(*integer) * value).sum();
            prop_assert_eq!(wide.reduce(), expected);
        }
    }

    /// As many terms as a sum holds, each as large as it may be.
    #[test]
    fn a_wide_sum_of_the_largest_terms() {
        let largest = -F::from(1u64);
        let mut sum = WideSum::default();
        (0..WideSum::TERMS).for_each(|_| sum.add(-(1 << 47), &largest));
        assert_eq!(sum.reduce(), F::from(1u64 << 47) * F::from(WideSum::TERMS as u64));
    }

    #[test]
    fn the_modulus_is_not_canonical() {
        let mut bytes = [0; 32];
        for (chunk, limb) in bytes.chunks_exact_mut(8).zip(F::MODULUS.0) {
            chunk.copy_from_slice(&limb.to_le_bytes());
        }
        assert_eq!(decode(&bytes), None);
        assert_eq!(decode(&[0xff; 32]), None);
    }
}
