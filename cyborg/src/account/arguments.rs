//! The flags of `cyborg account …`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

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
