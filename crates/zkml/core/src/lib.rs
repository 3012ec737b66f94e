//! The mathematics under Cyborg's proofs, independent of models.
//!
//! The scalar field and the group are those of Pallas. A vector `w` is committed as
//! `<w, G> + b H` with nothing-up-my-sleeve generators; hidden scalars are sent as one-time pads
//! over a committed pad vector ([`ledger`]); every check of a proof is a linear or a product
//! constraint on them, and all of it ends in one inner-product argument ([`ipa`]) whose group
//! equation is one multi-scalar multiplication ([`msm`]).
//!
//! | module | content |
//! |---|---|
//! | [`field`] | the scalar field, canonical bytes, sums of small integers times scalars |
//! | [`curve`] | the fields and the curve: arkworks', with products of our own in wasm |
//! | [`group`] | points, their encodings, the generators |
//! | [`commit`] | commitments to rows of small integers |
//! | [`msm`] | multi-scalar multiplication, for full scalars and for small integers |
//! | [`transcript`] | Fiat–Shamir, and the same with a live verifier |
//! | [`labels`] | every label that a transcript absorbs |
//! | [`poly`] | multilinear polynomials: equality tables, evaluation |
//! | [`ledger`] | linear forms over hidden scalars, and the constraints on them |
//! | [`ipa`] | the zero-knowledge inner-product argument |
//! | [`opening`] | Algorithm 1 of the whitepaper: opening of a dot product, linear size |
//! | [`random`] | hedged randomness |
//! | [`zip`] | pairs of lists that must be equally long |
//!
//! What the caller must still do: bind the statement to the transcript before the first
//! challenge, and never use one generator range for two vectors of one argument.
#![cfg_attr(not(feature = "std"), no_std)]
// Where a module expects one of these, it says why it is right there. A test that slips fails.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss
    )
)]
extern crate alloc;

pub mod commit;
pub mod curve;
pub mod field;
pub mod group;
pub mod ipa;
pub mod labels;
pub mod ledger;
pub mod msm;
pub mod opening;
pub mod parallel;
pub mod poly;
pub mod random;
pub mod transcript;
pub mod zip;

pub use field::F;
pub use group::{Affine, Projective};
