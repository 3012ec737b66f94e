//! The invariants of the crate's documentation, in code.

use crate::{BalanceOf, Config, HoldReason, Keys, Models, NextModel, Pallet};
use alloc::collections::BTreeMap;
use polkadot_sdk::frame_support::ensure;
use polkadot_sdk::frame_support::traits::fungible::InspectHold;
use polkadot_sdk::frame_system;
use polkadot_sdk::sp_runtime::TryRuntimeError;
use polkadot_sdk::sp_runtime::traits::Saturating;

impl<T: Config> Pallet<T> {
    /// Checks every invariant.
    pub(crate) fn do_try_state() -> Result<(), TryRuntimeError> {
        let next = NextModel::<T>::get();
        let mut deposits: BTreeMap<T::AccountId, BalanceOf<T>> = BTreeMap::new();
        let mut count = 0;
        for (id, record) in Models::<T>::iter() {
            count += 1;
            let key = Keys::<T>::get(id).ok_or("a model has no key")?;
            ensure!(
                key.len() as u64 == u64::from(record.cost.key_bytes),
                "a key has another length than on record"
            );
            ensure!(id < next, "a model's number was not given yet");
            ensure!(record.predecessor.is_none_or(|before| before < id), "a predecessor is younger");
            ensure!(
                (record.version == 1) == record.predecessor.is_none() && record.version > 0,
                "versions do not count from 1"
            );
            let deposit = deposits.entry(record.owner).or_default();
            *deposit = deposit.saturating_add(record.deposit);
        }
        ensure!(Keys::<T>::iter_keys().count() == count, "a key has no model");
        for account in frame_system::Account::<T>::iter_keys() {
            let held = T::Currency::balance_on_hold(&HoldReason::Deposit.into(), &account);
            let recorded = deposits.remove(&account).unwrap_or_default();
            ensure!(held == recorded, "deposits held are not those on record");
        }
        ensure!(deposits.is_empty(), "an owner has no account");
        Ok(())
    }
}
