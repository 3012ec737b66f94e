//! The HTTP interface. `docs/miner.md` describes the bodies.
//!
//! | request | answer |
//! |---|---|
//! | `POST /v1/tasks/T/requests/N` | 200: the signed receipt and the sealed output |
//! | `POST /v1/tasks/T/acknowledgements` | 204: the acknowledgement is kept |
//! | `GET /v1/tasks/T/log?from=L` | 200: the log's lines, each sealed to the owner |
//! | `GET /v1/tasks/T/challenge` | 200: a challenge, to be signed by an account that wants to watch |
//! | `GET /v1/tasks/T/status` | 200: the task's live status, as a stream of events |
//! | `GET /health`, `GET /metrics` | the miner's state |

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use cyborg_chain_client::json::hex;
use cyborg_primitives::{RequestNumber, TaskId};
use futures::StreamExt as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::answer::{Job, RequestContext, WorkerPool, WorkerPools};
use crate::challenge::Bad;
use crate::served::Refused;
use crate::status::{Denied, StatusHub};
use crate::store::Store;
use cyborg_protocol::status::{Status, StatusToken};
use cyborg_protocol::wire::acknowledgement;

/// Size of an acknowledgement.
const MAX_ACKNOWLEDGEMENT_BYTES: usize = 256;
/// Maximum of log lines in one answer.
const MAX_LINES: usize = 1_000;

/// What the interface needs.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) pools: Arc<WorkerPools>,
    pub(crate) context: Arc<RequestContext>,
    pub(crate) hub: Arc<StatusHub>,
    /// What measures energy.
    pub(crate) energy: Vec<&'static str>,
    pub(crate) max_body_bytes: usize,
    /// Maximum pause of a client that is sending.
    pub(crate) silence: Duration,
    /// Maximum time of an answer.
    pub(crate) patience: Duration,
}

/// The routes of a miner.
pub(crate) fn router(api: Api) -> Router {
    Router::new()
        .route("/v1/tasks/{task}/requests/{number}", post(ask))
        .route("/v1/tasks/{task}/acknowledgements", post(acknowledge))
        .route("/v1/tasks/{task}/log", get(log))
        .route("/v1/tasks/{task}/challenge", get(challenge))
        .route("/v1/tasks/{task}/status", get(status))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .with_state(api)
}

/// Why a request gets no answer.
enum Refusal {
    /// The rules of the task refuse it.
    Refused(Refused),
    /// Too many clients ask; the client should come back after these seconds.
    Busy { after_s: u64 },
    /// The rules of live status refuse it.
    Denied(Denied),
    /// The HTTP interface refuses it.
    Http(StatusCode, String),
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Http(status, _) => *status,
            Self::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Denied(denied) => match denied {
                Denied::UnknownTask => StatusCode::NOT_FOUND,
                Denied::Crowded | Denied::Challenge(Bad::TooMany) => StatusCode::SERVICE_UNAVAILABLE,
                Denied::NoToken | Denied::NotEntitled | Denied::Signature | Denied::Challenge(_) => {
                    StatusCode::UNAUTHORIZED
                }
                Denied::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::Refused(refused) => match refused {
                Refused::Malformed(_) | Refused::OtherRequest => StatusCode::BAD_REQUEST,
                Refused::NotAuthorised => StatusCode::UNAUTHORIZED,
                Refused::PriceCap { .. } | Refused::Exhausted => StatusCode::PAYMENT_REQUIRED,
                Refused::UnknownTask => StatusCode::NOT_FOUND,
                Refused::Stopped => StatusCode::GONE,
                Refused::Used { .. } | Refused::UnderWay { .. } | Refused::Settled { .. } => {
                    StatusCode::CONFLICT
                }
                Refused::Ahead { .. } => StatusCode::TOO_MANY_REQUESTS,
                Refused::Input(_) => StatusCode::UNPROCESSABLE_ENTITY,
                Refused::Busy => StatusCode::SERVICE_UNAVAILABLE,
                Refused::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    /// Seconds after which the same request may be answered; `None` if it will not be.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Busy { after_s } => Some(*after_s),
            Self::Refused(
                Refused::Busy | Refused::UnderWay { .. } | Refused::Ahead { .. } | Refused::Failed,
            )
            | Self::Denied(Denied::Crowded | Denied::Challenge(Bad::TooMany) | Denied::Failed) => Some(1),
            _ => None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.status(), self.retry_after());
        let message = match self {
            Self::Refused(refused) => refused.to_string(),
            Self::Busy { .. } => Refused::Busy.to_string(),
            Self::Denied(denied) => denied.to_string(),
            Self::Http(_, message) => message,
        };
        let mut response = (status, message + "\n").into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Cyborg"));
        }
        response
    }
}

/// Counts a request by its outcome.
fn counted(api: &Api, path: &'static str, begun: Instant, answer: Result<Response, Refusal>) -> Response {
    let response = answer.unwrap_or_else(IntoResponse::into_response);
    api.context.metrics.request(path, response.status().as_u16(), begun.elapsed());
    response
}

async fn ask(
    State(api): State<Api>,
    Path((task, number)): Path<(TaskId, RequestNumber)>,
    request: Request,
) -> Response {
    let begun = Instant::now();
    let answer = answer(&api, task, number, request.into_body()).await;
    counted(&api, "requests", begun, answer.map(bytes))
}

async fn answer(api: &Api, task: TaskId, number: RequestNumber, body: Body) -> Result<Vec<u8>, Refusal> {
    let pool = pool(api, task)?;
    let sealed = receive(api, body, api.max_body_bytes).await?;
    let (reply, answered) = oneshot::channel();
    let answer = match pool.put(Job { number, sealed, reply }) {
        Err(refused) => Err(refused),
        Ok(()) => match timeout(api.patience, answered).await {
            Ok(Ok(answer)) => answer,
            // The threads of the task have ended.
            Ok(Err(_)) => Err(Refused::Stopped),
            Err(_) => Err(Refused::Busy),
        },
    };
    answer.map_err(|refused| match refused {
        Refused::Busy => Refusal::Busy { after_s: pool.pace.refused(Instant::now()) },
        other => other.into(),
    })
}

fn pool(api: &Api, task: TaskId) -> Result<Arc<WorkerPool>, Refusal> {
    let pools = api.pools.read().unwrap_or_else(PoisonError::into_inner);
    Ok(pools.get(&task).cloned().ok_or(Refused::UnknownTask)?)
}

/// A body of bounded length, from a client that does not fall silent.
async fn receive(api: &Api, body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let slow = || Refusal::Http(StatusCode::REQUEST_TIMEOUT, "the request came too slowly".to_owned());
    let received = timeout(api.silence, Limited::new(body, limit).collect()).await.map_err(|_| slow())?;
    match received {
        Ok(received) => Ok(received.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("a request has at most {limit} bytes here");
            Err(Refusal::Http(StatusCode::PAYLOAD_TOO_LARGE, message))
        }
        Err(_) => Err(Refusal::Http(StatusCode::BAD_REQUEST, "the request broke off".to_owned())),
    }
}

fn bytes(body: Vec<u8>) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, body).into_response()
}

async fn acknowledge(State(api): State<Api>, Path(task): Path<TaskId>, request: Request) -> Response {
    let begun = Instant::now();
    let kept = keep_acknowledgement(&api, task, request.into_body()).await;
    counted(&api, "acknowledgements", begun, kept.map(|()| StatusCode::NO_CONTENT.into_response()))
}

async fn keep_acknowledgement(api: &Api, task: TaskId, body: Body) -> Result<(), Refusal> {
    let pool = pool(api, task)?;
    let received = receive(api, body, MAX_ACKNOWLEDGEMENT_BYTES).await?;
    let context = &api.context;
    let (word, _) = acknowledgement(&received, &context.genesis, &pool.served.signers)
        .map_err(|error| Refused::Malformed(error.to_string()))?;
    if (word.task, word.miner) != (task, context.miner) {
        return Err(Refused::OtherRequest.into());
    }
    let store = context.store.clone();
    let kept = tokio::task::spawn_blocking(move || -> Result<(), crate::error::Failure> {
        let write = store.begin()?;
        // An earlier acknowledgement is worth less.
        let known = Store::acknowledged_in(&write, task)?;
        if known.is_none_or(|known| known < word.through) {
            Store::put_acknowledgement(&write, task, &received)?;
        }
        Ok(write.commit()?)
    });
    match kept.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            tracing::error!(task, %error, "an acknowledgement cannot be kept");
            Err(Refused::Failed.into())
        }
        Err(_) => Err(Refused::Failed.into()),
    }
}

async fn log(State(api): State<Api>, Path(task): Path<TaskId>, request: Request) -> Response {
    let begun = Instant::now();
    let from = request
        .uri()
        .query()
        .and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("from=")))
        .map_or(Ok(0), str::parse::<u64>);
    let answer = match from {
        Ok(from) => lines(&api, task, from),
        Err(_) => Err(Refused::Malformed("`from` is the number of a line".to_owned()).into()),
    };
    counted(&api, "log", begun, answer)
}

fn lines(api: &Api, task: TaskId, from: u64) -> Result<Response, Refusal> {
    let lines = api.context.store.logs(task, from).map_err(|error| {
        tracing::error!(task, %error, "a log cannot be read");
        Refused::Failed
    })?;
    let lines: Vec<_> = lines
        .into_iter()
        .take(MAX_LINES)
        .map(|(number, sealed)| json!({ "line": number, "sealed": hex(&sealed) }))
        .collect();
    Ok(json_response(&json!({ "lines": lines })))
}

async fn challenge(State(api): State<Api>, Path(task): Path<TaskId>) -> Response {
    let begun = Instant::now();
    let challenge = api.hub.challenge(task).map_err(Refusal::from);
    let answer = challenge.map(|challenge| {
        let mut response = json_response(&json!(challenge));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    });
    counted(&api, "challenge", begun, answer)
}

async fn status(State(api): State<Api>, Path(task): Path<TaskId>, request: Request) -> Response {
    let begun = Instant::now();
    let header = request.headers().get(AUTHORIZATION).and_then(|header| header.to_str().ok());
    let statuses = api.hub.watch(task, header.and_then(StatusToken::from_header)).map_err(Refusal::from);
    let answer = statuses.map(|statuses| {
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        (headers, Body::from_stream(statuses.map(|status| event(&status)))).into_response()
    });
    counted(&api, "status", begun, answer)
}

/// A status as an event of a stream.
fn event(status: &Status) -> Result<Bytes, serde_json::Error> {
    // JSON has no line ends of its own.
    Ok(format!("event: status\ndata: {}\n\n", serde_json::to_string(status)?).into())
}

async fn health(State(api): State<Api>) -> Response {
    let begun = Instant::now();
    let pools = api.pools.read().unwrap_or_else(PoisonError::into_inner);
    let open: Vec<TaskId> =
        pools.iter().filter(|(_, pool)| pool.served.window().open).map(|(task, _)| *task).collect();
    drop(pools);
    let health = json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "miner": hex(&api.context.miner),
        "genesis": hex(&api.context.genesis),
        "block": api.context.metrics.block.get(),
        "serving": open,
        "energy": api.energy,
    });
    counted(&api, "health", begun, Ok(json_response(&health)))
}

fn json_response(value: &serde_json::Value) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], value.to_string()).into_response()
}

async fn metrics(State(api): State<Api>) -> Response {
    match api.context.metrics.text() {
        Ok(text) => {
            let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
            ([(CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
