//! Payloads that are signed outside of transactions, as bytes.
//!
//! Each payload is a name, the genesis hash, and the fields in SCALE's fixed-width encoding. The
//! signature is over these bytes as they are.

use crate::{Account, Digest, ModelId, RequestNumber, TaskId};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// A payload with a name of its own.
pub trait Payload: Encode {
    /// Separates this payload from every other.
    const NAME: &'static [u8];

    /// The bytes that are signed, for one chain.
    fn payload(&self, genesis: &Digest) -> Vec<u8> {
        let mut bytes = Self::NAME.to_vec();
        bytes.extend(genesis);
        self.encode_to(&mut bytes);
        bytes
    }
}

/// The owner's authorisation to be paid for one request. Without it a miner could invent requests.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Authorisation {
    /// The task.
    pub task: TaskId,
    /// The miner that is asked, the only one that is paid.
    pub miner: Account,
    /// The request, counted from 1 for each miner of a task, without gaps.
    pub number: RequestNumber,
    /// Digest of the input's part of the proof's statement.
    pub input: Digest,
    /// The highest pay for it, in the chain's smallest unit.
    pub price_cap: u128,
}

impl Payload for Authorisation {
    const NAME: &'static [u8] = b"cyborg authorisation v1";
}

/// The owner's acknowledgement that every request up to a number was answered.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Acknowledgement {
    /// The task.
    pub task: TaskId,
    /// The miner that answered.
    pub miner: Account,
    /// The last of the answered requests.
    pub through: RequestNumber,
}

impl Payload for Acknowledgement {
    const NAME: &'static [u8] = b"cyborg acknowledgement v1";
}

/// What a miner signs when it answers.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Receipt {
    /// The task.
    pub task: TaskId,
    /// The miner that signs.
    pub miner: Account,
    /// The request.
    pub number: RequestNumber,
    /// The input's part of the proof's statement.
    pub input: Digest,
    /// The output's part of the proof's statement.
    pub output: Digest,
}

impl Payload for Receipt {
    const NAME: &'static [u8] = b"cyborg receipt v1";
}

/// A signature over a miner's challenge, by which an account shows that it may watch a task. It allows
/// nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StatusChallenge {
    /// The task.
    pub task: TaskId,
    /// The miner that is asked.
    pub miner: Account,
    /// The miner's challenge: fresh, and valid once.
    pub nonce: [u8; 32],
}

impl Payload for StatusChallenge {
    const NAME: &'static [u8] = b"cyborg task status v1";
}

/// The context of a proof's transcript: what the proof is bound to beside key, input and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode)]
pub struct ProofContext {
    /// The task.
    pub task: TaskId,
    /// The miner that proves.
    pub miner: Account,
    /// The model.
    pub model: ModelId,
    /// The request.
    pub number: RequestNumber,
}

impl Payload for ProofContext {
    const NAME: &'static [u8] = b"cyborg inference v1";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that are signed are a format: they do not change by accident.
    #[test]
    fn golden_payload() {
        let authorisation =
            Authorisation { task: 1, miner: [2; 32], number: 3, input: [4; 32], price_cap: 5 };
        let mut expected = b"cyborg authorisation v1".to_vec();
        expected.extend([9; 32]);
        expected.extend(1_u64.to_le_bytes());
        expected.extend([2; 32]);
        expected.extend(3_u64.to_le_bytes());
        expected.extend([4; 32]);
        expected.extend(5_u128.to_le_bytes());
        assert_eq!(authorisation.payload(&[9; 32]), expected);

        let challenge = StatusChallenge { task: 1, miner: [2; 32], nonce: [3; 32] };
        let mut expected = b"cyborg task status v1".to_vec();
        expected.extend([9; 32]);
        expected.extend(1_u64.to_le_bytes());
        expected.extend([2; 32]);
        expected.extend([3; 32]);
        assert_eq!(challenge.payload(&[9; 32]), expected);
    }

    #[test]
    fn no_payload_is_another() {
        let names = [
            Authorisation::NAME,
            Acknowledgement::NAME,
            Receipt::NAME,
            StatusChallenge::NAME,
            ProofContext::NAME,
        ];
        for (index, name) in names.iter().enumerate() {
            for other in &names[index + 1..] {
                assert!(!name.starts_with(other) && !other.starts_with(name));
            }
        }
    }
}
