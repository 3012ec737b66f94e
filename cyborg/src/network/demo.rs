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
use play::{Stage, play};
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
        played = play(&stage, &mut supervisor) => played,
        Some(failure) = failures.recv() => Err(failure),
        () = signals.next() => Err(Failure::Network("the demo was interrupted".to_owned())),
    };
    let mut outcome = played.and_then(|played| {
        let (report, broken) = verdict(&stage, &played);
        report.print(json);
        if arguments.keep {
            describe(&played.network, &layout, &settings).iter().for_each(|line| voice.say(line));
            voice.say("Ctrl-C ends the network; `cyborg up --dir` with its folder goes on with it.");
        }
        if broken.is_empty() { Ok(()) } else { Err(Failure::Unmet(broken.join("; "))) }
    });
    // Whatever came of it, what is kept is there to be looked at.
    let looked_at = matches!(outcome, Ok(()) | Err(Failure::Unmet(_)));
    if arguments.keep && looked_at {
        tokio::select! {
            Some(failure) = failures.recv() => outcome = Err(failure),
            () = signals.next() => {}
        }
    }
    supervisor.end(&mut signals).await;
    if arguments.keep || outcome.is_err() {
        let kept = folder.keep();
        super::say(&format!("kept: {} (logs in {})", kept.display(), layout.logs().display()));
    }
    outcome.map(|()| Report::default())
}
