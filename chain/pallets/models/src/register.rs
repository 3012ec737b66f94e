//! Registration and removal, and what other pallets ask: [`cyborg_interface::Models`].

use crate::{
    BalanceOf, Config, Error, Event, HoldReason, Key, Keys, Models, NextModel, Pallet, Record, RecordOf,
    WeightInfo,
};
use alloc::vec::Vec;
use cyborg_interface::{KeyError, KeyFacts, Model, Verifier};
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{Digest, ModelId};
use polkadot_sdk::frame_support::dispatch::DispatchResult;
use polkadot_sdk::frame_support::ensure;
use polkadot_sdk::frame_support::traits::Get;
use polkadot_sdk::frame_support::traits::fungible::MutateHold;
use polkadot_sdk::frame_support::traits::tokens::Precision;
use polkadot_sdk::frame_support::weights::Weight;
use polkadot_sdk::sp_runtime::DispatchError;
use polkadot_sdk::sp_runtime::traits::Saturating;

impl<T: Config> From<KeyError> for Error<T> {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Undecodable => Self::UndecodableKey,
            KeyError::Underclaimed => Self::Underclaimed,
            KeyError::TooLarge => Self::TooLarge,
            KeyError::False => Self::FalseKey,
        }
    }
}

impl<T: Config> Pallet<T> {
    /// What registering a key of so many bytes takes, at a claimed cost.
    pub(crate) fn registration_weight(length: u32, claim: &Cost) -> Weight {
        // Bytes beyond the claim are refused before they are decoded.
        T::WeightInfo::register(length).saturating_add(T::Verifier::check_weight(claim))
    }

    /// Held for a key of so many bytes.
    pub(crate) fn deposit_for(length: u32) -> BalanceOf<T> {
        T::DepositBase::get().saturating_add(T::DepositPerByte::get().saturating_mul(length.into()))
    }

    /// A model of this owner.
    pub(crate) fn owned(owner: &T::AccountId, model: ModelId) -> Result<RecordOf<T>, Error<T>> {
        let record = Models::<T>::get(model).ok_or(Error::<T>::UnknownModel)?;
        ensure!(record.owner == *owner, Error::<T>::NotOwner);
        Ok(record)
    }

    /// Registers a model whose key `check` accepts.
    pub(crate) fn do_register(
        owner: T::AccountId,
        key: Key,
        claim: Cost,
        (manifest, model): (Digest, Digest),
        memory_mib: u32,
        predecessor: Option<ModelId>,
        check: impl FnOnce(&[u8], &Cost) -> Result<KeyFacts, KeyError>,
    ) -> Result<Cost, DispatchError> {
        let version = match predecessor {
            Some(predecessor) => Self::owned(&owner, predecessor)?.version.saturating_add(1),
            None => 1,
        };
        let id = NextModel::<T>::get();
        let next = id.checked_add(1).ok_or(Error::<T>::NoNumberLeft)?;
        // What an owner cannot pay is not checked.
        let deposit = Self::deposit_for(key.len() as u32);
        T::Currency::hold(&HoldReason::Deposit.into(), &owner, deposit)?;
        ensure!(key.len() as u64 <= u64::from(claim.key_bytes), Error::<T>::Underclaimed);
        let KeyFacts { digest, memory_mib: least_mib, work_macs, proof_macs, cost } =
            check(&key, &claim).map_err(Error::<T>::from)?;
        ensure!(memory_mib >= least_mib.max(1), Error::<T>::MemoryTooLow);

        NextModel::<T>::put(next);
        let record = Record {
            owner: owner.clone(),
            predecessor,
            version,
            listed: true,
            tasks: 0,
            key: digest,
            manifest,
            model,
            memory_mib,
            work_macs,
            proof_macs,
            cost,
            deposit,
        };
        Models::<T>::insert(id, record);
        Keys::<T>::insert(id, key);
        Self::deposit_event(Event::Registered {
            model: id,
            owner,
            key: digest,
            predecessor,
            version,
            deposit,
        });
        Ok(cost)
    }

    pub(crate) fn do_remove(owner: &T::AccountId, model: ModelId) -> DispatchResult {
        let record = Self::owned(owner, model)?;
        ensure!(record.tasks == 0, Error::<T>::InUse);
        T::Currency::release(&HoldReason::Deposit.into(), owner, record.deposit, Precision::Exact)?;
        Models::<T>::remove(model);
        Keys::<T>::remove(model);
        Self::deposit_event(Event::Removed { model, deposit: record.deposit });
        Ok(())
    }
}

impl<T: Config> cyborg_interface::Models<T::AccountId> for Pallet<T> {
    fn model(id: ModelId) -> Option<Model<T::AccountId>> {
        Models::<T>::get(id).map(|record| Model {
            owner: record.owner,
            listed: record.listed,
            key: record.key,
            memory_mib: record.memory_mib,
            work_macs: record.work_macs,
            proof_macs: record.proof_macs,
            cost: record.cost,
        })
    }

    fn key(id: ModelId) -> Option<Vec<u8>> {
        Keys::<T>::get(id).map(Into::into)
    }

    fn retain(id: ModelId) {
        Models::<T>::mutate_extant(id, |record| record.tasks = record.tasks.saturating_add(1));
    }

    fn release(id: ModelId) {
        Models::<T>::mutate_extant(id, |record| record.tasks = record.tasks.saturating_sub(1));
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn set_up_model(owner: &T::AccountId) -> ModelId {
        crate::benchmarking::set_up_model::<T>(owner)
    }
}
