//! The flags of `cyborg up` and `cyborg demo`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use cyborg_localnet::settings::{MAX_BLOCK_MS, MAX_MINERS, MAX_STORAGE, MIN_BLOCK_MS, Wanted};

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Folder of the network; what is there goes on [default: cyborg/network in the user's data folder]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
    /// Miners; as many as the folder has, or 3
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_MINERS)))]
    pub(crate) miners: Option<u16>,
    /// Storage nodes; as many as the folder has, or 4
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_STORAGE)))]
    pub(crate) storage: Option<u16>,
    /// Milliseconds from block to block, each of which is six seconds of chain time; as before, or 1000
    #[arg(
        long,
        value_name = "MS",
        value_parser = clap::value_parser!(u64).range(MIN_BLOCK_MS..=MAX_BLOCK_MS)
    )]
    pub(crate) block_time: Option<u64>,
}

impl From<&Up> for Wanted {
    fn from(arguments: &Up) -> Self {
        Self { miners: arguments.miners, storage: arguments.storage, block_time_ms: arguments.block_time }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Leave the network running at the end, until Ctrl-C, and keep its folder
    #[arg(long)]
    pub(crate) keep: bool,
    /// Milliseconds from block to block, each of which is six seconds of chain time
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 300,
        value_parser = clap::value_parser!(u64).range(MIN_BLOCK_MS..=MAX_BLOCK_MS)
    )]
    pub(crate) block_time: u64,
    /// Answers that are asked for
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) answers: u16,
    /// ONNX model to deploy instead of the built-in digits_cnn
    #[arg(long, value_name = "M.onnx", requires = "samples", value_hint = ValueHint::FilePath)]
    pub(crate) model: Option<PathBuf>,
    /// Samples for it (.npz or .json): they calibrate it, and are asked about
    #[arg(long, value_name = "X.npz", requires = "model", value_hint = ValueHint::FilePath)]
    pub(crate) samples: Option<PathBuf>,
}
