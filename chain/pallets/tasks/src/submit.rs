//! Submission: what an owner may ask for, and the first engagement of miners.

use crate::types::{Task, TaskSpec};
use crate::{Config, Error, Event, NextTask, Pallet, TaskId};
use cyborg_interface::{Escrow as _, Models as _};
use cyborg_primitives::money::price_of;
use cyborg_primitives::task::{ProofPolicy, Role, TaskState};
use cyborg_primitives::{HOUR_MS, Moment};
use polkadot_sdk::frame_support::dispatch::DispatchResult;
use polkadot_sdk::frame_support::traits::{Get, Time};
use polkadot_sdk::frame_support::weights::Weight;
use polkadot_sdk::frame_support::{BoundedVec, ensure};
use polkadot_sdk::sp_runtime::DispatchError;

impl<T: Config> Pallet<T> {
    fn check_spec(spec: &TaskSpec<T::AccountId>) -> DispatchResult {
        let placement = &spec.placement;
        ensure!(placement.replicas > 0, Error::<T>::NoReplicas);
        let assigned = u32::from(placement.replicas).saturating_add(placement.standbys.into());
        ensure!(assigned <= T::MaxAssigned::get(), Error::<T>::TooManyMiners);
        ensure!(placement.regions.iter().all(|region| region.is_valid()), Error::<T>::InvalidRegion);
        ensure!(placement.near.is_none_or(|(cell, _)| cell.is_valid()), Error::<T>::InvalidCell);
        ensure!(placement.min_reputation <= 100, Error::<T>::InvalidReputation);
        ensure!(spec.policy != ProofPolicy::Sampled { samples: 0 }, Error::<T>::NoSamples);
        ensure!(spec.compute_ms > 0, Error::<T>::NoCompute);
        Ok(())
    }

    /// Holds the money of a task and gives it a number. Nobody is engaged yet, nothing stored.
    pub(crate) fn open(
        owner: T::AccountId,
        spec: TaskSpec<T::AccountId>,
        now: Moment,
    ) -> Result<(TaskId, Task<T>), DispatchError> {
        Self::check_spec(&spec)?;
        let model = T::Models::model(spec.model).ok_or(Error::<T>::UnknownModel)?;
        ensure!(model.listed, Error::<T>::Delisted);
        let compute = price_of(spec.price_cap, spec.compute_ms, HOUR_MS).ok_or(Error::<T>::EscrowOverflow)?;
        let proofs = spec.proof_cap.checked_mul(spec.max_proofs.into()).ok_or(Error::<T>::EscrowOverflow)?;
        compute.checked_add(proofs).ok_or(Error::<T>::EscrowOverflow)?;

        let id = NextTask::<T>::mutate(|next| {
            let id = *next;
            *next = id.saturating_add(1);
            id
        });
        T::Escrow::open(id, &owner, compute, proofs)?;
        T::Models::retain(spec.model);
        let life = spec.compute_ms.saturating_mul(T::IdleFactor::get());
        let life = life.max(T::MinDuration::get()).min(T::MaxDuration::get());
        let ends = now.saturating_add(life);
        Self::deposit_event(Event::Submitted { task: id, owner: owner.clone(), model: spec.model, ends });
        let task = Task::<T> {
            owner,
            delegate: spec.delegate,
            model: spec.model,
            placement: spec.placement,
            price_cap: spec.price_cap,
            proof_cap: spec.proof_cap,
            memory_mib: model.memory_mib,
            policy: spec.policy,
            standbys_read_now: spec.standbys_read_now,
            state: TaskState::Assigned,
            keys: None,
            parts: BoundedVec::new(),
            ends,
            retry: None,
            retries: 0,
            cause: None,
            wake: None,
        };
        Ok((id, task))
    }

    /// Submits a task. Its number, and what looking for miners cost.
    pub(crate) fn do_submit(
        owner: T::AccountId,
        spec: TaskSpec<T::AccountId>,
    ) -> Result<(TaskId, Weight), DispatchError> {
        let now = T::Time::now();
        let (id, mut task) = Self::open(owner, spec, now)?;
        let search = Self::fill(id, &mut task, now);
        ensure!(task.live(Role::Replica) >= task.placement.replicas, Error::<T>::NoMiners);
        let proofs = task.proofs_at_once();
        let paid = task.parts.iter().all(|part| T::Escrow::can_pay(id, &part.miner, proofs));
        ensure!(paid, Error::<T>::EscrowTooSmall);
        Self::keep(id, task, now);
        Ok((id, search))
    }
}
