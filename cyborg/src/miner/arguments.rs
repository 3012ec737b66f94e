//! The flags of `cyborg miner …`.
//!
//! A flag of `init` that is left out is taken from the folder's settings if an interrupted `init` left
//! some, and otherwise from the defaults that its help names.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use cyborg_primitives::place::{Cell, Region};

use crate::cli::values::size;
use crate::place;
use cyborg_primitives::money::Cyb;

#[derive(Debug, Subcommand)]
pub(crate) enum MinerCommand {
    /// Make a miner's keys, measure this machine, register and bond; where it broke off, it goes on
    #[command(
        after_help = "Example:\n  cyborg miner init --account miner.key --region DE --at 52.52,13.40 \\\n    \
                      --storage http://127.0.0.1:9700"
    )]
    Init(Box<Init>),
    /// Run the miner until Ctrl-C or SIGTERM
    #[command(
        after_help = "Example:\n  cyborg miner start --listen 0.0.0.0:9800 --endpoint https://miner.example:9800"
    )]
    Start(Start),
    /// Change what the chain has of the miner: its price, the memory on offer, where it is
    #[command(after_help = "Example:\n  cyborg miner update --price 12.5 --memory 8GiB")]
    Update(Update),
    /// Add to what the miner stakes
    #[command(after_help = "Example:\n  cyborg miner bond 500")]
    Bond(Bond),
    /// Take the miner off the offer. It goes on with its tasks; then its bond can be had, after a delay
    #[command(after_help = "Example:\n  cyborg miner leave && cyborg miner status")]
    Leave(Home),
    /// Get the bond of a miner back that has left, and be forgotten by the chain
    #[command(after_help = "Example:\n  cyborg miner withdraw")]
    Withdraw(Home),
    /// Show the miner as the chain has it, its tasks, and its process if that answers
    #[command(after_help = "Example:\n  cyborg miner status")]
    Status(Status),
    /// Check all that a miner needs, say what is wrong and what to do; exit status 1 where it is bad
    #[command(after_help = "Example:\n  cyborg miner doctor --bundle support.zip")]
    Doctor(Doctor),
}

/// Where the miner is.
#[derive(Debug, Args)]
pub(crate) struct Home {
    /// The miner's folder [default: cyborg/miner in the user's data folder]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
    /// The chain's node [default: what the settings say, else ws://127.0.0.1:9944]
    #[arg(long, value_name = "URL", env = "CYBORG_NODE", value_hint = ValueHint::Url)]
    pub(crate) node: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    #[command(flatten)]
    pub(crate) home: Home,
    /// Key of the account that is registered: a file, a name in the keyring, or such as //Bob
    #[arg(long, value_name = "KEY")]
    pub(crate) account: Option<String>,
    /// Whose law holds where this machine is: two letters
    #[arg(long, value_name = "REGION", value_parser = place::region)]
    pub(crate) region: Option<Region>,
    /// Where this machine is, in degrees; the chain keeps it to a kilometre
    #[arg(long, value_name = "LAT,LON", allow_hyphen_values = true, value_parser = place::cell)]
    pub(crate) at: Option<Cell>,
    /// Where models are read from, as owners name it: `https://NODE`, `file:///FOLDER`, `s3://BUCKET` (may be
    /// repeated), or `cess+https://GATEWAY/?territory=NAME`
    #[arg(
        long,
        value_name = "URL",
        env = "CYBORG_STORAGE",
        value_delimiter = ',',
        value_hint = ValueHint::Url
    )]
    pub(crate) storage: Vec<String>,
    /// Certificate to trust beside the system's when models are fetched, as PEM; may be repeated
    #[arg(long, value_name = "PEM", value_hint = ValueHint::FilePath)]
    pub(crate) ca: Vec<PathBuf>,
    /// Address to listen at [default: 127.0.0.1:9800]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Where clients reach the miner [default: http or https, and the address it listens at]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) endpoint: Option<String>,
    /// What is asked for an hour of computing, in CYB [default: 10]
    #[arg(long, value_name = "CYB")]
    pub(crate) price: Option<Cyb>,
    /// What is staked, in CYB [default: 1000]
    #[arg(long, value_name = "CYB")]
    pub(crate) bond: Option<Cyb>,
    /// Memory that is offered for models, such as 8GiB [default: half of the machine's]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) memory: Option<u64>,
    /// Key file that unlocks what the miner keeps; made where it is missing [default: DIR/unlock.key]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "passphrase_file")]
    pub(crate) unlock: Option<PathBuf>,
    /// File (mode 0600) with a passphrase that unlocks what the miner keeps, instead of a key file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Certificate chain for HTTPS
    #[arg(long, value_name = "PEM", value_hint = ValueHint::FilePath, requires = "tls_key")]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// Private key of the certificate
    #[arg(long, value_name = "PEM", value_hint = ValueHint::FilePath, requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Measure this machine and do nothing else
    #[arg(long)]
    pub(crate) measure_only: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Start {
    #[command(flatten)]
    pub(crate) home: Home,
    /// Address to listen at, instead of the settings'; port 0 takes any that is free
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Where clients reach the miner, instead of the settings'
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) endpoint: Option<String>,
    /// Where models are read from, instead of the settings': `https://NODE`, `file:///FOLDER`, `s3://BUCKET` (may
    /// be repeated), or `cess+https://GATEWAY/?territory=NAME`
    #[arg(
        long,
        value_name = "URL",
        env = "CYBORG_STORAGE",
        value_delimiter = ',',
        value_hint = ValueHint::Url
    )]
    pub(crate) storage: Vec<String>,
    /// Certificate to trust beside the system's when models are fetched, as PEM; may be repeated
    #[arg(long, value_name = "PEM", value_hint = ValueHint::FilePath)]
    pub(crate) ca: Vec<PathBuf>,
    /// How long a chain node that does not answer yet is waited for, in seconds
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(0..=86_400)
    )]
    pub(crate) patience: u64,
}

#[derive(Debug, Args)]
#[group(id = "terms", required = true, multiple = true, args = ["price", "memory", "region", "at"])]
pub(crate) struct Update {
    #[command(flatten)]
    pub(crate) home: Home,
    /// What is asked for an hour of computing, in CYB; tasks that have begun keep their price
    #[arg(long, value_name = "CYB")]
    pub(crate) price: Option<Cyb>,
    /// Memory that is offered for models, such as 8GiB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) memory: Option<u64>,
    /// Whose law holds where the miner is: two letters; while it has no task
    #[arg(long, value_name = "REGION", value_parser = place::region)]
    pub(crate) region: Option<Region>,
    /// Where the miner is, in degrees; while it has no task
    #[arg(long, value_name = "LAT,LON", allow_hyphen_values = true, value_parser = place::cell)]
    pub(crate) at: Option<Cell>,
}

#[derive(Debug, Args)]
pub(crate) struct Bond {
    #[command(flatten)]
    pub(crate) home: Home,
    /// How much is added, in CYB
    #[arg(value_name = "CYB")]
    pub(crate) amount: Cyb,
}

/// The URLs among words. An empty variable of the environment is one word, and no URL.
pub(super) fn urls(words: &[String]) -> Vec<String> {
    words.iter().filter(|word| !word.is_empty()).cloned().collect()
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) home: Home,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) home: Home,
    /// Write the findings, and what helps to understand them, into an archive without secrets
    #[arg(long, value_name = "FILE.zip", value_hint = ValueHint::FilePath)]
    pub(crate) bundle: Option<PathBuf>,
}
