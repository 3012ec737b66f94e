//! Row commitments and their blinds.

use rayon::prelude::*;
use zkml_core::group::Generators;
use zkml_core::msm::{FixedBase, msm_small, to_affine};
use zkml_core::random::Random;
use zkml_core::{Affine, F};

/// Commits to rows of small integers, each no longer than the column generators.
#[must_use]
pub fn commit_rows(generators: &Generators, rows: &[&[i64]], blinds: &[F]) -> Vec<Affine> {
    let blinding = FixedBase::new(&generators.blind);
    let hidden: Vec<_> = blinds.par_iter().with_min_len(16).map(|blind| blinding.mul(blind)).collect();
    let points: Vec<_> =
        msm_small(&generators.columns, rows).iter().zip(hidden).map(|(point, blind)| blind + point).collect();
    to_affine(&points)
}

/// The blinds of the weight rows, from the secret key's seed.
#[must_use]
pub fn weight_blinds(seed: &[u8; 32], rows: usize) -> Vec<F> {
    let mut random = Random::new("cyborg weight blinds v1", seed, &[]);
    (0..rows).map(|_| random.scalar()).collect()
}
