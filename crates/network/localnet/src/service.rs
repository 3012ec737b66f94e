//! The command lines of a network's processes.

use std::ffi::{OsStr, OsString};

use crate::layout::Layout;
use crate::settings::{MinerSettings, Settings};
use crate::supervisor::{Role, Service};

/// The names of so many processes of a kind: `miner-1`, `miner-2` ….
pub fn names(kind: &str, count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{kind}-{number}")).collect()
}

/// Where a storage node answers at a port.
pub fn url(port: u16) -> String {
    format!("http://{}", address(port))
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// A command line of words and other arguments.
fn line(words: &str, arguments: &[&dyn AsRef<OsStr>]) -> Vec<OsString> {
    let words = words.split_whitespace().map(OsString::from);
    words.chain(arguments.iter().map(|argument| argument.as_ref().to_owned())).collect()
}

/// The chain's node.
pub fn node(layout: &Layout, settings: &Settings) -> Service {
    let (port, block_time) = (settings.node_port.to_string(), settings.block_time_ms.to_string());
    let words = format!("node --dev --json --rpc-port {port} --block-time {block_time} --base-path");
    Service {
        role: Role::Node,
        name: "node".to_owned(),
        arguments: line(&words, &[&layout.part("node")]),
        log: layout.log("node"),
    }
}

/// A storage node.
pub fn storage(layout: &Layout, name: &str, port: u16) -> Service {
    let words = format!("storage start --json --listen {} --dir", address(port));
    Service {
        role: Role::Storage,
        name: name.to_owned(),
        arguments: line(&words, &[&layout.part(name)]),
        log: layout.log(name),
    }
}

/// The flags that both of a miner's commands take.
fn miner_words(command: &str, miner: &MinerSettings, node: &str, storage: &[String]) -> String {
    let storage: Vec<String> = storage.iter().map(|url| format!("--storage {url}")).collect();
    let listen = address(miner.port);
    format!("miner {command} --json --node {node} {} --listen {listen}", storage.join(" "))
}

/// The command that measures and registers a miner, before it is started.
pub fn miner_init(
    layout: &Layout,
    name: &str,
    miner: &MinerSettings,
    node: &str,
    storage: &[String],
) -> Vec<OsString> {
    let words = miner_words("init", miner, node, storage);
    let words = format!("{words} --region {} --at {}", miner.region, miner.at);
    line(&words, &[&"--account", &layout.key(name), &"--dir", &layout.part(name)])
}

/// A miner.
pub fn miner(layout: &Layout, name: &str, miner: &MinerSettings, node: &str, storage: &[String]) -> Service {
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
