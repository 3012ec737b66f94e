//! The miner's main loop: follows finalised blocks and advances each task's state machine.
//!
//! Every change is on the disk before it takes effect. The chain is read at finalised blocks only:
//! events say which tasks to look at, storage says how they are, so that nothing depends on having
//! seen every event. Only this loop writes to the database, except for answers, which the commit
//! writer adds, and proofs, which the prover adds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cyborg_chain_client::queue::Queue;
use cyborg_chain_client::verdict::{Ruling, Verdict};
use cyborg_chain_client::{AtBlock, Chain, ChainError};
use cyborg_primitives::{Account, Digest, TaskId};
use cyborg_serving::until;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::answer::{RequestContext, WorkerPools};
use crate::error::Failure;
use crate::events::Seen;
use crate::loaded::Loaded;
use crate::meter::Meter;
use crate::metrics::Metrics;
use crate::prepare::{ModelLoader, Unready};
use crate::served::Limits;
use crate::status::StatusHub;
use crate::store::{FOLLOWED, Record, Store};
use crate::task_state::TaskState;
use crate::view::{self, TaskView};

/// After an absence of more blocks than this only the present state is read.
const MAX_CATCH_UP: u64 = 100_000;
/// Blocks without anything for this miner are remembered this often.
const REMEMBER_BLOCKS: u64 = 32;
/// Interval of the timer that retries, sends heartbeats and reports.
const TICK: Duration = Duration::from_millis(250);
/// Pauses between attempts to reach the chain.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Settings of the miner's work.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Limits on what a task may have open.
    pub limits: Limits,
    /// Threads that answer requests of a task.
    pub threads: usize,
    /// Maximum of proofs in one transaction.
    pub batch: usize,
    /// How long a proof waits for others to be submitted with.
    pub batch_wait: Duration,
    /// Length of a period of sampled tasks.
    pub period: Duration,
    /// Attempts to fetch a model before the task is declined.
    pub fetches: u32,
    /// Chain time between heartbeats, in milliseconds.
    pub heartbeat_ms: u64,
    /// Lines of a task's log that are kept.
    pub log_lines: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            threads: 2,
            batch: 16,
            batch_wait: Duration::from_secs(2),
            period: Duration::from_secs(60),
            fetches: 10,
            heartbeat_ms: 5 * 60_000,
            log_lines: 1_000,
        }
    }
}

/// Results of background work.
pub(crate) enum Finished {
    /// A model was made ready, or not.
    Prepared(TaskId, Result<(Digest, Loaded), Unready>),
    /// A model was read from the vault, or is not there.
    Loaded(TaskId, Result<Option<Loaded>, Failure>),
}

/// The miner's main loop.
pub(crate) struct MinerLoop {
    pub(crate) url: String,
    pub(crate) genesis: Digest,
    pub(crate) miner: Account,
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) queue: Arc<Queue>,
    pub(crate) loader: Arc<ModelLoader>,
    pub(crate) context: Arc<RequestContext>,
    pub(crate) pools: Arc<WorkerPools>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) hub: Arc<StatusHub>,
    pub(crate) meter: Arc<Mutex<Meter>>,
    /// Digest of the running executable.
    pub(crate) executable: Digest,
    pub(crate) device: String,
    /// Says that proofs are due, and that one was made.
    pub(crate) proofs_due: Arc<Notify>,
    pub(crate) proof_made: Arc<Notify>,

    /// The tasks of this miner.
    pub(crate) tasks: BTreeMap<TaskId, TaskState>,
    /// Tasks whose model is being loaded in the background. A load outlives a task that ends
    /// meanwhile, so that no two ever write the same files.
    pub(crate) loading: BTreeSet<TaskId>,
    /// Chain time as of the last block.
    pub(crate) now: u64,
    /// The last block whose events were taken in.
    pub(crate) followed: u64,
    pub(crate) results: mpsc::UnboundedSender<Finished>,
}

impl MinerLoop {
    /// Works until it is stopped. If the chain does not answer, it is asked again.
    pub(crate) async fn run(
        mut self,
        mut results: mpsc::UnboundedReceiver<Finished>,
        mut stopped: watch::Receiver<bool>,
    ) {
        let mut pause = FIRST_PAUSE;
        loop {
            let begun = Instant::now();
            let worked = tokio::select! {
                worked = self.session(&mut results) => worked,
                () = until(&mut stopped) => return,
            };
            match worked {
                Ok(()) => {}
                Err(Failure::Chain(error)) => tracing::warn!(%error, "the miner waits for the chain"),
                Err(error) => tracing::error!(%error, "the miner tries again"),
            }
            if begun.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = until(&mut stopped) => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Works as long as one connection holds.
    async fn session(&mut self, results: &mut mpsc::UnboundedReceiver<Finished>) -> Result<(), Failure> {
        let chain = Chain::connect(&self.url).await?;
        if chain.genesis() != self.genesis {
            let found = "another chain of this name".to_owned();
            return Err(ChainError::ForeignChain { url: self.url.clone(), found }.into());
        }
        let head = chain.at_finalised().await?;
        let followed = self.store.number(FOLLOWED)?;
        let oldest = head.block_number().saturating_sub(MAX_CATCH_UP);
        let from = (followed > 0).then(|| followed.saturating_add(1).max(oldest));
        let mut follow = chain.follow(from).await?;
        let mut changes = self.queue.changes();

        let mut seen = Seen::default();
        seen.touched.extend(view::tasks_of(&head, &self.miner).await?);
        seen.touched.extend(self.tasks.keys());
        self.take(&chain, &head, std::mem::take(&mut seen), false).await?;
        let proof_made = self.proof_made.clone();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut latest = head;
        loop {
            tokio::select! {
                block = follow.next() => {
                    let block = block?;
                    seen.read(&block, &self.miner, &self.tasks).await?;
                    if follow.is_caught_up() {
                        self.take(&chain, &block, std::mem::take(&mut seen), true).await?;
                        latest = block;
                    }
                }
                Some(finished) = results.recv() => self.finished(&chain, &latest, finished).await?,
                changed = changes.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    self.outcomes()?;
                    self.submit_proofs(&chain).await?;
                }
                () = proof_made.notified() => self.submit_proofs(&chain).await?,
                _ = tick.tick() => self.tick(&chain, &latest).await?,
            }
        }
    }

    /// Takes in what was seen up to a block: each task that was touched, then the verdicts.
    async fn take(&mut self, chain: &Chain, at: &AtBlock, seen: Seen, followed: bool) -> Result<(), Failure> {
        let number = at.block_number();
        self.now = view::now(at).await?;
        self.metrics.block.set(i64::try_from(number).unwrap_or(i64::MAX));
        let idle = seen.touched.is_empty() && seen.verdicts.is_empty();
        for task in &seen.touched {
            let view = view::task(at, *task, &self.miner).await?;
            self.absorb(*task, view)?;
            self.advance(chain, at, *task).await?;
        }
        if followed && (!idle || number.is_multiple_of(REMEMBER_BLOCKS)) {
            let write = self.store.begin()?;
            for verdict in &seen.verdicts {
                self.judge(&write, verdict)?;
            }
            Store::put_number(&write, FOLLOWED, number)?;
            write.commit()?;
        }
        if followed {
            self.followed = number;
        }
        // Outcomes count only after their block was followed.
        self.outcomes()?;
        self.submit_proofs(chain).await
    }

    /// Records the chain's ruling on one proof.
    fn judge(&self, write: &redb::WriteTransaction, verdict: &Verdict) -> Result<(), Failure> {
        let Verdict { task, number, ruling, .. } = verdict;
        let outcome = match ruling {
            Ruling::Verified { paid, .. } => {
                let paid = paid.map_or("nothing".to_owned(), |paid| paid.to_string());
                tracing::info!(task, number, paid, "proof verified");
                "verified"
            }
            Ruling::Refused { reason } => {
                tracing::warn!(task, number, ?reason, "proof refused");
                "refused"
            }
            Ruling::Punished { fault, .. } => {
                tracing::error!(task, number, ?fault, "the chain has punished this miner");
                "punished"
            }
        };
        self.metrics.proof(*task, outcome);
        Store::remove_proof(write, *task, *number)
    }

    /// Writes a task's record, and remembers it.
    pub(crate) fn keep(&mut self, task: TaskId, record: Record) -> Result<(), Failure> {
        let write = self.store.begin()?;
        Store::put_task(&write, task, &record)?;
        write.commit()?;
        self.remember(task, record);
        Ok(())
    }

    /// Remembers a task's record that is on the disk.
    pub(crate) fn remember(&mut self, task: TaskId, record: Record) {
        match self.tasks.get_mut(&task) {
            Some(state) => state.record = record,
            None => drop(self.tasks.insert(task, TaskState::new(record))),
        }
        self.count_tasks();
        self.show(task);
    }

    /// A task as it is on the disk.
    pub(crate) fn record(&self, task: TaskId) -> Option<&Record> {
        self.tasks.get(&task).map(|state| &state.record)
    }

    /// A task as the chain has it.
    pub(crate) fn view(&self, task: TaskId) -> Option<&TaskView> {
        self.tasks.get(&task)?.view.as_ref()
    }

    /// Tasks by step, for metrics.
    pub(crate) fn count_tasks(&self) {
        let mut counts: BTreeMap<&'static str, i64> = BTreeMap::new();
        for state in self.tasks.values() {
            *counts.entry(state.record.step.name()).or_default() += 1;
        }
        self.metrics.tasks.clear();
        for (step, count) in counts {
            self.metrics.tasks.get_or_create(&vec![("step", step.to_owned())]).set(count);
        }
    }

    /// Whether a task's model is in memory.
    pub(crate) fn is_served(&self, task: TaskId) -> bool {
        self.pools.read().unwrap_or_else(PoisonError::into_inner).contains_key(&task)
    }
}
