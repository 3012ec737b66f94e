//! Weights of the calls, without the check of a key, which the verifier's own weight covers.
//!
//! Estimates, until the benchmarks of this pallet are run on a reference machine: reads and writes
//! counted by hand, hashing and copying of a key at 2 ns a byte.

use core::marker::PhantomData;

use polkadot_sdk::frame_support::traits::Get;
use polkadot_sdk::frame_support::weights::Weight;
use polkadot_sdk::frame_support::weights::constants::ParityDbWeight;
use polkadot_sdk::frame_system;

/// What the calls cost.
pub trait WeightInfo {
    /// Registers a model with a key of `l` bytes.
    fn register(l: u32) -> Weight;
    /// Delists a model.
    fn delist() -> Weight;
    /// Removes a model with the longest key.
    fn remove() -> Weight;
}

fn register(l: u32) -> Weight {
    Weight::from_parts(60_000_000, 6_000)
        .saturating_add(Weight::from_parts(2_000, 0).saturating_mul(l.into()))
}

fn delist() -> Weight {
    Weight::from_parts(20_000_000, 3_000)
}

fn remove() -> Weight {
    Weight::from_parts(60_000_000, 6_000)
}

/// Weights with the database of a runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn register(l: u32) -> Weight {
        register(l).saturating_add(T::DbWeight::get().reads_writes(4, 5))
    }

    fn delist() -> Weight {
        delist().saturating_add(T::DbWeight::get().reads_writes(1, 1))
    }

    fn remove() -> Weight {
        remove().saturating_add(T::DbWeight::get().reads_writes(3, 4))
    }
}

impl WeightInfo for () {
    fn register(l: u32) -> Weight {
        register(l).saturating_add(ParityDbWeight::get().reads_writes(4, 5))
    }

    fn delist() -> Weight {
        delist().saturating_add(ParityDbWeight::get().reads_writes(1, 1))
    }

    fn remove() -> Weight {
        remove().saturating_add(ParityDbWeight::get().reads_writes(3, 4))
    }
}
