//! The zero-knowledge verifier, as models and proofs need it.

use alloc::vec::Vec;
use cyborg_primitives::Digest;
use cyborg_primitives::verification::Cost;
use polkadot_sdk::frame_support::weights::Weight;

/// What a verifying key says of its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFacts {
    /// Digest of the key.
    pub digest: Digest,
    /// Least memory to run the model, in mebibytes.
    pub memory_mib: u32,
    /// Multiply-accumulates of an inference.
    pub work_macs: u64,
    /// Work of a proof, as the number of multiply-accumulates that take equally long.
    pub proof_macs: u64,
    /// Cost of a verification.
    pub cost: Cost,
}

/// Why a verifying key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The bytes do not decode.
    Undecodable,
    /// It costs more than was claimed.
    Underclaimed,
    /// A verification needs more memory than the verifier has.
    TooLarge,
    /// Its proof about itself is false.
    False,
}

/// One proof to be verified.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The model's verifying key, checked before.
    pub key: &'a [u8],
    /// The proof, as it was submitted.
    pub proof: &'a [u8],
    /// The bytes that the proof must be bound to.
    pub context: &'a [u8],
}

/// What a verified proof says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Digest of the input's part of the statement.
    pub input: Digest,
    /// Digest of the output's part.
    pub output: Digest,
}

/// The zero-knowledge verifier.
pub trait Verifier {
    /// Checks a key and its proof about itself, at no more than the claimed cost.
    ///
    /// # Errors
    /// Returns an error if the key must be refused.
    fn check_key(bytes: &[u8], claim: &Cost) -> Result<KeyFacts, KeyError>;

    /// Verifies proofs with one multi-scalar multiplication; `None` for each that is false.
    fn verify(claims: &[Claim<'_>]) -> Vec<Option<Proven>>;

    /// The highest weight of [`check_key`](Self::check_key) at a claimed cost.
    fn check_weight(claim: &Cost) -> Weight {
        Self::weight(claim, 1)
    }

    /// The highest weight of verifying proofs that have this cost together ([`Cost::with`]), without
    /// reads of storage. It includes that false proofs are found by checking each proof alone.
    fn weight(cost: &Cost, proofs: u32) -> Weight;

    /// The weight if none of the proofs was false.
    fn weight_of_true(cost: &Cost, proofs: u32) -> Weight;
}
