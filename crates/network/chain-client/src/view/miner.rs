//! The register of miners.

use cyborg_primitives::miner::Capacity;
use cyborg_primitives::place::Location;
use cyborg_primitives::{Account, Moment};
use subxt::utils::AccountId32;

use crate::runtime::{self, runtime_types};
use crate::{AtBlock, ChainError};

/// A registered miner.
#[derive(Clone, Debug, PartialEq)]
pub struct MinerView {
    /// The key that owners encrypt to.
    pub key: [u8; 32],
    /// The URL at which clients reach it, in its owner's words: they must not be printed unescaped.
    pub endpoint: String,
    /// Its region, in its own words.
    pub location: Location,
    /// Its machine, in its own words.
    pub capacity: Capacity,
    /// Asked for an hour of computing.
    pub price: u128,
    /// Staked.
    pub bond: u128,
    /// At most 100.
    pub reputation: u8,
    /// Memory that tasks have, in mebibytes.
    pub used_mib: u32,
    /// Tasks that have memory.
    pub load: u32,
    /// The block from which its bond may be withdrawn, if it is leaving.
    pub leaves_at: Option<Moment>,
    /// When its last heartbeat came.
    pub seen: Moment,
    /// Whether its heartbeats come.
    pub duty: Duty,
}

/// Whether heartbeats are expected of a miner, and whether they come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Duty {
    /// They come.
    Serving,
    /// They do not.
    Lapsed,
    /// It has left, and has no task.
    Over,
}

/// All that the register of miners says of an account; `None` if it is not a miner's.
///
/// # Errors
/// Returns an error if the node does not answer.
pub async fn miner(at: &AtBlock, account: &Account) -> Result<Option<MinerView>, ChainError> {
    use runtime_types::pallet_miners::types::Duty as Found;
    let miners = at.storage().entry(runtime::storage().miners().miners())?;
    let pulses = at.storage().entry(runtime::storage().miners().pulses())?;
    let id = AccountId32(*account);
    let (Some(miner), Some(pulse)) = (miners.try_fetch((id,)).await?, pulses.try_fetch((id,)).await?) else {
        return Ok(None);
    };
    let (miner, pulse) = (miner.decode()?, pulse.decode()?);
    Ok(Some(MinerView {
        key: miner.hpke_key,
        endpoint: String::from_utf8_lossy(&miner.endpoint.0).into_owned(),
        location: miner.location.0,
        capacity: miner.capacity.0,
        price: miner.price,
        bond: miner.bond,
        reputation: miner.reputation,
        used_mib: miner.used_mib,
        load: miner.load,
        leaves_at: miner.leaves_at,
        seen: pulse.seen,
        duty: match pulse.duty {
            Found::Serving => Duty::Serving,
            Found::Lapsed => Duty::Lapsed,
            Found::Over => Duty::Over,
        },
    }))
}

/// Money of an account that nothing holds.
///
/// # Errors
/// Returns an error if the node does not answer.
pub async fn free(at: &AtBlock, account: &Account) -> Result<u128, ChainError> {
    let entry = at.storage().entry(runtime::storage().system().account())?;
    match entry.try_fetch((AccountId32(*account),)).await? {
        Some(found) => {
            let data = found.decode()?.data;
            Ok(data.free.saturating_sub(data.frozen))
        }
        None => Ok(0),
    }
}
