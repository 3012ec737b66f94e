//! The JSON-RPC interface: the methods of every node of this kind, for HTTP and WebSocket on one
//! port of this machine. What changes the node itself is open too, as nobody else reaches it; a web
//! page from elsewhere is refused by its origin.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use futures::StreamExt;
use futures::channel::mpsc;
use jsonrpsee::RpcModule;
use polkadot_sdk::pallet_transaction_payment_rpc::{TransactionPayment, TransactionPaymentApiServer};
use polkadot_sdk::sc_client_api::UsageProvider;
use polkadot_sdk::sc_consensus_manual_seal::EngineCommand;
use polkadot_sdk::sc_consensus_manual_seal::rpc::{ManualSeal, ManualSealApiServer};
use polkadot_sdk::sc_keystore::LocalKeystore;
use polkadot_sdk::sc_rpc::author::{Author, AuthorApiServer};
use polkadot_sdk::sc_rpc::chain::ChainApiServer;
use polkadot_sdk::sc_rpc::state::{ChildStateApiServer, StateApiServer};
use polkadot_sdk::sc_rpc::system::{
    Health, NodeRole, Request, SyncState, System, SystemApiServer, SystemInfo,
};
use polkadot_sdk::sc_rpc::{SubscriptionTaskExecutor, chain, state};
use polkadot_sdk::sc_rpc_spec_v2::archive::{Archive, ArchiveApiServer};
use polkadot_sdk::sc_rpc_spec_v2::chain_head::{ChainHead, ChainHeadApiServer, ChainHeadConfig};
use polkadot_sdk::sc_rpc_spec_v2::chain_spec::{ChainSpec as ChainSpecRpc, ChainSpecApiServer};
use polkadot_sdk::sc_rpc_spec_v2::transaction::{
    Transaction, TransactionApiServer, TransactionBroadcast, TransactionBroadcastApiServer,
};
use polkadot_sdk::sc_service::config::{RpcBatchRequestConfig, RpcConfiguration, RpcEndpoint};
use polkadot_sdk::sc_service::{ChainSpec, RpcMethods};
use polkadot_sdk::sc_utils::mpsc::{TracingUnboundedReceiver, tracing_unbounded};
use polkadot_sdk::substrate_frame_rpc_system;
use polkadot_sdk::substrate_frame_rpc_system::SystemApiServer as _;

use crate::client::{Block, FullBackend, FullClient, Hash, Pool};

/// Connections at a time.
pub(crate) const MAX_CONNECTIONS: u32 = 512;
/// Largest request: a batch of proofs, in hexadecimal.
const MAX_REQUEST_MB: u32 = 32;
/// Largest answer: the metadata, a block.
const MAX_RESPONSE_MB: u32 = 32;
const MAX_SUBSCRIPTIONS_PER_CONNECTION: u32 = 1024;
const MAX_BROADCASTS_PER_CONNECTION: usize = 16;
/// Messages that wait for a slow reader; beyond them, its subscription ends.
const MESSAGES_BUFFERED: u32 = 256;
/// Calls in one batch.
const MAX_BATCH: u32 = 256;

/// What the methods work on.
pub(crate) struct Parts {
    pub(crate) client: Arc<FullClient>,
    pub(crate) backend: Arc<FullBackend>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) spec: Box<dyn ChainSpec>,
    pub(crate) genesis: Hash,
    pub(crate) commands: mpsc::Sender<EngineCommand<Hash>>,
}

/// Why the methods cannot be offered together.
pub(crate) type RegisterError = jsonrpsee::core::RegisterMethodError;

/// Every method, and the stream of questions about the network.
pub(crate) fn module(
    parts: Parts,
    tasks: SubscriptionTaskExecutor,
) -> Result<(RpcModule<()>, TracingUnboundedReceiver<Request<Block>>), RegisterError> {
    let Parts { client, backend, pool, spec, genesis, commands } = parts;
    let (system_sender, system_requests) = tracing_unbounded("system_rpc", 10_000);
    let info = SystemInfo {
        impl_name: "cyborg-node".to_owned(),
        impl_version: env!("CARGO_PKG_VERSION").to_owned(),
        chain_name: spec.name().to_owned(),
        properties: spec.properties(),
        chain_type: spec.chain_type(),
    };
    let (state, child_state) = state::new_full(client.clone(), tasks.clone(), None);
    // Authorship needs no keys here; the methods that ask for some work on an empty store.
    let keystore = Arc::new(LocalKeystore::in_memory());

    let mut module = RpcModule::new(());
    module.merge(state.into_rpc())?;
    module.merge(child_state.into_rpc())?;
    module.merge(chain::new_full(client.clone(), tasks.clone()).into_rpc())?;
    module.merge(Author::new(client.clone(), pool.clone(), keystore, tasks.clone()).into_rpc())?;
    module.merge(System::<Block>::new(info, system_sender).into_rpc())?;
    module.merge(substrate_frame_rpc_system::System::new(client.clone(), pool.clone()).into_rpc())?;
    module.merge(TransactionPayment::new(client.clone()).into_rpc())?;
    module.merge(ChainSpecRpc::new(spec.name().to_owned(), genesis, spec.properties()).into_rpc())?;
    module.merge(
        ChainHead::new(client.clone(), backend.clone(), tasks.clone(), ChainHeadConfig::default()).into_rpc(),
    )?;
    module.merge(Archive::new(client.clone(), backend, genesis, tasks.clone()).into_rpc())?;
    module.merge(Transaction::new(client.clone(), pool.clone(), tasks.clone(), None).into_rpc())?;
    module.merge(TransactionBroadcast::new(client, pool, tasks, MAX_BROADCASTS_PER_CONNECTION).into_rpc())?;
    module.merge(ManualSeal::new(commands).into_rpc())?;
    Ok((module, system_requests))
}

/// The address and the limits of the RPC.
pub(crate) fn configuration(port: u16) -> RpcConfiguration {
    // No web page may read answers over HTTP.
    let cors = Some(Vec::new());
    let batch_config = RpcBatchRequestConfig::Limit(MAX_BATCH);
    let endpoint = RpcEndpoint {
        listen_addr: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        batch_config,
        max_connections: MAX_CONNECTIONS,
        max_payload_in_mb: MAX_REQUEST_MB,
        max_payload_out_mb: MAX_RESPONSE_MB,
        max_subscriptions_per_connection: MAX_SUBSCRIPTIONS_PER_CONNECTION,
        max_buffer_capacity_per_connection: MESSAGES_BUFFERED,
        rate_limit: None,
        rate_limit_trust_proxy_headers: false,
        rate_limit_whitelisted_ips: Vec::new(),
        cors: cors.clone(),
        rpc_methods: RpcMethods::Auto,
        is_optional: false,
        retry_random_port: false,
    };
    RpcConfiguration {
        addr: Some(vec![endpoint]),
        max_connections: MAX_CONNECTIONS,
        cors,
        methods: RpcMethods::Auto,
        max_request_size: MAX_REQUEST_MB,
        max_response_size: MAX_RESPONSE_MB,
        id_provider: None,
        max_subs_per_conn: MAX_SUBSCRIPTIONS_PER_CONNECTION,
        port,
        message_buffer_capacity: MESSAGES_BUFFERED,
        batch_config,
        rate_limit: None,
        rate_limit_whitelisted_ips: Vec::new(),
        rate_limit_trust_proxy_headers: false,
        request_logger_limit: 1024,
    }
}

/// Answers questions about the network, which does not exist. A question without such an answer is
/// dropped, and its caller gets an error.
pub(crate) async fn answer_system_requests(
    mut requests: TracingUnboundedReceiver<Request<Block>>,
    client: Arc<FullClient>,
) {
    let starting_block = client.usage_info().chain.best_number;
    while let Some(request) = requests.next().await {
        // The caller may have disconnected.
        match request {
            Request::Health(sender) => {
                let health = Health { peers: 0, is_syncing: false, should_have_peers: false };
                let _ = sender.send(health);
            }
            Request::Peers(sender) => {
                let _ = sender.send(Vec::new());
            }
            Request::LocalListenAddresses(sender) | Request::NetworkReservedPeers(sender) => {
                let _ = sender.send(Vec::new());
            }
            Request::NodeRoles(sender) => {
                let _ = sender.send(vec![NodeRole::Authority]);
            }
            Request::SyncState(sender) => {
                let current_block = client.usage_info().chain.best_number;
                let _ =
                    sender.send(SyncState { starting_block, current_block, highest_block: current_block });
            }
            Request::LocalPeerId(_)
            | Request::NetworkState(_)
            | Request::NetworkAddReservedPeer(..)
            | Request::NetworkRemoveReservedPeer(..) => {}
        }
    }
}
