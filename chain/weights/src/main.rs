//! Runs the benchmarks of a runtime in its wasm, as nodes execute it, and writes each pallet's weights.
//! `scripts/weights.sh` builds the runtime for it; docs/chain.md says what is measured and how.
//!
//! | module | content |
//! |---|---|
//! | [`machine`] | the runtime, asked to run a benchmark |
//! | [`state`] | its storage, counting reads and writes |
//! | [`fit`] | from measurements to a weight |
//! | [`mod@file`] | the weights as Rust |

mod file;
mod fit;
mod machine;
mod state;

use anyhow::{Context, Result, bail};
use clap::Parser;
use fit::{Fit, Items};
use frame_benchmarking::{BenchmarkList, BenchmarkMetadata, BenchmarkParameter};
use machine::{Config, Machine};
use std::fs;
use std::path::PathBuf;

/// Measures the benchmarks of a runtime and writes the weights of pallets.
#[derive(Parser)]
struct Args {
    /// The runtime's wasm, built with the feature runtime-benchmarks.
    wasm: PathBuf,
    /// A pallet to measure and the file for its weights, as `pallet_name=path`; without a path the
    /// measurements are only printed.
    #[arg(required = true)]
    pallets: Vec<String>,
    /// Values of each component that are measured.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..))]
    steps: u32,
    /// How often each is timed.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Also benchmarks that are no weights; only without a path.
    #[arg(long)]
    extra: bool,
    /// Written to each file: when, and on which machine.
    #[arg(long, default_value = "")]
    note: String,
}

/// What components are set to: one after another from its least to its most, the others at their
/// most.
fn points(benchmark: &BenchmarkMetadata, steps: u32) -> Vec<Vec<(BenchmarkParameter, u32)>> {
    let most: Vec<_> = benchmark.components.iter().map(|(name, _, most)| (*name, *most)).collect();
    let mut points = Vec::new();
    for (index, (name, least, highest)) in benchmark.components.iter().enumerate() {
        for step in 0..steps {
            let part = u64::from(highest - least) * u64::from(step) / u64::from(steps - 1);
            let mut point = most.clone();
            if let Some(component) = point.get_mut(index) {
                *component = (*name, least + u32::try_from(part).unwrap_or(u32::MAX));
            }
            points.push(point);
        }
    }
    points.sort_by_key(|point| point.iter().map(|(_, value)| *value).collect::<Vec<_>>());
    points.dedup();
    if points.is_empty() { vec![most] } else { points }
}

/// Measures one benchmark, and says what was found.
fn measure(
    machine: &Machine<'_>,
    pallet: &BenchmarkList,
    benchmark: &BenchmarkMetadata,
    items: &Items,
    (steps, repeat): (u32, u32),
) -> Result<Fit> {
    let name =
        format!("{}::{}", String::from_utf8_lossy(&pallet.pallet), String::from_utf8_lossy(&benchmark.name));
    let (mut timed, mut counted) = (Vec::new(), Vec::new());
    for selected_components in points(benchmark, steps) {
        let config = Config {
            pallet: pallet.pallet.clone(),
            instance: pallet.instance.clone(),
            benchmark: benchmark.name.clone(),
            selected_components,
            ..Config::default()
        };
        let at = || format!("{name} at {:?}", config.selected_components);
        machine.verify(&config).with_context(at)?;
        counted.extend(machine.count(&config).with_context(at)?);
        timed.extend(machine.time(&config, repeat).with_context(at)?);
    }
    let fit = fit::fit(benchmark, &timed, &counted, items)?;
    let planes = [&fit.time, &fit.reads, &fit.writes, &fit.proof_bytes];
    let [time, reads, writes, proof] = planes.map(|plane| format!("{} {:?}", plane.base, plane.slopes));
    eprintln!("{name}: {time} ps, {reads} reads, {writes} writes, {proof} bytes of proof");
    Ok(fit)
}

fn main() -> Result<()> {
    let Args { wasm, pallets, steps, repeat, extra, note } = Args::parse();
    let code = fs::read(&wasm).with_context(|| wasm.display().to_string())?;
    let machine = Machine::new(&code)?;
    let (list, items) = machine.list(extra)?;
    let items = Items::new(items);
    for wanted in pallets {
        let (name, path) = match wanted.split_once('=') {
            Some((name, path)) if !extra => (name, Some(path)),
            Some(_) => bail!("{wanted}: with --extra nothing is written; name the pallet alone"),
            None => (wanted.as_str(), None),
        };
        let Some(pallet) = list.iter().find(|pallet| pallet.pallet == name.as_bytes()) else {
            let known: Vec<_> = list.iter().map(|pallet| String::from_utf8_lossy(&pallet.pallet)).collect();
            bail!("the runtime has no benchmarks of {name}, but of {}", known.join(", "));
        };
        let fits = pallet.benchmarks.iter();
        let fits = fits.map(|benchmark| measure(&machine, pallet, benchmark, &items, (steps, repeat)));
        let fits: Vec<Fit> = fits.collect::<Result<_>>()?;
        if let Some(path) = path {
            let note = format!("{note}; {steps} values of each component, {repeat} times each.");
            fs::write(path, file::weights(name, &note, &fits)?).with_context(|| path.to_owned())?;
        }
    }
    Ok(())
}
