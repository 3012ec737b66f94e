//! The storage node: keeps fragments and manifests by their ids, for anybody or for some owners.
//!
//! | module | content |
//! |---|---|
//! | `disk` | the folder: what is kept, the quota, what survives a crash |
//! | `receive` | uploads, whole or in parts, checked while they come |
//! | `api` | the HTTP interface |
//! | `upkeep` | collecting what no manifest lists; finding rot |
//! | `metrics` | counters for Prometheus |
//! | `run` | a node as a program of its own |
//!
//! What it keeps is ciphertext: it has no key to any of it. Invariants: a fragment under
//! `fragments/` had its id when it was put there, was on the disk before anybody was told so, and is
//! removed only when no manifest lists it and nobody has asked for it for the grace period, or when
//! it has rotted.

mod api;
mod disk;
mod metrics;
mod receive;
mod run;
mod upkeep;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cyborg_account::{Keypair, Signing, keys};
use cyborg_disk::files;
use cyborg_envelope::ContentKey;
use cyborg_primitives::Account;
use cyborg_serving::{Connections, Gauge, Service, ServingError, bind, serve};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

pub use cyborg_serving::Tls;
pub use cyborg_storage_client::node::NodeStatus;
pub use run::{run, status};
pub use upkeep::{Collected, Scrubbed};

use disk::Disk;
use metrics::Metrics;

/// Read from a connection at a time: uploads come in fewer pieces.
const BUFFER_BYTES: usize = 512 * 1024;

/// The settings of a node.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder of all that is kept; made if it is missing.
    pub folder: PathBuf,
    /// Address to listen at; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// Most bytes kept.
    pub quota_bytes: u64,
    /// The accounts that may store here; empty for anybody.
    pub owners: Vec<Account>,
    /// What no manifest lists is kept this long after somebody wrote or asked for it.
    pub grace: Duration,
    /// Pause between collections.
    pub collect_every: Duration,
    /// Pause between searches for rot.
    pub scrub_every: Duration,
    /// How fast rot is searched for.
    pub scrub_bytes_per_second: u64,
    /// Certificate and key; plain HTTP without.
    pub tls: Option<Tls>,
    /// Limits on clients.
    pub limits: Limits,
}

/// Limits on clients.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; more wait.
    pub connections: usize,
    /// Uploads at once; more are told to come back.
    pub uploads: usize,
    /// Longest silence of a client.
    pub silence: Duration,
    /// Slowest upload, in bytes per second, beside one [`Self::silence`].
    pub min_bytes_per_second: u64,
    /// How long connections may go on when the node is stopped.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            uploads: 64,
            silence: Duration::from_secs(30),
            min_bytes_per_second: 16 * 1024,
            shutdown: Duration::from_secs(20),
        }
    }
}

impl Config {
    /// The defaults, for a folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 9700)),
            quota_bytes: 100_000_000_000,
            owners: Vec::new(),
            grace: Duration::from_secs(24 * 3600),
            collect_every: Duration::from_secs(600),
            scrub_every: Duration::from_secs(24 * 3600),
            scrub_bytes_per_second: 20 << 20,
            tls: None,
            limits: Limits::default(),
        }
    }
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another node uses the folder.
    #[error("{0} is in use by another storage node")]
    InUse(PathBuf),
    /// The system gives no threads or signals.
    #[error("cannot run a node: {0}")]
    System(io::Error),
    /// The folder cannot be used.
    #[error("{folder}: {source}")]
    Folder {
        /// Its path.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The node's key cannot be read or made.
    #[error("{path}: {reason}")]
    Key {
        /// Its file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The address cannot be listened at, or certificate and key cannot be used.
    #[error(transparent)]
    Serving(#[from] ServingError),
}

/// What every part of the node shares.
struct Shared {
    config: Config,
    /// The node's public key.
    account: Account,
    disk: Disk,
    metrics: Metrics,
}

impl Gauge for Shared {
    fn opened(&self) {
        self.metrics.connections.inc();
    }

    fn closed(&self) {
        self.metrics.connections.dec();
    }
}

/// A running node.
pub struct StorageNode {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl StorageNode {
    /// Opens the folder and serves it.
    ///
    /// # Errors
    /// Returns an error if the folder, the key or the address cannot be used.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let folder = config.folder.clone();
        let (quota, disk_folder) = (config.quota_bytes, folder.clone());
        let opened = tokio::task::spawn_blocking(move || Disk::open(&disk_folder, quota)).await;
        let disk = match opened.map_err(io::Error::other).and_then(|opened| opened) {
            Ok(disk) => disk,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(StartError::InUse(folder)),
            Err(source) => return Err(StartError::Folder { folder, source }),
        };
        let account = node_key(&folder)?.account();
        let tls = config.tls.as_ref().map(Tls::acceptor).transpose()?;
        let (listener, address) = bind(config.listen).await?;
        let Limits { connections: most, silence, shutdown, .. } = config.limits;
        let limits = Connections { most, silence, shutdown, buffer_bytes: BUFFER_BYTES };
        let metrics = Metrics::new(&disk.usage, quota);
        let shared = Arc::new(Shared { config, account, disk, metrics });
        let service = Service { router: api::router(shared.clone()), tls, limits, gauge: shared.clone() };
        let (stop, stopped) = watch::channel(false);
        let tasks = vec![
            tokio::spawn(serve(listener, service, stopped.clone())),
            tokio::spawn(upkeep::collect_for_ever(shared.clone(), stopped.clone())),
            tokio::spawn(upkeep::scrub_for_ever(shared.clone(), stopped)),
        ];
        tracing::info!(%address, folder = %folder.display(), "storage node started");
        Ok(Self { address, shared, stop, tasks })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its public key.
    #[must_use]
    pub fn account(&self) -> Account {
        self.shared.account
    }

    /// Removes what no manifest lists, now.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be read.
    pub async fn collect(&self) -> io::Result<Collected> {
        upkeep::collect(self.shared.clone()).await
    }

    /// Searches everything for rot, now, as fast as it goes.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be read.
    pub async fn scrub(&self) -> io::Result<Scrubbed> {
        upkeep::scrub(self.shared.clone(), None).await
    }

    /// Takes no more connections, lets those under way finish for a while, and ends.
    pub async fn stop(self) {
        // If nobody listens, all have ended.
        let _ = self.stop.send(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a part of the node failed");
            }
        }
        tracing::info!("storage node stopped");
    }
}

/// The node's key, made at its first start. Owners' tokens are for this key.
fn node_key(folder: &Path) -> Result<Keypair, StartError> {
    let path = folder.join("node.key");
    let failed = |reason: String| StartError::Key { path: path.clone(), reason };
    if !path.exists() {
        let key = ContentKey::generate().map_err(|error| failed(error.to_string()))?;
        files::write_private(&path, key.expose()).map_err(|error| failed(error.to_string()))?;
    }
    let bytes = Zeroizing::new(std::fs::read(&path).map_err(|error| failed(error.to_string()))?);
    let seed: Option<&[u8; 32]> = bytes.as_slice().try_into().ok();
    seed.and_then(keys::from_seed).ok_or_else(|| failed("not a key of 32 bytes".to_owned()))
}
