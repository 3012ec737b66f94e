//! The README's commands, run in order as a new user would, and what it says they print.

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::{Folder, TestResult};

/// A command of the README and the output shown below it.
#[derive(Debug, Default)]
struct Example {
    command: String,
    shown: Vec<String>,
}

/// The commands that start with `$ cyborg` in the README's console blocks.
fn examples(text: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut inside = false;
    let mut continued = false;
    let mut ours = false;
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
            ours = false;
        } else if inside && let Some(command) = line.strip_prefix("$ ") {
            ours = command.starts_with("cyborg ") || command.starts_with("source ");
            continued = command.ends_with('\\');
            if ours {
                let command = command.trim_end_matches('\\').to_owned();
                examples.push(Example { command, shown: Vec::new() });
            }
        } else if inside
            && ours
            && let Some(example) = examples.last_mut()
        {
            if continued {
                continued = line.ends_with('\\');
                example.command.push_str(line.trim_end_matches('\\'));
            } else {
                example.shown.push(line.to_owned());
            }
        }
    }
    examples
}

#[test]
fn every_command_works_and_prints_what_it_shows() -> TestResult {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let examples = examples(&fs::read_to_string(root.join("README.md"))?);
    assert!(examples.len() >= 9, "every command is shown: {examples:?}");
    let folder = Folder::new()?;
    fs::create_dir(folder.path("tests"))?;
    symlink(root.join("tests/data"), folder.path("tests/data"))?;
    // Commands that end in `&` go on beside the others; what a sourced file exports is for those after it.
    let (mut beside, mut environment) = (Vec::new(), Vec::new());
    for Example { command, shown } in examples {
        if let Some(line) = command.strip_suffix('&') {
            beside.push(Beside::start(&folder, line, &shown)?);
            continue;
        }
        if let Some(file) = command.strip_prefix("source ") {
            environment = exports(&fs::read_to_string(folder.path(file))?);
            continue;
        }
        let (line, comment) = command.split_once('#').unwrap_or((&command, ""));
        let status = if comment.contains("exits with 1") { 1 } else { 0 };
        let line = line.trim().strip_prefix("cyborg ").ok_or("no command")?;
        let done = folder.run_with(&line.split_whitespace().collect::<Vec<_>>(), &environment)?;
        assert_eq!(done.status, Some(status), "{command}: {done:?}");
        let printed = format!("{}{}", done.stdout, done.stderr);
        for line in shown.iter().filter(|line| !line.trim().is_empty()) {
            assert!(printed.contains(label(line)), "{command}: no `{}` in\n{printed}", label(line));
        }
    }
    Ok(())
}

/// The variables of lines as `export NAME='VALUE'`.
fn exports(text: &str) -> Vec<(String, String)> {
    let pairs = text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned())).collect()
}

/// What a line is about. Numbers depend on the machine and on how models are compiled; labels do not. Lines
/// that begin with a time or an account are about nothing that is the same next time.
fn label(line: &str) -> &str {
    const ADDRESS: usize = 48;
    let label = line.split("  ").next().and_then(|label| label.split(": ").next()).unwrap_or_default();
    let is_time = label.ends_with(" ms") || label.ends_with(" s");
    let is_address = label.len() == ADDRESS && label.starts_with('5');
    if is_time || is_address { "" } else { label }
}

/// A command that runs until it is dropped.
struct Beside(Child);

impl Beside {
    /// Starts it, and waits until it has said what is shown.
    fn start(folder: &Folder, line: &str, shown: &[String]) -> TestResult<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cyborg"))
            .args(line.split_whitespace().skip(1))
            .current_dir(folder.path("."))
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no output")?;
        let started = Self(child);
        let mut lines = BufReader::new(stdout).lines();
        for expected in shown.iter().filter(|line| !line.trim().is_empty()) {
            let said = lines.next().ok_or_else(|| format!("{line}: ended before `{expected}`"))??;
            assert!(said.contains(label(expected)), "{line}: `{said}` for `{expected}`");
        }
        Ok(started)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // In order, so that what it has started ends too. It may have ended by itself.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}
