//! `cargo xtask readme`: writes what the commands of README and docs print below them.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::root;

/// Runs the program's test of the documents in the mode in which it writes them. After a change of
/// what a command prints, run it and commit the difference.
pub(crate) fn run() -> Result<()> {
    // The selection of the tests, so that Substrate is not built for another one.
    let status = Command::new("cargo")
        .args(["test", "--locked", "--release", "--workspace", "--test", "readme"])
        .env("CYBORG_WRITE_DOCUMENTS", "1")
        .current_dir(root()?)
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("the documents were not written");
    }
    Ok(())
}
