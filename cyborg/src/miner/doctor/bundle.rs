//! The support bundle: what helps somebody else to understand a miner, without secrets.
//!
//! | file | content |
//! |---|---|
//! | `doctor.txt`, `doctor.json` | the findings |
//! | `miner.json` | the settings: as they were understood, not as they lie on the disk |
//! | `versions.json` | program, process, runtime, chain |
//! | `chain.json`, `tasks.txt` | the chain's record of the miner, its tasks and how it stands on them |
//! | `health.json`, `metrics.txt` | what the process answers |
//! | `meminfo.txt`, `cpuinfo.txt`, `version.txt` | what the kernel says about the machine |
//!
//! Keys, passphrases and what they seal are never read. Every file is cleaned of the secrets that URLs and
//! answers may hold ([`Secrets`]).

use std::io::{Cursor, Write as _};

use cyborg_chain_client::runtime;
use cyborg_miner::meter::Sources;
use cyborg_miner::operator::bundle::Secrets;
use cyborg_miner::operator::check::Check;
use cyborg_miner::operator::machine;
use cyborg_miner::operator::record::{TASK_COLUMNS, task_rows};
use cyborg_owner::locations::{ACCESS_KEY_ID, ENDPOINT_URL, SECRET_ACCESS_KEY};
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::Examined;
use crate::error::Failure;
use crate::files::{self, Output};

/// The files of the bundle, by name.
pub(super) fn entries(examined: &Examined, sources: &Sources) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, text: String| files.push((name.to_owned(), text));
    let lines: Vec<String> = examined.checks.iter().flat_map(Check::lines).collect();
    add("doctor.txt", lines.join("\n") + "\n");
    add("doctor.json", pretty(&examined.checks.iter().map(Check::json).collect()));
    if let Some(settings) = &examined.settings {
        add("miner.json", serde_json::to_string_pretty(settings).unwrap_or_default() + "\n");
    }
    add("versions.json", pretty(&versions(examined)));
    if let Some(record) = &examined.record {
        add("chain.json", pretty(record));
    }
    let health = examined.process.as_ref().and_then(|process| process.health.as_ref().ok());
    if let Some(snapshot) = &examined.snapshot {
        let serving = health.map(|health| &health.serving[..]);
        add("tasks.txt", table_of_tasks(&task_rows(&snapshot.tasks, serving)));
    }
    for (name, text) in &examined.pages {
        add(name, text.clone());
    }
    for (name, text) in machine::described(sources) {
        add(&format!("{name}.txt"), text);
    }
    let secrets = secrets(examined);
    for (_, text) in &mut files {
        *text = secrets.cleaned(text);
    }
    files
}

/// Packs files into an archive, and writes it.
pub(super) fn write(output: &Output, files: &[(String, String)]) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::input(output.path(), error);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        let options = SimpleFileOptions::default().unix_permissions(0o600);
        archive.start_file(name.as_str(), options).map_err(|error| failed(&error))?;
        archive.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    }
    let bytes = archive.finish().map_err(|error| failed(&error))?.into_inner();
    files::write(&[(output, &bytes)])
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

fn versions(examined: &Examined) -> Value {
    let process = examined.process.as_ref().and_then(|process| process.health.as_ref().ok());
    let snapshot = examined.snapshot.as_ref();
    json!({
        "program": env!("CARGO_PKG_VERSION"),
        "process": process.map(|health| &health.version),
        "runtime": snapshot.map(|snapshot| snapshot.spec_version),
        "runtime_of_program": runtime::SPEC_VERSION,
        "genesis": snapshot.map(|snapshot| format!("0x{}", hex::encode(snapshot.genesis))),
        "system": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
    })
}

/// A table with tabs between its columns.
fn table_of_tasks(rows: &[[String; 6]]) -> String {
    let lines = rows.iter().map(|row| row.join("\t"));
    [TASK_COLUMNS.join("\t")].into_iter().chain(lines).map(|line| line + "\n").collect()
}

/// The secrets in the URLs that were used, and in the environment.
fn secrets(examined: &Examined) -> Secrets {
    let settings = examined.settings.as_ref();
    let storage = settings.iter().flat_map(|settings| &settings.storage);
    let nodes = examined.node.iter().chain(settings.iter().map(|settings| &settings.node));
    // Messages about buckets begin with it.
    let service = std::env::var(ENDPOINT_URL).ok();
    let keys = [ACCESS_KEY_ID, SECRET_ACCESS_KEY].into_iter().filter_map(|name| std::env::var(name).ok());
    Secrets::of(storage.chain(nodes).chain(&service).map(String::as_str), keys)
}

#[cfg(test)]
mod tests;
