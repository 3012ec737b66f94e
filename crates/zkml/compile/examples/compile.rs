//! Compiles an ONNX model on the samples of an npz file: `compile MODEL.onnx DATA.npz OUT.cyb
//! [BITS]`, with a fixed width where one is given.

use std::error::Error;
use std::io::Write;

use zkml_compile::{Options, Sample, compile};
use zkml_float::Model;
use zkml_graph::codec::encode_model;
use zkml_samples::Samples;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (model, data, out, bits) = match &arguments[..] {
        [model, data, out] => (model, data, out, None),
        [model, data, out, bits] => (model, data, out, Some(bits.parse()?)),
        _ => return Err("usage: compile MODEL.onnx DATA.npz OUT.cyb [BITS]".into()),
    };
    let mut options = Options::default();
    if let Some(bits) = bits {
        options.search = false;
        (options.weight_bits, options.activation_bits) = (bits, bits);
    }
    let model = Model::read(&std::fs::read(model)?)?;
    let samples = Sample::all(&model, &Samples::from_bytes(data, &std::fs::read(data)?)?)?;
    let compiled = compile(&model, &samples, &options, &mut |_, _, _| {})?;
    std::fs::write(out, encode_model(&compiled.graph, &compiled.weights)?)?;
    let mut stdout = std::io::stdout();
    for node in &compiled.graph.nodes {
        let tensor = &compiled.graph.tensors[node.output as usize];
        let (shape, range) = (&tensor.shape, (tensor.min, tensor.max));
        writeln!(stdout, "{}: {shape:?} in {range:?} at 2^-{}", node.name, tensor.scale)?;
    }
    writeln!(stdout, "{}", serde_json::to_string_pretty(&compiled.report)?)?;
    Ok(())
}
