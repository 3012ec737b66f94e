//! Small models written here, for corners that exporters seldom reach.

use prost::Message;
use zkml_graph::{Epilogue, FunctionKind, Op};

use crate::{CompileError, Compiled, Options, Sample, compile};
use zkml_float::onnx::messages::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use zkml_float::{FloatError, Model};

fn info(name: &str, shape: &[i64]) -> ValueInfoProto {
    let dim = |&d: &i64| DimensionProto { dim_value: Some(d), dim_param: None };
    let shape = TensorShapeProto { dim: shape.iter().map(dim).collect() };
    let tensor_type = Some(TensorTypeProto { elem_type: 1, shape: Some(shape) });
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type }) }
}

fn weight(name: &str, dims: &[i64], scale: f32) -> TensorProto {
    let n = dims.iter().product::<i64>();
    let value = |i: i64| scale * (((i * 7919 + 13) % 101) as f32 / 50.0 - 1.0);
    TensorProto {
        name: name.into(),
        dims: dims.to_vec(),
        data_type: 1,
        float_data: (0..n).map(value).collect(),
        ..TensorProto::default()
    }
}

fn node(op: &str, inputs: &[&str], outputs: &[&str], ints: &[(&str, &[i64])]) -> NodeProto {
    let attribute = |(name, values): &(&str, &[i64])| AttributeProto {
        name: (*name).into(),
        r#type: if values.len() == 1 && *name != "axes" { 2 } else { 7 },
        i: values[0],
        ints: values.to_vec(),
        ..AttributeProto::default()
    };
    NodeProto {
        op_type: op.into(),
        name: format!("{op}_{}", outputs[0]),
        input: inputs.iter().map(|s| (*s).into()).collect(),
        output: outputs.iter().map(|s| (*s).into()).collect(),
        attribute: ints.iter().map(attribute).collect(),
        ..NodeProto::default()
    }
}

fn model(
    inputs: &[(&str, &[i64])],
    outputs: &[&str],
    nodes: Vec<NodeProto>,
    weights: Vec<TensorProto>,
) -> Result<Model, FloatError> {
    let graph = GraphProto {
        node: nodes,
        name: "test".into(),
        initializer: weights,
        input: inputs.iter().map(|(name, shape)| info(name, shape)).collect(),
        output: outputs.iter().map(|name| info(name, &[])).collect(),
        ..GraphProto::default()
    };
    let model = ModelProto {
        ir_version: 8,
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 17 }],
        ..ModelProto::default()
    };
    Model::read(&model.encode_to_vec())
}

/// Compiles on made-up samples and checks that integers follow floats within 4 %.
fn follows(model: &Model) -> Result<Compiled, CompileError> {
    let sample = |seed: usize| Sample {
        inputs: model
            .inputs()
            .iter()
            .map(|input| {
                let value = |i: usize| ((i * 37 + seed * 101 + 7) % 61) as f32 / 30.0 - 1.0;
                (0..input.len()).map(value).collect()
            })
            .collect(),
        ..Sample::default()
    };
    let samples: Vec<Sample> = (0..12).flat_map(|s| [sample(s), sample(s)]).collect();
    let options = Options { search: false, ..Options::default() };
    let compiled = compile(model, &samples, &options, &mut |_, _, _| {})?;
    for output in &compiled.report.outputs {
        assert!(output.relative_error() < 0.04, "{output:?}");
    }
    Ok(compiled)
}

#[test]
fn relu_moves_before_a_pool_that_it_follows() -> Result<(), CompileError> {
    let model = model(
        &[("x", &[1, 2, 6, 6])],
        &["y"],
        vec![
            node("Conv", &["x", "w", "b"], &["c"], &[("kernel_shape", &[3, 3])]),
            node("MaxPool", &["c"], &["p"], &[("kernel_shape", &[2, 2]), ("strides", &[2, 2])]),
            node("Relu", &["p"], &["y"], &[]),
        ],
        vec![weight("w", &[3, 2, 3, 3], 0.5), weight("b", &[3], 0.5)],
    )?;
    let compiled = follows(&model)?;
    let maxima = compiled.graph.nodes.iter().filter(|n| matches!(n.op, Op::Max { .. })).count();
    assert_eq!((compiled.graph.nodes.len(), maxima), (3, 2), "one sum with its ReLU, two maxima");
    Ok(())
}

#[test]
fn views_of_inputs_are_copied_to_outputs() -> Result<(), CompileError> {
    let model = model(
        &[("x", &[1, 2, 3])],
        &["same", "flat", "turned"],
        vec![
            node("Identity", &["x"], &["same"], &[]),
            node("Flatten", &["x"], &["flat"], &[("axis", &[1])]),
            node("Transpose", &["x"], &["turned"], &[("perm", &[0, 2, 1])]),
        ],
        vec![],
    )?;
    let compiled = follows(&model)?;
    assert_eq!(compiled.graph.outputs.len(), 3);
    Ok(())
}

#[test]
fn values_with_several_readers_are_computed_once() -> Result<(), CompileError> {
    let model = model(
        &[("x", &[1, 8])],
        &["h", "y"],
        vec![
            node("MatMul", &["x", "w1"], &["a"], &[]),
            node("Relu", &["a"], &["h"], &[]),
            node("Sigmoid", &["a"], &["s"], &[]),
            node("Add", &["h", "s"], &["t"], &[]),
            node("MatMul", &["t", "w2"], &["y"], &[]),
        ],
        vec![weight("w1", &[8, 6], 0.6), weight("w2", &[6, 4], 0.6)],
    )?;
    let compiled = follows(&model)?;
    assert_eq!(compiled.graph.params.len(), 2);
    Ok(())
}

#[test]
fn sums_and_concatenations_of_one_value() -> Result<(), CompileError> {
    let model = model(
        &[("x", &[1, 5])],
        &["y", "zero"],
        vec![
            node("Add", &["x", "x"], &["d"], &[]),
            node("Sub", &["x", "x"], &["zero"], &[]),
            node("Concat", &["x", "d", "x"], &["y"], &[("axis", &[1])]),
        ],
        vec![],
    )?;
    follows(&model)?;
    Ok(())
}

#[test]
fn weights_of_zero_and_unread_inputs() -> Result<(), CompileError> {
    let model = model(
        &[("x", &[1, 4]), ("unread", &[1, 3])],
        &["y"],
        vec![node("Gemm", &["x", "w", "b"], &["y"], &[])],
        vec![weight("w", &[4, 3], 0.0), weight("b", &[3], 1.0)],
    )?;
    let compiled = follows(&model)?;
    assert_eq!(compiled.graph.inputs.len(), 2);
    Ok(())
}

#[test]
fn a_scalar_of_the_model_stays_hidden() -> Result<(), CompileError> {
    let model = model(
        &[("x", &[1, 4])],
        &["y"],
        vec![node("Mul", &["x", "t"], &["y"], &[])],
        vec![TensorProto {
            name: "t".into(),
            data_type: 1,
            float_data: vec![0.37],
            ..TensorProto::default()
        }],
    )?;
    let compiled = follows(&model)?;
    assert_eq!(compiled.graph.params.len(), 1, "a trained factor is a parameter");
    Ok(())
}

#[test]
fn keys_of_an_arg_max_are_as_wide_as_activations() -> Result<(), CompileError> {
    let model = model(
        &[("x", &[1, 8])],
        &["y"],
        vec![
            node("Gemm", &["x", "w", "b"], &["scores"], &[]),
            node("ArgMax", &["scores"], &["y"], &[("axis", &[1])]),
        ],
        vec![weight("w", &[8, 10], 0.5), weight("b", &[10], 0.5)],
    )?;
    let compiled = follows(&model)?;
    let widths = compiled.graph.nodes.iter().filter_map(|n| match &n.op {
        Op::Affine { epilogue: Epilogue::Requant { domain_bits, function, .. }, .. }
            if matches!(function.kind, FunctionKind::ArgIndex { .. }) =>
        {
            Some(*domain_bits)
        }
        _ => None,
    });
    assert_eq!(widths.collect::<Vec<_>>(), [12], "8 bits of score, 4 bits of index");
    Ok(())
}

#[test]
fn exact_averages_and_uneven_ones() -> Result<(), CompileError> {
    for (size, kernel) in [(4, 2), (6, 3)] {
        let model = model(
            &[("x", &[1, 2, size, size])],
            &["y"],
            vec![node(
                "AveragePool",
                &["x"],
                &["y"],
                &[("kernel_shape", &[kernel, kernel]), ("pads", &[0, 1, 1, 0])],
            )],
            vec![],
        )?;
        follows(&model)?;
    }
    Ok(())
}

#[test]
fn contradictions_name_the_node() {
    let wrong = model(
        &[("x", &[1, 4])],
        &["y"],
        vec![node("MatMul", &["x", "w"], &["y"], &[])],
        vec![weight("w", &[5, 3], 1.0)],
    );
    let Err(FloatError::Node { node, operator, reason }) = wrong else {
        panic!("accepted");
    };
    assert_eq!((node.as_str(), operator.as_str()), ("MatMul_y", "MatMul"));
    assert!(reason.contains("inner extents 4 and 5"), "{reason}");
}
