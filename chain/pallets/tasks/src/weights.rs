//! What the calls cost: estimates until the benchmarks have run on reference hardware.
//!
//! Reads and writes are counted from the code, those of the other pallets included; ranking is
//! added where it happens, by what the register says. `n` counts miners: those engaged, wrapped
//! for, or in the task's list.
#![allow(missing_docs, reason = "the names are the calls'")]

use core::marker::PhantomData;
use polkadot_sdk::frame_support::traits::Get;
use polkadot_sdk::frame_support::weights::constants::RocksDbWeight;
use polkadot_sdk::frame_support::weights::{RuntimeDbWeight, Weight};
use polkadot_sdk::frame_system;

/// What each call and each step of the agenda costs.
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

/// Bytes of a storage proof per value read: the value, and its share of the trie.
const PROOF_BYTES_PER_READ: u64 = 2_500;

/// A weight from microseconds of computing, and counts of reads and writes: a part that is fixed,
/// and one for each of `n` miners.
fn estimate(db: RuntimeDbWeight, n: u32, fixed: [u64; 3], each: [u64; 3]) -> Weight {
    let [time_us, reads, writes]: [u64; 3] =
        core::array::from_fn(|i| fixed[i].saturating_add(each[i].saturating_mul(n.into())));
    Weight::from_parts(time_us.saturating_mul(1_000_000), reads.saturating_mul(PROOF_BYTES_PER_READ))
        .saturating_add(db.reads_writes(reads, writes))
}

/// The same counts for both databases.
macro_rules! estimates {
    ($db:expr) => {
        /// Task, escrow, model, agenda; for each miner its record, its entry, its list, its meter.
        fn submit(n: u32) -> Weight {
            estimate($db, n, [100, 12, 12], [40, 7, 7])
        }
        /// Task; for each miner the wrapped key.
        fn provide_keys(n: u32) -> Weight {
            estimate($db, n, [40, 6, 4], [6, 0, 1])
        }
        /// Task, model, block hash, evidence.
        fn confirm() -> Weight {
            estimate($db, 0, [50, 7, 4], [0, 0, 0])
        }
        /// One miner freed; as many engaged as are missing; or the task vacated.
        fn decline(n: u32) -> Weight {
            estimate($db, n, [80, 16, 16], [40, 12, 14])
        }
        /// As declining, and one punished.
        fn vacate(n: u32) -> Weight {
            estimate($db, n, [140, 24, 22], [40, 12, 14])
        }
        /// The task vacated: each miner freed and what others kept of it forgotten.
        fn stop(n: u32) -> Weight {
            estimate($db, n, [80, 14, 14], [30, 9, 12])
        }
        /// A candidate engaged and released: its record, its entry, its list.
        fn refuse() -> Weight {
            estimate($db, 0, [25, 3, 3], [0, 0, 0])
        }
        /// One look at the agenda: cursor, count and page.
        fn look() -> Weight {
            estimate($db, 0, [5, 3, 3], [0, 0, 0])
        }
        /// Those late punished, freed and replaced: half of all ever engaged, at most; or the task
        /// vacated.
        fn task_due(n: u32) -> Weight {
            estimate($db, n, [60, 10, 10], [60, 9, 11])
        }
        /// One miner freed; as many engaged as are missing; or the task vacated.
        fn departure(n: u32) -> Weight {
            estimate($db, n, [60, 14, 14], [40, 12, 14])
        }
        /// One record removed.
        fn forget() -> Weight {
            estimate($db, 0, [5, 1, 1], [0, 0, 0])
        }
    };
}

/// For a runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    estimates!(T::DbWeight::get());
}

impl WeightInfo for () {
    estimates!(RocksDbWeight::get());
}
