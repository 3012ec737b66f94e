//! A network in a process of its own, `cyborg up`, and commands to it as a user would type them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::system::Watch;

/// How long an orderly end may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that was started here; ended when it is dropped.
pub(crate) struct Process {
    child: Child,
    /// Open as long as the process may write there.
    _stdout: BufReader<ChildStdout>,
}

impl Process {
    /// Starts a program, and waits for the line of JSON that says that it is ready.
    ///
    /// # Errors
    /// Where it does not start, or says something else.
    pub(crate) fn start<T: DeserializeOwned>(command: &mut Command) -> Result<(Self, T)> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        let stdout = child.stdout.take().context("no output to read")?;
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        let read = stdout.read_line(&mut line);
        let process = Self { child, _stdout: stdout };
        read.context("reading where it is")?;
        let ready = serde_json::from_str(&line)
            .with_context(|| format!("{command:?} is not ready, but says `{}`", line.trim()))?;
        Ok((process, ready))
    }

    /// Its number.
    pub(crate) fn number(&self) -> u32 {
        self.child.id()
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// Where it ends in another way.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.terminate()?;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "it ended with {status}");
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        anyhow::bail!("it does not end")
    }

    fn terminate(&self) -> Result<()> {
        let line = format!("kill -TERM {}", self.child.id());
        ensure!(Command::new("sh").args(["-c", &line]).status()?.success(), "{line}");
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Where a measurement has failed; otherwise it has ended. A network ends its own processes first.
        if matches!(self.child.try_wait(), Ok(None)) && self.terminate().is_ok() {
            let begun = Instant::now();
            while begun.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
                thread::sleep(Duration::from_millis(20));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a network is, as `cyborg up --json` says.
#[derive(Deserialize)]
struct Ready {
    node: Node,
    storage: Vec<Storage>,
    miners: Vec<Miner>,
    owner: Owner,
}

#[derive(Deserialize)]
struct Node {
    rpc: String,
    process: u32,
}

#[derive(Deserialize)]
struct Storage {
    url: String,
    process: u32,
}

#[derive(Deserialize)]
struct Miner {
    endpoint: String,
    process: u32,
}

#[derive(Deserialize)]
struct Owner {
    key: PathBuf,
}

/// A task that runs, and the files that it was deployed from.
pub(crate) struct Deployment {
    pub(crate) task: u64,
    /// The prover's key.
    pub(crate) prover: PathBuf,
}

/// A network of one miner and four storage nodes.
pub(crate) struct Network {
    process: Process,
    ready: Ready,
    cyborg: PathBuf,
    folder: PathBuf,
}

impl Network {
    /// Starts one in a new folder, and waits until it answers.
    ///
    /// # Errors
    /// Where it does not start.
    pub(crate) fn start(cyborg: &Path, folder: &Path, block_time_ms: u64) -> Result<Self> {
        eprintln!("a network with a block every {block_time_ms} ms ...");
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let folder = folder.canonicalize()?;
        let mut command = Command::new(cyborg);
        command
            .args(["up", "--json", "--miners", "1", "--storage", "4"])
            .args(["--block-time", &block_time_ms.to_string(), "--dir"])
            .arg(folder.join("network"));
        let (process, ready) = Process::start(&mut command)?;
        Ok(Self { process, ready, cyborg: cyborg.to_owned(), folder })
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// Where it ends in another way.
    pub(crate) fn stop(self) -> Result<()> {
        self.process.stop().context("the network")
    }

    /// Where the chain's node listens.
    pub(crate) fn node(&self) -> &str {
        &self.ready.node.rpc
    }

    /// Where the miner listens.
    ///
    /// # Errors
    /// Where there is none.
    pub(crate) fn endpoint(&self) -> Result<&str> {
        Ok(&self.ready.miners.first().context("a network without a miner")?.endpoint)
    }

    /// The owner's key.
    pub(crate) fn owner_key(&self) -> &Path {
        &self.ready.owner.key
    }

    /// The owner's records.
    pub(crate) fn owner_folder(&self) -> PathBuf {
        self.folder.join("owner")
    }

    /// Begins to watch who uses processors: this program, miner, node and storage nodes.
    ///
    /// # Errors
    /// Where one of them has ended.
    pub(crate) fn watch(&self) -> Result<Watch> {
        let miners = self.ready.miners.iter().map(|miner| miner.process).collect();
        let storage = self.ready.storage.iter().map(|storage| storage.process).collect();
        Watch::begin(&[
            ("client", vec![std::process::id()]),
            ("miner", miners),
            ("node", vec![self.ready.node.process]),
            ("storage", storage),
        ])
    }

    /// Runs a command line with `--json`, and gives its answer.
    ///
    /// # Errors
    /// Where it fails.
    fn ask(&self, words: &[&str]) -> Result<Value> {
        let line = || format!("cyborg {}", words.join(" "));
        let urls: Vec<&str> = self.ready.storage.iter().map(|storage| storage.url.as_str()).collect();
        let done = Command::new(&self.cyborg)
            .args(words)
            .arg("--json")
            .current_dir(&self.folder)
            .env("CYBORG_NODE", &self.ready.node.rpc)
            .env("CYBORG_STORAGE", urls.join(","))
            .env("CYBORG_ACCOUNT", &self.ready.owner.key)
            .env("CYBORG_OWNER_DIR", self.owner_folder())
            .stdin(Stdio::null())
            .output()
            .with_context(line)?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "`{}`: {}: {}", line(), done.status, said.trim());
        serde_json::from_slice(&done.stdout).with_context(|| format!("`{}` printed no JSON", line()))
    }

    /// Compiles a model of the tests' data, makes keys, and deploys it to the miner.
    ///
    /// # Errors
    /// Where a command fails.
    pub(crate) fn deploy(&self, model: &str, policy: &str, proofs: u32) -> Result<Deployment> {
        eprintln!("{model} is deployed with the policy {policy} ...");
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data").canonicalize();
        let data = data.context("the models of the tests")?;
        let file = |end: &str| data.join(format!("{model}{end}")).display().to_string();
        let (compiled, keys) = (format!("{model}.cyb"), format!("{model}-keys"));
        let prover = self.folder.join(&keys).join("prover.key");
        if !prover.exists() {
            let (onnx, samples) = (file(".onnx"), file("_io.npz"));
            self.ask(&["model", "compile", &onnx, "--calibrate", &samples, "-o", &compiled])?;
            self.ask(&["zk", "keygen", &compiled, "--out", &keys])?;
        }
        let proofs = proofs.to_string();
        let said =
            self.ask(&["deploy", &compiled, "--keys", &keys, "--policy", policy, "--proofs", &proofs])?;
        let task = said["task"].as_u64().context("a deployment without a task")?;
        Ok(Deployment { task, prover })
    }
}
