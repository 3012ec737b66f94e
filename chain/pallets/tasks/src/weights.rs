//! What the parts of `pallet_tasks` cost: measured, not written by hand.
//!
//! `scripts/weights.sh`, 2026-11-22, AMD EPYC; 6 values of each component, 20 times each.
#![allow(missing_docs, reason = "the names are the benchmarks', which say what they measure")]

use core::marker::PhantomData;
use polkadot_sdk::frame_support::traits::Get;
use polkadot_sdk::frame_support::weights::constants::RocksDbWeight;
use polkadot_sdk::frame_support::weights::{RuntimeDbWeight, Weight};
use polkadot_sdk::frame_system;

/// What the benchmarks measure.
pub trait WeightInfo {
    fn submit(n: u32) -> Weight;
    fn provide_keys(n: u32) -> Weight;
    fn confirm() -> Weight;
    fn decline(n: u32) -> Weight;
    fn vacate(n: u32) -> Weight;
    fn stop(n: u32) -> Weight;
    fn refuse() -> Weight;
    fn look() -> Weight;
    fn task_due(n: u32) -> Weight;
    fn departure(n: u32) -> Weight;
    fn forget() -> Weight;
}

/// At least 482 µs.
/// `n` was measured from 1 to 16.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 1 | 1 |
/// | `Miners::Accounts` | 16 | 0 |
/// | `Miners::BucketSizes` | 16 | 2 |
/// | `Miners::Miners` | 16 | 16 |
/// | `Miners::Pages` | 48 | 48 |
/// | `Miners::Places` | 16 | 32 |
/// | `Miners::Pulses` | 16 | 0 |
/// | `Models::Models` | 1 | 1 |
/// | `Payments::Escrows` | 1 | 1 |
/// | `Payments::Meters` | 16 | 16 |
/// | `Tasks::AgendaCursor` | 1 | 0 |
/// | `Tasks::AgendaPageCount` | 1 | 0 |
/// | `Tasks::AgendaPages` | 1 | 1 |
/// | `Tasks::MinerTasks` | 16 | 16 |
/// | `Tasks::NextTask` | 1 | 1 |
/// | `Tasks::Tasks` | 0 | 1 |
/// | `Timestamp::Now` | 1 | 0 |
fn submit(db: RuntimeDbWeight, n: u32) -> Weight {
    Weight::from_parts(351_464_469, 16_541)
        .saturating_add(db.reads_writes(24, 8))
        .saturating_add(Weight::from_parts(156_568_887, 40_127).saturating_mul(n.into()))
        .saturating_add(db.reads_writes(9, 8).saturating_mul(n.into()))
}

/// At least 42 µs.
/// `n` was measured from 1 to 16.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Tasks::Tasks` | 1 | 1 |
/// | `Tasks::Wraps` | 0 | 16 |
/// | `Timestamp::Now` | 1 | 0 |
fn provide_keys(db: RuntimeDbWeight, n: u32) -> Weight {
    Weight::from_parts(54_640_024, 4_595)
        .saturating_add(db.reads_writes(2, 1))
        .saturating_add(Weight::from_parts(7_829_811, 0).saturating_mul(n.into()))
        .saturating_add(db.reads_writes(0, 1).saturating_mul(n.into()))
}

/// At least 53 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Models::Models` | 1 | 0 |
/// | `System::BlockHash` | 1 | 0 |
/// | `Tasks::Attestations` | 0 | 1 |
/// | `Tasks::Tasks` | 1 | 1 |
/// | `Timestamp::Now` | 1 | 0 |
fn confirm(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(59_929_000, 9_811).saturating_add(db.reads_writes(4, 2))
}

/// At least 500 µs.
/// `n` was measured from 1 to 16.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Miners::Accounts` | 32 | 0 |
/// | `Miners::BucketSizes` | 16 | 2 |
/// | `Miners::Miners` | 17 | 17 |
/// | `Miners::Pages` | 96 | 50 |
/// | `Miners::Places` | 17 | 33 |
/// | `Miners::Pulses` | 17 | 0 |
/// | `Models::Models` | 1 | 0 |
/// | `Payments::Escrows` | 1 | 1 |
/// | `Payments::Meters` | 16 | 16 |
/// | `Tasks::AgendaCursor` | 1 | 0 |
/// | `Tasks::AgendaPageCount` | 1 | 1 |
/// | `Tasks::AgendaPages` | 2 | 2 |
/// | `Tasks::Declines` | 1 | 1 |
/// | `Tasks::MinerTasks` | 17 | 17 |
/// | `Tasks::Tasks` | 1 | 1 |
/// | `Tasks::Wraps` | 0 | 1 |
/// | `Timestamp::Now` | 1 | 0 |
fn decline(db: RuntimeDbWeight, n: u32) -> Weight {
    Weight::from_parts(352_984_816, 35_615)
        .saturating_add(db.reads_writes(29, 14))
        .saturating_add(Weight::from_parts(179_195_699, 66_658).saturating_mul(n.into()))
        .saturating_add(db.reads_writes(13, 8).saturating_mul(n.into()))
}

/// At least 735 µs.
/// `n` was measured from 1 to 16.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 1 | 1 |
/// | `Miners::Accounts` | 32 | 0 |
/// | `Miners::BucketSizes` | 16 | 2 |
/// | `Miners::Miners` | 17 | 17 |
/// | `Miners::Pages` | 96 | 50 |
/// | `Miners::Places` | 17 | 33 |
/// | `Miners::Pulses` | 17 | 1 |
/// | `Models::Models` | 1 | 0 |
/// | `Payments::Escrows` | 1 | 1 |
/// | `Payments::Meters` | 17 | 16 |
/// | `System::Account` | 2 | 2 |
/// | `Tasks::AgendaCursor` | 1 | 0 |
/// | `Tasks::AgendaPageCount` | 1 | 1 |
/// | `Tasks::AgendaPages` | 2 | 2 |
/// | `Tasks::MinerTasks` | 17 | 17 |
/// | `Tasks::Tasks` | 1 | 1 |
/// | `Tasks::Wraps` | 0 | 1 |
/// | `Timestamp::Now` | 1 | 0 |
fn vacate(db: RuntimeDbWeight, n: u32) -> Weight {
    Weight::from_parts(674_972_336, 43_549)
        .saturating_add(db.reads_writes(32, 17))
        .saturating_add(Weight::from_parts(166_291_416, 66_658).saturating_mul(n.into()))
        .saturating_add(db.reads_writes(13, 8).saturating_mul(n.into()))
}

/// At least 265 µs.
/// `n` was measured from 1 to 32.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 1 | 1 |
/// | `Miners::BucketSizes` | 2 | 2 |
/// | `Miners::Miners` | 32 | 32 |
/// | `Miners::Pages` | 64 | 64 |
/// | `Miners::Places` | 32 | 32 |
/// | `Miners::Pulses` | 32 | 0 |
/// | `Models::Models` | 1 | 1 |
/// | `Payments::Escrows` | 1 | 1 |
/// | `Payments::Meters` | 32 | 32 |
/// | `Proofs::Owed` | 0 | 32 |
/// | `Reports::Records` | 0 | 32 |
/// | `Tasks::AgendaCursor` | 1 | 0 |
/// | `Tasks::AgendaPageCount` | 1 | 1 |
/// | `Tasks::AgendaPages` | 2 | 2 |
/// | `Tasks::Attestations` | 0 | 32 |
/// | `Tasks::Ended` | 0 | 1 |
/// | `Tasks::MinerTasks` | 32 | 32 |
/// | `Tasks::Tasks` | 1 | 1 |
/// | `Tasks::Wraps` | 0 | 32 |
/// | `Timestamp::Now` | 1 | 0 |
fn stop(db: RuntimeDbWeight, n: u32) -> Weight {
    Weight::from_parts(173_094_199, 37_831)
        .saturating_add(db.reads_writes(11, 10))
        .saturating_add(Weight::from_parts(125_194_779, 29_604).saturating_mul(n.into()))
        .saturating_add(db.reads_writes(7, 10).saturating_mul(n.into()))
}

/// At least 234 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Miners::BucketSizes` | 2 | 2 |
/// | `Miners::Miners` | 1 | 1 |
/// | `Miners::Pages` | 3 | 3 |
/// | `Miners::Places` | 1 | 2 |
/// | `Miners::Pulses` | 1 | 0 |
/// | `Tasks::MinerTasks` | 1 | 0 |
/// | `Timestamp::Now` | 1 | 0 |
fn refuse(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(239_054_000, 35_484).saturating_add(db.reads_writes(10, 8))
}

/// At least 11 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Tasks::AgendaPageCount` | 1 | 0 |
/// | `Tasks::AgendaPages` | 1 | 1 |
fn look(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(12_408_000, 7_112).saturating_add(db.reads_writes(2, 1))
}

/// At least 551 µs.
/// `n` was measured from 1 to 16.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 16 | 16 |
/// | `Miners::Accounts` | 32 | 0 |
/// | `Miners::BucketSizes` | 16 | 2 |
/// | `Miners::Miners` | 32 | 32 |
/// | `Miners::Pages` | 96 | 80 |
/// | `Miners::Places` | 32 | 48 |
/// | `Miners::Pulses` | 32 | 16 |
/// | `Models::Models` | 1 | 0 |
/// | `Payments::Escrows` | 1 | 1 |
/// | `Payments::Meters` | 16 | 16 |
/// | `System::Account` | 17 | 17 |
/// | `Tasks::AgendaCursor` | 1 | 0 |
/// | `Tasks::AgendaPageCount` | 1 | 1 |
/// | `Tasks::AgendaPages` | 1 | 1 |
/// | `Tasks::MinerTasks` | 32 | 32 |
/// | `Tasks::Tasks` | 0 | 1 |
/// | `Tasks::Wraps` | 0 | 16 |
/// | `Timestamp::Now` | 1 | 0 |
fn task_due(db: RuntimeDbWeight, n: u32) -> Weight {
    Weight::from_parts(211_609_552, 16_009)
        .saturating_add(db.reads_writes(23, 7))
        .saturating_add(Weight::from_parts(361_214_778, 82_862).saturating_mul(n.into()))
        .saturating_add(db.reads_writes(19, 17).saturating_mul(n.into()))
}

/// At least 486 µs.
/// `n` was measured from 1 to 16.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Miners::Accounts` | 32 | 0 |
/// | `Miners::BucketSizes` | 16 | 2 |
/// | `Miners::Miners` | 17 | 17 |
/// | `Miners::Pages` | 96 | 50 |
/// | `Miners::Places` | 17 | 33 |
/// | `Miners::Pulses` | 17 | 0 |
/// | `Models::Models` | 1 | 0 |
/// | `Payments::Escrows` | 1 | 1 |
/// | `Payments::Meters` | 16 | 16 |
/// | `Tasks::AgendaCursor` | 1 | 0 |
/// | `Tasks::AgendaPageCount` | 1 | 1 |
/// | `Tasks::AgendaPages` | 2 | 2 |
/// | `Tasks::Departing` | 0 | 1 |
/// | `Tasks::MinerTasks` | 17 | 17 |
/// | `Tasks::Tasks` | 1 | 1 |
/// | `Tasks::Wraps` | 0 | 1 |
/// | `Timestamp::Now` | 1 | 0 |
fn departure(db: RuntimeDbWeight, n: u32) -> Weight {
    Weight::from_parts(293_319_444, 33_084)
        .saturating_add(db.reads_writes(28, 14))
        .saturating_add(Weight::from_parts(203_947_556, 66_658).saturating_mul(n.into()))
        .saturating_add(db.reads_writes(13, 8).saturating_mul(n.into()))
}

/// At least 1 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Tasks::Ended` | 0 | 1 |
fn forget(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(2_083_000, 0).saturating_add(db.reads_writes(0, 1))
}

/// Weights with the database of a runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn submit(n: u32) -> Weight {
        submit(T::DbWeight::get(), n)
    }
    fn provide_keys(n: u32) -> Weight {
        provide_keys(T::DbWeight::get(), n)
    }
    fn confirm() -> Weight {
        confirm(T::DbWeight::get())
    }
    fn decline(n: u32) -> Weight {
        decline(T::DbWeight::get(), n)
    }
    fn vacate(n: u32) -> Weight {
        vacate(T::DbWeight::get(), n)
    }
    fn stop(n: u32) -> Weight {
        stop(T::DbWeight::get(), n)
    }
    fn refuse() -> Weight {
        refuse(T::DbWeight::get())
    }
    fn look() -> Weight {
        look(T::DbWeight::get())
    }
    fn task_due(n: u32) -> Weight {
        task_due(T::DbWeight::get(), n)
    }
    fn departure(n: u32) -> Weight {
        departure(T::DbWeight::get(), n)
    }
    fn forget() -> Weight {
        forget(T::DbWeight::get())
    }
}

impl WeightInfo for () {
    fn submit(n: u32) -> Weight {
        submit(RocksDbWeight::get(), n)
    }
    fn provide_keys(n: u32) -> Weight {
        provide_keys(RocksDbWeight::get(), n)
    }
    fn confirm() -> Weight {
        confirm(RocksDbWeight::get())
    }
    fn decline(n: u32) -> Weight {
        decline(RocksDbWeight::get(), n)
    }
    fn vacate(n: u32) -> Weight {
        vacate(RocksDbWeight::get(), n)
    }
    fn stop(n: u32) -> Weight {
        stop(RocksDbWeight::get(), n)
    }
    fn refuse() -> Weight {
        refuse(RocksDbWeight::get())
    }
    fn look() -> Weight {
        look(RocksDbWeight::get())
    }
    fn task_due(n: u32) -> Weight {
        task_due(RocksDbWeight::get(), n)
    }
    fn departure(n: u32) -> Weight {
        departure(RocksDbWeight::get(), n)
    }
    fn forget() -> Weight {
        forget(RocksDbWeight::get())
    }
}
