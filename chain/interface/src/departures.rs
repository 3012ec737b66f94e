//! Miners that stop serving, as tasks hear of them.

/// Receives the departures of miners.
pub trait Departures<AccountId> {
    /// The miner no longer serves. Its tasks are given to others later, because the weight of this
    /// call is bounded.
    fn gone(miner: &AccountId);
}
