//! What can stop a miner, or a part of its work.

use std::io;
use std::path::PathBuf;

use cyborg_chain_client::ChainError;
use cyborg_chain_client::queue::QueueError;
use cyborg_disk::DiskError;
use cyborg_envelope::EnvelopeError;
use cyborg_serving::ServingError;
use cyborg_storage_client::error::StorageError;
use thiserror::Error;

use crate::loaded::LoadError;

/// Why a miner does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The folder cannot be used.
    #[error("{folder}: {source}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The vault does not open.
    #[error("{folder}: {source}")]
    Vault {
        /// Where it is.
        folder: PathBuf,
        /// Why.
        source: DiskError,
    },
    /// The folder has no key that owners encrypt to.
    #[error("{0} holds no miner; `cyborg miner init` makes one")]
    NoMiner(PathBuf),
    /// The folder has a key that owners encrypt to.
    #[error("{0} holds a miner already; its keys are never overwritten")]
    Exists(PathBuf),
    /// What the miner remembers cannot be read.
    #[error("{path}: {source}")]
    State {
        /// The database.
        path: PathBuf,
        /// Why.
        source: Box<Failure>,
    },
    /// The address cannot be listened at, or certificate and key cannot be used.
    #[error(transparent)]
    Serving(#[from] ServingError),
    /// The account is not a miner on this chain.
    #[error("the account {account} is not registered as a miner on this chain; register it first")]
    NotRegistered {
        /// Its address.
        account: String,
    },
    /// Owners encrypt to another key.
    #[error(
        "the chain names another encryption key for this miner than the vault holds; \
         update the registration, or use the folder that it was made in"
    )]
    OtherKey,
    /// The chain cannot be asked.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The system gives no threads or signals.
    #[error("cannot run a miner: {0}")]
    System(io::Error),
}

/// Why a part of the work failed.
#[derive(Debug, Error)]
pub enum Failure {
    /// The database cannot be read or written.
    #[error("the miner's database: {0}")]
    Database(Box<redb::Error>),
    /// A stored value is damaged.
    #[error("{0} cannot be read; the miner's database is damaged")]
    Damaged(&'static str),
    /// The transaction queue cannot go on.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The chain cannot be asked.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// Something does not open or cannot be sealed.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The vault does not open, or cannot be written.
    #[error(transparent)]
    Vault(#[from] DiskError),
    /// The model cannot be fetched.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The model does not serve.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A thread of the miner has ended.
    #[error("a part of the miner has ended")]
    Ended,
}

macro_rules! from_database {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::Database(Box::new(error.into()))
            }
        }
    )*};
}

from_database!(
    redb::DatabaseError,
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError
);
