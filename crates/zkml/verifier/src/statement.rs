//! What a proof says in public: the key, the context, and each input and output either as its
//! values or as commitments to them.
//!
//! The **canonical commitment** of an input or output is to its raw integers, row-major, in
//! chunks of [`IO_CHUNK`] elements on the first column generators, each with a fresh blind. It
//! does not depend on the model, so that the output of one shard is the input of the next.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::circuit::IO_CHUNK;
use crate::error::FormatError;
use crate::wire::{Reader, put_points};
use alloc::vec::Vec;
use zkml_core::Affine;
use zkml_core::labels;
use zkml_core::transcript::Transcript;
use zkml_core::zip::{Unequal, zip_eq};
use zkml_graph::{Graph, Tensor, TensorId};

const DIGEST_DOMAIN: &str = "cyborg statement part v1";

/// Whether the verifier sees values or commitments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// The values are part of the statement.
    Public,
    /// Only commitments are.
    Committed,
}

/// A graph input or output in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The values, row-major.
    Public(Vec<i64>),
    /// Commitments to the chunks.
    Committed(Vec<Affine>),
}

/// One list of values for each input, or for each output, if all of them are public.
pub type PublicValues = Option<Vec<Vec<i64>>>;

/// The statement of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Visibility of the inputs.
    pub input: Visibility,
    /// Visibility of the outputs.
    pub output: Visibility,
    /// Graph inputs, then outputs.
    pub tensors: Vec<Shown>,
}

impl Visibility {
    fn from_byte(field: &'static str, byte: u8) -> Result<Self, FormatError> {
        match byte {
            0 => Ok(Self::Committed),
            1 => Ok(Self::Public),
            got => Err(FormatError::Flag { field, got }),
        }
    }

    /// Reads the visibilities of inputs and of outputs.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<[Self; 2], FormatError> {
        let [input, output] = reader.array("visibility")?;
        Ok([Self::from_byte("input visibility", input)?, Self::from_byte("output visibility", output)?])
    }

    fn byte(self) -> u8 {
        match self {
            Self::Committed => 0,
            Self::Public => 1,
        }
    }
}

impl Shown {
    /// In what form it is.
    #[must_use]
    pub fn visibility(&self) -> Visibility {
        match self {
            Self::Public(_) => Visibility::Public,
            Self::Committed(_) => Visibility::Committed,
        }
    }

    fn write(&self, tensor: &Tensor, out: &mut Vec<u8>) {
        match self {
            Self::Public(values) => {
                let width = value_bytes(tensor);
                for value in values {
                    out.extend(value.wrapping_sub(tensor.min).to_le_bytes().iter().take(width));
                }
            }
            Self::Committed(points) => put_points(out, points),
        }
    }
}

/// The digest of all inputs or of all outputs of a statement, by which others name it: BLAKE3's
/// key derivation over the visibility's byte and, for each tensor, the length of its bytes (eight
/// bytes, little endian) and the bytes as a proof has them.
///
/// The digest of a committed output is that of the input of the next graph that opens the same
/// commitments. Public values are encoded by the tensor's range and say nothing without the graph.
///
/// # Errors
/// Returns an error if there is not one of `shown` for each tensor.
pub fn part_digest(graph: &Graph, ids: &[TensorId], shown: &[Shown]) -> Result<[u8; 32], Unequal> {
    let mut hasher = blake3::Hasher::new_derive_key(DIGEST_DOMAIN);
    if let Some(first) = shown.first() {
        hasher.update(&[first.visibility().byte()]);
    }
    let mut bytes = Vec::new();
    for (id, shown) in zip_eq(ids, shown)? {
        bytes.clear();
        shown.write(tensor(graph, *id), &mut bytes);
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(&bytes);
    }
    Ok(*hasher.finalize().as_bytes())
}

/// Number of chunks of a committed tensor.
#[must_use]
pub fn chunk_count(len: usize) -> usize {
    len.div_ceil(IO_CHUNK)
}

impl Statement {
    /// Appends the bytes.
    ///
    /// # Errors
    /// Returns an error if this is no statement about the graph: it has another number of tensors.
    pub fn write(&self, graph: &Graph, out: &mut Vec<u8>) -> Result<(), Unequal> {
        out.extend([self.input.byte(), self.output.byte()]);
        for (tensor, shown) in zip_eq(tensors(graph), &self.tensors)? {
            shown.write(tensor, out);
        }
        Ok(())
    }

    /// The parts that are about the graph's inputs and about its outputs.
    #[must_use]
    pub fn split(&self, graph: &Graph) -> (&[Shown], &[Shown]) {
        self.tensors.split_at(graph.inputs.len().min(self.tensors.len()))
    }

    /// The values of all inputs and of all outputs, each if they are public.
    #[must_use]
    pub fn public(&self, graph: &Graph) -> (PublicValues, PublicValues) {
        let values = |tensors: &[Shown]| {
            let values = tensors.iter().map(|shown| match shown {
                Shown::Public(values) => Some(values.clone()),
                Shown::Committed(_) => None,
            });
            values.collect()
        };
        let (inputs, outputs) = self.split(graph);
        (values(inputs), values(outputs))
    }

    /// The digests of the inputs' part and of the outputs' part ([`part_digest`]).
    ///
    /// # Errors
    /// Returns an error if this is no statement about the graph: it has another number of tensors.
    pub fn digests(&self, graph: &Graph) -> Result<([u8; 32], [u8; 32]), Unequal> {
        let (inputs, outputs) = self.split(graph);
        Ok((part_digest(graph, &graph.inputs, inputs)?, part_digest(graph, &graph.outputs, outputs)?))
    }

    /// Reads a statement about a graph; public values are checked against their ranges.
    ///
    /// # Errors
    /// Returns an error if the bytes are not a statement about this graph.
    pub fn read(graph: &Graph, reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let [input, output] = Visibility::read(reader)?;
        let mut shown = Vec::new();
        for (position, tensor) in tensors(graph).into_iter().enumerate() {
            let len = element_count(tensor);
            let visibility = if position < graph.inputs.len() { input } else { output };
            shown.push(match visibility {
                Visibility::Public => Shown::Public(read_values(tensor, len, reader)?),
                Visibility::Committed => {
                    Shown::Committed(reader.points("input or output commitment", chunk_count(len))?)
                }
            });
        }
        Ok(Self { input, output, tensors: shown })
    }

    /// Absorbs key, context and statement.
    ///
    /// # Errors
    /// Returns an error if this is no statement about the graph: it has another number of tensors.
    pub fn absorb<T: Transcript + ?Sized>(
        &self,
        graph: &Graph,
        key: &[u8; 32],
        context: &[u8],
        transcript: &mut T,
    ) -> Result<(), Unequal> {
        transcript.absorb(labels::KEY, key);
        transcript.absorb(labels::CONTEXT, context);
        let mut bytes = Vec::new();
        self.write(graph, &mut bytes)?;
        transcript.absorb(labels::STATEMENT, &bytes);
        Ok(())
    }
}

/// The tensors of a statement: graph inputs, then outputs.
#[must_use]
pub fn tensors(graph: &Graph) -> Vec<&Tensor> {
    graph.inputs.iter().chain(&graph.outputs).map(|id| tensor(graph, *id)).collect()
}

/// Number of elements of a tensor.
pub(crate) fn element_count(tensor: &Tensor) -> usize {
    tensor.shape.iter().map(|extent| *extent as usize).product()
}

#[expect(clippy::indexing_slicing, reason = "a graph that was validated names its own tensors")]
pub(crate) fn tensor(graph: &Graph, id: TensorId) -> &Tensor {
    &graph.tensors[id as usize]
}

pub(crate) fn value_bytes(tensor: &Tensor) -> usize {
    let bits = u64::BITS.saturating_sub(span(tensor).leading_zeros());
    bits.div_ceil(8).max(1) as usize
}

/// Greatest distance of a value from its tensor's minimum.
fn span(tensor: &Tensor) -> u64 {
    tensor.max.wrapping_sub(tensor.min).cast_unsigned()
}

fn read_values(tensor: &Tensor, len: usize, reader: &mut Reader<'_>) -> Result<Vec<i64>, FormatError> {
    let width = value_bytes(tensor);
    let bytes = reader.take("public values", len.saturating_mul(width))?;
    let read = |(index, chunk): (usize, &[u8])| {
        let mut word = [0; 8];
        // A value has fewer bytes than the word: the others stay zero.
        word.iter_mut().zip(chunk).for_each(|(byte, read)| *byte = *read);
        let value = tensor.min.wrapping_add(i64::from_le_bytes(word));
        let fits = u64::from_le_bytes(word) <= span(tensor);
        let (min, max) = (tensor.min, tensor.max);
        fits.then_some(value).ok_or_else(|| FormatError::PublicValue {
            tensor: tensor.name.clone(),
            index,
            min,
            max,
        })
    };
    bytes.chunks_exact(width).enumerate().map(read).collect()
}
