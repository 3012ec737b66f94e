//! Measures a whole network as its users meet it: `cyborg up`, `cyborg deploy`, storage nodes and
//! `cyborg demo` as processes of the program, asked over HTTP and over the chain's RPC. See `--help`.
//!
//! | module | content |
//! |---|---|
//! | `latency` | what the network adds to a bare inference, and where |
//! | `load` | requests faster than a miner answers them |
//! | `proven` | answers proven, verified and paid in a minute |
//! | `storage` | a large file to storage nodes and back |
//! | `courier` | moves that file, in a process of its own |
//! | `demo` | the demo's time |
//! | `local` | a network as a process, and commands to it |
//! | `asker` | requests in their steps: made, sent, checked |
//! | `metrics` | what a miner says of itself |
//! | `system` | processes as the kernel sees them |
//! | `spread` | times in order |
//! | `report` | Markdown tables and the JSON document |

mod asker;
mod courier;
mod demo;
mod latency;
mod load;
mod local;
mod metrics;
mod proven;
mod report;
mod spread;
mod storage;
mod system;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};

use self::report::{Measured, Measurements};

/// Block times that proven answers are counted at.
const BLOCK_TIMES_MS: [u64; 2] = [1_000, 6_000];
/// Storage nodes that the file lies on.
const STORAGE_NODES: [usize; 2] = [4, 12];
/// Models that are asked.
const MODELS: [&str; 2] = ["digits_cnn", "digits_mlp"];

/// Measures a network on this machine: the latency that it adds, its load, proven answers, storage, the
/// demo.
///
/// Every part starts processes of the program in a temporary folder, and ends them. Leave the machine
/// otherwise idle; all of it takes about ten minutes and, to store a gigabyte, 5 GB of disk.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  cargo build --release -p cyborg && cargo run --release -p cyborg-bench --bin cyborg-bench-network
  cargo run --release -p cyborg-bench --bin cyborg-bench-network -- --only storage --size 200

Ends with status 1 where an answer or a byte is lost or wrong, never for a time."
)]
struct Arguments {
    /// The program to measure [default: the one beside this program]
    #[arg(long, visible_alias = "program", value_name = "PATH")]
    cyborg: Option<PathBuf>,
    /// Only these measurements; may be given several times
    #[arg(long, value_name = "PART")]
    only: Vec<Measurement>,
    /// Requests whose latency is taken, for each model and way of asking
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    requests: u32,
    /// How long requests are offered at each rate, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// How long proven answers are counted, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(10..=3_600))]
    minute: u32,
    /// Size of the stored file, in megabytes
    #[arg(long, value_name = "MB", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    size: u64,
    /// Write every figure here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Folder for networks and files, such as one in memory [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// (internal) move a file as standard input says
    #[arg(long, hide = true)]
    carry: bool,
}

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measurement {
    /// What the network adds to a bare inference
    Latency,
    /// Requests faster than a miner answers them
    Load,
    /// Answers proven, verified and paid
    Proven,
    /// A large file to storage nodes and back
    Storage,
    /// The demo
    Demo,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = if arguments.carry { courier::run().map(|()| true) } else { run(&arguments) };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing was lost or wrong.
fn run(arguments: &Arguments) -> Result<bool> {
    let cyborg = crate::program::locate(arguments.cyborg.as_deref())?;
    let temporary = tempfile::tempdir().context("a temporary folder")?;
    let work = arguments.work.as_deref().unwrap_or(temporary.path());
    fs::create_dir_all(work).with_context(|| format!("making {}", work.display()))?;
    let mut report = Measurements::of_this_machine();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(measure(arguments, &cyborg, work, &mut report));
    // What was measured before something failed is worth its time.
    std::io::stdout().write_all(report.markdown().as_bytes()).context("writing the report")?;
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report)? + "\n";
        fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    outcome?;
    report.wrong.iter().for_each(|wrong| eprintln!("WRONG: {wrong}"));
    Ok(report.wrong.is_empty())
}

async fn measure(arguments: &Arguments, cyborg: &Path, work: &Path, report: &mut Measurements) -> Result<()> {
    let wanted = |part| arguments.only.is_empty() || arguments.only.contains(&part);
    let folder = |name: &str| -> Result<PathBuf> {
        let folder = work.join(name);
        ensure!(!folder.exists(), "{} exists: measurements begin with a new network", folder.display());
        Ok(folder)
    };
    if wanted(Measurement::Latency) {
        let part = report.latency.insert(Measured::now());
        let network = local::Network::start(cyborg, &folder("latency")?, BLOCK_TIMES_MS[0])?;
        for model in MODELS {
            let row = latency::measure(&network, model, arguments.requests, &mut report.wrong).await?;
            part.rows.push(row);
        }
        network.stop()?;
    }
    if wanted(Measurement::Load) {
        let part = report.load.insert(Measured::now());
        let network = local::Network::start(cyborg, &folder("load")?, BLOCK_TIMES_MS[0])?;
        load::measure(&network, arguments.seconds, &mut part.rows, &mut report.wrong).await?;
        network.stop()?;
    }
    if wanted(Measurement::Proven) {
        let part = report.proven.insert(Measured::now());
        for block_time_ms in BLOCK_TIMES_MS {
            let folder = folder(&format!("proven-{block_time_ms}"))?;
            let network = local::Network::start(cyborg, &folder, block_time_ms)?;
            for model in MODELS.into_iter().rev() {
                let seconds = arguments.minute.into();
                let row = proven::measure(&network, model, block_time_ms, seconds, &mut report.wrong).await?;
                part.rows.push(row);
            }
            network.stop()?;
        }
    }
    if wanted(Measurement::Storage) {
        let part = report.storage.insert(Measured::now());
        let folder = folder("storage")?;
        let bytes = arguments.size * 1_000_000;
        part.rows.push(storage::measure(cyborg, &folder, bytes, &STORAGE_NODES, &mut report.wrong)?);
    }
    if wanted(Measurement::Demo) {
        let part = report.demo.insert(Measured::now());
        let folder = folder("demo")?;
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        // The first compiles the chain's runtime, and keeps it for all that come after.
        for what in ["first", "again"] {
            part.rows.push(demo::measure(cyborg, what, &folder, &mut report.wrong)?);
        }
    }
    Ok(())
}
