//! What a miner's signature holds it to: the proof of a demanded receipt, and one receipt a request.

use crate::{Config, Deadline, Demand, Error, Event, Fault, Kind, Obligations, Owed, Pallet, SignedReceipt};
use cyborg_interface::{Engagement, Escrow, Settled};
use cyborg_primitives::TaskId;
use cyborg_primitives::signed::{Payload, Receipt};
use cyborg_primitives::task::ProofPolicy;
use polkadot_sdk::frame_support::dispatch::DispatchResult;
use polkadot_sdk::frame_support::ensure;
use polkadot_sdk::frame_support::traits::Get;
use polkadot_sdk::frame_system::pallet_prelude::BlockNumberFor;
use polkadot_sdk::sp_io::hashing::blake2_256;
use polkadot_sdk::sp_runtime::traits::Zero;

impl<T: Config> Pallet<T> {
    pub(crate) fn do_demand(
        who: &T::AccountId,
        task: TaskId,
        miner: T::AccountId,
        signed: &SignedReceipt,
    ) -> DispatchResult {
        let engagement = Self::engaged_for(who, task, &miner)?;
        Self::ensure_receipt_of(task, &miner, signed)?;
        let Receipt { number, input, output, .. } = signed.receipt;
        let mut owed = Owed::<T>::get(task, &miner).unwrap_or_default();
        let sampled = matches!(engagement.policy, ProofPolicy::Sampled { .. });
        ensure!(!sampled || number >= owed.open_from(), Error::<T>::Final);
        ensure!(owed.demand(number).is_none(), Error::<T>::AlreadyDemanded);
        let due = Self::now().saturating_add(T::AnswerTime::get());
        owed.demands
            .try_push(Demand { number, input, output, due })
            .map_err(|_| Error::<T>::TooManyDemands)?;
        let paid = T::Escrow::settle(task, &miner, Settled::Through(0), Zero::zero(), 1)
            .map_err(|_| Error::<T>::Unpaid)?;
        Owed::<T>::insert(task, &miner, owed);
        Self::add_deadline(Kind::Demand, due, task, &miner, number);
        Self::deposit_event(Event::Demanded { task, miner, number, due, paid });
        Ok(())
    }

    pub(crate) fn do_equivocation(one: &SignedReceipt, other: &SignedReceipt) -> DispatchResult {
        let (receipt, second) = (&one.receipt, &other.receipt);
        ensure!(
            receipt.task == second.task
                && receipt.miner == second.miner
                && receipt.number == second.number
                && receipt != second,
            Error::<T>::NoContradiction
        );
        let (task, number) = (receipt.task, receipt.number);
        let miner = T::AccountId::from(receipt.miner);
        let engagement = Self::engaged(task, &miner).ok_or(Error::<T>::NotEngaged)?;
        let mut owed = Owed::<T>::get(task, &miner).unwrap_or_default();
        ensure!(!owed.equivocated, Error::<T>::AlreadyPunished);
        Self::ensure_signed_receipt(one)?;
        Self::ensure_signed_receipt(other)?;
        owed.equivocated = true;
        Owed::<T>::insert(task, &miner, owed);
        let hash = blake2_256(&second.payload(&Self::genesis()));
        Self::convict(&miner, &engagement.owner, task, number, Fault::TwoReceipts, hash);
        Ok(())
    }

    /// The miner's time to prove a demand is over.
    pub(crate) fn end_demand(
        deadline: &Deadline<T::AccountId>,
        engagement: &Engagement<T::AccountId>,
        owed: &mut Obligations<BlockNumberFor<T>>,
    ) {
        let Deadline { due, task, ref miner, number } = *deadline;
        let open = |demand: &Demand| demand.number == number && demand.due == due;
        let Some(position) = owed.demands.iter().position(open) else { return };
        let Demand { input, output, .. } = owed.demands.remove(position);
        let receipt = Receipt { task, miner: miner.clone().into(), number, input, output };
        let hash = blake2_256(&receipt.payload(&Self::genesis()));
        Self::convict(miner, &engagement.owner, task, number, Fault::UnprovenDemand, hash);
    }
}
