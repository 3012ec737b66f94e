//! What a miner says of itself: its `/metrics`, in the text format of Prometheus.

use anyhow::{Context, Result};
use cyborg_owner::Http;

/// Counters and gauges of one moment.
pub(crate) struct Metrics(Vec<Sample>);

struct Sample {
    name: String,
    labels: String,
    value: f64,
}

impl Metrics {
    /// Asks a miner at its endpoint.
    ///
    /// # Errors
    /// Returns an error if it does not answer.
    pub(crate) async fn of(http: &Http, endpoint: &str) -> Result<Self> {
        let answer = http.client().get(format!("{endpoint}/metrics")).send().await;
        let text = answer.and_then(|answer| answer.error_for_status()).context("the miner's metrics")?;
        Ok(Self::parse(&text.text().await.context("the miner's metrics")?))
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(
            lines
                .filter_map(|line| {
                    let (what, value) = line.rsplit_once(' ')?;
                    let (name, labels) = what.split_once('{').unwrap_or((what, ""));
                    let value = value.parse().ok()?;
                    Some(Sample { name: name.to_owned(), labels: labels.to_owned(), value })
                })
                .collect(),
        )
    }

    /// The sum of all samples of a name, without `cyborg_miner_`, that have these labels; zero where nothing
    /// was counted yet.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |sample: &&Sample| {
            sample.name.strip_prefix("cyborg_miner_") == Some(name)
                && labels.iter().all(|(name, value)| sample.labels.contains(&format!("{name}=\"{value}\"")))
        };
        self.0.iter().filter(has).map(|sample| sample.value).sum()
    }

    /// What was added since an earlier moment.
    pub(crate) fn since(&self, before: &Self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.get(name, labels) - before.get(name, labels)
    }
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    #[test]
    fn samples_are_found_by_name_and_label() {
        let text = "# HELP cyborg_miner_answers Requests\n\
                    cyborg_miner_answers_total{task=\"1\"} 3\n\
                    cyborg_miner_answers_total{task=\"12\"} 4\n\
                    cyborg_miner_requests_total{path=\"requests\",status=\"503\"} 9\n\
                    cyborg_miner_proofs_due 2\n# EOF\n";
        let metrics = Metrics::parse(text);
        assert_eq!(metrics.get("answers_total", &[("task", "1")]), 3.0);
        assert_eq!(metrics.get("answers_total", &[]), 7.0);
        assert_eq!(metrics.get("requests_total", &[("status", "503"), ("path", "requests")]), 9.0);
        assert_eq!((metrics.get("proofs_due", &[]), metrics.get("proofs", &[])), (2.0, 0.0));
        assert_eq!(metrics.since(&Metrics::parse(""), "answers_total", &[]), 7.0);
    }
}
