//! The start of a network: the chain's node, money, storage nodes, miners.
//!
//! Nothing is started before what it needs answers; what needs nothing of each other is started
//! together. What an earlier start has done is found done.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use cyborg_chain_client::Chain;
use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_primitives::money::Cyb;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::error::LocalnetError;
use crate::fund::{self, Means, OF_MINER, OF_OWNER};
use crate::layout::Layout;
use crate::settings::{MinerSettings, Settings};
use crate::supervisor::{Ready, Starting, Supervisor};
use crate::{orphans, ports, process, service};

/// A process of the network, running.
#[derive(Clone, Debug)]
pub struct Running {
    /// Such as `miner-1`.
    pub name: String,
    /// Where it answers.
    pub url: String,
    /// Number of its process.
    pub process: u32,
}

/// A miner, running.
#[derive(Clone, Debug)]
pub struct Miner {
    /// Its process.
    pub running: Running,
    /// The address of its account.
    pub account: String,
    /// The region that it has registered.
    pub region: String,
    /// Latitude and longitude that it has registered.
    pub at: String,
}

/// A network, running.
pub struct Network {
    /// A connection to the chain's node.
    pub chain: Chain,
    /// The chain's node.
    pub node: Running,
    /// The node's JSON-RPC over HTTP.
    pub http: String,
    /// The hash of the first block.
    pub genesis: String,
    /// The final block that the chain went on from.
    pub block: u64,
    /// The storage nodes.
    pub storage: Vec<Running>,
    /// The miners.
    pub miners: Vec<Miner>,
    /// The address of the owner's account.
    pub owner: String,
    /// What accounts were given at this start.
    pub given: Cyb,
    /// The variables that commands find the network by.
    pub variables: Vec<(&'static str, String)>,
}

/// How far a start has come.
pub enum Progress<'a> {
    /// This is begun.
    Begun(&'static str),
    /// The chain's node answers at this URL.
    Chain(&'a str),
}

/// Starts everything. `tell` hears how far it has come.
///
/// # Errors
/// Returns an error if a process does not start; what was started is left to the supervisor to end.
pub async fn start(
    supervisor: &mut Supervisor,
    layout: &Layout,
    settings: &Settings,
    tell: &dyn Fn(Progress<'_>),
) -> Result<Network, LocalnetError> {
    orphans::end(layout.root()).await?;
    let start = Start {
        layout,
        settings,
        storage_names: service::names("storage", settings.storage_ports.len()),
        miner_names: service::names("miner", settings.miners.len()),
        storage_urls: settings.storage_ports.iter().map(|port| service::url(*port)).collect(),
    };
    start.check_ports()?;
    let (owner, accounts) = start.accounts()?;

    tell(Progress::Begun("the chain's node"));
    let node = ready("node", supervisor.start(service::node(layout, settings))).await?;
    let (rpc, http) = (text(&node.line, "rpc", "node")?, text(&node.line, "http", "node")?);
    let chain = Chain::connect(&rpc).await?;
    tell(Progress::Chain(&rpc));

    tell(Progress::Begun("storage nodes, and money for the accounts"));
    let storage = start.begin_storage(supervisor);
    let given = fund::give(&chain, &accounts).await?;

    tell(Progress::Begun("miners: measured, registered, bonded"));
    let registering = start.register_miners(supervisor, &rpc);
    let storage = start.storage_ready(storage).await?;
    all(registering).await?;

    tell(Progress::Begun("miners"));
    let miners = start.run_miners(supervisor, &rpc).await?;
    let variables = layout.variables(&rpc, &start.storage_urls);
    layout.write_env(&variables)?;
    Ok(Network {
        chain,
        node: Running { name: "node".to_owned(), url: rpc, process: node.process },
        http,
        genesis: text(&node.line, "genesis", "node")?,
        block: node.line["finalized"].as_u64().unwrap_or_default(),
        storage,
        miners,
        owner: owner.to_string(),
        given,
        variables: variables.into(),
    })
}

/// What the steps of a start have in common.
struct Start<'a> {
    layout: &'a Layout,
    settings: &'a Settings,
    storage_names: Vec<String>,
    miner_names: Vec<String>,
    storage_urls: Vec<String>,
}

impl Start<'_> {
    fn check_ports(&self) -> Result<(), LocalnetError> {
        ports::check(self.settings.node_port, "the chain's node")?;
        for (port, name) in self.settings.storage_ports.iter().zip(&self.storage_names) {
            ports::check(*port, name)?;
        }
        for (miner, name) in self.settings.miners.iter().zip(&self.miner_names) {
            ports::check(miner.port, name)?;
        }
        Ok(())
    }

    /// The owner's account; and all accounts with what they are to have.
    fn accounts(&self) -> Result<(AccountId32, Vec<(AccountId32, Means)>), LocalnetError> {
        let owner = fund::account(&fund::key(&self.layout.key("owner"))?);
        let mut accounts = vec![(owner, OF_OWNER)];
        for name in &self.miner_names {
            accounts.push((fund::account(&fund::key(&self.layout.key(name))?), OF_MINER));
        }
        Ok((owner, accounts))
    }

    fn begin_storage(&self, supervisor: &mut Supervisor) -> Vec<Starting> {
        let nodes = self.storage_names.iter().zip(&self.settings.storage_ports);
        nodes.map(|(name, port)| supervisor.start(service::storage(self.layout, name, *port))).collect()
    }

    async fn storage_ready(&self, starting: Vec<Starting>) -> Result<Vec<Running>, LocalnetError> {
        let mut storage = Vec::new();
        for (name, starting) in self.storage_names.iter().zip(starting) {
            storage.push(running(name, "url", &ready(name, starting).await?)?);
        }
        Ok(storage)
    }

    /// Begins to measure and register all miners, together.
    fn register_miners(&self, supervisor: &Supervisor, rpc: &str) -> JoinSet<Result<(), LocalnetError>> {
        let mut registering = JoinSet::new();
        for (name, miner) in self.miner_names.iter().zip(&self.settings.miners) {
            let arguments: Vec<OsString> =
                service::miner_init(self.layout, name, miner, rpc, &self.storage_urls);
            let command = supervisor.program().command(arguments);
            registering.spawn(register(command, name.clone(), self.layout.log(name)));
        }
        registering
    }

    async fn run_miners(&self, supervisor: &mut Supervisor, rpc: &str) -> Result<Vec<Miner>, LocalnetError> {
        let mut starting = Vec::new();
        for (name, miner) in self.miner_names.iter().zip(&self.settings.miners) {
            let miner = service::miner(self.layout, name, miner, rpc, &self.storage_urls);
            starting.push(supervisor.start(miner));
        }
        let mut miners = Vec::new();
        for ((name, settings), starting) in self.miner_names.iter().zip(&self.settings.miners).zip(starting) {
            let ready = ready(name, starting).await?;
            let account = text(&ready.line, "miner", name)?;
            let MinerSettings { region, at, .. } = settings.clone();
            miners.push(Miner { running: running(name, "endpoint", &ready)?, account, region, at });
        }
        Ok(miners)
    }
}

/// Runs `cyborg miner init` for one miner, and keeps what it prints in the miner's log.
async fn register(mut command: Command, name: String, log: PathBuf) -> Result<(), LocalnetError> {
    let failed = |source| LocalnetError::io(&log, "cannot write", source);
    let done = process::run(&mut command, |_| ()).await.map_err(|source| LocalnetError::Io {
        file: "cyborg miner init".to_owned(),
        action: "cannot run",
        source,
    })?;
    let (mut file, _) = process::open_log(&log).map_err(failed)?;
    write!(file, "{}{}", done.stderr, done.stdout).map_err(failed)?;
    if done.status.success() {
        return Ok(());
    }
    let problem = done.problem();
    Err(LocalnetError::Failed(format!("{name} cannot be set up: {problem} (log: {})", log.display())))
}

/// Waits until all have succeeded.
async fn all(mut tasks: JoinSet<Result<(), LocalnetError>>) -> Result<(), LocalnetError> {
    while let Some(done) = tasks.join_next().await {
        done.map_err(|error| LocalnetError::Failed(error.to_string()))??;
    }
    Ok(())
}

impl Network {
    /// All of it, for programs.
    pub fn json(&self, layout: &Layout, settings: &Settings) -> Value {
        let log = |name: &str| layout.log(name).display().to_string();
        let storage = |node: &Running| json!({ "name": node.name, "url": node.url, "process": node.process, "log": log(&node.name) });
        let miner = |miner: &Miner| {
            json!({
                "name": miner.running.name,
                "miner": miner.account,
                "endpoint": miner.running.url,
                "region": miner.region,
                "at": miner.at,
                "process": miner.running.process,
                "log": log(&miner.running.name),
            })
        };
        json!({
            "dir": layout.root().display().to_string(),
            "env": layout.env().display().to_string(),
            "process": std::process::id(),
            "genesis": self.genesis,
            "block": self.block,
            "block_time_ms": settings.block_time_ms,
            "node": {
                "rpc": self.node.url,
                "http": self.http,
                "process": self.node.process,
                "log": log("node"),
            },
            "storage": self.storage.iter().map(storage).collect::<Vec<_>>(),
            "miners": self.miners.iter().map(miner).collect::<Vec<_>>(),
            "owner": { "account": self.owner, "key": layout.key("owner").display().to_string() },
            "given": self.given.0.to_string(),
        })
    }
}

async fn ready(name: &str, starting: Starting) -> Result<Ready, LocalnetError> {
    starting.await.unwrap_or_else(|_| Err(LocalnetError::Failed(format!("{name} was not started"))))
}

/// A field of what a process says when it is ready.
fn text(line: &Value, field: &str, name: &str) -> Result<String, LocalnetError> {
    let text = line[field].as_str().map(ToOwned::to_owned);
    text.ok_or_else(|| LocalnetError::Failed(format!("{name} does not say its `{field}`, but {line}")))
}

/// A process that is ready, and says its address in a field.
fn running(name: &str, field: &str, ready: &Ready) -> Result<Running, LocalnetError> {
    let url = text(&ready.line, field, name)?;
    Ok(Running { name: name.to_owned(), url, process: ready.process })
}
