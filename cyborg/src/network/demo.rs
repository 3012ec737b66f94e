//! `cyborg demo`: a deployment from nothing, on a network of its own.
//!
//! | module | content |
//! |---|---|
//! | `console` | what is said while it goes on |
//! | `shell` | commands of this program, as a user would type them |
//! | `deployment` | the deployment |
//! | `scan` | looks for the model in files that must not hold it |
//! | `steps` | the table of steps, from the chain's events |
//! | `checks` | what must hold at the end |
//! | `summary` | all of it, for people and for programs |

mod checks;
mod console;
mod deployment;
mod scan;
mod shell;
mod steps;
mod summary;

use std::env;
use std::time::Instant;

use cyborg_localnet::layout::Layout;
use cyborg_localnet::process::Program;
use cyborg_localnet::settings::{Settings, Wanted};
use cyborg_localnet::supervisor::{Signals, Supervisor};

use super::arguments::Demo;
use super::up::describe;
use crate::error::Failure;
use crate::report::CommandOutput;
use console::Console;
use deployment::{Outcome, Run, deploy_and_ask};
use summary::summary;

/// Miners and storage nodes of the network.
const MINERS: u16 = 3;
const STORAGE: u16 = 4;

/// Runs the demo.
pub(super) async fn run(arguments: &Demo, json: bool) -> Result<CommandOutput, Failure> {
    let begun = Instant::now();
    let mut signals = Signals::new()?;
    let console = Console::new(json);
    let folder = tempfile::Builder::new()
        .prefix("cyborg-demo-")
        .tempdir()
        .map_err(|source| Failure::io(&env::temp_dir(), "cannot make a folder", source))?;
    let layout = Layout::open(folder.path())?;
    let wanted =
        Wanted { miners: Some(MINERS), storage: Some(STORAGE), block_time_ms: Some(arguments.block_time) };
    let settings = Settings::settle(&layout.settings(), &wanted)?;
    let (mut supervisor, mut failures) = Supervisor::new(Program::of_network(layout.root())?);
    let run = Run { arguments, layout: &layout, settings: &settings, console, begun };
    let deployed = tokio::select! {
        deployed = deploy_and_ask(&run, &mut supervisor) => deployed.map(Some),
        Some(failure) = failures.recv() => Err(failure.into()),
        () = signals.next() => Ok(None),
    };
    // What failed leaves its logs; what was broken off leaves nothing.
    let mut kept = arguments.keep || deployed.is_err();
    let mut outcome = match deployed {
        Ok(Some(deployed)) => shown(&run, &deployed, json),
        Ok(None) => {
            kept = false;
            Err(Failure::Network("the demo was broken off".to_owned()))
        }
        Err(failure) => Err(failure),
    };
    kept |= matches!(outcome, Err(Failure::Unmet(_)));
    // Whatever came of it, what is kept is there to be looked at.
    if arguments.keep && matches!(outcome, Ok(()) | Err(Failure::Unmet(_))) {
        tokio::select! {
            Some(failure) = failures.recv() => outcome = Err(failure.into()),
            () = signals.next() => {}
        }
    }
    supervisor.end(&mut signals).await;
    if kept {
        let folder = folder.keep();
        super::say(&format!("kept: {} (logs in {})", folder.display(), layout.logs().display()));
    }
    outcome.map(|()| CommandOutput::default())
}

/// Prints the result, and what may be done with the network.
fn shown(run: &Run<'_>, outcome: &Outcome, json: bool) -> Result<(), Failure> {
    let (report, broken) = summary(run, outcome);
    report.print(json);
    if run.arguments.keep {
        let lines = describe(&outcome.network, run.layout, run.settings);
        lines.iter().for_each(|line| run.console.say(line));
        run.console.say("Ctrl-C ends the network; `cyborg up --dir` with its folder goes on with it.");
    }
    if broken.is_empty() { Ok(()) } else { Err(Failure::Unmet(broken.join("; "))) }
}
