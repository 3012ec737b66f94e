//! From the body of a proof, or of a key's proof about itself, to one group equation.

use crate::circuit::{Circuit, Source};
use crate::equation::GroupEquation;
use crate::proof::Body;
use crate::protocol::{ClassRows, Party, Stage, run, weight_row_factors};
use crate::statement::Shown;
use alloc::vec::Vec;
use ark_ff::Zero;
use zkml_core::group::compress;
use zkml_core::transcript::{Aborted, HashTranscript, Transcript};
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
