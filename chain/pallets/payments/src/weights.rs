//! What the parts of `pallet_payments` cost: measured, not written by hand.
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
    fn acknowledge() -> Weight;
    fn claim() -> Weight;
    fn top_up() -> Weight;
}

/// At least 156 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 1 | 1 |
/// | `Payments::Escrows` | 1 | 1 |
/// | `Payments::Meters` | 1 | 1 |
/// | `System::Account` | 3 | 3 |
/// | `Tasks::Tasks` | 1 | 0 |
fn acknowledge(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(160_368_000, 19_751).saturating_add(db.reads_writes(7, 6))
}

/// At least 211 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 1 | 1 |
/// | `Payments::Escrows` | 1 | 1 |
/// | `Payments::Meters` | 1 | 1 |
/// | `System::Account` | 3 | 3 |
/// | `System::BlockHash` | 1 | 0 |
/// | `Tasks::Tasks` | 1 | 0 |
fn claim(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(215_549_000, 22_270).saturating_add(db.reads_writes(8, 6))
}

/// At least 87 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 1 | 1 |
/// | `Payments::Escrows` | 1 | 1 |
/// | `System::Account` | 1 | 1 |
fn top_up(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(90_224_000, 7_826).saturating_add(db.reads_writes(3, 3))
}

/// Weights with the database of a runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn acknowledge() -> Weight {
        acknowledge(T::DbWeight::get())
    }
    fn claim() -> Weight {
        claim(T::DbWeight::get())
    }
    fn top_up() -> Weight {
        top_up(T::DbWeight::get())
    }
}

impl WeightInfo for () {
    fn acknowledge() -> Weight {
        acknowledge(RocksDbWeight::get())
    }
    fn claim() -> Weight {
        claim(RocksDbWeight::get())
    }
    fn top_up() -> Weight {
        top_up(RocksDbWeight::get())
    }
}
