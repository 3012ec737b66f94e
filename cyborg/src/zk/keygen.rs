//! `cyborg zk keygen`: a model's two keys.

use std::fs;
use std::time::Instant;

use super::arguments::Keygen;
use crate::error::Failure;
use crate::files::{self, Output, Secrecy};
use crate::model;
use crate::progress::Progress;
use crate::report::{CommandOutput, bytes, seconds};

/// Writes `prover.key` and `verifier.key`.
pub(super) fn run(arguments: &Keygen) -> Result<CommandOutput, Failure> {
    let (graph, weights) = model::load(&arguments.model)?;
    fs::create_dir_all(&arguments.out)
        .map_err(|source| Failure::io(&arguments.out, "cannot make the folder", source))?;
    let old = arguments.out.join("prover.key");
    if old.exists() && !arguments.force {
        let reason = "is there already; without it nothing can be proven for its verifier key: \
                      choose another folder, or --force to replace it";
        return Err(Failure::input(&old, reason));
    }
    let prover = Output::new(&arguments.out.join("prover.key"), Secrecy::Secret)?;
    let verifier = Output::new(&arguments.out.join("verifier.key"), Secrecy::Public)?;

    let progress = Progress::new("making keys");
    let start = Instant::now();
    let failed = |error| Failure::input(&arguments.model, error);
    let keys = zkml_prover::keygen(graph, weights, &mut |step| progress.step(step)).map_err(failed)?;
    let elapsed = start.elapsed().as_secs_f64();
    drop(progress);

    let prover_bytes = keys.prover.to_bytes().map_err(failed)?;
    let verifier_bytes = keys.verifier.to_bytes();
    files::write(&[(&prover, &prover_bytes), (&verifier, &verifier_bytes)])?;

    let mut report = CommandOutput::default();
    report.field("key", hex::encode(keys.verifier.digest()), "key", hex::encode(keys.verifier.digest()));
    for (name, output, size) in
        [("prover_key", &prover, prover_bytes.len()), ("verifier_key", &verifier, verifier_bytes.len())]
    {
        let path = output.path().display().to_string();
        let secret = if name == "prover_key" { ", secret" } else { "" };
        let shown = format!("{path} ({}{secret})", bytes(size as u64));
        report.field(name, path, &name.replace('_', " "), shown);
        report.json(&format!("{name}_bytes"), size);
    }
    report.field("seconds", elapsed, "time", seconds(elapsed));
    Ok(report)
}
