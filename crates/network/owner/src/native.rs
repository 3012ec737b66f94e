//! The carrier and the clock of a program on an operating system: reqwest and tokio.

use std::time::Duration;

use cyborg_storage_client::error::cause;
use reqwest::header::{AUTHORIZATION, RETRY_AFTER};
use reqwest::{Certificate, Client, Response, redirect};
use tokio::time::{Instant, sleep};

use crate::error::OwnerError;
use crate::ports::{Body, Call, Carrier, Clock, Reply};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest silence of a miner that is answering.
const SILENCE: Duration = Duration::from_secs(60);
/// The pause for a miner whose `Retry-After` is not a number of seconds.
const LATER: Duration = Duration::from_secs(1);

/// HTTP over the system's sockets. Follows no redirects: a miner cannot send its users elsewhere.
#[derive(Clone, Debug)]
pub struct Http(Client);

impl Http {
    /// A client that trusts the system's certificates, and these (PEM).
    ///
    /// # Errors
    /// Returns an error if a certificate is invalid.
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
}

/// A client with other limits than [`Http::new`] sets.
impl From<Client> for Http {
    fn from(client: Client) -> Self {
        Self(client)
    }
}

impl Carrier for Http {
    type Body = Response;

    async fn send(&self, call: Call) -> Result<Reply<Response>, String> {
        let Call { url, body, authorization, patience } = call;
        let mut request = match body {
            Some(body) => self.0.post(url).body(body),
            None => self.0.get(url),
        };
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(patience) = patience {
            request = request.timeout(patience);
        }
        let body = request.send().await.map_err(|error| cause(&error))?;
        let retry_after = body.headers().get(RETRY_AFTER).map(|after| {
            let seconds = after.to_str().ok().and_then(|seconds| seconds.parse().ok());
            seconds.map_or(LATER, Duration::from_secs)
        });
        Ok(Reply { status: body.status().as_u16(), retry_after, body })
    }
}

impl Body for Response {
    async fn chunk(&mut self) -> Result<Option<Vec<u8>>, String> {
        let chunk = Response::chunk(self).await.map_err(|error| cause(&error))?;
        Ok(chunk.map(Vec::from))
    }
}

/// The machine's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, pause: Duration) {
        sleep(pause).await;
    }
}
