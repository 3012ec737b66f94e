//! How fast this machine is, measured on the model that comes with the program.

use std::path::Path;

use cyborg_miner::meter::Sources;
use cyborg_miner::operator::machine;
use cyborg_miner::operator::measure::{self, Measured};
use zkml_prover::keygen;

use crate::error::Failure;
use crate::progress::Progress;
use crate::report::{CommandOutput, bytes};
use crate::sample;

/// Measures everything. The disk is that of a folder, which may not exist yet.
pub(super) fn everything(folder: &Path, sources: &Sources) -> Result<Measured, Failure> {
    let progress = Progress::new("measuring");
    progress.step("preparing the model");
    let compiled = sample::compile()?;
    let digit = sample::digit(&compiled, 0)?;
    let key = keygen(compiled.graph, compiled.weights, &mut |_| ())
        .map_err(|error| Failure::Miner(format!("this machine cannot be measured: {error}")))?
        .prover;
    Ok(measure::everything(&key, &digit, folder, sources, |step| progress.step(step))?)
}

/// Shows what was measured.
pub(super) fn show(report: &mut CommandOutput, measured: &Measured) {
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
