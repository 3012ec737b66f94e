//! Files cut into fragments over several locations, so that some may be lost.

mod fetch;
mod repair;
mod upload;

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use cyborg_account::Signing;
use cyborg_disk::sealed::{Sealed, digest_of};
use cyborg_primitives::Digest;
use futures::{StreamExt, TryStreamExt, stream};

use crate::error::StorageError;
use crate::manifest::{Code, SignedManifest};
use crate::storage::{Download, FileStore, blocking};
use crate::store::{FragmentStore, Kind};

pub use repair::RepairReport;

/// Fragments of 1 MiB unless said otherwise.
pub const FRAGMENT_BYTES: u32 = 1 << 20;
/// Stripes on their way at once. Each is 4 MiB of the file, and 12 MiB when it is coded.
const STRIPES_AT_ONCE: usize = 4;
/// A location that failed this often in a row is asked last.
const FAILING: u32 = 2;

/// Progress and failures while files move.
#[derive(Debug)]
pub enum Event<'a> {
    /// A stripe is stored, fetched or repaired.
    Stripe {
        /// Its index, from 0.
        stripe: u64,
        /// Number of stripes.
        of: u64,
    },
    /// A fragment is lost, altered or cannot be reached; others will do.
    BadFragment {
        /// Which stripe, from 0.
        stripe: u64,
        /// Which of its fragments, from 0.
        index: usize,
        /// What is wrong, and where.
        problem: &'a StorageError,
    },
}

/// Hears events.
pub type Observer = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

struct Location {
    store: Arc<dyn FragmentStore>,
    /// Failures in a row.
    failures: AtomicU32,
}

impl Location {
    fn is_failing(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= FAILING
    }

    /// Remembers how a request went. That something is missing is no failure of the location.
    fn note<T>(&self, outcome: &Result<T, StorageError>) {
        match outcome {
            Ok(_) => self.failures.store(0, Ordering::Relaxed),
            Err(StorageError::NotFound { .. }) => {}
            Err(_) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

struct Inner {
    locations: Vec<Location>,
    signer: Arc<dyn Signing>,
    code: Code,
    fragment_bytes: u32,
    observer: Option<Observer>,
}

/// Files cut into fragments over several locations. Every fragment is checked against the signed
/// manifest, whoever sent it.
#[derive(Clone)]
pub struct Coded(Arc<Inner>);

impl Coded {
    /// Stores with a code over these locations; the signer owns what is stored.
    ///
    /// # Errors
    /// Returns an error if there are no locations.
    pub fn new(
        locations: Vec<Arc<dyn FragmentStore>>,
        signer: Arc<dyn Signing>,
        code: Code,
    ) -> Result<Self, StorageError> {
        if locations.is_empty() {
            return Err(StorageError::NoLocations);
        }
        let locations =
            locations.into_iter().map(|store| Location { store, failures: AtomicU32::new(0) }).collect();
        Ok(Self(Arc::new(Inner { locations, signer, code, fragment_bytes: FRAGMENT_BYTES, observer: None })))
    }

    /// With fragments of another size, a multiple of 64.
    #[must_use]
    pub fn with_fragment_bytes(self, fragment_bytes: u32) -> Self {
        let inner = self.into_inner();
        Self(Arc::new(Inner { fragment_bytes, ..inner }))
    }

    /// Reports events to an observer.
    #[must_use]
    pub fn with_observer(self, observer: Observer) -> Self {
        let inner = self.into_inner();
        Self(Arc::new(Inner { observer: Some(observer), ..inner }))
    }

    fn into_inner(self) -> Inner {
        Arc::try_unwrap(self.0).unwrap_or_else(|shared| Inner {
            locations: shared
                .locations
                .iter()
                .map(|location| Location { store: location.store.clone(), failures: AtomicU32::new(0) })
                .collect(),
            signer: shared.signer.clone(),
            code: shared.code,
            fragment_bytes: shared.fragment_bytes,
            observer: shared.observer.clone(),
        })
    }

    /// A file's manifest, from the first location that has a valid one.
    ///
    /// # Errors
    /// Returns an error if none has.
    pub async fn manifest(&self, id: &Digest) -> Result<SignedManifest, StorageError> {
        self.0.manifest(id).await
    }

    /// Checks every fragment of a file at its location and, if asked to, restores those that are lost
    /// or altered, and the manifest wherever it is missing.
    ///
    /// # Errors
    /// Returns an error if too few fragments of a stripe are left, or nobody takes a restored one.
    pub async fn repair(&self, id: &Digest, rebuild: bool) -> Result<RepairReport, StorageError> {
        self.0.repair(id, rebuild).await
    }
}

impl Inner {
    fn tell(&self, event: &Event<'_>) {
        if let Event::BadFragment { stripe, index, problem } = event {
            tracing::warn!(stripe, index, %problem, "bad fragment");
        }
        if let Some(observer) = &self.observer {
            observer(event);
        }
    }
}

/// The stripes that a range of a file touches.
fn stripes_of(manifest: &SignedManifest, range: &Range<u64>) -> Result<Range<u64>, StorageError> {
    let shape = manifest.manifest.shape;
    if range.start > range.end || range.end > shape.file_bytes {
        return Err(StorageError::Range { start: range.start, end: range.end, length: shape.file_bytes });
    }
    let first = range.start / shape.stripe_bytes();
    Ok(first..range.end.div_ceil(shape.stripe_bytes()).max(first))
}

#[async_trait]
impl FileStore for Coded {
    async fn put(&self, blob: Arc<Sealed>) -> Result<Digest, StorageError> {
        self.0.clone().put(blob).await
    }

    async fn get(&self, id: &Digest, from: u64) -> Result<Download, StorageError> {
        let manifest = Arc::new(self.0.manifest(id).await?);
        let shape = manifest.manifest.shape;
        let stripes = stripes_of(&manifest, &(from..shape.file_bytes))?;
        let inner = self.0.clone();
        let chunks = stream::iter(stripes)
            .map(move |stripe| inner.clone().fetch_stripe(manifest.clone(), stripe))
            .buffered(STRIPES_AT_ONCE)
            .map_ok(move |(stripe, fragments)| {
                let (start, bytes) = shape.stripe(stripe);
                let skip = from.saturating_sub(start) as usize;
                stream::iter(cut(fragments, skip..bytes).into_iter().map(Ok))
            })
            .try_flatten()
            .boxed();
        Ok(Download { file_bytes: shape.file_bytes, chunks })
    }

    async fn range(&self, id: &Digest, range: Range<u64>) -> Result<Bytes, StorageError> {
        let manifest = Arc::new(self.0.manifest(id).await?);
        let shape = manifest.manifest.shape;
        let mut bytes = BytesMut::new();
        for stripe in stripes_of(&manifest, &range)? {
            let (stripe, fragments) = self.0.clone().fetch_stripe(manifest.clone(), stripe).await?;
            let (start, length) = shape.stripe(stripe);
            let from = range.start.saturating_sub(start) as usize;
            let to = (range.end - start).min(length as u64) as usize;
            for part in cut(fragments, from..to) {
                bytes.extend_from_slice(&part);
            }
        }
        Ok(bytes.freeze())
    }

    async fn has(&self, id: &Digest) -> Result<bool, StorageError> {
        match self.0.manifest(id).await {
            Ok(_) => Ok(true),
            Err(StorageError::NoManifest { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn delete(&self, id: &Digest) -> Result<(), StorageError> {
        let Ok(manifest) = self.0.manifest(id).await else { return Ok(()) };
        // Manifests first: where a node keeps what manifests list, the fragments follow.
        for location in &self.0.locations {
            location.store.delete(Kind::Manifest, id).await?;
        }
        let manifest = &manifest.manifest;
        for fragment in &manifest.fragments {
            let name = &manifest.locations[usize::from(fragment.location)];
            for location in self.0.locations.iter().filter(|location| location.store.location() == name) {
                location.store.delete(Kind::Fragment, &fragment.id).await?;
            }
        }
        Ok(())
    }

    async fn is_whole(&self, id: &Digest, fetched: File) -> Result<bool, StorageError> {
        let digest = self.0.manifest(id).await?.manifest.file_digest;
        blocking(move || Ok(digest_of(&fetched)?.0 == digest)).await
    }
}

/// The bytes of a range of a stripe, from its data fragments.
fn cut(fragments: Vec<Bytes>, range: Range<usize>) -> Vec<Bytes> {
    let mut start = 0;
    let mut parts = Vec::with_capacity(fragments.len());
    for fragment in fragments {
        let from = range.start.saturating_sub(start).min(fragment.len());
        let to = range.end.saturating_sub(start).min(fragment.len());
        if from < to {
            parts.push(fragment.slice(from..to));
        }
        start += fragment.len();
    }
    parts
}
