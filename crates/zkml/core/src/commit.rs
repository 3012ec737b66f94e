//! Commitments to rows of small integers: `<row, G> + blind H`.

use crate::field::F;
use crate::group::{Affine, Generators};
use crate::msm::{FixedBase, msm_small, to_affine};
use crate::parallel;
use crate::zip::{Unequal, equal, zip_eq};
use alloc::vec::Vec;

/// Commits to rows of small integers, each no longer than the column generators, with one blind
/// for each row.
///
/// # Errors
/// Returns an error if a row is longer, or if there is not one blind for each row.
#[expect(clippy::indexing_slicing, reason = "rows are numbered below the number of blinds")]
pub fn commit_rows(generators: &Generators, rows: &[&[i64]], blinds: &[F]) -> Result<Vec<Affine>, Unequal> {
    let columns = generators.columns.len();
    rows.iter().try_for_each(|row| equal(row.len().max(columns), columns))?;
    equal(rows.len(), blinds.len())?;
    let blinding = FixedBase::new(&generators.blind);
    let hidden = parallel::map(blinds.len(), |row| blinding.mul(&blinds[row]));
    let sums = msm_small(&generators.columns, rows);
    let points: Vec<_> = zip_eq(&sums, hidden)?.map(|(point, blind)| blind + point).collect();
    Ok(to_affine(&points))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_too_long_and_a_blind_too_few_are_errors() {
        let generators = Generators::new(2, 0);
        let blinds = [F::from(1_u64), F::from(2_u64)];
        let commit =
            |rows: &[&[i64]], blinds: &[F]| commit_rows(&generators, rows, blinds).map(|points| points.len());
        assert_eq!(commit(&[&[1], &[2, 3]], &blinds), Ok(2));
        assert_eq!(commit(&[&[1], &[2, 3, 0]], &blinds), Err(Unequal { left: 3, right: 2 }));
        assert_eq!(commit(&[&[1], &[2, 3]], &blinds[..1]), Err(Unequal { left: 2, right: 1 }));
    }
}
