//! Zero knowledge: proofs without a witness, for challenges of the last step that are known
//! before; what two honest proofs have in common; and the class of every field on the wire.
//!
//! The simulator draws every commitment and every scalar at random, lets the transcript give all
//! challenges but the last, and solves the group equation for the commitment of the last step:
//! the Schnorr proof's own simulator. An honest proof consists of the same: commitments with a
//! uniform blind, scalars with a uniform pad, and that proof.

use ark_ec::CurveGroup;
use std::collections::HashSet;
use zkml_core::group::{Generators, compress};
use zkml_core::ipa::{InnerProductProof, round_count};
use zkml_core::msm::{Msm, Native, msm};
use zkml_core::random::Random;
use zkml_core::transcript::{Aborted, HashTranscript, Transcript};
use zkml_core::{Affine, F, field, labels};
use zkml_graph::Graph;
use zkml_prover::party::{Prover, Witness};
use zkml_prover::{Request, prove};
use zkml_testkit::liar::Liar;
use zkml_testkit::maker::Maker;
use zkml_testkit::recorder::Known;
use zkml_testkit::{models, widths};
use zkml_verifier::circuit::Circuit;
use zkml_verifier::equation::GroupEquation;
use zkml_verifier::proof::{Body, Proof};
use zkml_verifier::protocol::run;
use zkml_verifier::statement::chunk_count;
use zkml_verifier::{PROTOCOL, Shown, Statement, VerifyError, Visibility, equation, verify};

/// Hidden scalars that are their own negated pads and take no byte.
const PRIVATE_SCALARS: usize = 2;

/// Fiat–Shamir, but for the last challenge of the inner product.
struct Programmed {
    inner: HashTranscript,
    last: [u8; 64],
}

impl Programmed {
    fn new(last: [u8; 64]) -> Self {
        Self { inner: HashTranscript::new(PROTOCOL), last }
    }
}

impl Transcript for Programmed {
    fn absorb(&mut self, label: &'static str, data: &[u8]) {
        self.inner.absorb(label, data);
    }

    fn squeeze(&mut self, label: &'static str) -> Result<[u8; 64], Aborted> {
        let bytes = self.inner.squeeze(label)?;
        Ok(if label == labels::IPA_LAST { self.last } else { bytes })
    }
}

/// The sum that a group equation demands to be zero.
fn sum_of(equation: &GroupEquation) -> Affine {
    let generators = Generators::new(equation.columns.len(), equation.pads.len());
    let mut points = [generators.columns, generators.pads].concat();
    points.extend([generators.blind, generators.value]);
    let mut scalars = [equation.columns.clone(), equation.pads.clone()].concat();
    scalars.extend([equation.blind, equation.value]);
    for (point, scalar) in &equation.others {
        points.push(*point);
        scalars.push(*scalar);
    }
    Native.msm(&points, &scalars).into_affine()
}

/// A proof of a statement about a key, from the public part alone. No weight, no input, no
/// trace: the graph, the commitments in the key, and randomness.
fn simulate(liar: &Liar, statement: Statement, context: &[u8], last: [u8; 64], random: &mut Random) -> Proof {
    let key = &liar.keys.verifier;
    let circuit = key.circuit();
    let points = Generators::new(1, 0);
    let mut point = || msm(&[points.blind], &[random.scalar()]).into_affine();
    let rounds = round_count(circuit.columns() + circuit.hidden_count());
    let rows = circuit.rows.iter().map(|_| point()).collect();
    let pads = point();
    let rounds = (0..rounds).map(|_| (point(), point())).collect();
    let mut scalars = |count: usize| (0..count).map(|_| random.scalar()).collect::<Vec<F>>();
    let hidden = scalars(circuit.hidden_count() - PRIVATE_SCALARS);
    let [a, b, scalar, blind] = scalars(4).try_into().unwrap();
    let mut proof = Proof {
        key: key.digest(),
        statement,
        body: Body {
            rows,
            pads,
            hidden,
            revealed: [a, b],
            inner: InnerProductProof { rounds, last: Affine::default(), scalar, blind },
        },
    };
    // The last commitment has the factor minus one, and no challenge but the last depends on it.
    let open = equation(key, &proof, context, &mut Programmed::new(last)).unwrap();
    proof.body.inner.last = sum_of(&open);
    proof
}

fn simulated(maker: Maker, shown: Visibility) {
    let liar = Liar::new(maker);
    let key = &liar.keys.verifier;
    let mut random = Random::new("simulator", &[5; 32], &[]);
    // Any output whatever: the simulator does not know the true one.
    let tensors = liar.maker.graph.inputs.iter().chain(&liar.maker.graph.outputs);
    let tensors = tensors.zip(liar.circuit().statement_lens());
    let generators = Generators::new(1, 0);
    let tensors = tensors.map(|(id, len)| match shown {
        Visibility::Public => Shown::Public(vec![liar.maker.graph.tensors[*id as usize].max; len]),
        Visibility::Committed => Shown::Committed(
            (0..chunk_count(len))
                .map(|_| msm(&[generators.blind], &[random.scalar()]).into_affine())
                .collect(),
        ),
    });
    let statement = Statement { input: shown, output: shown, tensors: tensors.collect() };
    let mut last = [0; 64];
    random.fill(&mut last);
    let proof = simulate(&liar, statement, b"simulated", last, &mut random);

    // It is a proof to a verifier whose last challenge was known, and to no other.
    let accept = |proof: &Proof, last| {
        let equation = equation(key, proof, b"simulated", &mut Programmed::new(last));
        equation.unwrap().holds(&Native)
    };
    assert!(accept(&proof, last));
    assert!(!accept(&proof, [1; 64]));
    let bytes = proof.to_bytes(&liar.maker.graph).unwrap();
    assert_eq!(verify(key, &bytes, b"simulated"), Err(VerifyError::Equation));

    // And it has the shape of an honest one.
    let honest = liar.prove(&liar.trace(|_| (), 0), shown);
    assert_eq!(honest.len(), bytes.len());
    let decode = |bytes: &[u8]| Proof::from_bytes(&liar.maker.graph, liar.circuit(), bytes);
    assert_eq!(decode(&bytes), Ok(proof.clone()));
    assert_eq!(wire(&decode(&honest).unwrap(), &liar.maker.graph), wire(&proof, &liar.maker.graph));
}

#[test]
fn proofs_without_a_witness() {
    for shown in [Visibility::Committed, Visibility::Public] {
        simulated(models::dense(1), shown);
        simulated(models::attention(1), shown);
        simulated(models::relu_bits(1), shown);
        simulated(widths::large(1), shown);
    }
}

/// What a field on the wire may tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Follows from the key, or is shown on purpose.
    Public,
    /// A commitment with a uniform blind.
    Commitment,
    /// A hidden scalar plus a uniform pad, or a response of a Schnorr proof.
    Masked,
}

/// Every field of a proof with its class and its bytes. A new field does not compile here until
/// it has a class.
fn wire(proof: &Proof, graph: &Graph) -> Vec<(&'static str, Class, usize)> {
    let Proof { key, statement, body } = proof;
    let Statement { input, output, tensors } = statement;
    let Body { rows, pads: _pads, hidden, revealed, inner } = body;
    let InnerProductProof { rounds, last: _last, scalar: _scalar, blind: _blind } = inner;
    let flag = |visibility: &Visibility| match visibility {
        Visibility::Public | Visibility::Committed => 1,
    };
    let mut fields = vec![
        ("magic and version", Class::Public, 8),
        ("key digest", Class::Public, key.len()),
        ("input visibility", Class::Public, flag(input)),
        ("output visibility", Class::Public, flag(output)),
    ];
    let ids = graph.inputs.iter().chain(&graph.outputs);
    for (tensor, id) in tensors.iter().zip(ids) {
        fields.push(match tensor {
            Shown::Public(values) => {
                let tensor = &graph.tensors[*id as usize];
                let width =
                    [8, 16, 24, 32, 40, 48].iter().position(|bits| tensor.max - tensor.min < 1i64 << bits);
                ("values", Class::Public, values.len() * (width.unwrap() + 1))
            }
            Shown::Committed(points) => ("chunks", Class::Commitment, 32 * points.len()),
        });
    }
    fields.extend([
        ("trace rows", Class::Commitment, 32 * rows.len()),
        ("pads", Class::Commitment, 32),
        ("hidden scalars", Class::Masked, 32 * hidden.len()),
        ("revealed factors", Class::Masked, 32 * revealed.len()),
        ("cross terms", Class::Commitment, 64 * rounds.len()),
        ("last commitment", Class::Commitment, 32),
        ("response", Class::Masked, 32),
        ("blind response", Class::Masked, 32),
    ]);
    fields
}

#[test]
fn every_byte_on_the_wire_has_a_class() {
    for maker in [models::concat(1), models::normalize(1), widths::large(1)] {
        let liar = Liar::new(maker);
        for shown in [Visibility::Committed, Visibility::Public] {
            let bytes = liar.prove(&liar.trace(|_| (), 0), shown);
            let proof = Proof::from_bytes(&liar.maker.graph, liar.circuit(), &bytes).unwrap();
            let fields = wire(&proof, &liar.maker.graph);
            let sum: usize = fields.iter().map(|(_, _, bytes)| bytes).sum();
            assert_eq!(sum, bytes.len());
            let public: usize = fields
                .iter()
                .filter(|(name, class, _)| *class == Class::Public && *name != "values")
                .map(|(_, _, bytes)| bytes)
                .sum();
            assert_eq!(public, 42);
        }
    }
}

/// Every word of a proof that is not public.
fn words(proof: &Proof) -> Vec<[u8; 32]> {
    let mut words = Vec::new();
    for tensor in &proof.statement.tensors {
        if let Shown::Committed(points) = tensor {
            words.extend(points.iter().map(compress));
        }
    }
    let mut body = Vec::new();
    proof.body.write(&mut body);
    words.extend(body.chunks_exact(32).map(|word| {
        let mut array = [0; 32];
        array.copy_from_slice(word);
        array
    }));
    words
}

/// Blinding is fresh: the proofs of one statement have no commitment and no scalar in common,
/// nor one twice.
#[test]
fn nothing_repeats() {
    let liar = Liar::new(models::relu_bits(1));
    let request = Request {
        inputs: &liar.inputs,
        context: b"same",
        input: Visibility::Committed,
        output: Visibility::Committed,
    };
    let mut seen = HashSet::new();
    for _ in 0..3 {
        let bytes = prove(&liar.keys.prover, &request).unwrap().proof;
        let proof = Proof::from_bytes(&liar.maker.graph, liar.circuit(), &bytes).unwrap();
        for word in words(&proof) {
            assert!(seen.insert(word));
        }
    }
    // Keys of one model, too.
    let mut commitments = HashSet::new();
    for _ in 0..2 {
        let other = Liar::new(models::relu_bits(1));
        for row in other.keys.verifier.rows() {
            assert!(commitments.insert(compress(row)));
        }
    }
}

/// Answers of the honest prover to challenges that depend on nothing, for given pads.
fn answers(liar: &Liar, circuit: &Circuit, pads: &[F]) -> (Vec<F>, [F; 2]) {
    let trace = liar.trace(|_| (), 0);
    let witness = Witness { circuit, trace: &trace, weights: &liar.maker.weights.0 };
    let statement: Vec<Shown> =
        circuit.statement.iter().map(|block| Shown::Public(trace.read(&circuit.blocks[*block]))).collect();
    let mut prover = Prover::new(witness, pads.to_vec());
    run(circuit, liar.maker.graph.weight_bits, &statement, &mut prover, &mut Known::new(9)).unwrap();
    (prover.wire().to_vec(), prover.revealed())
}

/// Every scalar on the wire carries its own pad, once, and nothing else of the pads; the two
/// revealed factors carry the two private scalars.
#[test]
fn every_scalar_has_its_own_pad() {
    let liar = Liar::new(models::products(1));
    let circuit = liar.circuit();
    let mut random = Random::new("pads", &[6; 32], &[]);
    let count = circuit.hidden_count();
    let private = count - 2 * circuit.product_log() - 1 - PRIVATE_SCALARS;
    let one: Vec<F> = (0..count).map(|_| random.scalar()).collect();
    let mut two: Vec<F> = (0..count).map(|_| random.scalar()).collect();
    two[private..private + PRIVATE_SCALARS].copy_from_slice(&one[private..private + PRIVATE_SCALARS]);
    let ((wire_one, revealed_one), (wire_two, revealed_two)) =
        (answers(&liar, circuit, &one), answers(&liar, circuit, &two));
    assert_eq!(wire_one.len(), count - PRIVATE_SCALARS);
    let own = |index: &usize| !(private..private + PRIVATE_SCALARS).contains(index);
    for (index, (a, b)) in (0..count).filter(own).zip(wire_one.iter().zip(&wire_two)) {
        assert_eq!(*a - b, one[index] - two[index], "{index}");
    }
    assert_eq!(revealed_one, revealed_two);
    let mut three = two;
    three[private] = random.scalar();
    three[private + 1] = random.scalar();
    let (_, revealed_three) = answers(&liar, circuit, &three);
    assert_ne!(revealed_one[0], revealed_three[0]);
    assert_ne!(revealed_one[1], revealed_three[1]);
    assert_ne!(field::encode(&revealed_three[0]), [0; 32]);
}
