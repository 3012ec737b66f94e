//! The transcript: what both parties have seen, hashed; and where challenges come from.
//!
//! The state is a BLAKE3 hash over a chain of `label length ‖ label ‖ data length ‖ data`. A
//! challenge is squeezed from the state, which then continues from the challenge's own digest.
//! With a live verifier, its nonce is absorbed before every challenge, so that the challenge is
//! `H(transcript ‖ nonce)`: the verifier contributes all the unpredictability that it wants,
//! and still the prover cannot be led to answer two challenges for one transcript.

use crate::field::{F, from_uniform};
use thiserror::Error;

/// Bytes of a verifier's nonce and of a transcript digest.
pub const DIGEST_BYTES: usize = 32;

/// The other side of an interactive proof is gone, or does not follow the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the interactive session ended before the proof was complete")]
pub struct Aborted;

/// A source of challenges bound to everything absorbed before.
pub trait Transcript {
    /// Absorbs labelled data.
    fn absorb(&mut self, label: &'static str, data: &[u8]);

    /// Squeezes 64 bytes.
    ///
    /// # Errors
    /// Returns [`Aborted`] if a live verifier has gone.
    fn squeeze(&mut self, label: &'static str) -> Result<[u8; 64], Aborted>;

    /// A digest of what was absorbed so far, which a prover mixes into its randomness: two runs that
    /// began with other nonces never share blinds. Constant where a source keeps no record.
    fn seen(&self) -> [u8; DIGEST_BYTES] {
        [0; DIGEST_BYTES]
    }

    /// A uniform challenge.
    ///
    /// # Errors
    /// Returns [`Aborted`] if a live verifier has gone.
    fn challenge(&mut self, label: &'static str) -> Result<F, Aborted> {
        self.squeeze(label).map(|bytes| from_uniform(&bytes))
    }
}

/// The hash chain itself: Fiat–Shamir.
#[derive(Clone)]
pub struct HashTranscript {
    hasher: blake3::Hasher,
}

impl HashTranscript {
    /// Starts a transcript for a protocol.
    #[must_use]
    pub fn new(protocol: &'static str) -> Self {
        let mut transcript = Self { hasher: blake3::Hasher::new() };
        transcript.absorb(crate::labels::PROTOCOL, protocol.as_bytes());
        transcript
    }

    /// Digest of everything absorbed so far.
    #[must_use]
    pub fn digest(&self) -> [u8; DIGEST_BYTES] {
        *self.hasher.finalize().as_bytes()
    }
}

impl Transcript for HashTranscript {
    fn absorb(&mut self, label: &'static str, data: &[u8]) {
        self.hasher.update(&(label.len() as u64).to_le_bytes());
        self.hasher.update(label.as_bytes());
        self.hasher.update(&(data.len() as u64).to_le_bytes());
        self.hasher.update(data);
    }

    fn squeeze(&mut self, label: &'static str) -> Result<[u8; 64], Aborted> {
        self.absorb(label, &[]);
        let mut out = [0; 96];
        self.hasher.finalize_xof().fill(&mut out);
        self.hasher.reset();
        self.hasher.update(&out[64..]);
        let mut bytes = [0; 64];
        bytes.copy_from_slice(&out[..64]);
        Ok(bytes)
    }

    fn seen(&self) -> [u8; DIGEST_BYTES] {
        self.digest()
    }
}

/// A hash transcript that asks someone for a nonce before every challenge: the live verifier's
/// end of a connection on the prover's side, its own record on the verifier's side.
pub struct LiveTranscript<N> {
    inner: HashTranscript,
    nonce: N,
}

impl<N: FnMut([u8; DIGEST_BYTES]) -> Result<[u8; DIGEST_BYTES], Aborted>> LiveTranscript<N> {
    /// Starts a transcript; `nonce` maps the digest so far to the verifier's answer.
    #[must_use]
    pub fn new(protocol: &'static str, nonce: N) -> Self {
        Self { inner: HashTranscript::new(protocol), nonce }
    }

    /// Starts a transcript with a nonce that the verifier gave before anything was committed.
    #[must_use]
    pub fn welcomed(protocol: &'static str, welcome: &[u8; DIGEST_BYTES], nonce: N) -> Self {
        let mut transcript = Self::new(protocol, nonce);
        transcript.inner.absorb(crate::labels::NONCE, welcome);
        transcript
    }
}

impl<N: FnMut([u8; DIGEST_BYTES]) -> Result<[u8; DIGEST_BYTES], Aborted>> Transcript for LiveTranscript<N> {
    fn absorb(&mut self, label: &'static str, data: &[u8]) {
        self.inner.absorb(label, data);
    }

    fn squeeze(&mut self, label: &'static str) -> Result<[u8; 64], Aborted> {
        let nonce = (self.nonce)(self.inner.digest())?;
        self.inner.absorb(crate::labels::NONCE, &nonce);
        self.inner.squeeze(label)
    }

    fn seen(&self) -> [u8; DIGEST_BYTES] {
        self.inner.digest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_absorbed_byte_and_boundary_counts() {
        let challenge = |parts: &[(&'static str, &[u8])]| {
            let mut transcript = HashTranscript::new("test");
            for (label, data) in parts {
                transcript.absorb(label, data);
            }
            transcript.squeeze("c")
        };
        let base = challenge(&[("a", b"12"), ("b", b"3")]);
        assert_ne!(base, challenge(&[("a", b"1"), ("b", b"23")]));
        assert_ne!(base, challenge(&[("a", b"12"), ("c", b"3")]));
        assert_ne!(base, challenge(&[("a", b"12")]));
        assert_eq!(base, challenge(&[("a", b"12"), ("b", b"3")]));
    }

    #[test]
    fn a_nonce_changes_the_challenge_and_an_abort_stops() {
        let draw = |nonce: [u8; 32]| LiveTranscript::new("test", move |_| Ok(nonce)).squeeze("c");
        assert_ne!(draw([0; 32]), draw([1; 32]));
        assert_eq!(LiveTranscript::new("test", |_| Err(Aborted)).squeeze("c"), Err(Aborted));
        let welcomed = |welcome: [u8; 32]| LiveTranscript::welcomed("test", &welcome, |_| Ok([0; 32]));
        assert_ne!(welcomed([0; 32]).seen(), welcomed([1; 32]).seen());
        assert_ne!(welcomed([0; 32]).squeeze("c"), welcomed([1; 32]).squeeze("c"));
    }
}
