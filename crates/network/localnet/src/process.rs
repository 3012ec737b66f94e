//! Processes of the `cyborg` program: started, listened to, waited for, ended.
//!
//! The processes of a network are in process groups of their own, so that Ctrl-C in the terminal reaches
//! the supervisor alone, which then ends them in their order.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::time::timeout;

use crate::error::LocalnetError;
use crate::orphans;

/// Interval at which a process is looked at if the system does not say that it has ended.
const LOOK: Duration = Duration::from_secs(1);
/// Interval at which a thread that waits for a process looks at it.
const POLL: Duration = Duration::from_millis(10);
/// Most bytes that are kept of what a command prints.
const MAX_OUTPUT_BYTES: u64 = 64 << 20;

/// The `cyborg` program, and what every process of it is started with.
#[derive(Clone, Debug)]
pub struct Program {
    executable: PathBuf,
    /// The folder of the network that its processes belong to, and end with.
    network: Option<PathBuf>,
    variables: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
}

impl Program {
    /// A program, by the path of its executable.
    pub fn at(executable: impl Into<PathBuf>) -> Self {
        Self { executable: executable.into(), network: None, variables: Vec::new(), folder: None }
    }

    /// The program that runs now, for the network of a folder: its processes end when this one ends.
    ///
    /// # Errors
    /// Returns an error if the system does not say what this program is.
    pub fn of_network(root: &Path) -> Result<Self, LocalnetError> {
        let executable = env::current_exe().map_err(|source| LocalnetError::Io {
            file: "this program".to_owned(),
            action: "cannot find",
            source,
        })?;
        Ok(Self { network: Some(root.to_owned()), ..Self::at(executable) })
    }

    /// Sets a variable of the environment of every process.
    #[must_use]
    pub fn with(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Runs every process in a folder.
    #[must_use]
    pub fn within(self, folder: &Path) -> Self {
        Self { folder: Some(folder.to_owned()), ..self }
    }

    /// A command line of the program. The user's own variables for other networks are not passed on.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.executable);
        command.args(arguments);
        self.prepare(&mut command);
        command
    }

    /// The same, started by a shell that has ignored SIGXFSZ: a write beyond the limit of file sizes is
    /// then an error, as on a full disk, and does not kill the process.
    pub fn command_with_full_disk<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(&self.executable).args(arguments);
        self.prepare(&mut command);
        command
    }

    fn prepare(&self, command: &mut Command) {
        command.stdin(Stdio::null());
        for (name, _) in env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"CYBORG_") {
                command.env_remove(name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        if let Some(root) = &self.network {
            // Ctrl-C in the terminal reaches the supervisor alone, which then ends all in their order.
            command.process_group(0).env(orphans::MARK, orphans::mark(root));
        }
    }
}

/// A process, killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts a process. A process of a network is started on the thread that lives as long as this
    /// program, because to the kernel that thread is the parent.
    ///
    /// # Errors
    /// Returns an error if the system refuses.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        Ok(Self { child: command.spawn()?, status: None })
    }

    /// The number of the process.
    pub fn number(&self) -> u32 {
        self.child.id()
    }

    /// Takes the process's standard output, if it is a pipe.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Takes the process's standard error, if it is a pipe.
    pub fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Waits, and blocks the thread, for the line of JSON with which a process says on a pipe that it is
    /// ready. What it prints afterwards is read and dropped.
    ///
    /// # Errors
    /// Returns an error if the process ends, says something else, or takes longer than `patience`.
    pub fn ready(&mut self, patience: Duration) -> Result<Value, LocalnetError> {
        let failed = |problem: String| LocalnetError::Failed(format!("a process is not ready: {problem}"));
        let stdout = self.stdout().ok_or_else(|| failed("its output is not a pipe".to_owned()))?;
        let mut line = first_line(stdout, io::sink());
        let begun = Instant::now();
        loop {
            match line.try_recv() {
                Ok(line) => {
                    return serde_json::from_str(&line)
                        .map_err(|error| failed(format!("{error} in `{line}`")));
                }
                Err(TryRecvError::Closed) => return Err(failed("it printed nothing".to_owned())),
                Err(TryRecvError::Empty) if begun.elapsed() > patience => {
                    return Err(failed(format!("waited {} s", patience.as_secs())));
                }
                Err(TryRecvError::Empty) => thread::sleep(POLL),
            }
        }
    }

    /// Waits for the end of the process. May be given up and called again.
    ///
    /// # Errors
    /// Returns an error if the system does not say.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        // Before the process is looked at, so that no end is missed.
        let mut children = unix::signal(SignalKind::child())?;
        loop {
            if let Some(status) = self.look()? {
                return Ok(status);
            }
            // One signal may stand for several ends: look after each signal, and at intervals without one.
            let _ = timeout(LOOK, children.recv()).await;
        }
    }

    /// The status of the process if it has ended.
    ///
    /// # Errors
    /// Returns an error if the system does not say.
    pub fn look(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.child.try_wait()?;
        }
        Ok(self.status)
    }

    /// Sends a signal, unless the process has ended.
    pub fn signal(&self, signal: Signal) {
        // The end was not waited for, so that the number is not another process's.
        if self.status.is_none()
            && let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
        {
            // It may have ended by itself.
            let _ = kill_process(pid, signal);
        }
    }

    /// Kills the process, and waits for its end.
    ///
    /// # Errors
    /// Returns an error if the system does not say how it ended.
    pub fn kill(mut self) -> io::Result<()> {
        self.signal(Signal::KILL);
        self.wait(None).map(drop)
    }

    /// Ends the process in order, with SIGTERM, and blocks the thread until it has ended.
    ///
    /// # Errors
    /// Returns an error if the process takes longer than `patience`.
    pub fn stop(&mut self, patience: Duration) -> io::Result<ExitStatus> {
        self.signal(Signal::TERM);
        self.wait(Some(patience))
    }

    fn wait(&mut self, patience: Option<Duration>) -> io::Result<ExitStatus> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.look()? {
                return Ok(status);
            }
            if patience.is_some_and(|patience| begun.elapsed() > patience) {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the process does not end"));
            }
            thread::sleep(POLL);
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
/// Returns an error if it cannot be opened.
pub fn open_log(path: &Path) -> io::Result<(File, u64)> {
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let length = log.metadata()?.len();
    Ok((log, length))
}

/// Hears what a process prints: the first line is handed over, the rest goes to its log.
pub fn first_line(
    stdout: ChildStdout,
    mut log: impl io::Write + Send + 'static,
) -> oneshot::Receiver<String> {
    let (send, receive) = oneshot::channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        if let Some(line) = lines.next() {
            // The receiver may be gone.
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
pub fn all_of(stream: impl Read + Send + 'static) -> oneshot::Receiver<Vec<u8>> {
    let (send, receive) = oneshot::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.take(MAX_OUTPUT_BYTES).read_to_end(&mut bytes);
        // The receiver may be gone.
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
        // The receiver may be gone.
        let _ = send.send(bytes);
    });
    receive
}

/// What a command printed, and how it ended.
#[derive(Clone, Debug)]
pub struct Completed {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs a command to its end. `hear` gets each line of standard error as it comes. If this future
/// is dropped the process is killed.
///
/// # Errors
/// Returns an error if the system refuses.
pub async fn run(command: &mut Command, hear: impl FnMut(&str) + Send + 'static) -> io::Result<Completed> {
    let mut process = Process::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let stdout = process.stdout().map(all_of);
    let stderr = process.stderr().map(|stderr| lines_of(stderr, hear));
    let status = process.ended().await?;
    let text = async |stream: Option<oneshot::Receiver<Vec<u8>>>| match stream {
        Some(stream) => String::from_utf8_lossy(&stream.await.unwrap_or_default()).into_owned(),
        None => String::new(),
    };
    Ok(Completed { status, stdout: text(stdout).await, stderr: text(stderr).await })
}

impl Completed {
    /// What a silent command printed, and how it ended.
    pub fn of(output: &std::process::Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// The last line of standard output, which is JSON, of a command that succeeded.
    ///
    /// # Errors
    /// Returns an error if the command failed, or prints no JSON.
    pub fn json(&self) -> Result<Value, LocalnetError> {
        if !self.status.success() {
            return Err(LocalnetError::Failed(self.problem()));
        }
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).map_err(|error| LocalnetError::Failed(format!("printed no JSON: {error}")))
    }

    /// Why the command failed, in its own words if it has printed an error.
    pub fn problem(&self) -> String {
        let said = self.stderr.lines().rev().find_map(|line| line.strip_prefix("error: "));
        let object = || serde_json::from_str::<Value>(self.stdout.lines().last()?).ok();
        match said.map(ToOwned::to_owned).or_else(|| Some(object()?["error"].as_str()?.to_owned())) {
            Some(problem) => problem,
            None => format!("ended with {}: {}", self.status, last_lines(self.stderr.as_bytes())),
        }
    }
}

/// The last lines of a log since a process was started, on one line.
pub fn end_of_log(path: &Path, since: u64) -> String {
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

    #[test]
    fn a_process_says_that_it_is_ready_and_is_stopped() {
        let patience = Duration::from_secs(20);
        let start = |script: &str| Process::start(shell(script).stdout(Stdio::piped())).unwrap();
        let mut process =
            start("trap 'exit 7' TERM; echo '{\"url\": \"x\"}'; echo more; while :; do sleep 0.05; done");
        assert_eq!(process.ready(patience).unwrap()["url"], "x");
        assert_eq!(process.stop(patience).unwrap().code(), Some(7));
        // A process that has ended stays as it is.
        assert_eq!(process.stop(Duration::ZERO).unwrap().code(), Some(7));
        for (script, word) in [("echo nonsense", "nonsense"), ("exit 1", "printed nothing")] {
            let error = start(script).ready(patience).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        let mut silent = start("exec sleep 100");
        assert!(silent.ready(Duration::ZERO).unwrap_err().to_string().contains("waited 0 s"));
        silent.kill().unwrap();
    }

    #[test]
    fn a_program_has_its_own_variables_and_folder() {
        let folder = tempfile::tempdir().unwrap();
        let program = Program::at("sh").with("A_VARIABLE", "of its own").within(folder.path());
        let done = program.command(["-c", "printf '\"%s\"' \"$A_VARIABLE\"; touch here"]).output().unwrap();
        assert_eq!(Completed::of(&done).json().unwrap(), "of its own");
        assert!(folder.path().join("here").exists());
        let done = program.command_with_full_disk(["-c", "exit 3"]).output().unwrap();
        assert_eq!(done.status.code(), Some(3));
        assert!(Completed::of(&done).json().is_err());
        let marked = Program { network: Some(folder.path().to_owned()), ..program };
        let done = marked.command(["-c", "printf '\"%s\"' \"$CYBORG_SUPERVISED\""]).output().unwrap();
        let mark = Completed::of(&done).json().unwrap();
        assert_eq!(mark.as_str(), orphans::mark(folder.path()).to_str());
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
