//! How fast a machine is: integer inference, proofs, the disk.
//!
//! Everything is measured as a miner uses it: inference on as many threads as answer the requests of a
//! task, one proof at a time on all of them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use zkml_engine::{Engine, EngineError};
use zkml_prover::{ProverKey, Request};
use zkml_verifier::Visibility;
use zkml_verifier::cost::work;

use super::{OperatorError, machine};
use crate::meter::{self, Sources};

/// How long inference is measured.
const INFERENCE_TIME: Duration = Duration::from_secs(1);
/// How long proofs are measured, at least one of them.
const PROVING_TIME: Duration = Duration::from_secs(1);
/// Bytes that are written to the disk.
const DISK_BYTES: usize = 64 << 20;
/// Room that the disk must have for them, and some more.
const DISK_ROOM: u64 = 1 << 30;

/// What was measured on the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The processor's name.
    pub processor: String,
    /// Threads that it runs at once.
    pub processors: usize,
    /// Memory of the machine, in bytes.
    pub memory_bytes: u64,
    /// Integer multiply-accumulates per second, on as many threads as answer a task.
    pub macs_per_second: u64,
    /// Those threads.
    pub answering_threads: usize,
    /// Median time of a proof of the sample, in milliseconds.
    pub prove_ms: u64,
    /// Proofs of the sample in a minute.
    pub proofs_per_minute: u64,
    /// Free bytes on the disk of the miner's folder.
    pub disk_free_bytes: u64,
    /// Bytes per second that are written there and synced; `None` if it was not measured.
    pub disk_write_bytes_per_second: Option<u64>,
    /// `mains`, `battery` or `unknown`.
    pub power: String,
    /// What measures the energy that is consumed: `RAPL`, `INA3221`, `NVML`; empty if nothing does.
    pub energy: Vec<String>,
}

/// Measures everything, on a model and its inputs. The disk is that of a folder, which may not exist yet.
/// `begins` is told the name of each step.
///
/// # Errors
/// Returns an error if the model does not run, or the system does not say how much room the disk has.
pub fn everything(
    key: &ProverKey,
    inputs: &[Vec<i64>],
    folder: &Path,
    sources: &Sources,
    mut begins: impl FnMut(&'static str),
) -> Result<Measured, OperatorError> {
    let answering_threads = crate::Settings::default().threads.max(1);
    begins("inference");
    let macs_per_second = inference(key, inputs, answering_threads, INFERENCE_TIME)?;
    begins("proofs");
    let proof = proving(key, inputs, PROVING_TIME)?;
    begins("disk");
    let free = machine::free_bytes(folder);
    let disk_free_bytes = free.map_err(|source| OperatorError::Disk { folder: folder.to_owned(), source })?;
    let (proof_ms, memory) = (proof.as_millis(), machine::memory(sources));
    Ok(Measured {
        processor: meter::device(sources),
        processors: thread::available_parallelism().map_or(1, std::num::NonZero::get),
        memory_bytes: memory.map_or(0, |memory| memory.total),
        macs_per_second,
        answering_threads,
        prove_ms: u64::try_from(proof_ms).unwrap_or(u64::MAX).max(1),
        proofs_per_minute: per_minute(proof),
        disk_free_bytes,
        disk_write_bytes_per_second: disk_speed(folder, disk_free_bytes),
        power: machine::power(sources).name().to_owned(),
        energy: machine::energy_sources(sources),
    })
}

fn failed(error: impl std::fmt::Display) -> OperatorError {
    OperatorError::Unmeasured(error.to_string())
}

/// Multiply-accumulates per second on several threads, each with an engine of its own, as the threads
/// of a task have.
fn inference(
    key: &ProverKey,
    inputs: &[Vec<i64>],
    threads: usize,
    time: Duration,
) -> Result<u64, OperatorError> {
    let macs = work(key.graph(), key.circuit()).inference_macs;
    let (runs, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let answer = || {
        let engine = Engine::new(key.graph(), key.weights())?;
        // The first run touches memory that the others find warm.
        engine.run(inputs)?;
        while !over.load(Ordering::Relaxed) {
            engine.run(inputs)?;
            runs.fetch_add(1, Ordering::Relaxed);
        }
        Ok::<(), EngineError>(())
    };
    let begun = Instant::now();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(answer)).collect();
        thread::sleep(time);
        over.store(true, Ordering::Relaxed);
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(done) => done.map_err(failed),
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    let rate = runs.into_inner() as f64 * macs as f64 / begun.elapsed().as_secs_f64();
    Ok((rate as u64).max(1))
}

/// The median time of a proof.
fn proving(key: &ProverKey, inputs: &[Vec<i64>], time: Duration) -> Result<Duration, OperatorError> {
    let request = Request {
        inputs,
        context: b"cyborg miner init",
        input: Visibility::Committed,
        output: Visibility::Committed,
    };
    let begun = Instant::now();
    let mut times = Vec::new();
    while times.is_empty() || begun.elapsed() < time {
        let begun = Instant::now();
        zkml_prover::prove(key, &request).map_err(failed)?;
        times.push(begun.elapsed());
    }
    times.sort();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}

fn per_minute(proof: Duration) -> u64 {
    (60.0 / proof.as_secs_f64().max(1e-3)) as u64
}

/// Bytes per second that are written to a folder's disk; `None` if there is no room, or no folder.
fn disk_speed(folder: &Path, free_bytes: u64) -> Option<u64> {
    if free_bytes < DISK_ROOM {
        return None;
    }
    let there = folder.ancestors().find(|path| path.is_dir())?;
    let took = machine::write_and_sync(there, DISK_BYTES).ok()?;
    Some((DISK_BYTES as f64 / took.as_secs_f64().max(1e-6)) as u64)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use zkml_prover::keygen;
    use zkml_testkit::case::dense;

    use super::*;

    #[test]
    fn this_machine_is_measured() {
        let case = dense(&[64, 32, 10], 1).unwrap();
        let key = keygen(case.graph, case.weights, &mut |_| ()).unwrap().prover;
        let inputs = case.inputs;
        assert!(inference(&key, &inputs, 2, Duration::from_millis(50)).unwrap() > 1_000);
        let proof = proving(&key, &inputs, Duration::ZERO).unwrap();
        assert!(proof > Duration::ZERO && per_minute(proof) < 60_000);
        // An input that the model does not take is an error, in whichever thread.
        assert!(inference(&key, &[vec![]], 2, Duration::ZERO).is_err());
    }

    #[test]
    fn proofs_of_a_minute() {
        assert_eq!(per_minute(Duration::from_millis(150)), 400);
        assert_eq!(per_minute(Duration::from_secs(90)), 0);
        assert_eq!(per_minute(Duration::ZERO), 60_000);
    }

    #[test]
    fn a_disk_without_room_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(disk_speed(folder.path(), DISK_ROOM - 1), None);
        assert!(disk_speed(&folder.path().join("not/yet"), DISK_ROOM).unwrap() > 0);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
