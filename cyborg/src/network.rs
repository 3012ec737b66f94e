//! `cyborg up` and `cyborg demo`: a whole network on this machine, each part a process of this
//! program.
//!
//! | module | content |
//! |---|---|
//! | `arguments` | the flags |
//! | `settings` | what a network is: counts, ports, places |
//! | `layout` | its folder, and the folder's lock |
//! | `ports` | which are free |
//! | `process` | processes: started, heard, ended |
//! | `orphans` | processes do not outlive their supervisor |
//! | `supervisor` | keeps processes alive, and ends them in their order |
//! | `fund` | accounts, and money for them |
//! | `start` | the order of the start |
//! | `up` | `cyborg up` |
//! | `demo` | `cyborg demo` |
//!
//! Everything runs on one thread, because to the kernel the thread that starts a process is its
//! parent, and its end would be the supervisor's.

pub(crate) mod arguments;
mod demo;
mod fund;
mod layout;
mod orphans;
mod ports;
mod process;
mod settings;
mod start;
mod supervisor;
mod up;

use std::future::Future;

pub(crate) use orphans::obey;

use tokio::runtime::Builder;

use crate::begin;
use crate::error::Failure;
use crate::report::Report;
use arguments::{Demo, Up};

/// Runs a network until a signal ends it.
pub(crate) fn up(arguments: &Up, json: bool) -> Result<Report, Failure> {
    on_this_thread(up::run(arguments, json))
}

/// Shows a deployment on a network of its own, start to end.
pub(crate) fn demo(arguments: &Demo, json: bool) -> Result<Report, Failure> {
    on_this_thread(demo::run(arguments, json))
}

fn on_this_thread(work: impl Future<Output = Result<Report, Failure>>) -> Result<Report, Failure> {
    if !cfg!(feature = "node") {
        return Err(Failure::Network(
            "this program was built without the chain's node, which a network needs; \
             `cargo build --release --workspace` builds it with the node"
                .to_owned(),
        ));
    }
    begin::runtime(Builder::new_current_thread())?.block_on(work)
}

/// A line for whoever watches, beside the result.
fn say(line: &str) {
    eprintln!("{line}");
}
