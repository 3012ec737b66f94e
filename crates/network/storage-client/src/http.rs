//! What every HTTP back end shares: one client, bounded answers, errors with a location.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Certificate, Client, Response, StatusCode, redirect};

use crate::error::{StorageError, cause};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest silence while reading or writing.
const SILENCE: Duration = Duration::from_secs(60);
/// Most of a refusal's text that is shown.
const MAX_MESSAGE_BYTES: u64 = 4096;

/// A client that trusts the system's certificates, and these (PEM). It follows no redirects: a location
/// cannot send its clients elsewhere, and 308 is part of two upload protocols.
pub(crate) fn client(location: &str, roots: &[Vec<u8>]) -> Result<Client, StorageError> {
    // TLS needs a process-wide provider; one that is installed already stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(SILENCE)
        .redirect(redirect::Policy::none())
        .tcp_nodelay(true)
        .user_agent(concat!("cyborg/", env!("CARGO_PKG_VERSION")));
    for pem in roots {
        let invalid = |reason: String| StorageError::Certificate { reason };
        let roots = Certificate::from_pem_bundle(pem).map_err(|error| invalid(cause(&error)))?;
        if roots.is_empty() {
            return Err(invalid("there is none in the file".to_owned()));
        }
        builder = builder.tls_certs_merge(roots);
    }
    // A certificate that is not one is found here.
    builder.build().map_err(|error| match roots.is_empty() {
        true => unreachable(location, &error),
        false => StorageError::Certificate { reason: cause(&error) },
    })
}

/// The base of a URL without its last slash.
pub(crate) fn base(url: &str) -> Result<String, StorageError> {
    let bad = || StorageError::BadSetting { what: "URL", got: url.to_owned() };
    let parsed = reqwest::Url::parse(url).map_err(|_| bad())?;
    let plain = matches!(parsed.scheme(), "http" | "https")
        && parsed.query().is_none()
        && parsed.fragment().is_none();
    if plain { Ok(url.trim_end_matches('/').to_owned()) } else { Err(bad()) }
}

pub(crate) fn unreachable(location: &str, error: &reqwest::Error) -> StorageError {
    StorageError::Unreachable { location: location.to_owned(), reason: cause(error) }
}

/// The body of an answer, at most `limit` bytes of it.
pub(crate) async fn body(location: &str, mut answer: Response, limit: u64) -> Result<Bytes, StorageError> {
    let too_much = || StorageError::TooMuch { location: location.to_owned(), limit };
    let length = answer.content_length().unwrap_or(0);
    if length > limit {
        return Err(too_much());
    }
    let mut bytes = BytesMut::with_capacity(length as usize);
    while let Some(chunk) = answer.chunk().await.map_err(|error| unreachable(location, &error))? {
        if (bytes.len() + chunk.len()) as u64 > limit {
            return Err(too_much());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// The error that a status and its text stand for.
pub(crate) async fn refusal(location: &str, id: &str, answer: Response) -> StorageError {
    let status = answer.status();
    let location = location.to_owned();
    match status {
        StatusCode::NOT_FOUND => StorageError::NotFound { location, id: id.to_owned() },
        StatusCode::INSUFFICIENT_STORAGE => StorageError::Full { location },
        _ => {
            let text = body(&location, answer, MAX_MESSAGE_BYTES).await.unwrap_or_default();
            StorageError::Refused { location, status: status.as_u16(), message: printable(&text) }
        }
    }
}

/// Text from outside, fit for a terminal.
pub(crate) fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).take(300).collect()
}
