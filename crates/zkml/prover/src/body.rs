//! The part of a proof that does not depend on its form: commitments, hidden scalars, and the
//! argument for the inner product that is left. Proofs and the key's proof about itself share it.

use crate::error::ProveError;
use crate::party::{Prover, Witness};
use ark_ec::CurveGroup;
use zeroize::{Zeroize, Zeroizing};
use zkml_core::F;
use zkml_core::commit::commit_rows;
use zkml_core::group::Generators;
use zkml_core::ipa::{self, Bases};
use zkml_core::msm::msm;
use zkml_core::random::Random;
use zkml_core::transcript::Transcript;
use zkml_core::zip::equal;
use zkml_verifier::circuit::Circuit;
use zkml_verifier::proof::Body;
use zkml_verifier::protocol::{ProtocolError, Reduced, Row, run};
use zkml_verifier::{Shown, absorb_commitments};

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
    let commitments = commit_rows(&generators, &rows, &blinds)?;
    let pads: Vec<F> = (0..circuit.hidden_count()).map(|_| random.scalar()).collect();
    let pad_blind = random.scalar();
    let pad_commitment = (msm(&generators.pads, &pads) + generators.blind * pad_blind).into_affine();
    absorb_commitments(&commitments, &pad_commitment, transcript);

    let mut prover = Prover::new(witness, pads);
    let reduced = run(circuit, weight_bits, statement, &mut prover, transcript)?;
    equal(reduced.ledger.wire.len(), prover.pads().len())?;
    let separation = reduced.separation;
    let blind = combined_blind(circuit, &reduced, &blinds, secrets)? + separation * pad_blind;
    let mut vector = prover.combined_row(&reduced.multipliers)?;
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
fn combined_blind(
    circuit: &Circuit,
    reduced: &Reduced,
    blinds: &[F],
    secrets: &Secrets,
) -> Result<F, ProtocolError> {
    let mut total = F::default();
    for (row, factor) in reduced.rows(circuit, secrets.weight_blinds.len())? {
        let blind = match row {
            Row::Trace(at) => blinds.get(at),
            Row::Weights(at) => secrets.weight_blinds.get(at),
            Row::Chunk { tensor, chunk } => {
                secrets.statement_blinds.get(tensor).and_then(|blinds| blinds.get(chunk))
            }
        };
        total += factor * blind.ok_or(ProtocolError::NoAnswer)?;
    }
    Ok(total)
}
