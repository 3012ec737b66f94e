//! A database's file that waits for room instead of failing on a full disk.
//!
//! After an error of its file a database refuses everything until it is opened again. A full disk is
//! temporary: a write that finds no room is tried again until there is some. Meanwhile nothing is
//! acknowledged, so that nothing can be lost: clients are told to come back, and the log says why.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use redb::backends::FileBackend;
use redb::{BackendError, DatabaseError, StorageBackend};

/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// Interval of log messages about missing room.
const REMINDER: Duration = Duration::from_secs(60);

/// The file.
#[derive(Debug)]
pub(super) struct Patient {
    path: PathBuf,
    file: FileBackend,
}

impl Patient {
    /// Wraps an open file; the path is for messages.
    pub(super) fn new(path: PathBuf, file: File) -> Result<Self, DatabaseError> {
        Ok(Self { path, file: FileBackend::new(file)? })
    }

    /// Repeats an operation until there is room for it.
    fn insist(&self, work: impl Fn() -> io::Result<()>) -> io::Result<()> {
        let mut said: Option<Instant> = None;
        loop {
            match work() {
                Err(error) if is_full(&error) => {
                    if said.is_none_or(|said| said.elapsed() >= REMINDER) {
                        let path = self.path.display();
                        tracing::error!(%path, %error, "no room on the disk: make some, the miner waits for it");
                        said = Some(Instant::now());
                    }
                    thread::sleep(PAUSE);
                }
                done => {
                    if said.is_some() && done.is_ok() {
                        tracing::warn!(path = %self.path.display(), "there is room again, the miner goes on");
                    }
                    return done;
                }
            }
        }
    }
}

/// Whether an error ends when room is made.
fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

type Range = Bound<u64>;

impl StorageBackend for Patient {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.insist(|| self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        // It is not repeated: after a failed sync the next one does not write the lost pages.
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.insist(|| self.file.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Range, end: Range) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Range, end: Range) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Range, end: Range) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Range, end: Range) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Range, end: Range) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Range, end: Range) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::cell::Cell;

    fn patient(folder: &tempfile::TempDir) -> Patient {
        let path = folder.path().join("db");
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path).unwrap();
        Patient::new(path, file).unwrap()
    }

    #[test]
    fn what_finds_no_room_is_done_when_there_is_some() {
        let folder = tempfile::tempdir().unwrap();
        let attempts = Cell::new(0);
        let done = patient(&folder).insist(|| {
            attempts.set(attempts.get() + 1);
            if attempts.get() < 3 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        });
        assert!(done.is_ok());
        assert_eq!(attempts.get(), 3);
    }

    #[test]
    fn other_errors_are_said_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let done = patient(&folder).insist(|| Err(io::ErrorKind::PermissionDenied.into()));
        assert_eq!(done.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn two_databases_never_share_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let first = redb::Database::builder().create_with_backend(patient(&folder)).unwrap();
        let second = redb::Database::builder().create_with_backend(patient(&folder));
        assert!(matches!(second, Err(DatabaseError::DatabaseAlreadyOpen)));
        drop(first);
    }
}
