//! One count of multiply-accumulates: what inspection shows, what the chain's tariff is made of,
//! and what the float model multiplies, for models with every operator.

use std::collections::HashSet;
use std::error::Error;
use std::path::Path;

use zkml_compile::{Options, Sample, compile, inspect};
use zkml_float::Model;
use zkml_graph::Op;
use zkml_graph::work::multiply_accumulates;
use zkml_verifier::circuit::Circuit;
use zkml_verifier::cost::work;

type Outcome = Result<(), Box<dyn Error>>;

/// Models that together have every kind of node.
const MODELS: [&str; 9] = [
    "net_attention_causal_dy19",
    "net_lenet_dy19",
    "net_mobilenet_dy19",
    "net_mlp_softmax_dy18",
    "maxpool_padded_dy18",
    "gemm_gelu_dy18",
    "matmul_batched_dy19",
    "concat_const_dy18",
    "argmax_dy18",
];

#[test]
fn inspection_tariff_and_float_model_agree() -> Outcome {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../float/tests/fixtures");
    let mut kinds = HashSet::new();
    for name in MODELS {
        let model = Model::read(&std::fs::read(folder.join(format!("{name}.onnx")))?)?;
        let value = |i: usize| ((i * 37 + 7) % 61) as f32 / 30.0 - 1.0;
        let inputs = model.inputs().iter().map(|input| (0..input.len()).map(value).collect()).collect();
        let sample = Sample { inputs, ..Sample::default() };
        let options = Options { search: false, ..Options::default() };
        let graph = compile(&model, &[sample], &options, &mut |_, _, _| {})?.graph;
        let shown = multiply_accumulates(&graph);
        let charged = work(&graph, &Circuit::new(&graph)?);
        assert_eq!(charged.inference_macs, shown, "{name}: the tariff is made of what is shown");
        assert!(charged.proof_macs > shown, "{name}: a proof runs the model too");
        assert_eq!(inspect(&model).macs, shown, "{name}: before and after compiling");
        assert!(shown >= model.macs(), "{name}: {shown} charged, {} multiplied", model.macs());
        kinds.extend(graph.nodes.iter().map(|node| match node.op {
            Op::Affine { .. } => "affine",
            Op::Product { .. } => "product",
            Op::Max { .. } => "max",
            Op::Normalize { .. } => "normalize",
        }));
    }
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    Ok(())
}
