//! The commands and flags: one definition gives parsing, help and errors.

pub(crate) mod values;

use clap::{Parser, Subcommand};

use crate::account::arguments::AccountCommand;
use crate::chain::arguments::ChainCommand;
use crate::manual::arguments::{Completions, Man};
use crate::miner::arguments::MinerCommand;
use crate::model::arguments::ModelCommand;
use crate::network::arguments::{Demo, Up};
#[cfg(feature = "node")]
use crate::node::arguments::NodeCommand;
use crate::storage::arguments::StorageCommand;
use crate::task::arguments::{Deploy, Infer, TaskCommand};
use crate::zk::arguments::ZkCommand;

/// Verifiable AI inference: import a model, quantize it, prove an inference of it, verify.
#[derive(Debug, Parser)]
#[command(
    name = "cyborg",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Exit status: 0 done or valid, 1 a well-formed proof or key that is false, \
                  2 bad usage or input.\n\n\
                  Example:\n  cyborg model inspect model.onnx"
)]
pub(crate) struct Cli {
    /// Print the result as one line of JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Import, quantize, run and evaluate models
    #[command(subcommand, arg_required_else_help = true)]
    Model(ModelCommand),
    /// Make keys, prove inferences, verify proofs
    #[command(subcommand, arg_required_else_help = true)]
    Zk(ZkCommand),
    /// Make and keep keys of accounts
    #[command(subcommand, arg_required_else_help = true)]
    Account(AccountCommand),
    /// Ask the chain: miners, models, tasks, money, events; and send money
    #[command(arg_required_else_help = true)]
    Chain(ChainCommand),
    /// Run the chain's node on this machine, or write the specification for the stock node
    #[cfg(feature = "node")]
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Example:\n  cyborg node --dev --block-time 500"
    )]
    Node(NodeCommand),
    /// Keep encrypted fragments of models for others, ask a node how it is, repair what was lost
    #[command(subcommand, arg_required_else_help = true)]
    Storage(StorageCommand),
    /// Give a model to miners: encrypt, store, register, submit, wrap keys, wait until it runs
    #[command(
        after_help = "Example:\n  cyborg deploy digits.cyb --keys keys --account hospital --region CH --replicas 2 \\\n    \
                      --storage https://storage-1.example:9700 --storage https://storage-2.example:9700"
    )]
    Deploy(Box<Deploy>),
    /// Ask the miners of a task, check and decrypt the answer
    #[command(
        mut_arg("input", |input| input.required(false).required_unless_present("again")),
        after_help = "Example:\n  cyborg infer 0 --account hospital --input samples.npz --index 3 --wait-proof\n  \
                      cyborg infer 0 --account hospital --again 1"
    )]
    Infer(Box<Infer>),
    /// Look after tasks: list, show, stop, logs, events
    #[command(subcommand, arg_required_else_help = true)]
    Task(TaskCommand),
    /// Run models for others: register, serve, prove, and find out what is wrong
    #[command(subcommand, arg_required_else_help = true)]
    Miner(MinerCommand),
    /// Run a whole network on this machine: chain, storage nodes, miners; Ctrl-C ends it
    #[command(after_help = "Example:\n  cyborg up --dir network --block-time 500")]
    Up(Up),
    /// Show a deployment, start to end, on a network of its own; exit status 1 if something does not hold
    #[command(after_help = "Example:\n  cyborg demo\n  cyborg demo --keep --answers 10")]
    Demo(Demo),
    /// Print a script that completes commands and flags in a shell
    #[command(
        after_help = "Example:\n  cyborg completions bash > ~/.local/share/bash-completion/completions/cyborg"
    )]
    Completions(Completions),
    /// Print the manual page, or write a page for every command
    #[command(after_help = "Example:\n  cyborg man | man -l -\n  cyborg man --out ~/.local/share/man/man1")]
    Man(Man),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent_and_every_command_shows_an_example() {
        fn walk(command: &clap::Command) {
            if command.has_subcommands() {
                command.get_subcommands().filter(|child| child.get_name() != "help").for_each(walk);
                return;
            }
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example:\n  cyborg "), "{}", command.get_name());
        }
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        walk(&command);
    }
}
