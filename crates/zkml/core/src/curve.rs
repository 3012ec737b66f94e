//! The curve's fields and configuration: arkworks' own, but for multiplication in wasm.
//!
//! Wasm has no product of 64-bit integers to 128 bits; arkworks' Montgomery multiplication turns
//! into calls of a software routine there, and a product takes two to three times as long as
//! with limbs whose products fit 64 bits (`limbs`). Values have the same form in memory on both
//! paths (four 64-bit limbs, `a 2^256 mod p`). On other targets the fast path is compiled for its
//! tests only.

#[cfg(any(test, target_arch = "wasm32"))]
pub mod config;
#[cfg(any(test, target_arch = "wasm32"))]
mod limbs;

#[cfg(not(target_arch = "wasm32"))]
pub use ark_pallas::{Affine, Fq, Fr, PallasConfig, Projective};
#[cfg(target_arch = "wasm32")]
pub use config::{Affine, Fq, Fr, PallasConfig, Projective};
