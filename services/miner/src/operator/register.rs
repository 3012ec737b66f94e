//! An account becomes a miner: what it declares, whether it can pay for that, and the one transaction.
//!
//! An interrupted registration is repeated: the chain's record decides whether there is anything to do.

use std::path::Path;

use cyborg_account::{Keypair, keys};
use cyborg_chain_client::Chain;
use cyborg_chain_client::runtime::{self, runtime_types};
use cyborg_chain_client::subxt::utils::Static;
use cyborg_primitives::miner::{Accelerator, Capacity};
use cyborg_primitives::money::Cyb;
use cyborg_primitives::place::Location;
use runtime_types::bounded_collections::bounded_vec::BoundedVec;

use super::OperatorError;
use super::record::{self, Record};

/// What an account keeps for its transactions beside the bond: a day of heartbeats, and some more.
pub const FOR_FEES: u128 = 1_000_000_000_000;

/// What a miner declares.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// The key that owners encrypt to.
    pub key: [u8; 32],
    /// Where clients reach it.
    pub endpoint: String,
    /// Where it is.
    pub location: Location,
    /// Memory for models, in mebibytes.
    pub memory_mib: u32,
    /// Multiply-accumulates per second.
    pub macs_per_second: u64,
    /// Price of an hour of computing.
    pub price: Cyb,
    /// What is staked.
    pub bond: Cyb,
}

/// What a registration did.
pub struct Registered {
    /// The block that holds it; `None` if an earlier attempt had done it.
    pub block: Option<u64>,
    /// The chain's record.
    pub record: Record,
}

/// Whether an account is a miner with the folder's key.
///
/// # Errors
/// Returns an error if it is a miner with another key.
pub fn compare(
    account: &str,
    record: Option<Record>,
    key: Option<[u8; 32]>,
) -> Result<Option<Record>, OperatorError> {
    match record {
        None => Ok(None),
        Some(record) if Some(record.key) == key => Ok(Some(record)),
        Some(_) => Err(OperatorError::OtherKey { account: account.to_owned() }),
    }
}

/// What is said about an account that is not a miner.
pub fn no_miner(address: &str, folder: &Path) -> OperatorError {
    OperatorError::NotRegistered { account: address.to_owned(), folder: folder.to_owned() }
}

/// Whether an account can pay the bond and its first transactions.
///
/// # Errors
/// Returns an error if it cannot, or if the bond is too low; it says by how much.
pub fn check_money(account: &str, free: u128, bond: Cyb, minimum: u128) -> Result<(), OperatorError> {
    if bond.0 < minimum {
        return Err(OperatorError::BondTooLow { bond, minimum: Cyb(minimum) });
    }
    let needed = bond.0.saturating_add(FOR_FEES);
    let missing = needed.saturating_sub(free);
    if missing == 0 {
        return Ok(());
    }
    Err(OperatorError::MoneyMissing {
        account: account.to_owned(),
        free: Cyb(free),
        missing: Cyb(missing),
        bond,
        fees: Cyb(FOR_FEES),
    })
}

/// Registers an account, and waits until the registration is final.
///
/// # Errors
/// Returns an error if the chain refuses or does not answer.
pub async fn register(
    chain: &Chain,
    signer: &Keypair,
    declaration: &Declaration,
) -> Result<Registered, OperatorError> {
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
    let address = record::address(&account);
    match (sent, compare(&address, record, Some(*key))?) {
        (Ok(done), Some(record)) => Ok(Registered { block: Some(done.block), record }),
        // One that was sent before an interruption was in time after all.
        (Err(_), Some(record)) => Ok(Registered { block: None, record }),
        (Err(error), None) => Err(error.into()),
        (Ok(_), None) => Err(OperatorError::Vanished { account: address }),
    }
}

/// Tells the chain where clients reach a miner, and returns the block.
///
/// # Errors
/// Returns an error if the chain refuses or does not answer.
pub async fn update_endpoint(chain: &Chain, signer: &Keypair, endpoint: &str) -> Result<u64, OperatorError> {
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
        let problem = check_money("5Abc", u128::MAX, bond, bond.0 + 1).unwrap_err();
        assert!(matches!(problem, OperatorError::BondTooLow { .. }), "{problem}");
        assert!(problem.to_string().contains("1000.000000000001 CYB"), "{problem}");
        assert!(check_money("5Abc", 0, Cyb(u128::MAX), 0).is_err());
    }
}
