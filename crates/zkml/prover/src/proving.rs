//! A proof of an inference.

use crate::body::{Secrets, prove_body};
use crate::commit::{occasion, system_randomness, weight_blinds};
use crate::error::ProveError;
use crate::key::ProverKey;
use crate::party::Witness;
use crate::trace::Trace;
use zeroize::Zeroizing;
use zkml_core::F;
use zkml_core::random::Random;
use zkml_core::transcript::{HashTranscript, Transcript};
use zkml_core::zip::zip_eq;
use zkml_verifier::opening::{commit_values, draw_blinds};
use zkml_verifier::{Opening, OpeningError, PROTOCOL, Proof, Shown, Statement, Visibility};

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
    /// Opens the statement's commitments; `None` if it has none.
    pub opening: Option<Opening>,
}

/// Proves an inference.
///
/// # Errors
/// Returns an error if an input is out of range, or the system gives no randomness.
pub fn prove(key: &ProverKey, request: &Request<'_>) -> Result<Proved, ProveError> {
    prove_live(key, request, &mut HashTranscript::new(PROTOCOL))
}

/// Proves an inference with challenges from a given transcript, fresh and of [`PROTOCOL`].
///
/// # Errors
/// Returns the errors of [`prove`], and an error if a live verifier has gone.
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
/// Returns the errors of [`prove_live`], and an error if the opening is not one of these inputs for
/// this key, or of the outputs that follow from them.
pub fn prove_opened<T: Transcript + ?Sized>(
    key: &ProverKey,
    request: &Request<'_>,
    opening: &Opening,
    transcript: &mut T,
) -> Result<Proved, ProveError> {
    if request.input == Visibility::Public {
        return Err(OpeningError::OfPublic.into());
    }
    let mut blinds = opening.blinds_of(&key.digest(), key.graph(), request.inputs)?;
    let execution = zkml_engine::execute(key.graph(), key.weights(), request.inputs)?;
    if request.output == Visibility::Committed
        && let Some(parts) = opening.outputs(key.graph())?
    {
        for (output, (id, (values, given))) in zip_eq(&key.graph().outputs, parts)?.enumerate() {
            if execution.tensors[*id as usize] != values {
                return Err(OpeningError::Outputs { output }.into());
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
/// Returns an error if the system gives no randomness, or a live verifier has gone.
#[doc(hidden)]
pub fn prove_trace<T: Transcript + ?Sized>(
    key: &ProverKey,
    trace: &Trace,
    request: &Request<'_>,
    transcript: &mut T,
) -> Result<Proved, ProveError> {
    prove_given(key, trace, request, &[], transcript)
}

/// A proof's randomness, from whatever a challenge depends on: a stream drawn twice must not meet two
/// challenges. Secrets are the values and the blinds that were given; `session` is what the transcript has
/// seen, a live verifier's first nonce among it, and the occasion.
fn hedged(
    entropy: &[u8; 32],
    key: &ProverKey,
    request: &Request<'_>,
    [values, blinds]: [&[u8]; 2],
    session: (&[u8; 32], &[u8; 24]),
) -> Random {
    let shows = [request.input, request.output].map(|shown| u8::from(shown == Visibility::Public));
    let digest = key.digest();
    let material: [&[u8]; 8] =
        [key.seed(), &digest, &shows, request.context, values, blinds, session.0, session.1];
    Random::new("cyborg proof v2", entropy, &material)
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
    let chosen: Zeroizing<Vec<u8>> =
        Zeroizing::new(given.iter().copied().flatten().flat_map(zkml_core::field::encode).collect());
    let entropy = system_randomness()?;
    let mut random = hedged(&entropy, key, request, [&bytes, &chosen], (&transcript.seen(), &occasion()));

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
                shown.push(Shown::Committed(commit_values(values, &blinds)?));
                statement_blinds.push(blinds);
            }
        }
    }
    let statement = Statement { input: request.input, output: request.output, tensors: shown };
    statement.absorb(graph, &key.digest(), request.context, transcript)?;
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
    let proof = Proof { key: key.digest(), statement, body }.to_bytes(graph)?;
    Ok(Proved { proof, outputs, opening })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keygen;
    use zkml_graph::{Epilogue, Graph, Node, Op, Source, Tensor, Term, Weights};

    fn copy() -> Graph {
        let tensor = |name: &str| Tensor { name: name.into(), shape: vec![4], min: 0, max: 9, scale: 0 };
        let source = Source::Reshape { tensor: 0, multiplier: 1 };
        let terms = vec![Term { region: vec![(0, 4)], source }];
        let op = Op::Affine { terms, epilogue: Epilogue::Exact };
        Graph {
            name: "copy".into(),
            weight_bits: 8,
            tensors: vec![tensor("x"), tensor("y")],
            params: Vec::new(),
            nodes: vec![Node { name: "copy".into(), op, output: 1 }],
            inputs: vec![0],
            outputs: vec![1],
        }
    }

    /// A generator that gives the same bytes again: two proofs of one request still share no blind if the
    /// verifier greets with another nonce, or if it is another occasion.
    #[test]
    fn a_broken_generator_repeats_no_stream() -> Result<(), ProveError> {
        let keys = keygen(copy(), Weights::default(), &mut |_| ())?;
        let shown = Visibility::Committed;
        let inputs = [vec![1, 2, 3, 4]];
        let request = Request { inputs: &inputs, context: b"", input: shown, output: shown };
        let first = |seen: [u8; 32], occasion: [u8; 24]| {
            hedged(&[0; 32], &keys.prover, &request, [b"values", b""], (&seen, &occasion)).scalar()
        };
        let one = first([1; 32], [1; 24]);
        assert_eq!(one, first([1; 32], [1; 24]));
        assert_ne!(one, first([2; 32], [1; 24]));
        assert_ne!(one, first([1; 32], [2; 24]));
        assert_ne!(occasion(), occasion());
        Ok(())
    }
}
