//! Key generation and the secret key.

use crate::body::{Secrets, prove_body};
use crate::commit::{system_randomness, weight_blinds};
use crate::error::ProveError;
use crate::party::Witness;
use crate::trace::Trace;
use zeroize::{Zeroize, Zeroizing};
use zkml_core::commit::commit_rows;
use zkml_core::group::Generators;
use zkml_core::random::Random;
use zkml_core::zip::Unequal;
use zkml_graph::{Graph, Weights, codec, validate};
use zkml_verifier::circuit::Circuit;
use zkml_verifier::key::key_digest;
use zkml_verifier::wire::{Reader, header};
use zkml_verifier::{VerifierKey, key_transcript};

const MAGIC: &[u8; 6] = b"CYBpky";
const VERSION: u16 = 1;

/// Both keys of a model.
pub struct Keys {
    /// Stays with the prover.
    pub prover: ProverKey,
    /// Goes to everybody.
    pub verifier: VerifierKey,
}

/// The secret key: the model with its weights, and the seed of the weight commitments' blinds.
pub struct ProverKey {
    graph: Graph,
    circuit: Circuit,
    weights: Weights,
    seed: [u8; 32],
    digest: [u8; 32],
}

impl Drop for ProverKey {
    fn drop(&mut self) {
        self.seed.zeroize();
        self.weights.0.iter_mut().for_each(Zeroize::zeroize);
    }
}

/// Makes the keys of a model. `progress` is called with the name of each step.
///
/// # Errors
/// Returns an error if the graph is invalid or cannot be proven, the weights do not fit it, or the
/// system gives no randomness.
pub fn keygen(graph: Graph, weights: Weights, progress: &mut dyn FnMut(&str)) -> Result<Keys, ProveError> {
    progress("checking the model");
    validate::validate(&graph)?;
    // The encoder checks the weights' shapes and widths.
    let encoded = Zeroizing::new(codec::encode_model(&graph, &weights)?);
    let circuit = Circuit::new(&graph)?;
    progress("committing to the weights");
    let mut seed = [0; 32];
    let mut random = Random::new("cyborg key seed v1", &*system_randomness()?, &[&encoded]);
    random.fill(&mut seed);
    keygen_unchecked(graph, circuit, weights, seed, progress)
}

/// [`keygen`] without the checks: tests use it to make keys that lie.
///
/// # Errors
/// Returns an error if the system gives no randomness.
#[doc(hidden)]
pub fn keygen_unchecked(
    graph: Graph,
    circuit: Circuit,
    weights: Weights,
    seed: [u8; 32],
    progress: &mut dyn FnMut(&str),
) -> Result<Keys, ProveError> {
    let layout = &circuit.weights;
    let columns = circuit.columns();
    let rows = (0..layout.rows).map(|row| weight_row(&circuit, &weights, row, columns));
    let rows: Vec<Vec<i64>> = rows.collect::<Result<_, _>>()?;
    let generators = Generators::new(columns, 0);
    let slices: Vec<&[i64]> = rows.iter().map(Vec::as_slice).collect();
    let blinds = weight_blinds(&seed, layout.rows);
    let commitments = commit_rows(&generators, &slices, &blinds)?;
    drop(slices);

    progress("proving the key");
    let digest = key_digest(&graph, &commitments);
    let key_circuit = Circuit::for_key(&circuit, graph.weight_bits);
    let trace = Trace::of_key(&key_circuit, rows.into_iter());
    let witness = Witness { circuit: &key_circuit, trace: &trace, weights: &[] };
    let secrets = Secrets { weight_blinds: blinds, statement_blinds: Vec::new() };
    let mut random = Random::new("cyborg key proof v1", &*system_randomness()?, &[&seed, &digest]);
    let mut transcript = key_transcript(&digest);
    let body = prove_body(witness, graph.weight_bits, &[], &secrets, &mut random, &mut transcript)?;
    let verifier = VerifierKey::new(graph.clone(), circuit.clone(), commitments, body);
    Ok(Keys { prover: ProverKey { graph, circuit, weights, seed, digest }, verifier })
}

fn weight_row(circuit: &Circuit, weights: &Weights, row: usize, columns: usize) -> Result<Vec<i64>, Unequal> {
    let mut cells = vec![0; columns];
    for (start, values) in circuit.weights.row(&weights.0, row)? {
        for (cell, value) in cells[start..].iter_mut().zip(values) {
            *cell = i64::from(*value);
        }
    }
    Ok(cells)
}

impl ProverKey {
    /// Reads a key.
    ///
    /// # Errors
    /// Returns an error if the bytes are not a prover key of a valid, provable graph.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProveError> {
        let mut reader = Reader::new(bytes, "prover key", MAGIC, VERSION)?;
        let digest = reader.array("verifying key digest")?;
        let seed = reader.array("seed")?;
        let (graph, weights) = codec::decode_model(reader.run("model")?)?;
        reader.finish()?;
        let circuit = Circuit::new(&graph)?;
        Ok(Self { graph, circuit, weights, seed, digest })
    }

    /// The bytes: secret.
    ///
    /// # Errors
    /// Returns no error for a key from [`keygen`] or [`ProverKey::from_bytes`].
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, ProveError> {
        let model = Zeroizing::new(codec::encode_model(&self.graph, &self.weights)?);
        let mut out = Zeroizing::new(Vec::with_capacity(model.len() + 128));
        out.extend(header(MAGIC, VERSION));
        out.extend(self.digest);
        out.extend(self.seed);
        zkml_verifier::wire::put_run(&mut out, &model);
        Ok(out)
    }

    /// The public graph.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The graph's circuit.
    #[must_use]
    pub fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// The weights: secret.
    #[must_use]
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Digest of the verifying key.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    pub(crate) fn seed(&self) -> &[u8; 32] {
        &self.seed
    }
}
