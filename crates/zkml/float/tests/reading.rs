//! What a file leaves open, and weights in files beside it.

use std::io;
use std::path::Path;

use prost::Message;
use zkml_float::onnx::Reading;
use zkml_float::onnx::messages::{ModelProto, StringStringEntryProto};
use zkml_float::{FloatError, Model};

fn case(name: &str) -> io::Result<Vec<u8>> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../compile/tests/cases").join(name))
}

/// The model with an entry of its first tensor's external data changed.
fn changed(key: &str, value: &str) -> io::Result<Vec<u8>> {
    let mut model = ModelProto::decode(&case("01_external.onnx")?[..]).map_err(io::Error::other)?;
    let tensors = model.graph.iter_mut().flat_map(|graph| &mut graph.initializer);
    for tensor in tensors.filter(|tensor| !tensor.external_data.is_empty()).take(1) {
        tensor.external_data.retain(|entry| entry.key != key);
        tensor.external_data.push(StringStringEntryProto { key: key.into(), value: value.into() });
    }
    Ok(model.encode_to_vec())
}

fn refusal(bytes: &[u8], weights: &dyn Fn(&str) -> io::Result<Vec<u8>>) -> String {
    match Model::read_with(bytes, &Reading { shapes: Vec::new(), external: Some(weights) }) {
        Err(FloatError::ExternalData { reason, .. }) => reason,
        other => format!("{other:?}"),
    }
}

#[test]
fn weights_beside_the_model_are_read() -> Result<(), Box<dyn std::error::Error>> {
    let bytes = case("01_external.onnx")?;
    assert!(Model::read(&bytes).is_err(), "nobody said how to read the file");
    let model = Model::read_with(&bytes, &Reading { shapes: Vec::new(), external: Some(&case) })?;
    assert_eq!(model.run(&[vec![1.0; 8]])?[0].len(), 4);
    Ok(())
}

#[test]
fn files_elsewhere_and_files_that_are_too_short_are_refused() -> io::Result<()> {
    let never = |location: &str| -> io::Result<Vec<u8>> { panic!("{location} was read") };
    for location in ["../weights", "/etc/passwd", "a/../../b", "", "."] {
        assert_eq!(refusal(&changed("location", location)?, &never), "it is not in the model's folder");
    }
    let short = |_: &str| Ok(vec![0; 3]);
    assert!(refusal(&case("01_external.onnx")?, &short).contains("3 bytes"));
    for (key, value) in [("offset", "18446744073709551615"), ("length", "99999999"), ("offset", "4000000")] {
        assert!(refusal(&changed(key, value)?, &case).contains("more are needed"), "{key} {value}");
    }
    assert_eq!(refusal(&changed("offset", "-1")?, &case), "offset is \"-1\"");
    let missing = |_: &str| Err(io::Error::from(io::ErrorKind::NotFound));
    assert!(refusal(&case("01_external.onnx")?, &missing).contains("not found"));
    Ok(())
}

#[test]
fn extents_that_are_left_open_are_given() -> Result<(), Box<dyn std::error::Error>> {
    let bytes = case("16c_dyn_seq.onnx")?;
    let read = |shape: &[usize]| {
        let shapes = vec![("x".to_owned(), shape.to_vec())];
        Model::read_with(&bytes, &Reading { shapes, external: None })
    };
    assert!(Model::read(&bytes).is_err_and(|error| error.to_string().contains("--shape")));
    assert_eq!(read(&[1, 6, 8])?.outputs()[0].shape, [1, 6, 3]);
    for (shape, says) in [(&[1, 6][..], "rank 2"), (&[1, 6, 9], "extent 8 in the file, and 9 is given")] {
        let error = read(shape).map(drop).map_err(|error| error.to_string());
        assert!(error.as_ref().is_err_and(|text| text.contains(says)), "{error:?}");
    }
    let unknown = vec![("z".to_owned(), vec![1])];
    assert!(Model::read_with(&bytes, &Reading { shapes: unknown, external: None }).is_err());
    Ok(())
}
