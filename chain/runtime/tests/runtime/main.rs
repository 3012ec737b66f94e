//! The whole runtime under test, natively and as the wasm that a node runs. One program, because each would
//! link all of the runtime anew.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;
mod conservation;
mod fees;
mod full_block;
mod genesis;
mod governance;
mod imports;
mod market;
mod metadata;
mod scale;
#[cfg(feature = "try-runtime")]
mod try_state;
mod weights;
mod xcm;
