//! Where a prover's secrets come from: the system's randomness, and the blinds of the weight rows.

use crate::error::ProveError;
use zeroize::Zeroizing;
use zkml_core::F;
use zkml_core::random::Random;

/// 32 bytes of the system's randomness, for [`Random`] and for a fresh
/// [`Opening`](zkml_verifier::Opening).
///
/// # Errors
/// Returns an error if the system gives no randomness.
pub fn system_randomness() -> Result<Zeroizing<[u8; 32]>, ProveError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).map_err(|error| ProveError::Randomness(error.to_string()))?;
    Ok(bytes)
}

/// The blinds of the weight rows, from the secret key's seed.
#[must_use]
pub fn weight_blinds(seed: &[u8; 32], rows: usize) -> Vec<F> {
    let mut random = Random::new("cyborg weight blinds v1", seed, &[]);
    (0..rows).map(|_| random.scalar()).collect()
}
