//! Processes of this same program: started, heard, waited for, ended.
//!
//! Each is in a process group of its own, so that Ctrl-C in the terminal reaches the supervisor
//! alone, which then ends them in their order.

use std::env;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::orphans;
use crate::error::Failure;

/// Whether a process has ended is looked at this often where the system does not say so.
const LOOK: Duration = Duration::from_secs(1);
/// Most that is kept of what a command prints.
const MAX_OUTPUT_BYTES: u64 = 64 << 20;

/// This program, to be run for a network.
#[derive(Clone, Debug)]
pub(super) struct Program {
    executable: PathBuf,
    /// The network's folder.
    root: PathBuf,
}

impl Program {
    /// This program, for a network's folder.
    ///
    /// # Errors
    /// Where the system does not say what this program is.
    pub(super) fn new(root: &Path) -> Result<Self, Failure> {
        let executable = env::current_exe().map_err(|source| Failure::Io {
            file: "this program".to_owned(),
            action: "cannot find",
            source,
        })?;
        Ok(Self { executable, root: root.to_owned() })
    }

    /// Another program.
    #[cfg(test)]
    pub(super) fn other(executable: &str, root: &Path) -> Self {
        Self { executable: executable.into(), root: root.to_owned() }
    }

    /// A command line of it. Of the user's variables for other networks none is passed on.
    pub(super) fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.executable);
        command.args(arguments).stdin(Stdio::null()).process_group(0);
        for (name, _) in env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"CYBORG_") {
                command.env_remove(name);
            }
        }
        command.env(orphans::MARK, orphans::mark(&self.root));
        command
    }
}

/// A process, killed when it is dropped.
pub(super) struct Process {
    child: Child,
    status: Option<ExitStatus>,
    children: unix::Signal,
}

impl Process {
    /// Starts one. Call it on the thread that lives as long as this program, because to the kernel
    /// that thread is the parent.
    ///
    /// # Errors
    /// Where the system refuses.
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        // Before it is started, so that no end is missed.
        let children = unix::signal(SignalKind::child())?;
        Ok(Self { child: command.spawn()?, status: None, children })
    }

    /// Its number.
    pub(super) fn number(&self) -> u32 {
        self.child.id()
    }

    /// What it prints, once.
    pub(super) fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Waits for its end. May be given up and called again.
    ///
    /// # Errors
    /// Where the system does not say.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.status {
                return Ok(status);
            }
            self.status = self.child.try_wait()?;
            if self.status.is_none() {
                // One signal may be for several ends; after any, and without any now and then, look.
                let _ = timeout(LOOK, self.children.recv()).await;
            }
        }
    }

    /// Sends a signal, unless it has ended.
    pub(super) fn signal(&self, signal: Signal) {
        // Its end was not waited for, so that its number is not another's.
        if self.status.is_none()
            && let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
        {
            // It may have ended by itself.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.status.is_none() {
            // It may have ended by itself.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Opens a log to append to; says how long it was.
///
/// # Errors
/// Where it cannot be opened.
pub(super) fn open_log(path: &Path) -> io::Result<(File, u64)> {
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let length = log.metadata()?.len();
    Ok((log, length))
}

/// Hears what a process prints: the first line is handed over, the rest goes to its log.
pub(super) fn first_line(stdout: ChildStdout, mut log: File) -> oneshot::Receiver<String> {
    let (send, receive) = oneshot::channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        if let Some(line) = lines.next() {
            // Nobody may want it any more.
            let _ = send.send(line);
        }
        for line in lines {
            // A full disk must not stop the process for want of a reader.
            let _ = writeln!(log, "{line}");
        }
    });
    receive
}

/// Hears all that a process prints.
pub(super) fn all_of(stream: impl Read + Send + 'static) -> oneshot::Receiver<Vec<u8>> {
    let (send, receive) = oneshot::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.take(MAX_OUTPUT_BYTES).read_to_end(&mut bytes);
        // Nobody may want it any more.
        let _ = send.send(bytes);
    });
    receive
}

/// Hears all that a process prints, line by line.
fn lines_of(
    stream: impl Read + Send + 'static,
    mut hear: impl FnMut(&str) + Send + 'static,
) -> oneshot::Receiver<Vec<u8>> {
    let (send, receive) = oneshot::channel();
    thread::spawn(move || {
        let mut stream = BufReader::new(stream.take(MAX_OUTPUT_BYTES));
        let mut bytes = Vec::new();
        let mut line = 0;
        while stream.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            hear(String::from_utf8_lossy(&bytes[line..]).trim_end());
            line = bytes.len();
        }
        // Nobody may want it any more.
        let _ = send.send(bytes);
    });
    receive
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(super) struct Done {
    /// How it ended.
    pub(super) status: ExitStatus,
    /// Standard output.
    pub(super) stdout: String,
    /// Standard error.
    pub(super) stderr: String,
}

/// Runs a command to its end. `hear` gets each line of standard error as it comes. Where this is given up
/// the process is killed.
///
/// # Errors
/// Where the system refuses.
pub(super) async fn run(command: &mut Command, hear: impl FnMut(&str) + Send + 'static) -> io::Result<Done> {
    let mut process = Process::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let stdout = process.stdout().map(all_of);
    let stderr = process.child.stderr.take().map(|stderr| lines_of(stderr, hear));
    let status = process.ended().await?;
    let text = async |stream: Option<oneshot::Receiver<Vec<u8>>>| match stream {
        Some(stream) => String::from_utf8_lossy(&stream.await.unwrap_or_default()).into_owned(),
        None => String::new(),
    };
    Ok(Done { status, stdout: text(stdout).await, stderr: text(stderr).await })
}

impl Done {
    /// Why it failed, in its own words where it has any.
    pub(super) fn problem(&self) -> String {
        let said = self.stderr.lines().rev().find_map(|line| line.strip_prefix("error: "));
        let object = || serde_json::from_str::<Value>(self.stdout.lines().last()?).ok();
        match said.map(ToOwned::to_owned).or_else(|| Some(object()?["error"].as_str()?.to_owned())) {
            Some(problem) => problem,
            None => format!("ended with {}: {}", self.status, last_lines(self.stderr.as_bytes())),
        }
    }
}

/// The last lines of a log since a process was started, on one line.
pub(super) fn end_of_log(path: &Path, since: u64) -> String {
    const BYTES: u64 = 4096;
    let read = || -> io::Result<Vec<u8>> {
        use std::io::{Seek as _, SeekFrom};
        let mut log = File::open(path)?;
        let length = log.metadata()?.len();
        log.seek(SeekFrom::Start(since.max(length.saturating_sub(BYTES))))?;
        let mut bytes = Vec::new();
        log.take(BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    last_lines(&read().unwrap_or_default())
}

fn last_lines(text: &[u8]) -> String {
    const LINES: usize = 3;
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return "nothing".to_owned();
    }
    let last = lines[lines.len().saturating_sub(LINES)..].join(" / ");
    // What a log holds is no instruction to a terminal.
    last.chars().filter(|character| !character.is_control()).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::fs;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null());
        command
    }

    #[tokio::test]
    async fn commands_are_heard_and_their_words_kept() {
        let quiet = |_: &str| ();
        let (send, heard) = std::sync::mpsc::channel();
        let mut noisy = shell("echo out; echo one >&2; echo 'error: no such model' >&2; exit 2");
        let done = run(&mut noisy, move |line| send.send(line.to_owned()).unwrap()).await.unwrap();
        assert_eq!(heard.iter().collect::<Vec<_>>(), ["one", "error: no such model"]);
        assert_eq!((done.status.code(), done.stdout.as_str()), (Some(2), "out\n"));
        assert_eq!(done.problem(), "no such model");
        let done = run(&mut shell(r#"echo '{"error": "no money"}'; exit 2"#), quiet).await.unwrap();
        assert_eq!(done.problem(), "no money");
        let done = run(&mut shell("echo a b >&2; kill -9 $$"), quiet).await.unwrap();
        assert!(done.problem().contains("signal: 9") && done.problem().contains("a b"), "{done:?}");
        // More than a pipe holds.
        let done =
            run(&mut shell("head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2"), quiet).await.unwrap();
        assert_eq!((done.stdout.len(), done.stderr.len()), (300_000, 300_000));
    }

    #[tokio::test]
    async fn a_process_ends_when_told_and_when_nobody_wants_it() {
        let mut process =
            Process::start(&mut shell("trap 'exit 7' TERM; while :; do sleep 0.05; done")).unwrap();
        assert!(timeout(Duration::from_millis(200), process.ended()).await.is_err());
        process.signal(Signal::TERM);
        assert_eq!(process.ended().await.unwrap().code(), Some(7));
        // Its number may be another's by now.
        process.signal(Signal::KILL);

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("still here");
        let script = format!("sleep 1; touch '{}'", file.display());
        drop(Process::start(&mut shell(&script)).unwrap());
        tokio::time::sleep(Duration::from_millis(1_300)).await;
        assert!(!file.exists());
    }

    #[tokio::test]
    async fn the_first_line_is_handed_over_and_the_rest_is_logged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        fs::write(&path, "from before\n").unwrap();
        let (log, since) = open_log(&path).unwrap();
        let mut command = shell("echo '{}'; echo one; printf '\\033[1mtwo\\n\\n'");
        let mut process = Process::start(command.stdout(Stdio::piped())).unwrap();
        let line = first_line(process.stdout().unwrap(), log);
        assert_eq!(line.await.unwrap(), "{}");
        process.ended().await.unwrap();
        for _ in 0..100 {
            if end_of_log(&path, since).contains("two") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(end_of_log(&path, since), "one / [1mtwo");
        assert_eq!(end_of_log(&path, 0), "from before / one / [1mtwo");
        assert_eq!(end_of_log(&folder.path().join("none"), 0), "nothing");
    }
}
