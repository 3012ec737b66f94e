//! What the chain says of a task, of its money and of what is owed on it, in the miner's words.

use cyborg_chain_client::runtime::{self, runtime_types};
use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_chain_client::{AtBlock, ChainError};
use cyborg_primitives::task::{ProofPolicy, TaskState};
use cyborg_primitives::{Account, Digest, ModelId, Moment, RequestNumber, TaskId, WRAPPED_KEY_BYTES};
use runtime_types::pallet_tasks::types::Status;

pub use cyborg_miner_client::market::{Terms, contact, terms};

use crate::loaded::Registered;
use crate::step::Standing;

/// A task as one miner needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskView {
    /// Who pays.
    pub owner: Account,
    /// Who may authorise requests beside the owner.
    pub delegate: Option<Account>,
    /// What is run.
    pub model: ModelId,
    /// Which answers are proven.
    pub policy: ProofPolicy,
    /// The model's files, and the key that answers are sealed to.
    pub files: Option<(Digest, [u8; 32])>,
    /// Where this miner is.
    pub standing: Standing,
    /// The content key, wrapped for this miner.
    pub wrap: Option<[u8; WRAPPED_KEY_BYTES as usize]>,
}

impl TaskView {
    /// Who may ask, and who may watch: owner and delegate.
    #[must_use]
    pub fn signers(&self) -> Vec<Account> {
        std::iter::once(self.owner).chain(self.delegate).collect()
    }
}

/// What a miner owes on a task: receipts to be proven or shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Owed {
    /// The first request of the next period.
    pub next: RequestNumber,
    /// The period that is not closed.
    pub period: Option<Period>,
    /// Demanded requests.
    pub demanded: Vec<RequestNumber>,
}

/// A period that is not closed.
#[derive(Clone, Debug, PartialEq)]
pub struct Period {
    /// Its first request.
    pub first: RequestNumber,
    /// How many.
    pub count: u32,
    /// Leaves that were drawn and are not proven; `None` before the draw.
    pub left: Option<Vec<u32>>,
    /// The request whose receipt is to be shown.
    pub challenged: Option<RequestNumber>,
}

fn account(of: &Account) -> AccountId32 {
    AccountId32(*of)
}

/// The tasks that a miner has not left.
///
/// # Errors
/// Where the node does not answer.
pub async fn tasks_of(at: &AtBlock, miner: &Account) -> Result<Vec<TaskId>, ChainError> {
    let entry = at.storage().entry(runtime::storage().tasks().miner_tasks())?;
    match entry.try_fetch((account(miner),)).await? {
        Some(tasks) => Ok(tasks.decode()?.0),
        None => Ok(Vec::new()),
    }
}

/// A task; `None` where it is vacated or never was.
///
/// # Errors
/// Where the node does not answer.
pub async fn task(at: &AtBlock, id: TaskId, miner: &Account) -> Result<Option<TaskView>, ChainError> {
    let entry = at.storage().entry(runtime::storage().tasks().tasks())?;
    let Some(found) = entry.try_fetch((id,)).await? else { return Ok(None) };
    let task = found.decode()?;
    let own = |part: &&runtime_types::pallet_tasks::types::Part<AccountId32>| part.miner.0 == *miner;
    // A miner that left may be engaged once more: its last part counts.
    let Some(part) = task.parts.0.iter().rfind(own) else { return Ok(None) };
    let stopped = task.state.0 == TaskState::Stopped;
    let standing = match part.status {
        Status::Waiting | Status::Keyless { .. } => Standing::Keyless,
        Status::Keyed { .. } => Standing::Keyed,
        Status::Confirmed if stopped => Standing::Liable,
        Status::Confirmed => Standing::Confirmed,
        Status::Left { confirmed: true } => Standing::Liable,
        Status::Left { confirmed: false } => Standing::Left,
    };
    let wraps = at.storage().entry(runtime::storage().tasks().wraps())?;
    let wrap = match wraps.try_fetch((id, account(miner))).await? {
        Some(wrap) => Some(wrap.decode()?),
        None => None,
    };
    Ok(Some(TaskView {
        owner: task.owner.0,
        delegate: task.delegate.map(|delegate| delegate.0),
        model: task.model,
        policy: task.policy.0,
        files: task.keys.map(|keys| (keys.manifest, keys.result_key)),
        standing,
        wrap,
    }))
}

/// A registered model.
///
/// # Errors
/// Where the node does not answer.
pub async fn model(at: &AtBlock, id: ModelId) -> Result<Option<Registered>, ChainError> {
    let models = at.storage().entry(runtime::storage().models().models())?;
    let keys = at.storage().entry(runtime::storage().models().keys())?;
    let (Some(record), Some(key)) = (models.try_fetch((id,)).await?, keys.try_fetch((id,)).await?) else {
        return Ok(None);
    };
    let record = record.decode()?;
    let key_bytes = key.decode()?.0;
    Ok(Some(Registered { key: record.key, file: record.model, key_bytes, cost: record.cost.0 }))
}

/// What a miner owes on a task.
///
/// # Errors
/// Where the node does not answer.
pub async fn owed(at: &AtBlock, id: TaskId, miner: &Account) -> Result<Owed, ChainError> {
    let entry = at.storage().entry(runtime::storage().proofs().owed())?;
    let Some(found) = entry.try_fetch((id, account(miner))).await? else {
        return Ok(Owed { next: 1, ..Owed::default() });
    };
    let owed = found.decode()?;
    let period = owed.period.map(|period| Period {
        first: period.first,
        count: period.count,
        left: period.draw.map(|draw| draw.left.0),
        challenged: period.challenge.map(|challenge| challenge.number),
    });
    let demanded = owed.demands.0.iter().map(|demand| demand.number).collect();
    Ok(Owed { next: owed.next, period, demanded })
}

/// Chain time as of a block, in milliseconds since the Unix epoch.
///
/// # Errors
/// Where the node does not answer.
pub async fn now(at: &AtBlock) -> Result<Moment, ChainError> {
    let entry = at.storage().entry(runtime::storage().timestamp().now())?;
    Ok(entry.fetch(()).await?.decode()?)
}

/// Length of a period of reports, in milliseconds of chain time.
///
/// # Errors
/// Where the chain has no such constant.
pub fn report_period_ms(at: &AtBlock) -> Result<u64, ChainError> {
    Ok(at.constants().entry(runtime::constants().reports().period_ms())?)
}

/// A signature of ours in the chain's type.
#[must_use]
pub fn signature(bytes: [u8; 64]) -> runtime_types::sp_runtime::MultiSignature {
    runtime_types::sp_runtime::MultiSignature::Sr25519(bytes)
}
