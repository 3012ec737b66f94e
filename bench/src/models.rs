//! Measures the `cyborg` program as its users meet it: every command a process of its own, so that
//! loading keys, generators and inference all count. See `--help`.
//!
//! | module | content |
//! |---|---|
//! | `measure` | the commands of one model, one after another |
//! | `process` | one command: wall time and peak memory |
//! | `sweep` | integer models of growing size, made here |
//! | `report` | the Markdown table and the JSON document |
//! | `plot` | the growth plot as SVG |

mod measure;
mod npz;
mod plot;
mod process;
mod report;
mod sweep;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;

/// Measures `cyborg zk prove`, `verify` and `keygen` as whole processes.
///
/// Models are every NAME.onnx or NAME.cyb with a NAME_io.npz in the given folders, and a sweep of
/// dense and convolutional networks with random weights that this program makes itself (no Python,
/// no network). Weights and inputs are hidden. Times are wall times of whole processes, memory is
/// the kernel's maximum resident set size. Leave the machine otherwise idle.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  cargo build --release -p cyborg && cargo run --release -p cyborg-bench
  cargo run --release -p cyborg-bench -- --models tests/data --no-sweep --runs 9
  cargo run --release -p cyborg-bench -- --svg docs/growth.svg --json growth.json

scripts/bench_models.py makes further models, scripts/ezkl_bench.py measures EZKL on the same files."
)]
struct Arguments {
    /// The program to measure [default: the one beside this program]
    #[arg(long, value_name = "PATH")]
    cyborg: Option<PathBuf>,
    /// Folder with NAME.onnx or NAME.cyb and NAME_io.npz; may be given several times
    #[arg(long, value_name = "DIR")]
    models: Vec<PathBuf>,
    /// Only models whose name contains this
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Leave out the models that this program makes
    #[arg(long)]
    no_sweep: bool,
    /// Largest model of the sweep, in parameters
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    sweep_max: usize,
    /// Number of times that each proof is made and verified
    #[arg(long, value_name = "N", default_value_t = 5)]
    runs: usize,
    /// Write the growth plot here
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write every figure here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Plot the figures of an earlier --json instead of measuring
    #[arg(long, value_name = "FILE", conflicts_with_all = ["models", "json"])]
    from_json: Option<PathBuf>,
    /// Folder for keys and proofs [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// (internal) make the sweep in this folder
    #[arg(long, hide = true)]
    make_sweep: Option<PathBuf>,
    /// (internal) print the number of parameters of this model
    #[arg(long, hide = true)]
    count: Option<PathBuf>,
}

/// Runs the program.
pub fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether every measurement succeeded.
fn run(arguments: &Arguments) -> Result<bool> {
    let mut out = std::io::stdout().lock();
    if let Some(folder) = &arguments.make_sweep {
        sweep::write(folder, arguments.sweep_max)?;
        return Ok(true);
    }
    if let Some(model) = &arguments.count {
        writeln!(out, "{}", sweep::count_parameters(model)?)?;
        return Ok(true);
    }
    let report = match &arguments.from_json {
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            serde_json::from_str(&text).with_context(|| format!("{}", path.display()))?
        }
        None => measured(arguments)?,
    };
    write!(out, "{}", report.markdown())?;
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report)? + "\n";
        fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    if let Some(path) = &arguments.svg {
        fs::write(path, plot::svg(&report)).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(report.failures.is_empty())
}

fn measured(arguments: &Arguments) -> Result<report::Measurements> {
    let own = std::env::current_exe().context("the path of this program")?;
    let cyborg = crate::program::locate(arguments.cyborg.as_deref())?;
    let temporary = tempfile::tempdir().context("a temporary folder")?;
    let work = arguments.work.as_deref().unwrap_or(temporary.path());
    fs::create_dir_all(work).with_context(|| format!("making {}", work.display()))?;

    let mut models = Vec::new();
    for folder in &arguments.models {
        models.extend(find(folder)?);
    }
    if !arguments.no_sweep {
        // In a process of its own: what this one holds counts as its children's peak memory.
        let folder = work.join("sweep");
        fs::create_dir_all(&folder)?;
        let text = folder.display().to_string();
        let max = arguments.sweep_max.to_string();
        process::run(&own, &["--make-sweep", &text, "--sweep-max", &max])?;
        models.extend(find(&folder)?);
    }
    models.retain(|model| model.name.contains(&arguments.only));
    ensure!(!models.is_empty(), "no model to measure");

    let mut report = report::Measurements::of_this_machine();
    for model in &models {
        eprintln!("{} ...", model.name);
        match measure::measure(&own, &cyborg, model, work, arguments.runs) {
            Ok(figures) => report.models.push(figures),
            Err(error) => {
                eprintln!("{}: {error:#}", model.name);
                report
                    .failures
                    .push(report::Failure { name: model.name.clone(), error: format!("{error:#}") });
            }
        }
    }
    report.models.sort_by_key(|figures| figures.parameters);
    Ok(report)
}

/// Every model of a folder that has inputs beside it, by name.
fn find(folder: &Path) -> Result<Vec<measure::Model>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut models = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let is_model = path.extension().is_some_and(|e| e == "onnx" || e == "cyb");
        let name = path.file_stem().and_then(|s| s.to_str()).map(str::to_owned);
        if let (true, Some(name)) = (is_model, name) {
            let io = folder.join(format!("{name}_io.npz"));
            if io.is_file() {
                models.push(measure::Model { name, path, io });
            }
        }
    }
    models.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(models)
}
