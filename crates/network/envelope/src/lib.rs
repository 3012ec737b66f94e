//! Encryption outside of proofs. Standard constructions, none of our own. Builds for a browser: nothing
//! here needs an operating system but for random bytes.
//!
//! | module | content | construction |
//! |---|---|---|
//! | [`hpke`] | key pairs; sealing to a public key | RFC 9180: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM |
//! | [`wrap`] | a content key for one miner of one task | HPKE |
//! | [`message`] | bodies of requests and answers | HPKE |
//! | [`blob`] | models and other files of any size, seekable | STREAM (Hoang et al. 2015) with AES-256-GCM |
//!
//! Whatever is sealed is bound to its purpose, and what belongs to a task to the chain's genesis
//! hash, the task and the miner: opened for anything else it fails. Keys are erased from memory
//! when dropped. What the caller must do: choose a fresh [`ContentKey`] per file.

pub mod blob;
mod error;
pub mod hpke;
mod key;
pub mod message;
pub mod wrap;

pub use error::EnvelopeError;
pub use key::ContentKey;
