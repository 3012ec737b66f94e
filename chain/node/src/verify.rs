//! Executes blocks again, as a node does that imports them from another.
//!
//! The node that seals a block executes it once and keeps the resulting state. Every other node
//! executes its transactions on the state before it, recording the proof of its storage as the sealing
//! node did, and accepts the block only if the result is the state that its header names.

use std::path::Path;
use std::time::{Duration, Instant};

use polkadot_sdk::sc_client_api::BlockBackend;
use polkadot_sdk::sc_service::TaskManager;
use polkadot_sdk::sp_api::{ApiExt as _, CallContext, Core as _, ProvideRuntimeApi as _};
use polkadot_sdk::sp_blockchain::HeaderBackend as _;
use sp_trie::proof_size_extension::ProofSizeExt;
use tokio::runtime::Builder;

use crate::client::{Block, FullClient};
use crate::service::{chain, open, service};
use crate::{Error, spec};

/// A block that was executed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Executed {
    /// Its number.
    pub number: u32,
    /// How long that took.
    pub time: Duration,
}

/// Executes final blocks of a folder's chain again, and calls `each` after each of them, with the
/// last one's number.
///
/// `first` is at least 1, because no block leads to the genesis. Without `last` it ends with the last
/// final block.
///
/// # Errors
/// Returns an error if a node is running in the folder, the folder has no chain or no such block, the
/// range is empty, or a block does not lead to the state that its header names.
pub fn verify(
    base_path: &Path,
    cache_path: &Path,
    first: u32,
    last: Option<u32>,
    mut each: impl FnMut(Executed, u32),
) -> Result<(), Error> {
    if !spec::path(base_path).exists() {
        return Err(Error::NoChain { path: base_path.display().to_string() });
    }
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(service)?;
    let tasks = TaskManager::new(runtime.handle().clone(), None).map_err(service)?;
    let (database, spec) = open(base_path)?;
    let (client, _) = chain(database, &spec, cache_path, &tasks, None)?;
    let newest = client.info().finalized_number;
    let last = last.unwrap_or(newest);
    if last > newest || first > newest {
        return Err(Error::NoBlock { number: first.max(last), newest });
    }
    if first > last {
        return Err(Error::EmptyRange { first, last });
    }
    for number in first..=last {
        let block = block(&client, number)?;
        each(Executed { number, time: execute(&client, block)? }, last);
    }
    Ok(())
}

fn block(client: &FullClient, number: u32) -> Result<Block, Error> {
    let newest = client.info().finalized_number;
    let hash = client.hash(number).map_err(service)?.ok_or(Error::NoBlock { number, newest })?;
    let signed = BlockBackend::block(client, hash).map_err(service)?;
    Ok(signed.ok_or(Error::NoBlock { number, newest })?.block)
}

/// Executes a block on the state after its parent.
fn execute(client: &FullClient, block: Block) -> Result<Duration, Error> {
    let (number, parent) = (block.header.number, block.header.parent_hash);
    let wrong = |problem: String| {
        let problem = problem.lines().next().unwrap_or_default().to_owned();
        Error::WrongBlock { number, problem }
    };
    // The time to compile the wasm is not measured.
    client.runtime_version_at(parent, CallContext::Offchain).map_err(|error| wrong(error.to_string()))?;
    let mut api = client.runtime_api();
    api.set_call_context(CallContext::Onchain { import: true });
    api.record_proof();
    if let Some(recorder) = api.proof_recorder() {
        api.register_extension(ProofSizeExt::new(recorder));
    }
    let begun = Instant::now();
    api.execute_block(parent, block.into()).map_err(|error| wrong(error.to_string()))?;
    Ok(begun.elapsed())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failure is the test's result")]

    use polkadot_sdk::sp_core::H256;

    use super::*;
    use crate::service::{pool, sealer};

    #[test]
    fn a_block_whose_header_is_false_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
        let tasks = TaskManager::new(runtime.handle().clone(), None).unwrap();
        let (database, spec) = open(folder.path()).unwrap();
        let (client, backend) = chain(database, &spec, folder.path(), &tasks, None).unwrap();
        let pool = pool(&tasks, &client, None);
        let mut sealer = sealer(&tasks, &client, &backend, &pool, None).unwrap();
        runtime.block_on(sealer.seal(true)).unwrap();
        let block = block(&client, 1).unwrap();
        assert!(execute(&client, block.clone()).is_ok());

        let mut other = block.clone();
        other.header.state_root = H256::repeat_byte(1);
        assert!(matches!(execute(&client, other), Err(Error::WrongBlock { number: 1, .. })));
        let mut other = block.clone();
        other.extrinsics.pop();
        assert!(matches!(execute(&client, other), Err(Error::WrongBlock { number: 1, .. })));
    }

    #[test]
    fn a_range_without_blocks_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        {
            let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
            let tasks = TaskManager::new(runtime.handle().clone(), None).unwrap();
            let (database, spec) = open(folder.path()).unwrap();
            let (client, backend) = chain(database, &spec, folder.path(), &tasks, None).unwrap();
            let pool = pool(&tasks, &client, None);
            let mut sealer = sealer(&tasks, &client, &backend, &pool, None).unwrap();
            runtime.block_on(async {
                sealer.seal(true).await.unwrap();
                sealer.seal(true).await.unwrap();
            });
        }
        let run = |first, last| {
            let mut executed = Vec::new();
            verify(folder.path(), folder.path(), first, last, |block, _| executed.push(block.number))
                .map(|()| executed)
        };
        assert_eq!(run(1, None).unwrap(), [1, 2]);
        assert_eq!(run(2, Some(2)).unwrap(), [2]);
        assert!(matches!(run(2, Some(1)), Err(Error::EmptyRange { first: 2, last: 1 })));
        assert!(matches!(run(3, None), Err(Error::NoBlock { number: 3, newest: 2 })));
    }

    #[test]
    fn a_folder_without_a_chain_is_not_given_one() {
        let folder = tempfile::tempdir().unwrap();
        let outcome = verify(folder.path(), folder.path(), 1, None, |_, _| {});
        assert!(matches!(outcome, Err(Error::NoChain { .. })));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
