//! Tasks: from submission to refund (whitepaper section 3.3).
//!
//! # Life of a task
//! ```text
//! submit ─▶ Assigned ──confirm──▶ Running ──stop, time over, nobody left──▶ Stopped ──▶ Vacated
//!              └──────── stopped, time over, no keys, nobody left ──────────────────────▶┘
//! ```
//! - **Assigned.** [`submit`](Pallet::submit) opens the escrow and engages the best miners of the
//!   register's ranking in the same block: replicas, that answer, and standbys, that take over. By a
//!   deadline the owner wraps the content key for each of them
//!   ([`provide_keys`](Pallet::provide_keys)), or the task is vacated. Each that has the key loads
//!   the model, tries it, and by a deadline either [`confirm`](Pallet::confirm)s with an attestation
//!   or [`decline`](Pallet::decline)s with a reason.
//! - **Running.** At least one miner has confirmed. A miner that leaves is replaced: first by a
//!   standby, then by the next of the ranking; if there is none, another search follows a bounded
//!   number of times.
//! - **Stopped.** No new request is answered. Until the settlement period is over, earlier answers
//!   can be proven, challenged and paid.
//! - **Vacated.** The rest of the escrow was returned; the miners are no longer liable. A small
//!   record stays for a while, so that a client that asks late sees how the task ended.
//!
//! # Time
//! A task lives at most [`Config::IdleFactor`] times the compute time that was bought, within
//! [`Config::MinDuration`] and [`Config::MaxDuration`]: an owner that buys little
//! cannot hold the memory of miners for long. All deadlines are in chain time and kept by the `agenda`
//! module. A call after its deadline is refused even if the agenda has not handled the deadline yet.
//!
//! # Who is at fault
//! | what happens | miner | owner |
//! |---|---|---|
//! | no keys at all in time | free | refunded, task vacated |
//! | no key in time for one that came later | free | loses the place |
//! | declined | free, a limited number of times per time | replacement |
//! | not confirmed in time | [`Offence::Unconfirmed`], all to the treasury | replacement |
//! | left while running | [`Offence::Abandoned`] | compensated, replacement |
//! | left as the escrow cannot pay one answer more | free | loses the place |
//! | stopped its heartbeat, was suspended | punished by the register | replacement |
//!
//! The slash of an unconfirmed miner does not go to the owner: an owner that wraps a key which does
//! not open could otherwise earn by it.
//!
//! # Invariants
//! Checked by `do_try_state`:
//! - a task is in the list of a miner exactly if the miner is engaged on it and has not left;
//! - no miner has two parts in a task; live parts are no more than wanted;
//! - no part of an Assigned task was ever confirmed; some part of a Running one was; a stopped one
//!   has only parts that were confirmed or have left; no vacated one is stored;
//! - each task has exactly one entry in the agenda, where it says, and no later than its next
//!   deadline or what is handled now; each ended one has one, each departing miner has one; there
//!   are no others;
//! - wrapped keys exist exactly for live parts that have them, attestations exactly for parts that
//!   ever confirmed.
#![cfg_attr(not(feature = "std"), no_std)]
extern crate alloc;

mod agenda;
mod attest;
#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod interface;
#[cfg(any(feature = "try-runtime", test))]
mod invariants;
mod lifecycle;
#[cfg(test)]
mod mock;
mod submit;
#[cfg(test)]
mod tests;
pub mod types;
pub mod weights;

use cyborg_interface::{Escrow, Models, Registry, Vacated};
use cyborg_primitives::miner::Offence;
use cyborg_primitives::task::{Role, TaskState};
use cyborg_primitives::{Digest, ModelId, Moment, TaskId};
use polkadot_sdk::frame_support::ensure;
use polkadot_sdk::frame_support::traits::StorageVersion;
use polkadot_sdk::{frame_support, frame_system};
use types::{
    AttestationOf, Balance, Cause, Departure, Ended as EndedTask, Keys, Reason, Status, Task, TaskSpec, Wake,
    WrappedKey,
};

pub use pallet::*;
pub use weights::WeightInfo;

const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);
/// Entries of a page of the agenda.
const PAGE_ENTRIES: u32 = 64;

/// Gives accounts what a benchmark needs.
#[cfg(feature = "runtime-benchmarks")]
pub trait BenchmarkHelper<AccountId> {
    /// Money for any escrow that a benchmark opens.
    fn fund(who: &AccountId);
}

#[frame_support::pallet]
pub mod pallet {
    #![allow(missing_docs, clippy::manual_inspect, reason = "FRAME's macros")]
    use super::*;
    // The prelude has another.
    use super::Task;
    use alloc::vec::Vec;
    use frame_support::pallet_prelude::*;
    use frame_support::traits::Time;
    use frame_system::pallet_prelude::*;
    use polkadot_sdk::sp_runtime::traits::Convert;

    /// What the pallet requires of the runtime.
    #[pallet::config]
    pub trait Config: polkadot_sdk::frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// Weights of the calls.
        type WeightInfo: WeightInfo;
        /// Chain time.
        type Time: Time<Moment = Moment>;
        /// The register of miners.
        type Registry: Registry<Self::AccountId, Balance>;
        /// The register of models.
        type Models: Models<Self::AccountId>;
        /// The money of tasks.
        type Escrow: Escrow<Self::AccountId, Balance>;
        /// The pallets that hear that a task is over.
        type Vacated: Vacated<Self::AccountId>;
        /// The chain's fee for submitting a proof of this cost: part of what a proof is paid.
        type VerificationFee: Convert<cyborg_primitives::verification::Cost, Balance>;

        /// Most replicas and standbys of a task.
        #[pallet::constant]
        type MaxAssigned: Get<u32>;
        /// Most miners that are ever engaged on a task, those that left included.
        #[pallet::constant]
        type MaxMiners: Get<u32>;
        /// Most tasks of a miner.
        #[pallet::constant]
        type MaxTasksPerMiner: Get<u32>;
        /// Time for the owner to wrap keys, in ms.
        #[pallet::constant]
        type KeysPeriod: Get<Moment>;
        /// Time for a miner to confirm from when it has the key, in ms.
        #[pallet::constant]
        type ConfirmationPeriod: Get<Moment>;
        /// Time to prove and settle after the stop, in ms; covers every deadline of proofs.
        #[pallet::constant]
        type SettlementPeriod: Get<Moment>;
        /// Time between searches for miners, in ms.
        #[pallet::constant]
        type RetryPeriod: Get<Moment>;
        /// Searches in vain before an open place stays open.
        #[pallet::constant]
        type MaxRetries: Get<u8>;
        /// Shortest life of a task, in ms.
        #[pallet::constant]
        type MinDuration: Get<Moment>;
        /// Longest life of a task, in ms.
        #[pallet::constant]
        type MaxDuration: Get<Moment>;
        /// How many times the compute time that was bought a task may live.
        #[pallet::constant]
        type IdleFactor: Get<u64>;
        /// How long the record of an ended task stays, in ms.
        #[pallet::constant]
        type RetentionPeriod: Get<Moment>;
        /// A miner may decline once in this time, in ms, on average.
        #[pallet::constant]
        type DeclinePeriod: Get<Moment>;
        /// How many times it may decline at once.
        #[pallet::constant]
        type DeclineBurst: Get<u64>;
        /// Most blocks since the block that an attestation names.
        #[pallet::constant]
        type MaxAttestationAge: Get<BlockNumberFor<Self>>;
        /// Length of the agenda's buckets, in ms: how late a deadline may be noticed.
        #[pallet::constant]
        type BucketPeriod: Get<Moment>;
        /// Most weight of the agenda in a block.
        #[pallet::constant]
        type AgendaWeight: Get<Weight>;

        /// Prepares benchmarks.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: BenchmarkHelper<Self::AccountId>;
    }

    /// The life of tasks.
    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// Number of the next task.
    #[pallet::storage]
    pub type NextTask<T> = StorageValue<_, TaskId, ValueQuery>;

    /// Tasks that are not vacated.
    #[pallet::storage]
    pub type Tasks<T: Config> = StorageMap<_, Twox64Concat, TaskId, Task<T>>;

    /// Records of ended tasks, kept for a while.
    #[pallet::storage]
    pub type Ended<T: Config> = StorageMap<_, Twox64Concat, TaskId, EndedTask<T::AccountId>>;

    /// Tasks that a miner has not left.
    #[pallet::storage]
    pub type MinerTasks<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, BoundedVec<TaskId, T::MaxTasksPerMiner>, ValueQuery>;

    /// The content key of a task, wrapped for a miner.
    #[pallet::storage]
    pub type Wraps<T: Config> =
        StorageDoubleMap<_, Twox64Concat, TaskId, Blake2_128Concat, T::AccountId, WrappedKey>;

    /// What a miner attested when it confirmed.
    #[pallet::storage]
    pub type Attestations<T: Config> =
        StorageDoubleMap<_, Twox64Concat, TaskId, Blake2_128Concat, T::AccountId, AttestationOf<T>>;

    /// Time at which the declines of a miner are worked off, at one per [`Config::DeclinePeriod`].
    #[pallet::storage]
    pub type Declines<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, Moment, ValueQuery>;

    /// Miners that have left and still have tasks.
    #[pallet::storage]
    pub type Departing<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, ()>;

    /// Entries of the agenda, by bucket and page.
    #[pallet::storage]
    pub type AgendaPages<T: Config> = StorageDoubleMap<
        _,
        Twox64Concat,
        u64,
        Twox64Concat,
        u32,
        BoundedVec<Wake<T::AccountId>, ConstU32<PAGE_ENTRIES>>,
        ValueQuery,
    >;

    /// Pages of a bucket.
    #[pallet::storage]
    pub type AgendaPageCount<T> = StorageMap<_, Twox64Concat, u64, u32, ValueQuery>;

    /// The first bucket that is not yet handled.
    #[pallet::storage]
    pub type AgendaCursor<T> = StorageValue<_, u64>;

    /// Events of this pallet.
    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A task was submitted; an [`Event::Engaged`] for each miner follows.
        Submitted {
            /// The task.
            task: TaskId,
            /// The account that pays.
            owner: T::AccountId,
            /// The model.
            model: ModelId,
            /// The latest time at which it ends.
            ends: Moment,
        },
        /// A miner was engaged.
        Engaged {
            /// The task.
            task: TaskId,
            /// The miner.
            miner: T::AccountId,
            /// Its role.
            role: Role,
        },
        /// A standby takes over as replica.
        Promoted {
            /// The task.
            task: TaskId,
            /// The miner.
            miner: T::AccountId,
        },
        /// The content key was wrapped for a miner, which must confirm.
        KeyWrapped {
            /// The task.
            task: TaskId,
            /// The miner.
            miner: T::AccountId,
            /// The deadline.
            confirm_by: Moment,
        },
        /// A miner attested, and now serves.
        Confirmed {
            /// The task.
            task: TaskId,
            /// The miner.
            miner: T::AccountId,
        },
        /// A miner left.
        Left {
            /// The task.
            task: TaskId,
            /// The miner.
            miner: T::AccountId,
            /// The reason.
            departure: Departure,
        },
        /// A task takes no new requests.
        Stopped {
            /// The task.
            task: TaskId,
            /// The reason.
            cause: Cause,
            /// Time at which the rest is returned to the owner.
            settles_by: Moment,
        },
        /// A task is over.
        Vacated {
            /// The task.
            task: TaskId,
            /// The reason.
            cause: Cause,
            /// The amount that was returned to the owner.
            refunded: Balance,
        },
    }

    /// Reasons why a call is refused.
    #[pallet::error]
    pub enum Error<T> {
        /// There is no such model.
        UnknownModel,
        /// The model takes no new tasks.
        Delisted,
        /// At least one replica is needed.
        NoReplicas,
        /// More replicas and standbys than a task may have.
        TooManyMiners,
        /// A region is not two upper-case letters.
        InvalidRegion,
        /// The cell from which distances are measured is not on Earth.
        InvalidCell,
        /// The required reputation is above 100, which no miner has.
        InvalidReputation,
        /// A sampled task needs at least one sample per period.
        NoSamples,
        /// No compute time is bought.
        NoCompute,
        /// Price cap and amount make more money than there can be.
        EscrowOverflow,
        /// The escrow would not pay one answer, with its proofs, of a chosen miner.
        EscrowTooSmall,
        /// Too few miners satisfy the placement and the caps.
        NoMiners,
        /// There is no such task, or it is vacated.
        UnknownTask,
        /// Only the task's owner may do this.
        NotOwner,
        /// The miner is not engaged on the task, or has left it.
        NotAssigned,
        /// The task is stopped.
        TaskStopped,
        /// The deadline is over.
        TooLate,
        /// No miner of the task waits for a key.
        NoKeysDue,
        /// A miner that waits for a key gets none.
        MissingWrap,
        /// The standby must not read the model before it takes over.
        StandbyMayNotRead,
        /// The miner already has the key.
        AlreadyKeyed,
        /// Manifest or result key are not those given first.
        KeysDiffer,
        /// The miner has no key yet.
        NotKeyed,
        /// The miner has confirmed: now it may only vacate.
        AlreadyConfirmed,
        /// The miner has not confirmed: it may decline.
        NotConfirmed,
        /// The attestation is about another model.
        WrongModel,
        /// The attestation names a block that is too old.
        StaleAttestation,
        /// The attestation names a block that is not of this chain.
        ForeignAttestation,
        /// The miner has declined too often recently.
        DeclinedTooOften,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        /// Handles the deadlines that had passed by the last block.
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            match T::Time::now() {
                0 => T::DbWeight::get().reads(1),
                now => Self::run_agenda(now),
            }
        }

        fn integrity_test() {
            assert!(T::BucketPeriod::get() > 0, "buckets have a length");
            assert!(T::MaxAssigned::get() > 0 && T::MaxAssigned::get() <= T::MaxMiners::get());
            assert!(T::MaxAssigned::get() <= u8::MAX.into(), "replicas and standbys are counted in a byte");
            assert!(T::MinDuration::get() <= T::MaxDuration::get());
            assert!(T::DeclineBurst::get() > 0, "a miner may decline");
            assert!(
                T::MaxAttestationAge::get() < <T as frame_system::Config>::BlockHashCount::get(),
                "hashes of older blocks are forgotten"
            );
            let least = T::WeightInfo::look().saturating_mul(2).saturating_add(Self::most_of_an_entry());
            assert!(
                T::AgendaWeight::get().all_gte(least),
                "the agenda gets on in every block: {} < {least}",
                T::AgendaWeight::get()
            );
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), polkadot_sdk::sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Submits a task: holds the money and engages the miners, or does nothing.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::submit(T::MaxAssigned::get()).saturating_add(Pallet::<T>::search_weight()))]
        pub fn submit(origin: OriginFor<T>, spec: TaskSpec<T::AccountId>) -> DispatchResultWithPostInfo {
            let owner = ensure_signed(origin)?;
            let (id, search) = Self::do_submit(owner, spec)?;
            let engaged = Tasks::<T>::get(id).map_or(0, |task| task.parts.len() as u32);
            Ok(Some(T::WeightInfo::submit(engaged).saturating_add(search)).into())
        }

        /// The owner wraps the content key for every miner that waits for it, and with the first
        /// keys names the model's files and the key to which answers are encrypted.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::provide_keys(wraps.len() as u32))]
        pub fn provide_keys(
            origin: OriginFor<T>,
            task: TaskId,
            manifest: Digest,
            result_key: [u8; 32],
            wraps: BoundedVec<(T::AccountId, WrappedKey), T::MaxAssigned>,
        ) -> DispatchResult {
            let (id, mut task) = (task, Self::owned(origin, task)?);
            ensure!(task.state != TaskState::Stopped, Error::<T>::TaskStopped);
            let keys = Keys { manifest, result_key };
            ensure!(task.keys.is_none_or(|before| before == keys), Error::<T>::KeysDiffer);
            let now = T::Time::now();
            let waiting = task.parts.iter().filter_map(|part| match part.status {
                Status::Keyless { due } => Some((&part.miner, due)),
                _ => None,
            });
            let waiting: Vec<_> = waiting.collect();
            ensure!(!waiting.is_empty(), Error::<T>::NoKeysDue);
            for (miner, due) in waiting {
                ensure!(now <= due, Error::<T>::TooLate);
                ensure!(wraps.iter().any(|(wrapped, _)| wrapped == miner), Error::<T>::MissingWrap);
            }
            task.keys = Some(keys);
            let confirm_by = now.saturating_add(T::ConfirmationPeriod::get());
            for (miner, wrap) in wraps {
                let part = task.live_part(&miner).ok_or(Error::<T>::NotAssigned)?;
                match part.status {
                    Status::Keyless { .. } => part.status = Status::Keyed { due: confirm_by },
                    Status::Waiting => return Err(Error::<T>::StandbyMayNotRead.into()),
                    _ => return Err(Error::<T>::AlreadyKeyed.into()),
                }
                Wraps::<T>::insert(id, &miner, wrap);
                Self::deposit_event(Event::KeyWrapped { task: id, miner, confirm_by });
            }
            Self::keep(id, task, now);
            Ok(())
        }

        /// A miner that has the key attests what it runs, and serves from now on.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::confirm())]
        pub fn confirm(origin: OriginFor<T>, task: TaskId, attestation: AttestationOf<T>) -> DispatchResult {
            let miner = ensure_signed(origin)?;
            let (id, mut task) = (task, Tasks::<T>::get(task).ok_or(Error::<T>::UnknownTask)?);
            let (now, model) = (T::Time::now(), task.model);
            let part = task.live_part(&miner).ok_or(Error::<T>::NotAssigned)?;
            match part.status {
                Status::Keyed { due } => ensure!(now <= due, Error::<T>::TooLate),
                Status::Confirmed => return Err(Error::<T>::AlreadyConfirmed.into()),
                _ => return Err(Error::<T>::NotKeyed.into()),
            }
            Self::check_attestation(model, &attestation)?;
            part.status = Status::Confirmed;
            task.state = TaskState::Running;
            Attestations::<T>::insert(id, &miner, attestation);
            Self::deposit_event(Event::Confirmed { task: id, miner });
            Self::keep(id, task, now);
            Ok(())
        }

        /// A miner that has not confirmed refuses, without penalty but only so often. Another is
        /// engaged.
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::decline(T::MaxMiners::get()).saturating_add(Pallet::<T>::search_weight()))]
        pub fn decline(origin: OriginFor<T>, task: TaskId, reason: Reason) -> DispatchResultWithPostInfo {
            let miner = ensure_signed(origin)?;
            let (id, mut task) = (task, Tasks::<T>::get(task).ok_or(Error::<T>::UnknownTask)?);
            let part = task.live_part(&miner).ok_or(Error::<T>::NotAssigned)?;
            ensure!(!part.has_confirmed(), Error::<T>::AlreadyConfirmed);
            let now = T::Time::now();
            // After its deadline it is too late to decline: nothing was confirmed in time.
            let late = matches!(part.status, Status::Keyed { due } if now > due);
            ensure!(!late, Error::<T>::TooLate);
            Self::count_decline(&miner, now)?;
            let parts = task.parts.len() as u32;
            Self::let_go(id, &mut task, &miner, Departure::Declined(reason));
            let search = Self::fill(id, &mut task, now);
            Self::keep(id, task, now);
            Ok(Some(T::WeightInfo::decline(parts).saturating_add(search)).into())
        }

        /// A miner that has confirmed leaves. While the task runs this is an offence, unless the
        /// escrow cannot pay the miner one answer more.
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::vacate(T::MaxMiners::get()).saturating_add(Pallet::<T>::search_weight()))]
        pub fn vacate(origin: OriginFor<T>, task: TaskId) -> DispatchResultWithPostInfo {
            let miner = ensure_signed(origin)?;
            let (id, mut task) = (task, Tasks::<T>::get(task).ok_or(Error::<T>::UnknownTask)?);
            let (now, parts) = (T::Time::now(), task.parts.len() as u32);
            let part = task.live_part(&miner).ok_or(Error::<T>::NotAssigned)?;
            ensure!(part.has_confirmed(), Error::<T>::NotConfirmed);
            let role = part.role;
            let search = if task.state == TaskState::Stopped {
                Self::let_go(id, &mut task, &miner, Departure::Over);
                Weight::zero()
            } else {
                if T::Escrow::can_pay(id, &miner, task.proofs_at_once()) {
                    T::Registry::punish(&miner, Offence::Abandoned, Some(&task.owner));
                    Self::let_go(id, &mut task, &miner, Departure::Abandoned);
                } else {
                    Self::close_place(&mut task, role);
                    Self::let_go(id, &mut task, &miner, Departure::Unpaid);
                }
                Self::fill(id, &mut task, now)
            };
            Self::keep(id, task, now);
            Ok(Some(T::WeightInfo::vacate(parts).saturating_add(search)).into())
        }

        /// The owner stops a task. If no miner has confirmed yet, it is vacated at once.
        #[pallet::call_index(5)]
        #[pallet::weight(T::WeightInfo::stop(T::MaxMiners::get()))]
        pub fn stop(origin: OriginFor<T>, task: TaskId) -> DispatchResultWithPostInfo {
            let (id, mut task) = (task, Self::owned(origin, task)?);
            let (now, parts) = (T::Time::now(), task.parts.len() as u32);
            match task.state {
                TaskState::Assigned => Self::vacate_task(id, task, Cause::Owner, now),
                TaskState::Running => {
                    Self::stop_task(id, &mut task, Cause::Owner, now);
                    Self::keep(id, task, now);
                }
                TaskState::Stopped | TaskState::Vacated => return Err(Error::<T>::TaskStopped.into()),
            }
            Ok(Some(T::WeightInfo::stop(parts)).into())
        }
    }

    impl<T: Config> Pallet<T> {
        /// A task, for its owner only.
        fn owned(origin: OriginFor<T>, task: TaskId) -> Result<Task<T>, DispatchError> {
            let who = ensure_signed(origin)?;
            let task = Tasks::<T>::get(task).ok_or(Error::<T>::UnknownTask)?;
            ensure!(task.owner == who, Error::<T>::NotOwner);
            Ok(task)
        }
    }
}
