//! Weights of the calls, of the hook's parts and of a ranking.
//!
//! Estimates, until the benchmarks of this pallet are run on a reference machine: reads and writes
//! counted by hand at their worst, the rest from timings of the scheduler.

use core::marker::PhantomData;

use polkadot_sdk::frame_support::traits::Get;
use polkadot_sdk::frame_support::weights::Weight;
use polkadot_sdk::frame_support::weights::constants::ParityDbWeight;
use polkadot_sdk::frame_system;

/// What the pallet's parts cost.
pub trait WeightInfo {
    /// Registers a miner in a full page of a class that all regions share.
    fn register() -> Weight;
    /// Changes everything; the entry moves from one bucket to another.
    fn update() -> Weight;
    /// Brings a miner back on offer.
    fn bond_more() -> Weight;
    /// The ordinary heartbeat.
    fn heartbeat() -> Weight;
    /// A heartbeat that ends a period of service, and lifts a suspension.
    fn heartbeat_regains() -> Weight;
    /// A heartbeat that ends a lapse.
    fn heartbeat_resumes() -> Weight;
    /// Takes a miner out of a bucket of several pages.
    fn deregister() -> Weight;
    /// Gives a bond back.
    fn withdraw_bond() -> Weight;
    /// `c` checks that find everybody serving.
    fn watch(c: u32) -> Weight;
    /// A check that finds a lapse.
    fn lapse() -> Weight;
    /// A ranking over `p` pages of `e` entries in all, with `b` buckets to choose from, that finds `n` miners.
    fn rank(p: u32, e: u32, b: u32, n: u32) -> Weight;
}

/// Weights with the database of a runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn register() -> Weight {
        Weight::from_parts(75_000_000, 12_000)
            .saturating_add(T::DbWeight::get().reads(5))
            .saturating_add(T::DbWeight::get().writes(10))
    }

    fn update() -> Weight {
        Weight::from_parts(70_000_000, 22_000)
            .saturating_add(T::DbWeight::get().reads(8))
            .saturating_add(T::DbWeight::get().writes(9))
    }

    fn bond_more() -> Weight {
        Weight::from_parts(60_000_000, 16_000)
            .saturating_add(T::DbWeight::get().reads(7))
            .saturating_add(T::DbWeight::get().writes(7))
    }

    fn heartbeat() -> Weight {
        Weight::from_parts(14_000_000, 3_600)
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().writes(1))
    }

    fn heartbeat_regains() -> Weight {
        Weight::from_parts(40_000_000, 16_000)
            .saturating_add(T::DbWeight::get().reads(6))
            .saturating_add(T::DbWeight::get().writes(6))
    }

    fn heartbeat_resumes() -> Weight {
        Weight::from_parts(45_000_000, 18_000)
            .saturating_add(T::DbWeight::get().reads(8))
            .saturating_add(T::DbWeight::get().writes(8))
    }

    fn deregister() -> Weight {
        Weight::from_parts(45_000_000, 20_000)
            .saturating_add(T::DbWeight::get().reads(7))
            .saturating_add(T::DbWeight::get().writes(8))
    }

    fn withdraw_bond() -> Weight {
        Weight::from_parts(50_000_000, 8_000)
            .saturating_add(T::DbWeight::get().reads(4))
            .saturating_add(T::DbWeight::get().writes(5))
    }

    fn watch(c: u32) -> Weight {
        Weight::from_parts(8_000_000, 10_000)
            .saturating_add(T::DbWeight::get().reads(4))
            .saturating_add(T::DbWeight::get().writes(4))
            .saturating_add(Weight::from_parts(900_000, 5_200).saturating_mul(c.into()))
            .saturating_add(T::DbWeight::get().reads(2).saturating_mul(c.into()))
    }

    fn lapse() -> Weight {
        Weight::from_parts(120_000_000, 26_000)
            .saturating_add(T::DbWeight::get().reads(11))
            .saturating_add(T::DbWeight::get().writes(13))
    }

    fn rank(p: u32, e: u32, b: u32, n: u32) -> Weight {
        Weight::from_parts(10_000_000, 75_000)
            .saturating_add(T::DbWeight::get().reads(17))
            .saturating_add(Weight::from_parts(4_000_000, 2_600).saturating_mul(p.into()))
            .saturating_add(Weight::from_parts(700_000, 42).saturating_mul(e.into()))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(p.into()))
            .saturating_add(Weight::from_parts(100_000, 0).saturating_mul(b.into()))
            .saturating_add(Weight::from_parts(600_000, 2_600).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(n.into()))
    }
}

impl WeightInfo for () {
    fn register() -> Weight {
        Weight::from_parts(75_000_000, 12_000)
            .saturating_add(ParityDbWeight::get().reads(5))
            .saturating_add(ParityDbWeight::get().writes(10))
    }

    fn update() -> Weight {
        Weight::from_parts(70_000_000, 22_000)
            .saturating_add(ParityDbWeight::get().reads(8))
            .saturating_add(ParityDbWeight::get().writes(9))
    }

    fn bond_more() -> Weight {
        Weight::from_parts(60_000_000, 16_000)
            .saturating_add(ParityDbWeight::get().reads(7))
            .saturating_add(ParityDbWeight::get().writes(7))
    }

    fn heartbeat() -> Weight {
        Weight::from_parts(14_000_000, 3_600)
            .saturating_add(ParityDbWeight::get().reads(2))
            .saturating_add(ParityDbWeight::get().writes(1))
    }

    fn heartbeat_regains() -> Weight {
        Weight::from_parts(40_000_000, 16_000)
            .saturating_add(ParityDbWeight::get().reads(6))
            .saturating_add(ParityDbWeight::get().writes(6))
    }

    fn heartbeat_resumes() -> Weight {
        Weight::from_parts(45_000_000, 18_000)
            .saturating_add(ParityDbWeight::get().reads(8))
            .saturating_add(ParityDbWeight::get().writes(8))
    }

    fn deregister() -> Weight {
        Weight::from_parts(45_000_000, 20_000)
            .saturating_add(ParityDbWeight::get().reads(7))
            .saturating_add(ParityDbWeight::get().writes(8))
    }

    fn withdraw_bond() -> Weight {
        Weight::from_parts(50_000_000, 8_000)
            .saturating_add(ParityDbWeight::get().reads(4))
            .saturating_add(ParityDbWeight::get().writes(5))
    }

    fn watch(c: u32) -> Weight {
        Weight::from_parts(8_000_000, 10_000)
            .saturating_add(ParityDbWeight::get().reads(4))
            .saturating_add(ParityDbWeight::get().writes(4))
            .saturating_add(Weight::from_parts(900_000, 5_200).saturating_mul(c.into()))
            .saturating_add(ParityDbWeight::get().reads(2).saturating_mul(c.into()))
    }

    fn lapse() -> Weight {
        Weight::from_parts(120_000_000, 26_000)
            .saturating_add(ParityDbWeight::get().reads(11))
            .saturating_add(ParityDbWeight::get().writes(13))
    }

    fn rank(p: u32, e: u32, b: u32, n: u32) -> Weight {
        Weight::from_parts(10_000_000, 75_000)
            .saturating_add(ParityDbWeight::get().reads(17))
            .saturating_add(Weight::from_parts(4_000_000, 2_600).saturating_mul(p.into()))
            .saturating_add(Weight::from_parts(700_000, 42).saturating_mul(e.into()))
            .saturating_add(ParityDbWeight::get().reads(1).saturating_mul(p.into()))
            .saturating_add(Weight::from_parts(100_000, 0).saturating_mul(b.into()))
            .saturating_add(Weight::from_parts(600_000, 2_600).saturating_mul(n.into()))
            .saturating_add(ParityDbWeight::get().reads(1).saturating_mul(n.into()))
    }
}
