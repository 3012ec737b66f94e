//! Pairs of two lists that must be equally long: unequal lengths are an error, where
//! [`Iterator::zip`] stops at the shorter one in silence.

use core::iter::Zip;
use thiserror::Error;

/// Two lists that belong together have different lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("lists that belong together have {left} and {right} entries")]
pub struct Unequal {
    /// Length of the first list.
    pub left: usize,
    /// Length of the second list.
    pub right: usize,
}

/// Demands that two lengths are equal.
///
/// # Errors
/// Returns an error if they are not.
pub fn equal(left: usize, right: usize) -> Result<(), Unequal> {
    if left == right { Ok(()) } else { Err(Unequal { left, right }) }
}

/// Pairs the entries of two lists.
///
/// # Errors
/// Returns an error if the lengths are not equal.
pub fn zip_eq<A, B>(left: A, right: B) -> Result<Zip<A::IntoIter, B::IntoIter>, Unequal>
where
    A: IntoIterator<IntoIter: ExactSizeIterator>,
    B: IntoIterator<IntoIter: ExactSizeIterator>,
{
    let (left, right) = (left.into_iter(), right.into_iter());
    equal(left.len(), right.len())?;
    Ok(left.zip(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unequal_lengths_are_an_error() {
        assert_eq!(zip_eq([1, 2], [3, 4]).map(Iterator::count), Ok(2));
        assert_eq!(zip_eq([1, 2], [3]).map(Iterator::count), Err(Unequal { left: 2, right: 1 }));
    }
}
