//! `cyborg miner status`: the miner's record on the chain, its tasks, and its process.
//!
//! If the chain is out of reach or the process is down, the command says so and shows the rest.

use std::path::Path;
use std::time::Duration;

use cyborg_chain_client::ChainError;
use cyborg_miner::operator::record::{self, Record, Snapshot, TASK_COLUMNS, standing, task_rows, tasks_json};
use cyborg_primitives::miner::Accelerator;
use cyborg_primitives::money::Cyb;
use serde_json::{Value, json};

use super::arguments::Status;
use super::folder::{self, Held};
use super::process::{self, Health, Trust};
use super::settings::Settings;
use super::{connect, counted, runtime};
use crate::chain::table;
use crate::error::Failure;
use crate::place;
use crate::report::{CommandOutput, span};

/// Runs the command.
pub(super) fn run(arguments: &Status) -> Result<CommandOutput, Failure> {
    let folder = folder::of(&arguments.home)?;
    let settings = Settings::read(&folder)?;
    let node = arguments.home.node.as_deref().unwrap_or(&settings.node);
    let miner = folder::account(&settings.address).map_err(Failure::Miner)?;
    let (chain, process) = runtime()?.block_on(async {
        let asked = async {
            let chain = connect(node, Duration::ZERO).await?;
            record::snapshot(&chain, &miner).await
        };
        tokio::join!(asked, Process::find(&folder, &settings))
    });
    Ok(report(&folder, &settings, node, &chain, &process))
}

/// The miner's process.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Process {
    /// Whether a process holds the folder, and what it says about itself.
    pub(super) held: Held,
    /// Where it is looked for.
    pub(super) url: String,
    /// What answers there, or why nothing does.
    pub(super) health: Result<Health, String>,
}

impl Process {
    /// Looks for the process of a folder.
    pub(super) async fn find(folder: &Path, settings: &Settings) -> Self {
        let held = folder::held(folder);
        let listen = match &held {
            Held::By(Some(holder)) => holder.address.unwrap_or(settings.listen),
            _ => settings.listen,
        };
        let url = process::local_url(listen, settings.tls.is_some());
        let health = process::health(&url, Trust::ThisMachine).await;
        Self { held, url, health }
    }

    /// What the miner itself says; `None` if it is down, or something else answers.
    pub(super) fn answers(&self, miner: &[u8; 32]) -> Option<&Health> {
        self.health.as_ref().ok().filter(|health| health.miner == format!("0x{}", hex::encode(miner)))
    }
}

fn report(
    folder: &Path,
    settings: &Settings,
    node: &str,
    chain: &Result<Snapshot, ChainError>,
    process: &Process,
) -> CommandOutput {
    let mut report = CommandOutput::default();
    report.field("miner", settings.address.as_str(), "miner", &settings.address);
    report.field("dir", folder.display().to_string(), "folder", folder.display());
    let miner = folder::account(&settings.address).unwrap_or_default();
    let health = process.answers(&miner);
    show_process(&mut report, process, health);
    match chain {
        Ok(snapshot) => {
            report.json("chain", json!({ "node": node, "block": snapshot.block, "time_ms": snapshot.now }));
            report.line(format!("{:<24} block {} at {node}", "chain", snapshot.block));
            report.field("free", snapshot.free.to_string(), "free money", Cyb(snapshot.free));
            show_standing(&mut report, snapshot);
            let serving = health.map(|health| &health.serving[..]);
            report.json("tasks", tasks_json(&snapshot.tasks, serving));
            report.line("");
            if snapshot.tasks.is_empty() {
                report.line("no tasks");
            } else {
                table::lines(&mut report, TASK_COLUMNS, &task_rows(&snapshot.tasks, serving));
            }
        }
        Err(error) => {
            report.json("chain", Value::Null).json("chain_error", error.to_string());
            report.line(format!("{:<24} out of reach: {error}", "chain"));
        }
    }
    report
}

fn show_process(report: &mut CommandOutput, process: &Process, health: Option<&Health>) {
    let pid = match &process.held {
        Held::By(Some(holder)) => Some(holder.pid),
        _ => None,
    };
    let running = process.held != Held::Free;
    let shown = match (running, health, &process.health) {
        (_, Some(health), _) => format!(
            "answers at {}, handled block {}, serves {}",
            process.url,
            health.block,
            counted(health.serving.len() as u64, "task")
        ),
        (true, None, Err(problem)) => format!("runs, and does not answer at {}: {problem}", process.url),
        (true, None, Ok(_)) => format!("runs, and another miner answers at {}", process.url),
        (false, None, _) => "does not run".to_owned(),
    };
    report.line(format!("{:<24} {shown}", "process"));
    report.json(
        "process",
        json!({
            "running": running,
            "pid": pid,
            "url": process.url,
            "block": health.map(|health| health.block),
            "serving": health.map(|health| &health.serving),
            "version": health.map(|health| &health.version),
            "error": process.health.as_ref().err(),
        }),
    );
}

/// How the miner stands, and on which terms.
pub(super) fn show_standing(report: &mut CommandOutput, snapshot: &Snapshot) {
    match &snapshot.record {
        Some(record) => show_record(report, record, snapshot.now),
        None => {
            report.field("standing", "not registered", "standing", "not registered");
        }
    }
}

fn show_record(report: &mut CommandOutput, record: &Record, now: u64) {
    report.field("standing", standing(record), "standing", standing(record));
    report.field("reputation", record.reputation, "reputation", format!("{} of 100", record.reputation));
    report.field("bond", record.bond.to_string(), "bond", Cyb(record.bond));
    report.field("price", record.price.to_string(), "price per hour", Cyb(record.price));
    let region = String::from_utf8_lossy(&record.location.region.0).into_owned();
    let cell = place::shown(record.location.cell);
    report.field("region", region.as_str(), "place", format!("{region}, cell {cell}"));
    report.json("cell", cell);
    let (used, offered) = (record.used_mib, record.capacity.memory_mib);
    let shown = format!("{}, {used} of {offered} MiB", counted(record.load.into(), "task"));
    report.field("load", record.load, "load", shown);
    report.json("used_mib", used).json("memory_mib", offered);
    report.json("macs_per_second", record.capacity.macs_per_second);
    let accelerator = match record.capacity.accelerator {
        Accelerator::None => "none",
        Accelerator::Cuda => "cuda",
        Accelerator::Jetson => "jetson",
        Accelerator::Other => "other",
    };
    report.json("accelerator", accelerator);
    // Another's words must not instruct a terminal.
    report.field("endpoint", record.endpoint.as_str(), "endpoint", record.endpoint.escape_debug());
    let silent = span(now.saturating_sub(record.seen));
    report.field("seen_ms", record.seen, "last heartbeat", format!("{silent} of chain time ago"));
    if let Some(leaves_at) = record.leaves_at {
        let left = span(leaves_at.saturating_sub(now));
        report.field("leaves_at_ms", leaves_at, "bond can be had", format!("in {left} of chain time"));
    }
}
