//! What can stop an owner, said so that a person can act on it.

use std::io;
use std::path::PathBuf;

use cyborg_account::Address;
use cyborg_chain_client::ChainError;
use cyborg_envelope::EnvelopeError;
use cyborg_primitives::money::Cyb;
use cyborg_primitives::signed::Authorisation;
use cyborg_primitives::{ModelId, RequestNumber, TaskId};
use cyborg_protocol::wire::WireError;
use cyborg_storage_client::error::StorageError;
use thiserror::Error;
use zkml_engine::EngineError;
use zkml_prover::ProveError;
use zkml_verifier::{FormatError, OpeningError};

/// Why an owner's work does not go on.
#[derive(Debug, Error)]
pub enum OwnerError {
    /// The chain cannot be asked, or refuses.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The model cannot be stored.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A key cannot be made or wrapped.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The inputs do not fit the model.
    #[error(transparent)]
    Input(#[from] Box<ProveError>),
    /// The model does not run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The owner's records cannot be read or written.
    #[error("{path}: {source}")]
    Records {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A record is not what was written.
    #[error("{0} is damaged, or was written by another version of this program")]
    Damaged(PathBuf),
    /// The verifier's key of a model cannot be read.
    #[error("{path}: {source}")]
    Key {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: FormatError,
    },
    /// The secrets of a task are not here.
    #[error(
        "{folder} holds nothing of task {task}: its secrets are where it was deployed from (`--owner-dir`)"
    )]
    Foreign {
        /// Which task.
        task: TaskId,
        /// The folder that was searched.
        folder: PathBuf,
    },
    /// Another task of this number has its secrets here.
    #[error(
        "{path} has the secrets of another task {task}: they are kept; use another folder (`--owner-dir`)"
    )]
    TaskKnown {
        /// Which task.
        task: TaskId,
        /// What is kept.
        path: PathBuf,
    },
    /// The task is over.
    #[error("task {0} is vacated, or never was")]
    Vacated(TaskId),
    /// The task takes no requests any more.
    #[error("task {0} is stopped: it takes no more requests")]
    Stopped(TaskId),
    /// Another account owns the task.
    #[error("task {task} belongs to {owner}, not to {asked}")]
    NotOwner {
        /// Which.
        task: TaskId,
        /// Its owner.
        owner: Address,
        /// The account that asked.
        asked: Address,
    },
    /// The miner that was to be asked has no part in the task.
    #[error(
        "miner {miner} was never engaged for task {task}; `cyborg task show {task}` lists those that were"
    )]
    NotAssigned {
        /// Which task.
        task: TaskId,
        /// The miner.
        miner: Address,
    },
    /// The price cap is below the tariff: no miner would answer.
    #[error("miner {miner} asks {price} for an answer, and the price cap is {cap}")]
    PriceCap {
        /// The miner.
        miner: Address,
        /// What an answer costs.
        price: Cyb,
        /// Most that would be paid.
        cap: Cyb,
    },
    /// The task has not enough money left for another answer.
    #[error(
        "task {task} has {for_answers} left for answers and {for_proofs} for proofs, and an answer costs {answer}, its proof {proof}; top it up: `cyborg task top-up {task} --answers CYB --proofs CYB`"
    )]
    Exhausted {
        /// Which.
        task: TaskId,
        /// Left for answers.
        for_answers: Cyb,
        /// Left for proofs.
        for_proofs: Cyb,
        /// What an answer costs.
        answer: Cyb,
        /// What a proof costs.
        proof: Cyb,
    },
    /// As many requests to a miner are not settled as may be.
    #[error(
        "miner {miner}: 128 requests after number {through} are not settled yet; no more can be answered now"
    )]
    WindowFull {
        /// The miner.
        miner: Address,
        /// All up to this number are settled.
        through: RequestNumber,
    },
    /// There is no such answer.
    #[error(
        "no answer to request {number} of task {task} is kept here; `cyborg task answers {task}` lists those that are"
    )]
    NotKept {
        /// Which task.
        task: TaskId,
        /// Which request.
        number: RequestNumber,
    },
    /// Several miners have answered a request of this number.
    #[error("{miners} miners of task {task} have answered a request {number}; say which, with --miner")]
    Ambiguous {
        /// Which task.
        task: TaskId,
        /// Which request.
        number: RequestNumber,
        /// How many.
        miners: usize,
    },
    /// The chain's model is not the one of these records.
    #[error("model {0} is registered with another key, file or manifest than this owner's records have")]
    OtherModel(ModelId),
    /// The cost of the model does not fit the chain's types.
    #[error("the model's verification costs more than the chain can count")]
    TooLarge,
    /// A task of the model is there, with other terms.
    #[error(
        "task {0} of this model is there already, with another policy, number of replicas or delegate; `--another` submits one more, `--resume {0}` goes on with it as it is"
    )]
    OtherOrder(TaskId),
    /// No miner may take the task.
    #[error("no miner on offer satisfies the placement: {0}")]
    NoCandidates(String),
    /// Not enough miners confirmed in time.
    #[error(
        "task {task}: {confirmed} of {wanted} replicas serve after {seconds} s; `cyborg task show {task}` says what the others do, `cyborg deploy --resume {task}` goes on"
    )]
    NotRunning {
        /// Which.
        task: TaskId,
        /// How many serve.
        confirmed: usize,
        /// How many are wanted.
        wanted: usize,
        /// How long was waited.
        seconds: u64,
    },
    /// Nobody answered in time.
    #[error("no miner of task {task} answered within {seconds} s; the last one said: {last}")]
    NoAnswer {
        /// Which task.
        task: TaskId,
        /// How long was waited.
        seconds: u64,
        /// What was heard last.
        last: String,
    },
    /// A miner refuses for good.
    #[error("miner {miner} refuses request {number}: {status}: {message}")]
    Refused {
        /// The miner.
        miner: Address,
        /// Which request.
        number: RequestNumber,
        /// HTTP status.
        status: u16,
        /// The miner's words.
        message: String,
    },
    /// The miner's response is not an answer to the request.
    #[error("the answer of miner {miner} to request {number} is not valid: {source}")]
    Answer {
        /// The miner.
        miner: Address,
        /// Which request.
        number: RequestNumber,
        /// What is wrong.
        source: Box<WireError>,
    },
    /// The miner signed for another output than it sent.
    #[error(
        "miner {miner} sent another output than it signed for request {number}: the answer is worth nothing, and only a proof of what it signed pays it"
    )]
    OtherOutput {
        /// The miner.
        miner: Address,
        /// Which request.
        number: RequestNumber,
    },
    /// A task's live status is not heard.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// The HTTP client cannot be made.
    #[error("no HTTP client: {0}")]
    Http(String),
    /// The endpoint registered on chain is not an http or https URL.
    #[error("miner {miner} is registered at `{endpoint}`, which is not an http or https URL")]
    Endpoint {
        /// The miner.
        miner: Address,
        /// Its words.
        endpoint: String,
    },
}

impl OwnerError {
    /// The bytes that came are no answer to a request.
    pub(crate) fn invalid(request: &Authorisation, source: WireError) -> Self {
        Self::Answer { miner: Address(request.miner), number: request.number, source: Box::new(source) }
    }
}

impl From<OpeningError> for OwnerError {
    fn from(error: OpeningError) -> Self {
        ProveError::from(error).into()
    }
}

impl From<ProveError> for OwnerError {
    fn from(error: ProveError) -> Self {
        Self::Input(Box::new(error))
    }
}

/// Why a task's status is not heard.
#[derive(Debug, Error)]
pub enum StatusError {
    /// Nobody answers, or the answer breaks off.
    #[error("{url}: {reason}")]
    Unreachable {
        /// The side that was asked.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// The miner refuses.
    #[error("{url} refused: {status} {message}")]
    Refused {
        /// The side that was asked.
        url: String,
        /// HTTP status; 503 where asking again helps.
        status: u16,
        /// Its words, fit for a terminal.
        message: String,
    },
    /// The response is not a challenge.
    #[error("{url} sent no challenge")]
    NoChallenge {
        /// The side that was asked.
        url: String,
    },
    /// An event is longer than allowed.
    #[error("an event of more than {max} bytes")]
    TooLong {
        /// Most bytes.
        max: usize,
    },
    /// An event cannot be decoded.
    #[error("an event that cannot be read: {reason}")]
    Event {
        /// Why.
        reason: String,
    },
    /// An event is of another task.
    #[error("an event of task {got} in the stream of task {expected}")]
    OtherTask {
        /// The task that is watched.
        expected: TaskId,
        /// The event's task.
        got: TaskId,
    },
}
