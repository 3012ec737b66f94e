//! The verifier as a WebAssembly module: bytes in, an outcome out.
//!
//! Build: `cargo build --release -p zkml-wasm --no-default-features --target wasm32v1-none`.
//! The module imports nothing. A host asks for memory with `alloc`, writes key, proof and context
//! there, and calls `verify` or `check_key`; it may give the memory back with `free`, or drop the
//! instance. Left to the host: that the key is the one it means, and that the proof's statement
//! is the one it expects (both are parts of the bytes that it passes).
//!
//! | export | meaning |
//! |---|---|
//! | `alloc(len) -> ptr` | `len` bytes, zeroed |
//! | `free(ptr, len)` | returns bytes from `alloc(len)` |
//! | `verify(key, key_len, proof, proof_len, context, context_len) -> outcome` | one proof |
//! | `check_key(key, key_len) -> outcome` | the key's proof about itself |
//!
//! On other targets the crate is an ordinary library with the two functions on slices.
#![cfg_attr(target_arch = "wasm32", no_std)]
extern crate alloc;

use zkml_verifier::VerifierKey;

#[cfg(target_arch = "wasm32")]
mod exports;

/// What the verifier says, as a number that crosses the boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Outcome {
    /// The proof, or the key, holds.
    Valid = 0,
    /// Well-formed bytes that prove something else, or nothing.
    False = 1,
    /// Bytes that are not a key, or not a proof for this key.
    Malformed = 2,
}

/// Verifies a proof for a key and a context, all as bytes.
#[must_use]
pub fn verify(key: &[u8], proof: &[u8], context: &[u8]) -> Outcome {
    let Ok(key) = VerifierKey::from_bytes(key) else {
        return Outcome::Malformed;
    };
    match zkml_verifier::verify(&key, proof, context) {
        Ok(_) => Outcome::Valid,
        Err(error) if error.is_false_proof() => Outcome::False,
        Err(_) => Outcome::Malformed,
    }
}

/// Verifies a key's proof about itself: the weights behind it are in range. Once for each key.
#[must_use]
pub fn check_key(key: &[u8]) -> Outcome {
    match VerifierKey::from_bytes(key).map(|key| key.check()) {
        Ok(Ok(())) => Outcome::Valid,
        Ok(Err(_)) => Outcome::False,
        Err(_) => Outcome::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_do_not_decode_are_malformed() {
        for bytes in [&b""[..], b"CYBvky", &[0xff; 100]] {
            assert_eq!(verify(bytes, b"", b""), Outcome::Malformed);
            assert_eq!(check_key(bytes), Outcome::Malformed);
        }
    }
}
