//! `cyborg miner start`: the miner as a program of its own, until a signal ends it.
//!
//! What clients need goes to standard output as soon as the miner answers; the log goes to standard
//! error, as `RUST_LOG` says.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use cyborg_account::{Keypair, keys};
use cyborg_chain_client::Chain;
use cyborg_miner::operator::{record, register};
use cyborg_miner::{Config, Miner};
use cyborg_owner::locations;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::arguments::{Start, urls};
use super::folder::{self, Lock};
use super::settings::{self, Settings};
use super::{QUIET, connect, runtime};
use crate::begin;
use crate::error::Failure;
use crate::files;
use crate::report::CommandOutput;

/// Runs the command.
pub(super) fn run(arguments: &Start, json: bool) -> Result<CommandOutput, Failure> {
    let folder = folder::of(&arguments.home)?;
    begin::log(QUIET);
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        // From here on a signal ends the miner in order, even while it starts.
        let mut signals = Signals::new()?;
        let Some(running) = signals.or(Running::begin(arguments, &folder)).await else {
            return Ok(CommandOutput::default());
        };
        let Running { miner, endpoint, lock: _held } = running?;
        ready(&miner, &endpoint).print(json);
        signals.wait().await;
        // A second signal does not wait for connections that are still open.
        let _ = signals.or(miner.stop()).await;
        Ok(CommandOutput::default())
    });
    // A proof under way is not waited for: it is begun again.
    runtime.shutdown_background();
    ended
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|source| Failure::Io {
                file: "signals".to_owned(),
                action: "cannot be listened to",
                source,
            })
        };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// The result of some work; `None` if a signal comes first.
    async fn or<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.wait() => None,
        }
    }
}

/// A miner that runs, and its folder, which no other process uses.
struct Running {
    miner: Miner,
    endpoint: String,
    lock: Lock,
}

impl Running {
    async fn begin(arguments: &Start, folder: &Path) -> Result<Self, Failure> {
        let settings = with(Settings::read(folder)?, arguments)?;
        let mut lock = Lock::take(folder)?;
        let said = |source| Failure::io(folder, "cannot say who holds it", source);
        lock.say(None).map_err(said)?;
        let signer = settings.signer(folder)?;
        if !folder::has_vault(folder) {
            // Opening a missing vault would make it, under another key than the chain names.
            let again = format!("`cyborg miner init --dir {}`", folder.display());
            return Err(Failure::input(folder, format!("the vault is missing; {again} makes one")));
        }
        let unlock = settings.unlock.load()?;
        let key = cyborg_miner::public_key(folder, &unlock);
        let key = key.map_err(|error| Failure::Miner(error.to_string()))?;
        let roots = files::certificates(&settings.storage_ca)?;
        let storage = locations::storage(&settings.storage, &roots, &signer, None);
        let storage = storage.map_err(|error| Failure::Storage(error.to_string()))?;
        let listen = free_address(settings.listen)?;
        let endpoint =
            settings.endpoint_at(listen).map_err(|problem| Failure::Usage { flag: "--endpoint", problem })?;
        let chain = connect(&settings.node, Duration::from_secs(arguments.patience)).await?;
        tell_endpoint(&chain, &signer, key.0, &endpoint, folder).await?;
        drop(chain);
        let mut config = Config::new(folder, unlock, signer, storage);
        config.chain.clone_from(&settings.node);
        config.listen = listen;
        config.tls = settings.tls.as_ref().map(settings::TlsFiles::pair);
        let miner = Miner::start(config).await.map_err(|error| Failure::Miner(error.to_string()))?;
        lock.say(Some(miner.address())).map_err(said)?;
        Ok(Self { miner, endpoint, lock })
    }
}

/// The settings, overridden by the flags.
fn with(settings: Settings, arguments: &Start) -> Result<Settings, Failure> {
    let mut settings = settings;
    if let Some(node) = &arguments.home.node {
        settings.node.clone_from(node);
    }
    if let Some(listen) = arguments.listen {
        settings.listen = listen;
    }
    if let Some(endpoint) = &arguments.endpoint {
        settings.endpoint = Some(endpoint.clone());
    }
    let storage = urls(&arguments.storage);
    if !storage.is_empty() {
        settings.storage = storage;
    }
    if !arguments.ca.is_empty() {
        settings.storage_ca =
            arguments.ca.iter().map(|path| folder::absolute(path)).collect::<Result<_, _>>()?;
    }
    settings.check().map_err(Failure::Miner)?;
    Ok(settings)
}

/// An address that is free now. Port 0 becomes a free port, so that the endpoint is known before the
/// miner starts.
fn free_address(listen: SocketAddr) -> Result<SocketAddr, Failure> {
    let failed = |error| Failure::Miner(format!("cannot listen at {listen}: {error}"));
    TcpListener::bind(listen).and_then(|listener| listener.local_addr()).map_err(failed)
}

/// Updates the endpoint on the chain if it differs. This is done before the miner starts: from then on
/// its transactions go through its queue alone.
async fn tell_endpoint(
    chain: &Chain,
    signer: &Keypair,
    key: [u8; 32],
    endpoint: &str,
    folder: &Path,
) -> Result<(), Failure> {
    let account = keys::account(signer);
    let address = record::address(&account);
    let found = record::record(&chain.at_finalised().await?, &account).await?;
    let Some(record) = register::compare(&address, found, Some(key))? else {
        return Err(register::no_miner(&address, folder).into());
    };
    if record.endpoint == endpoint {
        return Ok(());
    }
    tracing::info!(from = record.endpoint, to = endpoint, "the endpoint on chain is updated");
    match register::update_endpoint(chain, signer, endpoint).await {
        Ok(block) => tracing::info!(block, "the endpoint is updated"),
        // It can do what it owes to its tasks all the same.
        Err(error) => tracing::error!(%error, "clients do not find this miner: its endpoint is not updated"),
    }
    Ok(())
}

fn ready(miner: &Miner, endpoint: &str) -> CommandOutput {
    let (address, account) = (miner.address().to_string(), record::address(&miner.account()));
    let mut report = CommandOutput::default();
    report.field("address", address.as_str(), "listens at", &address);
    report.field("miner", account.as_str(), "miner", &account);
    report.field("endpoint", endpoint, "endpoint", endpoint);
    report.line("Ctrl-C ends the miner.");
    report
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_said() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let problem = free_address(address).unwrap_err().to_string();
        assert!(problem.contains(&address.to_string()), "{problem}");
        let free = free_address("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(free.port(), 0);
    }
}
