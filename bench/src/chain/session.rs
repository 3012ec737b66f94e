//! One node and the connections to it: transactions by the thousand, blocks on demand, and what a block
//! held and was charged for.
//!
//! A session is *quiet* when the node seals only the blocks that it is asked for, so that a block can be
//! filled first; otherwise blocks come at their own pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail, ensure};
use cyborg_chain_client::subxt::events::DecodeAsEvent;
use cyborg_chain_client::subxt::rpcs::{RpcClient, rpc_params};
use cyborg_chain_client::{AtBlock, Chain, runtime};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::node::{ChainNode, NodeSetup};

/// Longest time between two blocks that the node accepts: it seals what it is asked for.
const QUIET_MS: u64 = 3_600_000;
/// Connections that transactions are sent over, and how many wait for an answer on each.
const CONNECTIONS: usize = 4;
const IN_FLIGHT: usize = 16;
/// Transactions that may wait in the pool. It takes a third more; what it has no room for it bans for a
/// while, so that it is not sent again.
pub(crate) const ROOM: usize = 12_000;

/// A node, and connections to it.
pub(crate) struct Session {
    pub(crate) node: ChainNode,
    pub(crate) chain: Chain,
    /// For signing: genesis and metadata do not change.
    pub(crate) at: AtBlock,
    connections: Vec<RpcClient>,
}

/// A block.
pub(crate) struct Block {
    pub(crate) number: u64,
    /// Signed transactions.
    pub(crate) transactions: usize,
    /// Size of the proof of what it read from state, if it is known.
    pub(crate) proof_bytes: u64,
}

/// What a block was charged for, all classes together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Charged {
    /// Weight of users' transactions, in picoseconds.
    pub(crate) normal_ps: u64,
    /// Weight of everything, in picoseconds.
    pub(crate) all_ps: u64,
    /// Weight of users' transactions, in bytes of a storage proof.
    pub(crate) normal_proof_bytes: u64,
}

impl Session {
    /// Starts a node; without a block time it is quiet.
    ///
    /// # Errors
    /// Returns an error if it does not start or answer.
    pub(crate) async fn open(setup: &NodeSetup<'_>, block_time_ms: Option<u64>) -> Result<Self> {
        let node = ChainNode::start(setup, block_time_ms.unwrap_or(QUIET_MS))?;
        let chain = Chain::connect(node.url()).await?;
        let at = chain.at_finalised().await?;
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(RpcClient::from_insecure_url(node.url()).await?);
        }
        Ok(Self { node, chain, at, connections })
    }

    /// Ends the node in order.
    ///
    /// # Errors
    /// Returns an error if it ends in another way.
    pub(crate) fn close(self) -> Result<()> {
        self.node.stop()
    }

    /// The first connection.
    pub(crate) fn rpc(&self) -> &RpcClient {
        &self.connections[0]
    }

    /// Sends transactions in their order, as fast as the node takes them, each with a permit of `room`,
    /// which is given back when the transaction is seen in a block.
    ///
    /// # Errors
    /// Returns an error if one is refused.
    pub(crate) async fn send(&self, transactions: Vec<String>, room: &Arc<Semaphore>) -> Result<()> {
        let transactions = Arc::new(transactions);
        let next = Arc::new(AtomicUsize::new(0));
        let mut senders = JoinSet::new();
        for rpc in &self.connections {
            for _ in 0..IN_FLIGHT {
                let (rpc, transactions, next) = (rpc.clone(), transactions.clone(), next.clone());
                let room = room.clone();
                senders.spawn(async move {
                    while let Some(transaction) = transactions.get(next.fetch_add(1, Ordering::Relaxed)) {
                        room.acquire().await?.forget();
                        let _hash: String = rpc
                            .request("author_submitExtrinsic", rpc_params![transaction])
                            .await
                            .context("the node refused a transaction")?;
                    }
                    Ok::<(), anyhow::Error>(())
                });
            }
        }
        while let Some(sender) = senders.join_next().await {
            sender??;
        }
        Ok(())
    }

    /// Sends transactions as [`send`](Self::send) does, no more than the pool has room for.
    ///
    /// # Errors
    /// Returns an error if one is refused, or there are too many.
    pub(crate) async fn send_all(&self, transactions: Vec<String>) -> Result<()> {
        ensure!(transactions.len() <= ROOM, "{} transactions for a pool of {ROOM}", transactions.len());
        self.send(transactions, &Arc::new(Semaphore::new(ROOM))).await
    }

    /// Has a quiet node seal one block.
    ///
    /// # Errors
    /// Returns an error if the node cannot.
    pub(crate) async fn seal(&self) -> Result<Block> {
        let created: Value = self.rpc().request("engine_createBlock", rpc_params![true, true]).await?;
        let hash = created["hash"].as_str().context("a block without a hash")?;
        let proof_bytes = created["proof_size"].as_u64().context("a block without a proof's size")?;
        Ok(Block { proof_bytes, ..self.block(hash).await? })
    }

    /// Has a quiet node put transactions into blocks, as many as it takes. Their numbers.
    ///
    /// # Errors
    /// Returns an error if one is refused or fails.
    pub(crate) async fn include(&self, mut transactions: Vec<String>) -> Result<Vec<u64>> {
        let mut blocks = Vec::new();
        while !transactions.is_empty() {
            let rest = transactions.split_off(transactions.len().min(ROOM));
            let mut left = transactions.len();
            self.send_all(transactions).await?;
            transactions = rest;
            while left > 0 {
                let block = self.seal().await?;
                ensure!(
                    block.transactions > 0,
                    "{left} transactions wait, and block {} has none",
                    block.number
                );
                self.check(block.number).await?;
                left = left.saturating_sub(block.transactions);
                blocks.push(block.number);
            }
        }
        Ok(blocks)
    }

    /// A block, by its hash.
    ///
    /// # Errors
    /// Returns an error if there is no such block.
    pub(crate) async fn block(&self, hash: &str) -> Result<Block> {
        let answer: Value = self.rpc().request("chain_getBlock", rpc_params![hash]).await?;
        read(&answer["block"]).with_context(|| format!("block {hash}"))
    }

    /// The hash of a final block.
    ///
    /// # Errors
    /// Returns an error if there is no block of that number.
    pub(crate) async fn hash(&self, number: u64) -> Result<String> {
        let hash: Option<String> = self.rpc().request("chain_getBlockHash", rpc_params![number]).await?;
        hash.with_context(|| format!("no block {number}"))
    }

    /// The number of the last final block.
    ///
    /// # Errors
    /// Returns an error if the node does not answer.
    pub(crate) async fn latest(&self) -> Result<u64> {
        Ok(self.chain.at_finalised().await?.block_number())
    }

    /// Events of one kind in a block.
    ///
    /// # Errors
    /// Returns an error if they cannot be read.
    pub(crate) async fn events<E: DecodeAsEvent>(&self, block: u64) -> Result<Vec<E>> {
        let events = self.chain.at(block).await?.events().fetch().await?;
        events.find::<E>().map(|event| event.map_err(Into::into)).collect()
    }

    /// Checks that no transaction of a block failed.
    ///
    /// # Errors
    /// Returns an error if one failed; the error says why.
    pub(crate) async fn check(&self, block: u64) -> Result<()> {
        let failed = self.events::<runtime::system::events::ExtrinsicFailed>(block).await?;
        match failed.first() {
            None => Ok(()),
            Some(first) => bail!(
                "{} transactions of block {block} failed, the first with {:?}",
                failed.len(),
                first.dispatch_error
            ),
        }
    }

    /// What a block was charged for.
    ///
    /// # Errors
    /// Returns an error if it cannot be read.
    pub(crate) async fn charged(&self, block: u64) -> Result<Charged> {
        let at = self.chain.at(block).await?;
        let weight = at.storage().entry(runtime::storage().system().block_weight())?.fetch(()).await?;
        let weight = weight.decode()?;
        let all_ps = weight.normal.ref_time + weight.operational.ref_time + weight.mandatory.ref_time;
        Ok(Charged {
            normal_ps: weight.normal.ref_time,
            all_ps,
            normal_proof_bytes: weight.normal.proof_size,
        })
    }
}

/// A block as the RPC describes it.
fn read(block: &Value) -> Result<Block> {
    let number = block["header"]["number"].as_str().context("a block without a number")?;
    let mut transactions = 0;
    for extrinsic in block["extrinsics"].as_array().context("a block without extrinsics")? {
        let extrinsic = extrinsic.as_str().context("an extrinsic that is no text")?;
        transactions += usize::from(is_signed(&from_hex(extrinsic)?));
    }
    Ok(Block {
        number: u64::from_str_radix(number.trim_start_matches("0x"), 16)?,
        transactions,
        proof_bytes: 0,
    })
}

/// Whether an extrinsic, after its length, says that it is signed.
fn is_signed(extrinsic: &[u8]) -> bool {
    let length = match extrinsic.first().map(|first| first & 3) {
        Some(0) => 1,
        Some(1) => 2,
        _ => 4,
    };
    extrinsic.get(length).is_some_and(|version| version & 0x80 != 0)
}

/// Bytes as the RPC writes them.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    hex::decode(text.trim_start_matches("0x")).context("not hexadecimal")
}

#[cfg(test)]
mod tests {
    use super::{from_hex, is_signed, read, to_hex};
    use serde_json::json;

    #[test]
    fn hexadecimal_there_and_back() -> anyhow::Result<()> {
        assert_eq!(to_hex(&[0, 255, 16]), "0x00ff10");
        assert_eq!(from_hex("0x00ff10")?, [0, 255, 16]);
        assert!(from_hex("0x0g").is_err() && from_hex("0x0").is_err());
        Ok(())
    }

    #[test]
    fn a_block_of_the_rpc() -> anyhow::Result<()> {
        let block = json!({ "header": { "number": "0x41" }, "extrinsics": ["0x080500", "0x0c840102"] });
        let block = read(&block)?;
        assert_eq!((block.number, block.transactions), (65, 1));
        Ok(())
    }

    #[test]
    fn signed_ones_are_told_from_inherents() {
        assert!(is_signed(&[0x04, 0x84]) && is_signed(&[0x01, 0x01, 0x84]));
        assert!(is_signed(&[0x02, 0, 1, 0, 0x84]));
        assert!(!is_signed(&[0x04, 0x05]) && !is_signed(&[]));
    }
}
