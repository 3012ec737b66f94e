//! A location that keeps fragments and manifests by their ids.

use async_trait::async_trait;
use bytes::Bytes;
use cyborg_primitives::Digest;

use crate::error::StorageError;
use crate::manifest::{MAX_FRAGMENT_BYTES, MAX_MANIFEST_BYTES};

/// What a location keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A fragment, by its BLAKE3.
    Fragment,
    /// A manifest, by its file's id.
    Manifest,
}

impl Kind {
    /// The folder, prefix or path that holds them.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::Fragment => "fragments",
            Self::Manifest => "manifests",
        }
    }

    /// Longest of its kind, in bytes.
    #[must_use]
    pub fn max_bytes(self) -> u64 {
        match self {
            Self::Fragment => MAX_FRAGMENT_BYTES.into(),
            Self::Manifest => MAX_MANIFEST_BYTES as u64,
        }
    }
}

/// A location that keeps fragments and manifests. What it answers is not trusted: the caller checks
/// it against the id.
#[async_trait]
pub trait FragmentStore: Send + Sync {
    /// Its name in manifests and messages, such as a URL.
    fn location(&self) -> &str;

    /// Keeps bytes under their id. Done when they would survive a crash; doing it again is no error.
    async fn put(&self, kind: Kind, id: &Digest, bytes: Bytes) -> Result<(), StorageError>;

    /// The bytes of an id, at most [`Kind::max_bytes`].
    async fn get(&self, kind: Kind, id: &Digest) -> Result<Bytes, StorageError>;

    /// Whether it keeps this id.
    async fn has(&self, kind: Kind, id: &Digest) -> Result<bool, StorageError>;

    /// Forgets an id; no error if it has none. A location that collects the fragments that no
    /// manifest lists may leave them to that.
    async fn delete(&self, kind: Kind, id: &Digest) -> Result<(), StorageError>;
}
