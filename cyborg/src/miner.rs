//! `cyborg miner …`: a miner, from its registration to its doctor. The miner and the operator's rules are
//! the library `cyborg-miner` ([`cyborg_miner::operator`]); here are flags, tables, reports and prompts.
//!
//! | module | content |
//! |---|---|
//! | `init` | keys, measurements, settings; the account becomes a miner |
//! | `start` | the miner as a program of its own |
//! | `terms` | changes of a miner's record: price, memory, place, bond; it leaves |
//! | `status` | the miner's record and its process |
//! | `doctor` | every check, what to do, and the support bundle |
//! | `settings` | `miner.json` |
//! | `folder` | who may read the folder, who works in it, what unlocks it |
//! | `measure` | how fast the machine is |
//! | `process` | what the running miner says |

pub(crate) mod arguments;
mod doctor;
mod folder;
mod init;
mod measure;
mod process;
mod settings;
mod start;
mod status;
mod terms;

use std::time::Duration;

use cyborg_chain_client::{Chain, ChainError};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep, timeout};

use crate::begin;
use crate::error::Failure;
use crate::report::CommandOutput;
use arguments::MinerCommand;

/// What is logged if `RUST_LOG` says nothing.
const QUIET: &str = "warn,cyborg=info,cyborg_miner=info,cyborg_chain_client=info";
/// How long one attempt to reach the chain may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// Runs one of the commands.
pub(crate) fn run(command: &MinerCommand, json: bool) -> Result<CommandOutput, Failure> {
    match command {
        MinerCommand::Init(arguments) => init::run(arguments),
        MinerCommand::Start(arguments) => start::run(arguments, json),
        MinerCommand::Update(arguments) => terms::update(arguments),
        MinerCommand::Bond(arguments) => terms::bond(arguments),
        MinerCommand::Leave(home) => terms::leave(home),
        MinerCommand::Withdraw(home) => terms::withdraw(home),
        MinerCommand::Status(arguments) => status::run(arguments),
        MinerCommand::Doctor(arguments) => doctor::run(arguments, json),
    }
}

fn runtime() -> Result<Runtime, Failure> {
    begin::runtime(Builder::new_multi_thread())
}

/// A number of things.
fn counted(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// Connects to the chain. A node that does not answer is waited for: it may be starting beside the
/// miner. A node of another chain, or of another version, is refused at once.
async fn connect(node: &str, patience: Duration) -> Result<Chain, ChainError> {
    // TLS needs a process-wide provider; one that is installed already stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let begun = Instant::now();
    let mut said = false;
    loop {
        let connected = timeout(ATTEMPT, Chain::connect(node)).await.unwrap_or_else(|_| {
            let reason = format!("no answer within {} s", ATTEMPT.as_secs());
            Err(ChainError::Unreachable { url: node.to_owned(), reason })
        });
        match connected {
            Err(ChainError::Unreachable { url, reason }) if begun.elapsed() < patience => {
                if !said {
                    tracing::warn!(url, reason, "no chain node answers yet; waiting up to {patience:?}");
                    said = true;
                }
                sleep(PAUSE).await;
            }
            // The node answers and is not ready, for example while it starts.
            Err(ChainError::Node(error)) if begun.elapsed() < patience => {
                tracing::debug!(%error, "the chain node is not ready");
                sleep(PAUSE).await;
            }
            connected => return connected,
        }
    }
}
