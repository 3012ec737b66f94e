//! A real key, for benchmarks. `cargo run -p pallet-models --example fixture` makes it anew.

/// The verifying key of the model of this crate's tests.
pub const KEY: &[u8] = include_bytes!("key.bin");
