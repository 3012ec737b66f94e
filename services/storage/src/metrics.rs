//! Counters for Prometheus.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};

use crate::disk::Usage;

type Labels = Vec<(&'static str, String)>;

/// What is counted.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    pub(crate) received_bytes: Counter,
    pub(crate) sent_bytes: Counter,
    pub(crate) connections: Gauge,
    pub(crate) uploads: Gauge,
    pub(crate) collected: Counter,
    pub(crate) scrubbed_bytes: Counter,
    pub(crate) rotten: Counter,
}

#[derive(Debug)]
struct Kept(Arc<Usage>);

impl std::fmt::Debug for Usage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Usage")
    }
}

impl Collector for Kept {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Usage { bytes, fragments, manifests, quarantined } = &*self.0;
        for (name, help, unit, value) in [
            ("used", "What is kept, uploads under way included", Some(&Unit::Bytes), bytes),
            ("fragments", "Fragments kept", None, fragments),
            ("manifests", "Manifests kept", None, manifests),
            ("quarantined", "Put aside because they had rotted", None, quarantined),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value.load(Ordering::Relaxed)).unwrap_or(i64::MAX));
            let metric = encoder.encode_descriptor(name, help, unit, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}

impl Metrics {
    pub(crate) fn new(usage: &Arc<Usage>, quota_bytes: u64) -> Self {
        let mut registry = Registry::with_prefix("cyborg_storage");
        let mut metrics = Self {
            requests: Family::default(),
            received_bytes: Counter::<u64, AtomicU64>::default(),
            sent_bytes: Counter::default(),
            connections: Gauge::<i64, AtomicI64>::default(),
            uploads: Gauge::default(),
            collected: Counter::default(),
            scrubbed_bytes: Counter::default(),
            rotten: Counter::default(),
            registry: Registry::default(),
        };
        let quota: Gauge = Gauge::default();
        quota.set(i64::try_from(quota_bytes).unwrap_or(i64::MAX));
        registry.register_with_unit("quota", "Most that is kept", Unit::Bytes, quota);
        registry.register("requests", "Requests, by method and status", metrics.requests.clone());
        registry.register_with_unit("received", "Uploaded", Unit::Bytes, metrics.received_bytes.clone());
        registry.register_with_unit("sent", "Downloaded", Unit::Bytes, metrics.sent_bytes.clone());
        registry.register("connections", "Connections open", metrics.connections.clone());
        registry.register("uploads", "Uploads under way", metrics.uploads.clone());
        registry.register("collected", "Fragments removed that no manifest lists", metrics.collected.clone());
        registry.register_with_unit(
            "scrubbed",
            "Read in search of rot",
            Unit::Bytes,
            metrics.scrubbed_bytes.clone(),
        );
        registry.register("rotten", "Found rotten", metrics.rotten.clone());
        registry.register_collector(Box::new(Kept(usage.clone())));
        metrics.registry = registry;
        metrics
    }

    pub(crate) fn request(&self, method: &str, status: u16) {
        // Methods are the client's word: only those that are served get a label of their own.
        let method = match method {
            "GET" | "HEAD" | "PUT" | "DELETE" => method,
            _ => "other",
        };
        let labels = vec![("method", method.to_owned()), ("status", status.to_string())];
        self.requests.get_or_create(&labels).inc();
    }

    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
