//! What a service or an owner keeps on a disk.
//!
//! | module | content |
//! |---|---|
//! | [`files`] | reading a file through; private files that survive a crash |
//! | [`sealed`] | the encrypted form of a file, range by range |
//! | [`vault`] | named entries under one key: Argon2id or a key file, AES-256-GCM |
//!
//! The cryptography is that of `cyborg-envelope`.

mod error;
pub mod files;
pub mod sealed;
pub mod vault;

pub use error::DiskError;
