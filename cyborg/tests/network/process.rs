//! One process: its first line, its log, its end.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

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
    root: PathBuf,
}

impl Program {
    pub(crate) fn new(root: &Path) -> TestResult<Self> {
        fs::create_dir_all(root.join("logs"))?;
        Ok(Self { root: root.to_owned() })
    }

    /// A command line of it. Nothing of the user's own settings is seen.
    pub(crate) fn command(&self, line: Vec<OsString>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cyborg"));
        command.args(line);
        self.prepare(&mut command);
        command
    }

    /// The same, as a shell starts it that has ignored SIGXFSZ: what is too large for the limit of
    /// file sizes is an error then, as on a full disk, and no death.
    pub(crate) fn command_with_full_disk(&self, line: Vec<OsString>) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_cyborg")]).args(line);
        self.prepare(&mut command);
        command
    }

    fn prepare(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"CYBORG_") {
                command.env_remove(name);
            }
        }
        command
            .env_remove("RUST_LOG")
            .env("XDG_CONFIG_HOME", self.root.join("config"))
            .env("XDG_DATA_HOME", self.root.join("data"))
            // Compiled wasm is shared by the tests, and the user's own cache left alone.
            .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
            .current_dir(&self.root);
    }

    /// Starts a process; its name is that of its logs.
    pub(crate) fn start(&self, name: &str, command: &mut Command) -> TestResult<Process> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let file = |kind: &str| self.root.join("logs").join(format!("{count:04}-{name}.{kind}"));
        let (out, err) = (file("out"), file("err"));
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(&out)?)
            .stderr(File::create(&err)?)
            .spawn()
            .map_err(|error| format!("{name}: {error}"))?;
        Ok(Process { name: name.to_owned(), child, out, err })
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, name: &str, command: &mut Command) -> TestResult<Outcome> {
        self.start(name, command)?.ended().await
    }

    /// The ends of all logs, for who looks at a failure.
    pub(crate) fn show_logs(&self) {
        let Ok(logs) = fs::read_dir(self.root.join("logs")) else { return };
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
    child: Child,
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
            match self.child.try_wait()? {
                Some(status) => Err(format!("{} ended with {status}: {}", self.name, self.log()).into()),
                None => Ok(None),
            }
        })
        .await
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> TestResult<Outcome> {
        let what = format!("{} ends", self.name);
        let status = until(&what, async || Ok(self.child.try_wait()?)).await?;
        let read = |path: &Path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let (stdout, stderr) = (read(&self.out)?, read(&self.err)?);
        Ok(Outcome { name: self.name.clone(), status: status.code(), stdout, stderr })
    }

    /// SIGKILL, and waits for the end.
    pub(crate) fn kill(mut self) -> TestResult {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(&self.out).unwrap_or_default()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.err).unwrap_or_default()
    }

    /// Where it logs.
    pub(crate) fn log_path(&self) -> &Path {
        &self.err
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command did.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    name: String,
    /// Exit status; none where a signal ended it.
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// The last line of its output, which is JSON, of a command that succeeded.
    pub(crate) fn json(&self) -> TestResult<Value> {
        if self.status != Some(0) {
            return Err(format!("{} failed: {self:?}", self.name).into());
        }
        let last = self.stdout.lines().last().unwrap_or_default();
        Ok(serde_json::from_str(last).map_err(|error| format!("{error}: {self:?}"))?)
    }

    /// The error of a command that failed with this status; it contains every part.
    pub(crate) fn fails(&self, status: i32, parts: &[&str]) -> TestResult<String> {
        let error = self.stderr.lines().rev().find_map(|line| line.strip_prefix("error: "));
        let error = error.ok_or_else(|| format!("{} says no error: {self:?}", self.name))?;
        let lacks = parts.iter().find(|part| !error.contains(**part));
        if self.status == Some(status) && lacks.is_none() {
            return Ok(error.to_owned());
        }
        Err(format!("expected {status} and {parts:?}, lacks {lacks:?}: {self:?}").into())
    }
}
