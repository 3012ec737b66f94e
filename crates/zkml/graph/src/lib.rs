//! The integer operator graph: the model itself, as integers in and integers out.
//!
//! A [`Graph`] is public: it is what a verifying key names. The weights are not part of it;
//! they travel beside it as [`Weights`] and are only ever shown to the prover.
//!
//! Every node computes exactly one tensor, by an algorithm on integers with exactly one valid
//! result. There is no floating point anywhere in this crate.
//!
//! | module | content |
//! |---|---|
//! | [`types`] | tensors, parameters, nodes and how they index one another |
//! | [`function`] | the fixed list of one-variable functions and their integer tables |
//! | [`bounds`] | the proved range of every accumulator |
//! | [`validate`] | what a well-formed graph is |
//! | [`work`] | how much arithmetic an inference is |
//! | [`codec`] | graphs and weights as bytes |
//! | `real`, `elementary` | floating point on integers, and `exp`, `log`, `erf`, .. to 100 bits |
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

pub mod bounds;
pub mod codec;
mod elementary;
pub mod function;
mod real;
pub mod types;
pub mod validate;
pub mod work;

pub use types::*;
