//! A miner over HTTP, by any carrier: bounded answers, and what a refusal means.

use std::time::Duration;

use cyborg_account::Address;
use cyborg_chain_client::view::Contact;

use crate::error::OwnerError;
use crate::ports::{Body, Call, Carrier, Reply};

/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Most of a refusal's text that is shown.
const MAX_WORDS: usize = 300;
/// Longest pause that a miner can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What a miner said.
pub(crate) enum Said {
    /// 200 or 204, with the body.
    Done(Vec<u8>),
    /// It cannot be reached, or what it says may be otherwise soon.
    Later {
        /// Why.
        reason: String,
        /// When this miner wants to be asked again; another miner should be asked if it does not say.
        after: Option<Duration>,
    },
    /// The number is used for something else.
    Used,
    /// It will not answer this.
    No {
        /// HTTP status.
        status: u16,
        /// Its words, fit for a terminal.
        message: String,
    },
}

pub(crate) async fn post(http: &impl Carrier, url: String, body: Vec<u8>, patience: Duration) -> Said {
    said(http, Call { url, body: Some(body), authorization: None, patience: Some(patience) }).await
}

pub(crate) async fn get(http: &impl Carrier, url: String, patience: Duration) -> Said {
    said(http, Call { url, body: None, authorization: None, patience: Some(patience) }).await
}

/// The URL of a path at a miner.
///
/// # Errors
/// Returns an error if the miner's registered endpoint is not an http or https URL.
pub fn url(contact: &Contact, miner: Address, path: &str) -> Result<String, OwnerError> {
    let parsed = reqwest::Url::parse(&contact.endpoint).ok();
    if parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https")) {
        return Ok(format!("{}{path}", contact.endpoint.trim_end_matches('/')));
    }
    Err(OwnerError::Endpoint { miner, endpoint: words(&contact.endpoint) })
}

/// The pause before a miner that refused is asked again: at least as long as it says, and up to half as long
/// again. Without the random share, all clients that it refused together would come back together.
#[must_use]
pub fn pause(after: Duration) -> Duration {
    let after = after.min(LONGEST_PAUSE);
    // Without randomness all clients wait equally long.
    let share = getrandom::u32().unwrap_or(0);
    after + after.mul_f64(f64::from(share) / f64::from(u32::MAX) / 2.0)
}

async fn said(http: &impl Carrier, call: Call) -> Said {
    let Reply { status, retry_after, body } = match http.send(call).await {
        Ok(reply) => reply,
        Err(reason) => return Said::Later { reason: words(&reason), after: None },
    };
    let body = match whole(body).await {
        Ok(body) => body,
        Err(reason) => return Said::Later { reason, after: None },
    };
    if (200..300).contains(&status) {
        return Said::Done(body);
    }
    let message = words(&String::from_utf8_lossy(&body));
    match status {
        // Busy, or the number is being answered: this miner has it.
        429 | 503 | 409 if retry_after.is_some() => Said::Later { reason: message, after: retry_after },
        409 => Said::Used,
        // It does not serve the task yet, or not any more: the chain knows who does. Or its window is full,
        // which another miner's is not.
        404 | 408 | 429 | 500..=599 => Said::Later { reason: message, after: None },
        status => Said::No { status, message },
    }
}

async fn whole(mut body: impl Body) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    loop {
        match body.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() <= MAX_ANSWER_BYTES => bytes.extend(chunk),
            Ok(Some(_)) => return Err(format!("an answer of more than {MAX_ANSWER_BYTES} bytes")),
            Ok(None) => return Ok(bytes),
            Err(reason) => return Err(words(&reason)),
        }
    }
}

/// Text from outside, fit for a terminal.
pub(crate) fn words(text: &str) -> String {
    let plain = text.trim().chars().map(|character| if character.is_control() { ' ' } else { character });
    plain.take(MAX_WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;

    /// Answers every call alike, without a socket.
    struct Fake {
        status: u16,
        retry_after: Option<Duration>,
        chunks: Vec<Vec<u8>>,
    }

    impl Carrier for Fake {
        type Body = std::vec::IntoIter<Vec<u8>>;

        async fn send(&self, _: Call) -> Result<Reply<Self::Body>, String> {
            let body = self.chunks.clone().into_iter();
            Ok(Reply { status: self.status, retry_after: self.retry_after, body })
        }
    }

    impl Body for std::vec::IntoIter<Vec<u8>> {
        async fn chunk(&mut self) -> Result<Option<Vec<u8>>, String> {
            Ok(self.next())
        }
    }

    #[test]
    fn a_status_and_its_retry_after_say_what_to_do() {
        let ask = |status, retry_after| {
            let http = Fake { status, retry_after, chunks: vec![b"wo".to_vec(), b"rds\n".to_vec()] };
            block_on(post(&http, String::new(), Vec::new(), Duration::from_secs(1)))
        };
        let second = Some(Duration::from_secs(1));
        assert!(matches!(ask(200, None), Said::Done(body) if body == b"words\n"));
        for status in [409, 429, 503] {
            let said = ask(status, second);
            assert!(matches!(said, Said::Later { reason, after } if reason == "words" && after == second));
        }
        assert!(matches!(ask(409, None), Said::Used));
        for status in [404, 408, 429, 500, 503] {
            assert!(matches!(ask(status, None), Said::Later { after: None, .. }), "{status}");
        }
        for status in [400, 401, 402, 410, 413, 422] {
            assert!(matches!(ask(status, None), Said::No { status: said, .. } if said == status));
        }
    }

    #[test]
    fn an_answer_that_does_not_end_is_not_read_to_its_end() {
        let piece = vec![7; MAX_ANSWER_BYTES / 4];
        let http = Fake { status: 200, retry_after: None, chunks: vec![piece; 5] };
        let said = block_on(get(&http, String::new(), Duration::from_secs(1)));
        assert!(matches!(said, Said::Later { after: None, .. }));
    }

    #[test]
    fn a_pause_is_as_long_as_asked_for_and_not_the_same_for_all() {
        let second = Duration::from_secs(1);
        let pauses: Vec<Duration> = (0..64).map(|_| pause(second)).collect();
        assert!(pauses.iter().all(|pause| (second..=second * 3 / 2).contains(pause)));
        assert!(pauses.iter().any(|other| *other != pauses[0]));
        assert!(pause(Duration::MAX) <= LONGEST_PAUSE * 3 / 2);
        assert_eq!(pause(Duration::ZERO), Duration::ZERO);
    }
}
