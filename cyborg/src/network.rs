//! `cyborg up` and `cyborg demo`: a whole network on this machine, each process one of this program. The
//! processes are the crate `cyborg-localnet`'s.
//!
//! | module | content |
//! |---|---|
//! | `arguments` | the flags |
//! | `up` | `cyborg up` |
//! | `demo` | `cyborg demo` |

pub(crate) mod arguments;
mod demo;
mod up;

use std::future::Future;

use tokio::runtime::Builder;

use crate::begin;
use crate::error::Failure;
use crate::report::{CommandOutput, printable};
use arguments::{Demo, Up};

/// Runs a network until a signal ends it.
pub(crate) fn up(arguments: &Up, json: bool) -> Result<CommandOutput, Failure> {
    on_this_thread(up::run(arguments, json))
}

/// Shows a deployment on a network of its own, start to end.
pub(crate) fn demo(arguments: &Demo, json: bool) -> Result<CommandOutput, Failure> {
    on_this_thread(demo::run(arguments, json))
}

fn on_this_thread(
    work: impl Future<Output = Result<CommandOutput, Failure>>,
) -> Result<CommandOutput, Failure> {
    if !cfg!(feature = "node") {
        return Err(Failure::Network(
            "this program was built without the chain's node, which a network needs; \
             `cargo build --release --workspace` builds it with the node"
                .to_owned(),
        ));
    }
    begin::runtime(Builder::new_current_thread())?.block_on(work)
}

/// A line for whoever watches, beside the result.
fn say(line: &str) {
    eprintln!("{}", printable(line));
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::ffi::OsString;

    use clap::CommandFactory as _;
    use cyborg_localnet::layout::Layout;
    use cyborg_localnet::service;
    use cyborg_localnet::settings::{Settings, Wanted};

    use crate::cli::Cli;

    #[test]
    fn every_command_line_of_a_network_is_one_of_this_program() {
        let base = tempfile::tempdir().unwrap();
        // A folder with a space stays one word.
        let layout = Layout::open(&base.path().join("a network")).unwrap();
        let settings = Settings::settle(&layout.settings(), &Wanted::default()).unwrap();
        let storage = ["http://127.0.0.1:1".to_owned(), "http://127.0.0.1:2".to_owned()];
        let node = "ws://127.0.0.1:3";
        let mut lines = vec![service::storage(&layout, "storage-1", settings.storage_ports[0]).arguments];
        for miner in &settings.miners {
            lines.push(service::miner_init(&layout, "miner-1", miner, node, &storage));
            lines.push(service::miner(&layout, "miner-1", miner, node, &storage).arguments);
        }
        if cfg!(feature = "node") {
            lines.push(service::node(&layout, &settings).arguments);
        }
        for line in lines {
            let words = [OsString::from("cyborg")].into_iter().chain(line);
            Cli::command().try_get_matches_from(words).unwrap();
        }
    }
}
