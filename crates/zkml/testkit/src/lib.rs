//! What tests share, of the importer and of proofs, whichever crate they belong to.
//!
//! | module | content |
//! |---|---|
//! | [`case`] | a model with an input: stacks of dense layers, and the smallest model that is worth a proof |
//! | [`data`] | the models of `tests/data`, compiled (feature `data`) |
//! | [`decoders`] | every decoder of untrusted bytes, for the fuzzers (feature `data`) |
//! | [`dice`] | repeatable random numbers |
//! | [`fixtures`] | models beside what somebody else computed with them (feature `fixtures`) |
//! | [`liar`] | the real prover on a false trace |
//! | [`maker`] | the steps by which models are made by hand |
//! | [`models`], [`widths`] | one small model for every kind of node and for every form of a rescale |
//! | [`mutate`] | damaged and hostile bytes |
//! | [`random`] | random well-formed graphs |
//! | [`recorder`] | transcripts that keep a record, or whose challenges are known before |
//! | [`wasm`] | runs the verifier's wasm module as a chain would (feature `wasm`) |
//!
//! Failures panic: nothing here is part of a product.
#![expect(clippy::unwrap_used, reason = "a test kit: failures end the test")]

pub mod case;
#[cfg(feature = "data")]
pub mod data;
#[cfg(feature = "data")]
pub mod decoders;
pub mod dice;
#[cfg(feature = "fixtures")]
pub mod fixtures;
pub mod liar;
pub mod maker;
pub mod models;
pub mod mutate;
pub mod random;
pub mod recorder;
#[cfg(feature = "wasm")]
pub mod wasm;
pub mod widths;
