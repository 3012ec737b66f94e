//! What every call asks: who is engaged, what is signed, and how the guilty are convicted.

use crate::{Config, Error, Event, Evidence, Fault, Offences, Pallet, SignedReceipt};
use cyborg_interface::{Engagement, Engagements, Registry};
use cyborg_primitives::signed::{Authorisation, Payload};
use cyborg_primitives::{Account, Digest, Moment, RequestNumber, TaskId};
use polkadot_sdk::frame_support::ensure;
use polkadot_sdk::frame_support::traits::Time;
use polkadot_sdk::frame_system;
use polkadot_sdk::frame_system::pallet_prelude::BlockNumberFor;
use polkadot_sdk::sp_runtime::traits::{Verify, Zero};
use polkadot_sdk::sp_runtime::{AccountId32, MultiSignature};

fn signed_by(account: Account, payload: &[u8], signature: &MultiSignature) -> bool {
    signature.verify(payload, &AccountId32::new(account))
}

impl<T: Config> Pallet<T> {
    pub(crate) fn now() -> Moment {
        T::Time::now()
    }

    /// The hash of block 0, which names the chain in everything that is signed.
    pub(crate) fn genesis() -> Digest {
        frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero()).into()
    }

    /// The part in a task of a miner that may be paid and found guilty.
    pub(crate) fn engaged(task: TaskId, miner: &T::AccountId) -> Option<Engagement<T::AccountId>> {
        T::Engagements::engagement(task, miner).filter(|engagement| engagement.confirmed)
    }

    /// The same, for a call by the owner or its delegate.
    pub(crate) fn engaged_for(
        who: &T::AccountId,
        task: TaskId,
        miner: &T::AccountId,
    ) -> Result<Engagement<T::AccountId>, Error<T>> {
        let engagement = Self::engaged(task, miner).ok_or(Error::<T>::NotEngaged)?;
        ensure!(*who == engagement.owner || engagement.delegate.as_ref() == Some(who), Error::<T>::NotOwner);
        Ok(engagement)
    }

    /// Whether the owner or its delegate signed.
    pub(crate) fn is_authorised(
        engagement: &Engagement<T::AccountId>,
        authorisation: &Authorisation,
        signature: &MultiSignature,
        genesis: &Digest,
    ) -> bool {
        let payload = authorisation.payload(genesis);
        core::iter::once(&engagement.owner)
            .chain(&engagement.delegate)
            .any(|account| signed_by(account.clone().into(), &payload, signature))
    }

    /// Whether the miner that a receipt names has signed it.
    pub(crate) fn ensure_signed_receipt(signed: &SignedReceipt) -> Result<(), Error<T>> {
        let payload = signed.receipt.payload(&Self::genesis());
        ensure!(signed_by(signed.receipt.miner, &payload, &signed.signature), Error::<T>::BadSignature);
        Ok(())
    }

    /// A receipt that a miner has signed on a task.
    pub(crate) fn ensure_receipt_of(
        task: TaskId,
        miner: &T::AccountId,
        signed: &SignedReceipt,
    ) -> Result<(), Error<T>> {
        let account: Account = miner.clone().into();
        ensure!(signed.receipt.task == task && signed.receipt.miner == account, Error::<T>::OtherReceipt);
        Self::ensure_signed_receipt(signed)
    }

    /// Keeps the evidence and punishes.
    pub(crate) fn convict(
        miner: &T::AccountId,
        owner: &T::AccountId,
        task: TaskId,
        number: RequestNumber,
        fault: Fault,
        hash: Digest,
    ) {
        let block = frame_system::Pallet::<T>::block_number();
        let evidence = Evidence { task, number, fault, hash, block, at: Self::now() };
        Offences::<T>::mutate(miner, |offences| {
            if offences.is_full() {
                offences.remove(0);
            }
            // There is room for one.
            let _ = offences.try_push(evidence);
        });
        let slashed = T::Registry::punish(miner, fault.offence(), Some(owner));
        Self::deposit_event(Event::Punished { miner: miner.clone(), evidence, slashed });
    }
}
