//! `cyborg up`: a network that runs until a signal ends it, and goes on when it is started again.

use std::path::{Path, PathBuf};

use cyborg_localnet::layout::{Layout, quoted};
use cyborg_localnet::process::Program;
use cyborg_localnet::settings::{Settings, Wanted};
use cyborg_localnet::start::{self, Network, start};
use cyborg_localnet::supervisor::{Signals, Supervisor};

use super::arguments::Up;
use crate::error::Failure;
use crate::folders;
use crate::progress::Progress;
use crate::report::{CommandOutput, print_json, print_line};

/// Runs the network.
pub(super) async fn run(arguments: &Up, json: bool) -> Result<CommandOutput, Failure> {
    let mut signals = Signals::new()?;
    let layout = Layout::open(&folder(arguments.dir.as_deref())?)?;
    let settings = Settings::settle(&layout.settings(), &Wanted::from(arguments))?;
    let (mut supervisor, mut failures) = Supervisor::new(Program::of_network(layout.root())?);

    let progress = Progress::new("starting");
    let tell = |at: start::Progress<'_>| match at {
        start::Progress::Begun(what) => progress.step(what),
        start::Progress::Chain(_) => {}
    };
    let started = tokio::select! {
        started = start(&mut supervisor, &layout, &settings, &tell) => started.map(Some).map_err(Failure::from),
        Some(failure) = failures.recv() => Err(failure.into()),
        () = signals.next() => Ok(None),
    };
    drop(progress);
    let outcome = match started {
        Ok(Some(network)) => {
            if json {
                print_json(&network.json(&layout, &settings));
            } else {
                describe(&network, &layout, &settings).iter().for_each(|line| print_line(line));
                print_line("Ctrl-C ends the network; started again on this folder it goes on where it was.");
            }
            tokio::select! {
                Some(failure) = failures.recv() => Err(failure.into()),
                () = signals.next() => Ok(CommandOutput::default()),
            }
        }
        Ok(None) => Ok(CommandOutput::default()),
        Err(failure) => Err(failure),
    };
    supervisor.end(&mut signals).await;
    outcome
}

fn folder(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(folder) = named {
        return Ok(folder.to_owned());
    }
    folders::kept("network", "--dir", "where the network is to keep its data")
}

/// The addresses and files of a network, and how to use it.
pub(super) fn describe(network: &Network, layout: &Layout, settings: &Settings) -> Vec<String> {
    let block_ms = settings.block_time_ms;
    let mut lines = Vec::new();
    let mut field = |label: &str, shown: String| lines.push(format!("{label:<24} {shown}"));
    field("folder", layout.root().display().to_string());
    field("chain", format!("{}  {}", network.node.url, network.http));
    field("genesis", network.genesis.clone());
    field("goes on from block", network.block.to_string());
    for node in &network.storage {
        field(&node.name, node.url.clone());
    }
    for miner in &network.miners {
        let (region, at) = (&miner.region, &miner.at);
        field(&miner.running.name, format!("{}  {}  {region} {at}", miner.running.url, miner.account));
    }
    field("owner", format!("{}  {}", network.owner, layout.key("owner").display()));
    field("logs", layout.logs().display().to_string());
    lines.push(format!(
        "A block is six seconds of chain time however fast it is sealed: sealed every {block_ms} ms, an hour of \
         a task passes in {}.",
        span(600 * block_ms)
    ));
    lines.push(String::new());
    lines.push("In another terminal:".to_owned());
    let source = format!("source {}", quoted(&layout.env().display().to_string()));
    for example in [
        source.as_str(),
        "cyborg chain miners",
        "cyborg model compile model.onnx --calibrate samples.npz -o model.cyb",
        "cyborg zk keygen model.cyb --out keys",
        "cyborg deploy model.cyb --keys keys",
        "cyborg infer 0 --input samples.npz --wait-proof",
    ] {
        lines.push(format!("  {example}"));
    }
    lines.push(String::new());
    lines
}

/// Milliseconds as people say them.
pub(super) fn span(milliseconds: u64) -> String {
    match milliseconds {
        0..90_000 => format!("{} seconds", milliseconds.div_ceil(1_000)),
        90_000..5_400_000 => format!("{} minutes", milliseconds.div_ceil(60_000)),
        _ => format!("{} hours", milliseconds.div_ceil(3_600_000)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn spans_are_rounded_up() {
        for (milliseconds, shown) in [
            (300, "1 seconds"),
            (20_000, "20 seconds"),
            (210_000, "4 minutes"),
            (600_000, "10 minutes"),
            (5_400_000, "2 hours"),
        ] {
            assert_eq!(span(milliseconds), shown);
        }
    }

    #[test]
    fn a_folder_that_is_named_is_taken() {
        assert_eq!(folder(Some(Path::new("here"))).unwrap(), Path::new("here"));
    }
}
