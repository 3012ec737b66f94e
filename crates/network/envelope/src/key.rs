//! Symmetric keys that are erased when dropped.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::EnvelopeError;

/// A secret of 32 bytes that encrypts one file, or wraps others.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ContentKey([u8; 32]);

impl ContentKey {
    /// A fresh key from the operating system's randomness.
    ///
    /// # Errors
    /// Returns an error if the system gives none.
    pub fn generate() -> Result<Self, EnvelopeError> {
        let mut key = Self([0; 32]);
        fill_random(&mut key.0)?;
        Ok(key)
    }

    /// A key of these bytes; the caller erases its own copy.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key for one purpose: BLAKE3's key derivation over this key and what it is bound to.
    #[must_use]
    pub fn derive(&self, purpose: &str, bound_to: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(purpose);
        hasher.update(&self.0);
        for part in bound_to {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        let derived = Self(*hasher.finalize().as_bytes());
        hasher.zeroize();
        derived
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ContentKey(secret)")
    }
}

pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), EnvelopeError> {
    getrandom::fill(bytes).map_err(|_| EnvelopeError::NoRandomness)
}
