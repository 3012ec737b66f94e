//! Who is engaged on which task, as payments, proofs and reports need it.

use alloc::vec::Vec;
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::{ModelId, TaskId};

/// A miner's engagement on a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engagement<AccountId> {
    /// The account that pays.
    pub owner: AccountId,
    /// The account that may authorise requests beside the owner, fixed at submission.
    pub delegate: Option<AccountId>,
    /// The model of the task.
    pub model: ModelId,
    /// Which answers are proven.
    pub policy: ProofPolicy,
    /// Whether the miner has confirmed, so that it may be paid and found guilty.
    pub confirmed: bool,
}

/// Who is engaged on which task.
pub trait Engagements<AccountId> {
    /// A miner's engagement, from its beginning until the task is vacated.
    fn engagement(task: TaskId, miner: &AccountId) -> Option<Engagement<AccountId>>;

    /// Present and past miners of a task, until it is vacated.
    fn miners(task: TaskId) -> Vec<AccountId>;

    /// Makes a task with one engaged and confirmed miner.
    #[cfg(feature = "runtime-benchmarks")]
    fn set_up_task(owner: &AccountId, miner: &AccountId, policy: ProofPolicy) -> TaskId;
}
