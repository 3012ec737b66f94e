//! An account becomes a miner: what it declares, whether it can pay for that, and the one transaction.
//!
//! Whoever was interrupted asks again: the chain's record decides whether there is anything to do.

use std::path::Path;

use cyborg_account::{Keypair, keys};
use cyborg_chain_client::Chain;
use cyborg_chain_client::runtime::{self, runtime_types};
use cyborg_chain_client::subxt::utils::Static;
use cyborg_primitives::miner::{Accelerator, Capacity};
use cyborg_primitives::place::Location;
use runtime_types::bounded_collections::bounded_vec::BoundedVec;

use super::folder;
use super::record::{self, Record};
use crate::error::Failure;
use cyborg_primitives::money::Cyb;

/// Left to an account for its transactions, beside the bond: what a day of heartbeats takes, and some.
pub(super) const FOR_FEES: u128 = 1_000_000_000_000;

/// What a miner declares.
#[derive(Clone, Debug)]
pub(super) struct Declaration {
    /// The key that owners encrypt to.
    pub(super) key: [u8; 32],
    /// Where clients reach it.
    pub(super) endpoint: String,
    /// Where it is.
    pub(super) location: Location,
    /// Memory for models, in mebibytes.
    pub(super) memory_mib: u32,
    /// Multiply-accumulates of a second.
    pub(super) macs_per_second: u64,
    /// Asked for an hour of computing.
    pub(super) price: Cyb,
    /// Staked.
    pub(super) bond: Cyb,
}

/// What a registration did.
pub(super) struct Registered {
    /// The block that holds it; `None` where an earlier attempt had done it.
    pub(super) block: Option<u64>,
    /// The chain's record.
    pub(super) record: Record,
}

/// Whether an account is a miner with the folder's key.
///
/// # Errors
/// Where it is one with another key.
pub(super) fn compare(
    account: &str,
    record: Option<Record>,
    key: Option<[u8; 32]>,
) -> Result<Option<Record>, Failure> {
    match record {
        None => Ok(None),
        Some(record) if Some(record.key) == key => Ok(Some(record)),
        Some(_) => Err(Failure::Miner(format!(
            "{account} is registered as a miner with another key than this folder's; name the folder that \
             it was registered with, or another account"
        ))),
    }
}

/// What is said of an account that is no miner.
pub(super) fn no_miner(address: &str, folder: &Path) -> Failure {
    Failure::Miner(format!(
        "{address} is not registered as a miner on this chain; `cyborg miner init --dir {}` registers it",
        folder.display()
    ))
}

/// Whether an account can pay the bond and its first transactions.
///
/// # Errors
/// Where it cannot, or the bond is too low: says by how much.
pub(super) fn check_money(account: &str, free: u128, bond: Cyb, minimum: u128) -> Result<(), Failure> {
    if bond.0 < minimum {
        let problem = format!("{bond} are less than the {} that the chain asks of a miner", Cyb(minimum));
        return Err(Failure::Usage { flag: "--bond", problem });
    }
    let needed = bond.0.saturating_add(FOR_FEES);
    let missing = needed.saturating_sub(free);
    if missing == 0 {
        return Ok(());
    }
    let number = Cyb(missing).number();
    Err(Failure::Miner(format!(
        "{account} has {}, and {} are missing: the bond is {bond}, and {} are for transactions; send them, \
         and do this again: `cyborg chain transfer --from KEY {account} {number}`",
        Cyb(free),
        Cyb(missing),
        Cyb(FOR_FEES),
    )))
}

/// Registers an account, and waits until that is final.
pub(super) async fn register(
    chain: &Chain,
    signer: &Keypair,
    declaration: &Declaration,
) -> Result<Registered, Failure> {
    let Declaration { key, endpoint, location, memory_mib, macs_per_second, price, bond } = declaration;
    let capacity = Capacity {
        memory_mib: *memory_mib,
        macs_per_second: *macs_per_second,
        accelerator: Accelerator::None,
    };
    let call = runtime::transactions().miners().register(
        *key,
        BoundedVec(endpoint.clone().into_bytes()),
        Static(*location),
        Static(capacity),
        price.0,
        bond.0,
    );
    let sent = chain.submit(&call, signer).await;
    let account = keys::account(signer);
    let record = record::record(&chain.at_finalised().await?, &account).await?;
    let address = folder::address(&account);
    match (sent, compare(&address, record, Some(*key))?) {
        (Ok(done), Some(record)) => Ok(Registered { block: Some(done.block), record }),
        // One that was sent before an interruption was in time after all.
        (Err(_), Some(record)) => Ok(Registered { block: None, record }),
        (Err(error), None) => Err(error.into()),
        (Ok(_), None) => Err(Failure::Miner(format!("{address} was registered, and is no miner any more"))),
    }
}

/// Tells the chain where clients reach a miner.
pub(super) async fn update_endpoint(chain: &Chain, signer: &Keypair, endpoint: &str) -> Result<u64, Failure> {
    let endpoint = BoundedVec(endpoint.as_bytes().to_vec());
    let call = runtime::transactions().miners().update(None, Some(endpoint), None, None, None);
    Ok(chain.submit(&call, signer).await?.block)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const CYB: u128 = 1_000_000_000_000;

    #[test]
    fn what_is_missing_is_said() {
        let bond = Cyb(1_000 * CYB);
        assert!(check_money("5Abc", 1_001 * CYB, bond, 1_000 * CYB).is_ok());
        let problem = check_money("5Abc", 400 * CYB + CYB / 2, bond, 1_000 * CYB).unwrap_err().to_string();
        for part in ["5Abc has 400.5 CYB", "600.5 CYB are missing", "--from KEY 5Abc 600.5`"] {
            assert!(problem.contains(part), "{problem}");
        }
        let problem = check_money("5Abc", u128::MAX, bond, bond.0 + 1).unwrap_err().to_string();
        assert!(problem.contains("--bond") && problem.contains("1000.000000000001 CYB"), "{problem}");
        assert!(check_money("5Abc", 0, Cyb(u128::MAX), 0).is_err());
    }
}
