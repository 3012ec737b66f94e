//! The verifying key: the public graph, commitments to the weights, and a proof that the
//! committed weights are what the graph says they are.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::circuit::Circuit;
use crate::equation::GroupEquation;
use crate::error::{FormatError, ProtocolError, VerifyError};
use crate::proof::Body;
use crate::reduce::{key_transcript, reduce};
use crate::wire::{Reader, header, put_run};
use alloc::vec::Vec;
use zkml_core::Affine;
use zkml_core::group::to_raw;
use zkml_core::msm::{Msm, Native};
use zkml_core::transcript::Transcript;
use zkml_graph::{Graph, codec};

const MAGIC: &[u8; 6] = b"CYBvky";
const VERSION: u16 = 1;
const DIGEST_DOMAIN: &str = "cyborg verifying key v1";

/// A verifying key whose graph is valid and provable, and whose points are in the group.
#[derive(Clone, Debug)]
pub struct VerifierKey {
    graph: Graph,
    circuit: Circuit,
    rows: Vec<Affine>,
    digest: [u8; 32],
    proof: Body,
    len: usize,
}

/// The digest of a key: a hash of graph and weight commitments. The key's own proof is not part
/// of it, since it adds no information.
#[must_use]
pub fn key_digest(graph: &Graph, rows: &[Affine]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(DIGEST_DOMAIN);
    let graph = codec::encode_graph(graph);
    hasher.update(&(graph.len() as u64).to_le_bytes());
    hasher.update(&graph);
    for row in rows {
        hasher.update(&to_raw(row));
    }
    *hasher.finalize().as_bytes()
}

impl VerifierKey {
    /// Puts a key together; used by the prover's key generation.
    #[must_use]
    pub fn new(graph: Graph, circuit: Circuit, rows: Vec<Affine>, proof: Body) -> Self {
        let digest = key_digest(&graph, &rows);
        let mut key = Self { graph, circuit, rows, digest, proof, len: 0 };
        key.len = key.to_bytes().len();
        key
    }

    /// Reads a key and checks everything but its own proof.
    ///
    /// # Errors
    /// Returns an error if the bytes are not a key of a valid, provable graph.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, "verifying key", MAGIC, VERSION)?;
        let graph_bytes = reader.run("graph")?;
        let graph = codec::decode_graph(graph_bytes)?;
        let circuit = Circuit::new(&graph)?;
        let row_bytes = reader.take("weight commitment", circuit.weights.rows.saturating_mul(64))?;
        let rows = Reader::over(row_bytes).raw_points("weight commitment", circuit.weights.rows)?;
        let proof = Body::read(&Circuit::for_key(&circuit, graph.weight_bits), &mut reader)?;
        reader.finish()?;
        let mut hasher = blake3::Hasher::new_derive_key(DIGEST_DOMAIN);
        hasher.update(&(graph_bytes.len() as u64).to_le_bytes());
        hasher.update(graph_bytes);
        hasher.update(row_bytes);
        let digest = *hasher.finalize().as_bytes();
        Ok(Self { graph, circuit, rows, digest, proof, len: bytes.len() })
    }

    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = header(MAGIC, VERSION);
        put_run(&mut out, &codec::encode_graph(&self.graph));
        out.extend(self.rows.iter().flat_map(to_raw));
        self.proof.write(&mut out);
        out
    }

    /// Verifies the key's proof about itself: that its maker knows weights behind the
    /// commitments, all within their width, with zero padding.
    ///
    /// # Errors
    /// Returns [`VerifyError::Equation`] if the proof is false.
    pub fn check(&self) -> Result<(), VerifyError> {
        self.check_with(&Native)
    }

    /// [`check`](Self::check) by a given multi-scalar multiplication.
    ///
    /// # Errors
    /// Returns the errors of [`check`](Self::check).
    pub fn check_with(&self, msm: &impl Msm) -> Result<(), VerifyError> {
        let equation = self.equation(&mut key_transcript(&self.digest))?;
        if equation.holds(msm) { Ok(()) } else { Err(VerifyError::Equation) }
    }

    /// The group equation of the key's proof about itself, with challenges from a given transcript,
    /// fresh and of [`key_transcript`].
    ///
    /// # Errors
    /// Returns an error if the transcript's source is gone, or if the proof is not of this key's shape.
    pub fn equation<T: Transcript + ?Sized>(
        &self,
        transcript: &mut T,
    ) -> Result<GroupEquation, ProtocolError> {
        let circuit = Circuit::for_key(&self.circuit, self.graph.weight_bits);
        reduce(&circuit, self.graph.weight_bits, &[], &self.proof, &self.rows, transcript)
    }

    /// Number of its bytes.
    pub(crate) fn byte_count(&self) -> usize {
        self.len
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

    /// Commitments to the weight rows.
    pub fn rows(&self) -> &[Affine] {
        &self.rows
    }

    /// Names the key: a hash of graph and weight commitments.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The key's proof about itself.
    #[must_use]
    pub fn proof(&self) -> &Body {
        &self.proof
    }
}
