//! The live status of a task: a miner's challenge, signed by whoever may watch, and the stream that
//! it opens. `docs/miner.md` has the same as tables.
//!
//! ```text
//! challenge  {"nonce": "0x…", "lasts_ms": 60000}
//! leave      Authorization: Cyborg HEX of nonce 32 | account 32 | signature 64
//! stream     text/event-stream, each event one `Status` as JSON
//! ```
//!
//! What a miner says of itself is its word only: what is paid and proven is on chain.

use cyborg_primitives::signed::{Payload as _, StatusChallenge};
use cyborg_primitives::{Account, Digest, RequestNumber, TaskId};
use cyborg_storage_client::error::{cause, from_hex};
use cyborg_storage_client::owner::{Signer, from_header, to_header, verify};
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, Response};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::error::{OwnerError, address};
use crate::http::{Http, url, words};
use crate::market::Contact;
use crate::owner::{AccountSigner, Owner};

/// The step of a task that is over: no event follows.
pub const ENDED: &str = "ended";
/// Longest event that is read; one has a few hundred bytes.
const MAX_EVENT_BYTES: usize = 64 * 1024;
/// Longest challenge or refusal that is read.
const MAX_ANSWER_BYTES: usize = 4 * 1024;
const LEAVE_BYTES: usize = 32 + 32 + 64;

/// Why a task's status is not heard.
#[derive(Debug, Error)]
pub enum StatusError {
    /// Nobody answers, or the answer breaks off.
    #[error("{url}: {reason}")]
    Unreachable {
        /// Who was asked.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// The miner refuses.
    #[error("{url} refused: {status} {message}")]
    Refused {
        /// Who was asked.
        url: String,
        /// HTTP status; 503 where asking again helps.
        status: u16,
        /// Its words, fit for a terminal.
        message: String,
    },
    /// What came is no challenge.
    #[error("{url} sent no challenge")]
    NoChallenge {
        /// Who was asked.
        url: String,
    },
    /// An event goes on for ever.
    #[error("an event of more than {max} bytes")]
    TooLong {
        /// Most bytes.
        max: usize,
    },
    /// An event is none of this stream.
    #[error("an event that cannot be read: {reason}")]
    Event {
        /// Why.
        reason: String,
    },
    /// An event is of another task.
    #[error("an event of task {got} in the stream of task {expected}")]
    OtherTask {
        /// The one that is watched.
        expected: TaskId,
        /// The one that it is of.
        got: TaskId,
    },
}

/// A task as its miner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Which.
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

/// What a miner wants to see signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// `0x` and 64 hexadecimal digits.
    pub nonce: String,
    /// How long it is good.
    pub lasts_ms: u64,
}

/// A challenge signed: the leave to watch a task once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leave {
    /// The miner's challenge.
    pub nonce: [u8; 32],
    /// Who signs.
    pub account: Account,
    signature: [u8; 64],
}

impl Leave {
    /// Signs a challenge of a miner for a task.
    #[must_use]
    pub fn sign(signer: &dyn Signer, genesis: &Digest, challenge: &StatusChallenge) -> Self {
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
        let bytes: [u8; LEAVE_BYTES] = from_header(header)?;
        Some(Self {
            nonce: bytes[..32].try_into().ok()?,
            account: bytes[32..64].try_into().ok()?,
            signature: bytes[64..].try_into().ok()?,
        })
    }
}

/// Events out of the bytes of a stream, however they are cut. Other fields than `data` are of no use
/// here.
#[derive(Debug, Default)]
struct Events {
    bytes: Vec<u8>,
    data: String,
}

impl Events {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// The next event that is whole.
    fn next(&mut self) -> Result<Option<String>, StatusError> {
        while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line[..end]);
            let line = line.strip_suffix('\r').unwrap_or(&line);
            if line.is_empty() {
                if self.data.is_empty() {
                    continue;
                }
                return Ok(Some(std::mem::take(&mut self.data)));
            }
            if let Some(data) = line.strip_prefix("data:") {
                if self.data.len() + data.len() > MAX_EVENT_BYTES {
                    return Err(StatusError::TooLong { max: MAX_EVENT_BYTES });
                }
                self.data.push_str(data);
                self.data.push('\n');
            }
        }
        if self.bytes.len() + self.data.len() > MAX_EVENT_BYTES {
            return Err(StatusError::TooLong { max: MAX_EVENT_BYTES });
        }
        Ok(None)
    }
}

/// A task being watched.
pub struct Watch {
    task: TaskId,
    url: String,
    response: Response,
    events: Events,
}

impl Watch {
    /// Asks the miner at a URL for a challenge, signs it, and opens the stream. How long silence is
    /// borne is the client's to say: a miner sends something every 15 seconds.
    ///
    /// # Errors
    /// Where the miner cannot be reached or refuses.
    pub async fn open(
        client: &Client,
        endpoint: &str,
        genesis: &Digest,
        task: TaskId,
        miner: Account,
        signer: &dyn Signer,
    ) -> Result<Self, StatusError> {
        let base = format!("{}/v1/tasks/{task}", endpoint.trim_end_matches('/'));
        let url = format!("{base}/challenge");
        let answer = accepted(&url, client.get(&url).send().await).await?;
        let answer = read(&url, answer).await?;
        let nonce = serde_json::from_slice::<Challenge>(&answer)
            .ok()
            .and_then(|challenge| from_hex(challenge.nonce.strip_prefix("0x")?));
        let Some(nonce) = nonce else { return Err(StatusError::NoChallenge { url }) };
        let leave = Leave::sign(signer, genesis, &StatusChallenge { task, miner, nonce });
        let url = format!("{base}/status");
        let request = client.get(&url).header(AUTHORIZATION, leave.to_header());
        let response = accepted(&url, request.send().await).await?;
        Ok(Self { task, url, response, events: Events::default() })
    }

    /// The next status; `None` where the stream has ended: after [`ENDED`] the task is over, else the
    /// miner was stopped.
    ///
    /// # Errors
    /// Where the stream breaks off, or is none.
    pub async fn next(&mut self) -> Result<Option<Status>, StatusError> {
        loop {
            if let Some(event) = self.events.next()? {
                let status: Status = serde_json::from_str(&event)
                    .map_err(|error| StatusError::Event { reason: words(&error.to_string()) })?;
                if status.task != self.task {
                    return Err(StatusError::OtherTask { expected: self.task, got: status.task });
                }
                return Ok(Some(status));
            }
            match self.response.chunk().await {
                Ok(Some(bytes)) => self.events.push(&bytes),
                Ok(None) => return Ok(None),
                Err(error) => return Err(unreachable(&self.url, &error)),
            }
        }
    }
}

impl Owner {
    /// Watches a task at one of its miners.
    ///
    /// # Errors
    /// Where the miner cannot be reached or refuses.
    pub async fn watch(
        &self,
        http: &Http,
        task: TaskId,
        miner: &Account,
        contact: &Contact,
    ) -> Result<Watch, OwnerError> {
        let endpoint = url(contact, address(miner), "")?;
        let signer = AccountSigner(self.signer.clone());
        let genesis = self.genesis();
        Ok(Watch::open(http.client(), &endpoint, &genesis, task, *miner, &signer).await?)
    }
}

fn unreachable(url: &str, error: &reqwest::Error) -> StatusError {
    StatusError::Unreachable { url: url.to_owned(), reason: words(&cause(error)) }
}

async fn accepted(url: &str, sent: reqwest::Result<Response>) -> Result<Response, StatusError> {
    let answer = sent.map_err(|error| unreachable(url, &error))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let message = read(url, answer).await.unwrap_or_default();
    let message = words(&String::from_utf8_lossy(&message));
    Err(StatusError::Refused { url: url.to_owned(), status: status.as_u16(), message })
}

/// The beginning of an answer.
async fn read(url: &str, mut answer: Response) -> Result<Vec<u8>, StatusError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unreachable(url, &error))? {
        bytes.extend(&chunk[..chunk.len().min(MAX_ANSWER_BYTES - bytes.len())]);
        if bytes.len() == MAX_ANSWER_BYTES {
            break;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use cyborg_storage_client::owner::OwnerKey;

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
    fn a_leave_is_for_one_task_one_miner_one_challenge() {
        let key = OwnerKey::from_seed(&[1; 32]).unwrap();
        let challenge = StatusChallenge { task: 3, miner: [4; 32], nonce: [5; 32] };
        let leave = Leave::sign(&key, &GENESIS, &challenge);
        let read = Leave::from_header(&leave.to_header()).unwrap();
        assert_eq!(read, leave);
        assert!(read.is_valid(&GENESIS, 3, [4; 32]));
        assert!(!read.is_valid(&[8; 32], 3, [4; 32]));
        assert!(!read.is_valid(&GENESIS, 4, [4; 32]));
        assert!(!read.is_valid(&GENESIS, 3, [5; 32]));
        assert!(!Leave { nonce: [6; 32], ..read }.is_valid(&GENESIS, 3, [4; 32]));
        let other = OwnerKey::from_seed(&[2; 32]).unwrap().account();
        assert!(!Leave { account: other, ..read }.is_valid(&GENESIS, 3, [4; 32]));
        let header = leave.to_header();
        for bad in ["", "Cyborg ", &header[1..], &header[..header.len() - 1], &format!("{header}00")] {
            assert!(Leave::from_header(bad).is_none(), "{bad}");
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

    #[test]
    fn events_come_out_whole_however_they_are_cut() {
        let text = ": hello\n\nevent: status\ndata: {\"a\":1}\n\ndata:b\r\ndata: c\r\n\r\nid: 4\n\ndata: d\n";
        for size in 1..=text.len() {
            let (mut events, mut found) = (Events::default(), Vec::new());
            for piece in text.as_bytes().chunks(size) {
                events.push(piece);
                while let Some(event) = events.next().unwrap() {
                    found.push(event);
                }
            }
            assert_eq!(found, [" {\"a\":1}\n", "b\n c\n"], "{size}");
        }
    }

    #[test]
    fn an_event_does_not_go_on_for_ever() {
        for line in ["data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"] {
            let mut events = Events::default();
            let mut fed = 0;
            let refused = loop {
                events.push(line.as_bytes());
                if let Err(error) = events.next() {
                    break error;
                }
                fed += line.len();
                assert!(fed < 4 * MAX_EVENT_BYTES);
            };
            assert!(matches!(refused, StatusError::TooLong { .. }));
        }
    }
}
