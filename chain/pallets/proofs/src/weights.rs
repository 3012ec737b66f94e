//! What calls and deadlines cost beside the verification of proofs, which the verifier says itself.
//!
//! Estimates, until the benchmarks have been run on the reference machine: storage accesses counted
//! from the code, 60 µs a signature check, 1 µs a hashed node of a tree.

use core::marker::PhantomData;
use polkadot_sdk::frame_support::traits::Get;
use polkadot_sdk::frame_support::weights::{RuntimeDbWeight, Weight};
use polkadot_sdk::frame_system;

/// Weights of this pallet.
pub trait WeightInfo {
    /// `n` submissions, all examined, verified apart from it, and punished.
    fn submit(n: u32) -> Weight;
    /// An anchor.
    fn set_anchor() -> Weight;
    /// A commitment.
    fn commit() -> Weight;
    /// A draw of the most samples.
    fn reveal() -> Weight;
    /// `n` samples, all examined, verified apart from it, and punished.
    fn prove_samples(n: u32) -> Weight;
    /// A challenge.
    fn challenge() -> Weight;
    /// An answer with the longest path, which pays the period.
    fn answer() -> Weight;
    /// A demand.
    fn demand() -> Weight;
    /// Two receipts.
    fn equivocation() -> Weight;
    /// No deadline is over.
    fn no_deadline() -> Weight;
    /// A draw without the owner.
    fn end_reveal() -> Weight;
    /// An unproven period.
    fn end_prove() -> Weight;
    /// An unanswered challenge.
    fn end_answer() -> Weight;
    /// An unproven demand.
    fn end_demand() -> Weight;
}

const MICROSECOND: u64 = 1_000_000;
const SIGNATURE_US: u64 = 60;
const PATH_US: u64 = 25;
/// What reading a record adds to a proof of storage, with its path in the tries.
const RECORD_BYTES: u64 = 2_500;

/// Weights with the runtime's cost of storage.
pub struct SubstrateWeight<T>(PhantomData<T>);

fn weight(time_us: u64, reads: u64, writes: u64, db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(time_us.saturating_mul(MICROSECOND), reads.saturating_mul(RECORD_BYTES))
        .saturating_add(db.reads_writes(reads, writes))
}

/// Reads and writes of a punishment: evidence, bond, balances, reputation, index of the miner.
const PUNISH: (u64, u64) = (8, 8);
/// Reads and writes of a payment: escrow, meter, three accounts and their holds.
const PAY: (u64, u64) = (8, 8);

fn items(n: u32, hashing_us: u64, db: RuntimeDbWeight) -> Weight {
    let n = u64::from(n);
    // Each: engagement, obligations, settled numbers, model; two signatures where the delegate signed.
    let each_us = 2 * SIGNATURE_US + 20 + hashing_us;
    let (reads, writes) = (PUNISH.0.max(PAY.0) + 5, PUNISH.1.max(PAY.1) + 1);
    weight(
        each_us.saturating_mul(n).saturating_add(50),
        reads.saturating_mul(n).saturating_add(2),
        writes.saturating_mul(n).saturating_add(1),
        db,
    )
}

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn submit(n: u32) -> Weight {
        items(n, 0, T::DbWeight::get())
    }
    fn set_anchor() -> Weight {
        weight(30, 2, 1, T::DbWeight::get())
    }
    fn commit() -> Weight {
        weight(60 + 2 * SIGNATURE_US, 6 + PUNISH.0, 4 + PUNISH.1, T::DbWeight::get())
    }
    fn reveal() -> Weight {
        weight(400, 7, 4, T::DbWeight::get())
    }
    fn prove_samples(n: u32) -> Weight {
        items(n, PATH_US, T::DbWeight::get()).saturating_add(T::DbWeight::get().reads_writes(PAY.0, PAY.1))
    }
    fn challenge() -> Weight {
        weight(40 + SIGNATURE_US, 5, 3, T::DbWeight::get())
    }
    fn answer() -> Weight {
        weight(40 + PATH_US, 4 + PAY.0, 1 + PAY.1, T::DbWeight::get())
    }
    fn demand() -> Weight {
        weight(50 + SIGNATURE_US, 6 + PAY.0, 3 + PAY.1, T::DbWeight::get())
    }
    fn equivocation() -> Weight {
        weight(60 + 2 * SIGNATURE_US, 4 + PUNISH.0, 1 + PUNISH.1, T::DbWeight::get())
    }
    fn no_deadline() -> Weight {
        weight(10, 9, 0, T::DbWeight::get())
    }
    fn end_reveal() -> Weight {
        weight(400, 8, 5, T::DbWeight::get())
    }
    fn end_prove() -> Weight {
        weight(60, 5 + PUNISH.0 + PAY.0, 3 + PUNISH.1 + PAY.1, T::DbWeight::get())
    }
    fn end_answer() -> Weight {
        weight(60, 5 + PUNISH.0 + PAY.0, 3 + PUNISH.1 + PAY.1, T::DbWeight::get())
    }
    fn end_demand() -> Weight {
        weight(40, 5 + PUNISH.0, 3 + PUNISH.1, T::DbWeight::get())
    }
}
