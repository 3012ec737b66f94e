//! What opens the commitments of a statement: integers and blinds, secret.
//!
//! A prover returns the opening of what its proof commits to. Whoever owns an input may also choose
//! its blinds before anybody proves anything ([`Opening::of_inputs`]): then the
//! [digest](Opening::input_digest) by which the input is named is known before, and the owner sends
//! the opening to the prover. Nothing here needs an operating system: whoever makes an opening brings
//! 32 bytes of randomness.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::circuit::IO_CHUNK;
use crate::error::{FormatError, OpeningError};
use crate::statement::{Shown, Statement, chunk_count, element_count, part_digest, tensor, tensors};
use crate::wire::{Reader, header, put_scalars};
use alloc::vec::Vec;
use zeroize::{Zeroize, Zeroizing};
use zkml_core::commit::commit_rows;
use zkml_core::group::Generators;
use zkml_core::random::Random;
use zkml_core::zip::{Unequal, equal, zip_eq};
use zkml_core::{Affine, F};
use zkml_graph::{Graph, TensorId};

const MAGIC: &[u8; 6] = b"CYBopn";
const VERSION: u16 = 1;

/// Values and blinds of one tensor.
pub type OpenedTensor<'a> = (&'a [i64], &'a [F]);

/// Values and blinds behind commitments: secret.
pub struct Opening {
    /// Digest of the verifying key.
    pub key: [u8; 32],
    /// For each tensor of the statement, or for each graph input alone, values and blinds if it
    /// is committed.
    pub tensors: Vec<Option<(Vec<i64>, Vec<F>)>>,
}

impl Opening {
    /// The bytes: secret.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a graph's tensors and their cells are below 2^32")]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(header(MAGIC, VERSION));
        out.extend(self.key);
        out.extend((self.tensors.len() as u32).to_le_bytes());
        for tensor in &self.tensors {
            let Some((values, blinds)) = tensor else {
                out.extend(0u32.to_le_bytes());
                continue;
            };
            out.extend((values.len() as u32).to_le_bytes());
            out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            put_scalars(&mut out, blinds);
        }
        out
    }

    /// Reads an opening.
    ///
    /// # Errors
    /// Returns an error if the bytes are not an opening.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, "opening", MAGIC, VERSION)?;
        let key = reader.array("key digest")?;
        let count = u32::from_le_bytes(reader.array("tensor count")?);
        let mut tensors = Vec::new();
        for _ in 0..count {
            let len = u32::from_le_bytes(reader.array("value count")?) as usize;
            if len == 0 {
                tensors.push(None);
                continue;
            }
            let (words, _) = reader.take("values", len.saturating_mul(8))?.as_chunks();
            let values = words.iter().map(|word| i64::from_le_bytes(*word)).collect();
            tensors.push(Some((values, reader.scalars("blind", chunk_count(len))?)));
        }
        reader.finish()?;
        Ok(Self { key, tensors })
    }

    /// Whether these values open the commitments of a statement about a graph. Values that are
    /// left out do not count as zeros.
    #[must_use]
    pub fn opens(&self, graph: &Graph, statement: &Statement) -> bool {
        let pairs = zip_eq(&self.tensors, &statement.tensors);
        let Ok(mut parts) = pairs.and_then(|pairs| zip_eq(tensors(graph), pairs)) else {
            return false;
        };
        parts.all(|(tensor, parts)| match parts {
            (None, Shown::Public(_)) => true,
            (Some((values, blinds)), Shown::Committed(points)) => {
                values.len() == element_count(tensor)
                    && commit_values(values, blinds).is_ok_and(|commitments| commitments == *points)
            }
            _ => false,
        })
    }

    /// An opening of a graph's inputs with fresh blinds, from 32 bytes of system randomness.
    ///
    /// # Errors
    /// Returns an error if the number or the lengths of the inputs are not the graph's.
    pub fn of_inputs(
        graph: &Graph,
        key: [u8; 32],
        inputs: &[Vec<i64>],
        entropy: &[u8; 32],
    ) -> Result<Self, OpeningError> {
        for (id, values) in zip_eq(&graph.inputs, inputs)? {
            check_values(graph, *id, values.len())?;
        }
        let bytes: Zeroizing<Vec<u8>> =
            Zeroizing::new(inputs.iter().flatten().flat_map(|value| value.to_le_bytes()).collect());
        let mut random = Random::new("cyborg input opening v1", entropy, &[&key, &bytes]);
        let tensors = inputs
            .iter()
            .map(|values| Some((values.clone(), draw_blinds(values.len(), &mut random))))
            .collect();
        Ok(Self { key, tensors })
    }

    /// The digest of the inputs' part of every statement that commits to these inputs with these
    /// blinds: [`Statement::digests`], before there is a proof.
    ///
    /// # Errors
    /// Returns an error if this does not open all inputs of the graph.
    pub fn input_digest(&self, graph: &Graph) -> Result<[u8; 32], OpeningError> {
        Ok(part_digest(graph, &graph.inputs, &committed(&self.input_parts(graph)?)?)?)
    }

    /// This opening of inputs together with the outputs that follow from them, under fresh blinds:
    /// the digest of the answer is known before its proof, which the prover makes with the same
    /// blinds. They come from 32 bytes of system randomness.
    ///
    /// # Errors
    /// Returns an error if this does not open all inputs of the graph, or if the number or the
    /// lengths of the outputs are not the graph's.
    pub fn with_outputs(
        &self,
        graph: &Graph,
        outputs: &[Vec<i64>],
        entropy: &[u8; 32],
    ) -> Result<Self, OpeningError> {
        let inputs = self.input_parts(graph)?;
        for (id, values) in zip_eq(&graph.outputs, outputs)? {
            check_values(graph, *id, values.len())?;
        }
        let bytes = self.to_bytes();
        let mut random = Random::new("cyborg output opening v1", entropy, &[&bytes]);
        let inputs = inputs.into_iter().map(|(values, blinds)| Some((values.to_vec(), blinds.to_vec())));
        let outputs = outputs.iter().map(|values| {
            let blinds = draw_blinds(values.len(), &mut random);
            Some((values.clone(), blinds))
        });
        Ok(Self { key: self.key, tensors: inputs.chain(outputs).collect() })
    }

    /// The digest of the outputs' part of every statement that commits to these outputs with these
    /// blinds.
    ///
    /// # Errors
    /// Returns an error if this does not open all inputs and outputs of the graph.
    pub fn output_digest(&self, graph: &Graph) -> Result<[u8; 32], OpeningError> {
        equal(tensors(graph).len(), self.tensors.len())?;
        let parts = self.tensors.get(graph.inputs.len()..).unwrap_or_default();
        Ok(part_digest(graph, &graph.outputs, &committed(&parts_of(graph, &graph.outputs, parts)?)?)?)
    }

    /// Values and blinds of every graph input, with lengths checked.
    fn input_parts(&self, graph: &Graph) -> Result<Vec<OpenedTensor<'_>>, OpeningError> {
        let (count, got) = (graph.inputs.len(), self.tensors.len());
        let parts = if got == tensors(graph).len() { self.tensors.get(..count) } else { None };
        parts_of(graph, &graph.inputs, parts.unwrap_or(&self.tensors))
    }

    /// Values and blinds of the outputs that this opens; `None` if it opens inputs alone.
    ///
    /// # Errors
    /// Returns an error if the lengths of the outputs or of their blinds are not the graph's.
    pub fn outputs(&self, graph: &Graph) -> Result<Option<Vec<OpenedTensor<'_>>>, OpeningError> {
        match self.tensors.get(graph.inputs.len()..) {
            Some(parts @ [_, ..]) if parts.iter().all(Option::is_some) => {
                parts_of(graph, &graph.outputs, parts).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The blinds for given inputs of the graph of a key, named by its digest, if this opens them.
    ///
    /// # Errors
    /// Returns an error if this is for another key, or opens other inputs than these.
    pub fn blinds_of(
        &self,
        key: &[u8; 32],
        graph: &Graph,
        inputs: &[Vec<i64>],
    ) -> Result<Vec<&[F]>, OpeningError> {
        if self.key != *key {
            return Err(OpeningError::Key);
        }
        let parts = self.input_parts(graph)?;
        for (input, ((values, _), given)) in zip_eq(&parts, inputs)?.enumerate() {
            if values != given {
                return Err(OpeningError::Values { input });
            }
        }
        Ok(parts.into_iter().map(|(_, blinds)| blinds).collect())
    }
}

/// The canonical commitment: chunks of raw integers, each with its blind.
///
/// # Errors
/// Returns an error if there is not one blind for each chunk.
pub fn commit_values(values: &[i64], blinds: &[F]) -> Result<Vec<Affine>, Unequal> {
    let generators = Generators::new(IO_CHUNK, 0);
    let chunks: Vec<&[i64]> = values.chunks(IO_CHUNK).collect();
    commit_rows(&generators, &chunks, blinds)
}

/// The statement's part about tensors that are committed, with their blinds.
fn committed(parts: &[OpenedTensor<'_>]) -> Result<Vec<Shown>, Unequal> {
    parts.iter().map(|(values, blinds)| commit_values(values, blinds).map(Shown::Committed)).collect()
}

/// Fresh blinds for the chunks of `len` values.
#[must_use]
pub fn draw_blinds(len: usize, random: &mut Random) -> Vec<F> {
    (0..chunk_count(len)).map(|_| random.scalar()).collect()
}

/// Values and blinds of tensors of a graph, with lengths checked.
fn parts_of<'a>(
    graph: &Graph,
    ids: &[TensorId],
    tensors: &'a [Option<(Vec<i64>, Vec<F>)>],
) -> Result<Vec<OpenedTensor<'a>>, OpeningError> {
    let parts = zip_eq(ids, tensors)?.enumerate().map(|(input, (id, tensor))| {
        let Some((values, blinds)) = tensor else {
            return Err(OpeningError::Closed { input });
        };
        check_values(graph, *id, values.len())?;
        let expected = chunk_count(values.len());
        if blinds.len() != expected {
            return Err(OpeningError::Blinds { input, expected, got: blinds.len() });
        }
        Ok((&values[..], &blinds[..]))
    });
    parts.collect()
}

fn check_values(graph: &Graph, id: TensorId, got: usize) -> Result<(), OpeningError> {
    let tensor = tensor(graph, id);
    let expected = element_count(tensor);
    if got == expected {
        return Ok(());
    }
    Err(OpeningError::Length { tensor: tensor.name.clone(), expected, got })
}

/// The digest of the inputs' part of every statement that shows these inputs in public.
///
/// # Errors
/// Returns an error if the number or the lengths of the inputs are not the graph's.
pub fn public_input_digest(graph: &Graph, inputs: &[Vec<i64>]) -> Result<[u8; 32], OpeningError> {
    for (id, values) in zip_eq(&graph.inputs, inputs)? {
        check_values(graph, *id, values.len())?;
    }
    let shown: Vec<Shown> = inputs.iter().map(|values| Shown::Public(values.clone())).collect();
    Ok(part_digest(graph, &graph.inputs, &shown)?)
}

impl Drop for Opening {
    fn drop(&mut self) {
        for (values, blinds) in self.tensors.iter_mut().flatten() {
            values.zeroize();
            blinds.zeroize();
        }
    }
}
