//! Accounts of a local network: their keys, and money for them from a development account.

use std::path::Path;

use cyborg_account::{Keypair, keys};
use cyborg_chain_client::runtime::runtime_types;
use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_chain_client::{AtBlock, Chain, ChainError, runtime};

use crate::error::LocalnetError;
use cyborg_primitives::money::{Cyb, UNIT};

/// The account that has money on a development chain.
const SPONSOR: &str = "//Alice";

/// Money that an account is to have, free and held together.
#[derive(Clone, Copy, Debug)]
pub struct Means {
    /// An account with less is given more.
    least: u128,
    /// What the account has then.
    wanted: u128,
}

/// The bond of 1,000 CYB, and fees for a long time.
pub const OF_MINER: Means = Means { least: 1_100 * UNIT, wanted: 2_000 * UNIT };
/// Deposits and escrows of many tasks.
pub const OF_OWNER: Means = Means { least: 5_000 * UNIT, wanted: 20_000 * UNIT };

impl Means {
    /// The sum that an account with so much money lacks.
    fn missing(self, has: u128) -> Option<u128> {
        (has < self.least).then(|| self.wanted.saturating_sub(has))
    }
}

/// The key in a file; the file is made if it is missing.
///
/// # Errors
/// Returns an error if it cannot be made or read.
pub fn key(path: &Path) -> Result<Keypair, LocalnetError> {
    Ok(if path.exists() { keys::read(path)? } else { keys::create(path)? })
}

/// An account's address.
pub fn account(key: &Keypair) -> AccountId32 {
    AccountId32(keys::account(key))
}

/// Free money of an account, and money that is held.
///
/// # Errors
/// Returns an error if the node does not answer.
pub async fn money(at: &AtBlock, account: AccountId32) -> Result<(u128, u128), LocalnetError> {
    let info = at.storage().try_fetch(runtime::storage().system().account(), (account,)).await;
    let Some(info) = info.map_err(ChainError::from)? else { return Ok((0, 0)) };
    let data = info.decode().map_err(ChainError::from)?.data;
    Ok((data.free, data.reserved))
}

/// Gives each account what it lacks, all in one transaction, or in none if no account lacks anything.
/// Returns the sum.
///
/// # Errors
/// Returns an error if the chain refuses, for example because the development account has nothing.
pub async fn give(chain: &Chain, accounts: &[(AccountId32, Means)]) -> Result<Cyb, LocalnetError> {
    let at = chain.at_finalised().await?;
    let (mut calls, mut sum) = (Vec::new(), 0_u128);
    for (account, means) in accounts {
        let (free, held) = money(&at, *account).await?;
        let Some(value) = means.missing(free.saturating_add(held)) else { continue };
        sum = sum.saturating_add(value);
        calls.push(transfer(*account, value));
    }
    if !calls.is_empty() {
        let sponsor = keys::load(SPONSOR)?;
        chain.submit(&runtime::transactions().utility().batch_all(calls), &sponsor).await?;
    }
    Ok(Cyb(sum))
}

/// A transfer, as one call of a batch.
pub fn transfer(to: AccountId32, value: u128) -> runtime::Call {
    runtime::Call::Balances(runtime_types::pallet_balances::pallet::Call::transfer_keep_alive {
        dest: to.into(),
        value,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn only_what_is_missing_is_given() {
        assert_eq!(OF_MINER.missing(0), Some(OF_MINER.wanted));
        assert_eq!(OF_MINER.missing(OF_MINER.least - 1), Some(OF_MINER.wanted - OF_MINER.least + 1));
        for has in [OF_MINER.least, OF_MINER.wanted, u128::MAX] {
            assert_eq!(OF_MINER.missing(has), None);
        }
    }

    #[test]
    fn a_key_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("miner-1.key");
        assert_eq!(account(&key(&path).unwrap()), account(&key(&path).unwrap()));
        std::fs::write(&path, "").unwrap();
        assert!(key(&path).is_err());
    }
}
