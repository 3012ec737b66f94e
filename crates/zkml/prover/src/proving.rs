//! A proof of an inference.

use crate::commit::{commit_rows, weight_blinds};
use crate::error::ProveError;
use crate::key::{ProverKey, system_randomness};
use crate::opening::Opening;
use crate::party::{Prover, Witness};
use crate::trace::Trace;
use ark_ec::CurveGroup;
use zeroize::{Zeroize, Zeroizing};
use zkml_core::group::Generators;
use zkml_core::ipa::{self, Bases};
use zkml_core::msm::msm;
use zkml_core::random::Random;
use zkml_core::transcript::{HashTranscript, Transcript};
use zkml_core::{Affine, F};
use zkml_verifier::circuit::{Circuit, IO_CHUNK, Source};
use zkml_verifier::proof::{Body, Proof};
use zkml_verifier::protocol::{ClassRows, Reduced, run, weight_row_factors};
use zkml_verifier::statement::chunk_count;
use zkml_verifier::{PROTOCOL, Shown, Statement, Visibility, absorb_commitments};

/// What to prove.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// One array of integers for each graph input, row-major.
    pub inputs: &'a [Vec<i64>],
    /// What else the proof is about; the verifier must present the same bytes.
    pub context: &'a [u8],
    /// Whether the statement shows the inputs.
    pub input: Visibility,
    /// Whether the statement shows the outputs.
    pub output: Visibility,
}

/// A proof and what its maker learns.
pub struct Proved {
    /// The proof's bytes.
    pub proof: Vec<u8>,
    /// The graph's outputs.
    pub outputs: Vec<Vec<i64>>,
    /// Opens the statement's commitments; `None` where it has none.
    pub opening: Option<Opening>,
}

/// Blinds of rows that the proof does not bring.
pub(crate) struct Secrets {
    /// Of the weight rows.
    pub(crate) weight_blinds: Vec<F>,
    /// Of the chunks of each tensor of the statement; empty where it is public.
    pub(crate) statement_blinds: Vec<Vec<F>>,
}

impl Drop for Secrets {
    fn drop(&mut self) {
        self.weight_blinds.zeroize();
        self.statement_blinds.zeroize();
    }
}

/// Proves an inference.
///
/// # Errors
/// Where an input is out of range or the system gives no randomness.
pub fn prove(key: &ProverKey, request: &Request<'_>) -> Result<Proved, ProveError> {
    prove_live(key, request, &mut HashTranscript::new(PROTOCOL))
}

/// Proves an inference with challenges from a given transcript, fresh and of [`PROTOCOL`].
///
/// # Errors
/// As [`prove`], and where a live verifier has gone.
pub fn prove_live<T: Transcript + ?Sized>(
    key: &ProverKey,
    request: &Request<'_>,
    transcript: &mut T,
) -> Result<Proved, ProveError> {
    let execution = zkml_engine::execute(key.graph(), key.weights(), request.inputs)?;
    let trace = Trace::new(key.circuit(), key.graph(), execution);
    prove_trace(key, &trace, request, transcript)
}

/// Proves an inference whose committed inputs have the blinds of a given opening, so that the
/// statement has the [digest](Opening::input_digest) that was known before. Where the opening has
/// [outputs](Opening::with_outputs) too, and the request commits to them, so is theirs.
///
/// # Errors
/// As [`prove_live`], and where the opening is not one of these inputs for this key, or of the
/// outputs that follow from them.
pub fn prove_opened<T: Transcript + ?Sized>(
    key: &ProverKey,
    request: &Request<'_>,
    opening: &Opening,
    transcript: &mut T,
) -> Result<Proved, ProveError> {
    let mut blinds = opening.blinds_of(key, request)?;
    let execution = zkml_engine::execute(key.graph(), key.weights(), request.inputs)?;
    if request.output == Visibility::Committed
        && let Some(parts) = opening.outputs(key.graph())?
    {
        for (output, (id, (values, given))) in key.graph().outputs.iter().zip(parts).enumerate() {
            if execution.tensors[*id as usize] != values {
                return Err(ProveError::OpeningOutputs { output });
            }
            blinds.push(given);
        }
    }
    let trace = Trace::new(key.circuit(), key.graph(), execution);
    prove_given(key, &trace, request, &blinds, transcript)
}

/// Proves a trace, true or not: tests use it to lie.
///
/// # Errors
/// Where the system gives no randomness or a live verifier has gone.
#[doc(hidden)]
pub fn prove_trace<T: Transcript + ?Sized>(
    key: &ProverKey,
    trace: &Trace,
    request: &Request<'_>,
    transcript: &mut T,
) -> Result<Proved, ProveError> {
    prove_given(key, trace, request, &[], transcript)
}

/// Proves a trace; the first tensors of the statement have the given blinds.
fn prove_given<T: Transcript + ?Sized>(
    key: &ProverKey,
    trace: &Trace,
    request: &Request<'_>,
    given: &[&[F]],
    transcript: &mut T,
) -> Result<Proved, ProveError> {
    let (graph, circuit) = (key.graph(), key.circuit());
    let values: Vec<Vec<i64>> =
        circuit.statement.iter().map(|block| trace.read(&circuit.blocks[*block])).collect();
    let bytes: Zeroizing<Vec<u8>> =
        Zeroizing::new(values.iter().flatten().flat_map(|value| value.to_le_bytes()).collect());
    let entropy = system_randomness()?;
    // Whatever a challenge depends on: a stream drawn twice must not meet two challenges.
    let shows = [request.input, request.output].map(|shown| u8::from(shown == Visibility::Public));
    let chosen: Zeroizing<Vec<u8>> =
        Zeroizing::new(given.iter().copied().flatten().flat_map(zkml_core::field::encode).collect());
    let material: [&[u8]; 6] = [key.seed(), &key.digest(), &shows, request.context, &bytes, &chosen];
    let mut random = Random::new("cyborg proof v1", &entropy, &material);

    let visibility = |position: usize| {
        if position < graph.inputs.len() { request.input } else { request.output }
    };
    let mut statement_blinds = Vec::new();
    let mut shown = Vec::new();
    for (position, values) in values.iter().enumerate() {
        match visibility(position) {
            Visibility::Public => {
                statement_blinds.push(Vec::new());
                shown.push(Shown::Public(values.clone()));
            }
            Visibility::Committed => {
                let blinds = match given.get(position) {
                    Some(given) => given.to_vec(),
                    None => draw_blinds(values.len(), &mut random),
                };
                shown.push(Shown::Committed(commit_values(values, &blinds)));
                statement_blinds.push(blinds);
            }
        }
    }
    let statement = Statement { input: request.input, output: request.output, tensors: shown };
    statement.absorb(graph, &key.digest(), request.context, transcript);
    let mut secrets =
        Secrets { weight_blinds: weight_blinds(key.seed(), circuit.weights.rows), statement_blinds };
    let witness = Witness { circuit, trace, weights: &key.weights().0 };
    let body = prove_body(witness, graph.weight_bits, &statement.tensors, &secrets, &mut random, transcript)?;
    let outputs = values[graph.inputs.len()..].to_vec();
    let committed = secrets.statement_blinds.iter().any(|blinds| !blinds.is_empty());
    let opening = committed.then(|| Opening {
        key: key.digest(),
        tensors: values
            .into_iter()
            .zip(std::mem::take(&mut secrets.statement_blinds))
            .map(|(values, blinds)| (!blinds.is_empty()).then_some((values, blinds)))
            .collect(),
    });
    let proof = Proof { key: key.digest(), statement, body }.to_bytes(graph);
    Ok(Proved { proof, outputs, opening })
}

pub(crate) fn draw_blinds(len: usize, random: &mut Random) -> Vec<F> {
    (0..chunk_count(len)).map(|_| random.scalar()).collect()
}

/// The canonical commitment: chunks of raw integers, each with its blind.
#[must_use]
pub fn commit_values(values: &[i64], blinds: &[F]) -> Vec<Affine> {
    let generators = Generators::new(IO_CHUNK, 0);
    let chunks: Vec<&[i64]> = values.chunks(IO_CHUNK).collect();
    commit_rows(&generators, &chunks, blinds)
}

/// Commits, answers all stages, and proves the inner product that is left.
pub(crate) fn prove_body<T: Transcript + ?Sized>(
    witness: Witness<'_>,
    weight_bits: u8,
    statement: &[Shown],
    secrets: &Secrets,
    random: &mut Random,
    transcript: &mut T,
) -> Result<Body, ProveError> {
    let circuit = witness.circuit;
    let columns = circuit.columns();
    let generators = Generators::new(columns, circuit.hidden_count());
    let row = |row: &usize| &witness.trace.cells[row * columns..(row + 1) * columns];
    let rows: Vec<&[i64]> = circuit.rows.iter().map(row).collect();
    let blinds: Zeroizing<Vec<F>> = Zeroizing::new(rows.iter().map(|_| random.scalar()).collect());
    let commitments = commit_rows(&generators, &rows, &blinds);
    let pads: Vec<F> = (0..circuit.hidden_count()).map(|_| random.scalar()).collect();
    let pad_blind = random.scalar();
    let pad_commitment = (msm(&generators.pads, &pads) + generators.blind * pad_blind).into_affine();
    absorb_commitments(&commitments, &pad_commitment, transcript);

    let mut prover = Prover::new(witness, pads);
    let reduced = run(circuit, weight_bits, statement, &mut prover, transcript)?;
    let separation = reduced.separation;
    let blind = combined_blind(circuit, &reduced, &blinds, secrets) + separation * pad_blind;
    let mut vector = prover.combined_row(&reduced.multipliers);
    vector.extend(prover.pads().iter().map(|pad| separation * pad));
    let mut bases = generators.columns;
    bases.extend(generators.pads);
    let bases = Bases { generators: &bases, value: generators.value, blind: generators.blind };
    let inner = ipa::prove(transcript, &bases, vector, blind, reduced.coefficients, random)?;
    Ok(Body {
        rows: commitments,
        pads: pad_commitment,
        hidden: prover.wire().to_vec(),
        revealed: prover.revealed(),
        inner,
    })
}

/// The blind of the combination of all committed rows.
fn combined_blind(circuit: &Circuit, reduced: &Reduced, blinds: &[F], secrets: &Secrets) -> F {
    let from_key = circuit.blocks.iter().any(|block| block.source == Source::Key);
    let mut total = F::default();
    for (class, multiplier) in reduced.classes.iter().zip(&reduced.multipliers) {
        match &class.rows {
            ClassRows::Trace(factors) => {
                let mut sum: F =
                    circuit.rows.iter().zip(blinds).map(|(row, blind)| factors[*row] * blind).sum();
                if from_key {
                    sum += zkml_core::field::dot(factors, &secrets.weight_blinds);
                }
                total += *multiplier * sum;
            }
            ClassRows::Chunk { tensor, chunk } => {
                total += *multiplier * secrets.statement_blinds[*tensor][*chunk]
            }
            ClassRows::Packed(_) | ClassRows::Matrix { .. } => {}
        }
    }
    if !from_key {
        total += zkml_core::field::dot(&weight_row_factors(circuit, reduced), &secrets.weight_blinds);
    }
    total
}
