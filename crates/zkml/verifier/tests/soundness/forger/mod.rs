//! A forger that keeps to no rule: a second prover, slow and dense, over field elements. It proves whatever
//! its cells hold, and breaks exactly the constraint that it is told to break: all others hold, whatever the
//! challenges are. If the verifier forgot that constraint, the proof would be accepted.
//!
//! Models have no hidden weights here: what a forger could do with them, it can do with the claim about
//! them, which this one makes up.

pub(crate) mod cells;
mod party;
mod sumcheck;

use self::cells::Cells;
use self::party::Forger;
use ark_ec::CurveGroup;
use ark_ff::Zero;
use std::cell::Cell;
use std::rc::Rc;
use zkml_core::F;
use zkml_core::group::Generators;
use zkml_core::ipa::{self, Bases};
use zkml_core::msm::msm;
use zkml_core::random::Random;
use zkml_core::transcript::{Aborted, HashTranscript, Transcript};
use zkml_prover::Keys;
use zkml_verifier::circuit::IO_CHUNK;
use zkml_verifier::proof::{Body, Proof};
use zkml_verifier::protocol::{Row, run};
use zkml_verifier::{PROTOCOL, Shown, Statement, VerifyError, Visibility, absorb_commitments, verify};

/// The one constraint that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    /// The fractions add up to zero.
    RootZero,
    /// `p0 q1` at the root.
    RootFirst,
    /// `p1 q0` at the root.
    RootSecond,
    /// `q0 q1` at the root.
    RootDenominator,
    /// The common denominator has an inverse.
    RootInverse,
    /// A layer's claim is the sum of its two products.
    LayerZero(usize),
    /// `q1 (p0 + lambda q0)` of a layer.
    LayerFirst(usize),
    /// `p1 q0` of a layer.
    LayerSecond(usize),
    /// The claim about all quadratic sums.
    QuadraticRest,
    /// The product of one quadratic sum.
    QuadraticProduct(usize),
    /// The claim about the trace.
    MasterZero,
    /// `t V`.
    MasterProduct,
    /// None in the ledger: `t` is not the trace's value.
    Trace,
    /// None in the ledger: `V` is not the weights' value.
    Weights,
    /// None in the ledger: the bias functional is not the weights'.
    Bias,
    /// The product of the private scalars.
    Blinding,
}

/// What is revealed at the end of the products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reveal {
    /// The true factors, whose product is not the claim if a constraint is broken.
    Factors,
    /// A first factor that fits the claim.
    First,
    /// A second factor that fits the claim.
    Second,
}

/// Fiat–Shamir, telling others the last challenge.
struct Told {
    inner: HashTranscript,
    drawn: Rc<Cell<F>>,
}

impl Transcript for Told {
    fn absorb(&mut self, label: &'static str, data: &[u8]) {
        self.inner.absorb(label, data);
    }

    fn squeeze(&mut self, label: &'static str) -> Result<[u8; 64], Aborted> {
        let bytes = self.inner.squeeze(label)?;
        self.drawn.set(zkml_core::field::from_uniform(&bytes));
        Ok(bytes)
    }
}

/// What came of a forgery.
pub(crate) struct Forged {
    pub(crate) verdict: Result<Statement, VerifyError>,
    /// Linear constraints and products that do not hold for the scalars that the forger claims.
    pub(crate) broken: (usize, usize),
}

/// A statement and what it is about.
pub(crate) struct Forgery<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) cells: Cells<'a>,
    pub(crate) shown: Visibility,
    /// Committed behind the values of the first chunk of every tensor, column by column from the last.
    pub(crate) tail: Vec<F>,
    /// Added to the pads' commitment on the value's generator.
    pub(crate) value: F,
}

impl<'a> Forgery<'a> {
    pub(crate) fn new(keys: &'a Keys, cells: Cells<'a>, shown: Visibility) -> Self {
        Self { keys, cells, shown, tail: Vec::new(), value: F::zero() }
    }

    /// The rows behind the statement's commitments, one list for each tensor.
    fn chunks(&self) -> Vec<Vec<Vec<F>>> {
        let columns = self.cells.circuit.columns();
        let rows = |tensor: &usize| {
            let elements = self.cells.elements(*tensor);
            let mut rows: Vec<Vec<F>> = elements.chunks(IO_CHUNK).map(<[F]>::to_vec).collect();
            rows.iter_mut().for_each(|row| row.resize(columns, F::zero()));
            for (cell, value) in rows[0].iter_mut().rev().zip(&self.tail) {
                *cell = *value;
            }
            rows
        };
        self.cells.circuit.statement.iter().map(rows).collect()
    }

    fn statement(&self, chunks: &[Vec<Vec<F>>], blinds: &[Vec<F>], integers: &[Vec<i64>]) -> Statement {
        let generators = Generators::new(self.cells.circuit.columns(), 0);
        let commit = |(row, blind): (&Vec<F>, &F)| {
            (msm(&generators.columns, row) + generators.blind * blind).into_affine()
        };
        let tensors = match self.shown {
            Visibility::Public => integers.iter().map(|values| Shown::Public(values.clone())).collect(),
            Visibility::Committed => {
                let tensors = chunks.iter().zip(blinds);
                tensors
                    .map(|(rows, blinds)| Shown::Committed(rows.iter().zip(blinds).map(commit).collect()))
                    .collect()
            }
        };
        Statement { input: self.shown, output: self.shown, tensors }
    }

    /// Makes the proof, and asks the verifier. `integers` are the public inputs and outputs.
    pub(crate) fn forge(&self, breach: Breach, reveal: Reveal, integers: &[Vec<i64>]) -> Forged {
        let (key, circuit, graph) = (&self.keys.prover, self.cells.circuit, self.keys.prover.graph());
        let columns = circuit.columns();
        let mut random = Random::new("forger", &[3; 32], &[]);
        let chunks = self.chunks();
        let chunk_blinds: Vec<Vec<F>> =
            chunks.iter().map(|rows| rows.iter().map(|_| random.scalar()).collect()).collect();
        let statement = self.statement(&chunks, &chunk_blinds, integers);
        let drawn = Rc::new(Cell::new(F::zero()));
        let mut transcript = Told { inner: HashTranscript::new(PROTOCOL), drawn: drawn.clone() };
        statement.absorb(graph, &key.digest(), b"", &mut transcript).unwrap();
        let generators = Generators::new(columns, circuit.hidden_count());
        let blinds: Vec<F> = circuit.rows.iter().map(|_| random.scalar()).collect();
        let commit = |(row, blind): (&usize, &F)| {
            let cells = &self.cells.values[row * columns..][..columns];
            (msm(&generators.columns, cells) + generators.blind * blind).into_affine()
        };
        let rows: Vec<_> = circuit.rows.iter().zip(&blinds).map(commit).collect();
        let pads: Vec<F> = (0..circuit.hidden_count()).map(|_| random.scalar()).collect();
        let pad_blind = random.scalar();
        let carried = generators.blind * pad_blind + generators.value * self.value;
        let pad_commitment = (msm(&generators.pads, &pads) + carried).into_affine();
        absorb_commitments(&rows, &pad_commitment, &mut transcript);

        let mut party = Forger::new(self.cells.clone(), chunks, pads.clone(), (breach, reveal), drawn);
        let tensors = &statement.tensors;
        let reduced = run(circuit, graph.weight_bits, tensors, &mut party, &mut transcript).unwrap();
        let zeros = reduced.ledger.zero.iter().filter(|form| !form.evaluate(&party.hidden).is_zero());
        let products = reduced.ledger.products.iter().filter(|product| {
            let [left, right, both] =
                [&product.left, &product.right, &product.product].map(|form| form.evaluate(&party.hidden));
            left * right != both
        });
        let broken = (zeros.count(), products.count());
        let mut blind = reduced.separation * pad_blind;
        for (row, factor) in reduced.rows(circuit, 0).unwrap() {
            blind += match row {
                Row::Trace(at) => factor * blinds[at],
                Row::Chunk { tensor, chunk } => factor * chunk_blinds[tensor][chunk],
                Row::Weights(_) => F::zero(),
            };
        }
        let mut vector = vec![F::zero(); columns];
        for (row, multiplier) in party.class_rows.iter().zip(&reduced.multipliers) {
            vector.iter_mut().zip(row).for_each(|(sum, cell)| *sum += *multiplier * cell);
        }
        vector.extend(pads.iter().map(|pad| reduced.separation * pad));
        let bases = [generators.columns, generators.pads].concat();
        let bases = Bases { generators: &bases, value: generators.value, blind: generators.blind };
        let inner = ipa::prove(&mut transcript, &bases, vector, blind, reduced.coefficients, &mut random);
        let (hidden, revealed, inner) = (party.wire, party.revealed, inner.unwrap());
        let body = Body { rows, pads: pad_commitment, hidden, revealed, inner };
        let proof = Proof { key: key.digest(), statement, body };
        let verdict = verify(&self.keys.verifier, &proof.to_bytes(graph).unwrap(), b"");
        Forged { verdict, broken }
    }
}
