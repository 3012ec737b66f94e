//! The commands that the documents show, run in order as a new user would run them, and what the
//! documents say that they print.
//!
//! All pages share one folder, and what one page starts goes on for the pages after it. With
//! `CYBORG_WRITE_DOCUMENTS` set, as `cargo xtask readme` does, the pages are written anew with what
//! the commands print now.

mod common;

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{Folder, TestResult};

/// The documents whose commands are run, in this order.
const PAGES: &[&str] =
    &["README.md", "docs/proofs.md", "docs/models.md", "docs/owner.md", "docs/miner.md", "docs/chain.md"];

/// The folder of the user in the documents.
const HOME: &str = "/home/ada";

/// A part of a document.
#[derive(Debug)]
enum Piece {
    /// A line that is no output of a command of ours.
    Line(String),
    /// A command in a console block, and the lines shown below it.
    Example { source: Vec<String>, command: String, shown: Vec<String> },
}

/// Whether the tests run a command. Those of other programs are only shown.
fn is_ours(command: &str) -> bool {
    command.starts_with("cyborg ") || command.starts_with("source ")
}

/// A document in pieces.
fn pieces(text: &str) -> TestResult<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut inside = false;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            inside = line == "```console";
        }
        let Some(start) = line.strip_prefix("$ ").filter(|start| inside && is_ours(start)) else {
            pieces.push(Piece::Line(line.to_owned()));
            continue;
        };
        let (mut source, mut command) = (vec![line.to_owned()], start.to_owned());
        while command.ends_with('\\') {
            let next = lines.next().ok_or("the last command ends in a backslash")?;
            source.push(next.to_owned());
            command.pop();
            command.push_str(next);
        }
        let mut shown = Vec::new();
        while let Some(next) = lines.next_if(|next| !next.starts_with("```") && !next.starts_with("$ ")) {
            shown.push(next.to_owned());
        }
        pieces.push(Piece::Example { source, command, shown });
    }
    Ok(pieces)
}

fn root() -> TestResult<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?)
}

#[test]
fn every_command_works_and_prints_what_it_shows() -> TestResult {
    let root = root()?;
    let write = env::var_os("CYBORG_WRITE_DOCUMENTS").is_some();
    let mut session = Session::new(&root)?;
    let mut examples = 0;
    for page in PAGES {
        let path = root.join(page);
        let mut written = String::new();
        for piece in pieces(&fs::read_to_string(&path)?)? {
            let (mut source, lines) = match piece {
                Piece::Line(line) => (vec![line], Vec::new()),
                Piece::Example { source, command, shown } => {
                    examples += 1;
                    let printed =
                        session.run(&command, &shown).map_err(|error| format!("{page}: {error}"))?;
                    if !write {
                        compare(&format!("{page}: {command}"), &shown, &printed);
                    }
                    (source, printed)
                }
            };
            source.extend(lines);
            for line in source {
                written.push_str(&line);
                written.push('\n');
            }
        }
        if write {
            fs::write(&path, written)?;
        }
    }
    assert!(examples >= 30, "the documents show their commands: only {examples} were found");
    Ok(())
}

#[test]
fn no_other_page_shows_output_that_is_not_compared() -> TestResult {
    let root = root()?;
    for folder in [root.clone(), root.join("docs")] {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "md") {
                continue;
            }
            let name = path.strip_prefix(&root)?.display().to_string();
            let shows = pieces(&fs::read_to_string(&path)?)?
                .iter()
                .any(|piece| matches!(piece, Piece::Example { .. }));
            assert_eq!(shows, PAGES.contains(&name.as_str()) && shows, "{name} is missing in PAGES");
        }
    }
    Ok(())
}

/// Asserts that what was printed has every label that is shown.
fn compare(what: &str, shown: &[String], printed: &[String]) {
    let text = printed.join("\n");
    for line in shown.iter().filter(|line| !line.trim().is_empty()) {
        assert!(text.contains(label(line)), "{what}: no `{}` in\n{text}", label(line));
    }
}

/// What a line is about. Numbers depend on the machine and on how models are compiled; labels do
/// not. A line that begins with a time or an account has no label.
fn label(line: &str) -> &str {
    const ADDRESS: usize = 48;
    let label = line.split("  ").next().and_then(|label| label.split(": ").next()).unwrap_or_default();
    let is_time = label.ends_with(" ms") || label.ends_with(" s");
    let is_address = label.len() == ADDRESS && label.starts_with('5');
    if is_time || is_address { "" } else { label }
}

/// The user's shell: a folder, the commands that go on beside, and the environment.
struct Session {
    /// Before the folder, so that the processes end before it is removed.
    beside: Vec<Beside>,
    environment: Vec<(String, String)>,
    folder: Folder,
}

impl Session {
    fn new(root: &Path) -> TestResult<Self> {
        let folder = Folder::new()?;
        fs::create_dir(folder.path("tests"))?;
        symlink(root.join("tests/data"), folder.path("tests/data"))?;
        Ok(Self { beside: Vec::new(), environment: Vec::new(), folder })
    }

    /// Runs a command and returns the lines that it prints. One that ends in `&` goes on beside the
    /// others, and is read for as many lines as are shown.
    fn run(&mut self, command: &str, shown: &[String]) -> TestResult<Vec<String>> {
        if let Some(file) = command.strip_prefix("source ") {
            self.environment = exports(&fs::read_to_string(self.folder.path(file))?);
            return Ok(Vec::new());
        }
        let lines = if let Some(line) = command.strip_suffix('&') {
            let (started, lines) = Beside::start(&self.folder, line, shown)?;
            self.beside.push(started);
            lines
        } else {
            let (line, comment) = command.split_once('#').unwrap_or((command, ""));
            let status = if comment.contains("exits with 1") { 1 } else { 0 };
            let words: Vec<&str> = line.split_whitespace().skip(1).collect();
            let done = self.folder.run_with(&words, &self.environment)?;
            assert_eq!(done.status, Some(status), "{command}: {done:?}");
            [done.stderr, done.stdout].concat().lines().map(str::to_owned).collect()
        };
        let folder = self.folder.path("").canonicalize()?.display().to_string();
        let folder = folder.trim_end_matches('/');
        Ok(lines.iter().map(|line| line.replace(folder, HOME)).collect())
    }
}

/// The variables of lines as `export NAME='VALUE'`.
fn exports(text: &str) -> Vec<(String, String)> {
    let pairs = text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned())).collect()
}

/// A command that runs until it is dropped.
struct Beside(Child);

impl Beside {
    /// Starts it, and returns as many of its lines as are shown.
    fn start(folder: &Folder, line: &str, shown: &[String]) -> TestResult<(Self, Vec<String>)> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cyborg"))
            .args(line.split_whitespace().skip(1))
            .current_dir(folder.path("."))
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no output")?;
        let started = Self(child);
        let lines = BufReader::new(stdout).lines().take(shown.len()).collect::<Result<Vec<_>, _>>()?;
        if lines.len() < shown.len() {
            return Err(format!("{line}: it ended before `{}`", shown[lines.len()]).into());
        }
        Ok((started, lines))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // In order, so that what it has started ends too. It may have ended by itself.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}
