//! Interactive proofs over a byte stream: the same protocol, with a live verifier's nonce in every challenge.
//!
//! Frames are a little-endian `u32` length and so many bytes, each kind with its own limit.
//!
//! | from | frame | bytes |
//! |---|---|---|
//! | prover | hello | magic bytes, version, digest of the key |
//! | verifier | welcome | 32, fresh from the system's randomness; another key is answered by closing |
//! | prover | digest of the transcript so far | 32 |
//! | verifier | nonce, fresh from the system's randomness | 32 |
//! | … | the last two, once for every challenge | |
//! | prover | proof | empty frame, then the proof |
//! | verifier | outcome | 0 if the proof is valid, otherwise 1; then a message |
//!
//! The verifier draws a nonce only after it holds the digest that the nonce is for, and at the end
//! runs the verification against the digests in the order in which it got them. A session that
//! ends early is over: the prover stores nothing of it, never answers for it again, and starts the
//! next one with fresh randomness, so that a verifier that comes back learns nothing from two
//! challenges on one first message. The transcript starts with the welcome, and the prover hashes it into
//! its randomness. Such a proof convinces only the verifier that drew the nonces.
//!
//! | module | content |
//! |---|---|
//! | [`Prover`], [`Verifier`] | the two ends, over whatever can be read and written |
//! | [`tcp`] | both over TCP, with limits on a silent peer |
//!
//! How long a silent peer is waited for is a property of the stream: the caller sets it.

mod error;
mod frame;
mod prover;
pub mod tcp;
mod verifier;

pub use error::SessionError;
pub use prover::{Outcome, Prover};
pub use verifier::{Session, Verifier};

use zkml_core::transcript::DIGEST_BYTES;

/// First bytes of a session.
const MAGIC: &[u8; 6] = b"CYBliv";
const VERSION: u16 = 2;
const HELLO_BYTES: usize = MAGIC.len() + 2 + DIGEST_BYTES;
/// Most challenges in a session: a proof of the largest graph has some thousands.
const MAX_CHALLENGES: usize = 1 << 16;
/// Longest message beside an outcome, in bytes.
const MAX_MESSAGE_BYTES: usize = 1024;
/// Longest proof, in bytes.
pub const MAX_PROOF_BYTES: usize = 1 << 28;
