//! How fast this machine is: integer inference, proofs, the disk.
//!
//! Everything is measured as a miner uses it, on the model that comes with the program: inference on as
//! many threads as answer the requests of a task, one proof at a time on all of them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cyborg_miner::meter::{self, Sources};
use cyborg_miner::operator::machine;
use zkml_engine::{Engine, EngineError};
use zkml_prover::{ProverKey, Request, keygen};
use zkml_verifier::Visibility;
use zkml_verifier::cost::work;

use super::settings::Measured;
use crate::error::Failure;
use crate::progress::Progress;
use crate::report::{Report, bytes};
use crate::sample;

/// How long inference is measured.
const INFERENCE_TIME: Duration = Duration::from_secs(1);
/// How long proofs are measured, at least one of them.
const PROVING_TIME: Duration = Duration::from_secs(1);
/// So much is written to the disk.
const DISK_BYTES: usize = 64 << 20;
/// Room that the disk must have for that and some more.
const DISK_ROOM: u64 = 1 << 30;

/// Measures everything. The disk is that of a folder, which may not be there yet.
pub(super) fn everything(folder: &Path, sources: &Sources) -> Result<Measured, Failure> {
    let progress = Progress::new("measuring");
    progress.step("preparing the model");
    let compiled = sample::compile()?;
    let digit = sample::digit(&compiled, 0)?;
    let key = keygen(compiled.graph, compiled.weights, &mut |_| ()).map_err(failed)?.prover;
    let answering_threads = cyborg_miner::Settings::default().threads.max(1);
    progress.step("inference");
    let macs_per_second = inference(&key, &digit, answering_threads, INFERENCE_TIME)?;
    progress.step("proofs");
    let proof = proving(&key, &digit, PROVING_TIME)?;
    progress.step("disk");
    let free = machine::free_bytes(folder);
    let disk_free_bytes = free.map_err(|source| Failure::io(folder, "cannot ask for free space", source))?;
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

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Miner(format!("this machine cannot be measured: {error}"))
}

/// Multiply-accumulates of a second on several threads, each with an engine of its own, as the threads
/// of a task have.
fn inference(key: &ProverKey, inputs: &[Vec<i64>], threads: usize, time: Duration) -> Result<u64, Failure> {
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
fn proving(key: &ProverKey, inputs: &[Vec<i64>], time: Duration) -> Result<Duration, Failure> {
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

/// Bytes of a second that are written to a folder's disk; `None` where there is no room, or no folder.
fn disk_speed(folder: &Path, free_bytes: u64) -> Option<u64> {
    if free_bytes < DISK_ROOM {
        return None;
    }
    let there = folder.ancestors().find(|path| path.is_dir())?;
    let took = machine::write_and_sync(there, DISK_BYTES).ok()?;
    Some((DISK_BYTES as f64 / took.as_secs_f64().max(1e-6)) as u64)
}

/// Shows what was measured.
pub(super) fn show(report: &mut Report, measured: &Measured) {
    let Measured { processor, processors, memory_bytes, macs_per_second, answering_threads, .. } = measured;
    report.field("processor", processor.as_str(), "processor", format!("{processor}, {processors} threads"));
    report.json("processors", *processors);
    report.field("memory_bytes", *memory_bytes, "memory", bytes(*memory_bytes));
    let rate = *macs_per_second as f64 / 1e9;
    let shown = format!("{rate:.2} GMAC/s on {answering_threads} threads");
    report.field("macs_per_second", *macs_per_second, "integer inference", shown);
    report.json("answering_threads", *answering_threads);
    let shown =
        format!("{} ms each, {} a minute (digits_cnn)", measured.prove_ms, measured.proofs_per_minute);
    report.field("prove_ms", measured.prove_ms, "proofs", shown);
    report.json("proofs_per_minute", measured.proofs_per_minute);
    let speed = match measured.disk_write_bytes_per_second {
        Some(speed) => format!("{}/s written", bytes(speed)),
        None => "speed not measured".to_owned(),
    };
    let shown = format!("{} free, {speed}", bytes(measured.disk_free_bytes));
    report.field("disk_free_bytes", measured.disk_free_bytes, "disk", shown);
    report.json("disk_write_bytes_per_second", measured.disk_write_bytes_per_second);
    let shown = format!("{}, {}", measured.power, machine::energy_shown(&measured.energy));
    report.field("power", measured.power.as_str(), "power", shown);
    report.json("energy", measured.energy.clone());
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn this_machine_is_measured() {
        let compiled = sample::compile().unwrap();
        let digit = sample::digit(&compiled, 0).unwrap();
        let key = keygen(compiled.graph, compiled.weights, &mut |_| ()).unwrap().prover;
        assert!(inference(&key, &digit, 2, Duration::from_millis(50)).unwrap() > 1_000);
        let proof = proving(&key, &digit, Duration::ZERO).unwrap();
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
