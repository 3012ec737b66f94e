//! The HTTP interface.
//!
//! | request | answer |
//! |---|---|
//! | `PUT /fragments/ID`, `PUT /manifests/ID` | 201, or 200 where it is kept already |
//! | the same with `Content-Range: bytes A-B/TOTAL` | 308 with `Range: bytes=0-N` while parts are missing |
//! | the same with `Content-Range: bytes */TOTAL` and no body | 308, how much is there |
//! | `GET` | 200, or 206 for one `Range` |
//! | `HEAD` | 200 or 404; keeps it for the grace period |
//! | `DELETE /manifests/ID` | 204; only with its owner's token |
//! | `GET /health`, `GET /metrics` | the node's state |

use hex::FromHex as _;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::{
    ACCEPT_RANGES, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderValue, RANGE, RETRY_AFTER,
};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use cyborg_primitives::{Digest, Moment};
use cyborg_storage_client::access::{AccessToken, Action};
use cyborg_storage_client::manifest::SignedManifest;
use cyborg_storage_client::node::NodeStatus;
use cyborg_storage_client::store::Kind;
use futures::stream;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::Shared;
use crate::receive::{self, Busy, ContentRange, Received, Refusal};

/// Read from the disk at a time.
const CHUNK_BYTES: u64 = 512 * 1024;

#[derive(Clone)]
struct Api {
    shared: Arc<Shared>,
    busy: Busy,
    uploads: Arc<Semaphore>,
}

/// The routes of a node.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let uploads = Arc::new(Semaphore::new(shared.config.limits.uploads));
    let api = Api { shared, busy: Busy::default(), uploads };
    let fragments = get(|State(api): State<Api>, Path(id): Path<String>, request: Request| async move {
        download(&api, Kind::Fragment, &id, request.headers()).await
    })
    .head(
        |State(api): State<Api>, Path(id): Path<String>| async move { ask(&api, Kind::Fragment, &id).await },
    )
    .put(|State(api): State<Api>, Path(id): Path<String>, request: Request| async move {
        upload(&api, Kind::Fragment, &id, request).await
    });
    let manifests = get(|State(api): State<Api>, Path(id): Path<String>, request: Request| async move {
        download(&api, Kind::Manifest, &id, request.headers()).await
    })
    .head(
        |State(api): State<Api>, Path(id): Path<String>| async move { ask(&api, Kind::Manifest, &id).await },
    )
    .put(|State(api): State<Api>, Path(id): Path<String>, request: Request| async move {
        upload(&api, Kind::Manifest, &id, request).await
    })
    .delete(|State(api): State<Api>, Path(id): Path<String>, request: Request| async move {
        delete(&api, &id, request.headers()).await
    });
    Router::new()
        .route("/fragments/{id}", fragments)
        .route("/manifests/{id}", manifests)
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .layer(middleware::from_fn_with_state(api.clone(), count))
        .with_state(api)
}

async fn count(State(api): State<Api>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let response = next.run(request).await;
    api.shared.metrics.request(method.as_str(), response.status().as_u16());
    response
}

/// Why a request is refused.
struct Refused(StatusCode, String);

impl Refused {
    fn new(status: StatusCode, message: &str) -> Self {
        Self(status, message.to_owned())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (self.0, self.1 + "\n").into_response();
        if self.0 == StatusCode::SERVICE_UNAVAILABLE || self.0 == StatusCode::CONFLICT {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::Full => StatusCode::INSUFFICIENT_STORAGE,
            Refusal::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Refusal::BrokenOff | Refusal::Length { .. } => StatusCode::BAD_REQUEST,
            Refusal::OtherId | Refusal::Manifest(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::Owner => StatusCode::FORBIDDEN,
            Refusal::Busy => StatusCode::CONFLICT,
            Refusal::TooMany => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Disk(error) => {
                // What the disk says is for the node's log, not for its clients.
                tracing::error!(%error, "the disk failed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self(status, refusal.to_string())
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Refusal::Disk(error).into()
    }
}

/// Ids are 64 lower-case hexadecimal digits, so that each has one URL and no other path is reached.
fn parse_id(text: &str) -> Result<Digest, Refused> {
    let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    Digest::from_hex(text)
        .ok()
        .filter(|_| lower)
        .ok_or_else(|| Refused::new(StatusCode::BAD_REQUEST, "an id is 64 lower-case hexadecimal digits"))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Refused> {
    Ok(spawn_blocking(work).await.map_err(io::Error::other).and_then(|done| done)?)
}

async fn upload(api: &Api, kind: Kind, id: &str, request: Request) -> Result<Response, Refused> {
    let id = parse_id(id)?;
    let headers = request.headers();
    if !api.shared.config.owners.is_empty() {
        let access = access(api, headers, Action::Store)?;
        if !api.shared.config.owners.contains(&access.owner) {
            return Err(Refused::new(StatusCode::FORBIDDEN, "this owner may not store here"));
        }
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    // The question how much is there has no body, and may have no length.
    let empty = headers.contains_key(CONTENT_RANGE) && request.body().size_hint().exact() == Some(0);
    let length = length
        .or(empty.then_some(0))
        .ok_or_else(|| Refused::new(StatusCode::LENGTH_REQUIRED, "Content-Length is needed"))?;
    let part = match headers.get(CONTENT_RANGE) {
        None => None,
        Some(range) => {
            let part = range.to_str().ok().and_then(ContentRange::parse);
            // A part is as long as its range; the question has no body.
            let part = part.filter(|part| part.range.map_or(0, |(first, end)| end - first) == length);
            Some(part.ok_or_else(|| {
                Refused::new(StatusCode::BAD_REQUEST, "a Content-Range that makes no sense")
            })?)
        }
    };
    let total = part.map_or(length, |part| part.total);
    if total > kind.max_bytes() {
        let message = format!("at most {} bytes", kind.max_bytes());
        return Err(Refused(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    let Ok(_permit) = api.uploads.try_acquire() else { return Err(Refusal::TooMany.into()) };
    let gauge = &api.shared.metrics.uploads;
    gauge.inc();
    let received = match part {
        None => receive::whole(&api.shared, kind, id, length, request.into_body()).await,
        Some(part) => receive::part(&api.shared, &api.busy, kind, id, part, request.into_body()).await,
    };
    gauge.dec();
    Ok(match received? {
        Received::New => StatusCode::CREATED.into_response(),
        Received::Known => StatusCode::OK.into_response(),
        Received::Partial(0) => StatusCode::PERMANENT_REDIRECT.into_response(),
        Received::Partial(bytes) => {
            (StatusCode::PERMANENT_REDIRECT, [(RANGE, format!("bytes=0-{}", bytes - 1))]).into_response()
        }
    })
}

async fn ask(api: &Api, kind: Kind, id: &str) -> Result<Response, Refused> {
    let id = parse_id(id)?;
    let shared = api.shared.clone();
    match blocking(move || shared.disk.keep_alive(kind, &id)).await? {
        Some(bytes) => Ok((StatusCode::OK, [(CONTENT_LENGTH, bytes)]).into_response()),
        None => Err(Refused::new(StatusCode::NOT_FOUND, "not kept here")),
    }
}

async fn download(api: &Api, kind: Kind, id: &str, headers: &HeaderMap) -> Result<Response, Refused> {
    let id = parse_id(id)?;
    let shared = api.shared.clone();
    let Some((file, total)) = blocking(move || shared.disk.read(kind, &id)).await? else {
        return Err(Refused::new(StatusCode::NOT_FOUND, "not kept here"));
    };
    // Several ranges, or other units, are answered with everything, as HTTP allows.
    let range =
        headers.get(RANGE).and_then(|range| range.to_str().ok()).and_then(|range| parse_range(range, total));
    let (status, first, end) = match range {
        None => (StatusCode::OK, 0, total),
        Some(Some((first, end))) => (StatusCode::PARTIAL_CONTENT, first, end),
        Some(None) => {
            let range = [(CONTENT_RANGE, format!("bytes */{total}"))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, range).into_response());
        }
    };
    let mut response = Response::new(body(api, file, first, end));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(end - first));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", hex::encode(id))) {
        headers.insert(ETAG, tag);
    }
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {first}-{}/{total}", end - 1);
        if let Ok(range) = HeaderValue::from_str(&range) {
            headers.insert(CONTENT_RANGE, range);
        }
    }
    Ok(response)
}

/// One range of bytes: `Some(None)` where nothing of it is there, `None` if everything is to be
/// sent.
fn parse_range(header: &str, total: u64) -> Option<Option<(u64, u64)>> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first, last) {
        ("", last) => {
            let count: u64 = last.parse().ok()?;
            (total.saturating_sub(count), total)
        }
        (first, "") => (first.parse().ok()?, total),
        (first, last) => {
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            if first > last {
                return None;
            }
            (first, last.saturating_add(1).min(total))
        }
    };
    Some((range.0 < range.1).then_some(range))
}

/// A file's bytes, read as the client takes them.
fn body(api: &Api, file: File, first: u64, end: u64) -> Body {
    let sent = api.shared.metrics.sent_bytes.clone();
    let file = Arc::new(file);
    Body::from_stream(stream::try_unfold(first, move |at| {
        let (file, sent) = (file.clone(), sent.clone());
        async move {
            if at == end {
                return Ok(None);
            }
            let count = CHUNK_BYTES.min(end - at) as usize;
            let read = spawn_blocking(move || {
                let mut chunk = vec![0; count];
                file.read_exact_at(&mut chunk, at)?;
                Ok::<_, io::Error>(Bytes::from(chunk))
            });
            let chunk = read.await.map_err(io::Error::other)??;
            sent.inc_by(count as u64);
            Ok::<_, io::Error>(Some((chunk, at + count as u64)))
        }
    }))
}

async fn delete(api: &Api, id: &str, headers: &HeaderMap) -> Result<Response, Refused> {
    let id = parse_id(id)?;
    let access = access(api, headers, Action::Delete(id))?;
    let shared = api.shared.clone();
    let found = blocking(move || match std::fs::read(shared.disk.path(Kind::Manifest, &id)) {
        Ok(bytes) => Ok(SignedManifest::decode_as(bytes, &id).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    })
    .await?;
    let Some(signed) = found else { return Err(Refused::new(StatusCode::NOT_FOUND, "not kept here")) };
    if signed.manifest.owner != access.owner {
        return Err(Refused::new(StatusCode::FORBIDDEN, "this file has another owner"));
    }
    let shared = api.shared.clone();
    if blocking(move || shared.disk.remove_manifest(&id)).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(Refused::new(StatusCode::NOT_FOUND, "not kept here"))
    }
}

/// The owner's token for an action.
fn access(api: &Api, headers: &HeaderMap, action: Action) -> Result<AccessToken, Refused> {
    let header = headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok());
    let access = header.and_then(AccessToken::from_header).filter(|access| access.action == action);
    let access = access.filter(|access| access.is_valid(&api.shared.account, 0)).ok_or_else(|| {
        Refused::new(StatusCode::UNAUTHORIZED, "an owner's token for this node and action is needed")
    })?;
    if access.is_valid(&api.shared.account, now()) {
        Ok(access)
    } else {
        let message = "the owner's token has expired by this node's clock; its /health says the time";
        Err(Refused::new(StatusCode::UNAUTHORIZED, message))
    }
}

fn now() -> Moment {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

async fn health(State(api): State<Api>) -> Result<Response, Refused> {
    use std::sync::atomic::Ordering::Relaxed;
    let usage = &api.shared.disk.usage;
    let status = NodeStatus {
        status: if api.shared.disk.is_full() { "full" } else { "ok" }.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        node: hex::encode(api.shared.account),
        quota_bytes: api.shared.config.quota_bytes,
        used_bytes: usage.bytes.load(Relaxed),
        fragments: usage.fragments.load(Relaxed),
        manifests: usage.manifests.load(Relaxed),
        quarantined: usage.quarantined.load(Relaxed),
        restricted: !api.shared.config.owners.is_empty(),
        now_ms: Some(now()),
    };
    let text = serde_json::to_string(&status).map_err(io::Error::other)?;
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}

async fn metrics(State(api): State<Api>) -> Result<Response, Refused> {
    let text = api.shared.metrics.text().map_err(io::Error::other)?;
    Ok(([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response())
}

#[cfg(test)]
mod tests {
    use super::parse_range;

    #[test]
    fn ranges_of_a_file() {
        for (header, expected) in [
            ("bytes=0-0", Some(Some((0, 1)))),
            ("bytes=5-", Some(Some((5, 10)))),
            ("bytes=-3", Some(Some((7, 10)))),
            ("bytes=-30", Some(Some((0, 10)))),
            ("bytes=2-99", Some(Some((2, 10)))),
            ("bytes=10-", Some(None)),
            ("bytes=10-12", Some(None)),
            ("bytes=-0", Some(None)),
            ("bytes=3-2", None),
            ("bytes=0-1,3-4", None),
            ("bytes=a-b", None),
            ("items=0-1", None),
            ("bytes=18446744073709551615-18446744073709551615", Some(None)),
        ] {
            assert_eq!(parse_range(header, 10), expected, "{header}");
        }
    }
}
