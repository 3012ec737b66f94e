//! `cargo xtask test`: the one test command.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::lint;
use crate::setup::{BROWSER_TARGET, CHAIN_TARGET};
use crate::tidy;
use crate::workspace::root;

/// A step: its name, and what cargo runs.
struct Step {
    name: &'static str,
    arguments: &'static [&'static str],
}

/// Cheap checks first, so that a slip costs seconds. One profile for all: what is tested is what is shipped.
const STEPS: &[Step] = &[
    Step { name: "format", arguments: &["fmt", "--all", "--check"] },
    Step {
        name: "verifier for wasm, without std",
        arguments: &[
            "build",
            "--locked",
            "--release",
            "--quiet",
            "-p",
            "zkml-verifier",
            "--no-default-features",
            "--target",
            CHAIN_TARGET,
        ],
    },
    Step {
        name: "a web app's crates for wasm",
        arguments: &[
            "check",
            "--locked",
            "--release",
            "--quiet",
            "-p",
            "zkml-verifier",
            "-p",
            "zkml-samples",
            "-p",
            "cyborg-protocol",
            "-p",
            "cyborg-envelope",
            "-p",
            "cyborg-account",
            "--target",
            BROWSER_TARGET,
        ],
    },
    Step {
        name: "build, clippy and rustdoc",
        arguments: &["test", "--locked", "--release", "--workspace", "--all-targets", "--no-run", "--quiet"],
    },
    Step {
        name: "tests",
        // All but tests in comments: tidy sees to it that there are none. One program that fails keeps no other from
        // running.
        arguments: &["test", "--locked", "--release", "--workspace", "--tests", "--no-fail-fast"],
    },
];

/// Runs every step, stops at the first failure, and prints how long each took.
pub(crate) fn run() -> Result<()> {
    let mut times = Vec::new();
    let outcome = run_steps(&mut times);
    eprintln!("\nsummary");
    for (name, time) in &times {
        eprintln!("  {:>7.1} s  {name}", time.as_secs_f64());
    }
    outcome?;
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    eprintln!("  {:>7.1} s  all passed", total.as_secs_f64());
    Ok(())
}

fn run_steps(times: &mut Vec<(&'static str, Duration)>) -> Result<()> {
    let mut timed = |name: &'static str, step: &mut dyn FnMut() -> Result<()>| {
        eprintln!("== {name}");
        let start = Instant::now();
        let outcome = step().with_context(|| format!("step `{name}` failed"));
        times.push((name, start.elapsed()));
        outcome
    };
    timed("tidy", &mut tidy::run)?;
    let wrapper = lint::wrapper()?;
    for step in STEPS {
        timed(step.name, &mut || {
            let status = Command::new("cargo")
                .args(step.arguments)
                .env(lint::WRAPPER, &wrapper)
                .current_dir(root()?)
                .status()
                .context("cannot run cargo")?;
            if !status.success() {
                bail!("`cargo {}`: {status}", step.arguments.join(" "));
            }
            Ok(())
        })?;
    }
    Ok(())
}
