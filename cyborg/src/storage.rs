//! `cyborg storage …`: the storage node, and what its clients stored given back to it.
//!
//! What clients need to reach the node goes to standard output as soon as it answers; the log goes
//! to standard error, as `RUST_LOG` says.

pub(crate) mod arguments;
mod repair;

use std::time::Duration;

use cyborg_storage::{Config, NodeStatus, StorageNode, Tls};
use tokio::runtime::Builder;

use self::arguments::{StorageCommand, StorageStart};
use crate::begin;
use crate::error::Failure;
use crate::folders;
use crate::report::{CommandOutput, bytes};

/// What is logged where `RUST_LOG` says nothing.
const QUIET: &str = "warn,cyborg_storage=info";

/// Runs one of the commands.
pub(crate) fn run(command: &StorageCommand, json: bool) -> Result<CommandOutput, Failure> {
    match command {
        StorageCommand::Start(arguments) => start(arguments, json),
        StorageCommand::Repair(arguments) => {
            begin::runtime(Builder::new_multi_thread())?.block_on(repair::run(arguments))
        }
        StorageCommand::Status(arguments) => {
            let status = cyborg_storage::status(&arguments.url);
            Ok(show(&status.map_err(|error| Failure::Storage(error.to_string()))?))
        }
    }
}

/// Runs the node until a signal ends it.
fn start(arguments: &StorageStart, json: bool) -> Result<CommandOutput, Failure> {
    let folder = match &arguments.dir {
        Some(folder) => folder.clone(),
        None => folders::kept("storage", "--dir", "where the node is to keep its data")?,
    };
    let mut config = Config::new(&folder);
    config.listen = arguments.listen;
    config.quota_bytes = arguments.quota;
    config.owners.clone_from(&arguments.owner);
    config.grace = Duration::from_secs(arguments.grace * 3600);
    let pair = arguments.tls_certificate.clone().zip(arguments.tls_key.clone());
    config.tls = pair.map(|(certificate, key)| Tls { certificate, key });
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    begin::log(QUIET);
    let ready = |node: &StorageNode| {
        let mut report = CommandOutput::default();
        let url = format!("{scheme}://{}", node.address());
        let key = format!("0x{}", hex::encode(node.account()));
        report.field("url", url.as_str(), "URL", &url);
        report.field("node", key.as_str(), "node's key", &key);
        report.field("dir", folder.display().to_string(), "folder", folder.display());
        report.field("quota_bytes", arguments.quota, "quota", bytes(arguments.quota));
        report.line("Ctrl-C ends the node.");
        report.print(json);
    };
    cyborg_storage::run(config, ready).map_err(|error| Failure::Storage(error.to_string()))?;
    Ok(CommandOutput::default())
}

fn show(status: &NodeStatus) -> CommandOutput {
    let mut report = CommandOutput::default();
    let NodeStatus { used_bytes, quota_bytes, fragments, manifests, quarantined, restricted, .. } = *status;
    // Its own words, whatever they are, are no instructions to a terminal.
    for (key, value, label) in [
        ("status", &status.status, "status"),
        ("version", &status.version, "version"),
        ("node", &format!("0x{}", status.node), "node's key"),
    ] {
        report.field(key, value.as_str(), label, value.escape_debug());
    }
    report.field("used_bytes", used_bytes, "used", bytes(used_bytes));
    report.field("quota_bytes", quota_bytes, "quota", bytes(quota_bytes));
    report.field("fragments", fragments, "fragments", fragments);
    report.field("manifests", manifests, "manifests", manifests);
    report.field("quarantined", quarantined, "rotten, put aside", quarantined);
    let takes = if restricted { "from its owners" } else { "from anybody" };
    report.field("restricted", restricted, "takes uploads", takes);
    report
}
