//! Deadlines: a queue for each kind, which stays in order because each kind has one duration.

use crate::weights::WeightInfo;
use crate::{Config, Deadline, Deadlines, Kind, Owed, Pallet, Queues};
use cyborg_primitives::{Moment, RequestNumber, TaskId};
use polkadot_sdk::frame_support::traits::Get;
use polkadot_sdk::frame_support::weights::Weight;

impl<T: Config> Pallet<T> {
    /// Adds a deadline, not before those of its kind that were added before.
    pub(crate) fn add_deadline(
        kind: Kind,
        due: Moment,
        task: TaskId,
        miner: &T::AccountId,
        number: RequestNumber,
    ) {
        Queues::<T>::mutate(kind, |queue| {
            Deadlines::<T>::insert(kind, queue.end, Deadline { due, task, miner: miner.clone(), number });
            queue.end = queue.end.saturating_add(1);
        });
    }

    /// Processes the deadlines that are due. Returns the weight.
    pub(crate) fn process_deadlines() -> Weight {
        let now = Self::now();
        let mut weight = T::WeightInfo::no_deadline();
        for kind in Kind::ALL {
            for _ in 0..T::MaxDeadlines::get() {
                if !Self::process_next(kind, now) {
                    break;
                }
                weight.saturating_accrue(match kind {
                    Kind::Reveal => T::WeightInfo::end_reveal(),
                    Kind::Prove => T::WeightInfo::end_prove(),
                    Kind::Answer => T::WeightInfo::end_answer(),
                    Kind::Demand => T::WeightInfo::end_demand(),
                });
            }
        }
        weight
    }

    /// Processes the next deadline of a kind, if it is over. Its obligation may have ended since.
    pub(crate) fn process_next(kind: Kind, now: Moment) -> bool {
        let mut queue = Queues::<T>::get(kind);
        let Some(deadline) = Deadlines::<T>::get(kind, queue.first) else { return false };
        if deadline.due >= now || !Self::process(kind, &deadline) {
            return false;
        }
        Deadlines::<T>::remove(kind, queue.first);
        queue.first = queue.first.saturating_add(1);
        Queues::<T>::insert(kind, queue);
        true
    }

    /// Returns whether the deadline is done; it is not if a draw must wait for a block's hash.
    fn process(kind: Kind, deadline: &Deadline<T::AccountId>) -> bool {
        let (task, miner) = (deadline.task, &deadline.miner);
        let (Some(mut owed), Some(engagement)) = (Owed::<T>::get(task, miner), Self::engaged(task, miner))
        else {
            return true;
        };
        match kind {
            Kind::Reveal => {
                if !Self::end_reveal(deadline, &engagement, &mut owed) {
                    return false;
                }
            }
            Kind::Prove => Self::end_prove(deadline, &engagement, &mut owed),
            Kind::Answer => Self::end_answer(deadline, &engagement, &mut owed),
            Kind::Demand => Self::end_demand(deadline, &engagement, &mut owed),
        }
        Owed::<T>::insert(task, miner, owed);
        true
    }
}
