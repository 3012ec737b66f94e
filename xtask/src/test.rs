//! `cargo xtask test`: the one test command.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::setup::{BROWSER_TARGET, CHAIN_TARGET};
use crate::tidy;
use crate::workspace::root;

/// A step: its name, what it runs, and environment variables that only it gets.
struct Step {
    name: &'static str,
    arguments: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
}

/// Cheap checks first, so that a slip costs seconds. One profile for all: what is tested is what is shipped.
///
/// No step has an environment that a build script reads: the runtime's would run again in every step after it.
const STEPS: &[Step] = &[
    Step { name: "format", arguments: &["fmt", "--all", "--check"], environment: &[] },
    Step {
        name: "clippy",
        arguments: &[
            "clippy",
            "--locked",
            "--release",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ],
        environment: &[],
    },
    Step {
        name: "rustdoc",
        // With examples, dev-dependencies count: features are then those of clippy's step, whose checked
        // dependencies serve this one too.
        arguments: &[
            "doc",
            "--locked",
            "--release",
            "--workspace",
            "--no-deps",
            "--quiet",
            "--lib",
            "--examples",
            "--bin",
            "xtask",
        ],
        environment: &[("RUSTDOCFLAGS", "-D warnings")],
    },
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
        environment: &[],
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
        environment: &[],
    },
    Step {
        name: "tests",
        // All but tests in comments: tidy sees to it that there are none.
        arguments: &["test", "--locked", "--release", "--workspace", "--tests"],
        environment: &[],
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
    for step in STEPS {
        timed(step.name, &mut || {
            let status = Command::new("cargo")
                .args(step.arguments)
                .envs(step.environment.iter().copied())
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
