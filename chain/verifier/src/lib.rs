//! The zero-knowledge verifier behind the trait that the pallets call: it says what a verification
//! costs before it is done, and checks keys and proofs.
//!
//! # Weights
//! [`zkml_verifier::cost`] counts what a verification takes from the shape of a key. Here each count
//! gets a price in picoseconds. Prices were found in two steps, both in wasmtime configured as
//! Substrate's executor configures it:
//! - *Instructions.* Wasm instructions are the same on every machine. `crates/zkml/wasm/tests/wasm/cost.rs` counts
//!   them for all models of the protocol's tests, the digits, matrices of millions of weights, and
//!   graphs that a hostile owner would choose, and fails if the prices below, at a tenth of a
//!   nanosecond an instruction, do not cover them (or exceed an honest model's by half).
//! - *Time.* The reference machine (BENCHMARKS.md) executes 12 to 15 instructions a nanosecond:
//!   digits_mlp 254 million in 18 ms, digits_cnn 369 million in 25 ms, a dense model of 4 million
//!   weights 1314 million in 108 ms. The prices take 10.
//!
//! The worst case of a batch is that its sum fails: then every proof needs a multi-scalar
//! multiplication of its own. This is charged in advance, and the unneeded part is refunded.
//!
//! # The host's multi-scalar multiplication
//! With the feature `host-msm` the group's part runs natively, through the `pallas` calls of
//! `sp-crypto-ec-utils`. Nodes as published do not offer these calls, and a runtime that imports
//! them does not start there; so the feature is off by default. The weights stay those of wasm.
#![cfg_attr(not(feature = "std"), no_std)]
extern crate alloc;

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use cyborg_interface::{Claim, KeyError, KeyFacts, Proven, Verifier};
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{MAX_PROOF_BYTES, MAX_VERIFICATION_BYTES};
use polkadot_sdk::frame_support::weights::Weight;
use zkml_core::msm::half_additions;
use zkml_verifier::cost::work;
use zkml_verifier::{VerifierKey, verify_all};

#[cfg(feature = "host-msm")]
mod host;

#[cfg(feature = "host-msm")]
use host::Host as Group;
#[cfg(not(feature = "host-msm"))]
use zkml_core::msm::Native as Group;

/// A product in the scalar field, in picoseconds.
const PRODUCT_PS: u64 = 100_000;
/// Half an addition of points.
const HALF_ADDITION_PS: u64 = 330_000;
/// A byte of a key or proof.
const BYTE_PS: u64 = 50_000;
/// Any verification.
const FIXED_PS: u64 = 1_000_000_000;
/// A byte of a key that nobody has paid for yet, beyond [`BYTE_PS`]: the worst case of tables, terms
/// and names.
const HOSTILE_BYTE_PS: u64 = 100_000;
/// The worst case of bounding the accumulators of a hostile key, twice.
const HOSTILE_KEY_PS: u64 = 16_000_000_000;

const MIB: u64 = 1024 * 1024;

/// The verifier of `zkml-verifier`.
pub struct ZkVerifier;

/// Cost of a key; `None` if it is more than the chain can bear.
fn cost_of(key: &VerifierKey) -> Option<Cost> {
    let cost = key.cost();
    let fits = cost.memory_bytes <= MAX_VERIFICATION_BYTES;
    Cost::try_from(cost).ok().filter(|cost| fits && cost.proof_bytes <= MAX_PROOF_BYTES)
}

fn picoseconds(time: u64) -> Weight {
    Weight::from_parts(time, 0)
}

/// Reduction of all proofs, and one multi-scalar multiplication.
fn together(cost: &Cost, proofs: u32) -> u64 {
    if proofs == 0 {
        return 0;
    }
    let points = u64::from(cost.own_points).saturating_add(cost.generators.into());
    let bytes = u64::from(cost.key_bytes).saturating_add(cost.proof_bytes.into());
    [
        cost.field_products.saturating_mul(PRODUCT_PS),
        half_additions(points).saturating_mul(HALF_ADDITION_PS),
        bytes.saturating_mul(BYTE_PS),
        FIXED_PS.saturating_mul(proofs.into()),
    ]
    .into_iter()
    .fold(0, u64::saturating_add)
}

/// A multi-scalar multiplication for each proof.
fn alone(cost: &Cost, proofs: u32) -> u64 {
    if proofs < 2 {
        // One proof's sum is the batch's.
        return 0;
    }
    // As a function of its points it is concave: equal shares cost most.
    let points = u64::from(cost.own_points.div_ceil(proofs)).saturating_add(cost.generators.into());
    half_additions(points).saturating_mul(HALF_ADDITION_PS).saturating_mul(proofs.into())
}

impl Verifier for ZkVerifier {
    fn check_key(bytes: &[u8], claim: &Cost) -> Result<KeyFacts, KeyError> {
        let key = VerifierKey::from_bytes(bytes).map_err(|_| KeyError::Undecodable)?;
        let cost = cost_of(&key).ok_or(KeyError::TooLarge)?;
        if !cost.is_covered_by(claim) {
            return Err(KeyError::Underclaimed);
        }
        let work = work(key.graph(), key.circuit());
        let memory_mib = u32::try_from(work.memory_bytes.div_ceil(MIB)).map_err(|_| KeyError::TooLarge)?;
        key.check_with(&Group).map_err(|_| KeyError::False)?;
        Ok(KeyFacts {
            digest: key.digest(),
            memory_mib,
            work_macs: work.inference_macs,
            proof_macs: work.proof_macs,
            cost,
        })
    }

    fn check_weight(claim: &Cost) -> Weight {
        let hostile =
            u64::from(claim.key_bytes).saturating_mul(HOSTILE_BYTE_PS).saturating_add(HOSTILE_KEY_PS);
        Self::weight(claim, 1).saturating_add(picoseconds(hostile))
    }

    fn verify(claims: &[Claim<'_>]) -> Vec<Option<Proven>> {
        let mut keys: BTreeMap<&[u8], Option<VerifierKey>> = BTreeMap::new();
        for claim in claims {
            keys.entry(claim.key).or_insert_with(|| VerifierKey::from_bytes(claim.key).ok());
        }
        let mut results = vec![None; claims.len()];
        let mut positions = Vec::new();
        let mut proofs = Vec::new();
        for (position, claim) in claims.iter().enumerate() {
            if let Some(Some(key)) = keys.get(claim.key) {
                positions.push((position, key));
                proofs.push((key, claim.proof, claim.context));
            }
        }
        for ((position, key), verdict) in positions.into_iter().zip(verify_all(&proofs, &Group)) {
            let digests = verdict.ok().and_then(|statement| statement.digests(key.graph()).ok());
            if let (Some((input, output)), Some(result)) = (digests, results.get_mut(position)) {
                *result = Some(Proven { input, output });
            }
        }
        results
    }

    fn weight(cost: &Cost, proofs: u32) -> Weight {
        picoseconds(together(cost, proofs).saturating_add(alone(cost, proofs)))
    }

    fn weight_of_true(cost: &Cost, proofs: u32) -> Weight {
        picoseconds(together(cost, proofs))
    }
}
