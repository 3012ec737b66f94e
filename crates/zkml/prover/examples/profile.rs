//! Times the steps of proving and verifying a compiled model on a random input:
//! `cargo run --release -p zkml-prover --example profile -- M.cyb [RUNS]`.
#![expect(clippy::print_stdout, reason = "a program")]

use std::error::Error;
use std::time::Instant;
use zkml_graph::codec::decode_model;
use zkml_prover::{Request, estimate, keygen, prove, trace::Trace};
use zkml_verifier::circuit::Circuit;
use zkml_verifier::{VerifierKey, Visibility, verify};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: profile M.cyb [RUNS]")?;
    let runs: usize = arguments.next().map_or(Ok(5), |runs| runs.parse())?;
    let bytes = std::fs::read(path)?;
    let time =
        |name: &str, start: Instant| println!("{name:<24}{:>9.2} ms", start.elapsed().as_secs_f64() * 1e3);
    let start = Instant::now();
    let (graph, weights) = decode_model(&bytes)?;
    time("decode model", start);
    let start = Instant::now();
    let circuit = Circuit::new(&graph)?;
    time("circuit", start);
    println!(
        "columns 2^{}, trace 2^{} ({} rows), leaves 2^{}, weight rows {}, hidden {}, tables {}, lookups {}, relations {}",
        circuit.columns_log,
        circuit.trace_log,
        circuit.rows.len(),
        circuit.leaf_log,
        circuit.weights.rows,
        circuit.hidden_count(),
        circuit.tables.len(),
        circuit.lookups.len(),
        circuit.relations.len(),
    );
    println!("{:?}", estimate::estimate(&graph, &circuit));
    let mut state = 1u64;
    let inputs: Vec<Vec<i64>> = graph
        .inputs
        .iter()
        .map(|id| {
            let tensor = &graph.tensors[*id as usize];
            let count: u32 = tensor.shape.iter().product();
            let mut value = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                tensor.min + (state >> 33) as i64 % (tensor.max - tensor.min + 1)
            };
            (0..count).map(|_| value()).collect()
        })
        .collect();
    let start = Instant::now();
    let keys = keygen(graph, weights, &mut |_| ())?;
    time("keygen", start);
    for _ in 0..runs {
        let start = Instant::now();
        let execution = zkml_engine::execute(keys.prover.graph(), keys.prover.weights(), &inputs)?;
        time("engine", start);
        let start = Instant::now();
        let trace = Trace::new(keys.prover.circuit(), keys.prover.graph(), execution);
        time("trace", start);
        drop(trace);
        let start = Instant::now();
        let (input, output) = (Visibility::Committed, Visibility::Committed);
        let proved = prove(&keys.prover, &Request { inputs: &inputs, context: b"", input, output })?;
        time("prove", start);
        let key = keys.verifier.to_bytes();
        let start = Instant::now();
        let key = VerifierKey::from_bytes(&key)?;
        time("read verifying key", start);
        let start = Instant::now();
        verify(&key, &proved.proof, b"")?;
        time("verify", start);
        println!("proof {} bytes, key {} bytes", proved.proof.len(), key.to_bytes().len());
    }
    let start = Instant::now();
    keys.verifier.check()?;
    time("check key", start);
    Ok(())
}
