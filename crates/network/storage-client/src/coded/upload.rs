//! Storing: stripes are read, encrypted, coded and sent, a few at a time; then the manifest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use cyborg_disk::sealed::Sealed;
use cyborg_primitives::Digest;
use futures::{StreamExt, TryStreamExt, stream};

use super::{Event, Inner, STRIPES_AT_ONCE};
use crate::code::{Buffers, encode};
use crate::error::StorageError;
use crate::manifest::{Fragment, Manifest, Shape, SignedManifest};
use crate::storage::blocking;
use crate::store::Kind;

/// Stripes in a row of which nothing is there, after which nothing is expected to be.
const ABSENT_STRIPES: usize = 4;

/// An upload under way.
struct Upload {
    blob: Arc<Sealed>,
    shape: Shape,
    buffers: Buffers,
    /// Stripes in a row of which nothing was there.
    absent: AtomicUsize,
}

/// A stripe that is stored.
struct Placed {
    fragments: Vec<Fragment>,
    /// The stripe's bytes, for the file's digest.
    bytes: Vec<Bytes>,
}

impl Inner {
    pub(super) async fn put(self: Arc<Self>, blob: Arc<Sealed>) -> Result<Digest, StorageError> {
        let file_bytes = blob.layout().blob_bytes;
        let shape = Shape { code: self.code, fragment_bytes: self.fragment_bytes, file_bytes }.check()?;
        let absent = AtomicUsize::new(0);
        let upload = Arc::new(Upload { blob: blob.clone(), shape, buffers: Buffers::default(), absent });
        let mut stored = stream::iter(0..shape.stripes())
            .map(|stripe| {
                let work = self.clone().put_stripe(upload.clone(), stripe);
                // On a task of its own, so that the stripes use all cores.
                async { tokio::spawn(work).await.map_err(std::io::Error::other)? }
            })
            .buffered(STRIPES_AT_ONCE);

        let mut hasher = blake3::Hasher::new();
        let mut fragments = Vec::with_capacity(shape.stripes() as usize * usize::from(shape.code.total));
        let mut stripe = 0;
        while let Some(Placed { fragments: placed, bytes }) = stored.try_next().await? {
            hasher = blocking(move || {
                for part in bytes {
                    hasher.update(&part);
                }
                Ok(hasher)
            })
            .await?;
            fragments.extend(placed);
            self.tell(&Event::Stripe { stripe, of: shape.stripes() });
            stripe += 1;
        }
        drop(stored);
        if !blocking(move || Ok(blob.is_unchanged()?)).await? {
            return Err(StorageError::SourceChanged);
        }
        let manifest = Manifest {
            shape,
            file_digest: *hasher.finalize().as_bytes(),
            owner: self.signer.account(),
            locations: self.locations.iter().map(|location| location.store.location().to_owned()).collect(),
            fragments,
        };
        let signed = manifest.sign(&*self.signer)?;
        self.put_manifest(&signed).await?;
        Ok(signed.id)
    }

    /// The location that a fragment goes to, and where to turn when that fails: each stripe begins at
    /// the next location, so that every location has data and recovery fragments alike.
    pub(super) fn order(&self, stripe: u64, index: usize) -> Vec<usize> {
        let count = self.locations.len();
        let first = ((stripe % count as u64) as usize + index) % count;
        let mut order: Vec<usize> = (first..count).chain(0..first).collect();
        // Stable: locations that fail are asked last, in the same order.
        order.sort_by_key(|location| self.locations[*location].is_failing());
        order
    }

    async fn is_placed(&self, stripe: u64, index: usize, id: &Digest) -> Option<usize> {
        let location = *self.order(stripe, index).first()?;
        let has = self.locations[location].store.has(Kind::Fragment, id).await;
        self.locations[location].note(&has);
        has.ok()?.then_some(location)
    }

    async fn put_stripe(self: Arc<Self>, upload: Arc<Upload>, stripe: u64) -> Result<Placed, StorageError> {
        let (coded, bytes) = upload.clone().code(stripe).await?;
        let count = coded.len();
        // An interrupted upload left the fragments of its first stripes.
        let resuming = upload.absent.load(Ordering::Relaxed) < ABSENT_STRIPES;
        let any_there = AtomicBool::new(false);
        let fragments = stream::iter(coded.into_iter().enumerate())
            .map(|(index, (id, bytes))| {
                let (this, any_there) = (&self, &any_there);
                async move {
                    let there = if resuming { this.is_placed(stripe, index, &id).await } else { None };
                    let location = match there {
                        Some(location) => {
                            any_there.store(true, Ordering::Relaxed);
                            location
                        }
                        None => {
                            let order = this.order(stripe, index);
                            this.put_fragment(order, stripe, index, &id, bytes).await?
                        }
                    };
                    Ok::<_, StorageError>(Fragment { id, location: location as u16 })
                }
            })
            .buffered(count)
            .try_collect()
            .await?;
        if any_there.load(Ordering::Relaxed) {
            upload.absent.store(0, Ordering::Relaxed);
        } else {
            upload.absent.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Placed { fragments, bytes })
    }

    /// Puts a fragment at the first location of these that takes it.
    pub(super) async fn put_fragment(
        &self,
        order: Vec<usize>,
        stripe: u64,
        index: usize,
        id: &Digest,
        bytes: Bytes,
    ) -> Result<usize, StorageError> {
        let mut tried = Vec::new();
        for at in order {
            let location = &self.locations[at];
            let put = location.store.put(Kind::Fragment, id, bytes.clone()).await;
            location.note(&put);
            match put {
                Ok(()) => return Ok(at),
                Err(problem) => {
                    self.tell(&Event::BadFragment { stripe, index, problem: &problem });
                    tried.push(problem.to_string());
                }
            }
        }
        Err(StorageError::Nowhere { stripe, index, tried: tried.join("; ") })
    }

    /// Puts the manifest everywhere. It must survive the loss of as many locations as the fragments do.
    async fn put_manifest(&self, signed: &SignedManifest) -> Result<(), StorageError> {
        let bytes = Bytes::copy_from_slice(&signed.bytes);
        let puts = self.locations.iter().map(|location| {
            let bytes = bytes.clone();
            async move {
                let put = location.store.put(Kind::Manifest, &signed.id, bytes).await;
                location.note(&put);
                put
            }
        });
        let failed: Vec<String> = futures::future::join_all(puts)
            .await
            .into_iter()
            .filter_map(|put| put.err().map(|error| error.to_string()))
            .collect();
        let locations = self.locations.len();
        let placed = locations - failed.len();
        let code = signed.manifest.shape.code;
        let at_each = usize::from(code.total).div_ceil(locations);
        let needed = usize::from(code.total - code.data) / at_each + 1;
        if placed < needed.min(locations) {
            let tried = failed.join("; ");
            return Err(StorageError::ManifestStored {
                placed,
                locations,
                needed: needed.min(locations),
                tried,
            });
        }
        tracing::debug!(id = hex::encode(signed.id), placed, locations, "manifest stored");
        Ok(())
    }
}

impl Upload {
    /// Encrypts and codes a stripe: its fragments with their ids, and its bytes.
    async fn code(self: Arc<Self>, stripe: u64) -> Result<(Vec<(Digest, Bytes)>, Vec<Bytes>), StorageError> {
        blocking(move || {
            let code = self.shape.code;
            let (start, length) = self.shape.stripe(stripe);
            let fragment_bytes = self.shape.fragment_bytes_of(stripe);
            let fragments = encode(&self.buffers, code, fragment_bytes, |stripe| {
                let (bytes, padding) = stripe.split_at_mut(length);
                padding.fill(0);
                self.blob.read_at(start, bytes)
            })?;
            let data = fragments[..usize::from(code.data)].to_vec();
            let named =
                fragments.into_iter().map(|bytes| (*blake3::hash(&bytes).as_bytes(), bytes)).collect();
            Ok((named, super::cut(data, 0..length)))
        })
        .await
    }
}
