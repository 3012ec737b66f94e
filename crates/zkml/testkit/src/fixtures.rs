//! Models beside what somebody else computed with them: `NAME.onnx` and `NAME.json`, which holds samples of the
//! inputs and outputs. PyTorch's exporters and ONNX's own tests are kept so (`scripts/export_fixtures.py`,
//! `scripts/onnx_tests/case.py`).

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

/// What reading returns.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// A model and what it yields.
#[derive(Debug)]
pub struct Fixture {
    /// Name of its files.
    pub name: String,
    /// The ONNX file.
    pub model: Vec<u8>,
    /// Operators that it is a test of; empty if it does not say.
    pub operators: Vec<String>,
    /// Share of their range that the outputs may be off by, because whoever computed them rounded.
    pub tolerance: Option<f64>,
    /// Inputs by name.
    pub inputs: BTreeMap<String, Port>,
    /// Outputs by name.
    pub outputs: BTreeMap<String, Port>,
}

/// An input or output, and its elements in all samples.
#[derive(Clone, Debug)]
pub struct Port {
    /// Type of the elements, as numpy names it; empty if the file does not say.
    pub element: String,
    /// Extents, slowest axis first.
    pub shape: Vec<usize>,
    /// Row-major elements of each sample; truth values are 0 and 1.
    pub samples: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    operators: Vec<String>,
    tolerance: Option<f64>,
    inputs: BTreeMap<String, Elements>,
    outputs: BTreeMap<String, Elements>,
}

#[derive(Deserialize)]
struct Elements {
    #[serde(default, rename = "type")]
    element: String,
    shape: Vec<usize>,
    samples: Vec<Vec<Value>>,
}

/// The fixtures of a folder, sorted by name.
///
/// # Errors
/// Returns an error if the folder cannot be read.
pub fn names(folder: &Path) -> Outcome<Vec<String>> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Reads one fixture.
///
/// # Errors
/// Returns an error if a file is missing or has another form.
pub fn read(folder: &Path, name: &str) -> Outcome<Fixture> {
    let model = fs::read(folder.join(format!("{name}.onnx")))?;
    let File { operators, tolerance, inputs, outputs } =
        serde_json::from_slice(&fs::read(folder.join(format!("{name}.json")))?)?;
    let (name, inputs, outputs) = (name.to_owned(), ports(inputs)?, ports(outputs)?);
    Ok(Fixture { name, model, operators, tolerance, inputs, outputs })
}

fn ports(values: BTreeMap<String, Elements>) -> Outcome<BTreeMap<String, Port>> {
    let port = |Elements { element, shape, samples }| -> Outcome<Port> {
        let samples = samples.iter().map(|sample| sample.iter().map(number).collect());
        Ok(Port { element, shape, samples: samples.collect::<Outcome<_>>()? })
    };
    values.into_iter().map(|(name, elements)| Ok((name, port(elements)?))).collect()
}

fn number(value: &Value) -> Outcome<f32> {
    match value {
        Value::Bool(truth) => Ok(f32::from(u8::from(*truth))),
        // NaN and the infinities, which JSON does not have.
        Value::String(text) => Ok(text.parse()?),
        value => value.as_f64().map(|v| v as f32).ok_or_else(|| format!("{value} is no element").into()),
    }
}

/// The arrays of values of these names, for each sample one array for each name.
///
/// # Errors
/// Returns an error if a name is missing.
pub fn samples<'a>(
    ports: &BTreeMap<String, Port>,
    names: impl IntoIterator<Item = &'a str>,
) -> Outcome<Vec<Vec<Vec<f32>>>> {
    let mut samples: Vec<Vec<Vec<f32>>> = Vec::new();
    for name in names {
        let port = ports.get(name).ok_or_else(|| format!("{name:?} is missing"))?;
        samples.resize(samples.len().max(port.samples.len()), Vec::new());
        samples.iter_mut().zip(&port.samples).for_each(|(sample, array)| sample.push(array.clone()));
    }
    Ok(samples)
}
