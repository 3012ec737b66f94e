//! Where a prover's secrets come from: the system's randomness, and the blinds of the weight rows.

use crate::error::ProveError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
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

/// What no two proofs of a machine share even if its generator gives the same bytes again: the clock, and a
/// count for proofs that begin at one time. The count is the process's, because two threads may prove.
pub(crate) fn occasion() -> [u8; 24] {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut bytes = [0; 24];
    bytes[..16].copy_from_slice(&since.as_nanos().to_le_bytes());
    bytes[16..].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    bytes
}

/// The blinds of the weight rows, from the secret key's seed.
#[must_use]
pub fn weight_blinds(seed: &[u8; 32], rows: usize) -> Vec<F> {
    let mut random = Random::new("cyborg weight blinds v1", seed, &[]);
    (0..rows).map(|_| random.scalar()).collect()
}
