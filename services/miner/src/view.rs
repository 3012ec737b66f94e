//! A task as one miner needs it: the chain's view of it, and where this miner stands.

use cyborg_chain_client::runtime::runtime_types;
use cyborg_chain_client::view::{self, Status, Wrap};
use cyborg_chain_client::{AtBlock, ChainError};
use cyborg_primitives::task::{ProofPolicy, TaskState};
use cyborg_primitives::{Account, Digest, ModelId, TaskId};

pub use cyborg_chain_client::view::{
    Owed, Period, Terms, contact, now, owed, registered as model, report_period_ms,
    tasks_of_miner as tasks_of, terms,
};

use crate::step::Standing;

/// A task as one miner needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskView {
    /// The account that pays.
    pub owner: Account,
    /// The accounts that may ask and watch: owner and delegate.
    pub signers: Vec<Account>,
    /// The model that it runs.
    pub model: ModelId,
    /// Which answers are proven.
    pub policy: ProofPolicy,
    /// The model's files, and the key that answers are sealed to.
    pub files: Option<(Digest, [u8; 32])>,
    /// Where this miner stands on it.
    pub standing: Standing,
    /// The content key, wrapped for this miner.
    pub wrap: Option<Wrap>,
}

/// A task; `None` if it is vacated, never existed, or is not this miner's.
///
/// # Errors
/// Returns an error if the node does not answer.
pub async fn task(at: &AtBlock, id: TaskId, miner: &Account) -> Result<Option<TaskView>, ChainError> {
    let Some(task) = view::task(at, id).await? else { return Ok(None) };
    let Some(assignment) = task.assignment(miner) else { return Ok(None) };
    let stopped = task.state == TaskState::Stopped;
    let standing = match assignment.status {
        Status::Waiting | Status::Keyless { .. } => Standing::Keyless,
        Status::Keyed { .. } => Standing::Keyed,
        Status::Confirmed if stopped => Standing::Liable,
        Status::Confirmed => Standing::Confirmed,
        Status::Left { confirmed: true } => Standing::Liable,
        Status::Left { confirmed: false } => Standing::Left,
    };
    Ok(Some(TaskView {
        owner: task.owner,
        signers: task.signers(),
        model: task.model,
        policy: task.policy,
        files: task.keys,
        standing,
        wrap: view::wrap(at, id, miner).await?,
    }))
}

/// One of our signatures as the chain's type.
#[must_use]
pub fn signature(bytes: [u8; 64]) -> runtime_types::sp_runtime::MultiSignature {
    runtime_types::sp_runtime::MultiSignature::Sr25519(bytes)
}
