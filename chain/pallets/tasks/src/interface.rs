//! What other pallets ask of this one.

use crate::types::Wake;
use crate::{Config, Departing, MinerTasks, Pallet, TaskId, Tasks};
use alloc::vec::Vec;
use cyborg_interface::{Departures, Engagement, Engagements};
use polkadot_sdk::frame_support::traits::Time;

impl<T: Config> Departures<T::AccountId> for Pallet<T> {
    fn gone(miner: &T::AccountId) {
        if MinerTasks::<T>::contains_key(miner) && !Departing::<T>::contains_key(miner) {
            Departing::<T>::insert(miner, ());
            Self::schedule(Wake::Departure(miner.clone()), T::Time::now());
        }
    }
}

impl<T: Config> Engagements<T::AccountId> for Pallet<T> {
    fn engagement(task: TaskId, miner: &T::AccountId) -> Option<Engagement<T::AccountId>> {
        let task = Tasks::<T>::get(task)?;
        let part = task.parts.iter().find(|part| part.miner == *miner)?;
        let confirmed = part.has_confirmed();
        Some(Engagement {
            owner: task.owner,
            delegate: task.delegate,
            model: task.model,
            policy: task.policy,
            confirmed,
        })
    }

    fn miners(task: TaskId) -> Vec<T::AccountId> {
        Tasks::<T>::get(task).map(|task| task.miners()).unwrap_or_default()
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn set_up_task(
        owner: &T::AccountId,
        miner: &T::AccountId,
        policy: cyborg_primitives::task::ProofPolicy,
    ) -> TaskId {
        crate::benchmarking::running_task::<T>(owner, miner, policy)
    }
}
