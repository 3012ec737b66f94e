//! The flags of `cyborg deploy`, `cyborg infer` and `cyborg task …`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use cyborg_chain_client::DEFAULT_URL;
use cyborg_primitives::place::{Cell, Region};
use cyborg_primitives::task::ProofPolicy;

use crate::cli::values::node_url;
use crate::model::arguments::Sample;
use crate::place;
use cyborg_primitives::money::Cyb;

/// The account that acts, the chain, and the records.
#[derive(Debug, Args)]
pub(crate) struct OwnerFlags {
    /// The owner's key: a file, a name in the keyring, or a development name such as //Alice
    #[arg(long, value_name = "KEY", env = "CYBORG_ACCOUNT")]
    pub(crate) account: String,
    #[command(flatten)]
    pub(crate) chain: ChainFlags,
}

/// The chain, and the folder of the owner's records.
#[derive(Debug, Args)]
pub(crate) struct ChainFlags {
    /// The chain's node
    #[arg(long, value_name = "URL", env = "CYBORG_NODE", default_value = DEFAULT_URL, value_parser = node_url, value_hint = ValueHint::Url)]
    pub(crate) node: String,
    /// Folder of the secrets of models and tasks [default: cyborg/owner in the user's data folder]
    #[arg(long, value_name = "DIR", env = "CYBORG_OWNER_DIR", value_hint = ValueHint::DirPath)]
    pub(crate) owner_dir: Option<PathBuf>,
}

/// How miners and storage nodes are reached.
#[derive(Debug, Args)]
pub(crate) struct HttpFlags {
    /// Certificate to trust beside the system's, as PEM; may be repeated
    #[arg(long, value_name = "PEM", value_hint = ValueHint::FilePath)]
    pub(crate) ca: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    /// Integer model, as `cyborg model compile` writes it
    #[arg(value_name = "M.cyb", value_hint = ValueHint::FilePath)]
    pub(crate) model: PathBuf,
    /// Folder with the model's `prover.key` and `verifier.key`, as `cyborg zk keygen` writes them
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) keys: PathBuf,
    #[command(flatten)]
    pub(crate) owner: OwnerFlags,
    /// Where the model is stored; may be repeated, the more the safer (twelve fragments go to them):
    /// `https://NODE`, a storage node; `file:///FOLDER`; `s3://BUCKET`, with its key in AWS_ACCESS_KEY_ID and
    /// AWS_SECRET_ACCESS_KEY; or alone `cess+https://GATEWAY/?territory=NAME`
    #[arg(long, value_name = "URL", env = "CYBORG_STORAGE", value_delimiter = ',', required = true, value_hint = ValueHint::Url)]
    pub(crate) storage: Vec<String>,
    #[command(flatten)]
    pub(crate) http: HttpFlags,
    /// Miners that answer
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) replicas: u8,
    /// Miners named to take over when one leaves
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=15))]
    pub(crate) standbys: u8,
    /// Give standbys the key at once: they take over without delay, and can read the model
    #[arg(long)]
    pub(crate) standbys_read: bool,
    /// Region in which the model may run (two letters); may be repeated; without it, anywhere. Never broken
    #[arg(long, value_name = "REGION", value_parser = place::region)]
    pub(crate) region: Vec<Region>,
    /// Place from which distance is counted, in degrees
    #[arg(long, value_name = "LAT,LON", value_parser = place::cell, requires = "max_distance_km", allow_hyphen_values = true)]
    pub(crate) near: Option<Cell>,
    /// Greatest distance of a miner from `--near`
    #[arg(long, value_name = "KM", requires = "near")]
    pub(crate) max_distance_km: Option<u32>,
    /// Lowest reputation of a miner, of 100
    #[arg(long, value_name = "POINTS", default_value_t = 50, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) min_reputation: u8,
    /// Compute hours bought for answers, all miners together
    #[arg(long, value_name = "H", default_value_t = 1.0, value_parser = hours)]
    pub(crate) hours: f64,
    /// Most per compute hour, in CYB [default: what the best miners ask]
    #[arg(long, value_name = "CYB")]
    pub(crate) price_cap: Option<Cyb>,
    /// Most per proof, in CYB [default: what the best miners' proofs cost]
    #[arg(long, value_name = "CYB")]
    pub(crate) proof_cap: Option<Cyb>,
    /// Proofs bought; what is not used comes back
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub(crate) proofs: u32,
    /// Which answers are proven: `every`, `sampled:N` (N of each period), `on-demand`
    #[arg(long, value_name = "POLICY", default_value = "every", value_parser = policy)]
    pub(crate) policy: ProofPolicy,
    /// Account that may sign requests beside the owner: an address or a key
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) delegate: Option<String>,
    /// How long miners may take to serve, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: u64,
    /// Go on with this task, which was submitted and may not run yet
    #[arg(long, value_name = "TASK")]
    pub(crate) resume: Option<u64>,
    /// Submit one more task of a model that has one: without this, a task that is there is taken up
    #[arg(long, conflicts_with = "resume")]
    pub(crate) another: bool,
    /// Show which miners would be chosen and what it would cost: nothing is stored, registered, submitted or paid
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Infer {
    /// Number of the task, as `cyborg deploy` printed it
    #[arg(value_name = "TASK")]
    pub(crate) task: u64,
    #[command(flatten)]
    pub(crate) sample: Option<Sample>,
    /// Show the kept answer to request N once more, instead of asking
    #[arg(long, value_name = "N", conflicts_with_all = ["input", "wait_proof", "price_cap"])]
    pub(crate) again: Option<u64>,
    #[command(flatten)]
    pub(crate) owner: OwnerFlags,
    /// Write the outputs (.npz: real numbers; .json: integers), named as the model's
    #[arg(short, long, value_name = "Y.npz", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
    /// Wait until the chain has verified the proof; demand it where the task does not prove every answer
    #[arg(long)]
    pub(crate) wait_proof: bool,
    /// Ask this miner only, or show its answer: its address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) miner: Option<String>,
    /// Most that is paid for the answer, in CYB [default: the task's tariff]
    #[arg(long, value_name = "CYB")]
    pub(crate) price_cap: Option<Cyb>,
    #[command(flatten)]
    pub(crate) http: HttpFlags,
    /// How long the answer, and then its proof, may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// List this owner's tasks
    #[command(after_help = "Example:\n  cyborg task list --account hospital")]
    List(OwnerFlags),
    /// Show all that the chain knows of a task: miners, money, proofs, reports
    #[command(after_help = "Example:\n  cyborg task show 0")]
    Show(Show),
    /// Show what a miner does for a task, live
    #[command(after_help = "Example:\n  cyborg task status 0 --account hospital")]
    Status(Status),
    /// List the answers that are kept; `cyborg infer TASK --again N` shows one
    #[command(after_help = "Example:\n  cyborg task answers 0 --account hospital")]
    Answers(Act),
    /// Stop a task: nothing new is answered; what is not used comes back once all is settled
    #[command(after_help = "Example:\n  cyborg task stop 0 --account hospital")]
    Stop(Act),
    /// Read the miners' logs of a task, which only its owner can open
    #[command(after_help = "Example:\n  cyborg task logs 0 --account hospital")]
    Logs(Logs),
    /// Show what the chain says of a task, as blocks become final
    #[command(after_help = "Example:\n  cyborg task events 0 --follow")]
    Events(Events),
    /// Do what a task needs of its owner until it ends: keys for miners that take over, draws
    #[command(after_help = "Example:\n  cyborg task keep 0 --account hospital")]
    Keep(Act),
    /// Add money to a task
    #[command(after_help = "Example:\n  cyborg task top-up 0 --account hospital --answers 5 --proofs 2.5")]
    TopUp(TopUp),
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Number of the task
    #[arg(value_name = "TASK")]
    pub(crate) task: u64,
    /// The chain's node
    #[arg(long, value_name = "URL", env = "CYBORG_NODE", default_value = DEFAULT_URL, value_parser = node_url, value_hint = ValueHint::Url)]
    pub(crate) node: String,
}

#[derive(Debug, Args)]
pub(crate) struct Act {
    /// Number of the task
    #[arg(value_name = "TASK")]
    pub(crate) task: u64,
    #[command(flatten)]
    pub(crate) owner: OwnerFlags,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) act: Act,
    /// Only this miner: its address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) miner: Option<String>,
    /// Go on until the task ends, or Ctrl-C
    #[arg(long)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) http: HttpFlags,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    pub(crate) act: Act,
    /// Only this miner: its address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) miner: Option<String>,
    /// The first line to show
    #[arg(long, value_name = "LINE", default_value_t = 0)]
    pub(crate) from: u64,
    #[command(flatten)]
    pub(crate) http: HttpFlags,
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Number of the task
    #[arg(value_name = "TASK")]
    pub(crate) task: u64,
    /// The chain's node
    #[arg(long, value_name = "URL", env = "CYBORG_NODE", default_value = DEFAULT_URL, value_parser = node_url, value_hint = ValueHint::Url)]
    pub(crate) node: String,
    /// The first block to look at; by default the one in which the task was submitted
    #[arg(long, value_name = "BLOCK")]
    pub(crate) from: Option<u64>,
    /// Go on as blocks become final, until Ctrl-C
    #[arg(long)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TopUp {
    #[command(flatten)]
    pub(crate) act: Act,
    /// Money for answers, in CYB
    #[arg(long, value_name = "CYB", default_value = "0")]
    pub(crate) answers: Cyb,
    /// Money for proofs, in CYB
    #[arg(long, value_name = "CYB", default_value = "0")]
    pub(crate) proofs: Cyb,
}

fn hours(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(hours) if hours > 0.0 && hours <= 1e6 => Ok(hours),
        _ => Err("hours are a number above 0, at most 1000000".to_owned()),
    }
}

fn policy(text: &str) -> Result<ProofPolicy, String> {
    match text.split_once(':') {
        None if text == "every" => Ok(ProofPolicy::Every),
        None if text == "on-demand" => Ok(ProofPolicy::OnDemand),
        Some(("sampled", samples)) => match samples.parse::<u8>() {
            Ok(samples @ 1..) => Ok(ProofPolicy::Sampled { samples }),
            _ => Err("samples are 1 to 255 of each period".to_owned()),
        },
        _ => Err("a policy is `every`, `sampled:N` or `on-demand`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_and_hours() {
        assert_eq!(policy("every"), Ok(ProofPolicy::Every));
        assert_eq!(policy("sampled:3"), Ok(ProofPolicy::Sampled { samples: 3 }));
        assert_eq!(policy("on-demand"), Ok(ProofPolicy::OnDemand));
        for wrong in ["", "sampled", "sampled:0", "sampled:256", "never"] {
            assert!(policy(wrong).is_err(), "{wrong}");
        }
        assert_eq!(hours("0.5"), Ok(0.5));
        for wrong in ["0", "-1", "nan", "inf", "1e7"] {
            assert!(hours(wrong).is_err(), "{wrong}");
        }
    }
}
