//! Why something cannot be kept on the disk, or read back.

use std::io;

use cyborg_envelope::EnvelopeError;

/// Why a vault cannot be opened, read or written. One variant per check.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// A vault's file does not begin with the magic, or has another length.
    #[error("not a vault of this version")]
    NotAVault,
    /// A vault's file asks for a key derivation beyond the limits.
    #[error("a key derivation with {memory_kib} KiB, {passes} passes, {lanes} lanes is out of range")]
    KdfRange {
        /// Memory.
        memory_kib: u32,
        /// Passes over it.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// The passphrase or the key file is not the vault's.
    #[error("wrong passphrase or key file")]
    WrongUnlock,
    /// The vault is unlocked by the other means.
    #[error("this vault is unlocked with a {expected}")]
    OtherUnlock {
        /// What unlocks it.
        expected: &'static str,
    },
    /// Others may read a key file.
    #[error("others may read the key file (mode {mode:o}); chmod 600 it")]
    ReadableKeyFile {
        /// Its mode.
        mode: u32,
    },
    /// A key file has another length.
    #[error("a key file of {got} bytes; expected 32")]
    KeyFileLength {
        /// Bytes found.
        got: u64,
    },
    /// A name that could lead out of the vault's folder.
    #[error(
        "`{got}` is not a valid name in a vault: use a-z, 0-9, `-`, `_`, and `.` except at the beginning"
    )]
    VaultName {
        /// The name.
        got: String,
    },
    /// An entry cannot be sealed or opened.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}
