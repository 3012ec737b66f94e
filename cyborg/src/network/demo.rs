//! `cyborg demo`: a deployment from nothing, on a network of its own.
//!
//! | module | content |
//! |---|---|
//! | `voice` | what is said while it goes on |
//! | `shell` | commands of this program, as a user would type them |
//! | `witness` | what the chain says happened |
//! | `play` | the deployment |
//! | `scan` | looks for the model in files that must not hold it |
//! | `steps` | the table of steps, from the chain's events |
//! | `checks` | what must hold at the end |
//! | `verdict` | all of it, for people and for programs |

mod checks;
mod play;
mod scan;
mod shell;
mod steps;
mod verdict;
mod voice;
mod witness;

use std::env;
use std::time::Instant;

use super::arguments::Demo;
use super::layout::Layout;
use super::process::Program;
use super::settings::{Settings, Wanted};
use super::supervisor::{Signals, Supervisor};
use super::up::describe;
use crate::error::Failure;
use crate::report::Report;
use play::{Played, Stage, play};
use verdict::verdict;
use voice::Voice;

/// Miners and storage nodes of the network.
const MINERS: u16 = 3;
const STORAGE: u16 = 4;

/// Runs the demo.
pub(super) async fn run(arguments: &Demo, json: bool) -> Result<Report, Failure> {
    let begun = Instant::now();
    let mut signals = Signals::new()?;
    let voice = Voice::new(json);
    let folder = tempfile::Builder::new()
        .prefix("cyborg-demo-")
        .tempdir()
        .map_err(|source| Failure::io(&env::temp_dir(), "cannot make a folder", source))?;
    let layout = Layout::open(folder.path())?;
    let wanted =
        Wanted { miners: Some(MINERS), storage: Some(STORAGE), block_time_ms: Some(arguments.block_time) };
    let settings = Settings::settle(&layout.settings(), &wanted)?;
    let (mut supervisor, mut failures) = Supervisor::new(Program::new(layout.root())?);
    let stage = Stage { arguments, layout: &layout, settings: &settings, voice, begun };
    let played = tokio::select! {
        played = play(&stage, &mut supervisor) => played.map(Some),
        Some(failure) = failures.recv() => Err(failure),
        () = signals.next() => Ok(None),
    };
    // What failed leaves its logs; what was broken off leaves nothing.
    let mut kept = arguments.keep || played.is_err();
    let mut outcome = match played {
        Ok(Some(played)) => shown(&stage, &played, json),
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
            Some(failure) = failures.recv() => outcome = Err(failure),
            () = signals.next() => {}
        }
    }
    supervisor.end(&mut signals).await;
    if kept {
        let folder = folder.keep();
        super::say(&format!("kept: {} (logs in {})", folder.display(), layout.logs().display()));
    }
    outcome.map(|()| Report::default())
}

/// Prints the result, and what may be done with the network.
fn shown(stage: &Stage<'_>, played: &Played, json: bool) -> Result<(), Failure> {
    let (report, broken) = verdict(stage, played);
    report.print(json);
    if stage.arguments.keep {
        let lines = describe(&played.network, stage.layout, stage.settings);
        lines.iter().for_each(|line| stage.voice.say(line));
        stage.voice.say("Ctrl-C ends the network; `cyborg up --dir` with its folder goes on with it.");
    }
    if broken.is_empty() { Ok(()) } else { Err(Failure::Unmet(broken.join("; "))) }
}
