//! What the call costs: an estimate until the benchmark has run on reference hardware.
#![allow(missing_docs, reason = "the names are the calls'")]

use core::marker::PhantomData;
use polkadot_sdk::frame_support::traits::Get;
use polkadot_sdk::frame_support::weights::Weight;
use polkadot_sdk::frame_support::weights::constants::RocksDbWeight;
use polkadot_sdk::frame_system;

/// What each call costs.
pub trait WeightInfo {
    fn report() -> Weight;
}

/// For a runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);

/// Chain time, the engagement and its task, the record.
const READS: u64 = 4;

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn report() -> Weight {
        Weight::from_parts(30_000_000, 6_000).saturating_add(T::DbWeight::get().reads_writes(READS, 1))
    }
}

impl WeightInfo for () {
    fn report() -> Weight {
        Weight::from_parts(30_000_000, 6_000).saturating_add(RocksDbWeight::get().reads_writes(READS, 1))
    }
}
