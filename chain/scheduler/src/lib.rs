//! Which miners a task is given to: a pure function of what is asked and what is on offer. The
//! chain calls it when a task is submitted, a client calls it before, and both get the same.
//!
//! | module | content |
//! |---|---|
//! | [`assess`] | what a miner must satisfy, and what makes it better than another |
//! | [`select`] | the best few of many, one by one |
//! | [`distance`] | great-circle distance in integers |
//!
//! There is no floating point, no hash, no clock and no randomness here, and no arithmetic that
//! can overflow, whatever the numbers. A caller offers each miner once; it vouches that what it
//! offers is true and that the miner serves.
#![cfg_attr(not(feature = "std"), no_std)]
extern crate alloc;

pub mod assess;
pub mod distance;
pub mod select;

pub use assess::{Candidate, Entry, PROBATION_BELOW, Request, SUSPENDED_BELOW};
pub use select::Selection;
