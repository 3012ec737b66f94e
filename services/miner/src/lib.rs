//! The miner: follows the chain, holds models sealed, answers requests, proves, reports.
//!
//! | module | content |
//! |---|---|
//! | `step` | the life of a task at its miner, as a rule |
//! | [`loaded`] | a model in memory, checked and tried |
//! | [`meter`] | what the machine consumes |
//! | [`view`] | what the chain says about a task, as the miner needs it |
//! | [`operator`] | what the operator of a miner asks about: machine, record, registration, checks |
//! | `store` | what the miner remembers |
//! | `miner_loop`, `task_state`, `tasks`, `pay`, `routine`, `events`, `intent` | the main loop: from finalised blocks to transactions |
//! | `prepare` | from a wrapped key to a sealed model |
//! | `served`, `answer`, `commit_writer` | requests: admitted, answered, on the disk before they are sent |
//! | `prover` | proofs in the background, each verified here first |
//! | `challenge`, `status` | the live status of tasks, for accounts that may watch them |
//! | `api`, `metrics` | HTTP |
//!
//! The miner takes instructions from the chain only. It can be killed at any moment: every step is on the
//! disk before it is taken, and each transaction is done once ([`cyborg_chain_client::queue`]). No
//! model, input or output is ever on the disk in the clear.

mod answer;
mod api;
mod challenge;
mod commit_writer;
mod error;
mod events;
mod intent;
pub mod loaded;
pub mod meter;
mod metrics;
mod miner_loop;
pub mod operator;
mod pace;
mod pay;
mod prepare;
mod prover;
mod routine;
mod served;
mod status;
mod step;
mod store;
mod task_state;
mod tasks;
pub mod view;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, RwLock};
use std::thread;
use std::time::Duration;

use cyborg_account::{Keypair, keys};
use cyborg_chain_client::Chain;
use cyborg_chain_client::queue::Queue;
use cyborg_disk::vault::{Unlock, Vault};
use cyborg_envelope::EnvelopeError;
use cyborg_envelope::hpke::{PublicKey, SecretKey};
use cyborg_primitives::{Account, Digest, TaskId};
use cyborg_serving::{Service, bind, serve, until};
use cyborg_storage_client::storage::FileStore;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

pub use cyborg_serving::{Connections, Tls};
pub use error::{Failure, StartError};
pub use miner_loop::Settings;
pub use served::{Limits, Refused};
pub use status::Streams;
pub use step::{Cause, Standing, Step};
pub use store::Record;

use answer::RequestContext;
use api::Api;
use challenge::Challenges;
use commit_writer::PendingAnswer;
use metrics::Metrics;
use miner_loop::MinerLoop;
use prepare::ModelLoader;
use prover::Prover;
use status::StatusHub;
use store::Store;
use task_state::TaskState;

/// Folder of the vault, below the miner's.
const VAULT: &str = "vault";
/// Entry of the vault with the seed of the key that owners encrypt to.
const HPKE: &str = "hpke";
/// Entry whose key seals what the database keeps secret.
const ANSWERS: &str = "answers";
/// The database.
const STATE: &str = "miner.redb";
/// Folder of encrypted files that are being fetched.
const FETCHED: &str = "fetched";
/// Answers that wait for the disk.
const COMMIT_QUEUE: usize = 1_024;

/// How a miner is run.
pub struct Config {
    /// Where everything is kept; made by [`init`].
    pub folder: PathBuf,
    /// What unlocks the vault.
    pub unlock: Unlock,
    /// The account that is registered.
    pub signer: Keypair,
    /// The chain's node.
    pub chain: String,
    /// Where models are stored.
    pub storage: Arc<dyn FileStore>,
    /// Address to listen at; port 0 takes any free port.
    pub listen: SocketAddr,
    /// Certificate and key; plain HTTP without.
    pub tls: Option<Tls>,
    /// Maximum size of a request.
    pub max_body_bytes: usize,
    /// Maximum time of an answer.
    pub patience: Duration,
    /// Threads that prove; at least 1.
    pub proving_threads: usize,
    /// Limits on clients.
    pub connections: Connections,
    /// Limits on streams of live status.
    pub streams: Streams,
    /// What the miner is set to do.
    pub settings: Settings,
    /// Where the kernel says what is consumed.
    pub sources: meter::Sources,
}

impl Config {
    /// The defaults.
    #[must_use]
    pub fn new(folder: &Path, unlock: Unlock, signer: Keypair, storage: Arc<dyn FileStore>) -> Self {
        Self {
            folder: folder.to_owned(),
            unlock,
            signer,
            chain: cyborg_chain_client::DEFAULT_URL.to_owned(),
            storage,
            listen: SocketAddr::from(([127, 0, 0, 1], 9800)),
            tls: None,
            max_body_bytes: 16 << 20,
            patience: Duration::from_secs(30),
            proving_threads: thread::available_parallelism().map_or(1, std::num::NonZero::get),
            connections: Connections::default(),
            streams: Streams::default(),
            settings: Settings::default(),
            sources: meter::Sources::default(),
        }
    }
}

/// Makes a miner's folder, and the key that owners encrypt to: its public half is to be registered.
///
/// # Errors
/// Returns an error if the folder holds a miner already, or cannot be written.
pub fn init(folder: &Path, unlock: &Unlock) -> Result<PublicKey, StartError> {
    let vault = open_vault(folder, unlock)?;
    let failed = |source| StartError::Vault { folder: folder.join(VAULT), source };
    if vault.get(HPKE).map_err(failed)?.is_some() {
        return Err(StartError::Exists(folder.to_owned()));
    }
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|_| failed(EnvelopeError::NoRandomness.into()))?;
    vault.put(HPKE, &*seed).map_err(failed)?;
    Ok(SecretKey::from_seed(&seed).public())
}

/// The public key that owners encrypt to.
///
/// # Errors
/// Returns an error if the folder holds no miner, or does not unlock.
pub fn public_key(folder: &Path, unlock: &Unlock) -> Result<PublicKey, StartError> {
    Ok(secret_key(folder, &open_vault(folder, unlock)?)?.public())
}

fn open_vault(folder: &Path, unlock: &Unlock) -> Result<Vault, StartError> {
    let path = folder.join(VAULT);
    fs::create_dir_all(&path).map_err(|source| StartError::Folder { folder: path.clone(), source })?;
    Vault::open(&path, unlock).map_err(|source| StartError::Vault { folder: path, source })
}

fn secret_key(folder: &Path, vault: &Vault) -> Result<SecretKey, StartError> {
    let failed = |source| StartError::Vault { folder: folder.join(VAULT), source };
    let seed = vault.get(HPKE).map_err(failed)?.ok_or_else(|| StartError::NoMiner(folder.to_owned()))?;
    let seed: &[u8; 32] = seed[..].try_into().map_err(|_| StartError::NoMiner(folder.to_owned()))?;
    Ok(SecretKey::from_seed(seed))
}

/// What a miner's folder holds, opened.
struct Opened {
    vault: Vault,
    hpke: SecretKey,
    store: Store,
    queue: Arc<Queue>,
    tasks: BTreeMap<TaskId, TaskState>,
}

impl Opened {
    fn new(config: &Config) -> Result<Self, StartError> {
        let vault = open_vault(&config.folder, &config.unlock)?;
        let hpke = secret_key(&config.folder, &vault)?;
        let vault_failed = |source| StartError::Vault { folder: config.folder.join(VAULT), source };
        let answers = vault.entry_key(ANSWERS).map_err(vault_failed)?;
        let path = config.folder.join(STATE);
        let state = |source| StartError::State { path: path.clone(), source: Box::new(source) };
        let store = Store::open(&path, answers).map_err(state)?;
        let queue = Arc::new(Queue::open(store.database()).map_err(|error| state(error.into()))?);
        let tasks = store.tasks().map_err(state)?;
        let tasks = tasks.into_iter().map(|(task, record)| (task, TaskState::new(record))).collect();
        Ok(Self { vault, hpke, store, queue, tasks })
    }
}

/// The genesis hash of a chain on which the account is registered with a key.
async fn registered_on(url: &str, account: &Account, hpke: &PublicKey) -> Result<Digest, StartError> {
    let chain = Chain::connect(url).await?;
    let at = chain.at_finalised().await?;
    match view::contact(&at, account).await? {
        None => {
            let account = cyborg_chain_client::subxt::utils::AccountId32(*account).to_string();
            Err(StartError::NotRegistered { account })
        }
        Some(contact) if contact.hpke != *hpke => Err(StartError::OtherKey),
        Some(_) => Ok(chain.genesis()),
    }
}

/// Starts the thread that writes answers; it ends when all senders are dropped.
fn start_commit_writer(
    store: &Store,
    metrics: &Arc<Metrics>,
    proofs_due: &Arc<Notify>,
) -> Result<SyncSender<PendingAnswer>, StartError> {
    let (commits, answers) = sync_channel(COMMIT_QUEUE);
    let (store, metrics, due) = (store.clone(), metrics.clone(), proofs_due.clone());
    thread::Builder::new()
        .name("commit writer".to_owned())
        .spawn(move || commit_writer::run(&store, &answers, &metrics, &due))
        .map_err(StartError::System)?;
    Ok(commits)
}

fn proving_pool(threads: usize) -> Result<rayon::ThreadPool, StartError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .thread_name(|index| format!("prover {index}"))
        .build()
        .map_err(|error| StartError::System(io::Error::other(error)))
}

/// A running miner.
pub struct Miner {
    address: SocketAddr,
    account: Account,
    store: Store,
    stop: watch::Sender<bool>,
    parts: Vec<JoinHandle<()>>,
}

impl Miner {
    /// Opens the folder, looks the account up on the chain, and works.
    ///
    /// # Errors
    /// Returns an error if the folder, the vault, the address or the chain cannot be used, or the
    /// account is not registered with this folder's key.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let account = keys::account(&config.signer);
        let Opened { vault, hpke, store, queue, tasks } = Opened::new(&config)?;
        let genesis = registered_on(&config.chain, &account, &hpke.public()).await?;
        let tls = config.tls.as_ref().map(Tls::acceptor).transpose()?;
        let (listener, address) = bind(config.listen).await?;

        let (stop, stopped) = watch::channel(false);
        let metrics = Arc::new(Metrics::new());
        let (proofs_due, proof_made) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let context = Arc::new(RequestContext {
            genesis,
            miner: account,
            signer: config.signer.clone(),
            hpke: hpke.clone(),
            store: store.clone(),
            commits: start_commit_writer(&store, &metrics, &proofs_due)?,
            metrics: metrics.clone(),
        });
        let meter = meter::Meter::new(config.sources.clone()).map_err(StartError::System)?;
        let energy: Vec<_> = meter.energy_sources().iter().map(|source| source.name()).collect();
        let meter = meter.shared().map_err(StartError::System)?;
        let pools = Arc::new(RwLock::default());
        let hub = Arc::new(StatusHub {
            genesis,
            miner: account,
            limits: config.streams,
            published: RwLock::default(),
            pools: Arc::clone(&pools),
            metrics: metrics.clone(),
            challenges: Challenges::new()
                .map_err(|error| StartError::System(io::Error::other(error.to_string())))?,
            subscriptions: Default::default(),
            stopped: stopped.clone(),
        });
        let (results, finished) = mpsc::unbounded_channel();
        let (storage, folder) = (config.storage.clone(), config.folder.join(FETCHED));
        let miner_loop = MinerLoop {
            url: config.chain.clone(),
            genesis,
            miner: account,
            settings: config.settings,
            store: store.clone(),
            queue: queue.clone(),
            loader: Arc::new(ModelLoader { folder, vault, storage, hpke }),
            context: context.clone(),
            pools: Arc::clone(&pools),
            metrics: metrics.clone(),
            hub: hub.clone(),
            meter,
            executable: executable().map_err(StartError::System)?,
            device: meter::device(&config.sources),
            proofs_due: proofs_due.clone(),
            proof_made: proof_made.clone(),
            tasks,
            loading: Default::default(),
            now: 0,
            followed: 0,
            results,
        };
        let prover = Arc::new(Prover {
            genesis,
            store: store.clone(),
            pools: Arc::clone(&pools),
            metrics: metrics.clone(),
            due: proofs_due,
            made: proof_made,
            pool: Arc::new(proving_pool(config.proving_threads)?),
        });
        let api = Api {
            pools,
            context,
            hub,
            energy: energy.clone(),
            max_body_bytes: config.max_body_bytes,
            silence: config.connections.silence,
            patience: config.patience,
        };
        let service =
            Service { router: api::router(api), tls, limits: config.connections, gauge: metrics.clone() };
        let parts = vec![
            tokio::spawn(run_queue(queue, config.chain, config.signer, stopped.clone())),
            tokio::spawn(miner_loop.run(finished, stopped.clone())),
            tokio::spawn(prover.run(stopped.clone())),
            tokio::spawn(serve(listener, service, stopped)),
        ];
        tracing::info!(%address, folder = %config.folder.display(), ?energy, "miner started");
        Ok(Self { address, account, store, stop, parts })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its account.
    #[must_use]
    pub fn account(&self) -> Account {
        self.account
    }

    /// Its tasks, and the step of each.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub fn tasks(&self) -> Result<Vec<(TaskId, Record)>, Failure> {
        self.store.tasks()
    }

    /// Takes no more connections, lets open ones finish for a while, and ends.
    pub async fn stop(self) {
        // Without receivers all parts have ended.
        let _ = self.stop.send(true);
        for part in self.parts {
            if let Err(error) = part.await {
                tracing::error!(%error, "a part of the miner failed");
            }
        }
        tracing::info!("miner stopped");
    }
}

/// Runs the miner's transaction queue until it is stopped.
async fn run_queue(queue: Arc<Queue>, url: String, signer: Keypair, mut stopped: watch::Receiver<bool>) {
    tokio::select! {
        ended = queue.run(&url, &signer) => {
            if let Err(error) = ended {
                tracing::error!(%error, "the transaction queue ended; no transactions are sent");
            }
        }
        () = until(&mut stopped) => {}
    }
}

/// BLAKE3 of the running program.
fn executable() -> io::Result<Digest> {
    Ok(cyborg_disk::sealed::digest_of(&fs::File::open("/proc/self/exe")?)?.0)
}
