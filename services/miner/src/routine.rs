//! The timer's work: attempts that are due again, heartbeats, reports on what was consumed.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use cyborg_chain_client::queue::Queue;
use cyborg_chain_client::runtime;
use cyborg_chain_client::runtime::runtime_types::pallet_reports::Report;
use cyborg_chain_client::{AtBlock, Chain};
use cyborg_primitives::TaskId;

use crate::error::Failure;
use crate::intent::Intent;
use crate::meter::Consumed;
use crate::metrics::{Activity, level};
use crate::miner_loop::MinerLoop;
use crate::step::Step;
use crate::store::{HEARTBEAT, REPORTED, Store};
use crate::view;

impl MinerLoop {
    /// Does everything that may have become due.
    pub(crate) async fn tick(&mut self, chain: &Chain, at: &AtBlock) -> Result<(), Failure> {
        self.metrics.transactions.set(level(self.queue.pending()?));
        let tasks: Vec<(TaskId, Step)> =
            self.tasks.iter().map(|(task, state)| (*task, state.record.step)).collect();
        for (task, step) in tasks {
            let unserved = step.needs_model() && !self.is_served(task);
            let again = matches!(
                step,
                Step::Fetching | Step::Prepared { .. } | Step::Confirming { .. } | Step::Declining { .. }
            );
            if unserved || again {
                self.advance(chain, at, task).await?;
            }
        }
        self.heartbeat(chain).await?;
        self.report(chain, at).await?;
        self.claim(chain).await?;
        self.commit_periods(chain, at).await?;
        self.submit_proofs(chain).await
    }

    /// Sends a heartbeat, once per span of chain time.
    async fn heartbeat(&mut self, chain: &Chain) -> Result<(), Failure> {
        let Some(span) = self.now.checked_div(self.settings.heartbeat_ms) else { return Ok(()) };
        if self.now == 0 || self.store.number(HEARTBEAT)? >= span {
            return Ok(());
        }
        let call = chain.encode(&runtime::transactions().miners().heartbeat()).await?;
        let write = self.store.begin()?;
        Queue::add(&write, &Intent::Heartbeat { span }.to_string(), &call)?;
        Store::put_number(&write, HEARTBEAT, span)?;
        write.commit()?;
        self.queue.wake();
        Ok(())
    }

    /// Reports what was consumed in each period of chain time that is over, for each task that is
    /// served. Memory and processor time are the process's: its time is shared among the tasks by
    /// how long each kept it busy, its memory belongs to all of them.
    async fn report(&mut self, chain: &Chain, at: &AtBlock) -> Result<(), Failure> {
        let period_ms = view::report_period_ms(at)?;
        let current = self.now.checked_div(period_ms).unwrap_or(0);
        let reported = self.store.number(REPORTED)?;
        // The first period of a miner's life is one that it has not seen whole.
        let over = current.saturating_sub(1);
        if current == 0 || reported >= over {
            return Ok(());
        }
        // A thread that panicked left whole readings.
        let consumed = self.meter.lock().unwrap_or_else(PoisonError::into_inner).read()?;
        let activity = self.metrics.take_activity();
        let mut calls = Vec::new();
        if reported > 0
            && let Ok(period) = u32::try_from(over)
        {
            let serving: Vec<TaskId> = self
                .tasks
                .iter()
                .filter(|(_, state)| state.record.step == Step::Serving)
                .map(|(task, _)| *task)
                .collect();
            for (task, report) in shares(&serving, &activity, consumed) {
                let call = runtime::transactions().reports().report(task, period, report);
                calls.push((Intent::Report { task, period }, chain.encode(&call).await?));
            }
        }
        let write = self.store.begin()?;
        for (intent, call) in &calls {
            Queue::add(&write, &intent.to_string(), call)?;
        }
        Store::put_number(&write, REPORTED, over)?;
        write.commit()?;
        self.queue.wake();
        Ok(())
    }
}

/// What each task consumed: processor time and energy in proportion to how long it kept the
/// processors busy, in equal parts if no task did.
fn shares(
    tasks: &[TaskId],
    activity: &BTreeMap<TaskId, Activity>,
    consumed: Consumed,
) -> Vec<(TaskId, Report)> {
    let busy = |task: &TaskId| activity.get(task).map_or(0, |activity| activity.busy.as_micros());
    let total: u128 = tasks.iter().map(busy).sum();
    let share = |amount: u64, task: &TaskId| {
        let (part, whole) = if total == 0 { (1, tasks.len() as u128) } else { (busy(task), total) };
        let share = u128::from(amount).saturating_mul(part).checked_div(whole).unwrap_or(0);
        u64::try_from(share).unwrap_or(amount)
    };
    tasks
        .iter()
        .map(|task| {
            let report = Report {
                memory_peak_bytes: consumed.memory_peak_bytes,
                cpu_ms: share(consumed.cpu_ms, task),
                energy_mj: consumed.energy_mj.map(|energy| share(energy, task)),
                requests: activity.get(task).map_or(0, |activity| activity.requests),
            };
            (*task, report)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn time_is_shared_by_how_long_each_task_was_busy() {
        let consumed = Consumed { memory_peak_bytes: 7, cpu_ms: 100, energy_mj: Some(10) };
        let active = |ms, requests| Activity { busy: Duration::from_millis(ms), requests };
        let activity = BTreeMap::from([(1, active(30, 3)), (2, active(10, 1)), (9, active(99, 9))]);
        let found = shares(&[1, 2, 3], &activity, consumed);
        let numbers: Vec<_> = found
            .iter()
            .map(|(task, report)| (*task, report.cpu_ms, report.energy_mj, report.requests))
            .collect();
        assert_eq!(numbers, [(1, 75, Some(7), 3), (2, 25, Some(2), 1), (3, 0, Some(0), 0)]);
        let idle = shares(&[1, 2], &BTreeMap::new(), Consumed { energy_mj: None, ..consumed });
        assert!(idle.iter().all(|(_, report)| report.cpu_ms == 50 && report.energy_mj.is_none()));
        assert!(shares(&[], &activity, consumed).is_empty());
    }
}
