//! Collecting what no manifest lists; finding what has rotted.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cyborg_primitives::Digest;
use cyborg_serving::until;
use cyborg_storage_client::manifest::SignedManifest;
use cyborg_storage_client::store::Kind;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::Shared;
use crate::disk::KINDS;

/// What a collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Fragments that are listed, or still in their grace period.
    pub kept: u64,
    /// Fragments removed.
    pub removed: u64,
    /// Unfinished uploads removed.
    pub partials: u64,
}

/// What a search for rot found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Fragments and manifests read.
    pub read: u64,
    /// Put aside.
    pub rotten: u64,
}

/// Collects at intervals until the node stops.
pub(crate) async fn collect_for_ever(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    while rest(shared.config.collect_every, &mut stopped).await {
        match collect(shared.clone()).await {
            Ok(collected) => tracing::debug!(?collected, "collected"),
            Err(error) => tracing::error!(%error, "cannot collect"),
        }
    }
}

/// Searches for rot at intervals until the node stops.
pub(crate) async fn scrub_for_ever(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let rate = shared.config.scrub_bytes_per_second;
    while rest(shared.config.scrub_every, &mut stopped).await {
        tokio::select! {
            () = until(&mut stopped) => return,
            scrubbed = scrub(shared.clone(), Some(rate)) => match scrubbed {
                Ok(scrubbed) => tracing::info!(?scrubbed, "scrubbed"),
                Err(error) => tracing::error!(%error, "cannot scrub"),
            }
        }
    }
}

/// Pauses; false if the node stops meanwhile.
async fn rest(pause: Duration, stopped: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        () = until(stopped) => false,
        () = tokio::time::sleep(pause) => true,
    }
}

/// Removes fragments that no manifest lists and nobody has asked for since the grace period.
pub(crate) async fn collect(shared: Arc<Shared>) -> io::Result<Collected> {
    spawn_blocking(move || {
        shared.disk.begin_collection();
        let collected = sweep(&shared);
        shared.disk.end_collection();
        collected
    })
    .await
    .map_err(io::Error::other)?
}

fn sweep(shared: &Shared) -> io::Result<Collected> {
    let disk = &shared.disk;
    let older_than = SystemTime::now().checked_sub(shared.config.grace).unwrap_or(SystemTime::UNIX_EPOCH);
    if disk.lacks_a_manifest()? {
        return Err(io::Error::other("a manifest had rotted: nothing is collected until it is stored again"));
    }
    let mut listed: HashSet<Digest> = HashSet::new();
    for folder in disk.folders(Kind::Manifest)? {
        for entry in disk.entries(&folder)? {
            // A manifest that cannot be read could list anything: nothing is collected.
            let bytes = std::fs::read(disk.path(Kind::Manifest, &entry.id))?;
            let signed = SignedManifest::decode_as(bytes, &entry.id).map_err(io::Error::other)?;
            listed.extend(signed.manifest.fragments.iter().map(|fragment| fragment.id));
        }
    }
    let mut collected = Collected { partials: disk.drop_partials(older_than)?, ..Collected::default() };
    for folder in disk.folders(Kind::Fragment)? {
        for entry in disk.entries(&folder)? {
            let due = entry.asked_for < older_than && !listed.contains(&entry.id);
            if due && disk.collect(&entry, older_than)? {
                collected.removed += 1;
            } else {
                collected.kept += 1;
            }
        }
    }
    shared.metrics.collected.inc_by(collected.removed);
    Ok(collected)
}

/// Reads everything and puts aside what is no longer what was stored.
pub(crate) async fn scrub(shared: Arc<Shared>, bytes_per_second: Option<u64>) -> io::Result<Scrubbed> {
    let mut scrubbed = Scrubbed::default();
    let (began, mut bytes) = (Instant::now(), 0_u64);
    for kind in KINDS {
        for folder in shared.disk.folders(kind)? {
            let disk = shared.clone();
            let entries = blocking(move || disk.disk.entries(&folder)).await?;
            for entry in entries {
                let this = shared.clone();
                let length = entry.bytes;
                let good = blocking(move || {
                    let good = is_good(&this, kind, &entry.id)?;
                    if good == Some(false) {
                        this.disk.quarantine(kind, &entry)?;
                        tracing::error!(kind = kind.folder(), id = ?entry.id, "rotten, put aside");
                    }
                    Ok(good)
                })
                .await?;
                scrubbed.read += 1;
                shared.metrics.scrubbed_bytes.inc_by(length);
                if good == Some(false) {
                    scrubbed.rotten += 1;
                    shared.metrics.rotten.inc();
                }
                bytes += length;
                if let Some(rate) = bytes_per_second {
                    let due = Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
                    tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
                }
            }
        }
    }
    Ok(scrubbed)
}

/// Whether something is what was stored; `None` if it went away meanwhile.
fn is_good(shared: &Shared, kind: Kind, id: &Digest) -> io::Result<Option<bool>> {
    let Some((mut file, _)) = shared.disk.read(kind, id)? else { return Ok(None) };
    Ok(Some(match kind {
        Kind::Fragment => {
            let mut hasher = blake3::Hasher::new();
            match io::copy(&mut file, &mut hasher) {
                Ok(_) => *hasher.finalize().as_bytes() == *id,
                // A sector that cannot be read is rot too.
                Err(error) => {
                    tracing::error!(%error, "cannot read a fragment");
                    false
                }
            }
        }
        Kind::Manifest => {
            let bytes = std::fs::read(shared.disk.path(kind, id));
            bytes.is_ok_and(|bytes| SignedManifest::decode_as(bytes, id).is_ok())
        }
    }))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}
