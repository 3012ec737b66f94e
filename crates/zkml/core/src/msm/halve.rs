//! The endomorphism: a full scalar as two of half the length.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "schoolbook products of words: a product, a word and a carry fit 128 bits, and a carry keeps the upper half"
)]

use crate::curve::PallasConfig;
use crate::field::F;
use crate::group::Affine;
use alloc::vec::Vec;
use ark_ec::scalar_mul::glv::GLVConfig;
use ark_ff::PrimeField;

/// Points, and a sign and a magnitude for each.
pub(super) type Halves = (Vec<Affine>, Vec<(bool, u128)>);

/// Halves every scalar: `k P = k1 P + k2 phi(P)` with `k1`, `k2` below 2^128 in magnitude.
pub(super) fn split(bases: &[Affine], scalars: &[F]) -> Halves {
    let mut points = Vec::with_capacity(2 * bases.len());
    let mut halves = Vec::with_capacity(2 * bases.len());
    for (base, scalar) in bases.iter().zip(scalars) {
        let limbs = scalar.into_bigint().0;
        points.push(*base);
        if limbs[2] == 0 && limbs[3] == 0 {
            halves.push((false, low_half(&limbs)));
            continue;
        }
        let (k1, k2) = decompose(&limbs);
        points.push(Affine::new_unchecked(base.x * PallasConfig::ENDO_COEFFS[0], base.y));
        halves.extend([k1, k2]);
    }
    (points, halves)
}

/// `2^382 a / r` and `2^382 b / r`, rounded down, for the short lattice basis `(-a, b)`,
/// `(-a - b, -a)` of the endomorphism's eigenvalue modulo the order `r`.
const A_OVER_ORDER: [u64; 4] =
    [0x52a568b65c85c76d, 0xd86bf7a9a1203e95, 0x8cb12792ffffffff, 0x49e69d1640a89953];
const B_OVER_ORDER: [u64; 4] =
    [0xb1a27161e7e62937, 0xd86bf7a9a0f9da22, 0x7fcae1c700000000, 0x49e69d1640f04915];
const A: u128 = 98231058071100081932162823354453065728;
const B: u128 = 98231058071186745657228807397848383489;

/// `k = k1 + k2 lambda`, with signs and magnitudes below 2^127 (Gallant, Lambert, Vanstone 2001):
/// subtracts the nearest lattice vector, up to a rounding error far below one.
fn decompose(k: &[u64; 4]) -> ((bool, u128), (bool, u128)) {
    let x = scaled_quotient(k, &A_OVER_ORDER);
    let y = scaled_quotient(k, &B_OVER_ORDER);
    // k1 = k - x a - y (a + b) and k2 = x b - y a, modulo 2^256 in two's complement.
    let k1 = subtract(&subtract(k, &product(x, A)), &product(y, A + B));
    let k2 = subtract(&product(x, B), &product(y, A));
    (sign_magnitude(&k1), sign_magnitude(&k2))
}

/// `round(k c / 2^382)`, below 2^128.
fn scaled_quotient(k: &[u64; 4], c: &[u64; 4]) -> u128 {
    let mut wide = [0u64; 8];
    for (i, left) in k.iter().enumerate() {
        let mut carry = 0u128;
        for (j, right) in c.iter().enumerate() {
            let sum = u128::from(*left) * u128::from(*right) + u128::from(wide[i + j]) + carry;
            wide[i + j] = sum as u64;
            carry = sum >> 64;
        }
        wide[i + 4] = carry as u64;
    }
    let high = u128::from(wide[6]) | u128::from(wide[7]) << 64;
    (high << 2 | u128::from(wide[5] >> 62)) + u128::from(wide[5] >> 61 & 1)
}

/// The product of two 128-bit integers.
fn product(a: u128, b: u128) -> [u64; 4] {
    let (a, b) = ([a as u64, (a >> 64) as u64], [b as u64, (b >> 64) as u64]);
    let mut wide = [0u64; 4];
    for (i, left) in a.iter().enumerate() {
        let mut carry = 0u128;
        for (j, right) in b.iter().enumerate() {
            let sum = u128::from(*left) * u128::from(*right) + u128::from(wide[i + j]) + carry;
            wide[i + j] = sum as u64;
            carry = sum >> 64;
        }
        wide[i + 2] = carry as u64;
    }
    wide
}

/// The difference modulo 2^256.
fn subtract(a: &[u64; 4], b: &[u64; 4]) -> [u64; 4] {
    let mut out = [0; 4];
    let mut borrow = false;
    for ((out, left), right) in out.iter_mut().zip(a).zip(b) {
        let (first, under) = left.overflowing_sub(*right);
        let (second, again) = first.overflowing_sub(u64::from(borrow));
        *out = second;
        borrow = under || again;
    }
    out
}

/// Whether a two's complement integer is negative, and its magnitude.
fn sign_magnitude(limbs: &[u64; 4]) -> (bool, u128) {
    let negative = limbs[3] >> 63 == 1;
    let magnitude = if negative { subtract(&[0; 4], limbs) } else { *limbs };
    (negative, low_half(&magnitude))
}

fn low_half(limbs: &[u64; 4]) -> u128 {
    u128::from(limbs[0]) | u128::from(limbs[1]) << 64
}
