//! Runs a node as a program of its own, until a signal ends it; and asks a node for its state.

use std::io;

use cyborg_storage_client::error::StorageError;
use cyborg_storage_client::node::{NodeClient, NodeStatus};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::{Config, StartError, StorageNode};

fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build()
}

/// Runs a node until SIGINT or SIGTERM, and ends it in order. `ready` is told when it answers.
///
/// # Errors
/// Returns an error if it does not start.
pub fn run(config: Config, ready: impl FnOnce(&StorageNode)) -> Result<(), StartError> {
    runtime().map_err(StartError::System)?.block_on(async {
        // From here on a signal ends the node in order, even while it starts.
        let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::System)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(StartError::System)?;
        let node = StorageNode::start(config).await?;
        ready(&node);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        node.stop().await;
        Ok(())
    })
}

/// Asks a node for its state.
///
/// # Errors
/// Returns an error if it does not answer.
pub fn status(url: &str) -> Result<NodeStatus, StorageError> {
    runtime()?.block_on(async { NodeClient::new(url, None)?.status().await })
}
