//! Checking what is stored, and restoring what is lost.

use std::sync::Arc;

use bytes::Bytes;
use cyborg_primitives::Digest;
use futures::{StreamExt, TryStreamExt, stream};

use super::{Event, Inner};
use crate::code::{Buffers, decode, encode};
use crate::error::StorageError;
use crate::manifest::{Fragment, SignedManifest};
use crate::storage::blocking;
use crate::store::Kind;

/// What a check found, and what was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Fragments listed.
    pub fragments: u64,
    /// Not found anywhere.
    pub missing: u64,
    /// Found, but not what was stored.
    pub altered: u64,
    /// Stored again.
    pub rebuilt: u64,
    /// Locations that had no manifest and have one now.
    pub manifests: u64,
    /// What is wrong, one line each.
    pub problems: Vec<String>,
}

impl Inner {
    pub(super) async fn repair(
        self: &Arc<Self>,
        id: &Digest,
        rebuild: bool,
    ) -> Result<RepairReport, StorageError> {
        let signed = self.manifest(id).await?;
        let mut report =
            RepairReport { fragments: signed.manifest.fragments.len() as u64, ..RepairReport::default() };
        let stripes = signed.manifest.shape.stripes();
        for stripe in 0..stripes {
            let bad = self.check_stripe(&signed, stripe, &mut report).await;
            if rebuild && !bad.is_empty() {
                report.rebuilt += self.rebuild(&signed, stripe, &bad).await?;
            }
            self.tell(&Event::Stripe { stripe, of: stripes });
        }
        if rebuild {
            for location in &self.locations {
                if matches!(location.store.has(Kind::Manifest, id).await, Ok(false)) {
                    location.store.put(Kind::Manifest, id, Bytes::copy_from_slice(&signed.bytes)).await?;
                    report.manifests += 1;
                }
            }
        }
        Ok(report)
    }

    /// The fragments of a stripe that are not found where they should be.
    async fn check_stripe(
        self: &Arc<Self>,
        signed: &SignedManifest,
        stripe: u64,
        report: &mut RepairReport,
    ) -> Vec<usize> {
        let manifest = &signed.manifest;
        let fragment_bytes = manifest.shape.fragment_bytes_of(stripe);
        let checks = manifest.stripe(stripe).iter().enumerate().map(|(index, fragment)| {
            async move {
                let listed = self.listed_location(signed, fragment);
                let mut outcome = match listed {
                    Some(location) => {
                        self.get_fragment(location, fragment.id, fragment_bytes).await.map(drop)
                    }
                    None => Err(StorageError::Unreachable {
                        location: manifest.locations[usize::from(fragment.location)].clone(),
                        reason: "not one of the locations in use".to_owned(),
                    }),
                };
                // It may have gone elsewhere. What is altered is healed where it is.
                for location in (0..self.locations.len()).filter(|location| Some(*location) != listed) {
                    if matches!(outcome, Ok(()) | Err(StorageError::Altered { .. })) {
                        break;
                    }
                    if self.get_fragment(location, fragment.id, fragment_bytes).await.is_ok() {
                        outcome = Ok(());
                    }
                }
                (index, outcome)
            }
        });
        // Fetched fragments are dropped as soon as they are checked.
        let outcomes: Vec<_> = stream::iter(checks).buffered(4).collect().await;
        let mut bad = Vec::new();
        for (index, outcome) in outcomes {
            let Err(problem) = outcome else { continue };
            match problem {
                StorageError::Altered { .. } | StorageError::TooMuch { .. } => report.altered += 1,
                _ => report.missing += 1,
            }
            self.tell(&Event::BadFragment { stripe, index, problem: &problem });
            report.problems.push(format!("stripe {stripe}, fragment {index}: {problem}"));
            bad.push(index);
        }
        bad
    }

    /// The location that the manifest names, where it is in use.
    fn listed_location(&self, signed: &SignedManifest, fragment: &Fragment) -> Option<usize> {
        let name = &signed.manifest.locations[usize::from(fragment.location)];
        self.locations.iter().position(|location| location.store.location() == name)
    }

    async fn rebuild(
        self: &Arc<Self>,
        signed: &SignedManifest,
        stripe: u64,
        bad: &[usize],
    ) -> Result<u64, StorageError> {
        let shape = signed.manifest.shape;
        let fragment_bytes = shape.fragment_bytes_of(stripe);
        let found = self.clone().gather(signed, stripe).await?;
        let coded = blocking(move || {
            let data = decode(shape.code, found, fragment_bytes).map_err(std::io::Error::other)?;
            encode(&Buffers::default(), shape.code, fragment_bytes, |stripe| {
                for (to, fragment) in stripe.chunks_exact_mut(fragment_bytes).zip(data) {
                    to.copy_from_slice(&fragment);
                }
                Ok(())
            })
        })
        .await?;
        let listed = signed.manifest.stripe(stripe);
        let puts = bad.iter().map(|&index| {
            let bytes = coded[index].clone();
            async move {
                // Nothing is restored if the owner listed fragments that do not follow from the data.
                if *blake3::hash(&bytes).as_bytes() != listed[index].id {
                    let location = "the manifest".to_owned();
                    return Err(StorageError::Altered { location, id: hex::encode(listed[index].id) });
                }
                let mut order = self.order(stripe, index);
                if let Some(location) = self.listed_location(signed, &listed[index]) {
                    order.retain(|other| *other != location);
                    order.insert(0, location);
                }
                self.put_fragment(order, stripe, index, &listed[index].id, bytes).await
            }
        });
        stream::iter(puts).buffered(4).try_fold(0, |count, _| async move { Ok(count + 1) }).await
    }
}
