//! The live status of tasks, for their owners and delegates.
//!
//! The miner's loop publishes each task's step. A stream reads it once a second, and sends it if it has
//! changed or if nothing was sent for a while: watching a task adds no cost to its work.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use cyborg_primitives::{Account, Digest, TaskId};
use cyborg_protocol::status::{Challenge, ENDED, Status, StatusToken};
use cyborg_serving::until;
use futures::stream::{Stream, unfold};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::answer::{WorkerPools, served};
use crate::challenge::{Bad, Challenges, LIFETIME};
use crate::metrics::Metrics;

/// Limits on streams of live status.
#[derive(Clone, Copy, Debug)]
pub struct Streams {
    /// Maximum of streams at once.
    pub most: usize,
    /// Maximum of streams of one task at once.
    pub of_a_task: usize,
    /// Shortest pause between two events.
    pub pause: Duration,
    /// Longest pause between two events.
    pub silence: Duration,
}

impl Default for Streams {
    fn default() -> Self {
        Self { most: 256, of_a_task: 8, pause: Duration::from_secs(1), silence: Duration::from_secs(15) }
    }
}

/// Why a status stream is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Denied {
    /// The task is unknown here.
    #[error("this miner has no part in this task")]
    UnknownTask,
    /// No token was sent.
    #[error("a challenge signed by the task's owner or its delegate is needed")]
    NoToken,
    /// The account that signed may not watch.
    #[error("the challenge is signed neither by the task's owner nor by its delegate")]
    NotEntitled,
    /// The signature is false.
    #[error("the challenge's signature is not that of the account, for this task and miner")]
    Signature,
    /// The challenge is invalid.
    #[error(transparent)]
    Challenge(#[from] Bad),
    /// All streams are taken.
    #[error("too many watch already; try again")]
    Crowded,
    /// The system gives no randomness.
    #[error("the miner failed; try again")]
    Failed,
}

/// The step of a task, and the accounts that may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) signers: Vec<Account>,
    pub(crate) step: &'static str,
    pub(crate) trouble: Option<String>,
}

/// The statuses of the tasks, and the streams that send them.
pub(crate) struct StatusHub {
    pub(crate) genesis: Digest,
    pub(crate) miner: Account,
    pub(crate) limits: Streams,
    /// What the miner's loop has published.
    pub(crate) published: RwLock<BTreeMap<TaskId, Shown>>,
    pub(crate) pools: Arc<WorkerPools>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) challenges: Challenges,
    /// Streams of each task.
    pub(crate) subscriptions: Mutex<BTreeMap<TaskId, usize>>,
    pub(crate) stopped: watch::Receiver<bool>,
}

/// One of the streams that a task may have at once, until it is dropped.
struct Subscription {
    hub: Arc<StatusHub>,
    task: TaskId,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut subscriptions = self.hub.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        match subscriptions.get(&self.task).and_then(|count| count.checked_sub(1)) {
            None | Some(0) => drop(subscriptions.remove(&self.task)),
            Some(left) => drop(subscriptions.insert(self.task, left)),
        }
        self.hub.metrics.streams.dec();
    }
}

impl StatusHub {
    /// Publishes a task's step. If the chain no longer has the task, its last signers may still watch.
    pub(crate) fn put(
        &self,
        task: TaskId,
        signers: Option<Vec<Account>>,
        step: &'static str,
        trouble: Option<String>,
    ) {
        let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
        let before = published.remove(&task).map(|shown| shown.signers);
        if let Some(signers) = signers.or(before) {
            published.insert(task, Shown { signers, step, trouble });
        }
    }

    /// Withdraws the status of a task that is over.
    pub(crate) fn remove(&self, task: TaskId) {
        self.published.write().unwrap_or_else(PoisonError::into_inner).remove(&task);
    }

    fn get(&self, task: TaskId) -> Option<Shown> {
        self.published.read().unwrap_or_else(PoisonError::into_inner).get(&task).cloned()
    }

    /// A challenge, to be signed by an account that wants to watch a task.
    pub(crate) fn challenge(&self, task: TaskId) -> Result<Challenge, Denied> {
        self.get(task).ok_or(Denied::UnknownTask)?;
        let nonce = self.challenges.issue(task).map_err(|error| {
            tracing::error!(%error, "no challenges");
            Denied::Failed
        })?;
        let lasts_ms = u64::try_from(LIFETIME.as_millis()).unwrap_or(u64::MAX);
        Ok(Challenge { nonce: cyborg_chain_client::json::hex(&nonce), lasts_ms })
    }

    /// The statuses of a task, for an account that has signed a challenge: one at once, then each change.
    pub(crate) fn watch(
        self: &Arc<Self>,
        task: TaskId,
        token: Option<StatusToken>,
    ) -> Result<impl Stream<Item = Status> + use<>, Denied> {
        let shown = self.get(task).ok_or(Denied::UnknownTask)?;
        let token = token.ok_or(Denied::NoToken)?;
        if !shown.signers.contains(&token.account) {
            return Err(Denied::NotEntitled);
        }
        self.challenges.check(task, &token.nonce)?;
        if !token.is_valid(&self.genesis, task, self.miner) {
            return Err(Denied::Signature);
        }
        // The challenge of a refused client stays valid for another attempt.
        let subscription = self.subscribe(task)?;
        self.challenges.spend(task, &token.nonce)?;
        let watcher =
            Watcher { account: token.account, stopped: self.stopped.clone(), said: None, subscription };
        Ok(unfold(watcher, Watcher::next))
    }

    fn subscribe(self: &Arc<Self>, task: TaskId) -> Result<Subscription, Denied> {
        let mut subscriptions = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = subscriptions.values().sum();
        let of_task = subscriptions.get(&task).copied().unwrap_or(0);
        if all >= self.limits.most || of_task >= self.limits.of_a_task {
            return Err(Denied::Crowded);
        }
        subscriptions.insert(task, of_task + 1);
        self.metrics.streams.inc();
        Ok(Subscription { hub: self.clone(), task })
    }

    /// The status of a task.
    fn status(&self, task: TaskId, shown: Shown) -> Status {
        let counts = self.metrics.counts(task);
        let mut status = Status {
            task,
            step: shown.step.to_owned(),
            trouble: shown.trouble,
            block: u64::try_from(self.metrics.block.get()).unwrap_or(0),
            answered: 0,
            proofs_due: 0,
            proofs_made: counts.made,
            proofs_verified: counts.verified,
            settled_through: 0,
            compute_left: None,
            proof_money_left: None,
            busy_ms: counts.busy_ms,
        };
        if let Some(served) = served(&self.pools, task) {
            let window = served.window();
            status.answered = window.total;
            status.proofs_due = window.unproven as u64;
            status.settled_through = window.terms.settled.through();
            status.compute_left = Some(window.terms.compute_left);
            status.proof_money_left = Some(window.terms.proofs_left);
        }
        status
    }
}

/// A client that watches a task.
struct Watcher {
    account: Account,
    stopped: watch::Receiver<bool>,
    /// The last event, and when it was sent.
    said: Option<(Status, Instant)>,
    subscription: Subscription,
}

impl Watcher {
    async fn next(mut self) -> Option<(Status, Self)> {
        let (hub, task) = (self.subscription.hub.clone(), self.subscription.task);
        let Streams { pause, silence, .. } = hub.limits;
        loop {
            if let Some((last, _)) = &self.said {
                if last.step == ENDED {
                    return None;
                }
                tokio::select! {
                    () = sleep(pause) => {}
                    () = until(&mut self.stopped) => return None,
                }
            }
            let status = match hub.get(task) {
                // The accounts that may watch can change during a stream.
                Some(shown) if !shown.signers.contains(&self.account) => return None,
                Some(shown) => hub.status(task, shown),
                // The task is over: the last known status, with its end.
                None => {
                    let (last, _) = self.said.take()?;
                    Status { step: ENDED.to_owned(), ..last }
                }
            };
            let news = self.said.as_ref().is_none_or(|(last, at)| *last != status || at.elapsed() >= silence);
            if news {
                self.said = Some((status.clone(), Instant::now()));
                return Some((status, self));
            }
        }
    }
}

#[cfg(test)]
mod tests;
