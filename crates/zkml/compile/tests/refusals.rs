//! Models that must be refused: each with the error that names what is wrong with it.

use std::error::Error;
use std::path::Path;

use zkml_compile::{CompileError, Options, Sample, compile, inspect};
use zkml_float::{FloatError, Model};

type Outcome = Result<(), Box<dyn Error>>;

fn bytes(name: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../float/tests/fixtures/unsupported");
    Ok(std::fs::read(folder.join(format!("{name}.onnx")))?)
}

/// What a file is refused with: while reading, or when compiled on one sample of zeros.
fn refusal(bytes: &[u8]) -> Option<CompileError> {
    let model = match Model::read(bytes) {
        Ok(model) => model,
        Err(error) => return Some(error.into()),
    };
    let inputs = model.inputs().iter().map(|i| vec![0.0; i.len()]).collect();
    let sample = Sample { inputs, labels: Vec::new(), output: None };
    compile(&model, &[sample], &Options::default(), &mut |_, _, _| {}).err()
}

#[test]
fn faulty_files_are_refused_by_name() -> Outcome {
    for (name, message) in [
        ("custom_domain", "cannot be proven"),
        ("cycle", "is not defined before it"),
        ("dynamic_spatial", "is left open"),
        ("external_data", "not read here"),
        ("future_opset", "opset is"),
        ("old_opset", "opset is"),
        ("huge_dims", "exceeds the limit"),
        ("infinite_weight", "not a finite number"),
        ("nan_weight", "not a finite number"),
        ("missing_initialiser", "is not defined before it"),
        ("negative_dims", "is negative"),
        ("short_raw_data", "needs 16 elements"),
        ("wrong_shape", "differ"),
    ] {
        let Some(error) = refusal(&bytes(name)?) else {
            return Err(format!("{name} is accepted").into());
        };
        if !error.to_string().contains(message) {
            return Err(format!("{name}: {error}").into());
        }
    }
    Ok(())
}

#[test]
fn every_unsupported_node_is_listed() -> Outcome {
    for (name, operators) in [
        ("div_activations_dy20", &["Div"][..]),
        ("div_activations_ts13", &["Div"]),
        ("nonzero_ts15", &["NonZero"]),
        ("several_dy19", &["TopK"]),
        ("several_ts17", &["TopK"]),
        ("topk_dy19", &["TopK"]),
        ("topk_ts17", &["TopK"]),
    ] {
        let file = bytes(name)?;
        let found = inspect(&Model::read(&file)?);
        let listed: Vec<&str> = found.unsupported.iter().map(|u| u.operator.as_str()).collect();
        if found.provable || listed != operators {
            return Err(format!("{name}: {listed:?}").into());
        }
        if found.unsupported.iter().any(|u| u.node.is_empty() || u.reason.is_empty()) {
            return Err(format!("{name}: a node without name or reason").into());
        }
        match refusal(&file) {
            Some(CompileError::Unsupported(nodes)) if nodes == found.unsupported => {}
            other => return Err(format!("{name}: compiling gives {other:?}").into()),
        }
    }
    Ok(())
}

/// One weight of 1e9 among ordinary ones: integers of a scale too fine for their bounds made a
/// well-formed graph for which no key could be made.
#[test]
fn what_compiles_can_be_keyed() -> Outcome {
    let model = Model::read(&bytes("../huge_weight_dy18")?)?;
    let sample = |seed: usize| Sample {
        inputs: model
            .inputs()
            .iter()
            .map(|input| (0..input.len()).map(|i| ((i * 37 + seed * 101 + 7) % 61) as f32 / 60.0).collect())
            .collect(),
        ..Sample::default()
    };
    let samples: Vec<Sample> = (0..6).map(sample).collect();
    let compiled = compile(&model, &samples, &Options::default(), &mut |_, _, _| {})?;
    zkml_verifier::circuit::Circuit::new(&compiled.graph)?;
    Ok(())
}

#[test]
fn no_prefix_and_no_flipped_byte_panics() -> Outcome {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../float/tests/fixtures");
    for name in ["net_lenet_ts17", "softmax_middle_dy18", "conv_groups"] {
        let Some(path) = std::fs::read_dir(&folder)?.filter_map(Result::ok).map(|e| e.path()).find(|p| {
            let text = p.to_string_lossy();
            text.contains(name) && text.ends_with(".onnx")
        }) else {
            continue;
        };
        let file = std::fs::read(path)?;
        for end in (0..file.len()).step_by(file.len() / 100 + 1) {
            drop(Model::read(&file[..end]).map(|m| inspect(&m)));
        }
        for at in (0..file.len()).step_by(file.len() / 400 + 1) {
            for bit in [0, 3, 7] {
                let mut broken = file.clone();
                broken[at] ^= 1 << bit;
                drop(Model::read(&broken).map(|m| inspect(&m)));
            }
        }
    }
    Ok(())
}

#[test]
fn bad_samples_and_options_are_refused() -> Outcome {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../float/tests/fixtures");
    let model = Model::read(&std::fs::read(folder.join("abs_dy20.onnx"))?)?;
    let good = Sample { inputs: vec![vec![0.5; 12]], labels: Vec::new(), output: None };
    let run =
        |samples: &[Sample], options: &Options| compile(&model, samples, options, &mut |_, _, _| {}).err();
    let plain = Options::default();
    assert!(matches!(run(&[], &plain), Some(CompileError::NoSamples)));
    let short = Sample { inputs: vec![vec![0.5; 11]], ..good.clone() };
    assert!(matches!(
        run(&[short], &plain),
        Some(CompileError::Float(FloatError::ArraySize { expected: 12, got: 11, .. }))
    ));
    let none = Sample { inputs: vec![], ..good.clone() };
    assert!(matches!(
        run(&[none], &plain),
        Some(CompileError::Float(FloatError::InputCount { expected: 1, got: 0 }))
    ));
    let mut values = vec![0.5; 12];
    values[3] = f32::INFINITY;
    let infinite = Sample { inputs: vec![values], ..good.clone() };
    assert!(matches!(
        run(&[infinite], &plain),
        Some(CompileError::Float(FloatError::NotFinite { index: 3, .. }))
    ));
    let wide = Options { weight_bits: 17, ..Options::default() };
    assert!(matches!(
        run(std::slice::from_ref(&good), &wide),
        Some(CompileError::Option { option: "weight_bits", .. })
    ));
    let share = Options { min_agreement: Some(f64::NAN), ..Options::default() };
    assert!(matches!(run(&[good], &share), Some(CompileError::Option { option: "min_agreement", .. })));
    Ok(())
}
