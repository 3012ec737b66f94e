//! A network in a process of its own, `cyborg up`, and commands to it as a user would type them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cyborg_localnet::process::{Completed, Process, Program};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::system::Watch;

/// How long a process may take until it is ready: a node compiles its wasm the first time.
const STARTING: Duration = Duration::from_secs(600);
/// How long an orderly end may take.
const ENDING: Duration = Duration::from_secs(60);

/// Starts a process that says in a line of JSON that it is ready.
///
/// # Errors
/// Returns an error if the process does not start, or says something else.
pub(crate) fn start<T: DeserializeOwned>(command: &mut Command) -> Result<(Process, T)> {
    let mut process =
        Process::start(command.stdout(Stdio::piped())).with_context(|| format!("starting {command:?}"))?;
    let said = process.ready(STARTING).with_context(|| format!("{command:?}"))?;
    let ready = serde_json::from_value(said.clone()).with_context(|| format!("{command:?} says {said}"))?;
    Ok((process, ready))
}

/// Ends a process in order.
///
/// # Errors
/// Returns an error if the process ends in another way.
pub(crate) fn stop(process: &mut Process) -> Result<()> {
    let status = process.stop(ENDING)?;
    ensure!(status.success(), "it ended with {status}");
    Ok(())
}

/// The addresses and processes of a network, as `cyborg up --json` prints them.
#[derive(Deserialize)]
struct Ready {
    node: ChainNode,
    storage: Vec<StorageNode>,
    miners: Vec<Miner>,
    owner: Owner,
}

#[derive(Deserialize)]
struct ChainNode {
    rpc: String,
    process: u32,
}

#[derive(Deserialize)]
struct StorageNode {
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

impl Drop for Network {
    fn drop(&mut self) {
        // If a measurement has failed, the network still ends its own processes in order.
        let _ = self.process.stop(ENDING);
    }
}

/// A running task, and the files that it was deployed from.
pub(crate) struct Deployment {
    pub(crate) task: u64,
    /// The prover's key.
    pub(crate) prover: PathBuf,
}

/// A network of one miner and four storage nodes.
pub(crate) struct Network {
    process: Process,
    ready: Ready,
    program: Program,
    folder: PathBuf,
}

impl Network {
    /// Starts a network in a new folder, and waits until it answers.
    ///
    /// # Errors
    /// Returns an error if the network does not start.
    pub(crate) fn start(cyborg: &Path, folder: &Path, block_time_ms: u64) -> Result<Self> {
        eprintln!("a network with a block every {block_time_ms} ms ...");
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let folder = folder.canonicalize()?;
        let program = Program::at(cyborg).within(&folder);
        let block_time = block_time_ms.to_string();
        let words = [
            "up",
            "--json",
            "--miners",
            "1",
            "--storage",
            "4",
            "--block-time",
            &block_time,
            "--dir",
            "network",
        ];
        let (process, ready) = start(&mut program.command(words))?;
        Ok(Self { process, ready, program, folder })
    }

    /// Ends the network in order.
    ///
    /// # Errors
    /// Returns an error if the network ends in another way.
    pub(crate) fn stop(mut self) -> Result<()> {
        stop(&mut self.process).context("the network")
    }

    /// The URL of the chain's node.
    pub(crate) fn node(&self) -> &str {
        &self.ready.node.rpc
    }

    /// The URL of the miner.
    ///
    /// # Errors
    /// Returns an error if the network has no miner.
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

    /// Begins to watch the processor time of this program, the miner, the node and the storage nodes.
    ///
    /// # Errors
    /// Returns an error if one of them has ended.
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

    /// Runs a command line with `--json`, and returns what it prints.
    ///
    /// # Errors
    /// Returns an error if the command fails.
    fn ask(&self, words: &[&str]) -> Result<Value> {
        let line = || format!("cyborg {}", words.join(" "));
        let urls: Vec<&str> = self.ready.storage.iter().map(|storage| storage.url.as_str()).collect();
        let done = self
            .program
            .command(words)
            .arg("--json")
            .env("CYBORG_NODE", &self.ready.node.rpc)
            .env("CYBORG_STORAGE", urls.join(","))
            .env("CYBORG_ACCOUNT", &self.ready.owner.key)
            .env("CYBORG_OWNER_DIR", self.owner_folder())
            .output()
            .with_context(line)?;
        Completed::of(&done).json().with_context(|| format!("`{}`", line()))
    }

    /// Compiles a model of the tests' data, makes keys, and deploys it to the miner.
    ///
    /// # Errors
    /// Returns an error if a command fails.
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
        let said = self.ask(&[
            "deploy",
            "--another",
            &compiled,
            "--keys",
            &keys,
            "--policy",
            policy,
            "--proofs",
            &proofs,
        ])?;
        let task = said["task"].as_u64().context("a deployment without a task")?;
        Ok(Deployment { task, prover })
    }
}
