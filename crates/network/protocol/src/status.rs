//! The live status of a task: a miner's challenge, signed by an account that may watch, and the stream that
//! it opens. `docs/miner.md` has the same as tables.
//!
//! ```text
//! challenge  {"nonce": "0x…", "lasts_ms": 60000}
//! token      Authorization: Cyborg HEX of nonce 32 | account 32 | signature 64
//! stream     text/event-stream, each event one `Status` as JSON
//! ```
//!
//! What a miner says of itself is its word only: what is paid and proven is on chain.

use cyborg_account::signing::{from_header, to_header};
use cyborg_account::{Signing, verify};
use cyborg_primitives::signed::{Payload as _, StatusChallenge};
use cyborg_primitives::{Account, Digest, RequestNumber, TaskId};
use serde::{Deserialize, Serialize};

/// The step of a task that is over: no event follows.
pub const ENDED: &str = "ended";
const TOKEN_BYTES: usize = 32 + 32 + 64;

/// A task as its miner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The task's number.
    pub task: TaskId,
    /// How far it is, in the words of `docs/miner.md`; [`ENDED`] is the last.
    pub step: String,
    /// The last trouble, in words.
    pub trouble: Option<String>,
    /// The last finalised block that the miner handled.
    pub block: u64,
    /// Requests answered in the task's life here.
    pub answered: u64,
    /// Proofs that are owed and not made.
    pub proofs_due: u64,
    /// Proofs made since the miner was started.
    pub proofs_made: u64,
    /// Proofs that the chain has verified since the miner was started.
    pub proofs_verified: u64,
    /// All requests up to this one are settled.
    pub settled_through: RequestNumber,
    /// Escrow left for answers, in the chain's smallest unit; `None` before the task is served.
    #[serde(with = "decimal")]
    pub compute_left: Option<u128>,
    /// Escrow left for proofs, likewise.
    #[serde(with = "decimal")]
    pub proof_money_left: Option<u128>,
    /// How long requests and proofs of the task kept a processor busy since the miner was started.
    pub busy_ms: u64,
}

/// Numbers that other languages' JSON would round, as text.
mod decimal {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Option<u128>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(|value| value.to_string()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u128>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

/// What a client must sign to watch a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// `0x` and 64 hexadecimal digits.
    pub nonce: String,
    /// How long it is valid.
    pub lasts_ms: u64,
}

impl Challenge {
    /// The bytes to sign; `None` if the digits are not valid.
    #[must_use]
    pub fn nonce(&self) -> Option<[u8; 32]> {
        let mut nonce = [0; 32];
        hex::decode_to_slice(self.nonce.strip_prefix("0x")?, &mut nonce).ok()?;
        Some(nonce)
    }
}

/// A signed challenge: it lets its account watch a task once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusToken {
    /// The miner's challenge.
    pub nonce: [u8; 32],
    /// The account that signs.
    pub account: Account,
    signature: [u8; 64],
}

impl StatusToken {
    /// Signs a challenge of a miner for a task.
    #[must_use]
    pub fn sign(signer: &dyn Signing, genesis: &Digest, challenge: &StatusChallenge) -> Self {
        let signature = signer.sign(&challenge.payload(genesis));
        Self { nonce: challenge.nonce, account: signer.account(), signature }
    }

    /// Whether its account has signed it for this task at this miner.
    #[must_use]
    pub fn is_valid(&self, genesis: &Digest, task: TaskId, miner: Account) -> bool {
        let challenge = StatusChallenge { task, miner, nonce: self.nonce };
        verify(&self.account, &challenge.payload(genesis), &self.signature)
    }

    /// As the value of an `Authorization` header.
    #[must_use]
    pub fn to_header(&self) -> String {
        to_header(&[&self.nonce[..], &self.account, &self.signature].concat())
    }

    /// From the value of an `Authorization` header.
    #[must_use]
    pub fn from_header(header: &str) -> Option<Self> {
        let bytes: [u8; TOKEN_BYTES] = from_header(header)?;
        Some(Self {
            nonce: bytes[..32].try_into().ok()?,
            account: bytes[32..64].try_into().ok()?,
            signature: bytes[64..].try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use cyborg_account::keys;

    const GENESIS: Digest = [9; 32];

    fn status() -> Status {
        Status {
            task: 3,
            step: "serving".to_owned(),
            trouble: None,
            block: 7,
            answered: 5,
            proofs_due: 1,
            proofs_made: 4,
            proofs_verified: 3,
            settled_through: 2,
            compute_left: Some(u128::MAX),
            proof_money_left: None,
            busy_ms: 12,
        }
    }

    #[test]
    fn a_token_is_for_one_task_one_miner_one_challenge() {
        let key = keys::from_seed(&[1; 32]).unwrap();
        let challenge = StatusChallenge { task: 3, miner: [4; 32], nonce: [5; 32] };
        let token = StatusToken::sign(&key, &GENESIS, &challenge);
        let read = StatusToken::from_header(&token.to_header()).unwrap();
        assert_eq!(read, token);
        assert!(read.is_valid(&GENESIS, 3, [4; 32]));
        assert!(!read.is_valid(&[8; 32], 3, [4; 32]));
        assert!(!read.is_valid(&GENESIS, 4, [4; 32]));
        assert!(!read.is_valid(&GENESIS, 3, [5; 32]));
        assert!(!StatusToken { nonce: [6; 32], ..read }.is_valid(&GENESIS, 3, [4; 32]));
        let other = keys::from_seed(&[2; 32]).unwrap().account();
        assert!(!StatusToken { account: other, ..read }.is_valid(&GENESIS, 3, [4; 32]));
        let header = token.to_header();
        for bad in ["", "Cyborg ", &header[1..], &header[..header.len() - 1], &format!("{header}00")] {
            assert!(StatusToken::from_header(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn golden_status() {
        let text = r#"{"task":3,"step":"serving","trouble":null,"block":7,"answered":5,"proofs_due":1,"proofs_made":4,"proofs_verified":3,"settled_through":2,"compute_left":"340282366920938463463374607431768211455","proof_money_left":null,"busy_ms":12}"#;
        assert_eq!(serde_json::to_string(&status()).unwrap(), text);
        assert_eq!(serde_json::from_str::<Status>(text).unwrap(), status());
        for money in ["1", "\"-1\"", "\"1.5\"", "\"\""] {
            let odd = text.replace("\"340282366920938463463374607431768211455\"", money);
            assert!(serde_json::from_str::<Status>(&odd).is_err(), "{money}");
        }
    }
}
