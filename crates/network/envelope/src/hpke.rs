//! Key pairs, and sealing to a public key: RFC 9180 in base mode with
//! DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM.
//!
//! Base mode says nothing about who sealed: where that matters, the caller signs.

use std::fmt;

use ::hpke::aead::AesGcm256;
use ::hpke::kdf::HkdfSha256;
use ::hpke::kem::X25519HkdfSha256;
use ::hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use zeroize::Zeroizing;

use crate::EnvelopeError;
use crate::key::fill_random;

/// Bytes of a public key and of an encapsulated key.
pub const PUBLIC_KEY_BYTES: usize = 32;
/// Bytes that sealing adds: the encapsulated key and the tag.
pub const OVERHEAD_BYTES: usize = PUBLIC_KEY_BYTES + 16;

/// The public key that others seal to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey(pub [u8; PUBLIC_KEY_BYTES]);

/// The secret key that opens what was sealed; erased when dropped.
#[derive(Clone)]
pub struct SecretKey(<X25519HkdfSha256 as Kem>::PrivateKey);

impl SecretKey {
    /// A fresh key.
    ///
    /// # Errors
    /// Returns an error if the operating system gives no randomness.
    pub fn generate() -> Result<Self, EnvelopeError> {
        let mut seed = Zeroizing::new([0; 32]);
        fill_random(&mut seed[..])?;
        Ok(Self::from_seed(&seed))
    }

    /// The key that RFC 9180's `DeriveKeyPair` makes of a secret of 32 bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(X25519HkdfSha256::derive_keypair(seed).0)
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(X25519HkdfSha256::sk_to_pk(&self.0).to_bytes().into())
    }

    /// Opens what [`seal`] made for this key, with the same `info` and `aad`.
    ///
    /// # Errors
    /// Returns an error if it was altered, or sealed for another key, purpose or context.
    pub fn open(&self, sealed: &[u8], info: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        let short = || EnvelopeError::ShortMessage { expected: OVERHEAD_BYTES, got: sealed.len() };
        let (encapsulated, ciphertext) = sealed.split_at_checked(PUBLIC_KEY_BYTES).ok_or_else(short)?;
        if ciphertext.len() < OVERHEAD_BYTES - PUBLIC_KEY_BYTES {
            return Err(short());
        }
        let encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(encapsulated)
            .map_err(|_| EnvelopeError::NotForThisKey)?;
        ::hpke::single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.0,
            &encapsulated,
            info,
            ciphertext,
            aad,
        )
        .map(Zeroizing::new)
        .map_err(|_| EnvelopeError::NotForThisKey)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretKey(secret)")
    }
}

/// Seals to a public key: the encapsulated key (32 bytes), then ciphertext and tag.
///
/// # Errors
/// Returns an error if the public key is of small order, so that the shared secret would be known to all.
pub fn seal(to: &PublicKey, plaintext: &[u8], info: &[u8], aad: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
    let to =
        <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&to.0).map_err(|_| EnvelopeError::BadPublicKey)?;
    let (encapsulated, ciphertext) = ::hpke::single_shot_seal::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &to,
        info,
        plaintext,
        aad,
    )
    .map_err(|_| EnvelopeError::BadPublicKey)?;
    let mut sealed = encapsulated.to_bytes().to_vec();
    sealed.extend(ciphertext);
    Ok(sealed)
}
