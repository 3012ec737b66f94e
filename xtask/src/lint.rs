//! The compiler of the workspace's own crates while the test command builds them.
//!
//! Cargo calls this program in rustc's place (`RUSTC_WORKSPACE_WRAPPER`). It compiles the crate, and then has clippy
//! and rustdoc read it with the same dependencies, their warnings as errors. `cargo clippy` and `cargo doc` would ask
//! for all dependencies to be checked first, which takes a quarter of an hour for Substrate, and serves nothing else.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The variable in which cargo finds this program.
pub(crate) const WRAPPER: &str = "RUSTC_WORKSPACE_WRAPPER";

/// A copy of this program for cargo to call: the build replaces the program itself.
pub(crate) fn wrapper() -> Result<PathBuf> {
    let program = std::env::current_exe().context("this program has no path")?;
    let copy = program.with_file_name("xtask-lint");
    std::fs::copy(&program, &copy).with_context(|| copy.display().to_string())?;
    Ok(copy)
}

/// Whether the arguments are those that cargo gives to a compiler's wrapper: the compiler's path is the first.
pub(crate) fn is_called_by_cargo(arguments: &[OsString]) -> bool {
    arguments.first().and_then(|first| Path::new(first).file_stem()).is_some_and(|stem| stem == "rustc")
}

/// Compiles, lints and documents one crate; or only asks the compiler, if cargo does.
pub(crate) fn run(arguments: &[OsString]) -> Result<()> {
    let (rustc, arguments) = arguments.split_first().context("no compiler was given")?;
    status(Command::new(rustc).args(arguments))?;
    let Some(unit) = Unit::of(arguments) else { return Ok(()) };

    let scratch = std::env::temp_dir().join(format!("cyborg-lint-{}", std::process::id()));
    let outcome = unit.lint(rustc, &scratch).and_then(|()| unit.document(&scratch));
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch).with_context(|| scratch.display().to_string())?;
    }
    outcome
}

/// One crate as cargo has it compiled.
struct Unit {
    /// What names its sources, dependencies and features; not what it is compiled to, nor how messages look.
    arguments: Vec<OsString>,
    /// Whether it has documentation to read: it is neither a test nor a build script, and has all its features, which
    /// the builds for wasm do not have.
    has_readers: bool,
}

impl Unit {
    /// Returns nothing if the compiler was only asked for what it knows.
    fn of(arguments: &[OsString]) -> Option<Self> {
        let mut kept = Vec::new();
        let (mut compiles, mut has_readers) = (false, true);
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let text = argument.to_string_lossy();
            if text == "--out-dir" {
                compiles = true;
                rest.next();
                continue;
            }
            if text == "--test" || text == "--target" || text.starts_with("build_script") {
                has_readers = false;
            }
            let is_of_output = ["--emit", "--error-format", "--json", "--diagnostic-width"]
                .iter()
                .any(|option| text.starts_with(option));
            if !is_of_output {
                kept.push(argument.clone());
            }
        }
        compiles.then_some(Self { arguments: kept, has_readers })
    }

    fn lint(&self, rustc: &OsString, scratch: &Path) -> Result<()> {
        let mut clippy = Command::new("clippy-driver");
        clippy.arg(rustc).args(&self.arguments).args(["--emit=metadata", "-Dwarnings", "--out-dir"]);
        status(clippy.arg(scratch))
    }

    fn document(&self, scratch: &Path) -> Result<()> {
        if !self.has_readers {
            return Ok(());
        }
        let mut rustdoc = Command::new("rustdoc");
        rustdoc.args(&self.arguments).arg("-Dwarnings");
        // A program has no public items: who reads about it reads its sources.
        if self.arguments.iter().any(|argument| argument == "bin") {
            rustdoc.args(["--document-private-items", "-Arustdoc::private-intra-doc-links"]);
        }
        status(rustdoc.arg("--out-dir").arg(scratch))
    }
}

fn status(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot run `{program}`"))?;
    if !status.success() {
        bail!("{program}: {status}");
    }
    Ok(())
}
