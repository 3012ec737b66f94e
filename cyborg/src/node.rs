//! `cyborg node …`: the embedded node, and the specification for the stock one.
//!
//! What the user needs to reach the node goes to standard output as soon as it answers; the log
//! goes to standard error, as `RUST_LOG` says.

pub(crate) mod arguments;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, io, thread};

use cyborg_node::{Config, Sealing, Started};
use serde_json::json;
use tempfile::TempDir;

use self::arguments::{ExportChainSpec, NodeAction, NodeCommand, NodeFlags, NodeVerify, Preset};
use crate::begin;
use crate::error::Failure;
use crate::files::{self, Output, Secrecy};
use crate::folders;
use crate::progress::Progress;
use crate::report::{CommandOutput, bytes, seconds};

/// What is logged if `RUST_LOG` is not set.
const QUIET: &str = "warn,cyborg_node=info";

/// Pause before a temporary folder that something still writes to is removed again.
const REMOVAL_PAUSE: Duration = Duration::from_millis(100);

/// Runs one of the commands.
pub(crate) fn run(command: &NodeCommand, json: bool) -> Result<CommandOutput, Failure> {
    match &command.action {
        Some(NodeAction::ExportChainSpec(arguments)) => export(arguments),
        Some(NodeAction::Verify(arguments)) => verify(arguments),
        None if command.node.dev => start(&command.node, json),
        None => Err(Failure::Usage {
            flag: "--dev",
            problem: "this node is for development, and says so with --dev; a network's runs the stock \
                      node: `cyborg node export-chain-spec --preset production --out chain.json`, then \
                      `polkadot-omni-node --chain chain.json` (docs/node.md)"
                .to_owned(),
        }),
    }
}

/// Runs the node until a signal ends it.
fn start(arguments: &NodeFlags, json: bool) -> Result<CommandOutput, Failure> {
    let folder = Folder::new(arguments)?;
    let config = Config {
        base_path: folder.path().to_owned(),
        cache_path: cache(folder.path()),
        sealing: if arguments.instant {
            Sealing::OnTransaction
        } else {
            Sealing::Every(Duration::from_millis(arguments.block_time))
        },
        rpc_port: arguments.rpc_port,
        prometheus_port: arguments.prometheus_port,
    };
    begin::log(QUIET);
    cyborg_node::run(&config, |started| ready(started, folder.path()).print(json))?;
    Ok(CommandOutput::default())
}

/// The folder in which compiled wasm is kept: the user's cache, or the node's own folder if there is none that can be
/// written.
fn cache(base_path: &Path) -> PathBuf {
    let shared = folders::of_user("XDG_CACHE_HOME", ".cache").map(|cache| cache.join("wasm"));
    let usable = shared.filter(|folder| {
        let probe = folder.join(format!(".{}", std::process::id()));
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&probe, ""))
            .and_then(|()| fs::remove_file(&probe))
            .is_ok()
    });
    usable.unwrap_or_else(|| base_path.join("wasm-cache"))
}

/// The folder of a node: the one that is named, or the default.
fn kept(base_path: Option<&Path>, or: &'static str) -> Result<PathBuf, Failure> {
    base_path.map_or_else(|| folders::kept("node", "--base-path", or), |path| Ok(path.to_owned()))
}

fn ready(started: &Started, folder: &Path) -> CommandOutput {
    let mut report = CommandOutput::default();
    let (http, ws) = (format!("http://{}", started.rpc), format!("ws://{}", started.rpc));
    let genesis = format!("0x{}", hex::encode(started.genesis));
    report.field("chain", started.chain.as_str(), "chain", &started.chain);
    report.field("genesis", genesis.as_str(), "genesis", &genesis);
    report.field("finalized", started.finalized, "goes on from block", started.finalized);
    report.field("base_path", folder.display().to_string(), "folder", folder.display());
    report.field("rpc", ws.as_str(), "JSON-RPC", format!("{ws}  {http}"));
    report.json("http", http);
    if let Some(address) = started.prometheus {
        let metrics = format!("http://{address}/metrics");
        report.field("prometheus", metrics.as_str(), "metrics", &metrics);
    }
    report.line("Ctrl-C ends the node.");
    report
}

/// The folder in which the node keeps its things.
enum Folder {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Folder {
    fn new(arguments: &NodeFlags) -> Result<Self, Failure> {
        if arguments.tmp {
            let folder = tempfile::Builder::new()
                .prefix("cyborg-node-")
                .tempdir()
                .map_err(|source| Failure::io(&env::temp_dir(), "cannot make a folder", source))?;
            return Ok(Self::Temporary(folder));
        }
        let or = "where the node is to keep its data, or --tmp";
        Ok(Self::Kept(kept(arguments.base_path.as_deref(), or)?))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let Self::Temporary(folder) = self else { return };
        // On a busy machine the database's thread may still write while the folder goes.
        for _ in 0..50 {
            match fs::remove_dir_all(folder.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => thread::sleep(REMOVAL_PAUSE),
                _ => return,
            }
        }
    }
}

/// Executes blocks again.
fn verify(arguments: &NodeVerify) -> Result<CommandOutput, Failure> {
    if let Some(to) = arguments.to.filter(|to| *to < arguments.from) {
        return Err(Failure::Usage {
            flag: "--to",
            problem: format!(
                "block {to} comes before --from {}: there is no block to verify",
                arguments.from
            ),
        });
    }
    let folder = kept(arguments.base_path.as_deref(), "where the node has its data")?;
    let progress = Progress::new("verify");
    let mut executed = Vec::new();
    cyborg_node::verify(&folder, &cache(&folder), arguments.from, arguments.to, |block, last| {
        let (done, all) = (block.number - arguments.from + 1, last - arguments.from + 1);
        progress.stage(&format!("block {}", block.number), done.into(), all.into());
        executed.push(block);
    })?;
    drop(progress);
    let total: Duration = executed.iter().map(|block| block.time).sum();
    let slowest = executed.iter().max_by_key(|block| block.time);
    let mut report = CommandOutput::default();
    report.field("base_path", folder.display().to_string(), "folder", folder.display());
    report.field(
        "blocks",
        executed.len(),
        "blocks",
        format!("{} lead to the states they name", executed.len()),
    );
    report.field("ms", total.as_millis() as u64, "executed in", seconds(total.as_secs_f64()));
    if let Some(block) = slowest {
        let shown = format!("block {}, {}", block.number, seconds(block.time.as_secs_f64()));
        let slowest = json!({ "block": block.number, "ms": block.time.as_secs_f64() * 1e3 });
        report.field("slowest", slowest, "the slowest", shown);
    }
    Ok(report)
}

/// Writes the specification.
fn export(arguments: &ExportChainSpec) -> Result<CommandOutput, Failure> {
    let output = Output::new(&arguments.out, Secrecy::Public)?;
    let (preset, name) = match arguments.preset {
        Preset::Development => (cyborg_node::Preset::Development, "development"),
        Preset::Production => (cyborg_node::Preset::Production, "production"),
    };
    let form = if arguments.plain { "plain" } else { "raw" };
    let spec = cyborg_node::chain_spec(preset, arguments.para_id, &arguments.relay_chain, !arguments.plain)?;
    files::write(&[(&output, spec.as_bytes())])?;
    let mut report = CommandOutput::default();
    let size = spec.len() as u64;
    report.field("preset", name, "preset", format!("{name}, {form}"));
    report.json("form", form);
    report.field("relay_chain", arguments.relay_chain.as_str(), "relay chain", &arguments.relay_chain);
    let path = output.path().display().to_string();
    report.field("specification", path.as_str(), "specification", format!("{path}  {}", bytes(size)));
    report.json("bytes", size);
    Ok(report)
}
