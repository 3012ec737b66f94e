//! `cyborg zk inspect`: what a key, a proof or an opening contains. Nothing is verified here.

use std::path::Path;

use serde_json::json;
use zeroize::Zeroizing;
use zkml_graph::Graph;
use zkml_prover::ProverKey;
use zkml_samples::Ports;
use zkml_verifier::circuit::Circuit;
use zkml_verifier::proof::Body;
use zkml_verifier::soundness::{self, StepError};
use zkml_verifier::{Opening, Proof, VerifierKey, Visibility};

use super::arguments::InspectZk;
use super::verify::visibility_name;
use super::{MAX_KEY_BYTES, verifier_key};
use crate::error::Failure;
use crate::files;
use crate::model::{describe_graph, shown};
use crate::report::{CommandOutput, bytes};

/// The kinds of files, by their first bytes.
const KINDS: &[(&[u8], Kind)] = &[
    (b"CYBvky", Kind::VerifierKey),
    (b"CYBpky", Kind::ProverKey),
    (b"CYBprf", Kind::Proof),
    (b"CYBopn", Kind::Opening),
];

#[derive(Clone, Copy, Debug)]
enum Kind {
    VerifierKey,
    ProverKey,
    Proof,
    Opening,
}

/// Describes a file.
pub(super) fn run(arguments: &InspectZk) -> Result<CommandOutput, Failure> {
    let path = &arguments.file;
    let content = Zeroizing::new(files::read(path, MAX_KEY_BYTES)?);
    let kind = KINDS.iter().find(|(magic, _)| content.starts_with(magic)).map(|(_, kind)| *kind);
    let unreadable = |error: &dyn std::fmt::Display| Failure::input(path, error);
    let mut report = CommandOutput::default();
    match kind {
        None => return Err(unreadable(&"neither a key nor a proof nor an opening")),
        Some(Kind::VerifierKey) => {
            let key = VerifierKey::from_bytes(&content).map_err(|error| unreadable(&error))?;
            report.field("kind", "verifier key", "kind", "verifier's key");
            describe_key(&mut report, key.graph(), key.circuit(), &key.digest());
        }
        Some(Kind::ProverKey) => {
            let key = ProverKey::from_bytes(&content).map_err(|error| unreadable(&error))?;
            report.field("kind", "prover key", "kind", "prover's key, secret");
            describe_key(&mut report, key.graph(), key.circuit(), &key.digest());
        }
        Some(Kind::Proof) => {
            report.field("kind", "proof", "kind", "proof");
            describe_proof(&mut report, path, &content, arguments.key.as_deref())?;
        }
        Some(Kind::Opening) => {
            let opening = Opening::from_bytes(&content).map_err(|error| unreadable(&error))?;
            report.field("kind", "opening", "kind", "opening of a proof's commitments, secret");
            describe_opening(&mut report, &opening);
        }
    }
    report.field("bytes", content.len(), "size", bytes(content.len() as u64));
    Ok(report)
}

fn describe_key(report: &mut CommandOutput, graph: &Graph, circuit: &Circuit, digest: &[u8; 32]) {
    report.field("key", hex::encode(digest), "key", hex::encode(digest));
    describe_graph(report, graph);
    let lookups = circuit.lookups.len();
    let shown = format!("2^{} cells, {} committed rows", circuit.trace_log, circuit.rows.len());
    report.json("trace_log", circuit.trace_log).json("trace_rows", circuit.rows.len());
    report.line(format!("{:<24} {shown}", "trace"));
    report.field("lookups", lookups, "lookups", format!("{lookups} into {} tables", circuit.tables.len()));
    let size = Body::size(circuit);
    report.field("proof_body_bytes", size, "proof", format!("{} and its statement", bytes(size as u64)));
    describe_soundness(report, circuit);
}

/// The chance that a false proof is accepted, in bits, and what it is made of.
fn describe_soundness(report: &mut CommandOutput, circuit: &Circuit) {
    let total = soundness::bits(circuit);
    let step = |step: &StepError| {
        json!({
            "step": step.step,
            "over_field": step.over_field.to_string(),
            "over_short": step.over_short.to_string(),
        })
    };
    report.json("soundness_steps", soundness::steps(circuit).iter().map(step).collect::<Vec<_>>());
    let shown = format!("{total} bits: an attempt at a false proof passes once in 2^{total}");
    report.field("soundness_bits", total, "soundness", shown);
}

fn describe_proof(
    report: &mut CommandOutput,
    path: &Path,
    content: &[u8],
    key: Option<&Path>,
) -> Result<(), Failure> {
    let unreadable = |error| Failure::input(path, error);
    let digest = Proof::key_of(content).map_err(unreadable)?;
    report.field("key", hex::encode(digest), "key", hex::encode(digest));
    let Some(key_path) = key else {
        let [input, output] = Proof::visibility_of(content).map_err(unreadable)?;
        describe_visibility(report, input, output);
        report.line("                         (name the verifier's key with --key to see more)");
        return Ok(());
    };
    let key = verifier_key(key_path)?;
    if key.digest() != digest {
        return Err(Failure::is_false(path, format_args!("for another key than {}", key_path.display())));
    }
    let proof = Proof::from_bytes(key.graph(), key.circuit(), content).map_err(unreadable)?;
    describe_visibility(report, proof.statement.input, proof.statement.output);
    describe_soundness(report, key.circuit());
    let (inputs, outputs) = proof.statement.public(key.graph());
    for (name, ports, values) in
        [("inputs", Ports::inputs(key.graph()), inputs), ("outputs", Ports::outputs(key.graph()), outputs)]
    {
        if let Some(values) = values {
            let (lines, list) = shown(&ports, &values);
            report.json(name, list);
            lines.into_iter().for_each(|line| {
                report.line(line);
            });
        }
    }
    Ok(())
}

fn describe_visibility(report: &mut CommandOutput, input: Visibility, output: Visibility) {
    for (key, label, visibility) in
        [("input_visibility", "input", input), ("output_visibility", "output", output)]
    {
        report.field(key, visibility_name(visibility), label, visibility_name(visibility));
    }
}

/// How many elements an opening opens; the values stay unsaid.
fn describe_opening(report: &mut CommandOutput, opening: &Opening) {
    report.field("key", hex::encode(opening.key), "key", hex::encode(opening.key));
    let opened: Vec<usize> = opening.tensors.iter().flatten().map(|(values, _)| values.len()).collect();
    let elements: usize = opened.iter().sum();
    let shown = format!("{elements} elements of {} inputs and outputs", opened.len());
    report.field("elements", elements, "opens", shown);
}
