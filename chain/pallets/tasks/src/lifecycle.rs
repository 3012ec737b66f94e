//! How a task passes from state to state. The calls check who may; here is what happens.
//!
//! Functions that take `task` by reference change it in memory: whoever called them ends with
//! [`keep`](Pallet::keep). Nothing that another pallet may call back into, [`Departures::gone`],
//! touches a stored task.
//!
//! [`Departures::gone`]: cyborg_interface::Departures::gone

use crate::types::{Balance, Cause, Departure, Part, Status, Task, Wake};
use crate::weights::WeightInfo as _;
use crate::{Attestations, Config, Ended, Event, MinerTasks, Pallet, TaskId, Tasks, Wraps, types};
use alloc::vec::Vec;
use cyborg_interface::{Escrow as _, Model, Models as _, Ranking, Registry as _, Vacated as _};
use cyborg_primitives::Moment;
use cyborg_primitives::miner::Offence;
use cyborg_primitives::task::{Role, TaskState};
use polkadot_sdk::frame_support::traits::Get;
use polkadot_sdk::frame_support::weights::Weight;

/// Miners that are asked for beyond those needed, as some may have no place left, or be too slow
/// for the owner's cap on proofs.
const SPARE: u32 = 16;

impl<T: Config> Pallet<T> {
    /// The most that looking for miners costs, beside engaging those that are found.
    pub(crate) fn search_weight() -> Weight {
        let candidates = T::MaxAssigned::get().saturating_add(SPARE);
        T::Registry::rank_weight().saturating_add(T::WeightInfo::refuse().saturating_mul(candidates.into()))
    }

    /// Lets standbys take over for missing replicas and engages miners for what is then missing.
    /// What looking for them cost.
    pub(crate) fn fill(id: TaskId, task: &mut Task<T>, now: Moment) -> Weight {
        while task.live(Role::Replica) < task.placement.replicas {
            let standbys = task.parts.iter_mut().filter(|part| part.is_live() && part.role == Role::Standby);
            let Some(part) = standbys.min_by_key(|part| nearness(part.status)) else { break };
            part.role = Role::Replica;
            if part.status == Status::Waiting {
                part.status = Status::Keyless { due: now.saturating_add(T::KeysPeriod::get()) };
            }
            Self::deposit_event(Event::Promoted { task: id, miner: part.miner.clone() });
        }
        let weight = Self::engage_missing(id, task, now);
        if task.live(Role::Replica) >= task.placement.replicas {
            task.retry = None;
            task.retries = 0;
        } else if task.retries < T::MaxRetries::get() && task.room() > 0 {
            task.retry = Some(now.saturating_add(T::RetryPeriod::get()));
            task.retries = task.retries.saturating_add(1);
        } else {
            task.retry = None;
        }
        weight
    }

    fn engage_missing(id: TaskId, task: &mut Task<T>, now: Moment) -> Weight {
        let mut replicas = task.placement.replicas.saturating_sub(task.live(Role::Replica));
        let mut standbys = task.placement.standbys.saturating_sub(task.live(Role::Standby));
        let missing = u32::from(replicas).saturating_add(standbys.into());
        if missing == 0 || task.room() == 0 {
            return Weight::zero();
        }
        let Some(model) = T::Models::model(task.model) else { return Weight::zero() };
        let Ranking { miners, mut weight } =
            T::Registry::rank(&task.demand(), &task.miners(), missing.saturating_add(SPARE));
        for miner in miners {
            let (role, open) = match (replicas, standbys) {
                (0, 0) => break,
                (0, _) => (Role::Standby, &mut standbys),
                _ => (Role::Replica, &mut replicas),
            };
            if Self::engage(id, task, &model, &miner, role, now) {
                *open = open.saturating_sub(1);
            } else {
                weight.saturating_accrue(T::WeightInfo::refuse());
            }
        }
        weight
    }

    /// Takes a miner's memory, checks its terms once more, and fixes what it is paid. False where
    /// it cannot be had, or not at these terms.
    pub(crate) fn engage(
        id: TaskId,
        task: &mut Task<T>,
        model: &Model<T::AccountId>,
        miner: &T::AccountId,
        role: Role,
        now: Moment,
    ) -> bool {
        let mut tasks = MinerTasks::<T>::get(miner);
        let known = task.parts.iter().any(|part| part.miner == *miner);
        if known || task.room() == 0 || tasks.try_push(id).is_err() {
            return false;
        }
        let Some(terms) = T::Registry::engage(miner, task.memory_mib) else { return false };
        let due = now.saturating_add(T::KeysPeriod::get());
        let waits = role == Role::Standby && !task.standbys_read_now;
        let status = if waits { Status::Waiting } else { Status::Keyless { due } };
        let part = Part { miner: miner.clone(), role, status };
        let tariff = task.tariff(model, &terms).filter(|_| task.parts.try_push(part).is_ok());
        let Some(tariff) = tariff else {
            T::Registry::release(miner, task.memory_mib);
            T::Registry::discharge(miner);
            return false;
        };
        MinerTasks::<T>::insert(miner, tasks);
        T::Escrow::admit(id, miner, tariff);
        Self::deposit_event(Event::Engaged { task: id, miner: miner.clone(), role });
        true
    }

    /// Ends a live part: memory goes back, and liability too where the miner never confirmed.
    pub(crate) fn let_go(id: TaskId, task: &mut Task<T>, miner: &T::AccountId, departure: Departure) {
        let memory_mib = task.memory_mib;
        let Some(part) = task.live_part(miner) else { return };
        let confirmed = part.has_confirmed();
        part.status = Status::Left { confirmed };
        Self::free(id, miner, memory_mib);
        Wraps::<T>::remove(id, miner);
        if !confirmed {
            T::Registry::discharge(miner);
        }
        Self::deposit_event(Event::Left { task: id, miner: miner.clone(), departure });
    }

    fn free(id: TaskId, miner: &T::AccountId, memory_mib: u32) {
        T::Registry::release(miner, memory_mib);
        MinerTasks::<T>::mutate_exists(miner, |tasks| {
            let Some(list) = tasks else { return };
            list.retain(|task| *task != id);
            if list.is_empty() {
                *tasks = None;
            }
        });
    }

    /// A place that is not filled again.
    pub(crate) fn close_place(task: &mut Task<T>, role: Role) {
        let wanted = match role {
            Role::Replica => &mut task.placement.replicas,
            Role::Standby => &mut task.placement.standbys,
        };
        *wanted = wanted.saturating_sub(1);
    }

    /// Stores a task after a change; ends it where nobody is left for it.
    pub(crate) fn keep(id: TaskId, mut task: Task<T>, now: Moment) {
        if task.is_deserted() {
            if task.state == TaskState::Assigned {
                Self::vacate_task(id, task, Cause::NoMiners, now);
                return;
            }
            Self::stop_task(id, &mut task, Cause::NoMiners, now);
        }
        Self::reschedule(id, &mut task);
        Tasks::<T>::insert(id, task);
    }

    /// From now on nothing new is answered; what was answered can be proven and paid.
    pub(crate) fn stop_task(id: TaskId, task: &mut Task<T>, cause: Cause, now: Moment) {
        let idle: Vec<_> =
            task.parts.iter().filter(|part| part.is_live() && !part.has_confirmed()).cloned().collect();
        for part in idle {
            Self::let_go(id, task, &part.miner, Departure::Over);
        }
        task.state = TaskState::Stopped;
        task.cause = Some(cause);
        task.retry = None;
        task.ends = now.saturating_add(T::SettlementPeriod::get());
        Self::deposit_event(Event::Stopped { task: id, cause, settles_by: task.ends });
    }

    /// The end: everyone is free, and the rest of the money goes back.
    pub(crate) fn vacate_task(id: TaskId, mut task: Task<T>, cause: Cause, now: Moment) {
        Self::cancel_task(id, &mut task);
        for part in &task.parts {
            if part.is_live() {
                Self::free(id, &part.miner, task.memory_mib);
            }
            if part.is_live() || part.has_confirmed() {
                T::Registry::discharge(&part.miner);
            }
            Wraps::<T>::remove(id, &part.miner);
            Attestations::<T>::remove(id, &part.miner);
        }
        T::Vacated::vacated(id, &task.miners());
        let refunded: Balance = T::Escrow::close(id);
        T::Models::release(task.model);
        Tasks::<T>::remove(id);
        let ended = types::Ended { owner: task.owner, model: task.model, cause, at: now, refunded };
        Ended::<T>::insert(id, ended);
        Self::schedule(Wake::Forget(id), now.saturating_add(T::RetentionPeriod::get()));
        Self::deposit_event(Event::Vacated { task: id, cause, refunded });
    }

    /// Handles a task whose entry came up. What looking for miners cost.
    pub(crate) fn task_due(id: TaskId, mut task: Task<T>, now: Moment) -> Weight {
        task.wake = None;
        if now > task.ends {
            match task.state {
                TaskState::Running => {
                    Self::stop_task(id, &mut task, Cause::Expired, now);
                    Self::keep(id, task, now);
                }
                TaskState::Assigned | TaskState::Stopped | TaskState::Vacated => {
                    let cause = task.cause.unwrap_or(Cause::Expired);
                    Self::vacate_task(id, task, cause, now);
                }
            }
            return Weight::zero();
        }
        let late: Vec<_> =
            task.parts.iter().filter(|part| part.due().is_some_and(|due| now > due)).cloned().collect();
        if task.keys.is_none() && !late.is_empty() {
            Self::vacate_task(id, task, Cause::KeysLate, now);
            return Weight::zero();
        }
        for part in &late {
            if matches!(part.status, Status::Keyless { .. }) {
                Self::close_place(&mut task, part.role);
                Self::let_go(id, &mut task, &part.miner, Departure::Keyless);
            } else {
                // The owner gets nothing of this: a key that cannot be opened looks the same from
                // here, and must not pay whoever wrapped it.
                T::Registry::punish(&part.miner, Offence::Unconfirmed, None);
                Self::let_go(id, &mut task, &part.miner, Departure::Unconfirmed);
            }
        }
        let retry = task.retry.is_some_and(|retry| now > retry);
        let weight = if retry || !late.is_empty() { Self::fill(id, &mut task, now) } else { Weight::zero() };
        Self::keep(id, task, now);
        weight
    }

    /// Replaces a miner that has gone on one task. How many parts the task has, and what looking
    /// for miners cost.
    pub(crate) fn replace_gone(id: TaskId, miner: &T::AccountId, now: Moment) -> (u32, Weight) {
        let Some(mut task) = Tasks::<T>::get(id) else { return (0, Weight::zero()) };
        let parts = u32::try_from(task.parts.len()).unwrap_or(u32::MAX);
        Self::let_go(id, &mut task, miner, Departure::Gone);
        let weight = match task.state {
            TaskState::Stopped | TaskState::Vacated => Weight::zero(),
            TaskState::Assigned | TaskState::Running => Self::fill(id, &mut task, now),
        };
        Self::keep(id, task, now);
        (parts, weight)
    }
}

/// Who of the standbys takes over first: the one that is nearest to serving.
fn nearness(status: Status) -> u8 {
    match status {
        Status::Confirmed => 0,
        Status::Keyed { .. } => 1,
        Status::Keyless { .. } => 2,
        Status::Waiting | Status::Left { .. } => 3,
    }
}
