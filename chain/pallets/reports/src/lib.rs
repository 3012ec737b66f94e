//! What tasks consume: each engaged miner reports memory, processor time and energy of each period.
//!
//! # Terms
//! - **Period**: [`Config::PeriodMs`] of chain time, counted from the Unix epoch: the same for every
//!   task, so that anyone knows which period a moment is in.
//! - **Report**: what one miner's run of one task consumed in one period. Memory and processor time
//!   are always measured; energy is `None` if the machine has no meter for it.
//!
//! # How it works
//! A miner that has confirmed reports each period once, after it is over and at most
//! [`Config::MaxLate`] periods later. Of each miner on each task the last [`Config::Kept`] reports
//! and running totals are stored, and every report is an event; all of it is forgotten when the
//! task is over. A report says what a miner measured on its own machine. It is signed, because it is a
//! transaction, but nothing proves it. A report is refused if it can be seen to be wrong: if its period
//! is not over or long over, was reported before, or no machine can consume its amounts in a period.
//!
//! # How a bill is checked
//! Pay never follows from reports: it follows from acknowledgements and proofs, of requests that
//! are numbered from 1 without gaps. So the sum of [`Report::requests`] is the number of the last
//! request that the miner says it answered, and a bill that pays more of them, or receipts that
//! name a later one, contradict the miner's own reports. Whoever has the receipts recomputes the
//! bill: for each settled number the lesser of tariff and price cap, and the tariff of each proof.
//!
//! # Invariants
//! Checked by `do_try_state`:
//! - the kept reports are in the order of their periods, which are over;
//! - totals are at least what the kept reports sum up to, and count at least as many;
//! - records exist only for miners engaged on a task that is not over.
#![cfg_attr(not(feature = "std"), no_std)]
extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
pub mod weights;

use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use cyborg_interface::{Engagements, Vacated};
use cyborg_primitives::{Moment, TaskId};
use polkadot_sdk::frame_support::traits::{Get, StorageVersion, Time};
use polkadot_sdk::frame_support::{
    BoundedVec, CloneNoBound, DebugNoBound, EqNoBound, PartialEqNoBound, ensure,
};
#[cfg(any(feature = "try-runtime", test))]
use polkadot_sdk::sp_runtime::DispatchError;
use polkadot_sdk::{frame_support, frame_system};
use scale_info::TypeInfo;

pub use pallet::*;
pub use weights::WeightInfo;

/// Most processor cores of a machine.
pub const MAX_CORES: u64 = 1024;
/// Most memory of a machine, in bytes: 64 TiB.
pub const MAX_MEMORY_BYTES: u64 = 64 << 40;
/// Most power of a machine, in watts.
pub const MAX_WATTS: u64 = 100_000;

const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

/// A number of periods since the Unix epoch.
pub type Period = u32;

/// What one miner's run of one task consumed in one period.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Report {
    /// Greatest resident memory, in bytes.
    pub memory_peak_bytes: u64,
    /// Processor time over all cores, in milliseconds.
    pub cpu_ms: u64,
    /// Energy in millijoules; `None` if it cannot be measured.
    pub energy_mj: Option<u64>,
    /// Requests that were answered.
    pub requests: u32,
}

impl Report {
    /// Whether a machine can consume this in `ms` milliseconds.
    #[must_use]
    pub fn is_possible(&self, period_ms: u64) -> bool {
        self.memory_peak_bytes <= MAX_MEMORY_BYTES
            && self.cpu_ms <= period_ms.saturating_mul(MAX_CORES)
            && self.energy_mj.is_none_or(|energy| energy <= period_ms.saturating_mul(MAX_WATTS))
    }
}

/// All reports of a miner on a task together. Sums saturate.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Totals {
    /// Number of reported periods.
    pub periods: u32,
    /// Greatest resident memory of all, in bytes.
    pub memory_peak_bytes: u64,
    /// Processor time, in milliseconds.
    pub cpu_ms: u64,
    /// Energy of those periods whose energy is known, in millijoules.
    pub energy_mj: u64,
    /// Number of periods with known energy.
    pub metered: u32,
    /// Requests that were answered: the number of the last one.
    pub requests: u64,
}

impl Totals {
    /// Counts a report.
    pub fn add(&mut self, report: &Report) {
        self.periods = self.periods.saturating_add(1);
        self.memory_peak_bytes = self.memory_peak_bytes.max(report.memory_peak_bytes);
        self.cpu_ms = self.cpu_ms.saturating_add(report.cpu_ms);
        if let Some(energy) = report.energy_mj {
            self.energy_mj = self.energy_mj.saturating_add(energy);
            self.metered = self.metered.saturating_add(1);
        }
        self.requests = self.requests.saturating_add(report.requests.into());
    }
}

/// The kept reports of one miner on one task.
#[derive(
    CloneNoBound, DebugNoBound, PartialEqNoBound, EqNoBound, Encode, Decode, TypeInfo, MaxEncodedLen,
)]
#[scale_info(skip_type_params(Kept))]
pub struct Record<Kept: Get<u32>> {
    /// All reports together.
    pub totals: Totals,
    /// The last reports with their periods, the oldest first.
    pub last: BoundedVec<(Period, Report), Kept>,
}

/// The reports of a miner on a task, for clients.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Row {
    /// All reports together.
    pub totals: Totals,
    /// The last reports with their periods, the oldest first.
    pub last: Vec<(Period, Report)>,
}

#[frame_support::pallet]
pub mod pallet {
    #![allow(missing_docs, clippy::manual_inspect, reason = "FRAME's macros")]
    use super::*;
    use frame_support::pallet_prelude::*;
    use frame_system::pallet_prelude::*;

    /// What the pallet requires of the runtime.
    #[pallet::config]
    pub trait Config: polkadot_sdk::frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// The engagements of miners on tasks.
        type Engagements: Engagements<Self::AccountId>;
        /// Chain time.
        type Time: Time<Moment = Moment>;
        /// Length of a period in milliseconds; at least a second, so that their number fits.
        #[pallet::constant]
        type PeriodMs: Get<u64>;
        /// How many periods a report may be late: 0 for during the next period only.
        #[pallet::constant]
        type MaxLate: Get<Period>;
        /// How many reports are kept of each miner on each task; at least 1.
        #[pallet::constant]
        type Kept: Get<u32>;
        /// Weights of the calls.
        type WeightInfo: WeightInfo;
    }

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// What each miner reported on each task that is not over.
    #[pallet::storage]
    pub type Records<T: Config> =
        StorageDoubleMap<_, Twox64Concat, TaskId, Blake2_128Concat, T::AccountId, Record<T::Kept>>;

    /// Events of this pallet.
    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A miner reported a period.
        Reported { task: TaskId, miner: T::AccountId, period: Period, report: Report },
    }

    /// Reasons why a report is refused.
    #[pallet::error]
    pub enum Error<T> {
        /// The caller is not engaged on the task.
        NotEngaged,
        /// The caller has not confirmed that it runs the task.
        NotConfirmed,
        /// The period is not over.
        Early,
        /// The period has been over for too long.
        Late,
        /// The caller reported this period or a later one before.
        Reported,
        /// No machine can consume this in a period.
        Impossible,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn integrity_test() {
            assert!(T::PeriodMs::get() >= 1_000, "numbers of periods must fit a u32");
            assert!(T::Kept::get() > 0, "the last report must be kept");
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), polkadot_sdk::sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// A miner says what its run of a task consumed in a period that is over.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::report())]
        pub fn report(origin: OriginFor<T>, task: TaskId, period: Period, report: Report) -> DispatchResult {
            let miner = ensure_signed(origin)?;
            ensure!(report.is_possible(T::PeriodMs::get()), Error::<T>::Impossible);
            let current = Self::current();
            ensure!(period < current, Error::<T>::Early);
            ensure!(current.saturating_sub(period) <= T::MaxLate::get().saturating_add(1), Error::<T>::Late);
            let engagement = T::Engagements::engagement(task, &miner).ok_or(Error::<T>::NotEngaged)?;
            ensure!(engagement.confirmed, Error::<T>::NotConfirmed);
            Records::<T>::try_mutate(task, &miner, |record| {
                let Record { totals, last } = record
                    .get_or_insert_with(|| Record { totals: Totals::default(), last: BoundedVec::new() });
                ensure!(last.last().is_none_or(|(latest, _)| *latest < period), Error::<T>::Reported);
                totals.add(&report);
                // The oldest makes room. There is room for one at least, so that this cannot fail.
                let _ = last.force_insert_keep_right(last.len(), (period, report));
                Ok::<_, Error<T>>(())
            })?;
            Self::deposit_event(Event::Reported { task, miner, period, report });
            Ok(())
        }
    }
}

impl<T: Config> Pallet<T> {
    /// The period that is not over. Before its number fits, and after, it is the greatest.
    #[must_use]
    pub fn current() -> Period {
        let periods = T::Time::now().checked_div(T::PeriodMs::get()).unwrap_or(0);
        Period::try_from(periods).unwrap_or(Period::MAX)
    }

    /// What each miner of a task reported.
    #[must_use]
    pub fn reports(task: TaskId) -> Vec<(T::AccountId, Row)> {
        Records::<T>::iter_prefix(task)
            .map(|(miner, Record { totals, last })| (miner, Row { totals, last: last.into_inner() }))
            .collect()
    }

    /// Checks the invariants that the pallet's documentation states.
    #[cfg(any(feature = "try-runtime", test))]
    pub(crate) fn do_try_state() -> Result<(), DispatchError> {
        let current = Self::current();
        for (task, miner, Record { totals, last }) in Records::<T>::iter() {
            ensure!(last.windows(2).all(|pair| pair[0].0 < pair[1].0), "reports are out of order");
            ensure!(last.last().is_some_and(|(period, _)| *period < current), "a report is early or missing");
            let mut sum = Totals::default();
            last.iter().for_each(|(_, report)| sum.add(report));
            ensure!(
                totals.periods >= sum.periods
                    && totals.memory_peak_bytes >= sum.memory_peak_bytes
                    && totals.cpu_ms >= sum.cpu_ms
                    && totals.energy_mj >= sum.energy_mj
                    && totals.metered >= sum.metered
                    && totals.requests >= sum.requests,
                "totals are below their parts"
            );
            ensure!(T::Engagements::engagement(task, &miner).is_some(), "a record of nobody's");
        }
        Ok(())
    }
}

impl<T: Config> Vacated<T::AccountId> for Pallet<T> {
    fn vacated(task: TaskId, miners: &[T::AccountId]) {
        for miner in miners {
            Records::<T>::remove(task, miner);
        }
    }
}
