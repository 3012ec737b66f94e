//! The `cyborg` program: every role in the network is a subcommand.
//!
//! | module | content |
//! |---|---|
//! | `cli` | the commands and flags: one definition gives parsing, help and errors |
//! | `model` | `cyborg model …`: import, quantize, run, evaluate |
//! | `zk` | `cyborg zk …`: keys, proofs, verification |
//! | `node` | `cyborg node …`: the embedded node (feature `node`) |
//! | `chain` | `cyborg chain …`: what the chain holds and says |
//! | `account` | `cyborg account …`: keys of accounts |
//! | `storage` | `cyborg storage …`: the storage node |
//! | `task` | `cyborg deploy`, `infer`, `task …`: the owner's side |
//! | `miner` | `cyborg miner …`: a miner, from its registration to its doctor |
//! | `network` | `cyborg up` and `cyborg demo`: a whole network on this machine |
//! | `manual` | `cyborg completions` and `cyborg man`: from the same definitions as the help |
//! | `sample` | the model that comes with the program |
//! | `place` | regions and places, as people write them |
//! | `begin` | the log, and the asynchronous runtime |
//! | `files` | bounded reading, atomic writing |
//! | `folders` | the folders of a user's data |
//! | `report` | results as text for people and as JSON for programs |
//! | `progress` | bars, on a terminal only |
//! | `error` | failures and their exit status |
//!
//! Exit status: 0 done or valid, 1 a well-formed proof or key that is false, or a problem that the
//! doctor found, 2 bad usage or input.
//! Results go to standard output, everything else to standard error.

mod account;
mod begin;
mod chain;
mod cli;
mod error;
mod files;
mod folders;
mod manual;
mod miner;
mod model;
mod network;
#[cfg(feature = "node")]
mod node;
mod place;
mod progress;
mod report;
mod sample;
mod storage;
mod task;
mod zk;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

/// Runs the program on its arguments, the first of which is its own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are not errors; nothing is left to do if they cannot be printed.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { error::BAD_INPUT } else { 0 });
        }
    };
    // Before anything that takes time: what a network has started ends with it.
    if let Err(orphaned) = cyborg_localnet::orphans::obey().map_err(error::Failure::from) {
        orphaned.print(cli.json);
        return ExitCode::from(orphaned.status());
    }
    let outcome = match &cli.command {
        Command::Model(command) => model::run(command),
        Command::Zk(command) => zk::run(command),
        Command::Account(command) => account::run(command),
        Command::Chain(command) => chain::run(command, cli.json),
        #[cfg(feature = "node")]
        Command::Node(command) => node::run(command, cli.json),
        Command::Storage(command) => storage::run(command, cli.json),
        Command::Deploy(arguments) => task::deploy(arguments),
        Command::Infer(arguments) => task::infer(arguments, cli.json),
        Command::Task(command) => task::run(command, cli.json),
        Command::Miner(command) => miner::run(command, cli.json),
        Command::Up(arguments) => network::up(arguments, cli.json),
        Command::Demo(arguments) => network::demo(arguments, cli.json),
        Command::Completions(arguments) => manual::completions(arguments),
        Command::Man(arguments) => manual::man(arguments),
    };
    match outcome {
        Ok(report) => {
            report.print(cli.json);
            if let Some(error) = report::lost() {
                eprintln!("error: standard output: {error}");
                return ExitCode::from(error::BAD_INPUT);
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            error.print(cli.json);
            ExitCode::from(error.status())
        }
    }
}
