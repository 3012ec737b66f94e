//! From the body of a proof, or of a key's proof about itself, to one group equation.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::circuit::Circuit;
use crate::equation::GroupEquation;
use crate::proof::Body;
use crate::protocol::{Party, ProtocolError, Row, Stage, run};
use crate::statement::Shown;
use alloc::vec::Vec;
use ark_ff::Zero;
use zkml_core::group::compress;
use zkml_core::transcript::{HashTranscript, Transcript};
use zkml_core::zip::{equal, zip_eq};
use zkml_core::{Affine, F, ipa, labels};

const KEY_PROTOCOL: &str = "cyborg key proof v1";

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
    fn begin(&mut self, _: Stage<'_>) -> Result<(), ProtocolError> {
        Ok(())
    }

    fn answer(&mut self, _: Option<&F>, out: &mut [F]) -> Result<(), ProtocolError> {
        for out in out {
            *out = *self.hidden.next().ok_or(ProtocolError::NoAnswer)?;
        }
        Ok(())
    }

    fn private(&mut self) -> Result<(), ProtocolError> {
        Ok(())
    }

    fn reveal(&mut self, _: &F) -> Result<[F; 2], ProtocolError> {
        Ok(self.revealed)
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
) -> Result<GroupEquation, ProtocolError> {
    absorb_commitments(&body.rows, &body.pads, transcript);
    let mut party = Bytes { hidden: body.hidden.iter(), revealed: body.revealed };
    let reduced = run(circuit, weight_bits, statement, &mut party, transcript)?;
    equal(body.rows.len(), circuit.rows.len())?;
    equal(party.hidden.len(), 0)?;
    equal(ipa::round_count(reduced.coefficients.len()), body.inner.rounds.len())?;
    let argument = ipa::verify(transcript, &reduced.coefficients, reduced.value, &body.inner)?;
    let scale = argument.commitment;
    let mut others = Vec::new();
    for (row, factor) in reduced.rows(circuit, weight_rows.len())? {
        let point = match row {
            Row::Trace(at) => body.rows.get(at),
            Row::Weights(at) => weight_rows.get(at),
            Row::Chunk { tensor, chunk } => match statement.get(tensor) {
                Some(Shown::Committed(points)) => points.get(chunk),
                Some(Shown::Public(_)) | None => None,
            },
        };
        let point = point.ok_or(ProtocolError::NoAnswer)?;
        if !factor.is_zero() {
            others.push((*point, scale * factor));
        }
    }
    others.push((body.pads, scale * reduced.separation));
    for ((left, right), (x, y)) in zip_eq(&body.inner.rounds, &argument.rounds)? {
        others.extend([(*left, *x), (*right, *y)]);
    }
    others.push((body.inner.last, argument.last));
    let (columns, pads) = argument.generators.split_at(circuit.columns().min(argument.generators.len()));
    Ok(GroupEquation {
        columns: columns.to_vec(),
        pads: pads.to_vec(),
        blind: argument.blind,
        value: argument.value,
        others,
    })
}
