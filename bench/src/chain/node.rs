//! A node in a process of its own: started, stopped, what its log says of its blocks, and the room that
//! it takes on the disk.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use cyborg_localnet::process::{Completed, Process, Program};

/// What a node is started with: the program, the node's folder, and one for compiled wasm.
pub(crate) struct NodeSetup<'a> {
    pub(crate) cyborg: &'a Path,
    pub(crate) folder: &'a Path,
    pub(crate) cache: &'a Path,
}

impl NodeSetup<'_> {
    fn program(&self) -> Program {
        Program::at(self.cyborg).with("XDG_CACHE_HOME", self.cache)
    }
}

/// What the node's log says of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Logged {
    /// From its beginning until all its transactions were executed, in wasm, with the proof of what they
    /// read recorded.
    pub(crate) built_ms: u64,
    /// From its beginning until it was final and on the disk.
    pub(crate) sealed_ms: u64,
    /// Why no more transactions came in.
    pub(crate) end: String,
}

/// What was logged of blocks, by their number.
type Blocks = Arc<Mutex<HashMap<u64, Logged>>>;

/// How long the log of a block that is final may take to get here.
const PATIENCE: Duration = Duration::from_millis(20);
const ATTEMPTS: usize = 250;

/// How long a node may take until it is ready, and to end.
const STARTING: Duration = Duration::from_secs(300);
const ENDING: Duration = Duration::from_secs(60);

/// The chain's node; killed when dropped.
pub(crate) struct ChainNode {
    process: Process,
    log: Option<JoinHandle<()>>,
    blocks: Blocks,
    url: String,
}

impl ChainNode {
    /// Starts `cyborg node --dev` on a folder, and waits until it answers.
    ///
    /// # Errors
    /// Returns an error if the program does not start, or says something else than where it is.
    pub(crate) fn start(setup: &NodeSetup<'_>, block_time_ms: u64) -> Result<Self> {
        let block_time = block_time_ms.to_string();
        let words =
            ["node", "--dev", "--json", "--rpc-port", "0", "--block-time", &block_time, "--base-path"];
        let mut command = setup.program().command(words);
        command
            .arg(setup.folder)
            .env("RUST_LOG", "warn,cyborg_node=debug,sc_basic_authorship=info")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process =
            Process::start(&mut command).with_context(|| format!("starting {}", setup.cyborg.display()))?;
        let stderr = process.stderr().context("no log to read")?;
        let blocks = Blocks::default();
        let log = {
            let blocks = blocks.clone();
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    note(&line, &blocks);
                }
            })
        };
        let ready = process.ready(STARTING)?;
        let url = ready["rpc"].as_str().context("the node does not say where its RPC is")?.to_owned();
        Ok(Self { process, log: Some(log), blocks, url })
    }

    /// The URL of the node's WebSocket.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What the node's log says of a block that is final.
    ///
    /// # Errors
    /// Returns an error if the log says nothing of the block.
    pub(crate) fn logged(&self, block: u64) -> Result<Logged> {
        for _ in 0..ATTEMPTS {
            let blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(logged) = blocks.get(&block).filter(|logged| logged.sealed_ms > 0) {
                return Ok(logged.clone());
            }
            drop(blocks);
            thread::sleep(PATIENCE);
        }
        bail!("the node's log does not say what block {block} took")
    }

    /// Ends the node in order.
    ///
    /// # Errors
    /// Returns an error if the node ends in another way.
    pub(crate) fn stop(mut self) -> Result<()> {
        let status = self.process.stop(ENDING).context("waiting for the node")?;
        ensure!(status.success(), "the node ended with {status}");
        if let Some(log) = self.log.take() {
            // The thread reads to the end, and does nothing that fails.
            let _ = log.join();
        }
        Ok(())
    }
}

/// Executes a block of a node that has ended once more, as `cyborg node verify` does; the milliseconds.
///
/// # Errors
/// Returns an error if the block does not lead to the state that its header names.
pub(crate) fn execute_again(setup: &NodeSetup<'_>, block: u64) -> Result<f64> {
    let number = block.to_string();
    let words = ["node", "verify", "--json", "--from", &number, "--to", &number, "--base-path"];
    let done = setup
        .program()
        .command(words)
        .arg(setup.folder)
        .output()
        .with_context(|| format!("starting {}", setup.cyborg.display()))?;
    let executed = Completed::of(&done).json().with_context(|| format!("block {block}"))?;
    executed["slowest"]["ms"].as_f64().with_context(|| format!("block {block}: {executed}"))
}

/// Takes note of a line of the log; any other line is passed on.
fn note(line: &str, blocks: &Blocks) {
    let mut blocks = blocks.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((block, ms, end)) = built(line) {
        let logged = blocks.entry(block).or_default();
        (logged.built_ms, logged.end) = (ms, end.to_owned());
    } else if let Some((block, ms)) = sealed(line) {
        // At least 1: 0 is a block of which the log says nothing.
        blocks.entry(block).or_default().sealed_ms = ms.max(1);
    } else if !line.contains(" DEBUG ") && !line.contains(" INFO ") {
        eprintln!("node: {line}");
    }
}

/// Block, milliseconds and end of `… Prepared block for proposing at N (M ms) …; end: E; …`.
fn built(line: &str) -> Option<(u64, u64, &str)> {
    let (block, rest) = line.split_once("block for proposing at ")?.1.split_once(" (")?;
    let (ms, rest) = rest.split_once(" ms)")?;
    let (end, _) = rest.split_once("end: ")?.1.split_once(';')?;
    Some((block.parse().ok()?, ms.parse().ok()?, end))
}

/// Block and milliseconds of `… block N is final, after M ms`.
fn sealed(line: &str) -> Option<(u64, u64)> {
    let (block, rest) = line.split_once(": block ")?.1.split_once(" is final, after ")?;
    Some((block.parse().ok()?, rest.strip_suffix(" ms")?.parse().ok()?))
}

/// What the files of a folder take on the disk, in bytes: blocks that are in use, not lengths, since a
/// database makes its files longer than it fills them.
///
/// # Errors
/// Returns an error if the folder cannot be read.
pub(crate) fn size_on_disk(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { size_on_disk(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{built, sealed, size_on_disk};

    #[test]
    fn the_nodes_lines_about_a_block() {
        let line = "2026-01-01T00:00:00Z DEBUG cyborg_node::sealing: block 17 is final, after 230 ms";
        assert_eq!(sealed(line), Some((17, 230)));
        assert_eq!(sealed("…: block 100 is final; of the last 100 blocks, one took 3 ms on average"), None);
        let line = "INFO sc_basic_authorship: Prepared block for proposing at 17 (201 ms) hash: 0x1; \
                    parent_hash: 0x2; end: HitBlockWeightLimit; extrinsics_count: 2";
        assert_eq!(built(line), Some((17, 201, "HitBlockWeightLimit")));
        assert_eq!(built("no block"), None);
    }

    #[test]
    fn files_count_in_all_folders() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("inner"))?;
        let before = size_on_disk(folder.path())?;
        std::fs::write(folder.path().join("inner/file"), vec![1; 100_000])?;
        assert!(size_on_disk(folder.path())? >= before + 50_000);
        Ok(())
    }
}
