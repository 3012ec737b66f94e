//! `cyborg miner doctor`: looks at everything that a miner needs, says what is wrong and what to do.
//!
//! | module | content |
//! |---|---|
//! | `bundle` | the archive for people who help, without secrets |
//!
//! It changes nothing except for a file that it writes and removes to see whether the disk can be
//! written. Independent questions are asked at the same time.

mod bundle;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cyborg_account::keys;
use cyborg_chain_client::{Chain, ChainError};
use cyborg_miner::meter::Sources;
use cyborg_miner::operator::check::{self, Check, Outcome, Reached, Running, Watched};
use cyborg_miner::operator::machine;
use cyborg_miner::operator::record::{self, Snapshot};
use cyborg_miner::view;
use cyborg_owner::locations;
use cyborg_primitives::Account;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::arguments::Doctor;
use super::folder::{self, Held};
use super::process::{self, Trust};
use super::settings::{Settings, UnlockBy};
use super::status::Process;
use super::{connect, counted, runtime};
use crate::error::Failure;
use crate::files::{self, Output, Secrecy};
use crate::report::CommandOutput;

/// Minimum and maximum time for which finalised blocks are watched.
const WATCH: Duration = Duration::from_secs(2);
const LONGEST_WATCH: Duration = Duration::from_secs(30);
/// How long a place may take to answer.
const STORAGE_PATIENCE: Duration = Duration::from_secs(10);
/// Bytes that are written to see whether the disk can be written.
const PROBE_BYTES: usize = 64 << 10;

/// Runs the command. The findings are printed here: if there is a problem, the command fails as well.
pub(super) fn run(arguments: &Doctor, json: bool) -> Result<CommandOutput, Failure> {
    let folder = folder::of(&arguments.home)?;
    let output = arguments.bundle.as_deref().map(|path| Output::new(path, Secrecy::Secret)).transpose()?;
    let sources = Sources::default();
    let examined = runtime()?.block_on(examine(&folder, arguments.home.node.as_deref(), &sources));
    if let Some(output) = &output {
        bundle::write(output, &bundle::entries(&examined, &sources))?;
    }
    let mut report = report(&examined.checks);
    if let Some(output) = &output {
        let path = output.path().display().to_string();
        report.json("bundle", path.as_str());
        report.line(format!("{:<22} {path}", "bundle, no secrets"));
    }
    report.print(json);
    let of = |check: &&Check| check.outcome == Outcome::Problem;
    let names: Vec<&str> = examined.checks.iter().filter(of).map(|check| check.name).collect();
    if names.is_empty() { Ok(CommandOutput::default()) } else { Err(Failure::Problems(names.join(", "))) }
}

fn report(checks: &[Check]) -> CommandOutput {
    let mut report = CommandOutput::default();
    checks.iter().flat_map(Check::lines).for_each(|line| {
        report.line(line);
    });
    let count = |outcome| checks.iter().filter(|check| check.outcome == outcome).count();
    let (problems, warnings) = (count(Outcome::Problem), count(Outcome::Warning));
    report.json("checks", checks.iter().map(Check::json).collect::<Value>());
    report.json("problems", problems).json("warnings", warnings);
    report.line("");
    report.line(match (problems, warnings) {
        (0, 0) => "all is well".to_owned(),
        (problems, warnings) => {
            format!("{}, {}", counted(problems as u64, "problem"), counted(warnings as u64, "warning"))
        }
    });
    report
}

/// What was found.
#[derive(Default)]
struct Examined {
    checks: Vec<Check>,
    settings: Option<Settings>,
    /// The node that was asked.
    node: Option<String>,
    snapshot: Option<Snapshot>,
    /// The chain's record, undigested.
    record: Option<Value>,
    process: Option<Process>,
    /// What the process says, by the bundle's file for it.
    pages: Vec<(&'static str, String)>,
}

/// Looks at everything.
async fn examine(folder: &Path, node: Option<&str>, sources: &Sources) -> Examined {
    let mut found = Examined { checks: vec![folder_is_private(folder)], ..Examined::default() };
    let settings = match Settings::find(folder) {
        Ok(Some(settings)) => settings,
        Ok(None) => {
            let finding = format!("{} is missing: there is no miner here", Settings::path(folder).display());
            let remedy = format!("`cyborg miner init --dir {}` makes one", folder.display());
            found.checks.push(Check::problem("settings", finding, remedy));
            return found;
        }
        Err(error) => {
            let remedy = "put it right, or remove it: `cyborg miner init` writes it anew";
            found.checks.push(Check::problem("settings", error.to_string(), remedy));
            return found;
        }
    };
    found.checks.push(settings_are_private(folder));
    let (own, unlocked) = unlocks(folder, &settings);
    found.checks.push(unlocked);
    found.checks.push(account_is_there(&settings));
    if let Some(tls) = &settings.tls {
        found.checks.push(certificate(tls));
    }

    let node = node.unwrap_or(&settings.node).to_owned();
    let asked = ask_chain(&node, &settings);
    let roots = files::certificates(&settings.storage_ca).unwrap_or_else(|error| {
        let remedy = "name certificates that can be read: `cyborg miner init --ca FILE`";
        found.checks.push(Check::problem("certificates", error.to_string(), remedy));
        Vec::new()
    });
    let (chain, storage, process) =
        tokio::join!(asked, ask_storage(&settings.storage, roots), Process::find(folder, &settings));
    let (snapshot, watched, as_json) = match chain {
        Ok((snapshot, watched, as_json)) => (Some(snapshot), watched, Some(as_json)),
        Err(error) => {
            found.checks.push(chain_is_away(&error, &node));
            (None, None, None)
        }
    };
    if let Some(snapshot) = &snapshot {
        let version = snapshot.spec_version;
        let finding = format!("{node} answers, runtime {version}, block {}", snapshot.block);
        found.checks.push(Check::ok("chain", finding));
    }
    if let Some(watched) = &watched {
        found.checks.push(check::blocks(watched));
        found.checks.push(check::clock(watched));
    }
    let dir = folder.display().to_string();
    let miner = folder::account(&settings.address).unwrap_or_default();
    let running = running(settings.listen, &process, &miner);
    if let Some(snapshot) = &snapshot {
        standing(&mut found.checks, &settings, snapshot, &dir, own, &running);
    }
    let head = watched.map(|watched| watched.block).or(snapshot.as_ref().map(|snapshot| snapshot.block));
    found.checks.push(check::process(&running, &dir, head));
    if let Some(record) = snapshot.as_ref().and_then(|snapshot| snapshot.record.as_ref()) {
        let expected = expected_endpoint(&settings, &process);
        let reached = match running {
            Running::Answers { .. } => Some(reach(&record.endpoint, &miner).await),
            _ => None,
        };
        found.checks.push(check::endpoint(&record.endpoint, expected.as_deref(), reached.as_ref()));
    }
    found.checks.push(check::storage(&storage));
    let recorded = snapshot.as_ref().and_then(|snapshot| snapshot.record.as_ref());
    let offered = recorded.map_or(settings.declared.memory_mib, |record| record.capacity.memory_mib);
    found.checks.push(check::memory(offered, machine::memory(sources)));
    found.checks.push(disk(folder, offered));
    found.checks.push(check::power(
        machine::power(sources),
        &machine::energy_sources(sources),
        machine::energy_is_locked(sources),
    ));
    if process.answers(&miner).is_some() {
        for (page, file) in [("health", "health.json"), ("metrics", "metrics.txt")] {
            let text = process::page(&process.url, page, Trust::ThisMachine).await;
            found.pages.extend(text.map(|text| (file, text)));
        }
    }
    Examined {
        checks: found.checks,
        settings: Some(settings),
        node: Some(node),
        snapshot,
        record: as_json,
        process: Some(process),
        pages: found.pages,
    }
}

fn folder_is_private(folder: &Path) -> Check {
    let (name, dir) = ("folder", folder.display());
    match folder::mode(folder) {
        Ok(mode) if mode & 0o077 == 0 => Check::ok(name, format!("{dir}, mode {mode:o}")),
        Ok(mode) => Check::problem(
            name,
            format!("others may read {dir} (mode {mode:o})"),
            format!("`chmod 700 {dir}`"),
        ),
        Err(error) => Check::problem(
            name,
            format!("{dir}: {error}"),
            format!("is the disk there? `cyborg miner init --dir {dir}` makes a miner"),
        ),
    }
}

fn settings_are_private(folder: &Path) -> Check {
    let path = Settings::path(folder);
    match folder::mode(&path) {
        Ok(mode) if mode & 0o077 != 0 => Check::warning(
            "settings",
            format!("others may read {} (mode {mode:o})", path.display()),
            format!("`chmod 600 {}`", path.display()),
        ),
        _ => Check::ok("settings", path.display().to_string()),
    }
}

/// Whether the vault opens, and the key that owners encrypt to.
fn unlocks(folder: &Path, settings: &Settings) -> (Option<[u8; 32]>, Check) {
    let path = settings.unlock.path().display();
    let problem = |finding: String| {
        let remedy = match &settings.unlock {
            UnlockBy::KeyFile(_) => format!("bring back {path} as `cyborg miner init` made it, mode 600"),
            UnlockBy::PassphraseFile(_) => format!("put the miner's passphrase into {path}, mode 600"),
        };
        (None, Check::problem("unlock", finding, remedy))
    };
    if !folder::has_vault(folder) {
        let remedy = format!("`cyborg miner init --dir {}` makes one, or goes on", folder.display());
        return (None, Check::problem("unlock", "there is no vault", remedy));
    }
    let unlock = match settings.unlock.load() {
        Ok(unlock) => unlock,
        Err(error) => return problem(error.to_string()),
    };
    match cyborg_miner::public_key(folder, &unlock) {
        Ok(key) => (Some(key.0), Check::ok("unlock", format!("{path} opens the vault"))),
        Err(error) => problem(error.to_string()),
    }
}

/// Whether the account's key can be read, and is the miner's.
fn account_is_there(settings: &Settings) -> Check {
    let (name, key) = ("account", &settings.account);
    let remedy = "name the right key in miner.json, and keep it readable by you alone";
    match keys::load(key) {
        Ok(found) => {
            let address = record::address(&keys::account(&found));
            if address == settings.address {
                Check::ok(name, format!("{address}, key {key}"))
            } else {
                let finding = format!("the key {key} is that of {address}, not of {}", settings.address);
                Check::problem(name, finding, remedy)
            }
        }
        Err(error) => Check::problem(name, error.to_string(), remedy),
    }
}

fn certificate(tls: &super::settings::TlsFiles) -> Check {
    let (name, key) = ("certificate", tls.key.display());
    if let Err(error) = tls.pair().acceptor() {
        return Check::problem(name, error.to_string(), "name a certificate chain and its key, both PEM");
    }
    match folder::mode(&tls.key) {
        Ok(mode) if mode & 0o077 != 0 => Check::warning(
            name,
            format!("others may read its key {key} (mode {mode:o})"),
            format!("`chmod 600 {key}`"),
        ),
        _ => Check::ok(name, tls.certificate.display().to_string()),
    }
}

fn disk(folder: &Path, offered_mib: u32) -> Check {
    match machine::free_bytes(folder) {
        Ok(free) => {
            let written = machine::write_and_sync(folder, PROBE_BYTES);
            check::disk(free, written.map(drop).map_err(|error| error.to_string()), offered_mib)
        }
        Err(error) => Check::problem("disk", error.to_string(), "is the disk there?"),
    }
}

/// What the chain says, and how its blocks come.
async fn ask_chain(
    node: &str,
    settings: &Settings,
) -> Result<(Snapshot, Option<Watched>, Value), ChainError> {
    let chain = connect(node, Duration::ZERO).await?;
    let miner = folder::account(&settings.address).unwrap_or_default();
    let watched = watch(&chain).await.ok();
    let snapshot = record::snapshot(&chain, &miner).await?;
    let as_json = record::as_json(&chain, &miner).await?;
    Ok((snapshot, watched, as_json))
}

/// Watches finalised blocks until their rhythm is known.
async fn watch(chain: &Chain) -> Result<Watched, ChainError> {
    let begun = Instant::now();
    let mut follow = chain.follow(None).await?;
    let mut last = chain.at_finalised().await?;
    let mut chain_ms = view::now(&last).await?;
    let mut local_ms = local_ms();
    let (mut first, mut came, mut interval_ms) = (None, 0, None);
    while interval_ms.is_none() || begun.elapsed() < WATCH {
        let left = LONGEST_WATCH.saturating_sub(begun.elapsed());
        let Ok(block) = timeout(left, follow.next()).await else { break };
        last = block?;
        came += 1;
        let now = Instant::now();
        (chain_ms, local_ms) = (view::now(&last).await?, self::local_ms());
        let (number, at) = *first.get_or_insert((last.block_number(), now));
        // Blocks that became final together say nothing about their rhythm.
        let since = last.block_number().saturating_sub(number);
        let took = u64::try_from(now.duration_since(at).as_millis()).unwrap_or(u64::MAX);
        if took >= 20 {
            interval_ms = took.checked_div(since);
        }
    }
    Ok(Watched {
        block: last.block_number(),
        chain_ms,
        local_ms,
        interval_ms,
        came,
        watched_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// This machine's clock.
fn local_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

fn chain_is_away(error: &ChainError, node: &str) -> Check {
    let remedy = match error {
        ChainError::Unreachable { .. } => {
            format!("start the node, or name another: --node URL, {node} is set")
        }
        ChainError::RuntimeMismatch { .. } => "install the program of the chain's version".to_owned(),
        ChainError::ForeignChain { .. } => "name a node of Cyborg's chain: --node URL".to_owned(),
        _ => "look at the node's log".to_owned(),
    };
    Check::problem("chain", error.to_string(), remedy)
}

/// Asks every place whether models can be read there: its name, and what is wrong.
async fn ask_storage(names: &[String], roots: Vec<Vec<u8>>) -> Vec<(String, Option<String>)> {
    let mut asked = JoinSet::new();
    let roots = Arc::new(roots);
    for (index, name) in names.iter().cloned().enumerate() {
        let roots = roots.clone();
        asked.spawn(async move {
            let problem = match timeout(STORAGE_PATIENCE, locations::ask(&name, &roots)).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("no answer within {} s", STORAGE_PATIENCE.as_secs())),
            };
            (index, (name, problem))
        });
    }
    let mut answers: Vec<_> = asked.join_all().await;
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// How the miner stands on the chain.
fn standing(
    checks: &mut Vec<Check>,
    settings: &Settings,
    snapshot: &Snapshot,
    dir: &str,
    own: Option<[u8; 32]>,
    running: &Running,
) {
    let record = snapshot.record.as_ref();
    checks.push(check::registered(&settings.address, dir, record, own));
    if let Some(record) = record {
        checks.push(check::bond(record.bond, snapshot.minimum_bond, dir));
        checks.push(check::reputation(record.reputation));
        let runs = matches!(running, Running::Answers { .. } | Running::Silent { .. } | Running::Starting);
        checks.push(check::heartbeat(record, snapshot.now, snapshot.heartbeat_timeout, runs));
    }
    checks.push(check::money(&settings.address, snapshot.free));
}

fn running(listen: SocketAddr, process: &Process, miner: &Account) -> Running {
    let url = process.url.clone();
    match (&process.held, process.answers(miner), &process.health) {
        (Held::By(_), Some(health), _) => Running::Answers { url, block: health.block },
        (Held::Free, Some(_), _) => Running::Elsewhere { url },
        (Held::By(Some(holder)), None, health) if holder.address.is_some() => {
            let problem = match health {
                Ok(health) => format!("another miner, {}, answers", health.miner.escape_debug()),
                Err(problem) => problem.clone(),
            };
            Running::Silent { url, problem }
        }
        (Held::By(_), None, _) => Running::Starting,
        (Held::Free, None, _) => match TcpListener::bind(listen) {
            Ok(_) => Running::Down,
            Err(_) => Running::Taken { listen: listen.to_string() },
        },
    }
}

/// Where clients should find the miner: by its settings, and by where it listens if it does.
fn expected_endpoint(settings: &Settings, process: &Process) -> Option<String> {
    let listens = match &process.held {
        Held::By(Some(holder)) => holder.address,
        _ => None,
    };
    settings.endpoint_at(listens.unwrap_or(settings.listen)).ok()
}

/// Asks the miner as a client would: by the endpoint that the chain names.
async fn reach(endpoint: &str, miner: &Account) -> Reached {
    let own = |health: &process::Health| health.miner == format!("0x{}", hex::encode(miner));
    let problem = match process::health(endpoint, Trust::Everybody).await {
        Ok(health) if own(&health) => return Reached::Yes,
        Ok(_) => return Reached::Other,
        Err(problem) => problem,
    };
    // Is it only the certificate?
    match process::health(endpoint, Trust::ThisMachine).await {
        Ok(health) if own(&health) => Reached::Distrusted(problem),
        Ok(_) => Reached::Other,
        Err(_) => Reached::No(problem),
    }
}

#[cfg(test)]
mod tests;
