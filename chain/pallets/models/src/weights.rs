//! What the parts of `pallet_models` cost: measured, not written by hand.
//!
//! `scripts/weights.sh`, 2026-11-22, AMD EPYC; 6 values of each component, 30 times each.
#![allow(missing_docs, reason = "the names are the benchmarks', which say what they measure")]

use core::marker::PhantomData;
use polkadot_sdk::frame_support::traits::Get;
use polkadot_sdk::frame_support::weights::constants::RocksDbWeight;
use polkadot_sdk::frame_support::weights::{RuntimeDbWeight, Weight};
use polkadot_sdk::frame_system;

/// What the benchmarks measure.
pub trait WeightInfo {
    fn register(l: u32) -> Weight;
    fn delist() -> Weight;
    fn remove() -> Weight;
}

/// At least 91 µs.
/// `l` was measured from 1 to 327_680.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 1 | 1 |
/// | `Models::Keys` | 0 | 1 |
/// | `Models::Models` | 1 | 1 |
/// | `Models::NextModel` | 1 | 1 |
/// | `System::Account` | 1 | 1 |
fn register(db: RuntimeDbWeight, l: u32) -> Weight {
    Weight::from_parts(97_237_248, 8_435)
        .saturating_add(db.reads_writes(4, 5))
        .saturating_add(Weight::from_parts(294, 0).saturating_mul(l.into()))
}

/// At least 33 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Models::Models` | 1 | 1 |
fn delist(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(37_305_000, 2_697).saturating_add(db.reads_writes(1, 1))
}

/// At least 71 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 1 | 1 |
/// | `Models::Keys` | 0 | 1 |
/// | `Models::Models` | 1 | 1 |
/// | `System::Account` | 1 | 1 |
fn remove(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(74_521_000, 7_932).saturating_add(db.reads_writes(3, 4))
}

/// Weights with the database of a runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn register(l: u32) -> Weight {
        register(T::DbWeight::get(), l)
    }
    fn delist() -> Weight {
        delist(T::DbWeight::get())
    }
    fn remove() -> Weight {
        remove(T::DbWeight::get())
    }
}

impl WeightInfo for () {
    fn register(l: u32) -> Weight {
        register(RocksDbWeight::get(), l)
    }
    fn delist() -> Weight {
        delist(RocksDbWeight::get())
    }
    fn remove() -> Weight {
        remove(RocksDbWeight::get())
    }
}
