//! Algorithm 1 of the whitepaper, as printed: an opening of a committed vector `s` whose dot
//! product with a public `y` is committed in `c_t`. Linear size; for small dimensions.
//!
//! The whitepaper writes the group multiplicatively: `h^r prod g_i^(s_i)` is our
//! `<s, G> + r H`, and `h^(r_t) g^t` is `t U + r_t H`. Complete, special sound (two challenges
//! for one first message give `s`), and zero knowledge against an honest verifier.

use crate::field::{F, dot};
use crate::group::{Affine, Generators, compress};
use crate::labels;
use crate::msm::{msm, to_affine};
use crate::random::Random;
use crate::transcript::{Aborted, Transcript};
use alloc::vec::Vec;
use ark_ec::CurveGroup;
use ark_ff::Zero;

/// The commitments that an opening is about.
#[derive(Clone, Debug)]
pub struct OpeningStatement {
    /// `c_s = <s, G> + r_s H`.
    pub vector: Affine,
    /// `c_t = t U + r_t H`.
    pub value: Affine,
    /// `y`.
    pub coefficients: Vec<F>,
}

/// What the prover knows.
#[derive(Clone, Debug)]
pub struct OpeningWitness {
    /// `s`.
    pub vector: Vec<F>,
    /// `r_s`.
    pub vector_blind: F,
    /// `r_t`.
    pub value_blind: F,
}

/// Messages of steps 3 and 6.
#[derive(Clone, Debug)]
pub struct OpeningProof {
    /// `c_D`.
    pub mask: Affine,
    /// `c_<D,y>`.
    pub mask_value: Affine,
    /// `s' = e s + D`.
    pub vector: Vec<F>,
    /// `r_s' = e r_s + r_1`.
    pub vector_blind: F,
    /// `r_t' = e r_t + r_2`.
    pub value_blind: F,
}

impl OpeningStatement {
    /// Step 2: commits to a witness.
    #[must_use]
    pub fn commit(generators: &Generators, coefficients: Vec<F>, witness: &OpeningWitness) -> Self {
        let vector = msm(&generators.columns, &witness.vector) + generators.blind * witness.vector_blind;
        let value =
            generators.value * dot(&witness.vector, &coefficients) + generators.blind * witness.value_blind;
        Self { vector: vector.into_affine(), value: value.into_affine(), coefficients }
    }

    fn absorb<T: Transcript>(&self, transcript: &mut T) {
        transcript.absorb(labels::OPENING, &compress(&self.vector));
        transcript.absorb(labels::OPENING, &compress(&self.value));
        for coefficient in &self.coefficients {
            transcript.absorb(labels::OPENING, &crate::field::encode(coefficient));
        }
    }

    /// Steps 3 to 6.
    ///
    /// # Errors
    /// Returns [`Aborted`] if a live verifier has gone.
    #[expect(clippy::indexing_slicing, reason = "the two points that were made affine")]
    pub fn prove<T: Transcript>(
        &self,
        transcript: &mut T,
        generators: &Generators,
        witness: &OpeningWitness,
        random: &mut Random,
    ) -> Result<OpeningProof, Aborted> {
        self.absorb(transcript);
        let mask: Vec<F> = witness.vector.iter().map(|_| random.scalar()).collect();
        let (r1, r2) = (random.scalar(), random.scalar());
        let points = to_affine(&[
            msm(&generators.columns, &mask) + generators.blind * r1,
            generators.value * dot(&mask, &self.coefficients) + generators.blind * r2,
        ]);
        let e = challenge(transcript, &points[0], &points[1])?;
        Ok(OpeningProof {
            mask: points[0],
            mask_value: points[1],
            vector: witness.vector.iter().zip(&mask).map(|(s, d)| e * s + d).collect(),
            vector_blind: e * witness.vector_blind + r1,
            value_blind: e * witness.value_blind + r2,
        })
    }

    /// Steps 7 and 8: whether both equations hold.
    ///
    /// # Errors
    /// Returns [`Aborted`] if a live verifier has gone.
    pub fn verify<T: Transcript>(
        &self,
        transcript: &mut T,
        generators: &Generators,
        proof: &OpeningProof,
    ) -> Result<bool, Aborted> {
        self.absorb(transcript);
        let e = challenge(transcript, &proof.mask, &proof.mask_value)?;
        if proof.vector.len() != self.coefficients.len() || proof.vector.len() > generators.columns.len() {
            return Ok(false);
        }
        let vector = msm(&generators.columns, &proof.vector) + generators.blind * proof.vector_blind;
        let value =
            generators.value * dot(&proof.vector, &self.coefficients) + generators.blind * proof.value_blind;
        Ok((vector - self.vector * e - proof.mask).is_zero()
            && (value - self.value * e - proof.mask_value).is_zero())
    }
}

fn challenge<T: Transcript>(transcript: &mut T, mask: &Affine, mask_value: &Affine) -> Result<F, Aborted> {
    transcript.absorb(labels::OPENING, &compress(mask));
    transcript.absorb(labels::OPENING, &compress(mask_value));
    transcript.challenge(labels::OPENING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::HashTranscript;
    use ark_ff::Field;

    fn run(spoil: impl Fn(&mut OpeningStatement, &mut OpeningProof)) -> Result<bool, Aborted> {
        let generators = Generators::new(5, 0);
        let mut random = Random::new("test", &[3; 32], &[]);
        let mut scalars = || (0..5).map(|_| random.scalar()).collect::<Vec<F>>();
        let (vector, coefficients) = (scalars(), scalars());
        let witness = OpeningWitness { vector, vector_blind: random.scalar(), value_blind: random.scalar() };
        let mut statement = OpeningStatement::commit(&generators, coefficients, &witness);
        let mut proof = statement.prove(&mut HashTranscript::new("t"), &generators, &witness, &mut random)?;
        spoil(&mut statement, &mut proof);
        statement.verify(&mut HashTranscript::new("t"), &generators, &proof)
    }

    #[test]
    fn complete_and_every_part_counts() {
        assert_eq!(run(|_, _| ()), Ok(true));
        assert_eq!(run(|_, proof| proof.vector[2] += F::ONE), Ok(false));
        assert_eq!(run(|_, proof| proof.vector.truncate(4)), Ok(false));
        assert_eq!(run(|_, proof| proof.vector_blind += F::ONE), Ok(false));
        assert_eq!(run(|_, proof| proof.value_blind += F::ONE), Ok(false));
        assert_eq!(run(|_, proof| proof.mask = -proof.mask), Ok(false));
        assert_eq!(run(|_, proof| proof.mask_value = -proof.mask_value), Ok(false));
        assert_eq!(run(|statement, _| statement.coefficients[0] += F::ONE), Ok(false));
        assert_eq!(run(|statement, _| statement.value = -statement.value), Ok(false));
    }

    /// Special soundness: two answers to one first message give the vector.
    #[test]
    fn two_challenges_extract_the_witness() {
        let (s, d) = (F::from(42u64), F::from(1_000_007u64));
        let (e1, e2) = (F::from(3u64), F::from(11u64));
        let (z1, z2) = (e1 * s + d, e2 * s + d);
        assert_eq!((z1 - z2) * (e1 - e2).inverse().unwrap_or_default(), s);
    }
}
