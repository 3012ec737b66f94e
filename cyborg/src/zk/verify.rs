//! `cyborg zk verify` and `check-key`: from the verifier's key, without model or network.

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Instant;

use zkml_samples::Ports;
use zkml_verifier::cost::Cost;
use zkml_verifier::{Statement, VerifierKey, VerifyError, Visibility};

use super::arguments::{CheckKey, Verify};
use super::claims::Claims;
use super::{MAX_PROOF_BYTES, verifier_key};
use crate::error::Failure;
use crate::files;
use crate::model::shown;
use crate::report::{CommandOutput, bytes, printable, seconds};

/// Verifies a proof and what the user says it is about.
pub(super) fn run(arguments: &Verify) -> Result<CommandOutput, Failure> {
    let start = Instant::now();
    let key = verifier_key(&arguments.key)?;
    bearable(&key, arguments)?;
    let claims = Claims::read(arguments, key.graph())?;
    let mut report = CommandOutput::default();
    // The name under which failures are reported, and what verification said.
    let (source, outcome) = match (&arguments.proof, &arguments.listen) {
        (Some(path), _) => {
            let proof = files::read(path, MAX_PROOF_BYTES)?;
            (path.clone(), zkml_verifier::verify(&key, &proof, &arguments.context.0))
        }
        (None, Some(address)) => (PathBuf::from(address), listen(address, arguments, &key, &mut report)?),
        (None, None) => {
            let problem = "a proof or --listen is needed".to_owned();
            return Err(Failure::Usage { flag: "--proof", problem });
        }
    };
    let statement = outcome.map_err(|error| {
        if error.is_false_proof() && arguments.context.0.is_empty() {
            Failure::is_false(&source, format!("{error} (which is empty: no --context was named)"))
        } else if error.is_false_proof() {
            Failure::is_false(&source, error)
        } else {
            Failure::input(&source, error)
        }
    })?;
    let elapsed = start.elapsed().as_secs_f64();
    let opened = claims.check(arguments, &key, &statement)?;

    report.field("valid", true, "proof", "valid");
    report.field("key", hex::encode(key.digest()), "key", hex::encode(key.digest()));
    // A true proof for a key whose weights are out of range says little.
    report.json("key_checked", false);
    report.line(format!("{:<24} not here: cyborg zk check-key", "key checked"));
    report.field(
        "context",
        hex::encode(&arguments.context.0),
        "context",
        match hex::encode(&arguments.context.0) {
            text if text.is_empty() => "(empty)".to_owned(),
            text => text,
        },
    );
    for (key_name, label, ports, visibility, values) in [
        ("input", "input", Ports::inputs(key.graph()), statement.input, &opened.inputs),
        ("output", "output", Ports::outputs(key.graph()), statement.output, &opened.outputs),
    ] {
        let text = visibility_name(visibility);
        report.field(&format!("{key_name}_visibility"), text, label, text);
        if let Some(values) = values {
            let (lines, list) = shown(&ports, values);
            report.json(&format!("{key_name}s"), list);
            if key_name == "output" {
                lines.into_iter().for_each(|line| {
                    report.line(line);
                });
            }
        }
    }
    if !claims.checked().is_empty() {
        let names = claims.checked();
        let shown = names.join(", ");
        report.field("checked", names, "also checked", shown);
    }
    report.field("seconds", elapsed, "time", seconds(elapsed));
    Ok(report)
}

/// A key of a few kilobytes can demand hours and memory without end: its cost says so.
fn bearable(key: &VerifierKey, arguments: &Verify) -> Result<(), Failure> {
    /// A product in the scalar field, of which nearly all of a verification consists.
    const PRODUCT_S: f64 = 25e-9;
    let cost = key.cost();
    let time = cost.field_products as f64 * PRODUCT_S;
    if time <= arguments.max_cost && cost.memory_bytes <= Cost::ORDINARY_MEMORY {
        return Ok(());
    }
    let problem = format!(
        "verifying a proof of this key would take about {} and {}; --max-cost SECONDS allows more time, up to {}",
        seconds(time),
        bytes(cost.memory_bytes),
        bytes(Cost::ORDINARY_MEMORY)
    );
    Err(Failure::input(&arguments.key, problem))
}

/// Takes a proof from a live prover.
fn listen(
    address: &str,
    arguments: &Verify,
    key: &VerifierKey,
    report: &mut CommandOutput,
) -> Result<Result<Statement, VerifyError>, Failure> {
    let failed = |source| Failure::Io { file: address.to_owned(), action: "cannot listen", source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    // With port 0 the system chooses a port, which the caller must learn.
    eprintln!("listening on {}", listener.local_addr().map_err(failed)?);
    let session =
        zkml_live::tcp::serve(&listener, key, &arguments.context.0, arguments.patience.duration(), |error| {
            eprintln!("{}", printable(&format!("note: a session ended without a proof: {error}")));
        })
        .map_err(failed)?;
    let shown = format!("{} drawn live, {} of proof", session.challenges, bytes(session.proof_bytes as u64));
    report.field("challenges", session.challenges, "challenges", shown);
    report.json("proof_bytes", session.proof_bytes);
    Ok(session.verified)
}

/// A visibility in words.
pub(super) fn visibility_name(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "public",
        Visibility::Committed => "committed",
    }
}

/// Verifies the proof that a verifier's key brings about itself.
pub(super) fn check_key(arguments: &CheckKey) -> Result<CommandOutput, Failure> {
    let start = Instant::now();
    let key = verifier_key(&arguments.key)?;
    key.check().map_err(|error| Failure::is_false(&arguments.key, error))?;
    let elapsed = start.elapsed().as_secs_f64();
    let mut report = CommandOutput::default();
    report.field("valid", true, "key", "valid: weights in range, padding zero");
    report.field("key", hex::encode(key.digest()), "digest", hex::encode(key.digest()));
    report.field("seconds", elapsed, "time", seconds(elapsed));
    Ok(report)
}
