//! Where encrypted files are stored, whichever way; and moving files there and back.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cyborg_disk::files;
use cyborg_disk::sealed::Sealed;
use cyborg_envelope::ContentKey;
use cyborg_envelope::blob::BlobWriter;
use cyborg_primitives::Digest;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::error::StorageError;

/// A stored file, from some offset on, in order.
pub struct Download {
    /// Bytes of the whole file.
    pub file_bytes: u64,
    /// What comes, in order.
    pub chunks: BoxStream<'static, Result<Bytes, StorageError>>,
}

/// A place for encrypted files. The argument's type ensures that nothing else can be stored.
#[async_trait]
pub trait FileStore: Send + Sync {
    /// Stores a file and returns its id. Interrupted and called again, it goes on where it was.
    async fn put(&self, blob: Arc<Sealed>) -> Result<Digest, StorageError>;

    /// A file from an offset on.
    async fn get(&self, id: &Digest, from: u64) -> Result<Download, StorageError>;

    /// A part of a file.
    async fn range(&self, id: &Digest, range: Range<u64>) -> Result<Bytes, StorageError>;

    /// Whether the file can be fetched, as far as can be told without fetching it.
    async fn has(&self, id: &Digest) -> Result<bool, StorageError>;

    /// Forgets a file of this owner; no error if there is none.
    async fn delete(&self, id: &Digest) -> Result<(), StorageError>;

    /// Whether bytes that were fetched before are the file's, all of them.
    async fn is_whole(&self, id: &Digest, fetched: File) -> Result<bool, StorageError>;
}

/// Seals a file under a key and stores it. `context` is what the blob is bound to.
///
/// # Errors
/// Returns an error if it cannot be read or stored.
pub async fn upload(
    storage: &dyn FileStore,
    path: &Path,
    key: &ContentKey,
    context: &[u8],
) -> Result<Digest, StorageError> {
    let (path, key, context) = (path.to_owned(), key.clone(), context.to_vec());
    let sealed = blocking(move || Ok(Sealed::new(File::open(path)?, &key, &context)?)).await?;
    storage.put(Arc::new(sealed)).await
}

/// Fetches a file as it is stored, encrypted, to a path. What an interrupted call left in
/// `PATH.part` is kept and completed. The file appears whole and on the disk, or not at all.
///
/// # Errors
/// Returns an error if it cannot be fetched or written, or what came is not the file.
pub async fn download(storage: &dyn FileStore, id: &Digest, path: &Path) -> Result<u64, StorageError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    for fresh in [false, true] {
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&part)?;
        let from = if fresh { 0 } else { file.metadata()?.len() };
        let bytes = match storage.get(id, from).await {
            Ok(download) => {
                file.set_len(from)?;
                file.seek(SeekFrom::Start(from))?;
                let total = download.file_bytes;
                let received = from + drain(download, file.try_clone()?).await?;
                if received != total {
                    return Err(StorageError::Range { start: from, end: received, length: total });
                }
                total
            }
            // What is there is longer than the file.
            Err(StorageError::Range { .. }) if from > 0 => continue,
            Err(error) => return Err(error),
        };
        let copy = file.try_clone()?;
        blocking(move || Ok(copy.sync_all()?)).await?;
        if storage.is_whole(id, file).await? {
            files::persist(&part, path)?;
            return Ok(bytes);
        }
        // What an earlier call left was not of this file: once more from the beginning.
        if from == 0 {
            break;
        }
    }
    std::fs::remove_file(&part)?;
    Err(StorageError::Altered { location: "storage".to_owned(), id: hex::encode(id) })
}

/// Fetches a file and decrypts it as it comes; nothing encrypted is kept. What was written counts
/// only if this returns without an error.
///
/// # Errors
/// Returns an error if it cannot be fetched, the key or the context are not its own, or it was altered.
pub async fn fetch<W: Write + Send + 'static>(
    storage: &dyn FileStore,
    id: &Digest,
    key: &ContentKey,
    context: &[u8],
    into: W,
) -> Result<W, StorageError> {
    let writer = BlobWriter::new(key, context, into);
    let download = storage.get(id, 0).await?;
    let writer = consume(download, writer, |writer, bytes| Ok(writer.update(bytes)?)).await?;
    blocking(move || Ok(writer.finish()?)).await
}

/// Writes a download out. Returns the number of bytes.
async fn drain(download: Download, file: File) -> Result<u64, StorageError> {
    let (_, count) = consume(download, (file, 0), |(file, count), bytes| {
        file.write_all(bytes)?;
        *count += bytes.len() as u64;
        Ok(())
    })
    .await?;
    Ok(count)
}

/// Gives a download's bytes to something that blocks, on a thread of its own.
async fn consume<T: Send + 'static>(
    mut download: Download,
    mut state: T,
    mut take: impl FnMut(&mut T, &[u8]) -> Result<(), StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    let (sender, mut receiver) = mpsc::channel::<Bytes>(2);
    let consumer = spawn_blocking(move || {
        while let Some(bytes) = receiver.blocking_recv() {
            take(&mut state, &bytes)?;
        }
        Ok(state)
    });
    let mut failure = None;
    while let Some(chunk) = download.chunks.next().await {
        match chunk {
            Ok(bytes) => {
                // A closed channel means that the consumer failed: it says why.
                if sender.send(bytes).await.is_err() {
                    break;
                }
            }
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    drop(sender);
    let consumed = consumer.await.map_err(io::Error::other)?;
    match failure {
        Some(error) => Err(error),
        None => consumed,
    }
}

/// Runs what blocks on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}
