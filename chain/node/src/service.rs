//! The node's parts, put together, run until a signal, and taken apart.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc;
use polkadot_sdk::sc_basic_authorship::ProposerFactory;
use polkadot_sdk::sc_client_api::execution_extensions::ExecutionExtensions;
use polkadot_sdk::sc_client_db::{BlocksPruning, DatabaseSettings, DatabaseSource, PruningMode};
use polkadot_sdk::sc_consensus::LongestChain;
use polkadot_sdk::sc_consensus_manual_seal::consensus::aura::AuraConsensusDataProvider;
use polkadot_sdk::sc_executor::WasmExecutor;
use polkadot_sdk::sc_network::network_state::NetworkState;
use polkadot_sdk::sc_network::{NetworkStatus, NetworkStatusProvider};
use polkadot_sdk::sc_network_sync::{SyncStatus, SyncStatusProvider};
use polkadot_sdk::sc_rpc_server;
use polkadot_sdk::sc_service::config::PrometheusConfig;
use polkadot_sdk::sc_service::{
    ChainSpec as _, GenesisBlockBuilder, MetricsService, Role, TaskManager, create_rpc_runtime, new_client,
    new_db_backend, start_rpc_servers,
};
use polkadot_sdk::sc_transaction_pool::{
    Builder as PoolBuilder, TransactionPoolOptions, TransactionPoolType, notification_future,
};
use polkadot_sdk::sp_blockchain::HeaderBackend;
use polkadot_sdk::sp_runtime::Percent;
use polkadot_sdk::substrate_prometheus_endpoint::{Registry, init_prometheus};
use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{SignalKind, signal};

use crate::client::{Block, FullBackend, FullClient, HostFunctions, Pool};
use crate::database::Durable;
use crate::inherents::Inherents;
use crate::sealing::{Log, Sealer, Sealing};
use crate::spec::{self, Spec};
use crate::{Error, rpc};

/// Wasm instances that run at a time; calls past them wait.
const WASM_INSTANCES: usize = 8;
/// Memory of the cache of the state.
const STATE_CACHE_BYTES: usize = 256 << 20;
/// Transactions that wait, and their bytes.
const POOL_TRANSACTIONS: usize = 16_384;
const POOL_BYTES: usize = 64 << 20;
/// Waiting commands of the RPC.
const COMMANDS: usize = 1024;
/// How long the node's tasks may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// The configuration of a node.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder for all data of the node; it is created if it is missing.
    pub base_path: PathBuf,
    /// Folder for compiled wasm, which several nodes may share; it may be removed at any time.
    pub cache_path: PathBuf,
    /// When blocks are sealed.
    pub sealing: Sealing,
    /// Port of the JSON-RPC on this machine; 0 for any that is free.
    pub rpc_port: u16,
    /// Port of the metrics on this machine.
    pub prometheus_port: Option<u16>,
}

/// A running node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// Address of the JSON-RPC, over HTTP and WebSocket.
    pub rpc: SocketAddr,
    /// Address of the metrics.
    pub prometheus: Option<SocketAddr>,
    /// Name of the chain.
    pub chain: String,
    /// Hash of the genesis block.
    pub genesis: [u8; 32],
    /// The final block that the node continues from.
    pub finalized: u32,
}

/// Runs a node until it is told to end by SIGINT or SIGTERM; `ready` is called when its RPC answers.
///
/// # Errors
/// Returns an error if the node does not start, or one of its parts stops.
pub fn run(config: &Config, ready: impl FnOnce(&Started)) -> Result<(), Error> {
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Service(format!("no threads: {error}")))?;
    let ended = runtime.block_on(async {
        // From here on a signal ends the node in order, even while it starts.
        let mut end = Signals::new()?;
        let (mut tasks, started) = start(config, runtime.handle().clone())?;
        ready(&started);
        let outcome = tokio::select! {
            name = end.next() => {
                tracing::info!("{name}: ending");
                Ok(())
            }
            failed = tasks.future() => failed.map_err(|error| Error::Service(error.to_string())),
        };
        // The tasks' manager goes here, and with it the RPC. The tasks see it and end, each where
        // it waits; while one still works, what it works with stays.
        let registry = tasks.into_task_registry();
        let patience = tokio::time::Instant::now() + PATIENCE;
        while !registry.running_tasks().is_empty() && tokio::time::Instant::now() < patience {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        outcome
    });
    runtime.shutdown_timeout(PATIENCE);
    ended
}

/// The signals that end a node.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, Error> {
        let listen = |kind| signal(kind).map_err(|error| Error::Service(format!("signals: {error}")));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

pub(crate) fn service(error: impl std::fmt::Display) -> Error {
    Error::Service(error.to_string())
}

/// The absolute path of a folder, which is created if it is missing.
fn made(folder: &Path) -> Result<PathBuf, Error> {
    fs::create_dir_all(folder).and_then(|()| folder.canonicalize()).map_err(|error| Error::io(folder, error))
}

/// The database of a node's folder, and the specification of its chain; both are created if they are
/// missing.
pub(crate) fn open(base_path: &Path) -> Result<(Durable, Spec), Error> {
    let folder = made(base_path)?;
    // The database's lock comes first: nothing else is touched while another node runs.
    let database = Durable::open(&folder.join("db"))?;
    Ok((database, spec::open_or_create(&folder)?))
}

/// The chain in a database. The compiled wasm is kept in `cache_path`.
pub(crate) fn chain(
    database: Durable,
    spec: &Spec,
    cache_path: &Path,
    tasks: &TaskManager,
    registry: Option<&Registry>,
) -> Result<(Arc<FullClient>, Arc<FullBackend>), Error> {
    let is_new = database.is_new();
    let backend = new_db_backend::<Block>(DatabaseSettings {
        trie_cache_maximum_size: Some(STATE_CACHE_BYTES),
        // Every block stays: services catch up from wherever they were.
        state_pruning: Some(PruningMode::ArchiveAll),
        blocks_pruning: BlocksPruning::KeepAll,
        source: DatabaseSource::Custom { db: Arc::new(database), require_create_flag: is_new },
        pruning_filters: Vec::new(),
        metrics_registry: registry.cloned(),
    })
    .map_err(service)?;
    let executor = WasmExecutor::<HostFunctions>::builder()
        .with_max_runtime_instances(WASM_INSTANCES)
        // A folder of its own: the cache deletes every file beside its own, were it a chain's specification.
        .with_cache_path(made(&cache_path.join("compiled"))?)
        .build();
    let genesis =
        GenesisBlockBuilder::new(spec.as_storage_builder(), true, backend.clone(), executor.clone())
            .map_err(service)?;
    let client = new_client(
        backend.clone(),
        executor.clone(),
        genesis,
        None,
        None,
        ExecutionExtensions::new(None, Arc::new(executor)),
        Box::new(tasks.spawn_handle()),
        registry.cloned(),
        None,
        Default::default(),
    );
    Ok((Arc::new(client.map_err(service)?), backend))
}

/// Starts every part of a node. Dropping the task manager ends them.
fn start(config: &Config, handle: Handle) -> Result<(TaskManager, Started), Error> {
    let (database, spec) = open(&config.base_path)?;
    let metrics = config.prometheus_port.map(|port| {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        PrometheusConfig::new_with_default_registry(address, spec.id().to_owned())
    });
    let registry = metrics.as_ref().map(|metrics| &metrics.registry);
    let mut tasks = TaskManager::new(handle.clone(), registry).map_err(service)?;
    let (client, backend) = chain(database, &spec, &config.cache_path, &tasks, registry)?;
    let pool = pool(&tasks, &client, registry);
    tasks.spawn_handle().spawn(
        "txpool-notifications",
        Some("transaction-pool"),
        notification_future(client.clone(), pool.clone(), false),
    );

    let (commands, orders) = mpsc::channel(COMMANDS);
    let sealer = sealer(&tasks, &client, &backend, &pool, registry)?;
    let info = client.info();
    let prometheus = metrics.as_ref().map(|metrics| metrics.port);
    if let Some(metrics) = &metrics {
        serve_metrics(metrics, &tasks, &client, &pool)?;
    }
    let rpc = serve_rpc(
        config.rpc_port,
        rpc::Parts {
            client: client.clone(),
            backend,
            pool,
            spec: spec.cloned_box(),
            genesis: info.genesis_hash,
            commands,
        },
        &mut tasks,
        registry,
        &handle,
    )?;
    // Last, so that nothing is sealed by a node that does not start.
    tasks.spawn_essential_handle().spawn_blocking("sealing", None, sealer.run(config.sealing, orders));

    let started = Started {
        rpc,
        prometheus,
        chain: spec.name().to_owned(),
        genesis: info.genesis_hash.into(),
        finalized: info.finalized_number,
    };
    Ok((tasks, started))
}

/// Transactions that wait.
pub(crate) fn pool(tasks: &TaskManager, client: &Arc<FullClient>, registry: Option<&Registry>) -> Arc<Pool> {
    let options = TransactionPoolOptions::new_with_params(
        POOL_TRANSACTIONS,
        POOL_BYTES,
        None,
        TransactionPoolType::SingleState,
        true,
        false,
    );
    let builder = PoolBuilder::new(tasks.spawn_essential_handle(), client.clone(), true.into());
    Arc::new(builder.with_options(options).with_prometheus(registry).build())
}

/// What seals blocks.
pub(crate) fn sealer(
    tasks: &TaskManager,
    client: &Arc<FullClient>,
    backend: &Arc<FullBackend>,
    pool: &Arc<Pool>,
    registry: Option<&Registry>,
) -> Result<Sealer, Error> {
    let inherents = Inherents::new(client.clone())?;
    let mut proposers =
        ProposerFactory::new(tasks.spawn_handle(), client.clone(), pool.clone(), registry, None);
    // A block that is full is sealed: looking on for a transaction that still fits takes seconds.
    proposers.set_soft_deadline(Percent::zero());
    Ok(Sealer {
        client: client.clone(),
        pool: pool.clone(),
        proposers,
        select_chain: LongestChain::new(backend.clone()),
        slots: AuraConsensusDataProvider::new_with_slot_duration(inherents.slot_duration()),
        inherents,
        log: Log::default(),
    })
}

/// Offers the RPC, on threads of its own.
fn serve_rpc(
    port: u16,
    parts: rpc::Parts,
    tasks: &mut TaskManager,
    registry: Option<&Registry>,
    handle: &Handle,
) -> Result<SocketAddr, Error> {
    let configuration = rpc::configuration(port);
    let runtime = create_rpc_runtime(rpc::MAX_CONNECTIONS).map_err(service)?;
    let spawner = Arc::new(sc_rpc_server::RpcSpawnHandle::new(runtime.handle().clone()));
    let client = parts.client.clone();
    let (module, requests) = rpc::module(parts, spawner).map_err(service)?;
    let server = start_rpc_servers(&configuration, registry, handle, module, runtime, None)
        .map_err(|error| Error::Service(format!("127.0.0.1:{port}: the RPC cannot listen there: {error}")))?;
    let address = server.listen_addrs().first().copied();
    tasks.keep_alive(server);
    tasks.spawn_handle().spawn("system-rpc", None, rpc::answer_system_requests(requests, client));
    address.ok_or_else(|| service("the RPC listens nowhere"))
}

/// Offers the metrics.
fn serve_metrics(
    metrics: &PrometheusConfig,
    tasks: &TaskManager,
    client: &Arc<FullClient>,
    pool: &Arc<Pool>,
) -> Result<(), Error> {
    // The server below only logs that it cannot listen.
    TcpListener::bind(metrics.port).map_err(|source| Error::Port { address: metrics.port, source })?;
    let registry = metrics.registry.clone();
    let general = MetricsService::with_prometheus(
        None,
        &registry,
        Role::Authority,
        "cyborg",
        env!("CARGO_PKG_VERSION"),
    )
    .map_err(service)?;
    let spawner = tasks.spawn_handle();
    spawner.spawn("metrics", None, general.run(client.clone(), pool.clone(), Alone, Alone));
    let server = init_prometheus(metrics.port, registry);
    spawner.spawn("prometheus-endpoint", None, async {
        if let Err(error) = server.await {
            tracing::error!("metrics: {error}");
        }
    });
    Ok(())
}

/// The network of a node without peers.
#[derive(Clone, Copy)]
struct Alone;

#[async_trait::async_trait]
impl NetworkStatusProvider for Alone {
    async fn status(&self) -> Result<NetworkStatus, ()> {
        Err(())
    }

    async fn network_state(&self) -> Result<NetworkState, ()> {
        Err(())
    }
}

#[async_trait::async_trait]
impl SyncStatusProvider<Block> for Alone {
    async fn status(&self) -> Result<SyncStatus<Block>, ()> {
        Err(())
    }
}
