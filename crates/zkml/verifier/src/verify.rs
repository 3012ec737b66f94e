//! Verification: a proof's bytes to one group equation, and the equation checked.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::equation::GroupEquation;
use crate::error::{VerifyError, hex};
use crate::key::VerifierKey;
use crate::proof::Proof;
use crate::protocol::ProtocolError;
use crate::reduce::reduce;
use crate::statement::Statement;
use alloc::vec::Vec;
use zkml_core::msm::{Msm, Native};
use zkml_core::transcript::{HashTranscript, Transcript};

/// Name and version of the protocol, first in every transcript.
pub const PROTOCOL: &str = "cyborg inference proof v2";

/// Verifies a proof, from its bytes, for a key and a context.
///
/// # Errors
/// Returns an error if the bytes are not a proof for this key, or the proof is false.
pub fn verify(key: &VerifierKey, proof: &[u8], context: &[u8]) -> Result<Statement, VerifyError> {
    verify_live(key, proof, context, &mut HashTranscript::new(PROTOCOL))
}

/// Verifies a proof whose challenges come from a given transcript, fresh and of [`PROTOCOL`].
///
/// # Errors
/// Returns the errors of [`verify`], and [`VerifyError::Aborted`] if the transcript's source is gone.
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
#[expect(clippy::indexing_slicing, reason = "an equation's number is that of a result pushed before")]
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
/// Returns an error if a live verifier has gone, or the proof has another shape than the key's.
pub fn equation<T: Transcript + ?Sized>(
    key: &VerifierKey,
    proof: &Proof,
    context: &[u8],
    transcript: &mut T,
) -> Result<GroupEquation, ProtocolError> {
    proof.statement.absorb(key.graph(), &key.digest(), context, transcript)?;
    let tensors = &proof.statement.tensors;
    reduce(key.circuit(), key.graph().weight_bits, tensors, &proof.body, key.rows(), transcript)
}
