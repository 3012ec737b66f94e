//! The live status of a task, as its owner hears it from a miner.

use cyborg_account::{Address, Signing};
use cyborg_chain_client::view::Contact;
use cyborg_primitives::signed::StatusChallenge;
use cyborg_primitives::{Account, Digest, TaskId};
use cyborg_protocol::status::{Challenge, Status, StatusToken};

use crate::error::{OwnerError, StatusError};
use crate::miner::{url, words};
use crate::owner::Owner;
use crate::ports::{Body, Call, Carrier, Clock, Records, Reply};

/// Longest event that is read; one has a few hundred bytes.
const MAX_EVENT_BYTES: usize = 64 * 1024;
/// Longest challenge or refusal that is read.
const MAX_ANSWER_BYTES: usize = 4 * 1024;

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
pub struct Watch<B> {
    task: TaskId,
    url: String,
    body: B,
    events: Events,
}

impl<B: Body> Watch<B> {
    /// Asks the miner at a URL for a challenge, signs it, and opens the stream. The carrier decides how
    /// long a silence may last: a miner sends something every 15 seconds.
    ///
    /// # Errors
    /// Returns an error if the miner cannot be reached or refuses.
    pub async fn open(
        http: &impl Carrier<Body = B>,
        endpoint: &str,
        genesis: &Digest,
        task: TaskId,
        miner: Account,
        signer: &dyn Signing,
    ) -> Result<Self, StatusError> {
        let base = format!("{}/v1/tasks/{task}", endpoint.trim_end_matches('/'));
        let url = format!("{base}/challenge");
        let answer = accepted(http, &url, None).await?;
        let answer = read(&url, answer).await?;
        let nonce = serde_json::from_slice::<Challenge>(&answer).ok().and_then(|challenge| challenge.nonce());
        let Some(nonce) = nonce else { return Err(StatusError::NoChallenge { url }) };
        let token = StatusToken::sign(signer, genesis, &StatusChallenge { task, miner, nonce });
        let url = format!("{base}/status");
        let body = accepted(http, &url, Some(token.to_header())).await?;
        Ok(Self { task, url, body, events: Events::default() })
    }

    /// The next status; `None` once the stream has ended. After [`cyborg_protocol::status::ENDED`] the
    /// task is over, else the miner was stopped.
    ///
    /// # Errors
    /// Returns an error if the stream breaks off, or an event cannot be decoded.
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
            match self.body.chunk().await {
                Ok(Some(bytes)) => self.events.push(&bytes),
                Ok(None) => return Ok(None),
                Err(reason) => return Err(unreachable(&self.url, &reason)),
            }
        }
    }
}

impl<R: Records, S: Signing, K: Clock> Owner<R, S, K> {
    /// Watches a task at one of its miners.
    ///
    /// # Errors
    /// Returns an error if the miner cannot be reached or refuses.
    pub async fn watch<C: Carrier>(
        &self,
        http: &C,
        task: TaskId,
        miner: &Account,
        contact: &Contact,
    ) -> Result<Watch<C::Body>, OwnerError> {
        let endpoint = url(contact, Address(*miner), "")?;
        Ok(Watch::open(http, &endpoint, &self.genesis(), task, *miner, &self.signer).await?)
    }
}

fn unreachable(url: &str, reason: &str) -> StatusError {
    StatusError::Unreachable { url: url.to_owned(), reason: words(reason) }
}

async fn accepted<C: Carrier>(
    http: &C,
    url: &str,
    authorization: Option<String>,
) -> Result<C::Body, StatusError> {
    let call = Call { url: url.to_owned(), body: None, authorization, patience: None };
    let Reply { status, body, .. } = http.send(call).await.map_err(|reason| unreachable(url, &reason))?;
    if (200..300).contains(&status) {
        return Ok(body);
    }
    let message = read(url, body).await.unwrap_or_default();
    let message = words(&String::from_utf8_lossy(&message));
    Err(StatusError::Refused { url: url.to_owned(), status, message })
}

/// The beginning of an answer.
async fn read(url: &str, mut body: impl Body) -> Result<Vec<u8>, StatusError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.chunk().await.map_err(|reason| unreachable(url, &reason))? {
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
