//! The agenda: the next steps of tasks, in chain time.
//!
//! Time is divided into buckets of [`Config::BucketPeriod`]. A bucket is a stack of pages, so that it
//! holds any number of entries and an entry costs one page to add or to remove. A bucket is
//! handled once all of its time has passed; a block handles as much as [`Config::AgendaWeight`]
//! allows and the next one goes on where it stopped. Nothing is ever dropped.
//!
//! Every task has exactly one entry, at its next deadline or before: a deadline that moves away
//! costs nothing; when its entry comes up and nothing is due, the entry moves to the new deadline.

use crate::types::{Place, Task, Wake};
use crate::{
    AgendaCursor, AgendaPageCount, AgendaPages, Config, Departing, Ended, MinerTasks, Pallet, Tasks,
};
use crate::{TaskId, weights::WeightInfo as _};
use cyborg_interface::Registry as _;
use cyborg_primitives::Moment;
use polkadot_sdk::frame_support::traits::Get;
use polkadot_sdk::frame_support::weights::{Weight, WeightMeter};

impl<T: Config> Pallet<T> {
    pub(crate) fn bucket_of(at: Moment) -> u64 {
        at.checked_div(T::BucketPeriod::get()).unwrap_or(0)
    }

    /// Adds an entry that comes up after `at`.
    pub(crate) fn schedule(wake: Wake<T::AccountId>, at: Moment) -> Place {
        let bucket = Self::bucket_of(at).max(AgendaCursor::<T>::get().unwrap_or(0));
        let count = AgendaPageCount::<T>::get(bucket);
        let last = count.saturating_sub(1);
        let mut entries = AgendaPages::<T>::get(bucket, last);
        let Err(wake) = entries.try_push(wake).map(|()| AgendaPages::<T>::insert(bucket, last, &entries))
        else {
            if count == 0 {
                AgendaPageCount::<T>::insert(bucket, 1);
            }
            return Place { bucket, page: last };
        };
        AgendaPages::<T>::mutate(bucket, count, |entries| entries.try_push(wake).ok());
        AgendaPageCount::<T>::insert(bucket, count.saturating_add(1));
        Place { bucket, page: count }
    }

    /// Removes an entry.
    fn cancel(place: Place, wake: &Wake<T::AccountId>) {
        AgendaPages::<T>::mutate_exists(place.bucket, place.page, |page| {
            let Some(entries) = page else { return };
            if let Some(index) = entries.iter().position(|entry| entry == wake) {
                entries.swap_remove(index);
            }
            if entries.is_empty() {
                *page = None;
            }
        });
    }

    /// Removes a task's entry.
    pub(crate) fn cancel_task(id: TaskId, task: &mut Task<T>) {
        if let Some(place) = task.wake.take() {
            Self::cancel(place, &Wake::Task(id));
        }
    }

    /// Makes sure that a task comes up by its next deadline.
    pub(crate) fn reschedule(id: TaskId, task: &mut Task<T>) {
        let at = task.next_deadline();
        if task.wake.is_some_and(|place| place.bucket <= Self::bucket_of(at)) {
            return;
        }
        Self::cancel_task(id, task);
        task.wake = Some(Self::schedule(Wake::Task(id), at));
    }

    /// Takes an entry out of a bucket.
    pub(crate) fn pop(bucket: u64) -> Popped<T::AccountId> {
        let Some(last) = AgendaPageCount::<T>::get(bucket).checked_sub(1) else { return Popped::Over };
        let mut entries = AgendaPages::<T>::get(bucket, last);
        let popped = entries.pop();
        if !entries.is_empty() {
            AgendaPages::<T>::insert(bucket, last, entries);
        } else {
            AgendaPages::<T>::remove(bucket, last);
            if last == 0 {
                AgendaPageCount::<T>::remove(bucket);
            } else {
                AgendaPageCount::<T>::insert(bucket, last);
            }
        }
        popped.map_or(Popped::Nothing, Popped::Entry)
    }

    /// The highest weight of handling one entry.
    pub(crate) fn most_of_an_entry() -> Weight {
        let parts = T::MaxMiners::get();
        T::WeightInfo::task_due(parts)
            .max(T::WeightInfo::departure(parts))
            .max(T::WeightInfo::forget())
            .saturating_add(Self::search_weight())
    }

    /// Handles the entries that are due, as far as the weight allows. Returns the weight.
    pub(crate) fn run_agenda(now: Moment) -> Weight {
        let current = Self::bucket_of(now);
        let mut meter = WeightMeter::with_limit(T::AgendaWeight::get());
        let mut cursor = AgendaCursor::<T>::get().unwrap_or_else(|| {
            AgendaCursor::<T>::put(current);
            current
        });
        let look = T::WeightInfo::look();
        let most = look.saturating_add(Self::most_of_an_entry());
        meter.consume(look);
        while cursor < current && meter.can_consume(most) {
            meter.consume(look);
            match Self::pop(cursor) {
                Popped::Over => {
                    cursor = cursor.saturating_add(1);
                    AgendaCursor::<T>::put(cursor);
                }
                Popped::Nothing => {}
                Popped::Entry(wake) => meter.consume(Self::handle(wake, now)),
            }
        }
        meter.consumed()
    }

    fn handle(wake: Wake<T::AccountId>, now: Moment) -> Weight {
        match wake {
            Wake::Task(id) => match Tasks::<T>::get(id) {
                Some(task) => {
                    let parts = u32::try_from(task.parts.len()).unwrap_or(u32::MAX);
                    T::WeightInfo::task_due(parts).saturating_add(Self::task_due(id, task, now))
                }
                None => T::WeightInfo::task_due(0),
            },
            Wake::Departure(miner) => Self::depart(miner, now),
            Wake::Forget(id) => {
                Ended::<T>::remove(id);
                T::WeightInfo::forget()
            }
        }
    }

    /// Removes a miner that has left from one of its tasks, and schedules the others. A miner that
    /// serves again by now keeps its remaining tasks.
    fn depart(miner: T::AccountId, now: Moment) -> Weight {
        let first = MinerTasks::<T>::get(&miner).first().copied();
        let Some(id) = first.filter(|_| !T::Registry::is_serving(&miner)) else {
            Departing::<T>::remove(&miner);
            return T::WeightInfo::departure(0);
        };
        let (parts, rank) = Self::replace_gone(id, &miner, now);
        if MinerTasks::<T>::contains_key(&miner) {
            // Into the bucket that is being handled: at once, as far as the weight allows.
            Self::schedule(Wake::Departure(miner), 0);
        } else {
            Departing::<T>::remove(&miner);
        }
        T::WeightInfo::departure(parts).saturating_add(rank)
    }
}

/// The result of taking an entry from a bucket.
pub(crate) enum Popped<AccountId> {
    /// An entry.
    Entry(Wake<AccountId>),
    /// A page whose entries were cancelled.
    Nothing,
    /// The bucket is empty.
    Over,
}
