//! True statements are accepted, for every kind of node, both visibilities, and every form that
//! a circuit takes; proofs of the same form can be made without a witness (`simulator`).

mod simulator;

use zkml_core::transcript::HashTranscript;
use zkml_graph::FunctionKind;
use zkml_prover::{Request, check, estimate, keygen, prove, trace::Trace};
use zkml_testkit::maker::Maker;
use zkml_testkit::{models, widths};
use zkml_verifier::circuit::{Circuit, NodeCells, Placed, Quotient, Slot};
use zkml_verifier::{PROTOCOL, Proof, Shown, VerifierKey, Visibility, equation, verify};

const ALL: [[Visibility; 2]; 4] = [
    [Visibility::Committed, Visibility::Committed],
    [Visibility::Public, Visibility::Public],
    [Visibility::Committed, Visibility::Public],
    [Visibility::Public, Visibility::Committed],
];

/// Proves and verifies a model with two seeds, each for two visibilities.
fn complete(make: impl Fn(u64) -> Maker, expect: impl Fn(&Circuit)) {
    for (seed, visibilities) in ALL.chunks(2).enumerate() {
        round_trip(make(7 + seed as u64), visibilities, &expect);
    }
}

fn round_trip(mut maker: Maker, visibilities: &[[Visibility; 2]], expect: &impl Fn(&Circuit)) {
    let inputs = maker.inputs();
    zkml_graph::validate::validate(&maker.graph).unwrap();
    let keys = keygen(maker.graph.clone(), maker.weights.clone(), &mut |_| ()).unwrap();
    let circuit = keys.prover.circuit();
    expect(circuit);
    let execution = zkml_engine::execute(&maker.graph, &maker.weights, &inputs).unwrap();
    let outputs = maker.graph.outputs.iter();
    let outputs: Vec<Vec<i64>> = outputs.map(|id| execution.tensors[*id as usize].clone()).collect();
    let trace = Trace::new(circuit, &maker.graph, execution);
    assert_eq!(check::violations(circuit, &trace), []);
    let verifier = VerifierKey::from_bytes(&keys.verifier.to_bytes()).unwrap();
    verifier.check().unwrap();
    for [input, output] in visibilities {
        let request = Request { inputs: &inputs, context: b"here", input: *input, output: *output };
        let proved = prove(&keys.prover, &request).unwrap();
        let statement = verify(&verifier, &proved.proof, b"here").unwrap();
        assert_eq!([statement.input, statement.output], [*input, *output]);
        assert_eq!(proved.outputs, outputs);
        for (shown, values) in statement.tensors.iter().zip(inputs.iter().chain(&outputs)) {
            if let Shown::Public(shown) = shown {
                assert_eq!(shown, values);
            }
        }
        if [*input, *output] == ALL[0] {
            let estimate = estimate::estimate(&maker.graph, circuit);
            assert_eq!(proved.proof.len(), estimate.proof_bytes);
            // Rows that a statement does not touch drop out: the estimate is an upper bound.
            let points = group_operations(&verifier, &proved.proof);
            assert!(points <= estimate.verifier_points, "{points}: {estimate:?}");
            assert!(points * 10 >= estimate.verifier_points * 9, "{points}: {estimate:?}");
        }
        match proved.opening {
            Some(opening) => assert!(opening.opens(&maker.graph, &statement)),
            None => assert_eq!([*input, *output], ALL[1]),
        }
        assert!(verify(&verifier, &proved.proof, b"there").is_err());
    }
}

/// Points in the multi-scalar multiplication of a verification.
fn group_operations(key: &VerifierKey, proof: &[u8]) -> usize {
    let proof = Proof::from_bytes(key.graph(), key.circuit(), proof).unwrap();
    let equation = equation(key, &proof, b"here", &mut HashTranscript::new(PROTOCOL)).unwrap();
    equation.columns.len() + equation.pads.len() + 2 + equation.others.len()
}

macro_rules! models {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            complete(models::$name, |_| ());
        })*
    };
}

models! {
    dense convolution convolution_1d groups depthwise max_pool odd_views average_pool
    reduce_and_broadcast residual concat layout arg_max scale_by_hidden tied_rows products
    attention normalize relu_bits
}

#[test]
fn random_windows() {
    for seed in 1..=16 {
        round_trip(models::random_window(seed), &ALL[..1], &|_| ());
    }
}

/// The form of the first rescale of a circuit, and how many upper limbs its remainder has.
fn form(circuit: &Circuit) -> Option<(Quotient, usize)> {
    circuit.cells.iter().find_map(|cells| match cells {
        NodeCells::Requant { remainder, quotient } => Some((*quotient, remainder.upper.len())),
        _ => None,
    })
}

#[test]
fn a_quotient_that_is_the_output() {
    let make = |seed| widths::narrow(seed, 30, 2, FunctionKind::Identity, (-128, 8));
    complete(make, |circuit| {
        assert!(matches!(form(circuit), Some((Quotient::Output, 0))));
    });
}

#[test]
fn a_quotient_in_one_block() {
    for kind in [FunctionKind::Sigmoid, FunctionKind::LeakyRelu { alpha: 6554 }, FunctionKind::Abs] {
        // The domain saturates on both sides.
        let make = |seed| widths::narrow(seed, 30, 1, kind, (-50, 6));
        complete(make, |circuit| {
            assert!(matches!(form(circuit), Some((Quotient::Whole { .. }, 0))));
        });
    }
}

#[test]
fn a_quotient_in_parts() {
    complete(models::dense, |circuit| {
        let Some((Quotient::Split { bits, .. }, _)) = form(circuit) else {
            panic!("{:?}", form(circuit));
        };
        assert_eq!(bits, 8);
    });
}

#[test]
fn no_shift() {
    for domain in [(-512, 10), (-5, 3)] {
        let make = |seed| widths::narrow(seed, 40, 0, FunctionKind::Identity, domain);
        complete(make, |_| ());
    }
    let make = |seed| widths::wide(seed, (6, 5), 8, 8, 0);
    complete(make, |circuit| {
        assert!(matches!(form(circuit), Some((Quotient::Split { .. }, 0))));
    });
}

#[test]
fn remainders_of_several_limbs() {
    complete(
        |seed| widths::wide(seed, (30, 4), 16, 16, 20),
        |circuit| {
            assert!(matches!(form(circuit), Some((Quotient::Split { .. }, 2))));
        },
    );
}

#[test]
fn twelve_bits() {
    complete(|seed| widths::wide(seed, (50, 20), 12, 12, 13), |_| ());
}

#[test]
fn sixteen_bits_saturate() {
    let make = |seed| widths::wide(seed, (9, 6), 16, 16, 9);
    complete(make, |circuit| {
        let Some((Quotient::Split { bits, .. }, 1)) = form(circuit) else {
            panic!("{:?}", form(circuit));
        };
        assert_eq!(bits, 16);
    });
    let mut maker = make(7);
    let inputs = maker.inputs();
    let output = zkml_engine::run(&maker.graph, &maker.weights, &inputs).unwrap();
    assert!(output[0].iter().any(|value| [-32768, 32767].contains(value)));
}

#[test]
fn weights_in_rows_and_packed() {
    complete(widths::large, |circuit| {
        let params = &circuit.weights.params;
        let rows = |param: &Placed| matches!(param.slot, Slot::Rows { .. });
        assert!(params.iter().any(rows) && !params.iter().all(rows));
        let chunks = |param: &Placed| matches!(param.slot, Slot::Rows { chunks, .. } if chunks > 1);
        assert!(params.iter().any(chunks));
        let brought: usize = circuit.rows.len() + circuit.statement.len();
        assert!(brought < 1 << (circuit.trace_log - circuit.columns_log));
    });
}
