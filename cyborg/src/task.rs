//! `cyborg deploy`, `cyborg infer` and `cyborg task …`: the owner's side of the network.
//!
//! | module | content |
//! |---|---|
//! | `arguments` | the flags |
//! | `deploy` | a model to miners, until they serve it |
//! | `infer` | a request, its answer, its proof |
//! | `manage` | list, stop, top up, keep, events |
//! | `watch` | logs and live status, as miners give them |

pub(crate) mod arguments;
mod deploy;
mod infer;
mod manage;
mod watch;

use std::future::Future;
use std::path::PathBuf;
use std::str::FromStr as _;

use cyborg_account::keys;
use cyborg_chain_client::Chain;
use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_owner::Http;
use cyborg_owner::Owner;
use cyborg_primitives::Account;
use tokio::runtime::Builder;

use crate::begin;
use crate::error::Failure;
use crate::files;
use crate::folders;
use crate::report::CommandOutput;
use arguments::{ChainFlags, Deploy, HttpFlags, Infer, OwnerFlags, TaskCommand};

/// Runs `cyborg deploy`.
pub(crate) fn deploy(arguments: &Deploy) -> Result<CommandOutput, Failure> {
    wait(deploy::run(arguments))
}

/// Runs `cyborg infer`.
pub(crate) fn infer(arguments: &Infer, json: bool) -> Result<CommandOutput, Failure> {
    wait(infer::run(arguments, json))
}

/// Runs one of the commands of `cyborg task`.
pub(crate) fn run(command: &TaskCommand, json: bool) -> Result<CommandOutput, Failure> {
    wait(async {
        match command {
            TaskCommand::List(arguments) => manage::list(arguments).await,
            TaskCommand::Show(arguments) => manage::show(arguments).await,
            TaskCommand::Answers(arguments) => manage::answers(arguments).await,
            TaskCommand::Stop(arguments) => manage::stop(arguments).await,
            TaskCommand::TopUp(arguments) => manage::top_up(arguments).await,
            TaskCommand::Keep(arguments) => manage::keep(arguments, json).await,
            TaskCommand::Events(arguments) => manage::events(arguments, json).await,
            TaskCommand::Logs(arguments) => watch::logs(arguments, json).await,
            TaskCommand::Status(arguments) => watch::status(arguments, json).await,
        }
    })
}

fn wait(work: impl Future<Output = Result<CommandOutput, Failure>>) -> Result<CommandOutput, Failure> {
    let mut threads = Builder::new_multi_thread();
    threads.worker_threads(2);
    begin::runtime(threads)?.block_on(work)
}

/// Where the owner's records are.
fn folder(flags: &ChainFlags) -> Result<PathBuf, Failure> {
    match &flags.owner_dir {
        Some(folder) => Ok(folder.clone()),
        None => folders::kept("owner", "--owner-dir", "where the owner's secrets are to be kept"),
    }
}

/// The owner that the flags name, connected.
async fn owner(flags: &OwnerFlags) -> Result<Owner, Failure> {
    let signer = keys::load(&flags.account)?;
    let chain = Chain::connect(&flags.chain.node).await?;
    Ok(Owner::new(chain, signer, &folder(&flags.chain)?)?)
}

/// HTTP with the certificates that the flags name.
fn http(flags: &HttpFlags) -> Result<Http, Failure> {
    Ok(Http::new(&files::certificates(&flags.ca)?)?)
}

/// A miner's account, from its address.
fn miner(address: &str) -> Result<Account, Failure> {
    match AccountId32::from_str(address) {
        Ok(account) => Ok(account.0),
        Err(_) => {
            let problem = format!("`{address}` is not an address; `cyborg task show` lists those of a task");
            Err(Failure::Usage { flag: "--miner", problem })
        }
    }
}
