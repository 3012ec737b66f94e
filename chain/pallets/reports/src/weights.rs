//! What the parts of `pallet_reports` cost: measured, not written by hand.
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
    fn report() -> Weight;
}

/// At least 46 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Reports::Records` | 1 | 1 |
/// | `Tasks::Tasks` | 1 | 0 |
/// | `Timestamp::Now` | 1 | 0 |
fn report(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(52_288_000, 7_571).saturating_add(db.reads_writes(3, 1))
}

/// Weights with the database of a runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn report() -> Weight {
        report(T::DbWeight::get())
    }
}

impl WeightInfo for () {
    fn report() -> Weight {
        report(RocksDbWeight::get())
    }
}
