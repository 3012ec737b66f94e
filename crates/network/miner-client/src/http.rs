//! HTTP to a miner: bounded answers, and what a refusal means.

use std::time::Duration;

use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_storage_client::error::cause;
use reqwest::header::RETRY_AFTER;
use reqwest::{Certificate, Client, Response, redirect};

use crate::error::OwnerError;
use crate::market::Contact;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest silence of a miner that is answering.
const SILENCE: Duration = Duration::from_secs(60);
/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Most of a refusal's text that is shown.
const MAX_WORDS: usize = 300;

/// A client of miners. Follows no redirects: a miner cannot send its users elsewhere.
#[derive(Clone, Debug)]
pub struct Http(Client);

/// What a miner said.
pub(crate) enum Said {
    /// 200 or 204, with the body.
    Done(Vec<u8>),
    /// It cannot be reached, or what it says may be otherwise soon.
    Later {
        /// Why.
        reason: String,
        /// Whether another miner should be asked meanwhile.
        elsewhere: bool,
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

impl Http {
    /// A client that trusts the system's certificates, and these (PEM).
    ///
    /// # Errors
    /// Where a certificate is none.
    pub fn new(roots: &[Vec<u8>]) -> Result<Self, OwnerError> {
        // TLS needs a process-wide provider; one that is installed already stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let failed = |error: reqwest::Error| OwnerError::Http(error.to_string());
        let mut builder = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE)
            .redirect(redirect::Policy::none())
            .tcp_nodelay(true)
            .user_agent(concat!("cyborg/", env!("CARGO_PKG_VERSION")));
        for pem in roots {
            builder = builder.tls_certs_merge(Certificate::from_pem_bundle(pem).map_err(failed)?);
        }
        Ok(Self(builder.build().map_err(failed)?))
    }

    /// The underlying client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.0
    }

    pub(crate) async fn post(&self, url: String, body: Vec<u8>, patience: Duration) -> Said {
        said(self.0.post(url).body(body).timeout(patience).send().await).await
    }

    pub(crate) async fn get(&self, url: String, patience: Duration) -> Said {
        said(self.0.get(url).timeout(patience).send().await).await
    }
}

/// The URL of a path at a miner.
///
/// # Errors
/// Where the miner is registered at something else than an http or https URL.
pub fn url(contact: &Contact, miner: AccountId32, path: &str) -> Result<String, OwnerError> {
    let parsed = reqwest::Url::parse(&contact.endpoint).ok();
    if parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https")) {
        return Ok(format!("{}{path}", contact.endpoint.trim_end_matches('/')));
    }
    Err(OwnerError::Endpoint { miner, endpoint: words(&contact.endpoint) })
}

async fn said(sent: reqwest::Result<Response>) -> Said {
    let response = match sent {
        Ok(response) => response,
        Err(error) => return Said::Later { reason: words(&cause(&error)), elsewhere: true },
    };
    let status = response.status();
    let passing = response.headers().contains_key(RETRY_AFTER);
    let body = match body(response).await {
        Ok(body) => body,
        Err(reason) => return Said::Later { reason, elsewhere: true },
    };
    if status.is_success() {
        return Said::Done(body);
    }
    let message = words(&String::from_utf8_lossy(&body));
    match status.as_u16() {
        // Busy, or the number is being answered: this miner has it.
        429 | 503 | 409 if passing => Said::Later { reason: message, elsewhere: false },
        409 => Said::Used,
        // It does not serve the task yet, or not any more: the chain knows who does.
        404 | 408 | 500..=599 => Said::Later { reason: message, elsewhere: true },
        status => Said::No { status, message },
    }
}

async fn body(mut response: Response) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() <= MAX_ANSWER_BYTES => bytes.extend(chunk),
            Ok(Some(_)) => return Err(format!("an answer of more than {MAX_ANSWER_BYTES} bytes")),
            Ok(None) => return Ok(bytes),
            Err(error) => return Err(words(&cause(&error))),
        }
    }
}

/// Text from outside, fit for a terminal.
pub(crate) fn words(text: &str) -> String {
    let plain = text.trim().chars().map(|character| if character.is_control() { ' ' } else { character });
    plain.take(MAX_WORDS).collect()
}
