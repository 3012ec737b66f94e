//! The `cyborg` program: every role in the network is a subcommand.
//!
//! | module | content |
//! |---|---|
//! | `cli` | the commands and flags: one definition gives parsing, help and errors |
//! | `model` | `cyborg model …`: import, quantise, run, evaluate |
//! | `zk` | `cyborg zk …`: keys, proofs, verification |
//! | `node` | `cyborg node …`: the embedded node (feature `node`) |
//! | `chain` | `cyborg chain …`: what the chain holds and says |
//! | `account` | `cyborg account …`: keys of accounts |
//! | `storage` | `cyborg storage …`: the storage node |
//! | `files` | bounded reading, atomic writing |
//! | `folders` | where a user's things are |
//! | `report` | results as text for people and as JSON for programs |
//! | `progress` | bars, on a terminal only |
//! | `error` | failures and their exit status |
//!
//! Exit status: 0 done or valid, 1 a well-formed proof or key that is false, 2 bad usage or input.
//! Results go to standard output, everything else to standard error.

mod account;
mod chain;
mod cli;
mod error;
mod files;
mod folders;
mod model;
#[cfg(feature = "node")]
mod node;
mod progress;
mod report;
mod storage;
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
            // Help and version are no errors; nothing is left to do where they cannot be printed.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { error::BAD_INPUT } else { 0 });
        }
    };
    let outcome = match &cli.command {
        Command::Model(command) => model::run(command),
        Command::Zk(command) => zk::run(command),
        Command::Account(command) => account::run(command),
        Command::Chain(command) => chain::run(command, cli.json),
        #[cfg(feature = "node")]
        Command::Node(command) => node::run(command, cli.json),
        Command::Storage(command) => storage::run(command, cli.json),
    };
    match outcome {
        Ok(report) => {
            report.print(cli.json);
            ExitCode::SUCCESS
        }
        Err(error) => {
            error.print(cli.json);
            ExitCode::from(error.status())
        }
    }
}
