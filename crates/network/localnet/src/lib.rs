//! A network of processes on one machine: the chain's node, storage nodes and miners, each a process of
//! the `cyborg` program. `cyborg up`, `cyborg demo`, the end-to-end tests and the benchmark run on it.
//!
//! | module | content |
//! |---|---|
//! | [`settings`] | what a network is: counts, ports, locations |
//! | [`layout`] | its folder, and the folder's lock |
//! | [`ports`] | which ports are free |
//! | [`process`] | one process: started, heard, signalled, ended |
//! | [`orphans`] | processes do not outlive their supervisor |
//! | [`supervisor`] | keeps processes alive, and ends them in their order |
//! | [`service`] | the command lines of the processes |
//! | [`start`] | the order of the start |
//! | [`fund`] | accounts, and money for them |
//! | [`market`] | the calls with which miners, models and tasks come onto the chain |
//! | [`witness`] | the events of final blocks, recorded as they become final |
//! | [`error`] | why a network does not start or go on |
//!
//! A supervisor runs on one thread, because to the kernel the thread that starts a process is its
//! parent, and that thread's end would be the supervisor's.
//!
//! The crate needs no Substrate: the node is whatever the program's `node` command runs.

pub mod error;
pub mod fund;
pub mod layout;
pub mod market;
pub mod orphans;
pub mod ports;
pub mod process;
pub mod service;
pub mod settings;
pub mod start;
pub mod supervisor;
pub mod witness;

pub use error::LocalnetError;

/// Tells the person at the terminal something beside the result.
fn notify(line: &str) {
    eprintln!("{line}");
}
