//! A forger who commits to a vector on generators that are not its own: the pads' commitment
//! carries columns too. What the last inner product binds must not be the sum of both.

use ark_ec::CurveGroup;
use ark_ff::{Field, Zero};
use zkml_core::F;
use zkml_core::commit::commit_rows;
use zkml_core::group::Generators;
use zkml_core::ipa::{self, Bases};
use zkml_core::msm::msm;
use zkml_core::random::Random;
use zkml_core::transcript::HashTranscript;
use zkml_graph::{AxisMap, Op, Source, Term, Weight};
use zkml_prover::party::{Prover, Witness};
use zkml_prover::{keygen, trace::Trace};
use zkml_testkit::maker::Maker;
use zkml_verifier::circuit::Circuit;
use zkml_verifier::proof::{Body, Proof};
use zkml_verifier::protocol::{Class, ClassRows, Party, ProtocolError, Stage, run};
use zkml_verifier::{PROTOCOL, Shown, Statement, VerifyError, Visibility, absorb_commitments, verify};

/// Answers as an honest prover of the shifted trace; in the stage over columns it adds the
/// columns that it hid in the pads' commitment.
struct Forger<'a> {
    inner: Prover<'a>,
    pads: Vec<F>,
    next: usize,
    wire: Vec<F>,
    /// Committed rows of the trace.
    rows: &'a [Vec<i64>],
    circuit: &'a Circuit,
    /// Columns that the claim about all rows has too much.
    hidden_columns: Vec<F>,
    tables: Option<Vec<(Vec<F>, Vec<F>)>>,
}

impl Forger<'_> {
    fn row(&self, class: &Class) -> Vec<F> {
        let mut row = vec![F::zero(); self.circuit.columns()];
        if let ClassRows::Trace(factors) = &class.rows {
            for (index, cells) in self.circuit.rows.iter().zip(self.rows) {
                for (sum, cell) in row.iter_mut().zip(cells) {
                    *sum += factors[*index] * F::from(*cell);
                }
            }
        }
        row
    }
}

impl Party for Forger<'_> {
    fn begin(&mut self, stage: Stage<'_>) -> Result<(), ProtocolError> {
        self.tables = None;
        if let Stage::Columns { classes } = &stage {
            let columns = self.circuit.columns();
            let mut tables: Vec<_> =
                classes.iter().map(|class| (self.row(class), class.factors(columns))).collect();
            tables.push((self.hidden_columns.clone(), vec![F::ONE; columns]));
            self.tables = Some(tables);
        }
        self.inner.begin(stage)
    }

    fn answer(&mut self, challenge: Option<&F>, out: &mut [F]) -> Result<(), ProtocolError> {
        self.inner.answer(challenge, out)?;
        if let Some(tables) = &mut self.tables {
            let mut round = [F::zero(); 2];
            for (row, values) in tables {
                for table in [&mut *row, &mut *values] {
                    if let Some(challenge) = challenge {
                        zkml_core::poly::bind_top(table, challenge);
                    }
                }
                let half = row.len() / 2;
                for i in 0..half {
                    round[0] += row[i] * values[i];
                    round[1] += (row[i + half] - row[i]) * (values[i + half] - values[i]);
                }
            }
            for (index, (out, value)) in out.iter_mut().zip(round).enumerate() {
                *out = value + self.pads[self.next + index];
            }
        }
        self.next += out.len();
        self.wire.extend_from_slice(out);
        Ok(())
    }

    fn private(&mut self) -> Result<(), ProtocolError> {
        self.next += 1;
        self.inner.private()
    }

    fn reveal(&mut self, challenge: &F) -> Result<[F; 2], ProtocolError> {
        self.inner.reveal(challenge)
    }
}

/// `relu`-like without hidden weights, so that the forger stays short: `y = clamp(3 x / 2)`.
fn tripled() -> Maker {
    let mut maker = Maker::new(5, &[256], -60, 60);
    let output = maker.tensor(&[256], -200, 200);
    let term = Term {
        region: vec![(0, 256)],
        source: Source::Tensor {
            tensor: 0,
            inner: vec![],
            map: vec![AxisMap { out: Some((0, 1)), ..AxisMap::default() }],
            weight: Weight::Public(3),
        },
    };
    maker.node(
        Op::Affine { terms: vec![term], epilogue: zkml_testkit::maker::requant(1, -128, -128, 127) },
        output,
    );
    maker.graph.outputs = vec![output];
    maker
}

/// The generators that the forger uses, which are not the pads'.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hidden {
    Columns,
    Value,
}

/// With `shift` hidden columns of sum one, every cell of the trace is one more than what is
/// committed or public: the forger would prove `f(x + 1) = y + 1` instead of `f(x) = y`. It hides them in
/// the pads' commitment, on the columns' generators or on the value's.
fn forge(shift: i64, hidden: Hidden) -> Result<Statement, VerifyError> {
    let mut maker = tripled();
    let claimed = maker.inputs().swap_remove(0);
    let inputs: Vec<i64> = claimed.iter().map(|x| x.min(&59) + shift).collect();
    let keys = keygen(maker.graph.clone(), maker.weights.clone(), &mut |_| ()).unwrap();
    let circuit = keys.prover.circuit();
    let execution = zkml_engine::execute(&maker.graph, &maker.weights, &[inputs]).unwrap();
    let mut trace = Trace::new(circuit, &maker.graph, execution);
    let columns = circuit.columns();
    let mut told = vec![false; trace.cells.len()];
    for block in &circuit.statement {
        let block = &circuit.blocks[*block];
        block.for_each(|_, cell| told[block.offset as usize + cell] = true);
    }
    for row in &circuit.rows {
        told[row * columns..(row + 1) * columns].fill(true);
    }
    for (cell, told) in trace.cells.iter_mut().zip(&told) {
        *cell += if *told { 0 } else { shift };
    }
    let shown = circuit.statement.iter().map(|block| {
        let values = trace.read(&circuit.blocks[*block]);
        Shown::Public(values.iter().map(|value| value - shift).collect())
    });
    let statement =
        Statement { input: Visibility::Public, output: Visibility::Public, tensors: shown.collect() };
    let rows: Vec<Vec<i64>> = circuit
        .rows
        .iter()
        .map(|row| trace.cells[row * columns..(row + 1) * columns].iter().map(|cell| cell - shift).collect())
        .collect();

    let mut transcript = HashTranscript::new(PROTOCOL);
    let digest = keys.verifier.digest();
    statement.absorb(&maker.graph, &digest, b"", &mut transcript).unwrap();
    let mut random = Random::new("test", &[3; 32], &[]);
    let generators = Generators::new(columns, circuit.hidden_count());
    let blinds: Vec<F> = rows.iter().map(|_| random.scalar()).collect();
    let slices: Vec<&[i64]> = rows.iter().map(Vec::as_slice).collect();
    let commitments = commit_rows(&generators, &slices, &blinds).unwrap();
    let pads: Vec<F> = (0..circuit.hidden_count()).map(|_| random.scalar()).collect();
    let pad_blind = random.scalar();
    let each = F::from(shift) / F::from(columns as u64);
    let (hidden_columns, carried) = match hidden {
        Hidden::Columns => {
            let mut hidden_columns = vec![F::zero(); columns];
            hidden_columns[0] = F::from(shift);
            let carried = msm(&generators.columns, &hidden_columns);
            (hidden_columns, carried)
        }
        Hidden::Value => (vec![each; columns], generators.value * -each),
    };
    let pad_commitment =
        (msm(&generators.pads, &pads) + carried + generators.blind * pad_blind).into_affine();
    absorb_commitments(&commitments, &pad_commitment, &mut transcript);
    let witness = Witness { circuit, trace: &trace, weights: &maker.weights.0 };
    let mut forger = Forger {
        inner: Prover::new(witness, pads.clone()),
        pads: pads.clone(),
        next: 0,
        wire: Vec::new(),
        rows: &rows,
        circuit,
        hidden_columns: hidden_columns.clone(),
        tables: None,
    };
    let reduced = run(circuit, 8, &statement.tensors, &mut forger, &mut transcript).unwrap();
    let separation = reduced.separation;
    let own = if hidden == Hidden::Columns { separation } else { F::zero() };
    let mut vector: Vec<F> = hidden_columns.iter().map(|x| own * x).collect();
    let mut blind = separation * pad_blind;
    for (class, multiplier) in reduced.classes.iter().zip(&reduced.multipliers) {
        for (sum, value) in vector.iter_mut().zip(forger.row(class)) {
            *sum += *multiplier * value;
        }
        if let ClassRows::Trace(factors) = &class.rows {
            for (row, part) in circuit.rows.iter().zip(&blinds) {
                blind += *multiplier * factors[*row] * part;
            }
        }
    }
    vector.extend(pads.iter().map(|pad| separation * pad));
    let bases: Vec<_> = [generators.columns, generators.pads].concat();
    let bases = Bases { generators: &bases, value: generators.value, blind: generators.blind };
    let inner =
        ipa::prove(&mut transcript, &bases, vector, blind, reduced.coefficients, &mut random).unwrap();
    let body = Body {
        rows: commitments,
        pads: pad_commitment,
        hidden: forger.wire,
        revealed: forger.inner.revealed(),
        inner,
    };
    let proof = Proof { key: digest, statement, body };
    verify(&keys.verifier, &proof.to_bytes(&maker.graph).unwrap(), b"")
}

#[test]
fn columns_in_the_pads_commitment_shift_no_cell() {
    // The forger's machinery is right: without a shift its proof is an honest one.
    for hidden in [Hidden::Columns, Hidden::Value] {
        forge(0, hidden).unwrap();
        assert_eq!(forge(1, hidden).err(), Some(VerifyError::Equation));
    }
}
