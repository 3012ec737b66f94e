//! The register of miners: their machines, prices and bonds, and the ranking by which tasks are given
//! to them.
//!
//! | module | content |
//! |---|---|
//! | [`types`] | what is stored of a miner |
//! | [`index`] | pages of compact entries that a ranking reads |
//! | [`standing`] | bond, reputation and duty: how they are lost and regained |
//! | [`watch`] | finds miners that have stopped their heartbeat |
//! | [`registry`] | what other pallets call: [`cyborg_interface::Registry`] |
//! | `key` | public keys to which nothing can be encrypted |
//!
//! # Terms
//! *Serving*: registered, sending heartbeats, with a reputation of at least 30. *On offer*: serving,
//! not leaving, with at least the minimum bond and room for one more task; exactly these are in the
//! index. *Load*: tasks that have memory of it. *Liabilities*: tasks for which it may still be found guilty; the load is
//! part of them.
//!
//! # Design
//! **Leaving.** [`deregister`](Pallet::deregister) takes a miner off the offer at once and starts
//! the unbonding delay; the miner continues with its tasks, under the same duty to send heartbeats. The bond can be withdrawn when the delay is over *and* no liability is left, and until
//! then it can be slashed, so that no miner can escape a penalty by leaving.
//!
//! **Reputation** begins at 100, falls with each offence, and comes back only with time: some points
//! for each full period of service that neither a missed heartbeat nor an offence interrupts. Proofs
//! and payments give nothing, because a miner that is also an owner could make as many as it likes. A
//! suspended miner that continues to send heartbeats regains reputation in the same way. A new
//! registration begins at 100 again: it costs the unbonding delay, as a fresh account costs a bond.
//!
//! **Slashing.** The runtime's table [`Penalties`] says what an offence costs. Half of a slash goes to
//! the victim and the rest to the treasury; if there is no victim, or it is the miner itself, the
//! treasury gets all. A victim that colludes with the miner saves it half, never all.
//!
//! **Places** are declared by the miner. The record says since when, so that measurements can be
//! compared with them. Place and key change only while no task has memory of the miner: what an owner
//! relied on when it chose the miner and wrapped its key stays true. Price and capacity may change at any time;
//! [terms](cyborg_interface::Terms) of tasks were fixed when they began.
//!
//! # Invariants
//! As `try_state` checks them:
//! 1. Numbers and miners are one to one, below the next number; each miner has a pulse.
//! 2. The amount held of an account for a bond is exactly the bond on record.
//! 3. Memory in use is at most the memory; the load is at most the liabilities; a miner that is
//!    over its duty has no load; a reputation is at most 100.
//! 4. Exactly the miners on offer are in the index, each once, in the bucket of its region and free
//!    memory, with the entry that its record implies; buckets have no gaps, and their sizes are right.
//! 5. A serving or suspended miner that is not lapsed is watched exactly once, a lapsed one never;
//!    checks are due in the order of the queue, and no page of it is empty.
#![cfg_attr(not(feature = "std"), no_std)]
extern crate alloc;

pub mod index;
mod key;
pub mod registry;
pub mod standing;
pub mod types;
pub mod watch;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[cfg(any(feature = "try-runtime", test))]
mod invariants;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

use cyborg_primitives::miner::{Capacity, Offence};
use cyborg_primitives::place::Location;
use cyborg_primitives::{Digest, Moment};
use polkadot_sdk::frame_support::traits::StorageVersion;
use polkadot_sdk::{frame_support, frame_system};

pub use pallet::*;
pub use types::{Balance, Candidate, Duty, Endpoint, Miner, Penalties, Penalty, Pulse};
pub use weights::WeightInfo;

/// The best reputation, and that of a new miner.
pub const MAX_REPUTATION: u8 = 100;

const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

#[frame_support::pallet]
pub mod pallet {
    #![allow(missing_docs, reason = "FRAME's macros")]
    use super::*;
    use crate::types::{BlockTimes, Bucket, Page, Place, Queue, Sizes};
    use cyborg_interface::Departures;
    use frame_support::pallet_prelude::*;
    use frame_support::traits::Time;
    use frame_support::traits::fungible;
    use frame_support::traits::fungible::hold::Mutate as _;
    use frame_support::traits::tokens::Precision;
    use frame_system::pallet_prelude::*;

    /// What the pallet requires of the runtime.
    #[pallet::config]
    pub trait Config: polkadot_sdk::frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// The native token.
        type Currency: fungible::hold::Mutate<Self::AccountId, Reason = Self::RuntimeHoldReason, Balance = Balance>;
        /// The type of reasons for holding money.
        type RuntimeHoldReason: From<HoldReason>;
        /// Chain time, in milliseconds.
        type Time: Time<Moment = Moment>;
        /// The pallet that gives the tasks of a miner that has left to others.
        type Departures: Departures<Self::AccountId>;
        /// The account that gets the network's share of a slash.
        type Treasury: Get<Self::AccountId>;
        /// The table of offences.
        type Penalties: Penalties;
        /// Least bond of a miner on offer.
        #[pallet::constant]
        type MinimumBond: Get<Balance>;
        /// Most tasks that have memory of a miner; with so many it is not on offer.
        type MaxLoad: Get<u32>;
        /// How long a bond stays after deregistration, at least, in milliseconds. Longer than any
        /// offence of a task that has ended takes to come to light.
        #[pallet::constant]
        type UnbondingDelay: Get<Moment>;
        /// Time without a heartbeat after which a miner is inactive, in milliseconds.
        #[pallet::constant]
        type HeartbeatTimeout: Get<Moment>;
        /// How often it is checked that a miner sends heartbeats, in milliseconds: inactivity is
        /// found this much after the timeout, at most, while the chain keeps up.
        #[pallet::constant]
        type CheckInterval: Get<Moment>;
        /// Uninterrupted service that is rewarded with points of reputation, in milliseconds;
        /// at least 1.
        #[pallet::constant]
        type ServicePeriod: Get<Moment>;
        /// Points of reputation for it.
        #[pallet::constant]
        type ServicePoints: Get<u8>;
        /// Checks in a block, at most. With `n` miners, the chain keeps up while this is at least
        /// `n` × block time / check interval.
        #[pallet::constant]
        type MaxChecks: Get<u32>;
        /// Miners in a block that are found inactive, at most; later ones wait for the next.
        #[pallet::constant]
        type MaxLapses: Get<u32>;
        /// Full pages of the index that a ranking reads, at most; four times as many where they are
        /// sparse, with no more entries in all.
        #[pallet::constant]
        type MaxPages: Get<u32>;
        /// Miners that a ranking finds, those to be excluded included, at most.
        #[pallet::constant]
        type MaxRanked: Get<u32>;
        /// Weights of the calls.
        type WeightInfo: WeightInfo;
    }

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// Reasons for which this pallet holds money.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// The bond of a miner.
        Bond,
    }

    /// The miners.
    #[pallet::storage]
    pub type Miners<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, Miner>;

    /// Their last heartbeats; apart from the rest, because they change all the time.
    #[pallet::storage]
    pub type Pulses<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, Pulse>;

    /// The miner of a number. Numbers are short, and never used again.
    #[pallet::storage]
    pub type Accounts<T: Config> = StorageMap<_, Twox64Concat, u32, T::AccountId>;

    /// The number of the next miner.
    #[pallet::storage]
    pub type NextNumber<T: Config> = StorageValue<_, u32, ValueQuery>;

    /// Number of entries of each region, by class of free memory.
    #[pallet::storage]
    pub type BucketSizes<T: Config> = StorageMap<_, Twox64Concat, u8, Sizes, ValueQuery>;

    /// Entries of a bucket, in pages without gaps.
    #[pallet::storage]
    pub type Pages<T: Config> =
        StorageDoubleMap<_, Twox64Concat, Bucket, Twox64Concat, u32, Page, ValueQuery>;

    /// The position of a miner in the index.
    #[pallet::storage]
    pub type Places<T: Config> = StorageMap<_, Twox64Concat, u32, Place>;

    /// Pages of the queue of checks.
    #[pallet::storage]
    pub type Checks<T: Config> = StorageMap<_, Twox64Concat, u64, types::CheckPage, ValueQuery>;

    /// The pages that the queue of checks has.
    #[pallet::storage]
    pub type CheckQueue<T: Config> = StorageValue<_, Queue, ValueQuery>;

    /// Whether the chain itself stood still.
    #[pallet::storage]
    pub type Clock<T: Config> = StorageValue<_, BlockTimes, ValueQuery>;

    /// Events of this pallet.
    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A miner is on offer from now on.
        Registered { miner: T::AccountId, number: u32, bond: Balance },
        /// A miner changed its declaration.
        Updated { miner: T::AccountId },
        /// A miner raised its bond.
        BondRaised { miner: T::AccountId, bond: Balance },
        /// A miner stopped its heartbeat, and no longer serves.
        Lapsed { miner: T::AccountId },
        /// Its heartbeat is back.
        Resumed { miner: T::AccountId },
        /// Time of service restored points of reputation.
        ReputationRegained { miner: T::AccountId, reputation: u8 },
        /// An offence was found. Of what was slashed, the victim got its part and the treasury the
        /// rest.
        Punished {
            miner: T::AccountId,
            offence: Offence,
            slashed: Balance,
            victim: Option<T::AccountId>,
            to_victim: Balance,
            reputation: u8,
        },
        /// The reputation of a miner fell so far that it no longer serves.
        Suspended { miner: T::AccountId },
        /// A miner takes no more tasks; its bond is bound until then, and while it is liable.
        Deregistered { miner: T::AccountId, until: Moment },
        /// A miner has left, with its bond.
        Withdrawn { miner: T::AccountId, bond: Balance },
    }

    /// Reasons why a call is refused.
    #[pallet::error]
    pub enum Error<T> {
        /// The account is already a miner.
        AlreadyRegistered,
        /// The account is not a miner.
        NotRegistered,
        /// Every number is taken.
        NoNumberLeft,
        /// The region is not a code of two capital letters, or the cell is not on Earth.
        InvalidLocation,
        /// Memory or speed is zero.
        InvalidCapacity,
        /// The endpoint is empty, is not UTF-8, or has blanks or control characters.
        InvalidEndpoint,
        /// It is not possible to encrypt to this key.
        InvalidKey,
        /// The bond is below the minimum.
        BondTooLow,
        /// Place and key cannot change while a task has memory of the miner.
        Engaged,
        /// Tasks use more memory than that.
        MemoryInUse,
        /// The miner is leaving.
        Leaving,
        /// The miner has not deregistered.
        NotLeaving,
        /// The unbonding delay is not over.
        StillUnbonding,
        /// The miner may still be found guilty.
        Liable,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            Self::watch()
        }

        fn integrity_test() {
            assert!(T::ServicePeriod::get() > 0, "no service period");
            assert!(T::CheckInterval::get() > 0, "no check interval");
            assert!(T::MaxChecks::get() > 0 && T::MaxLapses::get() > 0, "no checks in a block");
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), polkadot_sdk::sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Registers the caller as a miner and holds its bond.
        ///
        /// The key is the X25519 public key to which owners encrypt (HPKE, RFC 9180); the price is
        /// per compute hour.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::register())]
        pub fn register(
            origin: OriginFor<T>,
            hpke_key: Digest,
            endpoint: Endpoint,
            location: Location,
            capacity: Capacity,
            price: Balance,
            bond: Balance,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            ensure!(!Miners::<T>::contains_key(&who), Error::<T>::AlreadyRegistered);
            Self::check_key(&hpke_key)?;
            Self::check_endpoint(&endpoint)?;
            ensure!(location.is_valid(), Error::<T>::InvalidLocation);
            ensure!(capacity.is_valid(), Error::<T>::InvalidCapacity);
            ensure!(bond >= T::MinimumBond::get(), Error::<T>::BondTooLow);
            let number = NextNumber::<T>::get();
            NextNumber::<T>::put(number.checked_add(1).ok_or(Error::<T>::NoNumberLeft)?);
            T::Currency::hold(&HoldReason::Bond.into(), &who, bond)?;

            let now = T::Time::now();
            let miner = Miner {
                number,
                hpke_key,
                endpoint,
                location,
                declared_at: now,
                capacity,
                price,
                bond,
                reputation: MAX_REPUTATION,
                used_mib: 0,
                load: 0,
                liabilities: 0,
                leaves_at: None,
            };
            Accounts::<T>::insert(number, &who);
            Pulses::<T>::insert(&who, Pulse { seen: now, credited: now, duty: Duty::Serving });
            Self::enqueue(number, now);
            Self::store(&who, &miner, Duty::Serving);
            Self::deposit_event(Event::Registered { miner: who, number, bond });
            Ok(())
        }

        /// Changes the declaration; what is `None` stays. Place and key can change only while no
        /// task has memory of the miner; tasks that have begun keep their terms.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::update())]
        pub fn update(
            origin: OriginFor<T>,
            hpke_key: Option<Digest>,
            endpoint: Option<Endpoint>,
            location: Option<Location>,
            capacity: Option<Capacity>,
            price: Option<Balance>,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            let (mut miner, pulse) = Self::registered(&who)?;
            if let Some(key) = hpke_key {
                ensure!(miner.load == 0, Error::<T>::Engaged);
                Self::check_key(&key)?;
                miner.hpke_key = key;
            }
            if let Some(endpoint) = endpoint {
                Self::check_endpoint(&endpoint)?;
                miner.endpoint = endpoint;
            }
            if let Some(location) = location {
                ensure!(miner.load == 0, Error::<T>::Engaged);
                ensure!(location.is_valid(), Error::<T>::InvalidLocation);
                miner.location = location;
                miner.declared_at = T::Time::now();
            }
            if let Some(capacity) = capacity {
                ensure!(capacity.is_valid(), Error::<T>::InvalidCapacity);
                ensure!(capacity.memory_mib >= miner.used_mib, Error::<T>::MemoryInUse);
                miner.capacity = capacity;
            }
            if let Some(price) = price {
                miner.price = price;
            }
            Self::store(&who, &miner, pulse.duty);
            Self::deposit_event(Event::Updated { miner: who });
            Ok(())
        }

        /// Adds to the bond, which must then reach the minimum.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::bond_more())]
        pub fn bond_more(origin: OriginFor<T>, amount: Balance) -> DispatchResult {
            let who = ensure_signed(origin)?;
            let (mut miner, pulse) = Self::registered(&who)?;
            ensure!(miner.leaves_at.is_none(), Error::<T>::Leaving);
            miner.bond = miner.bond.saturating_add(amount);
            ensure!(miner.bond >= T::MinimumBond::get(), Error::<T>::BondTooLow);
            T::Currency::hold(&HoldReason::Bond.into(), &who, amount)?;
            Self::store(&who, &miner, pulse.duty);
            Self::deposit_event(Event::BondRaised { miner: who, bond: miner.bond });
            Ok(())
        }

        /// Says that the caller serves. It must arrive at least once in every heartbeat timeout;
        /// more often gains nothing.
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::heartbeat_regains().max(T::WeightInfo::heartbeat_resumes()))]
        pub fn heartbeat(origin: OriginFor<T>) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            let pulse = Pulses::<T>::get(&who).ok_or(Error::<T>::NotRegistered)?;
            ensure!(pulse.duty != Duty::Over, Error::<T>::Leaving);
            Ok(Some(Self::hear(&who, pulse)).into())
        }

        /// Takes the caller off the offer and starts the unbonding delay. It continues with the tasks
        /// that it has.
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::deregister())]
        pub fn deregister(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            let (mut miner, mut pulse) = Self::registered(&who)?;
            ensure!(miner.leaves_at.is_none(), Error::<T>::Leaving);
            let until = T::Time::now().saturating_add(T::UnbondingDelay::get());
            miner.leaves_at = Some(until);
            if miner.load == 0 {
                pulse.duty = Duty::Over;
                Pulses::<T>::insert(&who, pulse);
            }
            Self::store(&who, &miner, pulse.duty);
            Self::deposit_event(Event::Deregistered { miner: who, until });
            Ok(())
        }

        /// Returns the caller's bond and removes it from the register.
        #[pallet::call_index(5)]
        #[pallet::weight(T::WeightInfo::withdraw_bond())]
        pub fn withdraw_bond(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            let (miner, _) = Self::registered(&who)?;
            let until = miner.leaves_at.ok_or(Error::<T>::NotLeaving)?;
            ensure!(T::Time::now() >= until, Error::<T>::StillUnbonding);
            ensure!(miner.liabilities == 0 && miner.load == 0, Error::<T>::Liable);
            T::Currency::release(&HoldReason::Bond.into(), &who, miner.bond, Precision::Exact)?;
            Miners::<T>::remove(&who);
            Pulses::<T>::remove(&who);
            Accounts::<T>::remove(miner.number);
            Self::deposit_event(Event::Withdrawn { miner: who, bond: miner.bond });
            Ok(())
        }
    }

    impl<T: Config> Pallet<T> {
        fn registered(who: &T::AccountId) -> Result<(Miner, Pulse), Error<T>> {
            Miners::<T>::get(who).zip(Pulses::<T>::get(who)).ok_or(Error::<T>::NotRegistered)
        }

        fn check_key(key: &Digest) -> Result<(), Error<T>> {
            if key::is_usable(key) { Ok(()) } else { Err(Error::<T>::InvalidKey) }
        }

        fn check_endpoint(endpoint: &Endpoint) -> Result<(), Error<T>> {
            let clean = |text: &str| {
                !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
            };
            if core::str::from_utf8(endpoint).is_ok_and(clean) {
                Ok(())
            } else {
                Err(Error::<T>::InvalidEndpoint)
            }
        }
    }
}
