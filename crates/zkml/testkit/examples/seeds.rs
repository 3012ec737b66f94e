//! Makes the seeds of our own formats for the fuzz targets:
//! `cargo run --release -p zkml-testkit --example seeds`.
//!
//! Needed again when a format or the protocol changes. Proofs and keys are random, so that every
//! run gives others.

use std::error::Error;
use std::path::{Path, PathBuf};

use serde_json::Value;
use zkml_compile::{Options, Sample, compile};
use zkml_float::Model;
use zkml_graph::codec::{encode_graph, encode_model};
use zkml_prover::{Request, keygen, prove};
use zkml_testkit::case::{self, Case};
use zkml_testkit::decoders::CONTEXT;
use zkml_verifier::Visibility::{Committed, Public};

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// The float crate's fixtures that, together, have every kind of node and term.
const FIXTURES: &[&str] = &[
    "argmax_dy18",
    "avgpool_three_dy18",
    "concat_dy20",
    "conv_depthwise_dy19",
    "gemm_gelu_dy18",
    "matmul_batched_dy19",
    "maxpool_padded_dy18",
    "mul_dy19",
    "net_mlp_softmax_dy18",
    "pad_value_dy19",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

fn write(folder: &str, name: &str, bytes: &[u8]) -> Outcome {
    let folder = root().join("fuzz/seeds").join(folder);
    std::fs::create_dir_all(&folder)?;
    Ok(std::fs::write(folder.join(name), bytes)?)
}

/// The samples of a fixture.
fn samples(name: &str, model: &Model) -> Outcome<Vec<Sample>> {
    let path = root().join(format!("crates/zkml/float/tests/fixtures/{name}.json"));
    let value: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let mut samples: Vec<Sample> = Vec::new();
    for (position, input) in model.inputs().iter().enumerate() {
        let arrays = value["inputs"][&input.name]["samples"].as_array();
        for (index, array) in arrays.into_iter().flatten().enumerate() {
            let numbers = array.as_array().into_iter().flatten();
            let values = numbers.map(|number| number.as_f64().unwrap_or(0.0) as f32);
            if position == 0 {
                samples.push(Sample { inputs: Vec::new(), labels: Vec::new(), output: None });
            }
            let sample = samples.get_mut(index).ok_or("uneven samples")?;
            sample.inputs.push(values.collect());
        }
    }
    Ok(samples)
}

fn graphs_and_models() -> Outcome {
    for name in FIXTURES {
        let path = root().join(format!("crates/zkml/float/tests/fixtures/{name}.onnx"));
        let model = Model::read(&std::fs::read(path)?)?;
        let samples = samples(name, &model)?;
        let compiled = compile(&model, &samples, &Options::default(), &mut |_, _, _| ())?;
        write("graph", name, &encode_graph(&compiled.graph))?;
        let bytes = encode_model(&compiled.graph, &compiled.weights)?;
        write("model", name, &bytes)?;
    }
    Ok(())
}

fn keys_and_proofs() -> Outcome {
    let Case { graph, weights, inputs } = case::dense(&[6, 5, 3], 1)?;
    let keys = keygen(graph, weights, &mut |_| ())?;
    write("prover_key", "dense.key", &keys.prover.to_bytes()?)?;
    write("verifier_key", "dense.key", &keys.verifier.to_bytes())?;
    for (name, input, output) in
        [("committed", Committed, Committed), ("public", Public, Public), ("mixed", Committed, Public)]
    {
        let request = Request { inputs: &inputs, context: CONTEXT, input, output };
        let proved = prove(&keys.prover, &request)?;
        if name != "mixed" {
            write("proof", &format!("{name}.proof"), &proved.proof)?;
        }
        if let Some(opening) = proved.opening {
            write("opening", &format!("{name}.opening"), &opening.to_bytes())?;
        }
    }
    Ok(())
}

fn main() -> Outcome {
    graphs_and_models()?;
    keys_and_proofs()
}
