//! The last inner product speaks about every pad and every committed row by itself: over all challenges the
//! public vectors that multiply them span everything. So nothing that was committed before the challenges can
//! hide in a direction that none of them meets, and rewinding opens each row.

use ark_ff::{Field, Zero};
use zkml_core::F;
use zkml_core::random::Random;
use zkml_core::transcript::{Aborted, Transcript};
use zkml_testkit::liar::Liar;
use zkml_testkit::maker::Maker;
use zkml_testkit::models;
use zkml_verifier::Shown;
use zkml_verifier::circuit::Circuit;
use zkml_verifier::protocol::{Party, ProtocolError, Reduced, Stage, run};
use zkml_verifier::statement::chunk_count;

/// Says nothing but zeros: the public vectors depend on challenges alone.
struct Mute;

impl Party for Mute {
    fn begin(&mut self, _: Stage<'_>) -> Result<(), ProtocolError> {
        Ok(())
    }

    fn answer(&mut self, _: Option<&F>, out: &mut [F]) -> Result<(), ProtocolError> {
        out.fill(F::zero());
        Ok(())
    }

    fn private(&mut self) -> Result<(), ProtocolError> {
        Ok(())
    }

    fn reveal(&mut self, _: &F) -> Result<[F; 2], ProtocolError> {
        Ok([F::zero(); 2])
    }
}

struct Chance(Random);

impl Transcript for Chance {
    fn absorb(&mut self, _: &'static str, _: &[u8]) {}

    fn squeeze(&mut self, _: &'static str) -> Result<[u8; 64], Aborted> {
        let mut bytes = [0; 64];
        self.0.fill(&mut bytes);
        Ok(bytes)
    }
}

/// The number of independent vectors.
fn rank(mut vectors: Vec<Vec<F>>) -> usize {
    let mut rank = 0;
    for column in 0..vectors[0].len() {
        let Some(pivot) = (rank..vectors.len()).find(|row| !vectors[*row][column].is_zero()) else {
            continue;
        };
        vectors.swap(rank, pivot);
        let (done, rest) = vectors.split_at_mut(rank + 1);
        let inverse = done[rank][column].inverse().unwrap();
        for row in rest {
            let factor = row[column] * inverse;
            row.iter_mut().zip(&done[rank]).for_each(|(cell, other)| *cell -= factor * other);
        }
        rank += 1;
    }
    rank
}

/// What the protocol comes down to for some challenges, with everything committed.
fn reduced(circuit: &Circuit, weight_bits: u8, seed: usize) -> Reduced {
    let lens = circuit.statement_lens().into_iter();
    let statement: Vec<Shown> =
        lens.map(|len| Shown::Committed(vec![Default::default(); chunk_count(len)])).collect();
    let mut chance = Chance(Random::new("spans", &[1; 32], &[&seed.to_le_bytes()]));
    run(circuit, weight_bits, &statement, &mut Mute, &mut chance).unwrap()
}

#[track_caller]
fn spans(maker: Maker) {
    let liar = Liar::new(maker);
    let (circuit, weight_bits) = (liar.circuit(), liar.maker.graph.weight_bits);
    let (pads, columns) = (circuit.hidden_count(), circuit.columns());
    let of_pads = (0..pads).map(|seed| reduced(circuit, weight_bits, seed).coefficients[columns..].to_vec());
    assert_eq!(rank(of_pads.collect()), pads);
    let of_rows = |seed: usize| -> Vec<F> {
        let rows = reduced(circuit, weight_bits, seed).rows(circuit, circuit.weights.rows).unwrap();
        rows.into_iter().map(|(_, factor)| factor).collect()
    };
    let rows = of_rows(0).len();
    assert!(rows > circuit.weights.rows + circuit.rows.len());
    assert_eq!(rank((0..rows).map(of_rows).collect()), rows);
}

#[test]
fn nothing_hides_from_all_challenges() {
    spans(models::dense(1));
    spans(models::attention(1));
    spans(models::relu_bits(1));
}
