//! What the parts of `pallet_miners` cost: measured, not written by hand.
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
    fn register() -> Weight;
    fn update() -> Weight;
    fn bond_more() -> Weight;
    fn heartbeat() -> Weight;
    fn heartbeat_regains() -> Weight;
    fn heartbeat_resumes() -> Weight;
    fn deregister() -> Weight;
    fn withdraw_bond() -> Weight;
    fn watch(c: u32) -> Weight;
    fn lapse() -> Weight;
    fn rank(p: u32, e: u32, b: u32, n: u32) -> Weight;
}

/// At least 149 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 1 | 1 |
/// | `Miners::Accounts` | 0 | 1 |
/// | `Miners::BucketSizes` | 1 | 1 |
/// | `Miners::CheckQueue` | 1 | 0 |
/// | `Miners::Checks` | 1 | 1 |
/// | `Miners::Miners` | 1 | 1 |
/// | `Miners::NextNumber` | 1 | 1 |
/// | `Miners::Pages` | 1 | 1 |
/// | `Miners::Places` | 1 | 1 |
/// | `Miners::Pulses` | 0 | 1 |
/// | `Timestamp::Now` | 1 | 0 |
fn register(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(173_898_000, 28_112).saturating_add(db.reads_writes(9, 9))
}

/// At least 155 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Miners::BucketSizes` | 2 | 2 |
/// | `Miners::Miners` | 1 | 1 |
/// | `Miners::Pages` | 3 | 3 |
/// | `Miners::Places` | 1 | 2 |
/// | `Miners::Pulses` | 1 | 0 |
/// | `Timestamp::Now` | 1 | 0 |
fn update(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(175_520_000, 45_531).saturating_add(db.reads_writes(9, 8))
}

/// At least 135 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 1 | 1 |
/// | `Miners::BucketSizes` | 1 | 1 |
/// | `Miners::Miners` | 1 | 1 |
/// | `Miners::Pages` | 1 | 1 |
/// | `Miners::Places` | 1 | 1 |
/// | `Miners::Pulses` | 1 | 0 |
fn bond_more(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(148_099_000, 25_110).saturating_add(db.reads_writes(6, 5))
}

/// At least 12 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Miners::Clock` | 1 | 0 |
/// | `Miners::Pulses` | 1 | 1 |
/// | `Timestamp::Now` | 1 | 0 |
fn heartbeat(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(13_430_000, 3_554).saturating_add(db.reads_writes(3, 1))
}

/// At least 83 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Miners::BucketSizes` | 1 | 1 |
/// | `Miners::Clock` | 1 | 0 |
/// | `Miners::Miners` | 1 | 1 |
/// | `Miners::Pages` | 1 | 1 |
/// | `Miners::Places` | 1 | 1 |
/// | `Miners::Pulses` | 1 | 1 |
/// | `Timestamp::Now` | 1 | 0 |
fn heartbeat_regains(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(89_032_000, 23_492).saturating_add(db.reads_writes(7, 5))
}

/// At least 98 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Miners::BucketSizes` | 1 | 1 |
/// | `Miners::CheckQueue` | 1 | 0 |
/// | `Miners::Checks` | 1 | 1 |
/// | `Miners::Clock` | 1 | 0 |
/// | `Miners::Miners` | 1 | 1 |
/// | `Miners::Pages` | 1 | 1 |
/// | `Miners::Places` | 1 | 1 |
/// | `Miners::Pulses` | 1 | 1 |
/// | `Timestamp::Now` | 1 | 0 |
fn heartbeat_resumes(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(106_889_000, 28_032).saturating_add(db.reads_writes(9, 6))
}

/// At least 97 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Miners::BucketSizes` | 1 | 1 |
/// | `Miners::Miners` | 1 | 1 |
/// | `Miners::Pages` | 2 | 2 |
/// | `Miners::Places` | 1 | 2 |
/// | `Miners::Pulses` | 1 | 1 |
/// | `Timestamp::Now` | 1 | 0 |
fn deregister(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(103_233_000, 30_985).saturating_add(db.reads_writes(7, 7))
}

/// At least 61 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 1 | 1 |
/// | `Miners::Accounts` | 0 | 1 |
/// | `Miners::Miners` | 1 | 1 |
/// | `Miners::Pulses` | 1 | 1 |
/// | `Timestamp::Now` | 1 | 0 |
fn withdraw_bond(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(62_583_000, 8_573).saturating_add(db.reads_writes(4, 4))
}

/// At least 5 µs.
/// `c` was measured from 0 to 100.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Miners::Accounts` | 100 | 0 |
/// | `Miners::CheckQueue` | 1 | 1 |
/// | `Miners::Checks` | 1 | 2 |
/// | `Miners::Clock` | 1 | 1 |
/// | `Miners::Pulses` | 100 | 0 |
/// | `Timestamp::Now` | 1 | 0 |
fn watch(db: RuntimeDbWeight, c: u32) -> Weight {
    Weight::from_parts(8_033_700, 4_974)
        .saturating_add(db.reads_writes(4, 4))
        .saturating_add(Weight::from_parts(11_223_133, 5_088).saturating_mul(c.into()))
        .saturating_add(db.reads_writes(2, 0).saturating_mul(c.into()))
}

/// At least 150 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 1 | 1 |
/// | `Miners::BucketSizes` | 1 | 1 |
/// | `Miners::Miners` | 1 | 1 |
/// | `Miners::Pages` | 2 | 2 |
/// | `Miners::Places` | 1 | 2 |
/// | `Miners::Pulses` | 0 | 1 |
/// | `System::Account` | 2 | 2 |
/// | `Tasks::MinerTasks` | 1 | 0 |
/// | `Timestamp::Now` | 1 | 0 |
fn lapse(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(158_655_000, 39_320).saturating_add(db.reads_writes(10, 10))
}

/// At least 2_865 µs.
/// `p` was measured from 64 to 384.
/// `e` was measured from 128 to 8_192.
/// `b` was measured from 0 to 10_000.
/// `n` was measured from 1 to 64.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Miners::Accounts` | 64 | 0 |
/// | `Miners::BucketSizes` | 16 | 0 |
/// | `Miners::Pages` | 384 | 0 |
fn rank(db: RuntimeDbWeight, p: u32, e: u32, b: u32, n: u32) -> Weight {
    Weight::from_parts(684_024_314, 49_017)
        .saturating_add(db.reads_writes(16, 0))
        .saturating_add(Weight::from_parts(4_926_580, 2_629).saturating_mul(p.into()))
        .saturating_add(db.reads_writes(1, 0).saturating_mul(p.into()))
        .saturating_add(Weight::from_parts(225_490, 43).saturating_mul(e.into()))
        .saturating_add(Weight::from_parts(95_565, 0).saturating_mul(b.into()))
        .saturating_add(Weight::from_parts(352_379, 2_608).saturating_mul(n.into()))
        .saturating_add(db.reads_writes(1, 0).saturating_mul(n.into()))
}

/// Weights with the database of a runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn register() -> Weight {
        register(T::DbWeight::get())
    }
    fn update() -> Weight {
        update(T::DbWeight::get())
    }
    fn bond_more() -> Weight {
        bond_more(T::DbWeight::get())
    }
    fn heartbeat() -> Weight {
        heartbeat(T::DbWeight::get())
    }
    fn heartbeat_regains() -> Weight {
        heartbeat_regains(T::DbWeight::get())
    }
    fn heartbeat_resumes() -> Weight {
        heartbeat_resumes(T::DbWeight::get())
    }
    fn deregister() -> Weight {
        deregister(T::DbWeight::get())
    }
    fn withdraw_bond() -> Weight {
        withdraw_bond(T::DbWeight::get())
    }
    fn watch(c: u32) -> Weight {
        watch(T::DbWeight::get(), c)
    }
    fn lapse() -> Weight {
        lapse(T::DbWeight::get())
    }
    fn rank(p: u32, e: u32, b: u32, n: u32) -> Weight {
        rank(T::DbWeight::get(), p, e, b, n)
    }
}

impl WeightInfo for () {
    fn register() -> Weight {
        register(RocksDbWeight::get())
    }
    fn update() -> Weight {
        update(RocksDbWeight::get())
    }
    fn bond_more() -> Weight {
        bond_more(RocksDbWeight::get())
    }
    fn heartbeat() -> Weight {
        heartbeat(RocksDbWeight::get())
    }
    fn heartbeat_regains() -> Weight {
        heartbeat_regains(RocksDbWeight::get())
    }
    fn heartbeat_resumes() -> Weight {
        heartbeat_resumes(RocksDbWeight::get())
    }
    fn deregister() -> Weight {
        deregister(RocksDbWeight::get())
    }
    fn withdraw_bond() -> Weight {
        withdraw_bond(RocksDbWeight::get())
    }
    fn watch(c: u32) -> Weight {
        watch(RocksDbWeight::get(), c)
    }
    fn lapse() -> Weight {
        lapse(RocksDbWeight::get())
    }
    fn rank(p: u32, e: u32, b: u32, n: u32) -> Weight {
        rank(RocksDbWeight::get(), p, e, b, n)
    }
}
