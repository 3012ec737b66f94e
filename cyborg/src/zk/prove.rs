//! `cyborg zk prove`: one inference, proven.

use std::path::{Path, PathBuf};
use std::time::Instant;

use zeroize::Zeroizing;
use zkml_prover::{ProveError, Proved, ProverKey, Request, prove_live};
use zkml_samples::Ports;
use zkml_verifier::{Opening, Visibility};

use super::MAX_KEY_BYTES;
use super::arguments::Prove;
use crate::error::Failure;
use crate::files::{self, Output, Secrecy};
use crate::model::{Input, shown};
use crate::progress::Progress;
use crate::report::{CommandOutput, bytes, seconds};

/// The file of the opening: the one that the user names, or one beside the proof. A live proof has no file, so
/// that its opening is kept only if a file is named.
fn opening_path(arguments: &Prove) -> Result<Option<PathBuf>, Failure> {
    if arguments.public_input && arguments.public_output {
        return match arguments.opening_out {
            None => Ok(None),
            Some(_) => {
                let problem = "input and output are public, so there is nothing to open".to_owned();
                Err(Failure::Usage { flag: "--opening-out", problem })
            }
        };
    }
    let path = match (&arguments.opening_out, &arguments.out) {
        (Some(path), _) => Some(path.clone()),
        // `a.proof` and `a.opening`; any other name is kept whole, so that two proofs never share one.
        (None, Some(proof)) if proof.extension().is_some_and(|name| name == "proof") => {
            Some(proof.with_extension("opening"))
        }
        (None, Some(proof)) => {
            let mut name = proof.clone().into_os_string();
            name.push(".opening");
            Some(name.into())
        }
        (None, None) => None,
    };
    Ok(path)
}

/// Proves, and writes the proof and, if something is committed, its opening.
pub(super) fn run(arguments: &Prove) -> Result<CommandOutput, Failure> {
    let opening_path = opening_path(arguments)?;
    let read: [&Path; 2] = [&arguments.key, &arguments.sample.input];
    let proof_out = arguments
        .out
        .as_deref()
        .map(|path| Output::new(path, Secrecy::Public)?.apart_from(&read))
        .transpose()?;
    let opening_out = opening_path
        .as_deref()
        .map(|path| Output::new(path, Secrecy::Secret)?.apart_from(&read))
        .transpose()?;
    if opening_path.is_some() && opening_path == arguments.out {
        let problem = "the proof and its opening need different names".to_owned();
        return Err(Failure::Usage { flag: "--out", problem });
    }

    let key_bytes = Zeroizing::new(files::read(&arguments.key, MAX_KEY_BYTES)?);
    let key = ProverKey::from_bytes(&key_bytes).map_err(|error| Failure::input(&arguments.key, error))?;
    drop(key_bytes);
    let input = Input::read(&Ports::inputs(key.graph()), &arguments.sample)?;
    let visibility = |public| {
        if public { Visibility::Public } else { Visibility::Committed }
    };
    let request = Request {
        inputs: &input.integers,
        context: &arguments.context.0,
        input: visibility(arguments.public_input),
        output: visibility(arguments.public_output),
    };
    let failed = |error| Failure::input(&arguments.key, error);
    let progress = Progress::new("proving");
    progress.step("");
    let start = Instant::now();
    let proved = match &arguments.connect {
        None => zkml_prover::prove(&key, &request).map_err(failed)?,
        Some(address) => prove_to(address, arguments, &key, &request)?,
    };
    let elapsed = start.elapsed().as_secs_f64();
    drop(progress);

    let opening_bytes = proved.opening.as_ref().map(Opening::to_bytes);
    let mut outputs: Vec<(&Output, &[u8])> = Vec::new();
    if let Some(out) = &proof_out {
        outputs.push((out, &proved.proof));
    }
    if let (Some(out), Some(bytes)) = (&opening_out, &opening_bytes) {
        outputs.push((out, bytes));
    }
    files::write(&outputs)?;

    let ports = Ports::outputs(key.graph());
    let (lines, values) = shown(&ports, &proved.outputs);
    let mut report = CommandOutput::default();
    report.field("key", hex::encode(key.digest()), "key", hex::encode(key.digest()));
    lines.into_iter().for_each(|line| {
        report.line(line);
    });
    report.json("outputs", values);
    input.describe(&mut report);
    let size = proved.proof.len();
    report.json("proof_bytes", size);
    if let Some(out) = &proof_out {
        let path = out.path().display().to_string();
        report.field("proof", path.clone(), "proof", format!("{path} ({})", bytes(size as u64)));
    }
    if let Some(address) = &arguments.connect {
        let shown = format!("accepted by {address} ({})", bytes(size as u64));
        report.field("accepted_by", address.as_str(), "proof", shown);
    }
    if let Some(out) = &opening_out {
        let path = out.path().display().to_string();
        report.field("opening", path.clone(), "opening", format!("{path} (secret)"));
    }
    report.field("seconds", elapsed, "time", seconds(elapsed));
    Ok(report)
}

/// Proves to a live verifier and waits for the outcome.
fn prove_to(
    address: &str,
    arguments: &Prove,
    key: &ProverKey,
    request: &Request<'_>,
) -> Result<Proved, Failure> {
    let session_failed = |error| Failure::Input { file: address.to_owned(), problem: format!("{error}") };
    let session = zkml_live::tcp::connect(address, &key.digest(), arguments.patience.duration())
        .map_err(session_failed)?;
    let (outcome, proved) = session
        .run(|transcript| {
            let proved = prove_live(key, request, transcript)?;
            Ok((proved.proof.clone(), proved))
        })
        .map_err(session_failed)?
        .map_err(|error: ProveError| Failure::input(&arguments.key, error))?;
    if outcome.valid {
        return Ok(proved);
    }
    let problem = format!("the verifier says: {}", outcome.message);
    Err(Failure::False { file: address.to_owned(), problem })
}
