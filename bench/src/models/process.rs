//! One command as one process: wall time, peak memory, and its error if it fails.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use wait4::Wait4;

/// The time and memory of one process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// From before the process was started until it had ended.
    pub(crate) wall_ms: f64,
    /// The kernel's maximum resident set size. On Linux it counts the parent's own size at the
    /// start as well, so the parent of what is measured must stay small.
    pub(crate) peak_bytes: u64,
}

/// Runs `program arguments`, with both output streams kept out of the way.
///
/// # Errors
/// Returns an error if the program cannot be started, or ends with a status other than 0; the message carries
/// the end of what it wrote.
pub(crate) fn run(program: &Path, arguments: &[&str]) -> Result<Usage> {
    let label = || format!("{} {}", program.display(), arguments.join(" "));
    let mut log = tempfile::tempfile().context("a temporary file for the output")?;
    let stream = |file: &File| -> Result<Stdio> { Ok(file.try_clone()?.into()) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(stream(&log)?).stderr(stream(&log)?);
    let start = Instant::now();
    let used = command
        .spawn()
        .with_context(|| format!("starting {}", label()))?
        .wait4()
        .with_context(|| format!("waiting for {}", label()))?;
    let wall_ms = start.elapsed().as_secs_f64() * 1e3;
    if !used.status.success() {
        let mut output = String::new();
        log.rewind()?;
        log.read_to_string(&mut output)?;
        let tail: Vec<&str> = output.trim().lines().rev().take(5).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        bail!("{}: {}: {}", label(), used.status, tail.join(" / "));
    }
    Ok(Usage { wall_ms, peak_bytes: used.rusage.maxrss })
}

/// Several runs of the same command.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Samples {
    /// Number of runs.
    pub(crate) runs: usize,
    /// Median wall time.
    pub(crate) median_ms: f64,
    /// Least wall time.
    pub(crate) min_ms: f64,
    /// Greatest peak memory of any run.
    pub(crate) peak_bytes: u64,
}

/// Runs the command `runs` times (at least once).
///
/// # Errors
/// Returns the first error.
pub(crate) fn sample(program: &Path, arguments: &[&str], runs: usize) -> Result<Samples> {
    let mut wall = Vec::new();
    let mut peak_bytes = 0;
    for _ in 0..runs.max(1) {
        let usage = run(program, arguments)?;
        wall.push(usage.wall_ms);
        peak_bytes = peak_bytes.max(usage.peak_bytes);
    }
    wall.sort_by(f64::total_cmp);
    let middle = wall.len() / 2;
    let median_ms = if wall.len() % 2 == 1 { wall[middle] } else { (wall[middle - 1] + wall[middle]) / 2.0 };
    Ok(Samples { runs: wall.len(), median_ms, min_ms: wall[0], peak_bytes })
}

#[cfg(test)]
mod tests {
    use super::{run, sample};
    use std::path::Path;

    #[test]
    fn measures_a_process_and_reports_a_failure() -> anyhow::Result<()> {
        let samples = sample(Path::new("/bin/sh"), &["-c", "sleep 0.01"], 4)?;
        assert_eq!(samples.runs, 4);
        assert!(samples.min_ms >= 10.0 && samples.median_ms >= samples.min_ms);
        assert!(samples.peak_bytes > 0);
        let error = run(Path::new("/bin/sh"), &["-c", "echo the reason >&2; exit 2"]);
        assert!(error.is_err_and(|e| e.to_string().contains("the reason")));
        Ok(())
    }
}
