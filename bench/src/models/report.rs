//! What was measured, on which machine, as JSON and as a Markdown table.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::measure::Figures;
use crate::machine;

/// Every figure of one invocation.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Measurements {
    /// Version of this program.
    pub(crate) version: String,
    /// Logical processors that this process may use.
    pub(crate) cpus: usize,
    /// The processor's name, where the system tells.
    pub(crate) processor: Option<String>,
    /// Models by number of parameters.
    pub(crate) models: Vec<Figures>,
    /// Models that could not be measured.
    pub(crate) failures: Vec<Failure>,
}

/// A model that could not be measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// Name of the model.
    pub(crate) name: String,
    /// What the failing command said.
    pub(crate) error: String,
}

impl Measurements {
    /// An empty report that names the machine.
    pub(crate) fn of_this_machine() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cpus: machine::processors(),
            processor: machine::processor(),
            models: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// A table with a row for each model, and a list of failures.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        let processor = self.processor.as_deref().unwrap_or("unknown processor");
        let runs = self.models.first().map_or(0, |figures| figures.prove.runs);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{} logical processors ({processor}); median (least) of {runs} runs, whole processes.\n\n\
             | model | parameters | keygen | prove | verify | proof | peak memory prove / verify | keys prover / verifier |\n\
             |---|---|---|---|---|---|---|---|",
            self.cpus,
        );
        for m in &self.models {
            let _ = writeln!(
                text,
                "| {} | {} | {} ({:.2} µs a parameter) | {} ({}) | {} ({}) | {} | {} / {} | {} / {} |",
                m.name,
                grouped(m.parameters),
                milliseconds(m.keygen.median_ms),
                m.keygen.median_ms * 1e3 / m.parameters.max(1) as f64,
                milliseconds(m.prove.median_ms),
                milliseconds(m.prove.min_ms),
                milliseconds(m.verify.median_ms),
                milliseconds(m.verify.min_ms),
                bytes(m.proof_bytes),
                bytes(m.prove.peak_bytes),
                bytes(m.verify.peak_bytes),
                bytes(m.prover_key_bytes),
                bytes(m.verifier_key_bytes),
            );
        }
        for failure in &self.failures {
            let _ = writeln!(text, "\nnot measured: {}: {}", failure.name, failure.error);
        }
        text
    }
}

/// Milliseconds below a second, seconds above.
pub(crate) fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.2} s", ms / 1e3),
    }
}

/// Bytes in decimal units.
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes as f64 {
        b if b < 1e3 => format!("{b} B"),
        b if b < 1e5 => format!("{:.1} KB", b / 1e3),
        b if b < 1e6 => format!("{:.0} KB", b / 1e3),
        b if b < 1e9 => format!("{:.0} MB", b / 1e6),
        b => format!("{:.1} GB", b / 1e9),
    }
}

/// A number with thousands separated.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{bytes, grouped, milliseconds};

    #[test]
    fn units() {
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(4_235_274), "4,235,274");
        assert_eq!(bytes(16_384), "16.4 KB");
        assert_eq!(bytes(250_000_000), "250 MB");
        assert_eq!(milliseconds(7.25), "7.2 ms");
        assert_eq!(milliseconds(1234.0), "1.23 s");
    }
}
