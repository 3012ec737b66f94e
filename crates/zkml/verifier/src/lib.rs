//! What a proof of an inference states, and how it is verified: from bytes alone, without std,
//! without floating point, without trusting the key or the proof.
//!
//! | module | content |
//! |---|---|
//! | [`circuit`] | from the public graph to blocks, lookups and relations |
//! | [`kernel`] | the relations at a point, as functionals on trace and weights |
//! | [`protocol`] | the stages, once for prover and verifier |
//! | [`statement`] | what is public, and in what form |
//! | [`proof`] | a proof as bytes |
//! | [`key`] | the verifying key, and its proof about itself |
//! | [`mod@equation`] | the one group equation, deferred; several proofs at once |
//! | [`cost`] | what a verification costs, before it is done |
//! | [`soundness`] | the soundness error, from the parameters |
//! | [`wire`] | checked reading of bytes |
//!
//! What the caller must still check: that the key is the one it means ([`VerifierKey::digest`]),
//! that the key's own proof holds ([`VerifierKey::check`], once), and that the statement's
//! visible parts are the ones it expects.
#![cfg_attr(not(feature = "std"), no_std)]
extern crate alloc;

pub mod circuit;
pub mod cost;
pub mod equation;
pub mod error;
pub mod kernel;
pub mod key;
pub mod proof;
pub mod protocol;
pub mod soundness;
pub mod statement;
mod verify;
pub mod wire;

pub use cost::{Cost, Work};
pub use error::{FormatError, VerifyError};
pub use key::VerifierKey;
pub use proof::Proof;
pub use statement::{Shown, Statement, Visibility};
pub use verify::{PROTOCOL, absorb_commitments, equation, key_transcript, verify, verify_all, verify_live};
