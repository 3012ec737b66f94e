//! Processes of the program whose output goes to files, in an environment of their own.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cyborg_localnet::process::{self, Completed};
use serde_json::Value;
use tokio::time::sleep;

use crate::TestResult;

/// Longest that anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(150);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(20);
/// Lines of a log that a failure shows.
const SHOWN: usize = 40;

/// Looks until there is something to see.
pub(crate) async fn until<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> TestResult<Option<T>>,
) -> TestResult<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("waited {} s in vain: {what}", PATIENCE.as_secs()).into());
        }
        sleep(LOOK).await;
    }
}

/// Words separated by spaces; each `{}` is the next path, whatever is in it.
pub(crate) fn line(words: &str, paths: &[&Path]) -> Vec<OsString> {
    let mut paths = paths.iter();
    let word = |word: &str| match word {
        "{}" => paths.next().map(|path| path.as_os_str().to_owned()).unwrap_or_default(),
        word => word.into(),
    };
    words.split_whitespace().map(word).collect()
}

/// The program, in an environment of its own below a folder.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    program: process::Program,
    logs: PathBuf,
}

impl Program {
    pub(crate) fn new(root: &Path) -> TestResult<Self> {
        let logs = root.join("logs");
        fs::create_dir_all(&logs)?;
        let program = process::Program::at(env!("CARGO_BIN_EXE_cyborg"))
            .with("XDG_CONFIG_HOME", root.join("config"))
            .with("XDG_DATA_HOME", root.join("data"))
            // Compiled wasm is shared by the tests, and the user's own cache left alone.
            .with("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
            .within(root);
        Ok(Self { program, logs })
    }

    /// A command line of the program. Nothing of the user's own settings is seen.
    pub(crate) fn command(&self, line: Vec<OsString>) -> Command {
        let mut command = self.program.command(line);
        command.env_remove("RUST_LOG");
        command
    }

    /// The same, as on a full disk once a limit of file sizes is reached.
    pub(crate) fn command_with_full_disk(&self, line: Vec<OsString>) -> Command {
        let mut command = self.program.command_with_full_disk(line);
        command.env_remove("RUST_LOG");
        command
    }

    /// Starts a process; its name is that of its logs.
    pub(crate) fn start(&self, name: &str, command: &mut Command) -> TestResult<Process> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let file = |kind: &str| self.logs.join(format!("{count:04}-{name}.{kind}"));
        let (out, err) = (file("out"), file("err"));
        let process =
            process::Process::start(command.stdout(File::create(&out)?).stderr(File::create(&err)?))
                .map_err(|error| format!("{name}: {error}"))?;
        Ok(Process { name: name.to_owned(), process, out, err })
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, name: &str, command: &mut Command) -> TestResult<Outcome> {
        self.start(name, command)?.ended().await
    }

    /// Shows the ends of all logs, for whoever looks into a failure.
    pub(crate) fn show_logs(&self) {
        let Ok(logs) = fs::read_dir(&self.logs) else { return };
        let mut logs: Vec<PathBuf> = logs.flatten().map(|entry| entry.path()).collect();
        logs.sort();
        for log in logs {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            if let [_, ..] = lines[..] {
                eprintln!("--- {} ({} lines)", log.display(), lines.len());
                lines[lines.len().saturating_sub(SHOWN)..].iter().for_each(|line| eprintln!("{line}"));
            }
        }
    }
}

/// A process; killed when dropped.
pub(crate) struct Process {
    name: String,
    process: process::Process,
    out: PathBuf,
    err: PathBuf,
}

impl Process {
    /// Waits for its first line, which is JSON.
    pub(crate) async fn ready(&mut self) -> TestResult<Value> {
        let what = format!("{} is ready", self.name);
        until(&what, async || {
            let text = fs::read_to_string(&self.out)?;
            if let Some((first, _)) = text.split_once('\n') {
                return Ok(Some(serde_json::from_str(first)?));
            }
            match self.process.look()? {
                Some(status) => Err(format!("{} ended with {status}: {}", self.name, self.log()).into()),
                None => Ok(None),
            }
        })
        .await
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> TestResult<Outcome> {
        let what = format!("{} ends", self.name);
        let status = until(&what, async || Ok(self.process.look()?)).await?;
        let read = |path: &Path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let (stdout, stderr) = (read(&self.out)?, read(&self.err)?);
        Ok(Outcome { name: self.name, output: Completed { status, stdout, stderr } })
    }

    /// SIGKILL, and waits for the end.
    pub(crate) fn kill(self) -> TestResult {
        Ok(self.process.kill()?)
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.process.number()
    }

    /// What it has printed.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(&self.out).unwrap_or_default()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.err).unwrap_or_default()
    }

    /// The file of its log.
    pub(crate) fn log_path(&self) -> &Path {
        &self.err
    }
}

/// What a command did.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    name: String,
    output: Completed,
}

impl Outcome {
    /// Exit status; none where a signal ended the command.
    pub(crate) fn status(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// All of it.
    pub(crate) fn output(&self) -> &Completed {
        &self.output
    }

    /// The last line of its output, which is JSON, of a command that succeeded.
    pub(crate) fn json(&self) -> TestResult<Value> {
        Ok(self.output.json().map_err(|error| format!("{}: {error}: {self:?}", self.name))?)
    }

    /// The error of a command that failed with this status; it contains every part.
    pub(crate) fn fails(&self, status: i32, parts: &[&str]) -> TestResult<String> {
        let error = self.output.stderr.lines().rev().find_map(|line| line.strip_prefix("error: "));
        let error = error.ok_or_else(|| format!("{} says no error: {self:?}", self.name))?;
        let lacks = parts.iter().find(|part| !error.contains(**part));
        if self.status() == Some(status) && lacks.is_none() {
            return Ok(error.to_owned());
        }
        Err(format!("expected {status} and {parts:?}, lacks {lacks:?}: {self:?}").into())
    }
}
