//! The inner-product argument, zero knowledge: for a committed vector `a`, public `b` and `v`,
//! `P = <a, G> + r H` and `<a, b> = v`.
//!
//! Bulletproofs' recursion (Bootle et al. 2016; Bünz et al., ePrint 2017/1066, section 3) over
//! any length: a vector of length `n` splits after `ceil(n/2)` elements. Each round sends two
//! blinded cross terms, so that they are uniform; the last step is a Schnorr proof instead of
//! the scalar itself. Challenges have 128 bits ([`ShortChallenge`]).
//!
//! With challenge `x`: `a' = a_lo + a_hi / x`, `G' = G_lo + x G_hi`, `b' = b_lo + x b_hi`,
//! `P' = P + x L + R / x` where `L = <a_lo, G_hi> + <a_lo, b_hi> U + l H` and
//! `R = <a_hi, G_lo> + <a_hi, b_lo> U + r H`.
//!
//! The verifier returns its single group equation as scalars ([`Equation`]); nothing is checked
//! until someone sums it up.

use crate::field::{F, dot};
use crate::group::{Affine, ShortChallenge, compress};
use crate::labels;
use crate::msm::{FixedBase, fold, msm, msm_many, to_affine};
use crate::random::Random;
use crate::transcript::{Aborted, Transcript};
use alloc::vec;
use alloc::vec::Vec;
use ark_ec::CurveGroup;
use ark_ff::{Field, Zero};

/// A proof: `2 log2 n` points, one point, two scalars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InnerProductProof {
    /// The cross terms `(L, R)` of every round.
    pub rounds: Vec<(Affine, Affine)>,
    /// Commitment of the Schnorr proof.
    pub last: Affine,
    /// Response for the folded scalar.
    pub scalar: F,
    /// Response for the folded blind.
    pub blind: F,
}

/// The verifier's group equation: with `P` the commitment, the sum of
/// `generators[i] G_i + value U + blind H + commitment P + sum rounds (L, R) + last` is zero.
#[derive(Clone, Debug)]
pub struct Equation {
    /// Scalars of the generators.
    pub generators: Vec<F>,
    /// Scalar of the value generator `U`.
    pub value: F,
    /// Scalar of the blinding generator `H`.
    pub blind: F,
    /// Scalar of the commitment `P`.
    pub commitment: F,
    /// Scalars of the cross terms.
    pub rounds: Vec<(F, F)>,
    /// Scalar of the Schnorr commitment.
    pub last: F,
}

/// Number of rounds for vectors of length `len`.
#[must_use]
#[expect(clippy::arithmetic_side_effects, reason = "a length is halved at most 64 times")]
pub fn round_count(len: usize) -> usize {
    let mut rounds = 0;
    let mut rest = len;
    while rest > 1 {
        rest = rest.div_ceil(2);
        rounds += 1;
    }
    rounds
}

/// What a proof needs besides the vectors.
pub struct Bases<'a> {
    /// One generator for each element.
    pub generators: &'a [Affine],
    /// `U`.
    pub value: Affine,
    /// `H`.
    pub blind: Affine,
}

/// Proves `<a, b> = v` for the opening `(a, blind)`; `a` and `b` are as long as the generators.
///
/// # Errors
/// Returns [`Aborted`] if a live verifier has gone.
#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "halves of vectors that are as long as the generators, of which there is at least one"
)]
pub fn prove<T: Transcript + ?Sized>(
    transcript: &mut T,
    bases: &Bases<'_>,
    mut a: Vec<F>,
    mut blind: F,
    mut b: Vec<F>,
    random: &mut Random,
) -> Result<InnerProductProof, Aborted> {
    let weight = transcript.challenge(labels::IPA_VALUE)?;
    let mut generators = bases.generators.to_vec();
    let mut rounds = Vec::new();
    let (value, hiding) = (FixedBase::new(&bases.value), FixedBase::new(&bases.blind));
    let carried = |inner: F, blind: &F| value.mul(&(weight * inner)) + hiding.mul(blind);
    while a.len() > 1 {
        let half = a.len().div_ceil(2);
        let rest = a.len() - half;
        let (left_blind, right_blind) = (random.scalar(), random.scalar());
        let cross = msm_many(&[(&generators[half..], &a[..rest]), (&generators[..rest], &a[half..])]);
        let left = cross[0] + carried(dot(&a[..rest], &b[half..]), &left_blind);
        let right = cross[1] + carried(dot(&a[half..], &b[..rest]), &right_blind);
        let points = to_affine(&[left, right]);
        let (x, inverse, challenge) = round_challenge(transcript, &points[0], &points[1])?;
        rounds.push((points[0], points[1]));
        generators = fold(&generators[..half], &generators[half..], challenge);
        for index in 0..rest {
            let (a_high, b_high) = (a[half + index], b[half + index]);
            a[index] += inverse * a_high;
            b[index] += x * b_high;
        }
        a.truncate(half);
        b.truncate(half);
        blind += x * left_blind + inverse * right_blind;
    }
    let (mask, mask_blind) = (random.scalar(), random.scalar());
    let points = [generators[0], bases.value, bases.blind];
    let last = msm(&points, &[mask, mask * b[0] * weight, mask_blind]).into_affine();
    transcript.absorb(labels::IPA_LAST, &compress(&last));
    let challenge = transcript.challenge(labels::IPA_LAST)?;
    Ok(InnerProductProof {
        rounds,
        last,
        scalar: mask + challenge * a[0],
        blind: mask_blind + challenge * blind,
    })
}

/// Reduces a proof to its group equation. The number of rounds must be [`round_count`] of the
/// length of `b`: the caller checks it.
///
/// # Errors
/// Returns [`Aborted`] if a live verifier has gone.
pub fn verify<T: Transcript + ?Sized>(
    transcript: &mut T,
    b: &[F],
    value: F,
    proof: &InnerProductProof,
) -> Result<Equation, Aborted> {
    let weight = transcript.challenge(labels::IPA_VALUE)?;
    let mut challenges = Vec::with_capacity(proof.rounds.len());
    for (left, right) in &proof.rounds {
        let (x, inverse, _) = round_challenge(transcript, left, right)?;
        challenges.push((x, inverse));
    }
    transcript.absorb(labels::IPA_LAST, &compress(&proof.last));
    let challenge = transcript.challenge(labels::IPA_LAST)?;
    let folded = folded_coefficients(b.len(), &challenges);
    let folded_b = dot(&folded, b);
    Ok(Equation {
        generators: folded.iter().map(|coefficient| *coefficient * proof.scalar).collect(),
        value: (proof.scalar * folded_b - challenge * value) * weight,
        blind: proof.blind,
        commitment: -challenge,
        rounds: challenges.iter().map(|(x, inverse)| (-challenge * x, -challenge * inverse)).collect(),
        last: -F::ONE,
    })
}

/// The coefficient of every generator in the last folded one.
fn folded_coefficients(len: usize, challenges: &[(F, F)]) -> Vec<F> {
    let mut lengths = Vec::with_capacity(challenges.len());
    let mut rest = len;
    for (x, _) in challenges {
        lengths.push((rest, x));
        rest = rest.div_ceil(2);
    }
    let mut coefficients = vec![F::zero(); len];
    if let Some(first) = coefficients.first_mut() {
        *first = F::ONE;
    }
    for (whole, x) in lengths.into_iter().rev() {
        let (low, high) = coefficients.split_at_mut(whole.div_ceil(2));
        // The upper half may be one shorter.
        for (l, h) in low.iter().zip(high.iter_mut().take(whole / 2)) {
            *h = *l * x;
        }
    }
    coefficients
}

fn round_challenge<T: Transcript + ?Sized>(
    transcript: &mut T,
    left: &Affine,
    right: &Affine,
) -> Result<(F, F, ShortChallenge), Aborted> {
    transcript.absorb(labels::IPA_ROUND, &compress(left));
    transcript.absorb(labels::IPA_ROUND, &compress(right));
    let challenge = ShortChallenge::from_uniform(&transcript.squeeze(labels::IPA_ROUND)?);
    let x = challenge.scalar();
    // `a + b lambda` is zero for no short non-zero pair.
    Ok((x, x.inverse().unwrap_or_default(), challenge))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::Generators;
    use crate::transcript::HashTranscript;
    use crate::zip::zip_eq;

    fn check(len: usize, spoil: impl Fn(&mut InnerProductProof, &mut F)) -> bool {
        let generators = Generators::new(len, 0);
        let bases =
            Bases { generators: &generators.columns, value: generators.value, blind: generators.blind };
        let mut random = Random::new("test", &[7; 32], &[&len.to_le_bytes()]);
        let a: Vec<F> = (0..len).map(|_| random.scalar()).collect();
        let b: Vec<F> = (0..len).map(|_| random.scalar()).collect();
        let (blind, mut value) = (random.scalar(), dot(&a, &b));
        let commitment = (msm(bases.generators, &a) + bases.blind * blind).into_affine();
        let Ok(mut proof) = prove(&mut HashTranscript::new("test"), &bases, a, blind, b.clone(), &mut random)
        else {
            return false;
        };
        assert_eq!(proof.rounds.len(), round_count(len));
        spoil(&mut proof, &mut value);
        let Ok(equation) = verify(&mut HashTranscript::new("test"), &b, value, &proof) else {
            return false;
        };
        let mut points = generators.columns.clone();
        let mut scalars = equation.generators.clone();
        points.extend([bases.value, bases.blind, commitment, proof.last]);
        scalars.extend([equation.value, equation.blind, equation.commitment, equation.last]);
        let Ok(rounds) = zip_eq(&proof.rounds, &equation.rounds) else {
            return false;
        };
        for ((left, right), (x, y)) in rounds {
            points.extend([*left, *right]);
            scalars.extend([*x, *y]);
        }
        msm(&points, &scalars).is_zero()
    }

    #[test]
    fn true_statements_of_every_length() {
        for len in [1, 2, 3, 4, 5, 7, 8, 31, 64, 65] {
            assert!(check(len, |_, _| ()), "{len}");
        }
    }

    #[test]
    fn every_part_counts() {
        assert!(!check(9, |_, value| *value += F::ONE));
        assert!(!check(9, |proof, _| proof.scalar += F::ONE));
        assert!(!check(9, |proof, _| proof.blind += F::ONE));
        assert!(!check(9, |proof, _| proof.last = -proof.last));
        for round in 0..4 {
            assert!(!check(9, |proof, _| proof.rounds[round].0 = -proof.rounds[round].0));
            assert!(!check(9, |proof, _| proof.rounds[round].1 = -proof.rounds[round].1));
        }
    }
}
