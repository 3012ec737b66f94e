//! The invariants of the pallet's documentation, checked over its whole storage.

use crate::types::{Part, Status, Task, Wake};
use crate::{
    AgendaCursor, AgendaPageCount, AgendaPages, Attestations, Config, Departing, Ended, MinerTasks, NextTask,
    Pallet, TaskId, Tasks, Wraps,
};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use codec::Encode;
use cyborg_primitives::task::{Role, TaskState};
use polkadot_sdk::frame_support::ensure;
use polkadot_sdk::sp_runtime::TryRuntimeError;

impl<T: Config> Pallet<T> {
    /// Checks what is said under "Invariants".
    ///
    /// # Errors
    /// Returns the first invariant that does not hold.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        let mut live = BTreeSet::new();
        let mut wrapped = BTreeSet::new();
        let mut attested = BTreeSet::new();
        let next = NextTask::<T>::get();
        for (id, task) in Tasks::<T>::iter() {
            ensure!(id < next, "a task has a number that was not given");
            ensure!(!Ended::<T>::contains_key(id), "a task is stored and ended");
            Self::check_task(&task)?;
            for part in &task.parts {
                let key = (id, part.miner.encode());
                if part.is_live() {
                    live.insert(key.clone());
                }
                if matches!(part.status, Status::Keyed { .. } | Status::Confirmed) {
                    wrapped.insert(key.clone());
                }
                if part.has_confirmed() {
                    attested.insert(key);
                }
            }
        }
        let mut listed = BTreeSet::new();
        for (miner, tasks) in MinerTasks::<T>::iter() {
            ensure!(!tasks.is_empty(), "an empty list of tasks is stored");
            for id in tasks {
                ensure!(listed.insert((id, miner.encode())), "a miner lists a task twice");
            }
        }
        ensure!(listed == live, "the miners' lists are not the tasks' live parts");
        let wraps: BTreeSet<_> = Wraps::<T>::iter_keys().map(|(id, miner)| (id, miner.encode())).collect();
        ensure!(wraps == wrapped, "wrapped keys are not those of live parts");
        let evidence: BTreeSet<_> =
            Attestations::<T>::iter_keys().map(|(id, miner)| (id, miner.encode())).collect();
        ensure!(evidence == attested, "attestations are not those of confirmed parts");
        Self::check_agenda()
    }

    fn check_task(task: &Task<T>) -> Result<(), TryRuntimeError> {
        let miners: BTreeSet<_> = task.parts.iter().map(|part| part.miner.encode()).collect();
        ensure!(miners.len() == task.parts.len(), "a miner has two parts in a task");
        ensure!(task.live(Role::Replica) <= task.placement.replicas, "more replicas than wanted");
        ensure!(task.live(Role::Standby) <= task.placement.standbys, "more standbys than wanted");
        ensure!(!task.is_deserted(), "a task without miners goes on");
        let ever_confirmed = task.parts.iter().any(Part::has_confirmed);
        match task.state {
            TaskState::Assigned => ensure!(!ever_confirmed, "an assigned task was confirmed"),
            TaskState::Running => ensure!(ever_confirmed, "a running task was never confirmed"),
            TaskState::Stopped => {
                let settled = task.parts.iter().all(|part| part.has_confirmed() || !part.is_live());
                ensure!(settled && task.retry.is_none(), "a stopped task waits for a miner");
            }
            TaskState::Vacated => return Err("a vacated task is stored".into()),
        }
        ensure!(
            (task.state == TaskState::Stopped) == task.cause.is_some(),
            "only stopped tasks have a cause"
        );
        let keyed = |part: &Part<_>| matches!(part.status, Status::Keyed { .. }) || part.has_confirmed();
        ensure!(task.keys.is_some() || !task.parts.iter().any(keyed), "a key was wrapped for no files");
        Ok(())
    }

    fn check_agenda() -> Result<(), TryRuntimeError> {
        let cursor = AgendaCursor::<T>::get().unwrap_or(0);
        let (mut tasks, mut ended, mut departing) = (0_u64, 0_u64, 0_u64);
        let mut seen: BTreeSet<Vec<u8>> = BTreeSet::new();
        for (bucket, page, entries) in AgendaPages::<T>::iter() {
            ensure!(bucket >= cursor, "the agenda passed over an entry");
            ensure!(page < AgendaPageCount::<T>::get(bucket), "a page is not counted");
            ensure!(!entries.is_empty(), "an empty page is stored");
            for wake in entries {
                ensure!(seen.insert(wake.encode()), "an entry is there twice");
                match wake {
                    Wake::Task(id) => {
                        tasks = tasks.saturating_add(1);
                        Self::check_entry(id, bucket, page, cursor)?;
                    }
                    Wake::Forget(id) => {
                        ended = ended.saturating_add(1);
                        ensure!(Ended::<T>::contains_key(id), "nothing to forget");
                    }
                    Wake::Departure(miner) => {
                        departing = departing.saturating_add(1);
                        ensure!(Departing::<T>::contains_key(miner), "nobody departs");
                    }
                }
            }
        }
        ensure!(tasks == Tasks::<T>::iter_keys().count() as u64, "a task has no entry in the agenda");
        ensure!(ended == Ended::<T>::iter_keys().count() as u64, "an ended task is never forgotten");
        ensure!(
            departing == Departing::<T>::iter_keys().count() as u64,
            "a miner's departure is never handled"
        );
        for (bucket, count) in AgendaPageCount::<T>::iter() {
            ensure!(bucket >= cursor && count > 0, "pages of no bucket are counted");
        }
        Ok(())
    }

    fn check_entry(id: TaskId, bucket: u64, page: u32, cursor: u64) -> Result<(), TryRuntimeError> {
        let task = Tasks::<T>::get(id).ok_or("an entry of no task")?;
        let place = task.wake.ok_or("a task does not know its entry")?;
        ensure!(place.bucket == bucket && place.page == page, "a task's entry is elsewhere");
        ensure!(
            bucket <= Self::bucket_of(task.next_deadline()).max(cursor),
            "a task's entry comes after its deadline"
        );
        Ok(())
    }
}
