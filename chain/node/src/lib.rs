//! The embedded node: one process that seals blocks of the runtime, for development, tests and
//! networks on one machine. Production runs the same wasm under the stock `polkadot-omni-node`;
//! [`chain_spec`] writes what it needs.
//!
//! There is no peer and no relay chain. Blocks are sealed on a timer or when a transaction arrives,
//! and are final at once; the relay chain's part of a block is mocked. A block is always one slot
//! of chain time, six seconds, however fast blocks are sealed, so that nothing that is billed or
//! due depends on the speed of the node. Every block that was reported as final is on the disk, and
//! survives if the process is killed at any moment.
//!
//! | module | content |
//! |---|---|
//! | `client` | the types that the parts share |
//! | `service` | puts the parts together, runs them until a signal, takes them apart |
//! | `sealing` | when a block is sealed |
//! | `inherents` | which slot it has, and what the mocked relay chain says |
//! | `database` | parity-db, with durable commits |
//! | `rpc` | the JSON-RPC interface |
//! | `spec` | chain specifications: our own, and those for the stock node |
//! | `verify` | blocks executed again |
//!
//! The caller installs a subscriber of `tracing`'s events, and shows the node's addresses to the user.

mod client;
mod database;
mod inherents;
mod rpc;
mod sealing;
mod service;
mod spec;
mod verify;

use std::io;
use std::net::SocketAddr;

pub use sealing::Sealing;
pub use service::{Config, Started, run};
pub use spec::{Preset, chain_spec};
pub use verify::{Executed, verify};

/// Why a node does not start or does not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another node is running in the folder.
    #[error("{path}: another node is running in this folder")]
    Locked {
        /// The database's folder.
        path: String,
    },
    /// The database cannot be opened.
    #[error("{path}: the database cannot be opened: {problem}")]
    Database {
        /// The database's folder.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A port cannot be listened on.
    #[error("{address}: {source}")]
    Port {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The program was built without the runtime's wasm.
    #[error("this program was built without the runtime's wasm (SKIP_WASM_BUILD)")]
    NoWasm,
    /// A chain specification cannot be made or read.
    #[error("chain specification: {0}")]
    Spec(String),
    /// The runtime cannot be called.
    #[error("runtime: {0}")]
    Runtime(String),
    /// There is nothing to verify.
    #[error("{path}: there is no chain in this folder; is it the node's --base-path?")]
    NoChain {
        /// The folder.
        path: String,
    },
    /// A block that the folder does not have.
    #[error("there is no block {number}: the last final one is {newest}")]
    NoBlock {
        /// The block's number.
        number: u32,
        /// The last final block's.
        newest: u32,
    },
    /// A range of blocks that contains none.
    #[error("there are no blocks from {first} to {last}")]
    EmptyRange {
        /// The first block's number.
        first: u32,
        /// The last block's.
        last: u32,
    },
    /// A block that is not what its header says.
    #[error("block {number} does not lead to the state that its header names: {problem}")]
    WrongBlock {
        /// Its number.
        number: u32,
        /// What the runtime says.
        problem: String,
    },
    /// A part of the node does not start, or has stopped.
    #[error("{0}")]
    Service(String),
}

impl Error {
    fn io(path: &std::path::Path, source: io::Error) -> Self {
        Self::Io { path: path.display().to_string(), source }
    }
}
