//! What the operator of a miner needs: the machine, the chain's record, the registration, and whether
//! everything is as it should be.
//!
//! | module | content |
//! |---|---|
//! | [`machine`] | what the operating system says about the machine |
//! | [`measure`] | how fast the machine is |
//! | [`record`] | what the chain says about the miner |
//! | [`register`] | an account becomes a miner |
//! | [`check`] | what follows from what was found, and what to do |
//! | [`bundle`] | the support bundle is cleaned of secrets |
//!
//! The program `cyborg miner` adds flags, prompts, tables and settings.

pub mod bundle;
pub mod check;
pub mod machine;
pub mod measure;
pub mod record;
pub mod register;

use std::io;
use std::path::PathBuf;

use cyborg_chain_client::ChainError;
use cyborg_primitives::money::Cyb;
use thiserror::Error;

/// Why an operator's command fails.
#[derive(Debug, Error)]
pub enum OperatorError {
    /// Owners encrypt to a key of another folder.
    #[error(
        "{account} is registered as a miner with another key than this folder's; name the folder that it \
         was registered with, or another account"
    )]
    OtherKey {
        /// The account's address.
        account: String,
    },
    /// The account is not a miner.
    #[error(
        "{account} is not registered as a miner on this chain; `cyborg miner init --dir {folder}` registers it",
        folder = folder.display()
    )]
    NotRegistered {
        /// The account's address.
        account: String,
        /// The folder of its keys.
        folder: PathBuf,
    },
    /// The chain asks for a larger bond.
    #[error("{bond} are less than the {minimum} that the chain asks of a miner")]
    BondTooLow {
        /// What was offered.
        bond: Cyb,
        /// What the chain asks for.
        minimum: Cyb,
    },
    /// The account cannot pay for bond and transactions.
    #[error(
        "{account} has {free}, and {missing} are missing: the bond is {bond}, and {fees} are for transactions; \
         send them, and do this again: `cyborg chain transfer --from KEY {account} {number}`",
        number = missing.number()
    )]
    MoneyMissing {
        /// The account's address.
        account: String,
        /// What it has.
        free: Cyb,
        /// What it lacks.
        missing: Cyb,
        /// The bond.
        bond: Cyb,
        /// What is kept for transactions.
        fees: Cyb,
    },
    /// The registration was in a block, and is gone again.
    #[error("{account} was registered, and is no longer a miner")]
    Vanished {
        /// The account's address.
        account: String,
    },
    /// The model does not run, or cannot be proven.
    #[error("this machine cannot be measured: {0}")]
    Unmeasured(String),
    /// The system does not say how much room the disk has.
    #[error("{folder}: cannot ask for free space: {source}", folder = folder.display())]
    Disk {
        /// A folder on the disk.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The chain cannot be asked, or refuses.
    #[error(transparent)]
    Chain(#[from] ChainError),
}
