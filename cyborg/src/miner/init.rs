//! `cyborg miner init`: from an account to a registered miner.
//!
//! Keys first, then measurements, then the settings, then the chain: each step leaves something behind
//! that the next attempt finds, so that the same command continues after any interruption. On a
//! registered miner it changes nothing.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cyborg_account::{Keypair, keys};
use cyborg_chain_client::{Chain, DEFAULT_URL};
use cyborg_disk::vault::make_key_file;
use cyborg_miner::StartError;
use cyborg_miner::meter::Sources;
use cyborg_miner::operator::machine;
use cyborg_miner::operator::measure::Measured;
use cyborg_miner::operator::record::{self, Record};
use cyborg_miner::operator::register::{self, Declaration};
use cyborg_primitives::place::Location;

use super::arguments::{Init, urls};
use super::folder::{self, Lock};
use super::settings::{self, Declared, Settings, TlsFiles, UnlockBy};
use super::{connect, measure, runtime};
use crate::error::Failure;
use crate::files;
use crate::place;
use crate::report::CommandOutput;
use cyborg_primitives::money::Cyb;

/// Defaults: where a miner listens, what it asks and stakes.
const LISTEN: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 9800));
const PRICE: Cyb = Cyb(10_000_000_000_000);
const BOND: Cyb = Cyb(1_000_000_000_000_000);

/// Runs the command.
pub(super) fn run(arguments: &Init) -> Result<CommandOutput, Failure> {
    let folder = folder::of(&arguments.home)?;
    let sources = Sources::default();
    if arguments.measure_only {
        let mut report = CommandOutput::default();
        measure::show(&mut report, &measure::everything(&folder, &sources)?);
        return Ok(report);
    }
    let saved = Settings::find(&folder)?;
    let wanted = Wanted::new(arguments, saved.as_ref(), &folder, &sources)?;
    let signer = keys::load(&wanted.account)?;
    runtime()?.block_on(wanted.carry_out(&folder, &sources, saved, &signer))
}

/// What the miner is to be, checked.
#[derive(Debug)]
struct Wanted {
    account: String,
    node: String,
    storage: Vec<String>,
    storage_ca: Vec<PathBuf>,
    listen: SocketAddr,
    endpoint: Option<String>,
    /// What the chain is told.
    declared_endpoint: String,
    unlock: UnlockBy,
    tls: Option<TlsFiles>,
    location: Location,
    memory_mib: u32,
    price: Cyb,
    bond: Cyb,
}

impl Wanted {
    /// The plan from flags, then from settings that an interruption has left, then from defaults.
    fn new(
        arguments: &Init,
        saved: Option<&Settings>,
        folder: &Path,
        sources: &Sources,
    ) -> Result<Self, Failure> {
        let declared = saved.map(|saved| &saved.declared);
        let usage = |flag| move |problem: String| Failure::Usage { flag, problem };
        let account = match (&arguments.account, saved) {
            (Some(name), _) => key_name(name)?,
            (None, Some(saved)) => saved.account.clone(),
            (None, None) => {
                let problem =
                    "which account becomes the miner? `cyborg account new --out miner.key` makes one";
                return Err(Failure::Usage { flag: "--account", problem: problem.to_owned() });
            }
        };
        let node = (arguments.home.node.clone())
            .or_else(|| saved.map(|saved| saved.node.clone()))
            .unwrap_or_else(|| DEFAULT_URL.to_owned());
        settings::node_url(&node).map_err(usage("--node"))?;
        let storage = match (urls(&arguments.storage), saved) {
            (urls, Some(saved)) if urls.is_empty() => saved.storage.clone(),
            (urls, _) => urls,
        };
        settings::check_storage(&storage).map_err(usage("--storage"))?;
        let storage_ca = match (&arguments.ca[..], saved) {
            ([], Some(saved)) => saved.storage_ca.clone(),
            (given, _) => given.iter().map(|path| folder::absolute(path)).collect::<Result<_, _>>()?,
        };
        files::certificates(&storage_ca)?;
        let listen = arguments.listen.or(saved.map(|saved| saved.listen)).unwrap_or(LISTEN);
        let tls = match (&arguments.tls_certificate, &arguments.tls_key) {
            (Some(certificate), Some(key)) => {
                Some(TlsFiles { certificate: folder::absolute(certificate)?, key: folder::absolute(key)? })
            }
            _ => saved.and_then(|saved| saved.tls.clone()),
        };
        if let Some(tls) = &tls {
            tls.pair().acceptor().map_err(|error| Failure::Miner(error.to_string()))?;
        }
        let endpoint = arguments.endpoint.clone().or_else(|| saved.and_then(|saved| saved.endpoint.clone()));
        let declared_endpoint = match &endpoint {
            Some(endpoint) => endpoint.clone(),
            None => settings::endpoint_of(listen, tls.is_some()).map_err(usage("--endpoint"))?,
        };
        settings::check_endpoint(&declared_endpoint).map_err(usage("--endpoint"))?;
        let missing = |flag, problem: &str| Failure::Usage { flag, problem: problem.to_owned() };
        let region = match (arguments.region, declared) {
            (Some(region), _) => region,
            (None, Some(declared)) => declared.region().map_err(usage("--region"))?,
            (None, None) => return Err(missing("--region", "whose law holds where this machine is?")),
        };
        let cell = match (arguments.at, declared) {
            (Some(cell), _) => cell,
            (None, Some(declared)) => declared.cell(),
            (None, None) => return Err(missing("--at", "where is this machine? Such as --at 52.52,13.40")),
        };
        let price = match (arguments.price, declared) {
            (None, Some(declared)) => declared.price().map_err(usage("--price"))?,
            (price, _) => price.unwrap_or(PRICE),
        };
        let bond = match (arguments.bond, declared) {
            (None, Some(declared)) => declared.bond().map_err(usage("--bond"))?,
            (bond, _) => bond.unwrap_or(BOND),
        };
        let memory_mib = match (arguments.memory, declared) {
            (None, Some(declared)) => declared.memory_mib,
            (wanted, _) => memory_mib(wanted, machine::memory(sources).map(|memory| memory.total))
                .map_err(usage("--memory"))?,
        };
        Ok(Self {
            account,
            node,
            storage,
            storage_ca,
            listen,
            endpoint,
            declared_endpoint,
            unlock: unlock_by(arguments, saved, folder)?,
            tls,
            location: Location { region, cell },
            memory_mib,
            price,
            bond,
        })
    }

    async fn carry_out(
        self,
        folder: &Path,
        sources: &Sources,
        saved: Option<Settings>,
        signer: &Keypair,
    ) -> Result<CommandOutput, Failure> {
        let account = keys::account(signer);
        let address = record::address(&account);
        let chain = connect(&self.node, Duration::ZERO).await?;
        let found = record::snapshot(&chain, &account).await?;
        let own = own_key(folder, &self.unlock)?;
        if let Some(record) = register::compare(&address, found.record.clone(), own)?
            && let Some(saved) = &saved
        {
            return Ok(report(folder, &address, saved, &record, State::Unchanged));
        }
        if found.record.is_none() {
            register::check_money(&address, found.free, self.bond, found.minimum_bond)?;
            self.check_other_account(&chain, &address, saved.as_ref(), own).await?;
        }

        folder::make(folder)?;
        let _lock = Lock::take(folder)?;
        let key = match own {
            Some(key) => key,
            None => make_keys(folder, &self.unlock)?,
        };
        // What an interrupted attempt has measured is still true.
        let measured = match saved {
            Some(saved) => saved.measured,
            None => measure::everything(folder, sources)?,
        };
        let settings = self.settings(&address, measured);
        settings.check().map_err(Failure::Miner)?;
        settings.write(folder)?;
        let (record, state) = match found.record {
            Some(record) => (record, State::Restored),
            None => {
                let done = register::register(&chain, signer, &self.declaration(key, &settings)).await?;
                (done.record, done.block.map_or(State::Unchanged, State::Registered))
            }
        };
        Ok(report(folder, &address, &settings, &record, state))
    }

    /// One folder belongs to one miner: its key serves no second account.
    async fn check_other_account(
        &self,
        chain: &Chain,
        address: &str,
        saved: Option<&Settings>,
        own: Option<[u8; 32]>,
    ) -> Result<(), Failure> {
        let Some(saved) = saved.filter(|saved| saved.address != address) else { return Ok(()) };
        let other = folder::account(&saved.address).map_err(Failure::Miner)?;
        let registered = record::record(&chain.at_finalised().await?, &other).await?;
        if registered.is_some_and(|record| Some(record.key) == own) {
            let problem =
                format!("this folder is the miner {}; another account needs its own", saved.address);
            return Err(Failure::Usage { flag: "--account", problem });
        }
        Ok(())
    }

    fn settings(&self, address: &str, measured: Measured) -> Settings {
        Settings {
            version: settings::VERSION,
            account: self.account.clone(),
            address: address.to_owned(),
            node: self.node.clone(),
            storage: self.storage.clone(),
            storage_ca: self.storage_ca.clone(),
            listen: self.listen,
            endpoint: self.endpoint.clone(),
            unlock: self.unlock.clone(),
            tls: self.tls.clone(),
            declared: Declared::new(self.location, self.memory_mib, self.price, self.bond),
            measured,
        }
    }

    fn declaration(&self, key: [u8; 32], settings: &Settings) -> Declaration {
        Declaration {
            key,
            endpoint: self.declared_endpoint.clone(),
            location: self.location,
            memory_mib: self.memory_mib,
            macs_per_second: settings.measured.macs_per_second,
            price: self.price,
            bond: self.bond,
        }
    }
}

/// The outcome of the command.
#[derive(Clone, Copy)]
enum State {
    /// The account was registered in this block.
    Registered(u64),
    /// The account was registered before.
    Unchanged,
    /// The account was registered before; the settings were missing.
    Restored,
}

/// What the miner is now, as the chain has it.
fn report(folder: &Path, address: &str, settings: &Settings, record: &Record, state: State) -> CommandOutput {
    let mut report = CommandOutput::default();
    report.field("miner", address, "miner", address);
    let (block, shown) = match state {
        State::Registered(block) => (Some(block), format!("registered in block {block}")),
        State::Unchanged => (None, "registered already; nothing was changed".to_owned()),
        State::Restored => (None, "registered already; its settings were written anew".to_owned()),
    };
    report.json("already_registered", block.is_none()).json("block", block);
    report.line(format!("{:<24} {shown}", "state"));
    report.field("dir", folder.display().to_string(), "folder", folder.display());
    let key = format!("0x{}", hex::encode(record.key));
    report.field("key", key.as_str(), "key for owners", &key);
    // Words of another program may be in the record; they must not instruct a terminal.
    report.field("endpoint", record.endpoint.as_str(), "endpoint", record.endpoint.escape_debug());
    let region = String::from_utf8_lossy(&record.location.region.0).into_owned();
    let at = place::shown(record.location.cell);
    report.field("region", region.as_str(), "place", format!("{region}, cell {at}"));
    report.json("cell", at);
    report.field("price", record.price.to_string(), "price per hour", Cyb(record.price));
    report.field("bond", record.bond.to_string(), "bond", Cyb(record.bond));
    let offered = record.capacity.memory_mib;
    report.field("memory_mib", offered, "memory offered", format!("{offered} MiB"));
    measure::show(&mut report, &settings.measured);
    report.line(format!("Start it with `cyborg miner start --dir {}`.", folder.display()));
    report
}

/// The name of a key in settings: independent of the working directory. A key file comes before a key of
/// the keyring, as when it is loaded.
fn key_name(name: &str) -> Result<String, Failure> {
    let path = Path::new(name);
    if name.starts_with("//") || !(path.exists() || name.contains(std::path::MAIN_SEPARATOR)) {
        return Ok(name.to_owned());
    }
    let absolute = folder::absolute(path)?;
    absolute.to_str().map(str::to_owned).ok_or_else(|| Failure::input(path, "its path is not UTF-8"))
}

/// What unlocks the vault: by the flags, then by the settings, else a key file in the folder.
fn unlock_by(arguments: &Init, saved: Option<&Settings>, folder: &Path) -> Result<UnlockBy, Failure> {
    Ok(match (&arguments.unlock, &arguments.passphrase_file, saved) {
        (Some(path), _, _) => UnlockBy::KeyFile(folder::absolute(path)?),
        (None, Some(path), _) => UnlockBy::PassphraseFile(folder::absolute(path)?),
        (None, None, Some(saved)) => saved.unlock.clone(),
        (None, None, None) => UnlockBy::KeyFile(folder.join(folder::UNLOCK)),
    })
}

/// Memory that is offered: what is asked for, else half of the machine's.
pub(super) fn memory_mib(wanted: Option<u64>, total: Option<u64>) -> Result<u32, String> {
    let bytes = match (wanted, total) {
        (Some(wanted), Some(total)) if wanted > total => {
            return Err(format!("this machine has {} MiB", total >> 20));
        }
        (Some(wanted), _) => wanted,
        (None, Some(total)) => total / 2,
        (None, None) => {
            return Err("how much is there cannot be read here: say how much is offered".to_owned());
        }
    };
    let mib = u32::try_from(bytes >> 20).map_err(|_| "more than can be declared".to_owned())?;
    if mib == 0 { Err("at least 1 MiB".to_owned()) } else { Ok(mib) }
}

/// The key that the folder has for owners; `None` if it has none yet.
fn own_key(folder: &Path, unlock: &UnlockBy) -> Result<Option<[u8; 32]>, Failure> {
    // Opening a missing vault would make it.
    if !folder::has_vault(folder) {
        return Ok(None);
    }
    match cyborg_miner::public_key(folder, &unlock.load()?) {
        Ok(key) => Ok(Some(key.0)),
        Err(StartError::NoMiner(_)) => Ok(None),
        Err(error) => Err(Failure::Miner(error.to_string())),
    }
}

/// Makes what unlocks the folder, if it is missing, and the key for owners.
fn make_keys(folder: &Path, unlock: &UnlockBy) -> Result<[u8; 32], Failure> {
    if let UnlockBy::KeyFile(path) = unlock
        && !folder::exists(path)?
    {
        if folder::has_vault(folder) {
            return Err(Failure::input(
                path,
                "it is missing, and nothing else unlocks what this folder keeps",
            ));
        }
        make_key_file(path).map_err(|error| key_file_failed(path, &error))?;
    }
    let made = cyborg_miner::init(folder, &unlock.load()?);
    made.map(|key| key.0).map_err(|error| Failure::Miner(error.to_string()))
}

fn key_file_failed(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    let place = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    if place.is_dir() {
        return Failure::input(path, format!("the key file cannot be made: {error}"));
    }
    Failure::input(path, format!("there is no folder {}; is the disk there?", place.display()))
}

#[cfg(test)]
mod tests;
