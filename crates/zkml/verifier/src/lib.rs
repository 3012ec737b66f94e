//! What a proof of an inference states, and how it is verified: from bytes alone, without std,
//! without floating point, without trusting the key or the proof.
//!
//! | module | content |
//! |---|---|
//! | [`circuit`] | from the public graph to blocks, lookups and relations |
//! | [`kernel`] | the relations at a point, as functionals on trace and weights |
//! | [`protocol`] | the stages, once for prover and verifier |
//! | [`statement`] | what is public, and in what form |
//! | [`opening`] | what opens the commitments of a statement; digests before a proof |
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
// What comes in is hostile. Where a module expects one of these, it says why it is right there.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]
extern crate alloc;

pub mod circuit;
pub mod cost;
pub mod equation;
pub mod error;
pub mod kernel;
pub mod key;
pub mod opening;
pub mod proof;
pub mod protocol;
mod reduce;
pub mod soundness;
pub mod statement;
mod verify;
pub mod wire;

pub use cost::{Cost, Work};
pub use error::{FormatError, OpeningError, VerifyError};
pub use key::VerifierKey;
pub use opening::{Opening, public_input_digest};
pub use proof::Proof;
pub use reduce::{absorb_commitments, key_transcript};
pub use statement::{Shown, Statement, Visibility};
pub use verify::{PROTOCOL, equation, verify, verify_all, verify_live};
