//! The invariants of the pallet's documentation, in code.

use crate::{Config, Deadlines, Kind, Obligations, Owed, Pallet, Queues};
use alloc::collections::{BTreeMap, BTreeSet};
use cyborg_interface::Engagements;
use cyborg_primitives::{Moment, RequestNumber, TaskId};
use polkadot_sdk::frame_support::ensure;
use polkadot_sdk::frame_system::pallet_prelude::BlockNumberFor;
use polkadot_sdk::sp_runtime::DispatchError;

type Scheduled<T> =
    BTreeSet<(Kind, TaskId, <T as polkadot_sdk::frame_system::Config>::AccountId, RequestNumber, Moment)>;

impl<T: Config> Pallet<T> {
    /// Checks every invariant.
    pub(crate) fn do_try_state() -> Result<(), DispatchError> {
        let scheduled = Self::try_queues()?;
        for (task, miner, owed) in Owed::<T>::iter() {
            ensure!(T::Engagements::engagement(task, &miner).is_some(), "obligations without an engagement");
            Self::try_obligations(task, &miner, &owed, &scheduled)?;
        }
        Ok(())
    }

    fn try_queues() -> Result<Scheduled<T>, DispatchError> {
        let mut scheduled = BTreeSet::new();
        for kind in Kind::ALL {
            let queue = Queues::<T>::get(kind);
            let entries: BTreeMap<u64, _> = Deadlines::<T>::iter_prefix(kind).collect();
            ensure!(entries.keys().copied().eq(queue.first..queue.end), "a queue has other entries");
            ensure!(entries.values().is_sorted_by_key(|deadline| deadline.due), "a queue is out of order");
            for deadline in entries.into_values() {
                scheduled.insert((kind, deadline.task, deadline.miner, deadline.number, deadline.due));
            }
        }
        Ok(scheduled)
    }

    fn try_obligations(
        task: TaskId,
        miner: &T::AccountId,
        owed: &Obligations<BlockNumberFor<T>>,
        scheduled: &Scheduled<T>,
    ) -> Result<(), DispatchError> {
        let is_scheduled = |kind, number, due| scheduled.contains(&(kind, task, miner.clone(), number, due));
        if let Some(period) = &owed.period {
            ensure!(
                period.count > 0 && period.last().checked_add(1) == Some(owed.next),
                "periods have a gap"
            );
            match &period.draw {
                None => ensure!(
                    is_scheduled(Kind::Reveal, period.first, period.reveal_by),
                    "a period waits for ever to be drawn"
                ),
                Some(draw) => {
                    ensure!(
                        is_scheduled(Kind::Prove, period.first, draw.due) || period.challenge.is_some(),
                        "a period waits for ever to be proven"
                    );
                    ensure!(draw.left.len() <= usize::from(draw.drawn), "more is left than was drawn");
                    ensure!(draw.left.is_sorted_by(|a, b| a < b), "leaves are out of order");
                    ensure!(draw.left.iter().all(|leaf| *leaf < period.count), "a leaf is out of the tree");
                }
            }
            if let Some(challenge) = &period.challenge {
                ensure!(period.index(challenge.number).is_some(), "a challenge is out of its period");
                ensure!(
                    is_scheduled(Kind::Answer, challenge.number, challenge.due),
                    "a challenge waits for ever"
                );
            }
        }
        let numbers: BTreeSet<RequestNumber> = owed.demands.iter().map(|demand| demand.number).collect();
        ensure!(numbers.len() == owed.demands.len(), "a request is demanded twice");
        for demand in &owed.demands {
            ensure!(is_scheduled(Kind::Demand, demand.number, demand.due), "a demand waits for ever");
        }
        Ok(())
    }
}
