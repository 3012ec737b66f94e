//! The flags of `cyborg chain …`.

use clap::{Args, Subcommand};
use cyborg_chain_client::DEFAULT_URL;
use cyborg_primitives::money::Cyb;
use cyborg_primitives::place::Region;

use crate::cli::values::node_url;
use crate::place;

#[derive(Debug, Args)]
pub(crate) struct ChainCommand {
    /// The node to ask
    #[arg(long, global = true, value_name = "URL", env = "CYBORG_NODE", default_value = DEFAULT_URL, value_parser = node_url)]
    pub(crate) node: String,
    #[command(subcommand)]
    pub(crate) action: Action,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Show what the chain is, its latest finalised block, and how much it holds
    #[command(after_help = "Example:\n  cyborg chain status")]
    Status,
    /// List registered miners, the best reputation first
    #[command(after_help = "Example:\n  cyborg chain miners --region CH")]
    Miners(Miners),
    /// List registered models
    #[command(after_help = "Example:\n  cyborg chain models")]
    Models,
    /// List tasks
    #[command(after_help = "Example:\n  cyborg chain tasks --owner //Alice")]
    Tasks(Tasks),
    /// Show one task
    #[command(subcommand, arg_required_else_help = true)]
    Task(TaskAction),
    /// Show an account's money: free, and held for what
    #[command(after_help = "Example:\n  cyborg chain balance //Alice")]
    Balance(Balance),
    /// Send money, and wait until it is final
    #[command(after_help = "Example:\n  cyborg chain transfer --from //Alice //Bob 2.5")]
    Transfer(Transfer),
    /// Show the events of finalised blocks; with --json one object on each line
    #[command(after_help = "Example:\n  cyborg chain events --follow --pallet Tasks")]
    Events(Events),
}

#[derive(Debug, Args)]
pub(crate) struct Miners {
    /// Only those in this region (two letters)
    #[arg(long, value_name = "REGION", value_parser = place::region)]
    pub(crate) region: Option<Region>,
}

#[derive(Debug, Args)]
pub(crate) struct Tasks {
    /// Only those of this account: an address, or a key as `transfer --from` takes it
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) owner: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TaskAction {
    /// Show all that the chain knows of a task: miners, money, proofs, reports
    #[command(after_help = "Example:\n  cyborg chain task show 0")]
    Show {
        /// Number of the task
        #[arg(value_name = "TASK")]
        task: u64,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Balance {
    /// An address, or a key as `transfer --from` takes it
    #[arg(value_name = "ACCOUNT")]
    pub(crate) account: String,
}

#[derive(Debug, Args)]
pub(crate) struct Transfer {
    /// The account that pays: a key file, a name in the keyring, or a development name such as //Alice
    #[arg(long, value_name = "KEY")]
    pub(crate) from: String,
    /// The account that is paid: an address, or a key as `--from` takes it
    #[arg(value_name = "ACCOUNT")]
    pub(crate) to: String,
    /// Amount, in CYB
    #[arg(value_name = "AMOUNT")]
    pub(crate) amount: Cyb,
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    /// The first block to show; the latest by default
    #[arg(long, value_name = "BLOCK")]
    pub(crate) from: Option<u64>,
    /// Go on as blocks become final, until Ctrl-C
    #[arg(long)]
    pub(crate) follow: bool,
    /// Only events of this pallet
    #[arg(long, value_name = "PALLET")]
    pub(crate) pallet: Option<String>,
}
