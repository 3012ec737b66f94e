//! What the parts of `pallet_proofs` cost: measured, not written by hand.
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
    fn submit(n: u32) -> Weight;
    fn set_anchor() -> Weight;
    fn commit() -> Weight;
    fn reveal() -> Weight;
    fn prove_samples(n: u32) -> Weight;
    fn challenge() -> Weight;
    fn answer() -> Weight;
    fn demand() -> Weight;
    fn equivocation() -> Weight;
    fn no_deadline() -> Weight;
    fn end_reveal() -> Weight;
    fn end_prove() -> Weight;
    fn end_answer() -> Weight;
    fn end_demand() -> Weight;
}

/// At least 364 µs.
/// `n` was measured from 1 to 64.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 65 | 65 |
/// | `Miners::BucketSizes` | 1 | 1 |
/// | `Miners::Miners` | 1 | 1 |
/// | `Miners::Pages` | 1 | 1 |
/// | `Miners::Places` | 1 | 1 |
/// | `Miners::Pulses` | 1 | 1 |
/// | `Models::Models` | 64 | 0 |
/// | `Payments::Escrows` | 64 | 64 |
/// | `Payments::Meters` | 64 | 64 |
/// | `Proofs::Offences` | 1 | 1 |
/// | `Proofs::Owed` | 64 | 0 |
/// | `System::Account` | 66 | 66 |
/// | `System::BlockHash` | 1 | 0 |
/// | `Tasks::AgendaCursor` | 1 | 0 |
/// | `Tasks::AgendaPageCount` | 1 | 1 |
/// | `Tasks::AgendaPages` | 1 | 1 |
/// | `Tasks::Departing` | 1 | 1 |
/// | `Tasks::MinerTasks` | 1 | 0 |
/// | `Tasks::Tasks` | 64 | 0 |
/// | `Timestamp::Now` | 1 | 0 |
fn submit(db: RuntimeDbWeight, n: u32) -> Weight {
    Weight::from_parts(368_677_000, 48_148)
        .saturating_add(db.reads_writes(16, 12))
        .saturating_add(Weight::from_parts(294_835_062, 21_871).saturating_mul(n.into()))
        .saturating_add(db.reads_writes(7, 4).saturating_mul(n.into()))
}

/// At least 38 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Proofs::Owed` | 1 | 1 |
/// | `Tasks::Tasks` | 1 | 0 |
fn set_anchor(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(40_390_000, 8_500).saturating_add(db.reads_writes(2, 1))
}

/// At least 240 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 1 | 1 |
/// | `Miners::Miners` | 1 | 1 |
/// | `Miners::Pages` | 1 | 1 |
/// | `Miners::Places` | 1 | 0 |
/// | `Miners::Pulses` | 1 | 1 |
/// | `Proofs::Offences` | 1 | 1 |
/// | `Proofs::Owed` | 1 | 0 |
/// | `System::Account` | 3 | 3 |
/// | `System::BlockHash` | 1 | 0 |
/// | `Tasks::Tasks` | 1 | 0 |
/// | `Timestamp::Now` | 1 | 0 |
fn commit(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(248_930_000, 42_407).saturating_add(db.reads_writes(13, 8))
}

/// At least 211 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Proofs::Deadlines` | 0 | 1 |
/// | `Proofs::Owed` | 1 | 1 |
/// | `Proofs::Queues` | 1 | 1 |
/// | `System::BlockHash` | 2 | 0 |
/// | `System::ParentHash` | 1 | 0 |
/// | `Tasks::Tasks` | 1 | 0 |
/// | `Timestamp::Now` | 1 | 0 |
fn reveal(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(220_387_000, 17_068).saturating_add(db.reads_writes(7, 3))
}

/// At least 185 µs.
/// `n` was measured from 0 to 64.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 2 | 2 |
/// | `Miners::BucketSizes` | 1 | 1 |
/// | `Miners::Miners` | 1 | 1 |
/// | `Miners::Pages` | 1 | 1 |
/// | `Miners::Places` | 1 | 1 |
/// | `Miners::Pulses` | 1 | 1 |
/// | `Models::Models` | 1 | 0 |
/// | `Payments::Escrows` | 1 | 1 |
/// | `Payments::Meters` | 1 | 1 |
/// | `Proofs::Offences` | 1 | 1 |
/// | `Proofs::Owed` | 1 | 1 |
/// | `System::Account` | 3 | 3 |
/// | `System::BlockHash` | 1 | 0 |
/// | `Tasks::AgendaCursor` | 1 | 0 |
/// | `Tasks::AgendaPageCount` | 1 | 1 |
/// | `Tasks::AgendaPages` | 1 | 1 |
/// | `Tasks::Departing` | 1 | 1 |
/// | `Tasks::MinerTasks` | 1 | 0 |
/// | `Tasks::Tasks` | 1 | 0 |
/// | `Timestamp::Now` | 1 | 0 |
fn prove_samples(db: RuntimeDbWeight, n: u32) -> Weight {
    Weight::from_parts(188_209_000, 66_719)
        .saturating_add(db.reads_writes(23, 17))
        .saturating_add(Weight::from_parts(181_797_513, 496).saturating_mul(n.into()))
}

/// At least 108 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Proofs::Deadlines` | 0 | 1 |
/// | `Proofs::Owed` | 1 | 1 |
/// | `Proofs::Queues` | 1 | 1 |
/// | `System::BlockHash` | 1 | 0 |
/// | `Tasks::Tasks` | 1 | 0 |
/// | `Timestamp::Now` | 1 | 0 |
fn challenge(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(123_864_000, 14_022).saturating_add(db.reads_writes(5, 3))
}

/// At least 191 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 1 | 1 |
/// | `Payments::Escrows` | 1 | 1 |
/// | `Payments::Meters` | 1 | 1 |
/// | `Proofs::Owed` | 1 | 1 |
/// | `System::Account` | 3 | 3 |
/// | `System::BlockHash` | 1 | 0 |
/// | `Tasks::Tasks` | 1 | 0 |
/// | `Timestamp::Now` | 1 | 0 |
fn answer(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(206_005_000, 27_181).saturating_add(db.reads_writes(10, 7))
}

/// At least 230 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 1 | 1 |
/// | `Payments::Escrows` | 1 | 1 |
/// | `Payments::Meters` | 1 | 1 |
/// | `Proofs::Deadlines` | 0 | 1 |
/// | `Proofs::Owed` | 1 | 1 |
/// | `Proofs::Queues` | 1 | 1 |
/// | `System::Account` | 3 | 3 |
/// | `System::BlockHash` | 1 | 0 |
/// | `Tasks::Tasks` | 1 | 0 |
/// | `Timestamp::Now` | 1 | 0 |
fn demand(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(245_254_000, 29_681).saturating_add(db.reads_writes(11, 9))
}

/// At least 328 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 1 | 1 |
/// | `Miners::BucketSizes` | 1 | 1 |
/// | `Miners::Miners` | 1 | 1 |
/// | `Miners::Pages` | 1 | 1 |
/// | `Miners::Places` | 1 | 1 |
/// | `Miners::Pulses` | 1 | 1 |
/// | `Proofs::Offences` | 1 | 1 |
/// | `Proofs::Owed` | 1 | 1 |
/// | `System::Account` | 3 | 3 |
/// | `System::BlockHash` | 1 | 0 |
/// | `Tasks::AgendaCursor` | 1 | 0 |
/// | `Tasks::AgendaPageCount` | 1 | 1 |
/// | `Tasks::AgendaPages` | 1 | 1 |
/// | `Tasks::Departing` | 1 | 1 |
/// | `Tasks::MinerTasks` | 1 | 0 |
/// | `Tasks::Tasks` | 1 | 0 |
/// | `Timestamp::Now` | 1 | 0 |
fn equivocation(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(340_405_000, 62_124).saturating_add(db.reads_writes(19, 14))
}

/// At least 30 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Proofs::Deadlines` | 4 | 0 |
/// | `Proofs::Queues` | 4 | 0 |
/// | `Timestamp::Now` | 1 | 0 |
fn no_deadline(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(31_366_000, 20_727).saturating_add(db.reads_writes(9, 0))
}

/// At least 205 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Proofs::Deadlines` | 1 | 2 |
/// | `Proofs::Owed` | 1 | 1 |
/// | `Proofs::Queues` | 2 | 2 |
/// | `System::BlockHash` | 2 | 0 |
/// | `System::ParentHash` | 1 | 0 |
/// | `Tasks::Tasks` | 1 | 0 |
/// | `Timestamp::Now` | 1 | 0 |
fn end_reveal(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(210_542_000, 22_124).saturating_add(db.reads_writes(9, 5))
}

/// At least 222 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 1 | 1 |
/// | `Miners::Miners` | 1 | 1 |
/// | `Miners::Pages` | 1 | 1 |
/// | `Miners::Places` | 1 | 0 |
/// | `Miners::Pulses` | 1 | 1 |
/// | `Payments::Escrows` | 1 | 1 |
/// | `Payments::Meters` | 1 | 1 |
/// | `Proofs::Deadlines` | 1 | 1 |
/// | `Proofs::Offences` | 1 | 1 |
/// | `Proofs::Owed` | 1 | 1 |
/// | `Proofs::Queues` | 1 | 1 |
/// | `System::Account` | 3 | 3 |
/// | `Tasks::Tasks` | 1 | 0 |
/// | `Timestamp::Now` | 1 | 0 |
fn end_prove(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(238_324_000, 50_162).saturating_add(db.reads_writes(16, 13))
}

/// At least 259 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 1 | 1 |
/// | `Miners::BucketSizes` | 1 | 1 |
/// | `Miners::Miners` | 1 | 1 |
/// | `Miners::Pages` | 1 | 1 |
/// | `Miners::Places` | 1 | 1 |
/// | `Miners::Pulses` | 1 | 1 |
/// | `Payments::Escrows` | 1 | 1 |
/// | `Payments::Meters` | 1 | 1 |
/// | `Proofs::Deadlines` | 1 | 1 |
/// | `Proofs::Offences` | 1 | 1 |
/// | `Proofs::Owed` | 1 | 1 |
/// | `Proofs::Queues` | 1 | 1 |
/// | `System::Account` | 3 | 3 |
/// | `Tasks::AgendaCursor` | 1 | 0 |
/// | `Tasks::AgendaPageCount` | 1 | 1 |
/// | `Tasks::AgendaPages` | 1 | 1 |
/// | `Tasks::Departing` | 1 | 1 |
/// | `Tasks::MinerTasks` | 1 | 0 |
/// | `Tasks::Tasks` | 1 | 0 |
/// | `Timestamp::Now` | 1 | 0 |
fn end_answer(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(278_944_000, 69_879).saturating_add(db.reads_writes(22, 18))
}

/// At least 199 µs.
///
/// | item | reads | writes |
/// |---|---|---|
/// | `Balances::Holds` | 1 | 1 |
/// | `Miners::Miners` | 1 | 1 |
/// | `Miners::Pages` | 1 | 1 |
/// | `Miners::Places` | 1 | 0 |
/// | `Miners::Pulses` | 1 | 1 |
/// | `Proofs::Deadlines` | 1 | 1 |
/// | `Proofs::Offences` | 1 | 1 |
/// | `Proofs::Owed` | 1 | 1 |
/// | `Proofs::Queues` | 1 | 1 |
/// | `System::Account` | 3 | 3 |
/// | `System::BlockHash` | 1 | 0 |
/// | `Tasks::Tasks` | 1 | 0 |
/// | `Timestamp::Now` | 1 | 0 |
fn end_demand(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(207_348_000, 47_463).saturating_add(db.reads_writes(15, 11))
}

/// Weights with the database of a runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn submit(n: u32) -> Weight {
        submit(T::DbWeight::get(), n)
    }
    fn set_anchor() -> Weight {
        set_anchor(T::DbWeight::get())
    }
    fn commit() -> Weight {
        commit(T::DbWeight::get())
    }
    fn reveal() -> Weight {
        reveal(T::DbWeight::get())
    }
    fn prove_samples(n: u32) -> Weight {
        prove_samples(T::DbWeight::get(), n)
    }
    fn challenge() -> Weight {
        challenge(T::DbWeight::get())
    }
    fn answer() -> Weight {
        answer(T::DbWeight::get())
    }
    fn demand() -> Weight {
        demand(T::DbWeight::get())
    }
    fn equivocation() -> Weight {
        equivocation(T::DbWeight::get())
    }
    fn no_deadline() -> Weight {
        no_deadline(T::DbWeight::get())
    }
    fn end_reveal() -> Weight {
        end_reveal(T::DbWeight::get())
    }
    fn end_prove() -> Weight {
        end_prove(T::DbWeight::get())
    }
    fn end_answer() -> Weight {
        end_answer(T::DbWeight::get())
    }
    fn end_demand() -> Weight {
        end_demand(T::DbWeight::get())
    }
}

impl WeightInfo for () {
    fn submit(n: u32) -> Weight {
        submit(RocksDbWeight::get(), n)
    }
    fn set_anchor() -> Weight {
        set_anchor(RocksDbWeight::get())
    }
    fn commit() -> Weight {
        commit(RocksDbWeight::get())
    }
    fn reveal() -> Weight {
        reveal(RocksDbWeight::get())
    }
    fn prove_samples(n: u32) -> Weight {
        prove_samples(RocksDbWeight::get(), n)
    }
    fn challenge() -> Weight {
        challenge(RocksDbWeight::get())
    }
    fn answer() -> Weight {
        answer(RocksDbWeight::get())
    }
    fn demand() -> Weight {
        demand(RocksDbWeight::get())
    }
    fn equivocation() -> Weight {
        equivocation(RocksDbWeight::get())
    }
    fn no_deadline() -> Weight {
        no_deadline(RocksDbWeight::get())
    }
    fn end_reveal() -> Weight {
        end_reveal(RocksDbWeight::get())
    }
    fn end_prove() -> Weight {
        end_prove(RocksDbWeight::get())
    }
    fn end_answer() -> Weight {
        end_answer(RocksDbWeight::get())
    }
    fn end_demand() -> Weight {
        end_demand(RocksDbWeight::get())
    }
}
