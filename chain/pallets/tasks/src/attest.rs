//! What a miner must show before it serves, and how often it may decline to.

use crate::types::AttestationOf;
use crate::{Config, Declines, Error, Pallet};
use cyborg_interface::Models as _;
use cyborg_primitives::{ModelId, Moment};
use polkadot_sdk::frame_support::dispatch::DispatchResult;
use polkadot_sdk::frame_support::ensure;
use polkadot_sdk::frame_support::traits::Get;
use polkadot_sdk::frame_system;
use polkadot_sdk::sp_runtime::traits::Saturating;

impl<T: Config> Pallet<T> {
    pub(crate) fn check_attestation(model: ModelId, attestation: &AttestationOf<T>) -> DispatchResult {
        let registered = T::Models::model(model).ok_or(Error::<T>::UnknownModel)?;
        ensure!(attestation.model == registered.key, Error::<T>::WrongModel);
        let block = frame_system::Pallet::<T>::block_number();
        ensure!(attestation.block < block, Error::<T>::ForeignAttestation);
        let age = Saturating::saturating_sub(block, attestation.block);
        ensure!(age <= T::MaxAttestationAge::get(), Error::<T>::StaleAttestation);
        let hash = frame_system::Pallet::<T>::block_hash(attestation.block);
        ensure!(attestation.block_hash == hash, Error::<T>::ForeignAttestation);
        Ok(())
    }

    /// One decline more, where there is one left: they come back at one per period.
    pub(crate) fn count_decline(miner: &T::AccountId, now: Moment) -> DispatchResult {
        let period = T::DeclinePeriod::get();
        let worked_off = Declines::<T>::get(miner).max(now).saturating_add(period);
        let most = now.saturating_add(period.saturating_mul(T::DeclineBurst::get()));
        ensure!(worked_off <= most, Error::<T>::DeclinedTooOften);
        Declines::<T>::insert(miner, worked_off);
        Ok(())
    }
}
