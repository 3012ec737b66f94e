//! The program that is measured.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The path of the program: the given one, or the one beside this program.
pub(crate) fn locate(given: Option<&Path>) -> Result<PathBuf> {
    let own = std::env::current_exe().context("the path of this program")?;
    let cyborg = match given {
        Some(path) => path.to_owned(),
        None => own.with_file_name(format!("cyborg{}", std::env::consts::EXE_SUFFIX)),
    };
    ensure!(
        cyborg.is_file(),
        "{} does not exist: cargo build --release -p cyborg, or --cyborg PATH",
        cyborg.display()
    );
    Ok(cyborg)
}
