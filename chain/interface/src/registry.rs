//! The register of miners, as tasks and proofs need it.

use alloc::vec::Vec;
use cyborg_primitives::miner::{Capacity, Offence};
use cyborg_primitives::place::Region;
use cyborg_primitives::task::Placement;
use polkadot_sdk::frame_support::weights::Weight;

/// What a task requires of a miner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand<Balance> {
    /// Required region and reputation.
    pub placement: Placement<Vec<Region>>,
    /// Memory of the model, in mebibytes.
    pub memory_mib: u32,
    /// Highest price per compute hour.
    pub price_cap: Balance,
}

/// Miners in the order in which they should be engaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranking<AccountId> {
    /// Best first.
    pub miners: Vec<AccountId>,
    /// Weight of the search.
    pub weight: Weight,
}

/// The conditions of a miner when it was engaged; its later changes do not affect them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms<Balance> {
    /// Price per compute hour.
    pub price: Balance,
    /// What the machine can do.
    pub capacity: Capacity,
    /// Where the machine stands; the caller checks this again.
    pub region: Region,
}

/// The register of miners.
pub trait Registry<AccountId, Balance> {
    /// Ranks the best `count` miners for a demand, without the excluded ones. The same state gives
    /// the same ranking.
    fn rank(demand: &Demand<Balance>, exclude: &[AccountId], count: u32) -> Ranking<AccountId>;

    /// The highest weight of [`rank`](Self::rank).
    fn rank_weight() -> Weight;

    /// Reserves memory of a miner for a task and makes the miner liable. Returns `None` if it has too
    /// little left.
    fn engage(miner: &AccountId, memory_mib: u32) -> Option<Terms<Balance>>;

    /// Gives memory back. The miner stays liable.
    fn release(miner: &AccountId, memory_mib: u32);

    /// Ends one liability: no offence in this task can be found any more.
    fn discharge(miner: &AccountId);

    /// Slashes the bond and lowers the reputation by the chain's table of offences. Part of the
    /// slashed amount goes to the victim. Returns the whole amount.
    fn punish(miner: &AccountId, offence: Offence, victim: Option<&AccountId>) -> Balance;

    /// Whether the miner is registered, sends heartbeats and is not suspended.
    fn is_serving(miner: &AccountId) -> bool;

    /// Registers a serving miner with room for anything.
    #[cfg(feature = "runtime-benchmarks")]
    fn set_up_miner(miner: &AccountId);
}
