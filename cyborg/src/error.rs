//! Failures, their one line on standard error, and the program's exit status.

use std::fmt::Display;
use std::io;
use std::path::Path;

use cyborg_miner::operator::OperatorError;
use serde_json::json;

use crate::report::{print_json, printable};

/// Exit status of a well-formed proof, key or block that is false, and of a doctor that found a problem.
pub(crate) const FALSE: u8 = 1;
/// Exit status of bad usage or input.
pub(crate) const BAD_INPUT: u8 = 2;

/// Why a command failed. Every message names the file it is about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A proof or key that reads well and is false.
    #[error("{file}: {problem}")]
    False { file: String, problem: String },
    /// A file whose content cannot be used.
    #[error("{file}: {problem}")]
    Input { file: String, problem: String },
    /// A sample file that cannot be used; names the file itself.
    #[error("{0}")]
    Data(#[from] zkml_samples::DataError),
    /// Flags that do not go together, or a value out of range.
    #[error("{flag}: {problem}")]
    Usage { flag: &'static str, problem: String },
    /// The operating system refused.
    #[error("{file}: {action}: {source}")]
    Io { file: String, action: &'static str, source: io::Error },
    /// A file larger than anything of its kind.
    #[error("{file}: more than the {limit} bytes that are read")]
    TooLarge { file: String, limit: u64 },
    /// The chain cannot be asked, or refuses.
    #[error(transparent)]
    Chain(#[from] cyborg_chain_client::ChainError),
    /// There is no such key, or it is not kept secret.
    #[error(transparent)]
    Key(#[from] cyborg_account::keys::KeyError),
    /// The node does not start, or has stopped.
    #[cfg(feature = "node")]
    #[error(transparent)]
    Node(#[from] cyborg_node::Error),
    /// The storage node does not start, or does not answer.
    #[error("{0}")]
    Storage(String),
    /// An owner's work does not go on.
    #[error(transparent)]
    Owner(Box<cyborg_owner::OwnerError>),
    /// An answer came, was shown, and its proof was not seen.
    #[error("{problem}")]
    Unproven { answer: serde_json::Map<String, serde_json::Value>, problem: String },
    /// Something in the network does not answer, or not as it should.
    #[error("{0}")]
    Network(String),
    /// A network of processes does not start, or does not go on.
    #[error(transparent)]
    Localnet(#[from] cyborg_localnet::LocalnetError),
    /// The miner cannot be made, registered or started.
    #[error("{0}")]
    Miner(String),
    /// The demo has said what does not hold.
    #[error("the demo failed: {0}")]
    Unmet(String),
    /// The doctor has said what is wrong.
    #[error("the doctor found problems: {0}")]
    Problems(String),
}

impl From<OperatorError> for Failure {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Chain(error) => Self::Chain(error),
            OperatorError::BondTooLow { .. } => Self::Usage { flag: "--bond", problem: error.to_string() },
            _ => Self::Miner(error.to_string()),
        }
    }
}

impl From<cyborg_owner::OwnerError> for Failure {
    fn from(error: cyborg_owner::OwnerError) -> Self {
        Self::Owner(Box::new(error))
    }
}

impl Failure {
    /// A file whose content cannot be used.
    pub(crate) fn input(file: &Path, problem: impl Display) -> Self {
        Self::Input { file: file.display().to_string(), problem: problem.to_string() }
    }

    /// A proof or key that is false.
    pub(crate) fn is_false(file: &Path, problem: impl Display) -> Self {
        Self::False { file: file.display().to_string(), problem: problem.to_string() }
    }

    /// A refusal of the operating system.
    pub(crate) fn io(file: &Path, action: &'static str, source: io::Error) -> Self {
        Self::Io { file: file.display().to_string(), action, source }
    }

    /// The program's exit status.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::False { .. } | Self::Problems(_) | Self::Unmet(_) => FALSE,
            #[cfg(feature = "node")]
            Self::Node(cyborg_node::Error::WrongBlock { .. }) => FALSE,
            _ => BAD_INPUT,
        }
    }

    /// One line on standard error, and with `--json` an object on standard output.
    pub(crate) fn print(&self, json: bool) {
        let message = self.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" ");
        let message = printable(&message);
        // What doctor and demo found is on standard output already.
        if json && !matches!(self, Self::Problems(_) | Self::Unmet(_)) {
            let mut object = json!({ "error": message });
            match self {
                Self::False { .. } => object["valid"] = false.into(),
                Self::Unproven { answer, .. } => {
                    for (key, value) in answer {
                        object[key] = value.clone();
                    }
                }
                _ => {}
            }
            print_json(&object);
        }
        eprintln!("error: {message}");
    }
}

#[cfg(test)]
mod tests {
    use cyborg_primitives::money::Cyb;

    use super::*;

    #[test]
    fn a_low_bond_names_its_flag() {
        let failure = Failure::from(OperatorError::BondTooLow { bond: Cyb(1), minimum: Cyb(2) });
        assert!(failure.to_string().starts_with("--bond: "), "{failure}");
    }
}
