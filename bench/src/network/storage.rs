//! A large file to storage nodes and back: encrypted, coded 4 of 12, each fragment on a node's disk before
//! it is acknowledged; fetched, checked, decrypted.
//!
//! What is fetched was just stored, and comes out of the system's memory rather than from the disk.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use cyborg_envelope::ContentKey;
use cyborg_localnet::process::{Process, Program};
use serde::{Deserialize, Serialize};

use super::courier::{self, Job, Moved};
use super::local;
use super::system::{peak_bytes, processor_s};

/// Bytes of a fragment, which is a file of a node.
const FRAGMENT_BYTES: usize = 1 << 20;
/// Fragments that the disk alone is tried with, and the threads that write them.
const TRIED: usize = 512;
const THREADS: usize = 4;
/// Fragments made of the bytes of four.
const TIMES_STORED: f64 = 3.0;

/// The figures of all transfers.
#[derive(Serialize)]
pub(crate) struct Stored {
    pub(crate) bytes: u64,
    /// The rate at which the disk alone writes fragments that are synced one by one, in megabytes a second.
    pub(crate) disk_mb_s: f64,
    pub(crate) moves: Vec<Move>,
}

/// The transfer in one direction.
#[derive(Serialize)]
pub(crate) struct Move {
    pub(crate) nodes: usize,
    /// Up or down.
    pub(crate) way: &'static str,
    pub(crate) seconds: f64,
    /// The part of it before the first stripe had moved, and after the last had.
    pub(crate) before_s: f64,
    pub(crate) after_s: f64,
    /// The rate of the file, before encryption and code.
    pub(crate) mb_s: f64,
    /// Greatest memory of the client's process.
    pub(crate) client_peak_bytes: u64,
    /// Greatest memory of any node so far.
    pub(crate) node_peak_bytes: u64,
    /// Processor time of the client, and of all nodes together.
    pub(crate) client_s: f64,
    pub(crate) nodes_s: f64,
}

impl Stored {
    /// The greatest rate of an upload on this disk.
    pub(crate) fn disk_bound_mb_s(&self) -> f64 {
        self.disk_mb_s / TIMES_STORED
    }
}

/// A node, as it says when it is ready.
#[derive(Deserialize)]
struct Ready {
    url: String,
}

/// Moves a file of so many bytes over each number of nodes.
///
/// # Errors
/// Returns an error if a node does not start, or the file does not arrive.
pub(crate) fn measure(
    cyborg: &Path,
    folder: &Path,
    bytes: u64,
    counts: &[usize],
    wrong: &mut Vec<String>,
) -> Result<Stored> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    eprintln!("the disk alone ...");
    let disk_mb_s = disk(&folder.join("disk"))?;
    eprintln!("a file of {} MB ...", bytes / 1_000_000);
    let file = folder.join("file");
    let digest = random_file(&file, bytes)?;
    let mut moves = Vec::new();
    for count in counts {
        let inner = folder.join(format!("{count}-nodes"));
        let fetched = inner.join("fetched");
        moves.extend(there_and_back(cyborg, &inner, *count, (&file, &fetched), bytes)?);
        if digest_of(&fetched)? != digest {
            wrong.push(format!("{count} storage nodes: what was fetched is not what was stored"));
        }
        fs::remove_dir_all(&inner).with_context(|| format!("removing {}", inner.display()))?;
    }
    fs::remove_file(&file)?;
    Ok(Stored { bytes, disk_mb_s, moves })
}

/// Stores and fetches over new nodes.
fn there_and_back(
    cyborg: &Path,
    folder: &Path,
    count: usize,
    (file, fetched): (&Path, &Path),
    bytes: u64,
) -> Result<Vec<Move>> {
    let (mut nodes, mut urls) = (Vec::new(), Vec::new());
    for number in 1..=count {
        let words = ["storage", "start", "--json", "--listen", "127.0.0.1:0", "--dir"];
        let mut command = Program::at(cyborg).command(words);
        command.arg(folder.join(format!("storage-{number}"))).env("RUST_LOG", "warn");
        let (process, ready) = local::start::<Ready>(&mut command)?;
        nodes.push(process);
        urls.push(ready.url);
    }
    let key = *ContentKey::generate()?.expose();
    let mut moves = Vec::new();
    let mut job = Job { nodes: urls, key, path: file.to_owned(), id: None };
    for way in ["up", "down"] {
        eprintln!("{way}, over {count} nodes ...");
        let before = used(&nodes)?;
        let Moved { id, seconds, before_s, after_s, processor_s, peak_bytes } = courier::send(&job)?;
        let after = used(&nodes)?;
        moves.push(Move {
            nodes: count,
            way,
            seconds,
            before_s,
            after_s,
            mb_s: bytes as f64 / 1e6 / seconds,
            client_peak_bytes: peak_bytes,
            node_peak_bytes: after.1,
            client_s: processor_s,
            nodes_s: after.0 - before.0,
        });
        job = Job { path: fetched.to_owned(), id: Some(id), ..job };
    }
    for mut node in nodes {
        local::stop(&mut node).context("a storage node")?;
    }
    Ok(moves)
}

/// Processor time of all nodes, and the greatest memory of one.
fn used(nodes: &[Process]) -> Result<(f64, u64)> {
    let (mut seconds, mut peak) = (0.0, 0);
    for node in nodes {
        seconds += processor_s(node.number())?;
        peak = peak.max(peak_bytes(node.number())?);
    }
    Ok((seconds, peak))
}

/// The rate of the disk in megabytes a second, when fragments are written as nodes write them: each synced,
/// renamed, and its folder synced.
fn disk(folder: &Path) -> Result<f64> {
    let fragment = random(FRAGMENT_BYTES)?;
    let begun = Instant::now();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (inner, fragment) = (folder.join(thread.to_string()), &fragment);
                scope.spawn(move || -> std::io::Result<()> {
                    fs::create_dir_all(&inner)?;
                    for number in 0..TRIED / THREADS {
                        let part = inner.join("part");
                        let mut file = File::create_new(&part)?;
                        file.write_all(fragment)?;
                        file.sync_all()?;
                        fs::rename(&part, inner.join(number.to_string()))?;
                        File::open(&inner)?.sync_all()?;
                    }
                    Ok(())
                })
            })
            .collect();
        for thread in threads {
            thread.join().map_err(|_| anyhow!("a thread panicked"))??;
        }
        Ok::<(), anyhow::Error>(())
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    fs::remove_dir_all(folder)?;
    Ok((TRIED * FRAGMENT_BYTES) as f64 / 1e6 / seconds)
}

fn random(bytes: usize) -> Result<Vec<u8>> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(|error| anyhow!("no randomness: {error}"))?;
    Ok(random)
}

/// Makes a file of random bytes on the disk. Returns its digest.
fn random_file(path: &PathBuf, bytes: u64) -> Result<blake3::Hash> {
    let mut file = File::create_new(path).with_context(|| format!("making {}", path.display()))?;
    let mut hasher = blake3::Hasher::new();
    let mut left = bytes;
    while left > 0 {
        let count = left.min(1 << 22);
        let chunk = random(usize::try_from(count)?)?;
        hasher.update(&chunk);
        file.write_all(&chunk)?;
        left -= count;
    }
    file.sync_all()?;
    Ok(hasher.finalize())
}

fn digest_of(path: &Path) -> Result<blake3::Hash> {
    let mut file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hasher.finalize());
        }
        hasher.update(&buffer[..count]);
    }
}

#[cfg(test)]
mod tests {
    use super::{digest_of, disk, random_file};

    #[test]
    fn a_file_is_what_its_digest_says() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("file");
        let digest = random_file(&path, 5_000_001)?;
        assert_eq!(std::fs::metadata(&path)?.len(), 5_000_001);
        assert_eq!(digest_of(&path)?, digest);
        assert!(disk(&folder.path().join("disk"))? > 0.0);
        Ok(())
    }
}
