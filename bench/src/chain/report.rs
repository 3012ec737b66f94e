//! What was measured, as JSON and as Markdown tables.

use std::fmt::{Display, Write};

use serde::Serialize;

use super::growth::Growth;
use super::proofs::Full;
use super::rates::Rate;
use super::scale::Scale;
use crate::machine;

/// Tasks that the growth of the database is told for.
const TASKS: f64 = 100_000.0;

/// Every figure of one run.
#[derive(Serialize)]
pub(crate) struct Measurements {
    /// Version of this program.
    version: &'static str,
    /// Logical processors that node and program share.
    cpus: usize,
    processor: Option<String>,
    /// Blocks full of proofs.
    pub(crate) proofs: Vec<Full>,
    /// Submission and assignment among many miners.
    pub(crate) scale: Option<Scale>,
    /// Sustained rates.
    pub(crate) rates: Vec<Rate>,
    /// Growth of the database.
    pub(crate) growth: Option<Growth>,
}

impl Measurements {
    /// An empty report that names the machine.
    pub(crate) fn of_this_machine() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            cpus: machine::processors(),
            processor: machine::processor(),
            proofs: Vec::new(),
            scale: None,
            rates: Vec::new(),
            growth: None,
        }
    }

    /// Tables of what was measured.
    pub(crate) fn markdown(&self) -> String {
        let processor = self.processor.as_deref().unwrap_or("unknown processor");
        let mut text =
            Text(format!("{} logical processors ({processor}), shared by node and sender.\n", self.cpus));
        self.write_rates(&mut text);
        self.write_proofs(&mut text);
        self.write_scale(&mut text);
        self.write_growth(&mut text);
        text.0
    }

    fn write_rates(&self, text: &mut Text) {
        if self.rates.is_empty() {
            return;
        }
        text.line(
            "\n| transactions | block time | sent | a second | taken by the node in | final in | blocks | \
             fullest block | charged | its proof | built in | sealed in | its end |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|---|",
        );
        for rate in &self.rates {
            let fullest = &rate.fullest;
            text.line(format!(
                "| {} | {} ms | {} | {:.0} | {:.1} s | {:.1} s | {} | {} | {:.0} ms | {:.1} MB | {} ms | {} ms | {} |",
                rate.what,
                rate.block_time_ms,
                rate.transactions,
                rate.per_second,
                rate.taken_s,
                rate.total_s,
                rate.blocks,
                fullest.transactions,
                fullest.charged_ms,
                fullest.charged_proof_mb,
                fullest.built_ms,
                fullest.sealed_ms,
                fullest.end,
            ));
        }
    }

    fn write_proofs(&self, text: &mut Text) {
        if self.proofs.is_empty() {
            return;
        }
        text.line(
            "\n| block full of | proofs | charged | built in wasm | of charged | sealed | executed again |\n\
             |---|---|---|---|---|---|---|",
        );
        for full in &self.proofs {
            text.line(format!(
                "| {}, {} | {} | {:.0} ms | {} ms | {:.0} % | {} ms | {:.0} ms |",
                full.model,
                full.form,
                full.proofs,
                full.charged_ms,
                full.built_ms,
                100.0 * full.built_ms as f64 / full.charged_ms,
                full.sealed_ms,
                full.executed_again_ms,
            ));
        }
    }

    fn write_scale(&self, text: &mut Text) {
        let Some(scale) = &self.scale else { return };
        text.line(format!(
            "\n{} miners, {} tasks submitted; the runtime's ranking of 16 over RPC takes {:.1} ms.\n\n\
             | call | in a block | engaged | charged | its proof | built in wasm | read |\n\
             |---|---|---|---|---|---|---|",
            scale.miners, scale.tasks, scale.ranking_ms,
        ));
        for calls in &scale.calls {
            text.line(format!(
                "| {} | {} | {} | {:.2} ms | {:.0} KB | {:.2} ms | {:.0} KB |",
                calls.what,
                calls.calls,
                calls.engaged,
                calls.charged_ms,
                calls.charged_proof_kb,
                calls.built_ms,
                calls.read_kb,
            ));
        }
    }

    fn write_growth(&self, text: &mut Text) {
        let Some(growth) = &self.growth else { return };
        let empty = growth.blocks as f64 * growth.bytes_per_empty_block;
        let tasks = growth.tasks.max(1) as f64;
        let own = (growth.bytes as f64 - empty).max(0.0) / tasks;
        text.line(format!(
            "\n{} tasks from submission to refund, {} transactions in {} blocks: {:.1} MB on the disk, of it \
             {:.1} MB for the blocks as such ({:.0} bytes for an empty one). Extrapolated to 100,000 tasks: \
             {:.2} GB, and the blocks they take.",
            growth.tasks,
            growth.transactions,
            growth.blocks,
            growth.bytes as f64 / 1e6,
            empty / 1e6,
            growth.bytes_per_empty_block,
            own * TASKS / 1e9,
        ));
    }
}

/// Text that grows by lines.
struct Text(String);

impl Text {
    fn line(&mut self, line: impl Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{line}");
    }
}
