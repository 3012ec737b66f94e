//! Keeps the processes of a network alive, and ends them in their order.
//!
//! A process that ends without having been told to is started again after a pause; a process that ends
//! three times in a minute will not do better the fourth time, and ends the network. Storage nodes and
//! miners wait for the chain's node before they are started again, so that the node's end is not counted
//! against them.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tokio::signal::unix::{self, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::error::LocalnetError;
use crate::notify;
use crate::process::{Process, Program, end_of_log, first_line, open_log};

/// Longest that a process may take until it is ready: a node compiles its wasm the first time.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a process may take to end in order.
const GRACE: Duration = Duration::from_secs(20);
/// The time in which ends are counted, and how many ends are too many.
const WINDOW: Duration = Duration::from_secs(60);
const TOO_MANY: usize = 3;
/// The first pause; the next is twice as long.
const PAUSE: Duration = Duration::from_millis(500);

/// What a process is, in the order in which they are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Miners are ended first: they still report to the chain.
    Miner,
    /// Storage nodes are ended next.
    Storage,
    /// The chain's node is ended last.
    Node,
}

/// The order of the end.
const ROLES: [Role; 3] = [Role::Miner, Role::Storage, Role::Node];

/// An order to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Live,
    End,
    EndAtOnce,
}

/// A process to be kept alive: it prints one line of JSON when it is ready.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its place in the order of the end.
    pub role: Role,
    /// Such as `miner-1`.
    pub name: String,
    /// Its command line, after the program.
    pub arguments: Vec<OsString>,
    /// Where its standard error goes.
    pub log: PathBuf,
}

/// A process that is ready.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The line that it printed.
    pub line: Value,
    /// The number of the process.
    pub process: u32,
}

/// Receives that a process is ready, or why it is not.
pub type Starting = oneshot::Receiver<Result<Ready, LocalnetError>>;
/// Receives why the network cannot go on.
pub type Failures = mpsc::UnboundedReceiver<LocalnetError>;

/// The signals that end a program. From the moment this is made they do not end it by themselves.
pub struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hang_up: unix::Signal,
}

impl Signals {
    /// # Errors
    /// Returns an error if the system refuses.
    pub fn new() -> Result<Self, LocalnetError> {
        let listen = |kind| {
            signal(kind).map_err(|source| LocalnetError::Io {
                file: "signals".to_owned(),
                action: "cannot be heard",
                source,
            })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// All processes that run.
pub struct Supervisor {
    program: Program,
    orders: [watch::Sender<Order>; 3],
    running: [JoinSet<()>; 3],
    /// Whether the chain's node answers.
    node: watch::Sender<bool>,
    failures: mpsc::UnboundedSender<LocalnetError>,
}

impl Supervisor {
    /// A supervisor of no processes yet.
    pub fn new(program: Program) -> (Self, Failures) {
        let (failures, heard) = mpsc::unbounded_channel();
        let orders = [Order::Live; 3].map(watch::Sender::new);
        let running = ROLES.map(|_| JoinSet::new());
        (Self { program, orders, running, node: watch::Sender::new(false), failures }, heard)
    }

    /// The program that processes are started of.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Starts a process, and keeps it alive once it was ready.
    pub fn start(&mut self, service: Service) -> Starting {
        let (send, receive) = oneshot::channel();
        let role = service.role as usize;
        let restarter = Restarter {
            program: self.program.clone(),
            service,
            order: self.orders[role].subscribe(),
            node: self.node.clone(),
            failures: self.failures.clone(),
        };
        self.running[role].spawn(restarter.run(send));
        receive
    }

    /// Ends everything in order: miners, storage nodes, the chain's node. A signal meanwhile ends
    /// everything at once.
    pub async fn end(mut self, signals: &mut Signals) {
        for role in ROLES {
            let role = role as usize;
            self.orders[role].send_if_modified(|order| {
                let live = *order == Order::Live;
                if live {
                    *order = Order::End;
                }
                live
            });
            loop {
                tokio::select! {
                    ended = self.running[role].join_next() => if ended.is_none() { break },
                    () = signals.next() => {
                        self.orders.iter().for_each(|order| { order.send_replace(Order::EndAtOnce); });
                    }
                }
            }
        }
    }
}

/// The recent ends of a process.
#[derive(Debug, Default)]
struct BackOff(VecDeque<Instant>);

impl BackOff {
    /// The pause after an end; `None` after one end too many.
    fn after_end(&mut self, now: Instant) -> Option<Duration> {
        while self.0.front().is_some_and(|end| now.duration_since(*end) >= WINDOW) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        let ends = self.0.len();
        (ends < TOO_MANY).then(|| PAUSE * (1 << (ends - 1)))
    }
}

/// How one run of a process went.
enum Life {
    /// It was told to end, and has.
    Obeyed,
    /// It ended by itself; why, as far as can be said.
    Ended(String),
}

/// Keeps one process alive.
struct Restarter {
    program: Program,
    service: Service,
    order: watch::Receiver<Order>,
    node: watch::Sender<bool>,
    failures: mpsc::UnboundedSender<LocalnetError>,
}

impl Restarter {
    async fn run(mut self, ready: oneshot::Sender<Result<Ready, LocalnetError>>) {
        let mut ready = Some(ready);
        let mut back_off = BackOff::default();
        loop {
            let ended = self.live(&mut ready).await;
            if self.service.role == Role::Node {
                self.node.send_replace(false);
            }
            let Life::Ended(why) = ended else { return };
            if let Some(ready) = ready.take() {
                // The receiver may be gone.
                let _ = ready.send(Err(self.failure("does not start", &why)));
                return;
            }
            let Some(pause) = back_off.after_end(Instant::now()) else {
                // The receiver may be gone.
                let _ = self.failures.send(self.failure("ended three times in a minute", &why));
                return;
            };
            notify(&format!("{} {why}; it is started again", self.service.name));
            let mut order = self.order.clone();
            tokio::select! {
                () = self.pause(pause) => {}
                () = told(&mut order) => return,
            }
        }
    }

    /// Waits before the next start, and for the chain's node.
    async fn pause(&self, pause: Duration) {
        sleep(pause).await;
        if self.service.role != Role::Node {
            // A supervisor that is gone starts nothing.
            let _ = self.node.subscribe().wait_for(|answers| *answers).await;
        }
    }

    /// One run of the process, until it ends or is told to.
    async fn live(&mut self, ready: &mut Option<oneshot::Sender<Result<Ready, LocalnetError>>>) -> Life {
        let log = &self.service.log;
        let started = open_log(log).and_then(|(file, since)| {
            let mut command = self.program.command(&self.service.arguments);
            let process = Process::start(command.stdout(Stdio::piped()).stderr(file.try_clone()?))?;
            Ok((process, file, since))
        });
        let (mut process, file, since) = match started {
            Ok(started) => started,
            Err(error) => return Life::Ended(format!("cannot be started: {error}")),
        };
        let Some(stdout) = process.stdout() else { return Life::Ended("prints nothing".to_owned()) };
        let mut line = first_line(stdout, file);
        let mut order = self.order.clone();
        let said = tokio::select! {
            biased;
            () = told(&mut order) => return obey(process, order).await,
            // If it ends without having printed a line, this is an error.
            said = timeout(PATIENCE, &mut line) => said,
        };
        let (line, words) = match said {
            Ok(Ok(text)) => (serde_json::from_str(&text).ok().filter(|line: &Value| line.is_object()), text),
            Ok(Err(_)) => (None, String::new()),
            Err(_) => return Life::Ended(format!("was not ready after {} s", PATIENCE.as_secs())),
        };
        match line {
            Some(line) if line.get("error").is_none() => {
                if self.service.role == Role::Node {
                    self.node.send_replace(true);
                }
                if let Some(ready) = ready.take() {
                    // The receiver may be gone.
                    let _ = ready.send(Ok(Ready { line, process: process.number() }));
                }
            }
            line => {
                let problem = line.as_ref().and_then(|line| line["error"].as_str()).unwrap_or(&words);
                let status = tokio::select! {
                    status = process.ended() => status,
                    () = told(&mut order) => return obey(process, order).await,
                };
                return Life::Ended(ended(status, problem, &end_of_log(log, since)));
            }
        }
        tokio::select! {
            status = process.ended() => Life::Ended(ended(status, "", &end_of_log(log, since))),
            () = told(&mut order) => obey(process, order).await,
        }
    }

    fn failure(&self, what: &str, why: &str) -> LocalnetError {
        let Service { name, log, .. } = &self.service;
        LocalnetError::Failed(format!("{name} {what}: it {why} (log: {})", log.display()))
    }
}

/// How a process ended, and the last lines that it printed.
fn ended(status: std::io::Result<ExitStatus>, said: &str, log: &str) -> String {
    let status = match status {
        Ok(status) => status.to_string(),
        Err(error) => format!("a status that is not known: {error}"),
    };
    match said {
        "" => format!("ended with {status}; its log ends with: {log}"),
        said => format!("ended with {status}: {said}"),
    }
}

/// Waits until the process is told to end. A supervisor that is gone tells the same.
async fn told(order: &mut watch::Receiver<Order>) {
    let _ = order.wait_for(|order| *order != Order::Live).await;
}

/// Ends a process: in order, and at once where that takes too long or is not wanted.
async fn obey(mut process: Process, mut order: watch::Receiver<Order>) -> Life {
    process.signal(Signal::TERM);
    let at_once = async {
        if order.wait_for(|order| *order == Order::EndAtOnce).await.is_err() {
            sleep(GRACE).await;
        }
    };
    tokio::select! {
        _ = process.ended() => return Life::Obeyed,
        () = at_once => {}
        () = sleep(GRACE) => {}
    }
    process.signal(Signal::KILL);
    // If the system does not say so, dropping the process waits.
    let _ = process.ended().await;
    Life::Obeyed
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::fs;
    use std::path::Path;

    use super::*;

    /// A supervisor of shells.
    fn shells() -> (Supervisor, Failures) {
        Supervisor::new(Program::at("sh"))
    }

    fn service(folder: &Path, role: Role, name: &str, script: &str) -> Service {
        let arguments = ["-c", script].map(OsString::from).to_vec();
        Service { role, name: name.to_owned(), arguments, log: folder.join(format!("{name}.log")) }
    }

    #[tokio::test]
    async fn what_ends_is_started_again_until_it_is_too_much() {
        let folder = tempfile::tempdir().unwrap();
        let (mut supervisor, mut failures) = shells();
        let node = "echo '{\"node\": 1}'; exec sleep 100";
        let node = supervisor.start(service(folder.path(), Role::Node, "node", node));
        let frail = format!("echo x >> '{0}/lives'; echo '{{}}'; echo why >&2", folder.path().display());
        let miner = supervisor.start(service(folder.path(), Role::Miner, "miner-1", &frail));
        assert_eq!(node.await.unwrap().unwrap().line["node"], 1);
        miner.await.unwrap().unwrap();
        let failure = failures.recv().await.unwrap().to_string();
        for part in ["miner-1", "three times", "exit status: 0", "why", "miner-1.log"] {
            assert!(failure.contains(part), "{failure}");
        }
        assert_eq!(fs::read_to_string(folder.path().join("lives")).unwrap(), "x\n".repeat(TOO_MANY));
        supervisor.end(&mut Signals::new().unwrap()).await;
    }

    #[tokio::test]
    async fn what_does_not_start_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let (mut supervisor, _failures) = shells();
        for (script, word) in [
            (r#"echo '{"error": "no such folder"}'; exit 2"#, "no such folder"),
            ("echo nonsense; exit 1", "nonsense"),
            ("echo broken >&2; kill -9 $$", "broken"),
        ] {
            let starting = supervisor.start(service(folder.path(), Role::Storage, "storage-1", script));
            let error = starting.await.unwrap().unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("storage-1 does not start"), "{error}");
        }
        supervisor.end(&mut Signals::new().unwrap()).await;
    }

    #[tokio::test]
    async fn the_end_comes_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let (mut supervisor, _failures) = shells();
        for (role, name) in [(Role::Node, "node"), (Role::Storage, "storage"), (Role::Miner, "miner")] {
            let script = format!(
                "trap 'echo {name} >> \"{0}/ends\"; exit 0' TERM; echo '{{}}'; while :; do sleep 0.02; done",
                folder.path().display()
            );
            supervisor.start(service(folder.path(), role, name, &script)).await.unwrap().unwrap();
        }
        supervisor.end(&mut Signals::new().unwrap()).await;
        let ends = fs::read_to_string(folder.path().join("ends")).unwrap();
        assert_eq!(ends, "miner\nstorage\nnode\n");
    }

    #[test]
    fn the_third_end_in_a_minute_is_one_too_many() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut back_off = BackOff::default();
        assert_eq!(back_off.after_end(at(0)), Some(PAUSE));
        assert_eq!(back_off.after_end(at(10)), Some(2 * PAUSE));
        assert_eq!(back_off.after_end(at(59)), None);
        // Two in a minute go on for ever.
        let mut back_off = BackOff::default();
        assert_eq!(back_off.after_end(at(0)), Some(PAUSE));
        for count in 1..100 {
            assert_eq!(back_off.after_end(at(31 * count)), Some(2 * PAUSE));
        }
        assert_eq!(back_off.after_end(at(31 * 100 + 100)), Some(PAUSE));
    }

    #[test]
    fn an_end_is_told_with_its_last_words() {
        let status = || Ok(ExitStatus::default());
        assert_eq!(ended(status(), "no such port", "x"), "ended with exit status: 0: no such port");
        assert!(ended(status(), "", "a / b").ends_with("its log ends with: a / b"));
    }
}
