//! One short scalar times many points: how generators fold.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_sign_loss,
    reason = "ranges end with the slice; digits are odd and at most 7 in magnitude, for four odd multiples; a rest is below 2^65"
)]

use super::affine::add_all;
use super::{LEAST_PAIRS, to_affine};
use crate::curve::PallasConfig;
use crate::group::{Affine, Projective, ShortChallenge};
use crate::parallel;
use alloc::vec;
use alloc::vec::Vec;
use ark_ec::AffineRepr;
use ark_ec::scalar_mul::glv::GLVConfig;
use ark_ff::{AdditiveGroup, Zero};

/// `low[i] + challenge * high[i]` for every `i`; points beyond the shorter slice count as zero.
#[must_use]
pub fn fold(low: &[Affine], high: &[Affine], challenge: ShortChallenge) -> Vec<Affine> {
    let chunk = low.len().div_ceil(parallel::threads()).max(32);
    let chunks = low.len().div_ceil(chunk);
    let folded = parallel::map(chunks, |index| {
        let range = index * chunk..((index + 1) * chunk).min(low.len());
        let high = &high[range.start.min(high.len())..range.end.min(high.len())];
        let mut sums = scale_all(high, challenge);
        sums.resize(range.len(), Affine::zero());
        add_all(&mut sums, &low[range]);
        sums
    });
    folded.concat()
}

/// `challenge * point` for every point: one double-and-add over all of them at once.
fn scale_all(points: &[Affine], challenge: ShortChallenge) -> Vec<Affine> {
    if points.len() < LEAST_PAIRS {
        return to_affine(
            &points.iter().map(|point| scale_one(point, challenge)).collect::<Vec<Projective>>(),
        );
    }
    // Odd multiples 1, 3, 5, 7 of every point, for a signed window of four bits.
    let mut doubles = points.to_vec();
    add_all(&mut doubles, points);
    let mut odd = vec![points.to_vec()];
    for step in 0..3 {
        let mut next: Vec<Affine> = odd[step].clone();
        add_all(&mut next, &doubles);
        odd.push(next);
    }
    let (plain, turned) = (naf(challenge.a), naf(challenge.b));
    let mut sums = vec![Affine::zero(); points.len()];
    let mut started = false;
    for bit in (0..plain.len()).rev() {
        if started {
            let copy = sums.clone();
            add_all(&mut sums, &copy);
        }
        for (digits, endomorphism) in [(&plain, false), (&turned, true)] {
            let digit = digits[bit];
            if digit != 0 {
                let mut terms = odd[digit.unsigned_abs() as usize / 2].clone();
                for term in &mut terms {
                    if endomorphism {
                        term.x *= PallasConfig::ENDO_COEFFS[0];
                    }
                    if digit < 0 {
                        term.y = -term.y;
                    }
                }
                add_all(&mut sums, &terms);
                started = true;
            }
        }
    }
    sums
}

fn scale_one(point: &Affine, challenge: ShortChallenge) -> Projective {
    let double = *point + *point;
    let mut multiples = vec![point.into_group()];
    for step in 0..3 {
        multiples.push(multiples[step] + double);
    }
    let odd = to_affine(&multiples);
    let (plain, turned) = (naf(challenge.a), naf(challenge.b));
    let mut sum = Projective::zero();
    for bit in (0..plain.len()).rev() {
        sum.double_in_place();
        for (digit, endomorphism) in [(plain[bit], false), (turned[bit], true)] {
            if digit != 0 {
                let mut term = odd[digit.unsigned_abs() as usize / 2];
                if endomorphism {
                    term.x *= PallasConfig::ENDO_COEFFS[0];
                }
                sum += if digit < 0 { -term } else { term };
            }
        }
    }
    sum
}

/// Non-adjacent form of width 4: 66 digits, odd or zero, in -7..=7.
fn naf(value: u64) -> [i8; 66] {
    let mut rest = u128::from(value);
    core::array::from_fn(|_| {
        let mut digit = 0;
        if rest & 1 == 1 {
            digit = (rest & 15) as i8;
            if digit > 7 {
                digit -= 16;
                rest += u128::from(digit.unsigned_abs());
            } else {
                rest -= digit as u128;
            }
        }
        rest >>= 1;
        digit
    })
}
