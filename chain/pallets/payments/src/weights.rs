//! What the calls cost: estimates until the benchmarks have run on reference hardware.
//!
//! Reads and writes are counted from the code; the times are those of calls of the same kind in
//! the SDK's own measured weights.
#![allow(missing_docs, reason = "the names are the calls'")]

use core::marker::PhantomData;
use polkadot_sdk::frame_support::traits::Get;
use polkadot_sdk::frame_support::weights::Weight;
use polkadot_sdk::frame_support::weights::constants::RocksDbWeight;
use polkadot_sdk::frame_system;

/// What each call costs.
pub trait WeightInfo {
    fn acknowledge() -> Weight;
    fn claim() -> Weight;
    fn top_up() -> Weight;
}

/// For a runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);

/// Engagement and its task, escrow, meter; the accounts of owner, miner and treasury, and the
/// owner's holds.
const PAY_READS: u64 = 8;
const PAY_WRITES: u64 = 6;

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn acknowledge() -> Weight {
        Weight::from_parts(120_000_000, 12_000)
            .saturating_add(T::DbWeight::get().reads_writes(PAY_READS, PAY_WRITES))
    }
    fn claim() -> Weight {
        Weight::from_parts(220_000_000, 12_000)
            .saturating_add(T::DbWeight::get().reads_writes(PAY_READS + 1, PAY_WRITES))
    }
    fn top_up() -> Weight {
        Weight::from_parts(60_000_000, 6_000).saturating_add(T::DbWeight::get().reads_writes(3, 3))
    }
}

impl WeightInfo for () {
    fn acknowledge() -> Weight {
        Weight::from_parts(120_000_000, 12_000)
            .saturating_add(RocksDbWeight::get().reads_writes(PAY_READS, PAY_WRITES))
    }
    fn claim() -> Weight {
        Weight::from_parts(220_000_000, 12_000)
            .saturating_add(RocksDbWeight::get().reads_writes(PAY_READS + 1, PAY_WRITES))
    }
    fn top_up() -> Weight {
        Weight::from_parts(60_000_000, 6_000).saturating_add(RocksDbWeight::get().reads_writes(3, 3))
    }
}
