//! The verifier's module inside a wasm engine, as a chain runs it: the same verdicts, at the price
//! that is known before.
#![expect(clippy::unwrap_used, reason = "tests")]

mod cost;
mod verdicts;
