//! `cargo xtask metadata`: what clients of the chain are generated from, written anew.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::root;

/// Runs the runtime's test of the file in the mode in which it writes it.
pub(crate) fn run() -> Result<()> {
    let status = Command::new("cargo")
        .args(["test", "--locked", "--release", "--workspace", "--test", "runtime", "metadata::"])
        .env("CYBORG_WRITE_METADATA", "1")
        .current_dir(root()?)
        .status()
        .context("cargo does not run")?;
    if !status.success() {
        bail!("the metadata was not written");
    }
    Ok(())
}
