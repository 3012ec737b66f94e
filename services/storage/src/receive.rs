//! Uploads, whole or in parts, checked while they come. An upload is acknowledged when its bytes and
//! its name are on the disk.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use cyborg_primitives::Digest;
use cyborg_storage_client::error::ManifestError;
use cyborg_storage_client::manifest::SignedManifest;
use cyborg_storage_client::store::Kind;
use http_body_util::BodyExt;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};

use crate::Shared;

/// Written to the disk at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// Pieces held before they are written: a client that sends single bytes holds no more memory.
const MAX_CHUNKS: usize = 256;

/// Why an upload is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// There is no space left.
    #[error("no space left")]
    Full,
    /// The client was silent, or too slow.
    #[error("too slow")]
    TooSlow,
    /// The client went away.
    #[error("the upload broke off")]
    BrokenOff,
    /// Fewer or more bytes than announced.
    #[error("{got} bytes; {expected} were announced")]
    Length {
        /// Bytes announced.
        expected: u64,
        /// Bytes received.
        got: u64,
    },
    /// Its id is not the one that it was sent under.
    #[error("this is not the fragment of this id")]
    OtherId,
    /// The bytes are not a manifest, or not this file's.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Only some owners may store here.
    #[error("its owner may not store here")]
    Owner,
    /// Somebody else is uploading the same in parts.
    #[error("this is being uploaded")]
    Busy,
    /// Too many uploads at once.
    #[error("too many uploads at once")]
    TooMany,
    /// The disk failed.
    #[error("the disk failed")]
    Disk(#[from] io::Error),
}

impl Refusal {
    /// A disk without space is a full node, whatever the quota says.
    fn from_disk(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Disk(error),
        }
    }
}

/// What became of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// It is kept now.
    New,
    /// It was kept before.
    Known,
    /// So many bytes of it are there.
    Partial(u64),
}

/// Uploads in parts that somebody is sending right now.
#[derive(Clone, Default)]
pub(crate) struct Busy(Arc<Mutex<HashSet<PathBuf>>>);

struct BusyGuard {
    busy: Busy,
    path: PathBuf,
}

impl Busy {
    fn take(&self, path: PathBuf) -> Result<BusyGuard, Refusal> {
        // A set of paths is whole between any two statements: what panicked elsewhere is no matter.
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.insert(path.clone()) {
            Ok(BusyGuard { busy: self.clone(), path })
        } else {
            Err(Refusal::Busy)
        }
    }
}

impl Drop for BusyGuard {
    fn drop(&mut self) {
        self.busy.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
    }
}

/// Removes the file of a failed upload.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Gone when it was admitted; removed at the next start if it cannot be removed now.
        let _ = fs::remove_file(&self.0);
    }
}

/// A file that is written and hashed as it comes.
struct Sink {
    file: File,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Sink {
    async fn take(mut self, chunks: Vec<Bytes>) -> Result<Self, Refusal> {
        blocking(move || {
            for chunk in chunks {
                self.hasher.update(&chunk);
                self.file.write_all(&chunk)?;
                self.bytes += chunk.len() as u64;
            }
            Ok(self)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Refusal> {
    spawn_blocking(work).await.map_err(io::Error::other).and_then(|done| done).map_err(Refusal::from_disk)
}

/// Writes a body to a file. What had come is in the file also where it broke off.
async fn pour(
    shared: &Shared,
    mut body: Body,
    expected: u64,
    mut sink: Sink,
) -> Result<Sink, (Refusal, Option<Sink>)> {
    let limits = shared.config.limits;
    let allowed = Duration::from_secs(expected / limits.min_bytes_per_second.max(1)) + limits.silence;
    let deadline = Instant::now() + allowed;
    let (mut chunks, mut pending) = (Vec::new(), 0);
    let mut received = 0_u64;
    let refusal = loop {
        let frame = match timeout_at(deadline, timeout(limits.silence, body.frame())).await {
            Ok(Ok(frame)) => frame,
            _ => break Some(Refusal::TooSlow),
        };
        match frame {
            None => break None,
            Some(Err(_)) => break Some(Refusal::BrokenOff),
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                received += data.len() as u64;
                if received > expected {
                    break Some(Refusal::Length { expected, got: received });
                }
                shared.metrics.received_bytes.inc_by(data.len() as u64);
                pending += data.len();
                chunks.push(data);
                if pending >= CHUNK_BYTES || chunks.len() >= MAX_CHUNKS {
                    let full = std::mem::take(&mut chunks);
                    pending = 0;
                    sink = sink.take(full).await.map_err(|refusal| (refusal, None))?;
                }
            }
        }
    };
    if !chunks.is_empty() {
        sink = sink.take(chunks).await.map_err(|refusal| (refusal, None))?;
    }
    match refusal {
        None if received == expected => Ok(sink),
        None => Err((Refusal::Length { expected, got: received }, Some(sink))),
        Some(refusal) => Err((refusal, Some(sink))),
    }
}

/// Takes an upload that comes all at once.
pub(crate) async fn whole(
    shared: &Arc<Shared>,
    kind: Kind,
    id: Digest,
    bytes: u64,
    body: Body,
) -> Result<Received, Refusal> {
    let reservation = shared.disk.reserve(bytes).ok_or(Refusal::Full)?;
    let path = shared.disk.temporary(&id)?;
    let temporary = Temporary(path.clone());
    let file = blocking(move || OpenOptions::new().write(true).create_new(true).open(path)).await?;
    let sink = Sink { file, hasher: blake3::Hasher::new(), bytes: 0 };
    let sink = pour(shared, body, bytes, sink).await.map_err(|(refusal, _)| refusal)?;
    let received = admit(shared, kind, id, sink, temporary.0.clone()).await?;
    reservation.keep();
    Ok(received)
}

/// Checks an upload that is complete, puts it on the disk and gives it its place.
async fn admit(
    shared: &Arc<Shared>,
    kind: Kind,
    id: Digest,
    sink: Sink,
    path: PathBuf,
) -> Result<Received, Refusal> {
    let shared = shared.clone();
    let Sink { file, hasher, .. } = sink;
    let admitted = spawn_blocking(move || {
        match kind {
            Kind::Fragment if *hasher.finalize().as_bytes() != id => return Err(Refusal::OtherId),
            Kind::Fragment => {}
            Kind::Manifest => {
                let signed = SignedManifest::decode_as(fs::read(&path)?, &id)?;
                let owners = &shared.config.owners;
                if !owners.is_empty() && !owners.contains(&signed.manifest.owner) {
                    return Err(Refusal::Owner);
                }
                shared.disk.announce(&signed.manifest);
            }
        }
        file.sync_all().map_err(Refusal::from_disk)?;
        let new = shared.disk.admit(kind, &id, &path).map_err(Refusal::from_disk)?;
        Ok(if new { Received::New } else { Received::Known })
    });
    admitted.await.map_err(io::Error::other)?
}

/// A part of an upload, or the question how much of it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentRange {
    /// Where it begins and ends; `None` for the question.
    pub(crate) range: Option<(u64, u64)>,
    /// Bytes of the whole.
    pub(crate) total: u64,
}

impl ContentRange {
    /// From `bytes A-B/TOTAL` or `bytes */TOTAL`.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let (range, total) = header.strip_prefix("bytes ")?.split_once('/')?;
        let total = total.parse().ok()?;
        let range = match range {
            "*" => None,
            range => {
                let (first, last) = range.split_once('-')?;
                let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
                (first <= last && last < total).then_some(())?;
                Some((first, last + 1))
            }
        };
        Some(Self { range, total })
    }
}

/// Takes a part of an upload. Parts come in order; what has come stays when one breaks off.
pub(crate) async fn part(
    shared: &Arc<Shared>,
    busy: &Busy,
    kind: Kind,
    id: Digest,
    part: ContentRange,
    body: Body,
) -> Result<Received, Refusal> {
    let path = shared.disk.partial(kind, &id);
    let _busy = busy.take(path.clone())?;
    let (disk, at) = (shared.clone(), path.clone());
    let known = blocking(move || disk.disk.keep_alive(kind, &id)).await?;
    if known.is_some() {
        return Ok(Received::Known);
    }
    let there = blocking(move || match fs::metadata(at) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    })
    .await?;
    let Some((first, end)) = part.range.filter(|(first, _)| *first == there) else {
        // The question; or a part that does not follow: this is what is there.
        return Ok(Received::Partial(there));
    };
    let reservation = shared.disk.reserve(end - first).ok_or(Refusal::Full)?;
    let at = path.clone();
    let file = blocking(move || OpenOptions::new().append(true).create(true).open(at)).await?;
    let sink = Sink { file, hasher: blake3::Hasher::new(), bytes: 0 };
    let poured = pour(shared, body, end - first, sink).await;
    reservation.keep();
    let (received, refusal) = match poured {
        Ok(sink) => (sink.bytes, None),
        Err((refusal, Some(sink))) => (sink.bytes, Some(refusal)),
        Err((refusal, None)) => {
            // How much the disk took is not known: begin again.
            discard(shared, &path, end);
            return Err(refusal);
        }
    };
    shared.disk.release(end - first - received);
    match refusal {
        // Too much came: what is there may be anything.
        Some(refusal @ Refusal::Length { .. }) if received == end - first => {
            discard(shared, &path, end);
            Err(refusal)
        }
        Some(refusal) => Err(refusal),
        None if end < part.total => Ok(Received::Partial(end)),
        None => {
            let sink = rehash(path.clone()).await?;
            let admitted = admit(shared, kind, id, sink, path.clone()).await;
            if admitted.is_err() {
                discard(shared, &path, end);
            }
            admitted
        }
    }
}

fn discard(shared: &Shared, path: &PathBuf, bytes: u64) {
    match fs::remove_file(path) {
        Ok(()) => shared.disk.release(bytes),
        Err(error) => tracing::warn!(%error, "cannot remove an unfinished upload"),
    }
}

/// Reads an upload that came in parts from its beginning.
async fn rehash(path: PathBuf) -> Result<Sink, Refusal> {
    blocking(move || {
        let mut file = File::open(path)?;
        let mut hasher = blake3::Hasher::new();
        let bytes = io::copy(&mut file, &mut hasher)?;
        Ok(Sink { file, hasher, bytes })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::ContentRange;

    #[test]
    fn ranges_are_read_strictly() {
        assert_eq!(
            ContentRange::parse("bytes 0-9/20"),
            Some(ContentRange { range: Some((0, 10)), total: 20 })
        );
        assert_eq!(ContentRange::parse("bytes */20"), Some(ContentRange { range: None, total: 20 }));
        for bad in [
            "",
            "bytes",
            "bytes 0-9",
            "bytes 9-0/20",
            "bytes 0-20/20",
            "bytes -1-2/20",
            "bytes 0-9/*",
            "octets 0-9/20",
            "bytes 0-9/20/30",
            "bytes 0-18446744073709551615/18446744073709551615",
        ] {
            assert_eq!(ContentRange::parse(bad), None, "{bad}");
        }
    }
}
