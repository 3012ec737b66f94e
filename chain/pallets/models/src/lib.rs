//! The register of models: the verifying keys by which their answers are checked, and their owners.
//!
//! # Terms
//! *Key*: the verifying key of the proof system: the public graph of a model, commitments to its
//! hidden weights, and a proof that those weights are as the graph says. *Claim*: the cost of a
//! verification as its owner declares it. *Listed*: new tasks may use the model.
//!
//! # Design
//! **Checked at registration.** An account that registers a key pays for the check of its proof about
//! itself, by the claim, before anything is done. The key is decoded, its cost is computed and
//! compared with the claim, and only then is the proof verified. The excess of the claim is refunded.
//! So every later proof is verified by a key whose cost is known and whose weights are in range.
//! There is nothing to slash: an account that registers a false key has paid for the check.
//!
//! **Versions.** A model never changes. Its owner registers the next version as a model of its own
//! that names its predecessor, and delists the old one at any time: running tasks continue.
//!
//! **Deposits.** A key takes up to 320 KiB of state. Its owner has a deposit held for each byte until
//! it removes the model, which it can when no task uses it.
//!
//! # Invariants
//! As `try_state` checks them:
//! 1. Models and keys are one to one; a key has the length of its cost on record.
//! 2. Numbers are below the next number; a predecessor's is below its successor's, and versions
//!    count from 1.
//! 3. The amount held of an account for deposits is exactly the sum of its models' deposits.
#![cfg_attr(not(feature = "std"), no_std)]
extern crate alloc;

pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[cfg(any(feature = "runtime-benchmarks", test))]
pub mod fixture;
#[cfg(any(feature = "try-runtime", test))]
mod invariants;
#[cfg(test)]
mod mock;
mod register;
#[cfg(test)]
mod tests;

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{Digest, MAX_KEY_BYTES, ModelId};
use polkadot_sdk::frame_support::BoundedVec;
use polkadot_sdk::frame_support::traits::fungible::Inspect;
use polkadot_sdk::frame_support::traits::{ConstU32, StorageVersion};
use polkadot_sdk::{frame_support, frame_system};
use scale_info::TypeInfo;

pub use pallet::*;
pub use weights::WeightInfo;

const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

/// A verifying key, as bytes.
pub type Key = BoundedVec<u8, ConstU32<MAX_KEY_BYTES>>;
/// Amount of the native token.
pub type BalanceOf<T> = <<T as Config>::Currency as Inspect<<T as frame_system::Config>::AccountId>>::Balance;
/// A model of this runtime.
pub type RecordOf<T> = Record<<T as frame_system::Config>::AccountId, BalanceOf<T>>;

/// The record of a model beside its key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Record<AccountId, Balance> {
    /// The account that registered it.
    pub owner: AccountId,
    /// The version before this one. It may have been removed since.
    pub predecessor: Option<ModelId>,
    /// Its version, counted from 1.
    pub version: u32,
    /// Whether new tasks may use it.
    pub listed: bool,
    /// Tasks that use it.
    pub tasks: u32,
    /// Digest of the verifying key.
    pub key: Digest,
    /// Digest of the manifest by which the encrypted model is stored.
    pub manifest: Digest,
    /// Digest of the model's file, as a miner attests that it has loaded it.
    pub model: Digest,
    /// Memory that running it takes, in mebibytes.
    pub memory_mib: u32,
    /// Multiply-accumulates of an inference.
    pub work_macs: u64,
    /// Work of a proof, as the number of multiply-accumulates that take equally long.
    pub proof_macs: u64,
    /// Cost of a verification, computed from the key.
    pub cost: Cost,
    /// The deposit that is held of its owner.
    pub deposit: Balance,
}

#[frame_support::pallet]
pub mod pallet {
    #![allow(missing_docs, reason = "FRAME's macros")]
    use super::*;
    use cyborg_interface::Verifier;
    use frame_support::pallet_prelude::*;
    use frame_support::traits::fungible;
    use frame_system::pallet_prelude::*;

    /// What the pallet requires of the runtime.
    #[pallet::config]
    pub trait Config: polkadot_sdk::frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// The native token.
        type Currency: fungible::hold::Mutate<Self::AccountId, Reason = Self::RuntimeHoldReason>;
        /// The type of reasons for holding money.
        type RuntimeHoldReason: From<HoldReason>;
        /// The verifier, which checks keys.
        type Verifier: Verifier;
        /// Held for a model, whatever its key.
        #[pallet::constant]
        type DepositBase: Get<BalanceOf<Self>>;
        /// Held for each byte of its key.
        #[pallet::constant]
        type DepositPerByte: Get<BalanceOf<Self>>;
        /// Weights of the calls.
        type WeightInfo: WeightInfo;
    }

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// Reasons for which this pallet holds money.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// For the state that a model takes.
        Deposit,
    }

    /// The models.
    #[pallet::storage]
    pub type Models<T: Config> = StorageMap<_, Twox64Concat, ModelId, RecordOf<T>>;

    /// Their verifying keys; apart from the rest, because they are long and seldom read.
    #[pallet::storage]
    pub type Keys<T: Config> = StorageMap<_, Twox64Concat, ModelId, Key>;

    /// The number of the next model. Numbers are never used again.
    #[pallet::storage]
    pub type NextModel<T: Config> = StorageValue<_, ModelId, ValueQuery>;

    /// Events of this pallet.
    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A model was registered; its key is true.
        Registered {
            model: ModelId,
            owner: T::AccountId,
            key: Digest,
            predecessor: Option<ModelId>,
            version: u32,
            deposit: BalanceOf<T>,
        },
        /// New tasks cannot use a model any more.
        Delisted { model: ModelId },
        /// A model was removed, and its deposit was returned to its owner.
        Removed { model: ModelId, deposit: BalanceOf<T> },
    }

    /// Reasons why a call is refused.
    #[pallet::error]
    pub enum Error<T> {
        /// The bytes are not the key of a graph that can be proven.
        UndecodableKey,
        /// A verification costs more than was claimed.
        Underclaimed,
        /// A verification needs more memory than the chain's verifier has.
        TooLarge,
        /// The key's proof about itself is false.
        FalseKey,
        /// The model does not fit the memory that was declared for it.
        MemoryTooLow,
        /// Every number is taken.
        NoNumberLeft,
        /// The model does not exist.
        UnknownModel,
        /// Only the owner of the model may do this.
        NotOwner,
        /// The model is already delisted.
        AlreadyDelisted,
        /// Tasks use the model.
        InUse,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), polkadot_sdk::sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Registers a model by its verifying key, which is checked in the call.
        ///
        /// `claim` is what a verification costs at most; it is charged, and what the key does not
        /// need is refunded. `manifest` names the encrypted model in storage, `model` is the digest
        /// of its file. A new version names its `predecessor`, which must be the caller's.
        #[pallet::call_index(0)]
        #[pallet::weight(Pallet::<T>::registration_weight(key.len() as u32, claim))]
        pub fn register(
            origin: OriginFor<T>,
            key: Key,
            claim: Cost,
            manifest: Digest,
            model: Digest,
            memory_mib: u32,
            predecessor: Option<ModelId>,
        ) -> DispatchResultWithPostInfo {
            let owner = ensure_signed(origin)?;
            let length = key.len() as u32;
            let digests = (manifest, model);
            let check = T::Verifier::check_key;
            let cost = Self::do_register(owner, key, claim, digests, memory_mib, predecessor, check)?;
            Ok(Some(Self::registration_weight(length, &cost)).into())
        }

        /// Takes a model off the list: no new task can use it; tasks that use it continue.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::delist())]
        pub fn delist(origin: OriginFor<T>, model: ModelId) -> DispatchResult {
            let owner = ensure_signed(origin)?;
            let mut record = Self::owned(&owner, model)?;
            ensure!(record.listed, Error::<T>::AlreadyDelisted);
            record.listed = false;
            Models::<T>::insert(model, record);
            Self::deposit_event(Event::Delisted { model });
            Ok(())
        }

        /// Removes a model that no task uses, and returns its deposit.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::remove())]
        pub fn remove(origin: OriginFor<T>, model: ModelId) -> DispatchResult {
            let owner = ensure_signed(origin)?;
            Self::do_remove(&owner, model)
        }
    }
}
