//! Counters for Prometheus, and the time that each task has kept processors busy.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cyborg_primitives::TaskId;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

type Labels = Vec<(&'static str, String)>;

/// The work of one task since the last query.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Activity {
    /// Time that requests and proofs of it took.
    pub(crate) busy: Duration,
    /// Requests that were answered.
    pub(crate) requests: u32,
}

/// The work of one task since the miner was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Proofs made.
    pub(crate) made: u64,
    /// Proofs that the chain has verified.
    pub(crate) verified: u64,
    /// How long requests and proofs of it took, in milliseconds.
    pub(crate) busy_ms: u64,
}

/// The counters.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    answers: Family<Labels, Counter>,
    proofs: Family<Labels, Counter>,
    busy: Family<Labels, Counter<f64, AtomicU64>>,
    pub(crate) tasks: Family<Labels, Gauge>,
    pub(crate) proofs_due: Gauge,
    pub(crate) transactions: Gauge,
    pub(crate) block: Gauge,
    connections: Gauge,
    pub(crate) streams: Gauge,
    latency: Histogram,
    proving: Histogram,
    activity: Mutex<BTreeMap<TaskId, Activity>>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("cyborg_miner");
        let requests: Family<Labels, Counter> = Family::default();
        let answers: Family<Labels, Counter> = Family::default();
        let proofs: Family<Labels, Counter> = Family::default();
        let busy: Family<Labels, Counter<f64, AtomicU64>> = Family::default();
        let tasks: Family<Labels, Gauge> = Family::default();
        let gauge = Gauge::<i64, AtomicI64>::default;
        let (proofs_due, transactions, block) = (gauge(), gauge(), gauge());
        let (connections, streams) = (gauge(), gauge());
        let latency = Histogram::new(exponential_buckets(0.001, 2.0, 14));
        let proving = Histogram::new(exponential_buckets(0.05, 2.0, 12));
        registry.register("requests", "HTTP requests, by path and status", requests.clone());
        registry.register("answers", "Requests answered, by task", answers.clone());
        registry.register("proofs", "Proofs, by task and what became of them", proofs.clone());
        registry.register("tasks", "Tasks, by step", tasks.clone());
        registry.register("proofs_due", "Proofs owed and not made", proofs_due.clone());
        registry.register("transactions", "Transactions under way", transactions.clone());
        registry.register("block", "Last finalised block that was handled", block.clone());
        registry.register("connections", "Connections open", connections.clone());
        registry.register("streams", "Streams of live status open", streams.clone());
        registry.register_with_unit("busy", "Processors kept busy, by task", Unit::Seconds, busy.clone());
        registry.register_with_unit("latency", "From request to answer", Unit::Seconds, latency.clone());
        registry.register_with_unit("proving", "Time of a proof", Unit::Seconds, proving.clone());
        Self {
            registry,
            requests,
            answers,
            proofs,
            busy,
            tasks,
            proofs_due,
            transactions,
            block,
            connections,
            streams,
            latency,
            proving,
            activity: Mutex::default(),
        }
    }

    pub(crate) fn request(&self, path: &'static str, status: u16, took: Duration) {
        let labels = vec![("path", path.to_owned()), ("status", status.to_string())];
        self.requests.get_or_create(&labels).inc();
        if path == "requests" && status == 200 {
            self.latency.observe(took.as_secs_f64());
        }
    }

    pub(crate) fn answered(&self, task: TaskId) {
        self.answers.get_or_create(&vec![("task", task.to_string())]).inc();
        self.change(task, |activity| activity.requests = activity.requests.saturating_add(1));
    }

    pub(crate) fn busy(&self, task: TaskId, took: Duration) {
        self.busy.get_or_create(&vec![("task", task.to_string())]).inc_by(took.as_secs_f64());
        self.change(task, |activity| activity.busy = activity.busy.saturating_add(took));
    }

    /// The work of a task since the miner was started.
    pub(crate) fn counts(&self, task: TaskId) -> Counts {
        let label = ("task", task.to_string());
        let proofs = |outcome: &str| {
            let labels = vec![label.clone(), ("outcome", outcome.to_owned())];
            self.proofs.get(&labels).map_or(0, |count| count.get())
        };
        let busy_s = self.busy.get(&vec![label.clone()]).map_or(0.0, |busy| busy.get());
        let busy_ms = Duration::try_from_secs_f64(busy_s).map_or(0, |busy| busy.as_millis());
        Counts {
            made: proofs("made"),
            verified: proofs("verified"),
            busy_ms: u64::try_from(busy_ms).unwrap_or(u64::MAX),
        }
    }

    pub(crate) fn proven(&self, task: TaskId, took: Duration) {
        self.proving.observe(took.as_secs_f64());
        self.busy(task, took);
        self.proof(task, "made");
    }

    /// Counts the outcome of a proof: `made`, `verified`, `refused`, `punished` or `lost`.
    pub(crate) fn proof(&self, task: TaskId, outcome: &'static str) {
        let labels = vec![("task", task.to_string()), ("outcome", outcome.to_owned())];
        self.proofs.get_or_create(&labels).inc();
    }

    fn change(&self, task: TaskId, change: impl FnOnce(&mut Activity)) {
        let mut activity = self.activity.lock().unwrap_or_else(PoisonError::into_inner);
        change(activity.entry(task).or_default());
    }

    /// The work of every task since the last call.
    pub(crate) fn take_activity(&self) -> BTreeMap<TaskId, Activity> {
        std::mem::take(&mut *self.activity.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl cyborg_serving::Gauge for Metrics {
    fn opened(&self) {
        self.connections.inc();
    }

    fn closed(&self) {
        self.connections.dec();
    }
}

/// A count as a gauge's value.
pub(crate) fn level(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
