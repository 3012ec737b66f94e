//! `cargo xtask setup`: what a build needs beside the pinned toolchain.

use anyhow::{Context, Result};

use crate::workspace::output;

/// The target of code that runs inside a chain: no operating system, no post-MVP wasm features.
pub(crate) const CHAIN_TARGET: &str = "wasm32v1-none";
/// The target of code that runs in a browser.
pub(crate) const BROWSER_TARGET: &str = "wasm32-unknown-unknown";

/// Installs the wasm targets, checks the tools that the other commands call, and writes what tests read.
pub(crate) fn run() -> Result<()> {
    let version = output("rustc", &["--version"])?;
    eprintln!("toolchain: {}", version.trim());

    let installed = output("rustup", &["target", "list", "--installed"])
        .context("rustup is needed to install the wasm targets")?;
    for target in [CHAIN_TARGET, BROWSER_TARGET] {
        if installed.lines().any(|line| line.trim() == target) {
            eprintln!("target: {target} is installed");
        } else {
            output("rustup", &["target", "add", target])?;
            eprintln!("target: {target} added");
        }
    }
    for (program, arguments) in
        [("cargo", &["fmt", "--version"][..]), ("cargo", &["clippy", "--version"]), ("git", &["--version"])]
    {
        let said = output(program, arguments)
            .with_context(|| format!("`{program} {}` is needed by the checks", arguments.join(" ")))?;
        eprintln!("tool: {}", said.trim());
    }
    output("cargo", &["fetch", "--locked"])?;
    eprintln!("dependencies: fetched");
    output("scripts/onnx-tests.sh", &[]).context("python3 (3.11 or newer) with venv writes ONNX's tests")?;
    eprintln!("ONNX's tests: written");
    Ok(())
}
