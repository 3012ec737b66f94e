//! Measures a node of the chain from outside: `cyborg node --dev` in a process of its own, everything over
//! its JSON-RPC. See `--help`.
//!
//! | module | content |
//! |---|---|
//! | `node` | the process, and its folder's size |
//! | `session` | connections: transactions, blocks on demand, what they were charged |
//! | `people` | keys, and transactions signed before they are sent |
//! | `market` | an owner, miners, models and tasks |
//! | `proofs` | blocks full of proofs against their weight |
//! | `scale` | submission and assignment among many miners |
//! | `rates` | sustained heartbeats and reports |
//! | `growth` | the database after many tasks |
//! | `report` | Markdown tables and the JSON document |

mod growth;
mod market;
mod node;
mod people;
mod proofs;
mod rates;
mod report;
mod scale;
mod session;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, ensure};
use clap::{Parser, ValueEnum};
use cyborg_primitives::task::ProofPolicy;
use zkml_testkit::data::digits;

use self::market::{Fleet, MAX_REPLICAS, Market, Wanted, spec};
use self::node::NodeSetup;
use self::report::Measurements;
use self::session::Session;

/// Miners of the measurement of growth: each takes at most 64 tasks.
const MINERS_OF_GROWTH: u32 = 128;
/// Tasks whose miners report, each with sixteen.
const REPORTED_TASKS: u32 = 200;
/// Block times that rates are measured at.
const BLOCK_TIMES_MS: [u64; 2] = [1_000, 6_000];
/// Periods that are reported at each block time.
const PERIODS: u32 = 3;

/// Measures a node of the chain over its RPC: proofs in a block, calls among many miners, sustained
/// rates, and the growth of its database.
///
/// Each measurement starts a node of its own in a temporary folder. Leave the machine otherwise idle;
/// all of it takes about a quarter of an hour.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:
  cargo build --release -p cyborg && cargo run --release -p cyborg-bench --bin cyborg-bench-chain"
)]
struct Arguments {
    /// The program to measure [default: the one beside this program]
    #[arg(long, value_name = "PATH")]
    cyborg: Option<PathBuf>,
    /// Only these measurements; may be given several times
    #[arg(long, value_name = "PART")]
    only: Vec<Measurement>,
    /// Registered miners
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=40_000))]
    miners: u32,
    /// Heartbeats of each miner at each block time
    #[arg(long, value_name = "N", default_value_t = 3)]
    heartbeats: usize,
    /// Tasks that the database grows by
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    tasks: usize,
    /// Write every figure here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Folder for the nodes [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measurement {
    /// Blocks full of proofs
    Proofs,
    /// Calls among many miners, and sustained rates
    Market,
    /// The database after many tasks
    Growth,
}

/// Runs the program.
#[tokio::main]
pub async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: &Arguments) -> Result<()> {
    let cyborg = crate::program::locate(arguments.cyborg.as_deref())?;
    let temporary = tempfile::tempdir().context("a temporary folder")?;
    let work = arguments.work.as_deref().unwrap_or(temporary.path());
    let cache = work.join("cache");
    fs::create_dir_all(&cache).with_context(|| format!("making {}", cache.display()))?;

    let mut report = Measurements::of_this_machine();
    let outcome = measure(arguments, &cyborg, work, &cache, &mut report).await;
    // What was measured before something failed is worth its time.
    std::io::stdout().write_all(report.markdown().as_bytes()).context("writing the report")?;
    if let Some(path) = &arguments.json {
        write_json(path, &report)?;
    }
    outcome
}

async fn measure(
    arguments: &Arguments,
    cyborg: &Path,
    work: &Path,
    cache: &Path,
    report: &mut Measurements,
) -> Result<()> {
    let wanted = |part| arguments.only.is_empty() || arguments.only.contains(&part);
    let folder = |name: &str| -> Result<PathBuf> {
        let folder = work.join(name);
        ensure!(!folder.exists(), "{} exists: measurements begin with an empty chain", folder.display());
        Ok(folder)
    };
    if wanted(Measurement::Proofs) {
        let folder = folder("proofs")?;
        report.proofs = proofs(&NodeSetup { cyborg, folder: &folder, cache }).await?;
    }
    if wanted(Measurement::Market) {
        let folder = folder("market")?;
        market(&NodeSetup { cyborg, folder: &folder, cache }, arguments, report).await?;
    }
    if wanted(Measurement::Growth) {
        let folder = folder("growth")?;
        report.growth = Some(growth(&NodeSetup { cyborg, folder: &folder, cache }, arguments.tasks).await?);
    }
    Ok(())
}

fn write_json(path: &Path, report: &Measurements) -> Result<()> {
    let text = serde_json::to_string_pretty(report)?;
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

async fn proofs(setup: &NodeSetup<'_>) -> Result<Vec<proofs::Full>> {
    let session = Session::open(setup, None).await?;
    let mut market = Market::open(session, u32::try_from(3 * MAX_REPLICAS)?, Fleet::Alike).await?;
    let mut full = proofs::measure(&mut market).await?;
    market.session.close()?;
    for full in &mut full {
        full.executed_again_ms = node::execute_again(setup, full.block)?;
    }
    Ok(full)
}

async fn market(setup: &NodeSetup<'_>, arguments: &Arguments, report: &mut Measurements) -> Result<()> {
    eprintln!("{} miners ...", arguments.miners);
    let session = Session::open(setup, None).await?;
    let mut market = Market::open(session, arguments.miners, Fleet::Scattered).await?;
    let case = digits("digits_mlp").map_err(|error| anyhow!("{error}"))?;
    let model = market.deploy(case).await?;
    report.scale = Some(scale::measure(&mut market, &model).await?);

    eprintln!("{REPORTED_TASKS} tasks ...");
    let specs = (0..REPORTED_TASKS)
        .map(|number| spec(model.id, ProofPolicy::OnDemand, MAX_REPLICAS, Wanted::Near(number)));
    let engaged = market.submit(specs).await?;
    market.start(&engaged, &model).await?;
    // The oldest period that may still be reported is seven ago, and one may pass meanwhile.
    let mut ago = PERIODS * u32::try_from(BLOCK_TIMES_MS.len())?;
    for block_time_ms in BLOCK_TIMES_MS {
        let (_, moved) = market.restart(setup, Some(block_time_ms)).await?;
        market = moved;
        let heartbeats = market.heartbeats(arguments.heartbeats)?;
        report.rates.push(rates::measure(&market.session, "heartbeats", block_time_ms, heartbeats).await?);
        let reports = rates::reports(&mut market, &engaged, ago, PERIODS).await?;
        report.rates.push(rates::measure(&market.session, "reports", block_time_ms, reports).await?);
        ago -= PERIODS;
    }
    market.session.close()
}

async fn growth(setup: &NodeSetup<'_>, tasks: usize) -> Result<growth::Growth> {
    let session = Session::open(setup, None).await?;
    let mut market = Market::open(session, MINERS_OF_GROWTH, Fleet::Alike).await?;
    let case = digits("digits_mlp").map_err(|error| anyhow!("{error}"))?;
    let model = market.deploy(case).await?;
    growth::measure(setup, market, &model, tasks).await
}
