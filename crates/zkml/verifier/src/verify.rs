//! Verification: a proof's bytes to one group equation, and the equation checked.

use crate::circuit::{Circuit, Source};
use crate::equation::GroupEquation;
use crate::error::{VerifyError, hex};
use crate::key::VerifierKey;
use crate::proof::{Body, Proof};
use crate::protocol::{ClassRows, Party, Stage, run, weight_row_factors};
use crate::statement::{Shown, Statement};
use alloc::vec::Vec;
use ark_ff::Zero;
use zkml_core::group::compress;
use zkml_core::msm::{Msm, Native};
use zkml_core::transcript::{Aborted, HashTranscript, Transcript};
use zkml_core::{Affine, F, ipa, labels};

/// Name and version of the protocol, first in every transcript.
pub const PROTOCOL: &str = "cyborg inference proof v1";
const KEY_PROTOCOL: &str = "cyborg key proof v1";

/// Verifies a proof, from its bytes, for a key and a context.
///
/// # Errors
/// Where the bytes are no proof for this key, or the proof is false.
pub fn verify(key: &VerifierKey, proof: &[u8], context: &[u8]) -> Result<Statement, VerifyError> {
    verify_live(key, proof, context, &mut HashTranscript::new(PROTOCOL))
}

/// Verifies a proof whose challenges come from a given transcript, fresh and of [`PROTOCOL`].
///
/// # Errors
/// As [`verify`], and [`VerifyError::Aborted`] where the transcript's source is gone.
pub fn verify_live<T: Transcript + ?Sized>(
    key: &VerifierKey,
    proof: &[u8],
    context: &[u8],
    transcript: &mut T,
) -> Result<Statement, VerifyError> {
    let proof = decode(key, proof)?;
    let equation = equation(key, &proof, context, transcript)?;
    if equation.holds(&Native) { Ok(proof.statement) } else { Err(VerifyError::Equation) }
}

/// Verifies several proofs with one multi-scalar multiplication, by the given implementation;
/// the random factors come from a hash of all of them. Where the sum fails, each proof is
/// checked alone, so that the false ones are named.
#[must_use]
pub fn verify_all(
    proofs: &[(&VerifierKey, &[u8], &[u8])],
    msm: &impl Msm,
) -> Vec<Result<Statement, VerifyError>> {
    let mut hasher = blake3::Hasher::new_derive_key("cyborg batch v1");
    let mut results = Vec::new();
    let mut equations = Vec::new();
    for (key, bytes, context) in proofs {
        for part in [&key.digest()[..], bytes, context] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let reduced = decode(key, bytes).and_then(|proof| {
            let equation = equation(key, &proof, context, &mut HashTranscript::new(PROTOCOL))?;
            Ok((proof.statement, equation))
        });
        match reduced {
            Ok((statement, equation)) => {
                equations.push((results.len(), equation));
                results.push(Ok(statement));
            }
            Err(error) => results.push(Err(error)),
        }
    }
    let mut stream = hasher.finalize_xof();
    let mut sum = GroupEquation::default();
    for (_, equation) in &equations {
        let mut bytes = [0; 64];
        stream.fill(&mut bytes);
        sum.add(equation, zkml_core::field::from_uniform(&bytes));
    }
    if !equations.is_empty() && !sum.holds(msm) {
        // The sum of one is that one, times a factor that is not zero.
        let alone = equations.len() == 1;
        for (index, equation) in &equations {
            if alone || !equation.holds(msm) {
                results[*index] = Err(VerifyError::Equation);
            }
        }
    }
    results
}

fn decode(key: &VerifierKey, bytes: &[u8]) -> Result<Proof, VerifyError> {
    let named = Proof::key_of(bytes)?;
    if named != key.digest() {
        return Err(VerifyError::Key { expected: hex(&key.digest()), got: hex(&named) });
    }
    Ok(Proof::from_bytes(key.graph(), key.circuit(), bytes)?)
}

/// The group equation of a decoded proof.
///
/// # Errors
/// [`Aborted`] where a live verifier has gone.
pub fn equation<T: Transcript + ?Sized>(
    key: &VerifierKey,
    proof: &Proof,
    context: &[u8],
    transcript: &mut T,
) -> Result<GroupEquation, Aborted> {
    proof.statement.absorb(key.graph(), &key.digest(), context, transcript);
    let tensors = &proof.statement.tensors;
    reduce(key.circuit(), key.graph().weight_bits, tensors, &proof.body, key.rows(), transcript)
}

/// The transcript of a key's proof about itself.
#[must_use]
pub fn key_transcript(digest: &[u8; 32]) -> HashTranscript {
    let mut transcript = HashTranscript::new(KEY_PROTOCOL);
    transcript.absorb(labels::KEY, digest);
    transcript
}

/// Absorbs the commitments with which the prover's part begins.
pub fn absorb_commitments<T: Transcript + ?Sized>(rows: &[Affine], pads: &Affine, transcript: &mut T) {
    for row in rows {
        transcript.absorb(labels::TRACE, &compress(row));
    }
    transcript.absorb(labels::PADS, &compress(pads));
}

/// Reads hidden scalars from a proof.
struct Bytes<'a> {
    hidden: core::slice::Iter<'a, F>,
    revealed: [F; 2],
}

impl Party for Bytes<'_> {
    fn begin(&mut self, _: Stage<'_>) {}

    fn answer(&mut self, _: Option<&F>, out: &mut [F]) {
        for (out, scalar) in out.iter_mut().zip(&mut self.hidden) {
            *out = *scalar;
        }
    }

    fn private(&mut self) {}

    fn reveal(&mut self, _: &F) -> [F; 2] {
        self.revealed
    }
}

/// From a proof's body to its group equation; the transcript has absorbed the statement.
pub(crate) fn reduce<T: Transcript + ?Sized>(
    circuit: &Circuit,
    weight_bits: u8,
    statement: &[Shown],
    body: &Body,
    weight_rows: &[Affine],
    transcript: &mut T,
) -> Result<GroupEquation, Aborted> {
    absorb_commitments(&body.rows, &body.pads, transcript);
    let mut party = Bytes { hidden: body.hidden.iter(), revealed: body.revealed };
    let reduced = run(circuit, weight_bits, statement, &mut party, transcript)?;
    let argument = ipa::verify(transcript, &reduced.coefficients, reduced.value, &body.inner)?;
    let mut others = Vec::new();
    let mut add = |point: &Affine, scalar: F| {
        if !scalar.is_zero() {
            others.push((*point, scalar));
        }
    };
    let scale = argument.commitment;
    let from_key = circuit.blocks.iter().any(|block| block.source == Source::Key);
    for (class, multiplier) in reduced.classes.iter().zip(&reduced.multipliers) {
        match &class.rows {
            ClassRows::Trace(factors) => {
                for (point, row) in body.rows.iter().zip(&circuit.rows) {
                    add(point, scale * multiplier * factors[*row]);
                }
                if from_key {
                    for (point, factor) in weight_rows.iter().zip(factors) {
                        add(point, scale * multiplier * factor);
                    }
                }
            }
            ClassRows::Chunk { tensor, chunk } => {
                if let Some(Shown::Committed(points)) = statement.get(*tensor) {
                    add(&points[*chunk], scale * multiplier);
                }
            }
            ClassRows::Packed(_) | ClassRows::Matrix { .. } => {}
        }
    }
    if !from_key {
        for (point, factor) in weight_rows.iter().zip(weight_row_factors(circuit, &reduced)) {
            add(point, scale * factor);
        }
    }
    add(&body.pads, scale * reduced.separation);
    for ((left, right), (x, y)) in body.inner.rounds.iter().zip(&argument.rounds) {
        add(left, *x);
        add(right, *y);
    }
    add(&body.inner.last, argument.last);
    let (columns, pads) = argument.generators.split_at(circuit.columns().min(argument.generators.len()));
    Ok(GroupEquation {
        columns: columns.to_vec(),
        pads: pads.to_vec(),
        blind: argument.blind,
        value: argument.value,
        others,
    })
}
