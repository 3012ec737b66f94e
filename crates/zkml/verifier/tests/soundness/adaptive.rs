//! A liar that adapts its hidden scalars: on a false trace it makes all linear constraints hold, and
//! breaks one product; then it either reveals the true factors, or factors that fit the claim.

use ark_ec::CurveGroup;
use ark_ff::{Field, One, Zero};
use zkml_core::F;
use zkml_core::commit::commit_rows;
use zkml_core::group::Generators;
use zkml_core::ipa::{self, Bases};
use zkml_core::ledger::{Form, Product};
use zkml_core::msm::msm;
use zkml_core::poly::{bind_top, eq_table};
use zkml_core::random::Random;
use zkml_core::transcript::HashTranscript;
use zkml_prover::commit::weight_blinds;
use zkml_prover::party::{Prover, Witness};
use zkml_prover::trace::Trace;
use zkml_testkit::liar::Liar;
use zkml_testkit::models;
use zkml_verifier::proof::{Body, Proof};
use zkml_verifier::protocol::{Party, ProtocolError, Row, Stage, run};
use zkml_verifier::{PROTOCOL, Shown, Statement, VerifyError, Visibility, absorb_commitments, verify};

/// What the liar reveals at the end of the product sum-check.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reveal {
    /// The true factors, whose product is not the claim.
    Factors,
    /// A first factor that makes the product the claim, and is not the sum that it should be.
    Claim,
}

/// The product sum-check, over the liar's own hidden scalars.
struct Products {
    list: Vec<Product>,
    point: Vec<F>,
    tables: [Vec<F>; 2],
    claim: F,
    sent: [F; 2],
}

impl Products {
    fn begin(&mut self, point: &[F], hidden: &[F]) {
        self.point = point.to_vec();
        let table = |side: fn(&Product) -> &Form| {
            let mut table: Vec<F> = self.list.iter().map(|product| side(product).evaluate(hidden)).collect();
            table.resize(1 << point.len(), F::zero());
            table
        };
        self.tables = [table(|product| &product.left), table(|product| &product.right)];
        let weights = eq_table(point, F::one());
        self.claim = zkml_core::field::dot(&table(|product| &product.product), &weights);
    }

    fn fold(&mut self, r: &F) {
        let w = self.point.pop().unwrap();
        let slope = *r * w.inverse().unwrap();
        self.claim = self.claim * slope
            + self.sent[0] * (F::one() - r - slope * (F::one() - w))
            + self.sent[1] * (*r * r - r);
        self.tables.iter_mut().for_each(|table| bind_top(table, r));
    }

    fn round(&mut self) -> [F; 2] {
        let half = self.tables[0].len() / 2;
        let weights = eq_table(&self.point[..self.point.len() - 1], F::one());
        let [x, y] = &self.tables;
        let mut sent = [F::zero(); 2];
        for (i, weight) in weights.iter().enumerate() {
            sent[0] += *weight * x[i] * y[i];
            sent[1] += *weight * (x[i + half] - x[i]) * (y[i + half] - y[i]);
        }
        self.sent = sent;
        sent
    }
}

struct Adaptive<'a> {
    inner: Prover<'a>,
    pads: Vec<F>,
    /// The scalars that the liar claims.
    hidden: Vec<F>,
    wire: Vec<F>,
    at_root: bool,
    products: Option<Products>,
    reveal: Reveal,
    revealed: [F; 2],
}

impl Adaptive<'_> {
    fn push(&mut self, value: F) -> F {
        let masked = value + self.pads[self.hidden.len()];
        self.hidden.push(value);
        self.wire.push(masked);
        masked
    }
}

impl Party for Adaptive<'_> {
    fn begin(&mut self, stage: Stage<'_>) -> Result<(), ProtocolError> {
        self.at_root = matches!(stage, Stage::Tree { .. });
        match stage {
            Stage::Products { products } => {
                self.products = Some(Products {
                    list: products.to_vec(),
                    point: Vec::new(),
                    tables: [Vec::new(), Vec::new()],
                    claim: F::zero(),
                    sent: [F::zero(); 2],
                });
            }
            Stage::ProductPoint { point } => {
                if let Some(products) = &mut self.products {
                    products.begin(point, &self.hidden);
                }
            }
            other => self.inner.begin(other)?,
        }
        Ok(())
    }

    fn answer(&mut self, challenge: Option<&F>, out: &mut [F]) -> Result<(), ProtocolError> {
        let values: Vec<F> = if let Some(products) = &mut self.products {
            if products.point.is_empty() {
                let last = products.list.last_mut().unwrap();
                let value = last.left.evaluate(&self.hidden) * last.right.evaluate(&self.hidden);
                let index = self.hidden.len() as u32;
                last.product = Form { constant: F::zero(), terms: vec![(index, F::one())] };
                vec![value]
            } else {
                if let Some(r) = challenge {
                    products.fold(r);
                }
                products.round().to_vec()
            }
        } else {
            self.inner.answer(challenge, out)?;
            let pads = &self.pads[self.hidden.len()..];
            let mut values: Vec<F> = out.iter().zip(pads).map(|(masked, pad)| *masked - pad).collect();
            if self.at_root {
                // The fractions do not add up to zero; the second cross product is made to fit.
                values[5] = -values[4];
                self.at_root = false;
            }
            values
        };
        for (out, value) in out.iter_mut().zip(values) {
            *out = self.push(value);
        }
        Ok(())
    }

    fn private(&mut self) -> Result<(), ProtocolError> {
        self.hidden.push(-self.pads[self.hidden.len()]);
        Ok(())
    }

    fn reveal(&mut self, challenge: &F) -> Result<[F; 2], ProtocolError> {
        let products = self.products.as_mut().unwrap();
        products.fold(challenge);
        let (x, y) = (products.tables[0][0], products.tables[1][0]);
        self.revealed = match self.reveal {
            Reveal::Factors => [x, y],
            Reveal::Claim => [products.claim * y.inverse().unwrap(), y],
        };
        Ok(self.revealed)
    }
}

/// The verdict on a public statement about a trace.
fn forge(liar: &Liar, trace: &Trace, reveal: Reveal) -> Result<Statement, VerifyError> {
    let (key, graph) = (&liar.keys.prover, &liar.maker.graph);
    let circuit = key.circuit();
    let columns = circuit.columns();
    let statement = Statement {
        input: Visibility::Public,
        output: Visibility::Public,
        tensors: circuit
            .statement
            .iter()
            .map(|block| Shown::Public(trace.read(&circuit.blocks[*block])))
            .collect(),
    };
    let mut transcript = HashTranscript::new(PROTOCOL);
    statement.absorb(graph, &key.digest(), b"", &mut transcript).unwrap();
    let mut random = Random::new("adaptive", &[3; 32], &[]);
    let generators = Generators::new(columns, circuit.hidden_count());
    let cells = circuit.rows.iter().map(|row| &trace.cells[row * columns..(row + 1) * columns]);
    let cells: Vec<&[i64]> = cells.collect();
    let blinds: Vec<F> = cells.iter().map(|_| random.scalar()).collect();
    let rows = commit_rows(&generators, &cells, &blinds).unwrap();
    let pads: Vec<F> = (0..circuit.hidden_count()).map(|_| random.scalar()).collect();
    let pad_blind = random.scalar();
    let pad_commitment = (msm(&generators.pads, &pads) + generators.blind * pad_blind).into_affine();
    absorb_commitments(&rows, &pad_commitment, &mut transcript);

    let witness = Witness { circuit, trace, weights: &liar.maker.weights.0 };
    let mut party = Adaptive {
        inner: Prover::new(witness, pads.clone()),
        pads: pads.clone(),
        hidden: Vec::new(),
        wire: Vec::new(),
        at_root: false,
        products: None,
        reveal,
        revealed: [F::zero(); 2],
    };
    let reduced = run(circuit, graph.weight_bits, &statement.tensors, &mut party, &mut transcript).unwrap();
    // The seed of a key follows its header and its digest.
    let seed = key.to_bytes().unwrap()[40..72].try_into().unwrap();
    let weight_blinds = weight_blinds(&seed, circuit.weights.rows);
    let mut blind = reduced.separation * pad_blind;
    for (row, factor) in reduced.rows(circuit, weight_blinds.len()).unwrap() {
        blind += match row {
            Row::Trace(at) => factor * blinds[at],
            Row::Weights(at) => factor * weight_blinds[at],
            Row::Chunk { .. } => F::zero(),
        };
    }
    let mut vector = party.inner.combined_row(&reduced.multipliers).unwrap();
    vector.extend(pads.iter().map(|pad| reduced.separation * pad));
    let bases = [generators.columns, generators.pads].concat();
    let bases = Bases { generators: &bases, value: generators.value, blind: generators.blind };
    let inner = ipa::prove(&mut transcript, &bases, vector, blind, reduced.coefficients, &mut random);
    let body = Body {
        rows,
        pads: pad_commitment,
        hidden: party.wire,
        revealed: party.revealed,
        inner: inner.unwrap(),
    };
    let proof = Proof { key: key.digest(), statement, body };
    verify(&liar.keys.verifier, &proof.to_bytes(graph).unwrap(), b"")
}

/// On a true trace the liar is an honest prover, so that what follows is about the lie alone.
#[test]
fn a_true_trace_is_accepted() {
    let liar = Liar::new(models::dense(9));
    assert!(forge(&liar, &liar.trace(|_| (), 0), Reveal::Factors).is_ok());
}

#[test]
fn a_false_product_is_refused_whatever_is_revealed() {
    let liar = Liar::new(models::dense(9));
    let value = 255 - liar.execution.tensors[liar.output(0)][1];
    let lie = liar.other_output(0, 1, value);
    for reveal in [Reveal::Factors, Reveal::Claim] {
        assert_eq!(forge(&liar, &lie, reveal), Err(VerifyError::Equation));
    }
}
