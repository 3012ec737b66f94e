//! Hedged randomness: a BLAKE3 stream keyed by system randomness *and* by what is to be hidden,
//! so that a broken system generator alone does not reveal a witness.

use crate::field::{F, from_uniform};
use zeroize::Zeroize;

/// A stream of secret scalars. Its state is erased when dropped.
pub struct Random {
    stream: blake3::OutputReader,
}

impl Random {
    /// Starts a stream from a domain, 32 bytes of system randomness and any secret material.
    #[must_use]
    pub fn new(domain: &'static str, entropy: &[u8; 32], material: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(entropy);
        hasher.update(&(domain.len() as u64).to_le_bytes());
        hasher.update(domain.as_bytes());
        for part in material {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let stream = hasher.finalize_xof();
        hasher.zeroize();
        Self { stream }
    }

    /// The next scalar, uniform.
    pub fn scalar(&mut self) -> F {
        let mut bytes = [0; 64];
        self.stream.fill(&mut bytes);
        let scalar = from_uniform(&bytes);
        bytes.zeroize();
        scalar
    }

    /// Fills bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.stream.fill(bytes);
    }
}

impl Drop for Random {
    fn drop(&mut self) {
        self.stream.zeroize();
    }
}
