//! The flags of `cyborg zk …`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueHint};

use crate::cli::values::{Context, hex_bytes};
use crate::model::arguments::Sample;

#[derive(Debug, Subcommand)]
pub(crate) enum ZkCommand {
    /// Make the prover's key (secret) and the verifier's key (with a proof about itself)
    #[command(after_help = "Example:\n  cyborg zk keygen model.cyb --out keys")]
    Keygen(Keygen),
    /// Prove one inference; what is not made public stays hidden
    #[command(
        after_help = "Example:\n  cyborg zk prove --key keys/prover.key --input samples.npz --index 3 \\\n    \
                      --context 00ff --public-output --out answer.proof"
    )]
    Prove(Prove),
    /// Verify a proof from the verifier's key alone
    #[command(
        after_help = "Example:\n  cyborg zk verify --key keys/verifier.key --proof answer.proof --context 00ff"
    )]
    Verify(Verify),
    /// Verify a verifier's key: the proof about itself
    #[command(after_help = "Example:\n  cyborg zk check-key keys/verifier.key")]
    CheckKey(CheckKey),
    /// Show what a key or a proof contains: its statement, sizes and soundness
    #[command(after_help = "Example:\n  cyborg zk inspect answer.proof")]
    Inspect(InspectZk),
}

#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// Integer model
    #[arg(value_name = "M.cyb", value_hint = ValueHint::FilePath)]
    pub(crate) model: PathBuf,
    /// Folder for `prover.key` (secret) and `verifier.key`; made where it is missing
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    /// Replace keys that are there: nothing can be proven for the old verifier's key any more
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Prove {
    /// The prover's key
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) key: PathBuf,
    #[command(flatten)]
    pub(crate) sample: Sample,
    /// Bytes that the proof is bound to, such as a task's id; the verifier must name the same
    #[arg(long, value_name = "HEX", default_value = "", value_parser = hex_bytes, hide_default_value = true)]
    pub(crate) context: Context,
    /// Show the input in the proof instead of committing to it
    #[arg(long)]
    pub(crate) public_input: bool,
    /// Show the output in the proof instead of committing to it
    #[arg(long)]
    pub(crate) public_output: bool,
    /// File to write the proof to
    #[arg(
        long,
        value_name = "P.proof",
        value_hint = ValueHint::FilePath,
        required_unless_present = "connect",
        conflicts_with = "connect"
    )]
    pub(crate) out: Option<PathBuf>,
    /// Where to write the opening of the commitments (secret); beside the proof by default
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) opening_out: Option<PathBuf>,
    /// Prove to a live verifier (`cyborg zk verify --listen`), who alone is convinced
    #[arg(long, value_name = "ADDR")]
    pub(crate) connect: Option<String>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// How long a live session may be silent.
#[derive(Debug, Args)]
pub(crate) struct Patience {
    /// Longest silence of the other side of a live session, in seconds
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 300,
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    pub(crate) timeout: u64,
}

impl Patience {
    /// The flag as a duration.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The verifier's key
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) key: PathBuf,
    /// The proof
    #[arg(
        long,
        value_name = "P.proof",
        value_hint = ValueHint::FilePath,
        required_unless_present = "listen",
        conflicts_with = "listen"
    )]
    pub(crate) proof: Option<PathBuf>,
    /// Take a proof from a live prover (`cyborg zk prove --connect`) instead of a file
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    #[command(flatten)]
    pub(crate) patience: Patience,
    /// Bytes that the proof must be bound to
    #[arg(long, value_name = "HEX", default_value = "", value_parser = hex_bytes, hide_default_value = true)]
    pub(crate) context: Context,
    /// Samples (.npz or .json): the proof must be about this input
    #[arg(long, value_name = "X.npz", value_hint = ValueHint::FilePath)]
    pub(crate) input: Option<PathBuf>,
    /// Which sample of `--input` and `--output`, from 0; a file with one output needs none
    #[arg(long, value_name = "I", default_value_t = 0)]
    pub(crate) index: usize,
    /// Outputs (.npz or .json): the proof must be about this output
    #[arg(long, value_name = "Y.npz", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Opening of the proof's commitments: they must hold what it says
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) opening: Option<PathBuf>,
    /// Refuse a key whose proofs take longer to verify, by their cost, before any of it is done
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    pub(crate) max_cost: f64,
}

#[derive(Debug, Args)]
pub(crate) struct CheckKey {
    /// The verifier's key
    #[arg(value_name = "verifier.key", value_hint = ValueHint::FilePath)]
    pub(crate) key: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct InspectZk {
    /// A prover's key, a verifier's key, a proof or an opening
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// The verifier's key, to read a proof's statement with; the proof itself is not verified
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) key: Option<PathBuf>,
}
