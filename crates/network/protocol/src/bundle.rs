//! What a deployment ships to its miners: one file, encrypted under the task's content key.
//!
//! ```text
//! magic 8 | key length 8 | the prover's key (crate `zkml-prover`): graph, weights, seed
//! inputs 4 | each input of the test: length 4, integers 8 each
//! ```
//!
//! Numbers are little-endian. The chain knows the file by BLAKE3 of these bytes, as the registered
//! model's `model` digest. The test input belongs to the owner, who can recompute what a miner
//! attests of it.

use cyborg_primitives::Digest;
use thiserror::Error;
use zeroize::Zeroizing;
use zkml_graph::Graph;
use zkml_verifier::statement::part_digest;
use zkml_verifier::{OpeningError, Shown};

const MAGIC: [u8; 8] = *b"cybdepl\x01";
/// What a deployment's blob is bound to, beside its key.
pub const CONTEXT: &[u8] = b"cyborg deployment v1";
/// Most inputs of a test; a graph has far fewer.
const MAX_INPUTS: u32 = 256;

/// Why bytes are not a deployment.
#[derive(Debug, Error)]
pub enum BundleError {
    /// They do not begin with the magic.
    #[error("not a deployment of this version")]
    NotADeployment,
    /// They end too early.
    #[error("a deployment is cut off in its {part}")]
    CutOff {
        /// The offset.
        part: &'static str,
    },
    /// They go on after the end.
    #[error("a deployment has {got} bytes after its end")]
    Longer {
        /// Number of bytes.
        got: usize,
    },
    /// More inputs than any graph has.
    #[error("a test of {got} inputs; at most {max}")]
    Inputs {
        /// Most inputs.
        max: u32,
        /// Inputs found.
        got: u32,
    },
}

/// A model with what proves its answers, and a test.
pub struct Deployment<'a> {
    /// The prover's key as `zkml-prover` writes it: secret. Whoever uses it reads it.
    pub key: &'a [u8],
    /// One array of integers for each of the graph's inputs.
    pub test: Vec<Vec<i64>>,
}

impl<'a> Deployment<'a> {
    /// The bytes: secret.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let Self { key, test } = self;
        let mut bytes = Zeroizing::new(MAGIC.to_vec());
        bytes.extend((key.len() as u64).to_le_bytes());
        bytes.extend(*key);
        bytes.extend((test.len() as u32).to_le_bytes());
        for input in test {
            bytes.extend((input.len() as u32).to_le_bytes());
            bytes.extend(input.iter().flat_map(|value| value.to_le_bytes()));
        }
        bytes
    }

    /// Reads a deployment. Nothing is allocated beyond what the bytes themselves hold.
    ///
    /// # Errors
    /// Returns an error if they are not a deployment.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, BundleError> {
        let mut rest = bytes.strip_prefix(&MAGIC).ok_or(BundleError::NotADeployment)?;
        let length = u64::from_le_bytes(take(&mut rest, "key")?);
        let key = usize::try_from(length)
            .ok()
            .and_then(|length| rest.split_at_checked(length))
            .ok_or(BundleError::CutOff { part: "key" })?;
        let (key, mut rest) = key;
        let count = u32::from_le_bytes(take(&mut rest, "test")?);
        if count > MAX_INPUTS {
            return Err(BundleError::Inputs { max: MAX_INPUTS, got: count });
        }
        let mut test = Vec::new();
        for _ in 0..count {
            let length = u32::from_le_bytes(take(&mut rest, "test")?) as usize;
            let (values, after) = length
                .checked_mul(8)
                .and_then(|length| rest.split_at_checked(length))
                .ok_or(BundleError::CutOff { part: "test" })?;
            rest = after;
            let words = values.chunks_exact(8);
            test.push(
                words
                    .map(|word| word.iter().rev().fold(0, |value: i64, byte| value << 8 | i64::from(*byte)))
                    .collect(),
            );
        }
        if rest.is_empty() { Ok(Self { key, test }) } else { Err(BundleError::Longer { got: rest.len() }) }
    }
}

/// The name of a deployment on chain.
#[must_use]
pub fn digest(bytes: &[u8]) -> Digest {
    *blake3::hash(bytes).as_bytes()
}

/// Names an inference on a test input: BLAKE3's key derivation over the digests of the statement's
/// parts, both shown in public. Miners attest it, and the owner computes it too.
///
/// # Errors
/// Returns an error if the number of inputs or of outputs is not the graph's.
pub fn test_digest(graph: &Graph, inputs: &[Vec<i64>], outputs: &[Vec<i64>]) -> Result<Digest, OpeningError> {
    let part = |ids: &[u32], values: &[Vec<i64>]| {
        let shown: Vec<Shown> = values.iter().map(|values| Shown::Public(values.clone())).collect();
        part_digest(graph, ids, &shown)
    };
    let digest = blake3::Hasher::new_derive_key("cyborg test inference v1")
        .update(&part(&graph.inputs, inputs)?)
        .update(&part(&graph.outputs, outputs)?)
        .finalize();
    Ok(*digest.as_bytes())
}

fn take<const N: usize>(rest: &mut &[u8], part: &'static str) -> Result<[u8; N], BundleError> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(BundleError::CutOff { part })?;
    *rest = tail;
    Ok(*head)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_deployment_is_read_back_and_nothing_else_is() {
        let deployment = Deployment { key: &[7; 100], test: vec![vec![1, -2, 3, i64::MIN]] };
        let bytes = deployment.to_bytes();
        let read = Deployment::from_bytes(&bytes).unwrap();
        assert_eq!(read.test, deployment.test);
        assert_eq!(read.key, deployment.key);
        assert_eq!(read.to_bytes(), bytes);
        for length in 0..bytes.len() {
            assert!(Deployment::from_bytes(&bytes[..length]).is_err(), "{length}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(matches!(Deployment::from_bytes(&longer), Err(BundleError::Longer { got: 1 })));
        let mut other = bytes.to_vec();
        other[7] = 2;
        assert!(matches!(Deployment::from_bytes(&other), Err(BundleError::NotADeployment)));
        let mut long_key = bytes.to_vec();
        long_key[8..16].fill(255);
        assert!(matches!(Deployment::from_bytes(&long_key), Err(BundleError::CutOff { part: "key" })));
        let at = bytes.len() - 4 * 8 - 8;
        let mut many = bytes.to_vec();
        many[at..at + 4].fill(255);
        assert!(matches!(Deployment::from_bytes(&many), Err(BundleError::Inputs { .. })));
        let mut long_input = bytes.to_vec();
        long_input[at + 4..at + 8].fill(255);
        assert!(matches!(Deployment::from_bytes(&long_input), Err(BundleError::CutOff { part: "test" })));
    }
}
