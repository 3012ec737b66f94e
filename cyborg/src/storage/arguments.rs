//! The flags of `cyborg storage …`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use cyborg_chain_client::DEFAULT_URL;

use crate::cli::values::{account, node_url, size};

#[derive(Debug, Subcommand)]
pub(crate) enum StorageCommand {
    /// Run a storage node until Ctrl-C or SIGTERM
    #[command(
        after_help = "Example:\n  cyborg storage start --dir /srv/cyborg --listen 0.0.0.0:9700 --quota 500GB"
    )]
    Start(StorageStart),
    /// Show a storage node's state
    #[command(after_help = "Example:\n  cyborg storage status http://127.0.0.1:9700")]
    Status(StorageStatus),
    /// Look at every fragment of a model, and store again what is lost or altered
    #[command(
        after_help = "Example:\n  cyborg storage repair 0 --account hospital --storage https://storage-1.example:9700,https://storage-2.example:9700"
    )]
    Repair(StorageRepair),
}

#[derive(Debug, Args)]
pub(crate) struct StorageRepair {
    /// Number of the model, as `cyborg deploy` printed it
    #[arg(value_name = "MODEL")]
    pub(crate) model: u64,
    /// Key of an account that may store there: a file, a name in the keyring, or such as //Alice
    #[arg(long, value_name = "KEY", env = "CYBORG_ACCOUNT")]
    pub(crate) account: String,
    /// Where the model is stored, named as for `cyborg deploy`; may be repeated
    #[arg(long, value_name = "URL", env = "CYBORG_STORAGE", value_delimiter = ',', required = true, value_hint = ValueHint::Url)]
    pub(crate) storage: Vec<String>,
    /// Certificate to trust beside the system's, as PEM; may be repeated
    #[arg(long, value_name = "PEM", value_hint = ValueHint::FilePath)]
    pub(crate) ca: Vec<PathBuf>,
    /// The chain's node
    #[arg(long, value_name = "URL", env = "CYBORG_NODE", default_value = DEFAULT_URL, value_parser = node_url, value_hint = ValueHint::Url)]
    pub(crate) node: String,
    /// Only check; restore nothing
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StorageStart {
    /// Folder for what the node keeps [default: cyborg/storage in the user's data folder]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
    /// Address to listen at
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9700")]
    pub(crate) listen: std::net::SocketAddr,
    /// Most bytes that are kept, such as 500GB or 2TiB
    #[arg(long, value_name = "SIZE", default_value = "100GB", value_parser = size)]
    pub(crate) quota: u64,
    /// Account that may store here, in hexadecimal; may be repeated; without it, anybody may
    #[arg(long, value_name = "HEX", value_parser = account)]
    pub(crate) owner: Vec<[u8; 32]>,
    /// How long what no manifest lists is kept, in hours
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=87_600))]
    pub(crate) grace: u64,
    /// Certificate chain for https, as PEM; without it, plain HTTP
    #[arg(long, value_name = "PEM", requires = "tls_key", value_hint = ValueHint::FilePath)]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// Private key of the certificate, as PEM
    #[arg(long, value_name = "PEM", requires = "tls_certificate", value_hint = ValueHint::FilePath)]
    pub(crate) tls_key: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct StorageStatus {
    /// The node's URL
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:9700", value_hint = ValueHint::Url)]
    pub(crate) url: String,
}
