//! What an owner's work needs of the world around it: four ports. `cyborg-account` has the fourth,
//! [`Signing`](cyborg_account::Signing); a program for an operating system uses the implementations of
//! [`native`](crate::native) and [`files`](crate::files).
//!
//! Futures are `Send`, so that a program may run them on any of its threads.

use std::future::Future;
use std::time::Duration;

use cyborg_primitives::{Account, Digest, RequestNumber, TaskId};
use zkml_verifier::VerifierKey;

use crate::error::OwnerError;
use crate::records::{ModelRecord, RequestRecord, TaskRecord};

/// One HTTP request.
#[derive(Clone, Debug)]
pub struct Call {
    /// The URL.
    pub url: String,
    /// What is posted; without a body the request is a GET.
    pub body: Option<Vec<u8>>,
    /// Value of the `Authorization` header.
    pub authorization: Option<String>,
    /// How long it may take, the answer's body included; without it, as long as the other side says
    /// something.
    pub patience: Option<Duration>,
}

/// The head of an answer, and its body as it comes.
#[derive(Debug)]
pub struct Reply<B> {
    /// HTTP status.
    pub status: u16,
    /// The other side asks for the same request again, after this time.
    pub retry_after: Option<Duration>,
    /// What follows.
    pub body: B,
}

/// Carries HTTP to miners. It follows no redirects.
pub trait Carrier: Send + Sync {
    /// The body of an answer.
    type Body: Body;

    /// Sends a request. The error is the cause, in words.
    fn send(&self, call: Call) -> impl Future<Output = Result<Reply<Self::Body>, String>> + Send;
}

/// The body of an answer, piece by piece.
pub trait Body: Send {
    /// The next piece; `None` at the end. The error is the cause, in words.
    fn chunk(&mut self) -> impl Future<Output = Result<Option<Vec<u8>>, String>> + Send;
}

/// Time that passes.
pub trait Clock: Send + Sync {
    /// Time since some fixed moment.
    fn now(&self) -> Duration;

    /// Waits.
    fn sleep(&self, pause: Duration) -> impl Future<Output = ()> + Send;
}

/// What an owner must not lose: keys of its models and tasks, and the requests that it has signed.
///
/// A record is kept once its method has returned, whatever happens after. All methods return an error
/// if the records cannot be read or written.
pub trait Records: Send + Sync {
    /// Holds others off until it is dropped.
    type Guard: Send;

    /// Lets one program at a time deploy a model.
    fn guard_model(&self, key: &Digest) -> impl Future<Output = Result<Self::Guard, OwnerError>> + Send;

    /// A model's record.
    fn model(&self, key: &Digest) -> impl Future<Output = Result<Option<ModelRecord>, OwnerError>> + Send;

    /// Keeps a model's record, and its verifier's key.
    fn put_model(
        &self,
        record: &ModelRecord,
        verifier: &VerifierKey,
    ) -> impl Future<Output = Result<(), OwnerError>> + Send;

    /// The verifier's key of a model, as it was kept.
    fn verifier(&self, key: &Digest) -> impl Future<Output = Result<VerifierKey, OwnerError>> + Send;

    /// A task of a model that was about to be submitted.
    fn new_task(&self, key: &Digest) -> impl Future<Output = Result<Option<TaskRecord>, OwnerError>> + Send;

    /// Keeps a task that is about to be submitted.
    fn put_new_task(&self, record: &TaskRecord) -> impl Future<Output = Result<(), OwnerError>> + Send;

    /// The task that was about to be submitted has a number now.
    fn number_task(
        &self,
        task: TaskId,
        record: &TaskRecord,
    ) -> impl Future<Output = Result<(), OwnerError>> + Send;

    /// A task's record, which must be here.
    fn task(&self, task: TaskId) -> impl Future<Output = Result<TaskRecord, OwnerError>> + Send;

    /// Whether a task's record is here.
    fn knows_task(&self, task: TaskId) -> impl Future<Output = Result<bool, OwnerError>> + Send;

    /// Keeps the next request to a miner: `make` gets its number, which no other request to this miner
    /// gets, not even one of another program. `settled` is the chain's word on the numbers that cannot
    /// be used any more. Until the guard is dropped nobody else [claims](Self::claim) it.
    fn next_request(
        &self,
        task: TaskId,
        miner: &Account,
        settled: RequestNumber,
        make: impl FnOnce(RequestNumber) -> Result<RequestRecord, OwnerError> + Send,
    ) -> impl Future<Output = Result<(RequestRecord, Self::Guard), OwnerError>> + Send;

    /// A request that was signed, to be sent again; `None` if it is not here, has an answer, or another program
    /// is sending it.
    fn claim(
        &self,
        task: TaskId,
        miner: &Account,
        number: RequestNumber,
    ) -> impl Future<Output = Result<Option<(RequestRecord, Self::Guard)>, OwnerError>> + Send;

    /// Keeps an answer as it came: it holds the miner's signed receipt.
    fn put_answer(
        &self,
        task: TaskId,
        miner: &Account,
        number: RequestNumber,
        answer: &[u8],
    ) -> impl Future<Output = Result<(), OwnerError>> + Send;

    /// The requests after `settled` that have no answer yet.
    fn unanswered(
        &self,
        task: TaskId,
        miner: &Account,
        settled: RequestNumber,
    ) -> impl Future<Output = Result<Vec<RequestNumber>, OwnerError>> + Send;

    /// The last number up to which a miner has answered all requests, given that all up to `settled` are
    /// settled.
    fn answered_through(
        &self,
        task: TaskId,
        miner: &Account,
        settled: RequestNumber,
    ) -> impl Future<Output = Result<RequestNumber, OwnerError>> + Send;
}
