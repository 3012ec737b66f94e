//! The claims that `--input`, `--output` and `--opening` make about a proof, and whether they are true.
//!
//! A proof whose input or output is committed says nothing about values without the opening; with
//! it, the values are those that the commitment provably holds.

use std::path::PathBuf;

use zkml_graph::Graph;
use zkml_samples::{DataError, Ports, Row, Samples, quantize};
use zkml_verifier::{Opening, Shown, Statement, VerifierKey};

use super::MAX_PROOF_BYTES;
use super::arguments::Verify;
use crate::error::Failure;
use crate::files;
use crate::model;

/// The files that the flags name, read and fitted to the graph.
pub(super) struct Claims {
    inputs: Option<Vec<Vec<i64>>>,
    outputs: Option<Vec<Vec<i64>>>,
    opening: Option<Opening>,
}

/// The values that a proof is about, as far as they are public or opened.
pub(super) struct Opened {
    /// One vector for each graph input.
    pub(super) inputs: Option<Vec<Vec<i64>>>,
    /// One vector for each graph output.
    pub(super) outputs: Option<Vec<Vec<i64>>>,
}

impl Claims {
    /// Reads the files. Floats are quantized as the prover does it; integers of outputs are
    /// compared as they are.
    pub(super) fn read(arguments: &Verify, graph: &Graph) -> Result<Self, Failure> {
        let inputs = match &arguments.input {
            None => None,
            Some(path) => Some(Ports::inputs(graph).sample(&model::samples(path)?, arguments.index)?),
        };
        let outputs = match &arguments.output {
            None => None,
            Some(path) => {
                let ports = Ports::outputs(graph);
                let samples = model::samples(path)?;
                let rows = outputs_of(&samples, &ports, arguments.index)?;
                let rows = rows.ok_or_else(|| {
                    let names = ports.names.join("`, `");
                    Failure::input(path, format_args!("no array `{names}` or `outputs`"))
                })?;
                let integers = ports.tensors.iter().zip(rows).map(|(tensor, row)| match row {
                    Row::Float(values) => quantize(tensor, values),
                    Row::Integer(values) => Ok(values.to_vec()),
                });
                let integers = integers.collect::<Result<_, _>>();
                Some(integers.map_err(|error| Failure::input(path, error))?)
            }
        };
        let opening = match &arguments.opening {
            None => None,
            Some(path) => Some(
                Opening::from_bytes(&files::read(path, MAX_PROOF_BYTES)?)
                    .map_err(|error| Failure::input(path, error))?,
            ),
        };
        Ok(Self { inputs, outputs, opening })
    }

    /// The flags that were given.
    pub(super) fn checked(&self) -> Vec<&'static str> {
        [
            ("opening", self.opening.is_some()),
            ("input", self.inputs.is_some()),
            ("output", self.outputs.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }

    /// Checks everything against a verified statement.
    pub(super) fn check(
        &self,
        arguments: &Verify,
        key: &VerifierKey,
        statement: &Statement,
    ) -> Result<Opened, Failure> {
        let graph = key.graph();
        let (inputs, outputs) = match (&self.opening, &arguments.opening) {
            (Some(opening), Some(path)) => {
                let mut values =
                    open(opening, key, statement).map_err(|problem| Failure::is_false(path, problem))?;
                let outputs = values.split_off(graph.inputs.len().min(values.len()));
                (Some(values), Some(outputs))
            }
            _ => statement.public(graph),
        };
        let opened = Opened { inputs, outputs };
        compare("--input", &arguments.input, &self.inputs, &opened.inputs, &Ports::inputs(graph))?;
        let ports = Ports::outputs(graph);
        compare("--output", &arguments.output, &self.outputs, &opened.outputs, &ports)?;
        Ok(opened)
    }
}

/// The values of all inputs and outputs: public ones as they stand, committed ones as opened.
fn open(opening: &Opening, key: &VerifierKey, statement: &Statement) -> Result<Vec<Vec<i64>>, &'static str> {
    if opening.key != key.digest() {
        return Err("it is the opening of a proof for another key");
    }
    let graph = key.graph();
    if !opening.opens(graph, statement) {
        return Err("it does not open the proof's commitments");
    }
    let tensors = opening.tensors.iter().zip(&statement.tensors);
    tensors
        .map(|(opened, shown)| match (opened, shown) {
            (Some((values, _)), _) => Ok(values.clone()),
            (None, Shown::Public(values)) => Ok(values.clone()),
            (None, Shown::Committed(_)) => Err("it leaves a commitment closed"),
        })
        .collect()
}

/// The outputs of one sample, or the file's only outputs: an answer is often saved alone.
fn outputs_of<'a>(
    samples: &'a Samples,
    ports: &Ports<'_>,
    index: usize,
) -> Result<Option<Vec<Row<'a>>>, DataError> {
    match ports.rows(samples, index) {
        Err(DataError::Index { samples: 1, .. }) => ports.rows(samples, 0),
        found => found,
    }
}

/// Compares what the user claims with what the proof is about.
fn compare(
    flag: &'static str,
    path: &Option<PathBuf>,
    claimed: &Option<Vec<Vec<i64>>>,
    opened: &Option<Vec<Vec<i64>>>,
    ports: &Ports<'_>,
) -> Result<(), Failure> {
    let (Some(path), Some(claimed)) = (path, claimed) else {
        return Ok(());
    };
    let Some(opened) = opened else {
        let problem = "the proof only commits to it; name its opening with --opening".to_owned();
        return Err(Failure::Usage { flag, problem });
    };
    for ((tensor, claimed), opened) in ports.tensors.iter().zip(claimed).zip(opened) {
        let differs = claimed.iter().zip(opened).position(|(claimed, opened)| claimed != opened);
        if let Some(at) = differs {
            let what = flag.trim_start_matches('-');
            return Err(Failure::is_false(
                path,
                format_args!(
                    "the proof is about another {what}: element {at} of `{}` is {} there, {} here",
                    tensor.name, opened[at], claimed[at]
                ),
            ));
        }
        if claimed.len() != opened.len() {
            let problem =
                format_args!("`{}` has {} elements there, {} here", tensor.name, opened.len(), claimed.len());
            return Err(Failure::is_false(path, problem));
        }
    }
    Ok(())
}
