//! The money of tasks: an owner sets it aside, its miners are paid from it, and the rest is
//! returned.
//!
//! # Terms
//! - **Escrow**: money of a task's owner, held on the owner's own account for [`HoldReason::Escrow`].
//!   It has two purses: one pays answers, the other proofs; neither pays for the other.
//! - **Meter**: one miner's account on one task: its tariff, which requests are settled, and what
//!   was paid. A request number is settled at most once, and only a settled one is paid.
//! - **Tariff**: what an answer and a proof cost, fixed when the miner is engaged.
//!
//! # How money moves
//! Tasks and proofs move it through [`Escrow`]: a task opens its escrow, admits each miner with its
//! tariff, and closes it; a verified proof settles. Under [`ProofPolicy::OnDemand`] the owner's
//! acknowledgement settles: [`acknowledge`](Pallet::acknowledge) as a transaction of the owner, or
//! [`claim`](Pallet::claim) with a signature that owner or delegate gave the miner beside the
//! chain. An acknowledgement covers all requests up to a number, so that only the last need reach
//! the chain. If the purse pays for only some of them, the earliest are settled and the others
//! stay open for a top-up.
//!
//! Under the other policies proofs alone release pay, and acknowledgements are refused: one that
//! settles a request whose proof is about to arrive would take that proof's price from the miner.
//!
//! **What either side can lose.** A miner that waits for the acknowledgement of each answer before
//! it gives the next, and checks that the purse covers it, loses at most one answer; an owner that
//! acknowledges what it received loses nothing, and pays no request twice or above its tariff.
//!
//! Of each payment the treasury gets its share rounded down, the miner the rest: the sum is exact.
//! If the treasury's account cannot receive its share (it does not exist and the share would not
//! create it), the share goes to the miner; if the miner's account cannot receive, nothing is paid or
//! settled.
//! Payments are taken out of holds by force: an owner that locks its balance, to vote with it for
//! instance, still pays. What is refunded at the end and would leave the owner's account below the
//! existential deposit goes to the treasury.
//!
//! # Invariants
//! Checked by `do_try_state`:
//! - the amount held of each account for escrow is the sum that is left in its purses;
//! - the amount deposited in a purse is the sum of what is left in it and what its meters were paid;
//! - no meter was paid above `requests × per_request`;
//! - meters exist only for open escrows, as many as the escrow says.
//!
//! # Left to others
//! This pallet does not know which miners are engaged, or whether a request was authorised or proven.
//! The callers of [`Escrow::admit`] bound the number of miners of a task.
#![cfg_attr(not(feature = "std"), no_std)]
extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
pub mod meter;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
pub mod weights;

use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use cyborg_interface::{Engagement, Engagements, Escrow, SettleError, Settled, Tariff};
use cyborg_primitives::signed::{Acknowledgement, Payload};
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::{Digest, RequestNumber, TaskId};
use meter::{Meter, Purse};
use polkadot_sdk::frame_support::dispatch::DispatchResult;
use polkadot_sdk::frame_support::ensure;
use polkadot_sdk::frame_support::storage::with_storage_layer;
use polkadot_sdk::frame_support::traits::fungible::hold::Mutate as _;
use polkadot_sdk::frame_support::traits::tokens::{Fortitude, Precision, Restriction};
use polkadot_sdk::frame_support::traits::{Get, StorageVersion};
use polkadot_sdk::sp_runtime::traits::{Verify, Zero};
use polkadot_sdk::sp_runtime::{AccountId32, ArithmeticError, DispatchError, MultiSignature};
use polkadot_sdk::{frame_support, frame_system};
use scale_info::TypeInfo;

pub use pallet::*;
pub use weights::WeightInfo;

/// Amount of the native token, in its smallest unit.
pub type Balance = u128;

const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

/// Money of one task.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Account {
    /// The owner of the money.
    pub owner: AccountId32,
    /// Pays answers.
    pub compute: Purse,
    /// Pays proofs.
    pub proofs: Purse,
    /// Number of admitted miners.
    pub miners: u32,
}

/// The pay of one miner on a task.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct BillRow {
    /// The miner.
    pub miner: AccountId32,
    /// Tariff of an answer.
    pub per_request: Balance,
    /// Tariff of a proof.
    pub per_proof: Balance,
    /// Every request up to this one is settled or abandoned.
    pub through: RequestNumber,
    /// Requests that were paid.
    pub requests: u64,
    /// Proofs that were paid.
    pub proofs: u64,
    /// Paid for requests.
    pub compute_paid: Balance,
    /// Paid for proofs: `proofs × per_proof`.
    pub proofs_paid: Balance,
    /// The reduction by price caps: `requests × per_request − compute_paid`.
    pub capped: Balance,
}

/// The account of a task, recomputed from tariffs and counts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Bill {
    /// The account that pays.
    pub owner: AccountId32,
    /// Money for answers.
    pub compute: Purse,
    /// Money for proofs.
    pub proofs: Purse,
    /// One entry for each miner that was ever admitted.
    pub rows: Vec<BillRow>,
}

#[frame_support::pallet]
pub mod pallet {
    #![allow(missing_docs, clippy::manual_inspect, reason = "FRAME's macros")]
    use super::*;
    use frame_support::pallet_prelude::*;
    use frame_support::traits::fungible;
    use frame_system::pallet_prelude::*;
    use polkadot_sdk::sp_runtime::Permill;

    /// What the pallet requires of the runtime.
    #[pallet::config]
    pub trait Config:
        polkadot_sdk::frame_system::Config<
            AccountId = AccountId32,
            Hash: Into<Digest>,
            RuntimeEvent: From<Event<Self>>,
        >
    {
        /// The native token.
        type Currency: fungible::hold::Mutate<AccountId32, Reason = Self::RuntimeHoldReason, Balance = Balance>;
        /// The type of reasons for holding money.
        type RuntimeHoldReason: From<HoldReason>;
        /// The engagements of miners on tasks.
        type Engagements: Engagements<AccountId32>;
        /// The account that gets the network's share.
        type Treasury: Get<AccountId32>;
        /// Its share of every payment.
        type TreasuryShare: Get<Permill>;
        /// Weights of the calls.
        type WeightInfo: WeightInfo;
    }

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// Reasons for which this pallet holds money.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// The money that pays a task's miners.
        Escrow,
    }

    /// Money of each task that is not over.
    #[pallet::storage]
    pub type Escrows<T: Config> = StorageMap<_, Twox64Concat, TaskId, Account>;

    /// What each admitted miner was paid.
    #[pallet::storage]
    pub type Meters<T: Config> =
        StorageDoubleMap<_, Twox64Concat, TaskId, Blake2_128Concat, AccountId32, Meter>;

    /// Events of this pallet.
    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// Money is held for a task.
        Opened { task: TaskId, owner: AccountId32, compute: Balance, proofs: Balance },
        /// The owner added money.
        ToppedUp { task: TaskId, compute: Balance, proofs: Balance },
        /// A miner was paid. Every request up to `through` is now settled or abandoned.
        Paid {
            task: TaskId,
            miner: AccountId32,
            requests: u64,
            proofs: u32,
            through: RequestNumber,
            to_miner: Balance,
            to_treasury: Balance,
        },
        /// The task's money is accounted for: what was paid went to miners and treasury, the rest
        /// is returned to the owner.
        Closed { task: TaskId, paid: Balance, refunded: Balance },
    }

    /// Reasons why a call is refused.
    #[pallet::error]
    pub enum Error<T> {
        /// The task has no escrow, or the miner was not admitted to it.
        Unknown,
        /// The task already has an escrow.
        Exists,
        /// Only the owner of the task may do this.
        NotOwner,
        /// The miner is not engaged on the task.
        NotEngaged,
        /// The miner has not confirmed, and may not be paid yet.
        NotConfirmed,
        /// The task's policy pays for proofs, not for acknowledgements.
        PaidByProofs,
        /// The signature is neither the owner's nor the delegate's.
        BadSignature,
        /// All these requests were settled before.
        Settled,
        /// The escrow holds too little to pay one request.
        Exhausted,
        /// The miner's account cannot receive so little.
        Unpayable,
        /// There is no money to add.
        Nothing,
    }

    impl<T> From<SettleError> for Error<T> {
        fn from(error: SettleError) -> Self {
            match error {
                SettleError::Unknown => Self::Unknown,
                SettleError::Settled => Self::Settled,
                SettleError::Exhausted => Self::Exhausted,
                SettleError::Unpayable => Self::Unpayable,
            }
        }
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
        /// The owner says that a miner answered every request up to a number: those that are not
        /// settled are paid at the tariff, as far as the escrow goes.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::acknowledge())]
        pub fn acknowledge(
            origin: OriginFor<T>,
            task: TaskId,
            miner: AccountId32,
            through: RequestNumber,
        ) -> DispatchResult {
            let caller = ensure_signed(origin)?;
            let engagement = Self::payable(task, &miner)?;
            ensure!(caller == engagement.owner, Error::<T>::NotOwner);
            Self::pay_through(task, &miner, through)
        }

        /// As [`acknowledge`](Self::acknowledge), with the signature of owner or delegate. Anyone
        /// may submit it; the miner named in it is paid.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::claim())]
        pub fn claim(
            origin: OriginFor<T>,
            acknowledgement: Acknowledgement,
            signature: MultiSignature,
        ) -> DispatchResult {
            ensure_signed(origin)?;
            let Acknowledgement { task, miner, through } = acknowledgement;
            let miner = AccountId32::new(miner);
            let engagement = Self::payable(task, &miner)?;
            let payload = acknowledgement.payload(&Self::genesis());
            let signed_by = |signer: &AccountId32| signature.verify(&payload[..], signer);
            ensure!(
                signed_by(&engagement.owner) || engagement.delegate.as_ref().is_some_and(signed_by),
                Error::<T>::BadSignature
            );
            Self::pay_through(task, &miner, through)
        }

        /// The owner adds money to its task's purses.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::top_up())]
        pub fn top_up(
            origin: OriginFor<T>,
            task: TaskId,
            compute: Balance,
            proofs: Balance,
        ) -> DispatchResult {
            let caller = ensure_signed(origin)?;
            let mut account = Escrows::<T>::get(task).ok_or(Error::<T>::Unknown)?;
            ensure!(caller == account.owner, Error::<T>::NotOwner);
            ensure!(compute > 0 || proofs > 0, Error::<T>::Nothing);
            Self::hold(&caller, compute, proofs)?;
            account.compute = account.compute.put(compute).ok_or(ArithmeticError::Overflow)?;
            account.proofs = account.proofs.put(proofs).ok_or(ArithmeticError::Overflow)?;
            Escrows::<T>::insert(task, account);
            Self::deposit_event(Event::ToppedUp { task, compute, proofs });
            Ok(())
        }
    }
}

impl<T: Config> Pallet<T> {
    /// The account of a task that is not over.
    #[must_use]
    pub fn bill(task: TaskId) -> Option<Bill> {
        let account = Escrows::<T>::get(task)?;
        let rows = Meters::<T>::iter_prefix(task).map(|(miner, meter)| BillRow {
            miner,
            per_request: meter.per_request,
            per_proof: meter.per_proof,
            through: meter.window.through(),
            requests: meter.requests,
            proofs: meter.proofs,
            compute_paid: meter.compute_paid,
            proofs_paid: meter.proofs_paid().unwrap_or(Balance::MAX),
            capped: meter
                .per_request
                .saturating_mul(meter.requests.into())
                .saturating_sub(meter.compute_paid),
        });
        Some(Bill {
            owner: account.owner,
            compute: account.compute,
            proofs: account.proofs,
            rows: rows.collect(),
        })
    }

    /// The genesis hash: what is signed names it.
    fn genesis() -> Digest {
        frame_system::Pallet::<T>::block_hash(frame_system::pallet_prelude::BlockNumberFor::<T>::zero())
            .into()
    }

    /// The engagement of a miner that acknowledgements may pay.
    fn payable(task: TaskId, miner: &AccountId32) -> Result<Engagement<AccountId32>, Error<T>> {
        let engagement = T::Engagements::engagement(task, miner).ok_or(Error::<T>::NotEngaged)?;
        ensure!(engagement.confirmed, Error::<T>::NotConfirmed);
        ensure!(engagement.policy == ProofPolicy::OnDemand, Error::<T>::PaidByProofs);
        Ok(engagement)
    }

    /// Pays for requests up to a number, as far as the purse goes.
    fn pay_through(task: TaskId, miner: &AccountId32, through: RequestNumber) -> DispatchResult {
        let account = Escrows::<T>::get(task).ok_or(Error::<T>::Unknown)?;
        let meter = Meters::<T>::get(task, miner).ok_or(Error::<T>::Unknown)?;
        let affordable = meter.affordable(through, account.compute.left);
        Self::pay(account, meter, task, miner, Settled::Through(affordable), Balance::MAX, 0).map_err(
            |error| match error {
                // There was something to settle, and not enough to pay even the first.
                SettleError::Settled if affordable < through => Error::<T>::Exhausted,
                error => error.into(),
            },
        )?;
        Ok(())
    }

    /// Settles and pays; changes nothing if it fails. Returns the miner's pay.
    fn pay(
        mut account: Account,
        mut meter: Meter,
        task: TaskId,
        miner: &AccountId32,
        requests: Settled,
        cap: Balance,
        proofs: u32,
    ) -> Result<Balance, SettleError> {
        let due = meter.settle(requests, cap, proofs)?;
        account.compute = account.compute.take(due.compute).ok_or(SettleError::Exhausted)?;
        account.proofs = account.proofs.take(due.proofs).ok_or(SettleError::Exhausted)?;
        let amount = due.compute.checked_add(due.proofs).ok_or(SettleError::Exhausted)?;
        let (to_miner, to_treasury) =
            Self::split(&account.owner, miner, amount).map_err(|_| SettleError::Unpayable)?;
        Escrows::<T>::insert(task, account);
        Meters::<T>::insert(task, miner, meter);
        let through = meter.window.through();
        Self::deposit_event(Event::Paid {
            task,
            miner: miner.clone(),
            requests: due.requests,
            proofs,
            through,
            to_miner,
            to_treasury,
        });
        Ok(to_miner)
    }

    /// Moves a payment out of the owner's hold. Returns the miner's and the treasury's amounts.
    fn split(
        owner: &AccountId32,
        miner: &AccountId32,
        amount: Balance,
    ) -> Result<(Balance, Balance), DispatchError> {
        let share = T::TreasuryShare::get().mul_floor(amount);
        let rest = amount.saturating_sub(share);
        with_storage_layer(|| {
            Self::transfer(owner, miner, rest)?;
            if with_storage_layer(|| Self::transfer(owner, &T::Treasury::get(), share)).is_ok() {
                return Ok((rest, share));
            }
            Self::transfer(owner, miner, share)?;
            Ok((amount, 0))
        })
    }

    fn transfer(owner: &AccountId32, to: &AccountId32, amount: Balance) -> DispatchResult {
        if amount == 0 {
            return Ok(());
        }
        T::Currency::transfer_on_hold(
            &HoldReason::Escrow.into(),
            owner,
            to,
            amount,
            Precision::Exact,
            Restriction::Free,
            Fortitude::Force,
        )?;
        Ok(())
    }

    fn hold(owner: &AccountId32, compute: Balance, proofs: Balance) -> DispatchResult {
        let amount = compute.checked_add(proofs).ok_or(ArithmeticError::Overflow)?;
        if amount == 0 {
            return Ok(());
        }
        T::Currency::hold(&HoldReason::Escrow.into(), owner, amount)
    }

    fn refund(owner: &AccountId32, amount: Balance) -> Result<Balance, DispatchError> {
        if amount == 0 {
            return Ok(0);
        }
        let reason = HoldReason::Escrow.into();
        with_storage_layer(|| T::Currency::release(&reason, owner, amount, Precision::Exact)).or_else(|_| {
            with_storage_layer(|| Self::transfer(owner, &T::Treasury::get(), amount))?;
            Ok(0)
        })
    }

    /// Checks the invariants that the pallet's documentation states.
    #[cfg(any(feature = "try-runtime", test))]
    pub(crate) fn do_try_state() -> Result<(), DispatchError> {
        use alloc::collections::BTreeMap;
        use polkadot_sdk::frame_support::traits::fungible::hold::Inspect as _;

        let mut paid = BTreeMap::<TaskId, (Balance, Balance, u32)>::new();
        for (task, _, meter) in Meters::<T>::iter() {
            let at_tariff = meter.per_request.saturating_mul(meter.requests.into());
            ensure!(meter.compute_paid <= at_tariff, "a miner was paid above its tariff");
            let (compute, proofs, miners) = paid.entry(task).or_default();
            *compute = compute.checked_add(meter.compute_paid).ok_or("payments overflow")?;
            *proofs =
                meter.proofs_paid().and_then(|sum| proofs.checked_add(sum)).ok_or("payments overflow")?;
            *miners = miners.saturating_add(1);
        }
        let mut held = BTreeMap::<AccountId32, Balance>::new();
        for (task, account) in Escrows::<T>::iter() {
            let (compute, proofs, miners) = paid.remove(&task).unwrap_or_default();
            ensure!(miners == account.miners, "an escrow counts other miners than it has");
            for (purse, paid) in [(account.compute, compute), (account.proofs, proofs)] {
                ensure!(purse.left.checked_add(paid) == Some(purse.deposited), "a purse does not add up");
                let sum = held.entry(account.owner.clone()).or_default();
                *sum = sum.checked_add(purse.left).ok_or("escrows overflow")?;
            }
        }
        ensure!(paid.is_empty(), "a meter has no escrow");
        for who in frame_system::Account::<T>::iter_keys() {
            let on_hold = T::Currency::balance_on_hold(&HoldReason::Escrow.into(), &who);
            ensure!(on_hold == held.remove(&who).unwrap_or(0), "what is held is not what is left in purses");
        }
        ensure!(held.values().all(|sum| *sum == 0), "an owner of purses has no account");
        Ok(())
    }
}

impl<T: Config> Escrow<AccountId32, Balance> for Pallet<T> {
    fn open(task: TaskId, owner: &AccountId32, compute: Balance, proofs: Balance) -> DispatchResult {
        ensure!(!Escrows::<T>::contains_key(task), Error::<T>::Exists);
        Self::hold(owner, compute, proofs)?;
        let purse = |amount| Purse { deposited: amount, left: amount };
        let account =
            Account { owner: owner.clone(), compute: purse(compute), proofs: purse(proofs), miners: 0 };
        Escrows::<T>::insert(task, account);
        Self::deposit_event(Event::Opened { task, owner: owner.clone(), compute, proofs });
        Ok(())
    }

    /// Without an escrow there is nothing to be admitted to; a miner that was admitted before keeps
    /// its first tariff.
    fn admit(task: TaskId, miner: &AccountId32, tariff: Tariff<Balance>) {
        Escrows::<T>::mutate_extant(task, |account| {
            if !Meters::<T>::contains_key(task, miner) {
                account.miners = account.miners.saturating_add(1);
                Meters::<T>::insert(task, miner, Meter::new(tariff));
            }
        });
    }

    fn settle(
        task: TaskId,
        miner: &AccountId32,
        requests: Settled,
        cap: Balance,
        proofs: u32,
    ) -> Result<Balance, SettleError> {
        let account = Escrows::<T>::get(task).ok_or(SettleError::Unknown)?;
        let meter = Meters::<T>::get(task, miner).ok_or(SettleError::Unknown)?;
        Self::pay(account, meter, task, miner, requests, cap, proofs)
    }

    fn can_pay(task: TaskId, miner: &AccountId32, proofs: u32) -> bool {
        let (Some(account), Some(meter)) = (Escrows::<T>::get(task), Meters::<T>::get(task, miner)) else {
            return false;
        };
        let price = meter.per_proof.checked_mul(proofs.into());
        meter.per_request <= account.compute.left && price.is_some_and(|price| price <= account.proofs.left)
    }

    fn is_settled(task: TaskId, miner: &AccountId32, number: RequestNumber) -> bool {
        Meters::<T>::get(task, miner).is_some_and(|meter| meter.window.contains(number))
    }

    /// If the rest can go neither to the owner nor to the treasury, which cannot happen while holds
    /// equal escrows, the escrow stays open, so that its money is not lost.
    fn close(task: TaskId) -> Balance {
        let Some(account) = Escrows::<T>::get(task) else { return 0 };
        // Both are parts of one account's balance, which fits.
        let sum = |compute: Balance, proofs: Balance| compute.saturating_add(proofs);
        let left = sum(account.compute.left, account.proofs.left);
        let Ok(refunded) = Self::refund(&account.owner, left) else { return 0 };
        // Bounded: the escrow counts its meters.
        let _ = Meters::<T>::clear_prefix(task, account.miners, None);
        Escrows::<T>::remove(task);
        let paid = sum(account.compute.deposited, account.proofs.deposited).saturating_sub(left);
        Self::deposit_event(Event::Closed { task, paid, refunded });
        refunded
    }
}
