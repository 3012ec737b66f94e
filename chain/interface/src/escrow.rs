//! The money of tasks, as tasks and proofs need it.

use cyborg_primitives::{RequestNumber, TaskId};
use polkadot_sdk::frame_support::dispatch::DispatchResult;

/// A miner's pay on a task, fixed when it is engaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tariff<Balance> {
    /// Pay for an answer.
    pub per_request: Balance,
    /// Pay for the proof of an answer.
    pub per_proof: Balance,
}

/// Requests to settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// One request.
    One(RequestNumber),
    /// All requests up to this one.
    Through(RequestNumber),
}

/// Reasons why nothing is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettleError {
    /// The escrow does not exist, or the miner was not admitted to it.
    Unknown,
    /// The request was settled before, or its number is outside the window.
    Settled,
    /// The escrow holds too little.
    Exhausted,
    /// The miner's account cannot receive: it does not exist, and this is too little to create it.
    Unpayable,
}

/// The money of tasks.
pub trait Escrow<AccountId, Balance> {
    /// Holds an owner's money for a task: for answers, and for their proofs.
    ///
    /// # Errors
    /// Returns an error if the owner has too little.
    fn open(task: TaskId, owner: &AccountId, compute: Balance, proofs: Balance) -> DispatchResult;

    /// Admits a miner, which is paid by this tariff from now on.
    fn admit(task: TaskId, miner: &AccountId, tariff: Tariff<Balance>);

    /// Pays for requests, each at most `cap`, and for `proofs` proofs: all of it or nothing. Returns
    /// what the miner received, without the treasury's share. [`Settled::Through`] a number with no
    /// unsettled request up to it, such as 0, pays for the proofs alone.
    ///
    /// # Errors
    /// Returns an error if nothing is paid; the state is then unchanged.
    fn settle(
        task: TaskId,
        miner: &AccountId,
        requests: Settled,
        cap: Balance,
        proofs: u32,
    ) -> Result<Balance, SettleError>;

    /// Whether the escrow holds enough for one more answer of this miner and `proofs` proofs, at its
    /// tariff. A miner that cannot be paid any more may leave.
    fn can_pay(task: TaskId, miner: &AccountId, proofs: u32) -> bool;

    /// Whether a request was settled or abandoned.
    fn is_settled(task: TaskId, miner: &AccountId, number: RequestNumber) -> bool;

    /// Ends an escrow and returns the rest to the owner. Returns the amount.
    fn close(task: TaskId) -> Balance;
}
