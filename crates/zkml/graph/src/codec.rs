//! Graphs and weights as bytes: versioned, little-endian, fixed-width, canonical.
//!
//! A graph has exactly one encoding: decoding refuses every other (trailing bytes, unknown tags,
//! optional parts that are marked present twice), so that the digest of the bytes names the
//! graph. Decoding reads, then validates with [`crate::validate`]; a length is believed only as
//! far as bytes follow it. Digests are the caller's.
//!
//! ```text
//! graph   "CYBG" version:u16  name weight_bits:u8
//!         tensors: [name shape:[u32] min:i64 max:i64 scale:i8]  params: [name outer:u32 inner:u32]
//!         nodes: [name output:u32 op]  inputs: [u32]  outputs: [u32]
//! model   "CYBM" version:u16  graph_bytes:u64 graph  then each parameter's cells, row-major,
//!         i8 where weight_bits <= 8, else i16
//! ```
//! A list is a `u32` count and its items, a name a `u32` length and UTF-8, an option a byte 0 or
//! 1 before its content, a variant a byte in the order of its enum in [`crate::types`].

mod read;
mod write;

use alloc::string::String;
use alloc::vec::Vec;

use crate::types::{Graph, Weights};
use crate::validate::{GraphError, validate};
use read::Reader;

/// First bytes of an encoded graph.
pub const GRAPH_MAGIC: [u8; 4] = *b"CYBG";
/// First bytes of an encoded model.
pub const MODEL_MAGIC: [u8; 4] = *b"CYBM";
/// Version of both encodings.
pub const VERSION: u16 = 1;

/// Why bytes are not a graph or a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The first bytes are those of something else.
    #[error("not a {expected} file: the first bytes are {got:02x?}")]
    Magic {
        /// What was to be read.
        expected: &'static str,
        /// The bytes found.
        got: [u8; 4],
    },
    /// A version that this program does not read.
    #[error("format version {got}, this program reads version {expected}")]
    Version {
        /// The version of this program.
        expected: u16,
        /// The version found.
        got: u16,
    },
    /// The bytes end too early.
    #[error("truncated at byte {offset}, in {field}: {needed} more bytes expected, {left} left")]
    Truncated {
        /// What was being read.
        field: &'static str,
        /// Position.
        offset: usize,
        /// Bytes that the field needs.
        needed: u64,
        /// Bytes that there are.
        left: usize,
    },
    /// A byte that names no variant.
    #[error("byte {offset}, in {field}: unknown variant {tag}")]
    Tag {
        /// What was being read.
        field: &'static str,
        /// Position after the byte.
        offset: usize,
        /// The byte.
        tag: u8,
    },
    /// A name that is not UTF-8.
    #[error("byte {offset}, in {field}: the name is not UTF-8")]
    Name {
        /// What was being read.
        field: &'static str,
        /// Position after the name.
        offset: usize,
    },
    /// Bytes after the end.
    #[error("{extra} bytes after the end, at byte {offset}")]
    Trailing {
        /// Position.
        offset: usize,
        /// Number of bytes.
        extra: usize,
    },
    /// A weight that does not fit the width.
    #[error("parameter {param}: weight {value} at {index} does not fit {bits} bits")]
    WeightRange {
        /// Name of the parameter.
        param: String,
        /// Position, row-major.
        index: usize,
        /// The weight.
        value: i16,
        /// The declared width.
        bits: u8,
    },
    /// The bytes read well, but the graph is not well formed.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// Why weights cannot be encoded with a graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Weights for another number of parameters.
    #[error("the weights hold {got} parameters, the graph has {expected}")]
    ParamCount {
        /// Parameters of the graph.
        expected: usize,
        /// Vectors of weights.
        got: usize,
    },
    /// A parameter with another number of cells.
    #[error("parameter {param} has {got} weights, expected {expected}")]
    ParamLength {
        /// Name of the parameter.
        param: String,
        /// `outer * inner`.
        expected: u64,
        /// Cells found.
        got: usize,
    },
    /// A weight outside its width.
    #[error("parameter {param}: weight {value} at {index} does not fit {bits} bits")]
    WeightRange {
        /// Name of the parameter.
        param: String,
        /// Position, row-major.
        index: usize,
        /// The weight.
        value: i16,
        /// The declared width.
        bits: u8,
    },
}

/// Encodes a graph. Only a valid graph decodes again.
#[must_use]
pub fn encode_graph(graph: &Graph) -> Vec<u8> {
    let mut bytes = Vec::new();
    write::graph(&mut bytes, graph);
    bytes
}

/// Decodes and validates a graph.
///
/// # Errors
/// Returns an error if the bytes are not the encoding of a valid graph.
pub fn decode_graph(bytes: &[u8]) -> Result<Graph, CodecError> {
    let mut reader = Reader::new(bytes);
    let graph = read::graph(&mut reader)?;
    reader.finish()?;
    validate(&graph)?;
    Ok(graph)
}

/// Encodes a graph and its weights.
///
/// # Errors
/// Returns an error if the weights do not have the shapes of the graph's parameters, or its width.
pub fn encode_model(graph: &Graph, weights: &Weights) -> Result<Vec<u8>, EncodeError> {
    if graph.params.len() != weights.0.len() {
        return Err(EncodeError::ParamCount { expected: graph.params.len(), got: weights.0.len() });
    }
    for (param, values) in graph.params.iter().zip(&weights.0) {
        let expected = u64::from(param.outer).saturating_mul(param.inner.into());
        if values.len() as u64 != expected {
            return Err(EncodeError::ParamLength { param: param.name.clone(), expected, got: values.len() });
        }
        if let Some((index, value)) = out_of_width(values, graph.weight_bits) {
            return Err(EncodeError::WeightRange {
                param: param.name.clone(),
                index,
                value,
                bits: graph.weight_bits,
            });
        }
    }
    let encoded = encode_graph(graph);
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&MODEL_MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(encoded.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&encoded);
    for values in &weights.0 {
        write::weights(&mut bytes, values, graph.weight_bits);
    }
    Ok(bytes)
}

/// Decodes and validates a graph and its weights.
///
/// # Errors
/// Returns an error if the bytes are not the encoding of a valid graph with weights of its shapes and width.
pub fn decode_model(bytes: &[u8]) -> Result<(Graph, Weights), CodecError> {
    let mut reader = Reader::new(bytes);
    reader.header("model", MODEL_MAGIC)?;
    let length = reader.u64("graph length")?;
    let graph = decode_graph(reader.take("graph", length)?)?;
    let mut weights = Vec::new();
    for param in &graph.params {
        let cells = u64::from(param.outer).saturating_mul(param.inner.into());
        let values = read::weights(&mut reader, cells, graph.weight_bits)?;
        if let Some((index, value)) = out_of_width(&values, graph.weight_bits) {
            return Err(CodecError::WeightRange {
                param: param.name.clone(),
                index,
                value,
                bits: graph.weight_bits,
            });
        }
        weights.push(values);
    }
    reader.finish()?;
    Ok((graph, Weights(weights)))
}

/// The first weight that does not fit a width of 2..=16 bits, and its position.
#[must_use]
#[expect(clippy::arithmetic_side_effects, reason = "half of a width is at most 2^15, in 32 bits")]
pub fn out_of_width(values: &[i16], bits: u8) -> Option<(usize, i16)> {
    let half = 1_i32 << bits.clamp(1, 16).saturating_sub(1);
    // Two folds that vectorise; the search runs only where something is wrong.
    let low = values.iter().copied().fold(0, i16::min);
    let high = values.iter().copied().fold(0, i16::max);
    if i32::from(low) >= -half && i32::from(high) < half {
        return None;
    }
    let fits = |value: i16| (-half..half).contains(&i32::from(value));
    values.iter().copied().enumerate().find(|&(_, value)| !fits(value))
}
