//! Typed access to the chain: connect, read, submit, follow.
//!
//! | module | content |
//! |---|---|
//! | [`runtime`] | calls, storage and events, generated from the runtime's metadata |
//! | [`submit`] | a transaction, to its finalised outcome |
//! | [`queue`] | the transactions of a service: each done once, whatever dies on the way |
//! | [`follow`] | finalised blocks, without a gap, from where a caller stopped |
//! | [`view`] | tasks, miners, models, money and debts, as of one block |
//! | [`verdict`] | the chain's rulings on proofs |
//! | [`json`] | what the chain stores and says, as JSON |
//!
//! `metadata.scale` is the runtime's description of itself; `cargo xtask metadata` writes it, and
//! a test of the runtime compares it with the runtime.

pub mod error;
pub mod follow;
pub mod json;
pub mod queue;
pub mod runtime;
pub mod submit;
pub mod verdict;
pub mod view;

use std::sync::Arc;
use std::time::Duration;

use cyborg_primitives::Digest;
use jsonrpsee::core::client::Error as RpcError;
use jsonrpsee::ws_client::{PingConfig, WsClient, WsClientBuilder};
use serde::Deserialize;
use subxt::backend::LegacyBackend;
use subxt::client::OnlineClientAtBlockImpl;
use subxt::rpcs::{RpcClient, rpc_params};
use subxt::utils::AccountId32;
use subxt::{OnlineClient, SubstrateConfig};
use tokio::sync::Mutex;
use tokio::time::timeout;

pub use error::ChainError;
pub use subxt;

/// How the chain hashes and addresses: as Substrate does by default.
pub type Config = SubstrateConfig;
/// The chain as of one finalised block.
pub type AtBlock = subxt::client::ClientAtBlock<Config, OnlineClientAtBlockImpl<Config>>;

/// Where a development node listens.
pub const DEFAULT_URL: &str = "ws://127.0.0.1:9944";
/// A node that is silent for so long, pings included, is gone: the connection is dropped, and a program that
/// follows the chain connects again.
const SILENCE: Duration = Duration::from_secs(40);
const PING: Duration = Duration::from_secs(10);
/// How long a node may take to answer whoever connects.
const GREETING: Duration = Duration::from_secs(10);
/// How long a node may take for one request.
const ANSWER: Duration = Duration::from_secs(30);
/// Most notifications of a subscription that wait to be read.
const MAX_UNREAD: usize = 4_096;
/// Name of the chain's runtime.
const SPEC_NAME: &str = "cyborg";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RuntimeVersion {
    spec_name: String,
    spec_version: u32,
}

/// A connection to one node of the chain. Clones share it.
#[derive(Clone)]
pub struct Chain {
    client: OnlineClient<Config>,
    rpc: RpcClient,
    spec_version: u32,
    /// One submission at a time takes a nonce, so that no two take the same.
    nonces: Arc<Mutex<()>>,
}

impl Chain {
    /// Connects, and checks that it is this chain and this version of its runtime.
    ///
    /// # Errors
    /// Returns an error if nobody answers within ten seconds, or something else does.
    pub async fn connect(url: &str) -> Result<Self, ChainError> {
        timeout(GREETING, Self::greet(url)).await.unwrap_or_else(|_| {
            let reason = format!("it says nothing for {} s", GREETING.as_secs());
            Err(ChainError::Unreachable { url: url.to_owned(), reason })
        })
    }

    async fn greet(url: &str) -> Result<Self, ChainError> {
        let unreachable = |reason: String| ChainError::Unreachable { url: url.to_owned(), reason };
        let rpc = RpcClient::new(open(url).await.map_err(|error| unreachable(error.to_string()))?);
        let version: RuntimeVersion = rpc
            .request("state_getRuntimeVersion", rpc_params![])
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        if version.spec_name != SPEC_NAME {
            return Err(ChainError::ForeignChain { url: url.to_owned(), found: version.spec_name });
        }
        // One request and one answer per value read. The archive methods open a subscription for each,
        // whose notifications wait for a delayed acknowledgement: 40 ms where this takes 0.2.
        let backend = LegacyBackend::<Config>::builder().build(rpc.clone());
        let client = OnlineClient::from_backend(Arc::new(backend))
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        let chain = Self { client, rpc, spec_version: version.spec_version, nonces: Arc::default() };
        if !runtime::is_codegen_valid_for(chain.at_finalised().await?.metadata_ref()) {
            return Err(ChainError::RuntimeMismatch {
                chain: version.spec_version,
                program: runtime::SPEC_VERSION,
            });
        }
        Ok(chain)
    }

    /// The hash of the first block, which everything that is signed begins with.
    #[must_use]
    pub fn genesis(&self) -> Digest {
        self.client.genesis_hash().0
    }

    /// Version of the chain's runtime.
    #[must_use]
    pub fn spec_version(&self) -> u32 {
        self.spec_version
    }

    /// The chain as of its latest finalised block.
    ///
    /// # Errors
    /// Returns an error if the node does not answer.
    pub async fn at_finalised(&self) -> Result<AtBlock, ChainError> {
        Ok(self.client.at_current_block().await?)
    }

    /// The chain as of a finalised block.
    ///
    /// # Errors
    /// Returns an error if there is no such block, or the node has forgotten its state.
    pub async fn at(&self, block: u64) -> Result<AtBlock, ChainError> {
        Ok(self.client.at_block(block).await?)
    }

    /// The nonce of an account's next transaction, those that wait in the node's pool included.
    async fn next_nonce(&self, account: &AccountId32) -> Result<u64, ChainError> {
        Ok(self.rpc.request("system_accountNextIndex", rpc_params![account]).await?)
    }
}

/// A WebSocket that notices when the other side is gone.
async fn open(url: &str) -> Result<WsClient, RpcError> {
    WsClientBuilder::default()
        .request_timeout(ANSWER)
        .enable_ws_ping(PingConfig::new().ping_interval(PING).inactive_limit(SILENCE).max_failures(1))
        .max_buffer_capacity_per_subscription(MAX_UNREAD)
        .build(url)
        .await
}
