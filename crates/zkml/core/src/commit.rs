//! Commitments to rows of small integers: `<row, G> + blind H`.

use crate::field::F;
use crate::group::{Affine, Generators};
use crate::msm::{FixedBase, msm_small, to_affine};
use crate::parallel;
use alloc::vec::Vec;

/// Commits to rows of small integers, each no longer than the column generators, with one blind
/// for each row.
#[must_use]
pub fn commit_rows(generators: &Generators, rows: &[&[i64]], blinds: &[F]) -> Vec<Affine> {
    let blinding = FixedBase::new(&generators.blind);
    let hidden = parallel::map(blinds.len(), |row| blinding.mul(&blinds[row]));
    let points: Vec<_> =
        msm_small(&generators.columns, rows).iter().zip(hidden).map(|(point, blind)| blind + point).collect();
    to_affine(&points)
}
