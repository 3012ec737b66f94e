//! Why a network does not start or go on.

use std::fmt::Display;
use std::io;
use std::path::Path;

/// An error of a network of processes. Every message names the file or process that it is about.
#[derive(Debug, thiserror::Error)]
pub enum LocalnetError {
    /// The operating system refused something.
    #[error("{file}: {action}: {source}")]
    Io {
        /// The file, or what stands for it.
        file: String,
        /// What could not be done.
        action: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The content of a file cannot be used.
    #[error("{file}: {problem}")]
    Input {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Fewer processes are wanted than the network has.
    #[error(
        "{flag}: the network in {folder} has {has}, and {wanted} are asked for: none is taken away; \
         another folder (--dir) begins a new network"
    )]
    Fewer {
        /// The flag of `cyborg up` that asks for them.
        flag: &'static str,
        /// The network's folder.
        folder: String,
        /// How many the network has.
        has: usize,
        /// How many are wanted.
        wanted: u16,
    },
    /// The chain cannot be asked, or refuses.
    #[error(transparent)]
    Chain(#[from] cyborg_chain_client::ChainError),
    /// There is no such key, or it is not kept secret.
    #[error(transparent)]
    Key(#[from] cyborg_account::keys::KeyError),
    /// A process or the network does not do what it has to.
    #[error("{0}")]
    Failed(String),
}

impl LocalnetError {
    /// The content of a file cannot be used.
    pub fn input(file: &Path, problem: impl Display) -> Self {
        Self::Input { file: file.display().to_string(), problem: problem.to_string() }
    }

    /// The operating system refused something about a file.
    pub fn io(file: &Path, action: &'static str, source: io::Error) -> Self {
        Self::Io { file: file.display().to_string(), action, source }
    }
}
