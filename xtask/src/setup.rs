//! `cargo xtask setup`: what a build needs beside the pinned toolchain.

use anyhow::{Context, Result};

use crate::workspace::output;

/// Where the verifier runs inside a chain: no operating system, no post-MVP wasm features.
pub(crate) const WASM_TARGET: &str = "wasm32v1-none";

/// Installs the wasm target and checks the tools that the other commands call.
pub(crate) fn run() -> Result<()> {
    let version = output("rustc", &["--version"])?;
    eprintln!("toolchain: {}", version.trim());

    let installed = output("rustup", &["target", "list", "--installed"])
        .context("rustup is needed to install the wasm target")?;
    if installed.lines().any(|line| line.trim() == WASM_TARGET) {
        eprintln!("target: {WASM_TARGET} is installed");
    } else {
        output("rustup", &["target", "add", WASM_TARGET])?;
        eprintln!("target: {WASM_TARGET} added");
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
    Ok(())
}
