//! The flags of `cyborg node …`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

#[derive(Debug, Args)]
pub(crate) struct NodeCommand {
    #[command(subcommand)]
    pub(crate) action: Option<NodeAction>,
    #[command(flatten)]
    pub(crate) node: NodeFlags,
}

#[derive(Debug, Args)]
pub(crate) struct NodeFlags {
    /// Run the node for development: no peers, no relay chain, well-known accounts with money
    #[arg(long)]
    pub(crate) dev: bool,
    /// Folder for what the node keeps [default: cyborg/node in the user's data folder]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "tmp")]
    pub(crate) base_path: Option<PathBuf>,
    /// Keep nothing: work in a temporary folder, which is removed at the end
    #[arg(long)]
    pub(crate) tmp: bool,
    /// Milliseconds from block to block; each is six seconds of chain time at any speed
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 6_000,
        value_parser = clap::value_parser!(u64).range(10..=3_600_000)
    )]
    pub(crate) block_time: u64,
    /// Seal a block when a transaction arrives, and only then
    #[arg(long, conflicts_with = "block_time")]
    pub(crate) instant: bool,
    /// Port of the JSON-RPC, HTTP and WebSocket, on this machine; 0 for any
    #[arg(long, value_name = "PORT", default_value_t = 9944)]
    pub(crate) rpc_port: u16,
    /// Port of the Prometheus metrics on this machine; none by default
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) prometheus_port: Option<u16>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeAction {
    /// Write the chain's specification for the stock polkadot-omni-node
    #[command(after_help = "Example:\n  cyborg node export-chain-spec --preset development --out chain.json")]
    ExportChainSpec(ExportChainSpec),
    /// Execute blocks of a node's folder again, as a node does that imports them; status 1 if a block does not
    /// lead to the state that its header names
    #[command(after_help = "Example:\n  cyborg node verify --base-path node --from 1000")]
    Verify(NodeVerify),
}

#[derive(Debug, Args)]
pub(crate) struct NodeVerify {
    /// Folder of a node that does not run [default: cyborg/node in the user's data folder]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) base_path: Option<PathBuf>,
    /// The first block
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) from: u32,
    /// The last block [default: the last final one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) to: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct ExportChainSpec {
    /// What the chain begins with
    #[arg(long, value_enum, default_value_t)]
    pub(crate) preset: Preset,
    /// Number of the parachain, as registered with the relay chain; the preset's by default
    #[arg(long, value_name = "N")]
    pub(crate) para_id: Option<u32>,
    /// Relay chain: one that the stock node knows
    #[arg(long, value_name = "NAME", default_value = "paseo")]
    pub(crate) relay_chain: String,
    /// Write what the genesis is made from, to be edited, instead of the genesis itself
    #[arg(long)]
    pub(crate) plain: bool,
    /// Where to write the specification
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: PathBuf,
}

/// What a chain begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// Well-known accounts have money, and one of them makes the blocks
    #[default]
    Development,
    /// No account has money: collators and balances are put in before launch
    Production,
}
