//! Fetching: any fragments that suffice, from whichever locations answer first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cyborg_primitives::Digest;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::task::JoinSet;

use super::{Event, Inner};
use crate::code::decode;
use crate::error::{ManifestError, StorageError};
use crate::manifest::SignedManifest;
use crate::storage::blocking;
use crate::store::Kind;

/// When a fragment takes this long, another is asked for as well.
const HEDGE_AFTER: Duration = Duration::from_secs(3);

impl Inner {
    pub(super) async fn manifest(&self, id: &Digest) -> Result<SignedManifest, StorageError> {
        let mut asked: FuturesUnordered<_> = self
            .locations
            .iter()
            .map(|location| async move {
                let bytes = location.store.get(Kind::Manifest, id).await;
                location.note(&bytes);
                match SignedManifest::decode_as(bytes?.to_vec(), id) {
                    Ok(signed) => Ok(signed),
                    Err(ManifestError::OtherFile) => Err(StorageError::Altered {
                        location: location.store.location().to_owned(),
                        id: hex::encode(id),
                    }),
                    Err(error) => Err(StorageError::Protocol {
                        location: location.store.location().to_owned(),
                        found: error.to_string(),
                    }),
                }
            })
            .collect();
        let mut tried = Vec::new();
        while let Some(answer) = asked.next().await {
            match answer {
                Ok(signed) => return Ok(signed),
                Err(error) => tried.push(error.to_string()),
            }
        }
        Err(StorageError::NoManifest { id: hex::encode(id), tried: tried.join("; ") })
    }

    /// The data fragments of a stripe.
    pub(super) async fn fetch_stripe(
        self: Arc<Self>,
        signed: Arc<SignedManifest>,
        stripe: u64,
    ) -> Result<(u64, Vec<Bytes>), StorageError> {
        let shape = signed.manifest.shape;
        let found = self.clone().gather(&signed, stripe).await?;
        let fragment_bytes = shape.fragment_bytes_of(stripe);
        let fragments = if found.iter().all(|(index, _)| *index < usize::from(shape.code.data)) {
            decode(shape.code, found, fragment_bytes).map_err(std::io::Error::other)?
        } else {
            blocking(move || {
                decode(shape.code, found, fragment_bytes).map_err(|error| std::io::Error::other(error).into())
            })
            .await?
        };
        self.tell(&Event::Stripe { stripe, of: shape.stripes() });
        Ok((stripe, fragments))
    }

    /// Enough good fragments of a stripe, with their indexes.
    pub(super) async fn gather(
        self: Arc<Self>,
        signed: &SignedManifest,
        stripe: u64,
    ) -> Result<Vec<(usize, Bytes)>, StorageError> {
        let needed = usize::from(signed.manifest.shape.code.data);
        let fragment_bytes = signed.manifest.shape.fragment_bytes_of(stripe);
        let listed = signed.manifest.stripe(stripe);
        let mut queue = self.candidates(signed, stripe);
        let mut running: JoinSet<(usize, Result<Bytes, StorageError>)> = JoinSet::new();
        let mut found: Vec<(usize, Bytes)> = Vec::with_capacity(needed);
        let mut lost = Vec::new();
        let mut hedges = 0;
        loop {
            while running.len() + found.len() < needed + hedges {
                let Some((index, location)) = queue.pop_front() else { break };
                // Looked for elsewhere, a fragment may have been found meanwhile.
                if found.iter().any(|(have, _)| *have == index) {
                    continue;
                }
                let (this, id) = (self.clone(), listed[index].id);
                running.spawn(async move { (index, this.get_fragment(location, id, fragment_bytes).await) });
            }
            let Ok(answer) = tokio::time::timeout(HEDGE_AFTER, running.join_next()).await else {
                hedges += 1;
                continue;
            };
            let Some(answer) = answer else {
                let (found, lost) = (found.len(), lost.join("; "));
                return Err(StorageError::Lost { stripe, found, needed, lost });
            };
            match answer.map_err(std::io::Error::other)? {
                (index, Ok(bytes)) => {
                    if found.iter().all(|(have, _)| *have != index) {
                        found.push((index, bytes));
                    }
                    if found.len() == needed {
                        return Ok(found);
                    }
                }
                (index, Err(problem)) => {
                    self.tell(&Event::BadFragment { stripe, index, problem: &problem });
                    lost.push(format!("fragment {index}: {problem}"));
                }
            }
        }
    }

    /// Fragments and locations in the order in which they are asked for: where the manifest says, then
    /// everywhere else; locations that fail last.
    fn candidates(&self, signed: &SignedManifest, stripe: u64) -> VecDeque<(usize, usize)> {
        let manifest = &signed.manifest;
        let mut candidates = Vec::new();
        for (index, fragment) in manifest.stripe(stripe).iter().enumerate() {
            let hinted = &manifest.locations[usize::from(fragment.location)];
            for (at, location) in self.locations.iter().enumerate() {
                let elsewhere = location.store.location() != hinted;
                candidates.push((elsewhere, location.is_failing(), index, at));
            }
        }
        candidates.sort_unstable();
        candidates.into_iter().map(|(_, _, index, at)| (index, at)).collect()
    }

    /// A fragment from one location, checked.
    pub(super) async fn get_fragment(
        &self,
        location: usize,
        id: Digest,
        fragment_bytes: usize,
    ) -> Result<Bytes, StorageError> {
        let location = &self.locations[location];
        let answer = match location.store.get(Kind::Fragment, &id).await {
            Ok(bytes) => {
                // A fragment of another length cannot have this id, unless the owner's listing lies.
                let good = blocking(move || {
                    let good = bytes.len() == fragment_bytes && *blake3::hash(&bytes).as_bytes() == id;
                    Ok(good.then_some(bytes))
                })
                .await?;
                good.ok_or_else(|| StorageError::Altered {
                    location: location.store.location().to_owned(),
                    id: hex::encode(id),
                })
            }
            Err(error) => Err(error),
        };
        location.note(&answer);
        answer
    }
}
