//! Who has stopped its heartbeat: a queue of checks.
//!
//! Every miner on duty is in the queue once. What is due at its head is looked at in each block, a
//! bounded number of them; who was heard of goes to the end, due one interval later, so that the
//! queue is ordered by time without sorting. A heartbeat does not touch the queue.
//!
//! While the chain stands still nobody can be heard: silence counts from the first block after.

use alloc::vec::Vec;

use cyborg_primitives::Moment;
use polkadot_sdk::frame_support::defensive;
use polkadot_sdk::frame_support::traits::{Get, Time};
use polkadot_sdk::frame_support::weights::Weight;

use crate::pallet::{Accounts, CheckQueue, Checks, Clock, Config, Pallet, Pulses};
use crate::types::{Check, CheckPage, Duty, Pulse};
use crate::weights::WeightInfo;

/// What a check has found.
enum Finding {
    Serves,
    Lapsed,
    NotOnDuty,
}

impl<T: Config> Pallet<T> {
    /// Puts a miner at the end of the queue.
    pub(crate) fn enqueue(number: u32, now: Moment) {
        let mut queue = CheckQueue::<T>::get();
        let last = queue.end.saturating_sub(1);
        let mut page = Checks::<T>::get(last);
        let mut at = last;
        if queue.first == queue.end || page.is_full() {
            at = queue.end;
            page = CheckPage::default();
            queue.end = queue.end.saturating_add(1);
            CheckQueue::<T>::put(queue);
        }
        let check = Check { miner: number, due: now.saturating_add(T::CheckInterval::get()) };
        if page.try_push(check).is_err() {
            defensive!("a page that is not full takes no more");
        }
        Checks::<T>::insert(at, page);
    }

    /// Does the checks that are due, as many as fit a block.
    pub(crate) fn watch() -> Weight {
        let now = T::Time::now();
        Self::tick(now);
        let mut queue = CheckQueue::<T>::get();
        let first = queue.first;
        let (mut checks, mut lapses) = (0_u32, 0_u32);
        let mut serving = Vec::new();
        while queue.first < queue.end {
            let page = Checks::<T>::get(queue.first).into_inner();
            let mut done = 0_usize;
            for check in &page {
                let spent = checks >= T::MaxChecks::get() || lapses >= T::MaxLapses::get();
                if spent || check.due > now {
                    break;
                }
                done = done.saturating_add(1);
                checks = checks.saturating_add(1);
                match Self::check(check.miner, now) {
                    Finding::Serves => serving.push(check.miner),
                    Finding::Lapsed => lapses = lapses.saturating_add(1),
                    Finding::NotOnDuty => {}
                }
            }
            let rest: Vec<Check> = page.into_iter().skip(done).collect();
            if !rest.is_empty() {
                if done > 0 {
                    Checks::<T>::insert(queue.first, CheckPage::truncate_from(rest));
                }
                break;
            }
            Checks::<T>::remove(queue.first);
            queue.first = queue.first.saturating_add(1);
        }
        if queue.first != first {
            CheckQueue::<T>::put(queue);
        }
        for number in serving {
            Self::enqueue(number, now);
        }
        let lapses_weight = T::WeightInfo::lapse().saturating_mul(lapses.into());
        T::WeightInfo::watch(checks).saturating_add(lapses_weight)
    }

    /// Takes note of the time of a block, and of a stop of the chain before it.
    fn tick(now: Moment) {
        Clock::<T>::mutate(|clock| {
            if now.saturating_sub(clock.last) > T::HeartbeatTimeout::get() / 4 {
                clock.resumed = now;
            }
            clock.last = now;
        });
    }

    /// Whether a miner was not heard of for longer than the timeout, though the chain went on.
    pub(crate) fn is_silent(pulse: &Pulse, now: Moment) -> bool {
        let since = pulse.seen.max(Clock::<T>::get().resumed);
        now.saturating_sub(since) > T::HeartbeatTimeout::get()
    }

    fn check(number: u32, now: Moment) -> Finding {
        let Some(who) = Accounts::<T>::get(number) else { return Finding::NotOnDuty };
        match Pulses::<T>::get(&who) {
            Some(pulse) if pulse.duty == Duty::Serving => {
                if !Self::is_silent(&pulse, now) {
                    return Finding::Serves;
                }
                Self::lapse(&who, pulse);
                Finding::Lapsed
            }
            _ => Finding::NotOnDuty,
        }
    }
}
