//! What can go wrong between a program and the chain, said so that a person can act on it.

use cyborg_primitives::money::Cyb;
use thiserror::Error;

use crate::runtime;

/// Why the chain could not be asked or told.
#[derive(Debug, Error)]
pub enum ChainError {
    /// Nobody answers.
    #[error("no chain node answers at {url}: {reason}; is it running? (`cyborg node --dev`)")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// The transport's words.
        reason: String,
    },
    /// Another chain answers.
    #[error("{url} is a node of the chain `{found}`, not of Cyborg")]
    ForeignChain {
        /// Which node.
        url: String,
        /// Its runtime's name.
        found: String,
    },
    /// The chain's runtime is not the one this program was built for.
    #[error(
        "the chain runs version {chain} of its runtime, this program knows version {program}; use the program of that version"
    )]
    RuntimeMismatch {
        /// The chain's `spec_version`.
        chain: u32,
        /// The program's.
        program: u32,
    },
    /// The node broke off or answered with an error.
    #[error("the chain node answered: {}", innermost(.0))]
    Node(Box<subxt::Error>),
    /// The account cannot pay what the transaction costs.
    #[error("{account} has {free} to spend, which does not pay for this and its fee")]
    Poor {
        /// Its address.
        account: String,
        /// What it may spend.
        free: Cyb,
    },
    /// What the node sent is not what its metadata says.
    #[error("the chain node sent what cannot be decoded: {0}")]
    Undecodable(String),
    /// The transaction was refused before it came into a block.
    #[error("the chain refused the transaction: {0}")]
    Refused(String),
    /// The node took the transaction and does not say any more what becomes of it: a block may hold it.
    #[error("the chain's node lost sight of the transaction: {0}")]
    Unwatched(String),
    /// The transaction is in a block, and did nothing: the pallet's error and its description.
    #[error("{pallet}: {name}: {description}")]
    Dispatch {
        /// The pallet's error.
        error: Box<runtime::Error>,
        /// The pallet.
        pallet: String,
        /// Name of its error.
        name: String,
        /// What the pallet says of it.
        description: String,
    },
    /// The transaction's outcome is not known: it was neither finalised nor refused in time.
    #[error(
        "the transaction {hash} was not finalised within {seconds} s; look for it before sending it again"
    )]
    Timeout {
        /// Its hash.
        hash: String,
        /// How long was waited.
        seconds: u64,
    },
}

/// What went wrong in the end: each layer of the transport says the same before the words of the layer below.
fn innermost(error: &subxt::Error) -> String {
    let text = error.to_string();
    text.rsplit("RPC error: ").next().unwrap_or(&text).to_owned()
}

impl<E: Into<subxt::Error>> From<E> for ChainError {
    fn from(error: E) -> Self {
        Self::Node(Box::new(error.into()))
    }
}

impl ChainError {
    /// The error with which a pallet refused a call; `None` if no pallet did.
    #[must_use]
    pub fn by_pallet(&self) -> Option<&runtime::Error> {
        match self {
            Self::Dispatch { error, .. } => Some(error),
            _ => None,
        }
    }
}
