//! Many multiples of one point.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_sign_loss,
    reason = "43 windows of six bits cover the 256 bits of a scalar's four words; a signed digit is at most 32 in magnitude, and a window has 32 multiples"
)]

use super::to_affine;
use crate::field::F;
use crate::group::{Affine, Projective};
use alloc::vec::Vec;
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, PrimeField, Zero};

/// Multiples of one point, for many scalars: 43 signed windows of six bits.
pub struct FixedBase {
    windows: Vec<Vec<Affine>>,
}

const FIXED_BITS: usize = 6;

impl FixedBase {
    /// Prepares the multiples.
    #[must_use]
    pub fn new(base: &Affine) -> Self {
        let count = 256usize.div_ceil(FIXED_BITS);
        let mut points = Vec::with_capacity(count << (FIXED_BITS - 1));
        let mut window = base.into_group();
        for _ in 0..count {
            let mut multiple = window;
            for _ in 0..1 << (FIXED_BITS - 1) {
                points.push(multiple);
                multiple += window;
            }
            for _ in 0..FIXED_BITS {
                window.double_in_place();
            }
        }
        let windows = to_affine(&points).chunks(1 << (FIXED_BITS - 1)).map(<[Affine]>::to_vec).collect();
        Self { windows }
    }

    /// `scalar * base`.
    pub fn mul(&self, scalar: &F) -> Projective {
        let limbs = scalar.into_bigint().0;
        let mut carry = 0;
        let mut total = Projective::zero();
        for (index, window) in self.windows.iter().enumerate() {
            let bit = index * FIXED_BITS;
            let (word, offset) = (bit / 64, bit % 64);
            let high =
                limbs.get(word + 1).map_or(0, |limb| if offset == 0 { 0 } else { limb << (64 - offset) });
            let raw = (limbs[word] >> offset | high) & ((1 << FIXED_BITS) - 1);
            let mut digit = raw as i32 + carry;
            carry = i32::from(digit > 1 << (FIXED_BITS - 1));
            digit -= carry << FIXED_BITS;
            if digit > 0 {
                total += window[digit as usize - 1];
            } else if digit < 0 {
                total -= window[-digit as usize - 1];
            }
        }
        total
    }
}
