//! The commands and flags: one definition gives parsing, help and errors.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use cyborg_chain_client::DEFAULT_URL;

use crate::chain::arguments::ChainCommand;
use crate::miner::arguments::MinerCommand;
use crate::network::arguments::{Demo, Up};
use crate::task::arguments::{Deploy, Infer, TaskCommand};

/// Verifiable AI inference: import a model, quantise it, prove an inference of it, verify.
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
    /// Import, quantise, run and evaluate models
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
        after_help = "Example:\n  cyborg infer 0 --account hospital --input samples.npz --index 3 --wait-proof"
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
    /// Show a deployment, start to end, on a network of its own; exit status 1 where something does not hold
    #[command(after_help = "Example:\n  cyborg demo\n  cyborg demo --keep --answers 10")]
    Demo(Demo),
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Make a key, in the keyring or in a file
    #[command(after_help = "Example:\n  cyborg account new hospital")]
    New(AccountNew),
    /// List the keyring
    #[command(after_help = "Example:\n  cyborg account list")]
    List,
    /// Copy a key from the keyring to a file; keys are never printed
    #[command(after_help = "Example:\n  cyborg account export hospital --out /media/safe/hospital.key")]
    Export(AccountExport),
}

#[derive(Debug, Args)]
pub(crate) struct AccountNew {
    /// Name in the keyring (cyborg/accounts in the user's configuration folder)
    #[arg(value_name = "NAME", conflicts_with = "out")]
    pub(crate) name: Option<String>,
    /// File to make instead
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AccountExport {
    /// Name in the keyring
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// File to make; one that exists is not touched
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StorageCommand {
    /// Run a storage node until Ctrl-C or SIGTERM
    #[command(
        after_help = "Example:\n  cyborg storage start --dir /srv/cyborg --listen 0.0.0.0:9700 --quota 500GB"
    )]
    Start(StorageStart),
    /// Ask a storage node how it is
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
    #[arg(long, value_name = "URL", env = "CYBORG_NODE", default_value = DEFAULT_URL, value_hint = ValueHint::Url)]
    pub(crate) node: String,
    /// Only look
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
    /// Most that is kept, such as 500GB or 2TiB
    #[arg(long, value_name = "SIZE", default_value = "100GB", value_parser = size)]
    pub(crate) quota: u64,
    /// Account that may store here, in hexadecimal; may be repeated; anybody without
    #[arg(long, value_name = "HEX", value_parser = account)]
    pub(crate) owner: Vec<[u8; 32]>,
    /// How long what no manifest lists is kept, in hours
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=87_600))]
    pub(crate) grace: u64,
    /// Certificate chain for https, as PEM; plain HTTP without
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

#[cfg(feature = "node")]
#[derive(Debug, Args)]
pub(crate) struct NodeCommand {
    #[command(subcommand)]
    pub(crate) action: Option<NodeAction>,
    #[command(flatten)]
    pub(crate) node: Node,
}

#[cfg(feature = "node")]
#[derive(Debug, Args)]
pub(crate) struct Node {
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

#[cfg(feature = "node")]
#[derive(Debug, Subcommand)]
pub(crate) enum NodeAction {
    /// Write the chain's specification for the stock polkadot-omni-node
    #[command(after_help = "Example:\n  cyborg node export-chain-spec --preset development --out chain.json")]
    ExportChainSpec(ExportChainSpec),
    /// Execute blocks of a node's folder again, as a node does that imports them; status 1 where one does not
    /// lead to the state that its header names
    #[command(after_help = "Example:\n  cyborg node verify --base-path node --from 1000")]
    Verify(NodeVerify),
}

#[cfg(feature = "node")]
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

#[cfg(feature = "node")]
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
#[cfg(feature = "node")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// Well-known accounts have money, and one of them makes the blocks
    #[default]
    Development,
    /// Nobody has anything: collators and balances are put in before launch
    Production,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Show a model's operators, shapes and cost, and what of it can be proven
    #[command(after_help = "Example:\n  cyborg model inspect model.onnx")]
    Inspect(Inspect),
    /// Turn an ONNX model into an exact integer model, and report the accuracy it keeps
    #[command(
        after_help = "Example:\n  cyborg model compile model.onnx --calibrate samples.npz -o model.cyb"
    )]
    Compile(Compile),
    /// Run an integer model on one sample
    #[command(after_help = "Example:\n  cyborg model run model.cyb --input samples.npz --index 3")]
    Run(Run),
    /// Measure accuracy, agreement with the float model, latency and throughput over a data set
    #[command(after_help = "Example:\n  cyborg model eval model.cyb --data samples.npz")]
    Eval(Eval),
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// ONNX model, or integer model made by `cyborg model compile`
    #[arg(value_name = "MODEL", value_hint = ValueHint::FilePath)]
    pub(crate) model: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Compile {
    /// ONNX model, as PyTorch exports it
    #[arg(value_name = "M.onnx", value_hint = ValueHint::FilePath)]
    pub(crate) model: PathBuf,
    /// Samples that show the range of every activation (.npz or .json)
    #[arg(long, value_name = "X.npz", value_hint = ValueHint::FilePath)]
    pub(crate) calibrate: PathBuf,
    /// Where to write the integer model
    #[arg(short, long, value_name = "M.cyb", value_hint = ValueHint::FilePath)]
    pub(crate) out: PathBuf,
    /// Bits of every weight (8 by default)
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(2..=16))]
    pub(crate) weight_bits: Option<u8>,
    /// Bits of every activation (8 by default)
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(4..=12))]
    pub(crate) activation_bits: Option<u8>,
    /// Use these widths as they are; otherwise wider ones are tried where accuracy is missed
    #[arg(long)]
    pub(crate) fixed_bits: bool,
    /// Least agreement with the float model that is accepted, in percent of samples
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) min_agreement: Option<f64>,
    /// Greatest loss of accuracy that is accepted, in percentage points, where there are labels
    #[arg(long, value_name = "POINTS", value_parser = percent)]
    pub(crate) max_loss: Option<f64>,
    /// How ReLU is proven
    #[arg(long, value_enum, default_value_t)]
    pub(crate) relu: Relu,
}

/// How ReLU is proven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Relu {
    /// By a table, together with rounding and saturation
    #[default]
    Lookup,
    /// By the bits of the accumulator
    Bits,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Integer model
    #[arg(value_name = "M.cyb", value_hint = ValueHint::FilePath)]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) sample: Sample,
    /// Write the output's integers as JSON, in the form that `cyborg zk verify --output` reads
    #[arg(short, long, value_name = "Y.json", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
}

/// One sample of a file.
#[derive(Debug, Args)]
pub(crate) struct Sample {
    /// Samples (.npz or .json); arrays named as the model's inputs, or `inputs`
    #[arg(long, value_name = "X.npz", value_hint = ValueHint::FilePath)]
    pub(crate) input: PathBuf,
    /// Which sample, from 0
    #[arg(long, value_name = "I", default_value_t = 0)]
    pub(crate) index: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Eval {
    /// Integer model
    #[arg(value_name = "M.cyb", value_hint = ValueHint::FilePath)]
    pub(crate) model: PathBuf,
    /// Samples (.npz or .json), with `labels` and the float model's `outputs` where there are any
    #[arg(long, value_name = "X.npz", value_hint = ValueHint::FilePath)]
    pub(crate) data: PathBuf,
}

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
    /// Where to write the proof
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

/// Longest context, in bytes.
pub(crate) const MAX_CONTEXT_BYTES: usize = 1024;

/// The bytes that a proof is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Context(pub(crate) Vec<u8>);

fn hex_bytes(text: &str) -> Result<Context, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    if !digits.len().is_multiple_of(2) {
        return Err("an odd number of hexadecimal digits".to_owned());
    }
    if digits.len() / 2 > MAX_CONTEXT_BYTES {
        return Err(format!("more than {MAX_CONTEXT_BYTES} bytes"));
    }
    let digit = |byte: u8| (byte as char).to_digit(16).map(|value| value as u8);
    let bytes: Option<Vec<u8>> =
        digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect();
    bytes.map(Context).ok_or_else(|| "not hexadecimal".to_owned())
}

/// A number of bytes, with a decimal or binary unit.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err("a size is a number and B, KB, MB, GB, TB, KiB, MiB, GiB or TiB".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "not a whole number".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "more bytes than can be counted".to_owned())
}

/// An account as 64 hexadecimal digits.
fn account(text: &str) -> Result<[u8; 32], String> {
    let Context(bytes) = hex_bytes(text)?;
    bytes.try_into().map_err(|_| "not 32 bytes".to_owned())
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=100.0).contains(&value) => Ok(value),
        _ => Err("not a percentage between 0 and 100".to_owned()),
    }
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

    #[test]
    fn sizes_and_accounts() {
        for (text, bytes) in [("0", 0), ("7B", 7), ("100GB", 100_000_000_000), ("2 TiB", 2 << 40)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "GB", "-1", "1.5GB", "1gb", "1EB", "18446744073709551616", "20000000TB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(account(&"ab".repeat(32)), Ok([0xab; 32]));
        assert!(account("ab").is_err());
    }

    #[test]
    fn contexts_are_hexadecimal() {
        assert_eq!(hex_bytes("00fF"), Ok(Context(vec![0, 255])));
        assert_eq!(hex_bytes("0x01"), Ok(Context(vec![1])));
        assert_eq!(hex_bytes(""), Ok(Context(vec![])));
        for wrong in ["0", "0g", "é", "+1", &"00".repeat(MAX_CONTEXT_BYTES + 1)] {
            assert!(hex_bytes(wrong).is_err(), "{wrong}");
        }
    }
}
