//! What the miner's loop knows about one task, in one place: a task that is closed leaves nothing behind.

use std::time::Duration;

use tokio::time::Instant;

use crate::loaded::Loaded;
use crate::store::Record;
use crate::view::TaskView;

/// First pause after an attempt that failed; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A task of this miner.
pub(crate) struct TaskState {
    /// The task as it is on the disk.
    pub(crate) record: Record,
    /// The task as the chain has it.
    pub(crate) view: Option<TaskView>,
    /// The model, when it is ready and not served yet.
    pub(crate) ready: Option<Loaded>,
    /// Failed attempts, and when the next one is due.
    failures: Option<(u32, Instant)>,
    /// Proofs of one transaction, if fewer fit than the settings say.
    pub(crate) batch: Option<usize>,
    /// Since when proofs wait to be submitted.
    pub(crate) proofs_since: Option<Instant>,
    /// When the answers of a sampled task were last looked at for a period.
    pub(crate) committed: Option<Instant>,
}

impl TaskState {
    /// A task whose record alone is known.
    pub(crate) fn new(record: Record) -> Self {
        Self {
            record,
            view: None,
            ready: None,
            failures: None,
            batch: None,
            proofs_since: None,
            committed: None,
        }
    }

    /// Forgets everything but what is on the disk and on the chain.
    pub(crate) fn close(&mut self) {
        *self = Self { view: self.view.take(), ..Self::new(self.record.clone()) };
    }

    /// Whether the pause after a failed attempt is over.
    pub(crate) fn may_try(&self) -> bool {
        self.failures.is_none_or(|(_, due)| Instant::now() >= due)
    }

    /// Counts a failed attempt, and returns their number.
    pub(crate) fn failed(&mut self) -> u32 {
        let count = self.failures.map_or(0, |(count, _)| count).saturating_add(1);
        let pause = FIRST_PAUSE.saturating_mul(1 << count.saturating_sub(1).min(10)).min(LONGEST_PAUSE);
        self.failures = Some((count, Instant::now() + pause));
        count
    }

    /// An attempt succeeded: the next failure is the first again.
    pub(crate) fn succeeded(&mut self) {
        self.failures = None;
    }
}
