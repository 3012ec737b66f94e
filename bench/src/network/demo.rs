//! `cyborg demo`: how long it takes, and where that goes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// One run.
#[derive(Serialize)]
pub(crate) struct Demo {
    /// Which run.
    pub(crate) what: &'static str,
    /// Seconds that the whole process took.
    pub(crate) seconds: f64,
    /// What the demo reports of itself.
    #[serde(flatten)]
    pub(crate) said: Said,
}

/// The fields of the demo's JSON that the benchmark reads.
#[derive(Serialize, Deserialize)]
pub(crate) struct Said {
    /// Whether everything was as it has to be.
    pub(crate) holds: bool,
    /// From its beginning to its result; what comes after is the end of the network and of its folder.
    #[serde(rename(serialize = "until_result"))]
    pub(crate) seconds: f64,
    pub(crate) block_time_ms: u64,
    /// Blocks of the chain by the end.
    pub(crate) blocks: u64,
    /// Seconds of each phase.
    pub(crate) phases: BTreeMap<String, f64>,
    pub(crate) steps: Vec<Step>,
    checks: Vec<Check>,
}

/// A step as the chain has seen it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) step: String,
    pub(crate) took_seconds: f64,
}

#[derive(Serialize, Deserialize)]
struct Check {
    what: String,
    found: String,
    holds: bool,
}

/// Runs the demo, with a folder for the chain's compiled runtime and for what it keeps if it fails.
///
/// # Errors
/// Returns an error if it does not come to a result.
pub(crate) fn measure(
    cyborg: &Path,
    what: &'static str,
    folder: &Path,
    wrong: &mut Vec<String>,
) -> Result<Demo> {
    eprintln!("the demo, {what} ...");
    let begun = Instant::now();
    let done = Command::new(cyborg)
        .args(["demo", "--json"])
        .env("XDG_CACHE_HOME", folder)
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("running {}", cyborg.display()))?;
    let seconds = begun.elapsed().as_secs_f64();
    let noted = String::from_utf8_lossy(&done.stderr);
    let said: Said = serde_json::from_slice(&done.stdout).with_context(|| {
        format!("the demo ended with {}: {}", done.status, noted.lines().last().unwrap_or_default())
    })?;
    for check in said.checks.iter().filter(|check| !check.holds) {
        wrong.push(format!("the demo, {what}: {}: {}", check.what, check.found));
    }
    if !done.status.success() && said.holds {
        wrong.push(format!("the demo, {what}, ended with {}", done.status));
    }
    Ok(Demo { what, seconds, said })
}
