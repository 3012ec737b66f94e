//! What was measured, as JSON and as Markdown tables.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use serde::Serialize;

use super::demo::Demo;
use super::latency::Latency;
use super::load::Load;
use super::proven::Proven;
use super::spread::ms;
use super::storage::Stored;
use super::system::load_average;
use crate::machine;

/// What one part measured, and how busy the machine was when it began.
#[derive(Serialize)]
pub(crate) struct Measured<T> {
    /// Processes that wanted a processor over the minute before.
    load_average: Option<f64>,
    pub(crate) rows: Vec<T>,
}

impl<T> Measured<T> {
    /// An empty measurement that begins now.
    pub(crate) fn now() -> Self {
        Self { load_average: load_average(), rows: Vec::new() }
    }
}

/// Every figure of one run.
#[derive(Serialize)]
pub(crate) struct Measurements {
    /// Version of this program.
    version: &'static str,
    /// Logical processors that everything shares.
    cpus: usize,
    processor: Option<String>,
    /// The command.
    command: String,
    pub(crate) latency: Option<Measured<Latency>>,
    pub(crate) load: Option<Measured<Load>>,
    pub(crate) proven: Option<Measured<Proven>>,
    pub(crate) storage: Option<Measured<Stored>>,
    pub(crate) demo: Option<Measured<Demo>>,
    /// What was lost or wrong.
    pub(crate) wrong: Vec<String>,
}

impl Measurements {
    /// An empty report that names the machine and the command.
    pub(crate) fn of_this_machine() -> Self {
        let words: Vec<String> = std::env::args().skip(1).collect();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            cpus: machine::processors(),
            processor: machine::processor(),
            command: format!("cyborg-bench-network {}", words.join(" ")).trim_end().to_owned(),
            latency: None,
            load: None,
            proven: None,
            storage: None,
            demo: None,
            wrong: Vec::new(),
        }
    }

    /// Tables of what was measured.
    pub(crate) fn markdown(&self) -> String {
        let mut text = Text::default();
        self.write_latency(&mut text);
        self.write_load(&mut text);
        self.write_proven(&mut text);
        self.write_storage(&mut text);
        self.write_demo(&mut text);
        for wrong in &self.wrong {
            text.line(format!("\nWRONG: {wrong}"));
        }
        text.0
    }

    /// What stands above each table.
    fn head<T>(&self, text: &mut Text, what: &str, part: &Measured<T>) {
        let Self { cpus, processor, command, .. } = self;
        let processor = processor.as_deref().unwrap_or("unknown processor");
        let load = part.load_average.map_or("unknown".to_owned(), |load| format!("{load:.1}"));
        text.line(format!(
            "\n**{what}.** {cpus} logical processors ({processor}), shared by all processes; load average \
             at the beginning {load}; `{command}`\n"
        ));
    }

    fn write_latency(&self, text: &mut Text) {
        let Some(part) = &self.latency else { return };
        self.head(text, "Latency", part);
        let what =
            "| model | what | median | 95 % | longest | added to the engine |\n|---|---|---|---|---|---|";
        text.line(what);
        for Latency { model, engine, ask, protocol, exchange, .. } in &part.rows {
            text.line(format!("| {model} | bare engine, {} runs | {} | |", engine.count, engine.cells()));
            for (what, spread) in [
                ("`Owner::ask`: chain looked up, sealed, signed, kept, checked, opened", ask),
                ("the protocol alone: sealed, signed, checked, opened", protocol),
                ("of it from sending to the answer", exchange),
            ] {
                let added = ms(spread.median_ms - engine.median_ms);
                text.line(format!("| {model} | {what} | {} | {added} |", spread.cells()));
            }
        }
        let models: Vec<&str> = part.rows.iter().map(|row| row.model.as_str()).collect();
        text.line(format!("\n| where it goes, on average | {} |", models.join(" | ")));
        text.line(format!("|---|{}", "---|".repeat(models.len())));
        for (index, step) in part.rows.first().map_or(&[][..], |row| &row.steps).iter().enumerate() {
            let cells = part.rows.iter().filter_map(|row| Some(ms(row.steps.get(index)?.mean_ms)));
            text.line(format!("| {} | {} |", step.what, cells.collect::<Vec<_>>().join(" | ")));
        }
        for row in &part.rows {
            text.line(format!(
                "\n{}: the network adds {} (median). A sync of the disk alone takes {}, 95 % of them {}.",
                row.model,
                ms(row.added_ms()),
                ms(row.sync.median_ms),
                ms(row.sync.p95_ms),
            ));
        }
    }

    fn write_load(&self, text: &mut Text) {
        let Some(part) = &self.load else { return };
        self.head(text, "Load, digits_mlp without proofs", part);
        text.line(
            "Requests were signed and sealed before the clock started, answers opened after it had stopped; \
             the client's HTTP shares the processors with the miner.\n\n\
             | offered | sent | answered | a second | median | 95 % | longest | answered at once | their 95 % | \
             refused for the moment | retries: requests | processors used |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|",
        );
        for load in &part.rows {
            text.line(format!(
                "| {} | {} | {} | {:.0} | {} | {} | {} | {} | {} | {} |",
                load.offered,
                load.sent,
                load.answered,
                load.answered as f64 / load.seconds,
                load.latency.cells(),
                load.at_once.count,
                ms(load.at_once.p95_ms),
                pairs(&load.refusals),
                pairs(&load.retries),
                load.shares.cell(),
            ));
        }
    }

    fn write_proven(&self, text: &mut Text) {
        let Some(part) = &self.proven else { return };
        self.head(text, "Proven, verified and paid", part);
        text.line(
            "| model | block time | a minute | in | blocks | most in one | weight of blocks, fullest | a proof \
             takes | proving | waiting to be proven | proven, not verified | bound by | processors used |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|---|",
        );
        for row in &part.rows {
            text.line(format!(
                "| {} | {} ms | {:.0} | {:.0} s | {} | {} | {:.0} %, {:.0} % | {} | {:.0} % | {:.0} | {:.0} | {} | {} |",
                row.model,
                row.block_time_ms,
                row.per_minute(),
                row.seconds,
                row.blocks,
                row.most_in_a_block,
                100.0 * row.weight,
                100.0 * row.greatest_weight,
                ms(row.proof_ms),
                100.0 * row.proving,
                row.due,
                row.made,
                row.bound(),
                row.shares.cell(),
            ));
        }
    }

    fn write_storage(&self, text: &mut Text) {
        let Some(part) = &self.storage else { return };
        self.head(text, "Storage", part);
        for stored in &part.rows {
            text.line(format!(
                "A file of {} MB. The disk alone takes {:.0} MB/s in files of 1 MiB, each synced with its folder, \
                 from 4 threads; three times the file is stored, which bounds an upload at {:.0} MB/s.\n\n\
                 | nodes | way | time | of it before the first stripe | after the last | MB/s | memory of the \
                 client | of a node | processor time, client and nodes |\n\
                 |---|---|---|---|---|---|---|---|---|",
                stored.bytes / 1_000_000,
                stored.disk_mb_s,
                stored.disk_bound_mb_s(),
            ));
            for moved in &stored.moves {
                text.line(format!(
                    "| {} | {} | {:.1} s | {:.2} s | {:.2} s | {:.0} | {:.0} MB | {:.0} MB | {:.1} s and {:.1} s |",
                    moved.nodes,
                    moved.way,
                    moved.seconds,
                    moved.before_s,
                    moved.after_s,
                    moved.mb_s,
                    moved.client_peak_bytes as f64 / 1e6,
                    moved.node_peak_bytes as f64 / 1e6,
                    moved.client_s,
                    moved.nodes_s,
                ));
            }
        }
    }

    fn write_demo(&self, text: &mut Text) {
        let Some(part) = &self.demo else { return };
        self.head(text, "The demo", part);
        text.line("| run | time | phases | until the result | blocks |\n|---|---|---|---|---|");
        for demo in &part.rows {
            let phases = demo.said.phases.iter().map(|(name, seconds)| format!("{name} {seconds:.1} s"));
            text.line(format!(
                "| {} | {:.1} s | {} | {:.1} s | {} of {} ms |",
                demo.what,
                demo.seconds,
                phases.collect::<Vec<_>>().join(", "),
                demo.said.seconds,
                demo.said.blocks,
                demo.said.block_time_ms,
            ));
        }
        let Some(demo) = part.rows.last() else { return };
        text.line("\n| step, as the chain has seen it | took |\n|---|---|");
        for step in &demo.said.steps {
            text.line(format!("| {} | {:.1} s |", step.step, step.took_seconds));
        }
    }
}

/// Counts, each after what it counts.
fn pairs<K: Display>(counts: &BTreeMap<K, usize>) -> String {
    let pairs: Vec<String> = counts.iter().map(|(what, count)| format!("{what}: {count}")).collect();
    if pairs.is_empty() { "none".to_owned() } else { pairs.join(", ") }
}

/// Text that grows by lines.
#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, line: impl Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::{Measurements, pairs};

    #[test]
    fn counts_stand_after_what_they_count() {
        assert_eq!(pairs(&[(503_u16, 2), (429, 1)].into()), "429: 1, 503: 2");
        assert_eq!(pairs::<u16>(&[].into()), "none");
    }

    #[test]
    fn nothing_was_measured_and_nothing_is_said() {
        assert!(Measurements::of_this_machine().markdown().is_empty());
    }
}
