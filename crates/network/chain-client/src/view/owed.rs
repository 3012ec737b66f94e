//! What owner and miner owe each other on a task under the policies that sample or demand.

use cyborg_primitives::{Account, Digest, RequestNumber, TaskId};
use subxt::utils::AccountId32;

use crate::{AtBlock, ChainError, runtime};

/// What an owner owes to a sampled miner: its hash chain, and what it has committed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws {
    /// The end of the owner's hash chain.
    pub anchor: Option<Digest>,
    /// Block of the open period's commitment, where nothing is drawn yet.
    pub undrawn: Option<u32>,
    /// The first request of the next period.
    pub next: RequestNumber,
}

/// What a miner has committed to.
///
/// # Errors
/// Returns an error if the node does not answer.
pub async fn draws(at: &AtBlock, id: TaskId, miner: &Account) -> Result<Draws, ChainError> {
    let entry = at.storage().entry(runtime::storage().proofs().owed())?;
    let Some(found) = entry.try_fetch((id, AccountId32(*miner))).await? else {
        return Ok(Draws { anchor: None, undrawn: None, next: 1 });
    };
    let owed = found.decode()?;
    let undrawn = owed.period.filter(|period| period.draw.is_none()).map(|period| period.block);
    Ok(Draws { anchor: owed.anchor, undrawn, next: owed.next })
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
    /// Number of requests.
    pub count: u32,
    /// Leaves that were drawn and are not proven; `None` before the draw.
    pub left: Option<Vec<u32>>,
    /// The request whose receipt is to be shown.
    pub challenged: Option<RequestNumber>,
}

/// What a miner owes on a task.
///
/// # Errors
/// Returns an error if the node does not answer.
pub async fn owed(at: &AtBlock, id: TaskId, miner: &Account) -> Result<Owed, ChainError> {
    let entry = at.storage().entry(runtime::storage().proofs().owed())?;
    let Some(found) = entry.try_fetch((id, AccountId32(*miner))).await? else {
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
