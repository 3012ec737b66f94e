//! `cargo xtask readme`: runs the README's `cyborg` commands and writes what they print below them.
//!
//! The program's own tests hold the README to this; after a change of what a command prints, run
//! it and commit the difference.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace::{output, root};

/// Rewrites the README's console blocks.
pub(crate) fn run() -> Result<()> {
    let root = root()?;
    // The selection of the tests, so that Substrate is not built for another one.
    output("cargo", &["test", "--no-run", "--locked", "--release", "--workspace"])?;
    let metadata = output("cargo", &["metadata", "--format-version", "1", "--no-deps"])?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let target = metadata["target_directory"].as_str().context("cargo names no target folder")?;
    let program = Path::new(target).join("release/cyborg");

    let folder = Path::new(target).join("readme");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(folder.join("tests"))?;
    std::os::unix::fs::symlink(root.join("tests/data"), folder.join("tests/data"))?;

    let path = root.join("README.md");
    let text = fs::read_to_string(&path)?;
    let mut written = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    // Inside a console block, below a command of ours: what is there is what it printed last time.
    let (mut inside, mut below) = (false, false);
    // Commands that end in `&`, and what a sourced file exports.
    let (mut beside, mut environment) = (Vec::new(), Vec::new());
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            inside = line == "```console";
            below = false;
        }
        if inside && let Some(start) = line.strip_prefix("$ ") {
            let mut command = start.to_owned();
            written.push_str(line);
            written.push('\n');
            while command.ends_with('\\') {
                let next = lines.next().context("a command ends in a backslash")?;
                written.push_str(next);
                written.push('\n');
                command.pop();
                command.push_str(next);
            }
            below = command.starts_with("cyborg ");
            if let Some(file) = command.strip_prefix("source ") {
                environment = exports(&fs::read_to_string(folder.join(file))?);
            } else if below && let Some(command) = command.strip_suffix('&') {
                let shown =
                    lines.clone().take_while(|line| !line.starts_with("```") && !line.starts_with("$ "));
                let (running, text) = Running::start(&program, &folder, command, shown.count())?;
                beside.push(running);
                written.push_str(&text);
            } else if below {
                written.push_str(&printed(&program, &folder, &command, &environment)?);
            }
        } else if !(inside && below) {
            written.push_str(line);
            written.push('\n');
        }
    }
    drop(beside);
    fs::write(&path, written)?;
    fs::remove_dir_all(&folder)?;
    eprintln!("README.md: written");
    Ok(())
}

/// The variables of lines as `export NAME='VALUE'`.
fn exports(text: &str) -> Vec<(String, String)> {
    let pairs = text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned())).collect()
}

/// What a command prints: what it tells on the way first, as a terminal has it.
fn printed(program: &Path, folder: &Path, command: &str, environment: &[(String, String)]) -> Result<String> {
    let line = command.split('#').next().unwrap_or_default();
    let done = Command::new(program)
        .args(line.split_whitespace().skip(1))
        .current_dir(folder)
        .env("XDG_CONFIG_HOME", folder.join(".config"))
        .envs(environment.iter().cloned())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let text = [done.stderr, done.stdout].concat();
    let text = String::from_utf8(text).with_context(|| format!("`{command}` prints no UTF-8"))?;
    if done.status.code() != Some(i32::from(command.contains("# exits with 1"))) {
        bail!("`{command}`: {}: {text}", done.status);
    }
    Ok(text)
}

/// A command that runs until this is dropped.
struct Running(Child);

impl Running {
    /// Starts it, and reads as many lines as were shown last time.
    fn start(program: &Path, folder: &Path, command: &str, count: usize) -> Result<(Self, String)> {
        let mut child = Command::new(program)
            .args(command.split_whitespace().skip(1))
            .current_dir(folder)
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let stdout = child.stdout.take().context("no output")?;
        let running = Self(child);
        let mut text = String::new();
        for line in BufReader::new(stdout).lines().take(count) {
            text.push_str(&line?);
            text.push('\n');
        }
        Ok((running, text))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // In order, so that what it has started ends too. It may have ended by itself.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}
