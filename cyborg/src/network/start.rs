//! The start of a network: the chain's node, money, storage nodes, miners.
//!
//! Nothing is started before what it needs answers; what needs nothing of each other is started
//! together. Whatever was done at an earlier start is found done.

use std::ffi::OsString;
use std::io::Write as _;

use cyborg_chain_client::Chain;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::fund::{self, OF_MINER, OF_OWNER};
use super::layout::Layout;
use super::settings::{MinerSettings, Settings};
use super::supervisor::{Ready, Role, Service, Starting, Supervisor};
use super::{orphans, ports, process};
use crate::error::Failure;
use cyborg_primitives::money::Cyb;

/// A part of the network that runs.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Such as `miner-1`.
    pub(super) name: String,
    /// Where it answers.
    pub(super) url: String,
    /// Number of its process.
    pub(super) process: u32,
}

/// A miner that runs.
#[derive(Clone, Debug)]
pub(super) struct Miner {
    pub(super) part: Part,
    /// Its account's address.
    pub(super) account: String,
    /// Where it says that it is.
    pub(super) region: String,
    pub(super) at: String,
}

/// A network that runs.
pub(super) struct Network {
    pub(super) chain: Chain,
    /// The chain's node.
    pub(super) node: Part,
    pub(super) http: String,
    pub(super) genesis: String,
    /// The final block that it went on from.
    pub(super) block: u64,
    pub(super) storage: Vec<Part>,
    pub(super) miners: Vec<Miner>,
    /// The owner's address.
    pub(super) owner: String,
    /// What accounts were given at this start.
    pub(super) given: Cyb,
    /// The variables that commands find it by.
    pub(super) variables: Vec<(&'static str, String)>,
}

/// How far a start has come.
pub(super) enum Stage<'a> {
    /// This is begun.
    Begun(&'static str),
    /// The chain's node answers.
    Chain(&'a Chain),
}

/// Starts everything. `tell` hears how far it has come.
///
/// # Errors
/// Where a part does not start; what was started is the supervisor's to end.
pub(super) async fn start(
    supervisor: &mut Supervisor,
    layout: &Layout,
    settings: &Settings,
    tell: &dyn Fn(Stage<'_>),
) -> Result<Network, Failure> {
    orphans::end(layout.root()).await?;
    let storage_names: Vec<String> = names("storage", settings.storage_ports.len());
    let miner_names: Vec<String> = names("miner", settings.miners.len());
    ports::check(settings.node_port, "the chain's node")?;
    for (port, name) in settings.storage_ports.iter().zip(&storage_names) {
        ports::check(*port, name)?;
    }
    for (miner, name) in settings.miners.iter().zip(&miner_names) {
        ports::check(miner.port, name)?;
    }
    let owner = fund::account(&fund::key(&layout.key("owner"))?);
    let mut accounts = vec![(owner, OF_OWNER)];
    for name in &miner_names {
        accounts.push((fund::account(&fund::key(&layout.key(name))?), OF_MINER));
    }

    tell(Stage::Begun("the chain's node"));
    let node = ready("node", supervisor.start(node_service(layout, settings))).await?;
    let (rpc, http) = (text(&node.line, "rpc", "node")?, text(&node.line, "http", "node")?);
    let chain = Chain::connect(&rpc).await?;

    tell(Stage::Chain(&chain));

    tell(Stage::Begun("storage nodes, and money for the accounts"));
    let storage_urls: Vec<String> = settings.storage_ports.iter().map(|port| url(*port)).collect();
    let mut starting = Vec::new();
    for (name, port) in storage_names.iter().zip(&settings.storage_ports) {
        starting.push(supervisor.start(storage_service(layout, name, *port)));
    }
    let given = fund::give(&chain, &accounts).await?;

    tell(Stage::Begun("miners: measured, registered, bonded"));
    let mut registering = JoinSet::new();
    for (name, miner) in miner_names.iter().zip(&settings.miners) {
        let arguments = init(layout, name, miner, &rpc, &storage_urls);
        let mut command = supervisor.program().command(arguments);
        let (name, log) = (name.clone(), layout.log(name));
        registering.spawn(async move {
            let failed = |source| Failure::io(&log, "cannot write", source);
            let done = process::run(&mut command, |_| ()).await.map_err(|source| Failure::Io {
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
            Err(Failure::Network(format!("{name} cannot be set up: {problem} (log: {})", log.display())))
        });
    }
    let mut storage = Vec::new();
    for (name, starting) in storage_names.iter().zip(starting) {
        let ready = ready(name, starting).await?;
        let url = text(&ready.line, "url", name)?;
        storage.push(Part { name: name.clone(), url, process: ready.process });
    }
    while let Some(registered) = registering.join_next().await {
        registered.map_err(|error| Failure::Network(error.to_string()))??;
    }

    tell(Stage::Begun("miners"));
    let mut starting = Vec::new();
    for (name, miner) in miner_names.iter().zip(&settings.miners) {
        starting.push(supervisor.start(miner_service(layout, name, miner, &rpc, &storage_urls)));
    }
    let mut miners = Vec::new();
    for ((name, settings), starting) in miner_names.iter().zip(&settings.miners).zip(starting) {
        let ready = ready(name, starting).await?;
        let part =
            Part { name: name.clone(), url: text(&ready.line, "endpoint", name)?, process: ready.process };
        let account = text(&ready.line, "miner", name)?;
        let MinerSettings { region, at, .. } = settings.clone();
        miners.push(Miner { part, account, region, at });
    }
    let variables = layout.variables(&rpc, &storage_urls);
    layout.write_env(&variables)?;
    Ok(Network {
        chain,
        node: Part { name: "node".to_owned(), url: rpc, process: node.process },
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

impl Network {
    /// All of it, for programs.
    pub(super) fn json(&self, layout: &Layout, settings: &Settings) -> Value {
        let log = |name: &str| layout.log(name).display().to_string();
        let storage = |part: &Part| json!({ "name": part.name, "url": part.url, "process": part.process, "log": log(&part.name) });
        let miner = |miner: &Miner| {
            json!({
                "name": miner.part.name,
                "miner": miner.account,
                "endpoint": miner.part.url,
                "region": miner.region,
                "at": miner.at,
                "process": miner.part.process,
                "log": log(&miner.part.name),
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

fn names(kind: &str, count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{kind}-{number}")).collect()
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn url(port: u16) -> String {
    format!("http://{}", address(port))
}

async fn ready(name: &str, starting: Starting) -> Result<Ready, Failure> {
    starting.await.unwrap_or_else(|_| Err(Failure::Network(format!("{name} was not started"))))
}

/// A field of what a process says when it is ready.
fn text(line: &Value, field: &str, name: &str) -> Result<String, Failure> {
    let text = line[field].as_str().map(ToOwned::to_owned);
    text.ok_or_else(|| Failure::Network(format!("{name} does not say its `{field}`, but {line}")))
}

/// A command line of words and other arguments.
fn line(words: &str, arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Vec<OsString> {
    let words = words.split_whitespace().map(OsString::from);
    words.chain(arguments.iter().map(|argument| argument.as_ref().to_owned())).collect()
}

fn node_service(layout: &Layout, settings: &Settings) -> Service {
    let (port, block_time) = (settings.node_port.to_string(), settings.block_time_ms.to_string());
    let words = format!("node --dev --json --rpc-port {port} --block-time {block_time} --base-path");
    Service {
        role: Role::Node,
        name: "node".to_owned(),
        arguments: line(&words, &[&layout.part("node")]),
        log: layout.log("node"),
    }
}

fn storage_service(layout: &Layout, name: &str, port: u16) -> Service {
    let words = format!("storage start --json --listen {} --dir", address(port));
    Service {
        role: Role::Storage,
        name: name.to_owned(),
        arguments: line(&words, &[&layout.part(name)]),
        log: layout.log(name),
    }
}

/// What both of a miner's commands are told.
fn miner_words(command: &str, miner: &MinerSettings, node: &str, storage: &[String]) -> String {
    let storage: Vec<String> = storage.iter().map(|url| format!("--storage {url}")).collect();
    let listen = address(miner.port);
    format!("miner {command} --json --node {node} {} --listen {listen}", storage.join(" "))
}

fn init(layout: &Layout, name: &str, miner: &MinerSettings, node: &str, storage: &[String]) -> Vec<OsString> {
    let words = miner_words("init", miner, node, storage);
    let words = format!("{words} --region {} --at {}", miner.region, miner.at);
    line(&words, &[&"--account", &layout.key(name), &"--dir", &layout.part(name)])
}

fn miner_service(
    layout: &Layout,
    name: &str,
    miner: &MinerSettings,
    node: &str,
    storage: &[String],
) -> Service {
    Service {
        role: Role::Miner,
        name: name.to_owned(),
        arguments: line(
            &format!("{} --dir", miner_words("start", miner, node, storage)),
            &[&layout.part(name)],
        ),
        log: layout.log(name),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use clap::CommandFactory as _;

    use super::super::settings::Wanted;
    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_command_line_is_one_of_this_program() {
        let base = tempfile::tempdir().unwrap();
        // A folder with a space stays one word.
        let layout = Layout::open(&base.path().join("a network")).unwrap();
        let settings = Settings::settle(&layout.settings(), &Wanted::default()).unwrap();
        let storage = ["http://127.0.0.1:1".to_owned(), "http://127.0.0.1:2".to_owned()];
        let node = "ws://127.0.0.1:3";
        let mut lines = vec![storage_service(&layout, "storage-1", settings.storage_ports[0]).arguments];
        for miner in &settings.miners {
            lines.push(init(&layout, "miner-1", miner, node, &storage));
            lines.push(miner_service(&layout, "miner-1", miner, node, &storage).arguments);
        }
        if cfg!(feature = "node") {
            lines.push(node_service(&layout, &settings).arguments);
        }
        for line in lines {
            let words = [OsString::from("cyborg")].into_iter().chain(line);
            Cli::command().try_get_matches_from(words).unwrap();
        }
    }
}
