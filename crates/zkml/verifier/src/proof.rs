//! A proof as bytes. Every length follows from the key and the statement's flags; the bytes hold
//! no count at all, so that there is none to lie about.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::circuit::Circuit;
use crate::error::FormatError;
use crate::statement::{Statement, Visibility};
use crate::wire::{Reader, header, put_points, put_scalars};
use alloc::vec::Vec;
use zkml_core::ipa::{InnerProductProof, round_count};
use zkml_core::zip::Unequal;
use zkml_core::{Affine, F};
use zkml_graph::Graph;

const MAGIC: &[u8; 6] = b"CYBprf";
const VERSION: u16 = 2;

/// Bytes before the statement's tensors: magic, version, key digest, two visibilities.
pub const HEADER_BYTES: usize = 6 + 2 + 32 + 2;

/// A proof of an inference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Digest of the verifying key. (public)
    pub key: [u8; 32],
    /// What is proven. (public; commitments are hiding)
    pub statement: Statement,
    /// What proves it.
    pub body: Body,
}

/// The part of a proof that does not depend on the statement's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Commitments to the trace's rows. (commitment)
    pub rows: Vec<Affine>,
    /// Commitment to the pads. (commitment)
    pub pads: Affine,
    /// Hidden scalars plus their pads. (masked)
    pub hidden: Vec<F>,
    /// The blinded factors of the product argument. (masked)
    pub revealed: [F; 2],
    /// The inner-product argument. (commitments and masked responses)
    pub inner: InnerProductProof,
}

impl Body {
    /// Appends the bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        put_points(out, &self.rows);
        put_points(out, &[self.pads]);
        put_scalars(out, &self.hidden);
        put_scalars(out, &self.revealed);
        for (left, right) in &self.inner.rounds {
            put_points(out, &[*left, *right]);
        }
        put_points(out, &[self.inner.last]);
        put_scalars(out, &[self.inner.scalar, self.inner.blind]);
    }

    /// Reads the bytes of a proof for a circuit.
    ///
    /// # Errors
    /// Returns an error if the bytes are not those of a proof for this circuit.
    #[expect(clippy::arithmetic_side_effects, reason = "twice the rounds of an argument: below 100")]
    pub fn read(circuit: &Circuit, reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let rows = reader.points("trace commitment", circuit.rows.len())?;
        let [pads] = fixed(reader.points("pad commitment", 1)?, "pad commitment")?;
        let hidden = reader.scalars("hidden scalar", circuit.messages.answered)?;
        let revealed = fixed(reader.scalars("revealed factor", 2)?, "revealed factor")?;
        let rounds = reader.points("inner product round", 2 * argument_rounds(circuit))?;
        let (rounds, _) = rounds.as_chunks();
        let [last] = fixed(reader.points("inner product commitment", 1)?, "inner product commitment")?;
        let [scalar, blind] = fixed(reader.scalars("inner product response", 2)?, "inner product response")?;
        Ok(Self {
            rows,
            pads,
            hidden,
            revealed,
            inner: InnerProductProof {
                rounds: rounds.iter().map(|[left, right]| (*left, *right)).collect(),
                last,
                scalar,
                blind,
            },
        })
    }

    /// Number of bytes of a proof's body for a circuit.
    #[must_use]
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "a circuit's rows and scalars are bounded by its limits"
    )]
    pub fn size(circuit: &Circuit) -> usize {
        let rounds = argument_rounds(circuit);
        let points = circuit.rows.len() + 1 + 2 * rounds + 1;
        let scalars = circuit.messages.answered + 2 + 2;
        32 * (points + scalars)
    }
}

impl Proof {
    /// The bytes.
    ///
    /// # Errors
    /// Returns an error if the statement is not about the graph: it has another number of tensors.
    pub fn to_bytes(&self, graph: &Graph) -> Result<Vec<u8>, Unequal> {
        let mut out = header(MAGIC, VERSION);
        out.extend(self.key);
        self.statement.write(graph, &mut out)?;
        self.body.write(&mut out);
        Ok(out)
    }

    /// Reads the bytes of a proof for a key's graph and circuit.
    ///
    /// # Errors
    /// Returns an error if the bytes are not those of a proof. The digest is left to the caller.
    pub fn from_bytes(graph: &Graph, circuit: &Circuit, bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, "proof", MAGIC, VERSION)?;
        let key = reader.array("key digest")?;
        let statement = Statement::read(graph, &mut reader)?;
        let body = Body::read(circuit, &mut reader)?;
        reader.finish()?;
        Ok(Self { key, statement, body })
    }

    /// The key digest that proof bytes name, without anything else.
    ///
    /// # Errors
    /// Returns an error if the bytes do not begin as a proof does.
    pub fn key_of(bytes: &[u8]) -> Result<[u8; 32], FormatError> {
        Reader::new(bytes, "proof", MAGIC, VERSION)?.array("key digest")
    }

    /// The visibilities of inputs and of outputs that proof bytes state, without anything else.
    ///
    /// # Errors
    /// Returns an error if the bytes do not begin as a proof does.
    pub fn visibility_of(bytes: &[u8]) -> Result<[Visibility; 2], FormatError> {
        let mut reader = Reader::new(bytes, "proof", MAGIC, VERSION)?;
        reader.take("key digest", 32)?;
        Visibility::read(&mut reader)
    }
}

/// Rounds of the inner-product argument of a proof for a circuit.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "columns and hidden scalars are bounded by the generators"
)]
fn argument_rounds(circuit: &Circuit) -> usize {
    round_count(circuit.columns() + circuit.hidden_count())
}

fn fixed<T, const N: usize>(items: Vec<T>, field: &'static str) -> Result<[T; N], FormatError> {
    items.try_into().map_err(|items: Vec<T>| FormatError::Count { field, expected: N, got: items.len() })
}
