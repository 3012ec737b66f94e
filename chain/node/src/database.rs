//! The database: parity-db, with every commit on the disk before it returns.
//!
//! As the stock node uses it, parity-db answers a commit from memory and writes it later, so that a
//! node killed in between has told its clients of finalised blocks that it does not know after a
//! restart. Here a commit returns when its record is in the write-ahead log and the log is
//! synchronised (`fdatasync`): what was reported survives the end of the process and a loss of
//! power. Applying the log to the tables is left to a thread, and what it had not applied is
//! replayed at the next start. The files are those of the stock node: the same columns, options and
//! keys.
//!
//! Only parity-db's `instrumentation` feature lets its caller do these steps, in this order, as
//! parity-db's own threads do them:
//!
//! | step | by | what |
//! |---|---|---|
//! | `commit_changes`, `process_commits`, `process_reindex` | the committer | a record of the log |
//! | `flush_logs` | the committer | the log on the disk; the next commit begins a new one |
//! | `enact_logs` | the thread | one log, applied to the tables |
//! | `clean_logs` | the thread | the tables on the disk; the logs' files are free again |

use std::fmt::Display;
use std::mem;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parity_db::{CompressionType, Db, Operation, Options};
use polkadot_sdk::sp_core::H256;
use polkadot_sdk::sp_database::error::DatabaseError;
use polkadot_sdk::sp_database::{Change, ColumnId, Database, Transaction};

use crate::Error;

/// Columns of the client's database, and what of them is compressed and counted; these are
/// `sc-client-db`'s own numbers, part of the format on the disk.
mod columns {
    pub(super) const COUNT: u8 = 13;
    pub(super) const STATE: u8 = 1;
    pub(super) const STATE_META: u8 = 2;
    pub(super) const HEADER: u8 = 4;
    pub(super) const BODY: u8 = 5;
    pub(super) const JUSTIFICATIONS: u8 = 6;
    pub(super) const TRANSACTION: u8 = 11;
    pub(super) const BODY_INDEX: u8 = 12;
    pub(super) const COMPRESSED: [u8; 6] = [STATE, HEADER, BODY, BODY_INDEX, TRANSACTION, JUSTIFICATIONS];
    pub(super) const COUNTED: [u8; 2] = [STATE, TRANSACTION];
}

/// The key under which the client notes how states are kept; it writes this first.
const PRUNING_MODE: &[u8] = b"mode";
/// Logs that are applied at a time; before a fifth, parity-db would wait forever for a cleaned one.
const BATCH: u32 = 4;
/// Logs that may wait to be applied; beyond them, commits wait.
const MAX_PENDING: u32 = 32;
/// How long logs wait for a batch to fill.
const IDLE: Duration = Duration::from_secs(1);

/// A database whose commits are durable when they return.
pub(crate) struct Durable {
    shared: Arc<Shared>,
    applier: Option<JoinHandle<()>>,
}

struct Shared {
    db: Db,
    /// Held through the steps of a commit, so that each finds its own record.
    writer: Mutex<()>,
    progress: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Default)]
struct Progress {
    /// Logs that are on the disk and not applied.
    pending: u32,
    stopping: bool,
    /// Why nothing more can be written.
    failure: Option<String>,
}

/// A panic of another thread leaves nothing half done behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Durable {
    /// Opens the database in a folder, which is created if it is missing, and replays its log.
    ///
    /// # Errors
    /// Returns an error if another process has it open, or its files are damaged or cannot be written.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let mut options = Options::with_columns(path, columns::COUNT);
        options.with_background_thread = false;
        for column in columns::COMPRESSED {
            options.columns[usize::from(column)].compression = CompressionType::Lz4;
        }
        for column in columns::COUNTED {
            let column = &mut options.columns[usize::from(column)];
            column.ref_counted = true;
            column.preimage = true;
            column.uniform = true;
        }
        let db = Db::open_or_create(&options).map_err(|error| match error {
            parity_db::Error::Locked(_) => Error::Locked { path: path.display().to_string() },
            error => Error::Database { path: path.display().to_string(), problem: error.to_string() },
        })?;
        let shared = Arc::new(Shared {
            db,
            writer: Mutex::default(),
            progress: Mutex::default(),
            changed: Condvar::new(),
        });
        let applier = thread::Builder::new()
            .name("database".to_owned())
            .spawn({
                let shared = shared.clone();
                move || shared.apply()
            })
            .map_err(|error| Error::Database {
                path: path.display().to_string(),
                problem: error.to_string(),
            })?;
        Ok(Self { shared, applier: Some(applier) })
    }

    /// Whether no client has begun to use the database.
    pub(crate) fn is_new(&self) -> bool {
        !self.contains(columns::STATE_META.into(), PRUNING_MODE)
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        lock(&self.shared.progress).stopping = true;
        self.shared.changed.notify_all();
        if let Some(applier) = self.applier.take() {
            // It has recorded why it failed, if it did.
            let _ = applier.join();
        }
        if lock(&self.shared.progress).failure.is_some() {
            // Closing would apply a log that could not be applied. The next start replays it.
            mem::forget(self.shared.clone());
        }
    }
}

impl Shared {
    /// Writes one record to the log and the log to the disk.
    fn commit(&self, changes: impl IntoIterator<Item = (u8, Write)>) -> Result<(), DatabaseError> {
        let _writer = lock(&self.writer);
        {
            let mut progress = lock(&self.progress);
            while progress.failure.is_none() && progress.pending >= MAX_PENDING {
                progress = self.changed.wait(progress).unwrap_or_else(PoisonError::into_inner);
            }
            if let Some(failure) = &progress.failure {
                return Err(DatabaseError(failure.clone().into()));
            }
        }
        let written = self
            .db
            .commit_changes(changes)
            .and_then(|()| self.db.process_commits())
            .and_then(|()| self.db.process_reindex())
            .and_then(|()| self.db.flush_logs());
        match written {
            Ok(()) => lock(&self.progress).pending += 1,
            Err(error) => return Err(DatabaseError(self.fail(&error).into())),
        }
        self.changed.notify_all();
        Ok(())
    }

    /// Applies logs until the database is closed or fails.
    fn apply(&self) {
        while let Some(count) = self.next_batch() {
            let applied =
                (0..count).try_for_each(|_| self.db.enact_logs()).and_then(|()| self.db.clean_logs());
            match applied {
                Ok(()) => lock(&self.progress).pending -= count,
                Err(error) => {
                    self.fail(&error);
                }
            }
            self.changed.notify_all();
        }
    }

    /// How many logs to apply next; none at the end.
    fn next_batch(&self) -> Option<u32> {
        let mut progress = lock(&self.progress);
        loop {
            if progress.failure.is_some() || (progress.stopping && progress.pending == 0) {
                return None;
            }
            if progress.stopping || progress.pending >= BATCH {
                return Some(progress.pending.min(BATCH));
            }
            let (guard, wait) =
                self.changed.wait_timeout(progress, IDLE).unwrap_or_else(PoisonError::into_inner);
            progress = guard;
            if wait.timed_out() && progress.pending > 0 {
                return Some(progress.pending.min(BATCH));
            }
        }
    }

    fn fail(&self, error: &dyn Display) -> String {
        let failure = format!("the database cannot be written: {error}");
        tracing::error!("{failure}");
        lock(&self.progress).failure.get_or_insert_with(|| failure.clone());
        failure
    }
}

/// What parity-db does with one key.
type Write = Operation<Vec<u8>, Vec<u8>>;

/// parity-db's form of a change; `None` if the column does not count references.
fn operation(change: Change<H256>) -> Option<(u8, Write)> {
    let counted = |column: ColumnId| {
        let column = u8::try_from(column).ok()?;
        columns::COUNTED.contains(&column).then_some(column)
    };
    Some(match change {
        Change::Set(column, key, value) => (u8::try_from(column).ok()?, Operation::Set(key, value)),
        Change::Remove(column, key) => (u8::try_from(column).ok()?, Operation::Dereference(key)),
        Change::Store(column, key, value) => {
            (counted(column)?, Operation::Set(key.as_bytes().to_vec(), value))
        }
        Change::Reference(column, key) => (counted(column)?, Operation::Reference(key.as_bytes().to_vec())),
        Change::Release(column, key) => (counted(column)?, Operation::Dereference(key.as_bytes().to_vec())),
    })
}

/// The trait has no way to report a read that fails, and a node that cannot read its database has
/// nothing right to say.
#[expect(clippy::panic, reason = "no other way out; the node stops, and its database is as it was")]
fn read<T>(result: parity_db::Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("the database cannot be read: {error}"))
}

impl Database<H256> for Durable {
    fn commit(&self, transaction: Transaction<H256>) -> Result<(), DatabaseError> {
        let changes: Option<Vec<_>> = transaction.0.into_iter().map(operation).collect();
        match changes {
            Some(changes) => self.shared.commit(changes),
            None => Err(DatabaseError("a column that does not count references was asked to".into())),
        }
    }

    fn get(&self, column: ColumnId, key: &[u8]) -> Option<Vec<u8>> {
        read(self.shared.db.get(u8::try_from(column).ok()?, key))
    }

    fn contains(&self, column: ColumnId, key: &[u8]) -> bool {
        self.value_size(column, key).is_some()
    }

    fn value_size(&self, column: ColumnId, key: &[u8]) -> Option<usize> {
        let size = read(self.shared.db.get_size(u8::try_from(column).ok()?, key))?;
        usize::try_from(size).ok()
    }

    fn supports_ref_counting(&self) -> bool {
        true
    }

    fn sanitize_key(&self, key: &mut Vec<u8>) {
        // References are counted, so that a node of the trie needs no path in its key.
        key.drain(..key.len().saturating_sub(size_of::<H256>()));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failure is the test's result")]

    use std::fs;

    use tempfile::TempDir;

    use super::*;

    const META: ColumnId = 0;

    fn put(database: &Durable, key: u32, value: &[u8]) {
        let mut transaction = Transaction::new();
        transaction.set(META, &key.to_le_bytes(), value);
        database.commit(transaction).unwrap();
    }

    fn has_all(database: &Durable, keys: u32) {
        for key in 0..keys {
            assert_eq!(database.get(META, &key.to_le_bytes()), Some(vec![7; 100]), "key {key} of {keys}");
        }
        assert_eq!(database.get(META, &keys.to_le_bytes()), None);
    }

    /// What a kill leaves: the files as they are, without anything that closing would do. The
    /// thread waits meanwhile, so that all files are of one moment.
    fn copy_as_killed(database: &Durable, from: &Path) -> TempDir {
        let shared = &database.shared;
        let mut progress = lock(&shared.progress);
        while progress.pending >= BATCH {
            progress = shared.changed.wait(progress).unwrap();
        }
        let copy = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        copy
    }

    #[test]
    fn what_was_committed_is_there_after_a_kill_at_any_commit() {
        let folder = tempfile::tempdir().unwrap();
        let database = Durable::open(folder.path()).unwrap();
        for key in 0..60 {
            put(&database, key, &[7; 100]);
            if key % 7 == 0 {
                let copy = copy_as_killed(&database, folder.path());
                has_all(&Durable::open(copy.path()).unwrap(), key + 1);
            }
        }
    }

    #[test]
    fn what_was_committed_is_there_after_a_clean_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut keys = 0;
        for round in 0..5 {
            let database = Durable::open(folder.path()).unwrap();
            has_all(&database, keys);
            for _ in 0..=round * 9 {
                put(&database, keys, &[7; 100]);
                keys += 1;
            }
        }
        has_all(&Durable::open(folder.path()).unwrap(), keys);
    }

    #[test]
    fn commits_of_several_threads_are_all_kept() {
        let folder = tempfile::tempdir().unwrap();
        let database = Durable::open(folder.path()).unwrap();
        thread::scope(|scope| {
            for thread in 0..4 {
                let database = &database;
                scope.spawn(move || {
                    for key in 0..50 {
                        put(database, key * 4 + thread, &[7; 100]);
                    }
                });
            }
        });
        let copy = copy_as_killed(&database, folder.path());
        has_all(&Durable::open(copy.path()).unwrap(), 200);
    }

    #[test]
    fn references_are_counted_through_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (state, hash) = (u32::from(columns::STATE), H256::repeat_byte(3));
        let change = |change: fn(&mut Transaction<H256>, ColumnId, H256)| {
            let database = Durable::open(folder.path()).unwrap();
            let mut transaction = Transaction::new();
            change(&mut transaction, state, hash);
            database.commit(transaction).unwrap();
            database.get(state, hash.as_bytes())
        };
        assert_eq!(change(|t, column, hash| t.store(column, hash, vec![1])), Some(vec![1]));
        assert_eq!(change(Transaction::reference), Some(vec![1]));
        assert_eq!(change(Transaction::release), Some(vec![1]));
        change(Transaction::release);
        let database = Durable::open(folder.path()).unwrap();
        assert_eq!(database.get(state, hash.as_bytes()), None);
    }

    #[test]
    fn a_column_that_does_not_count_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let database = Durable::open(folder.path()).unwrap();
        let mut transaction = Transaction::new();
        transaction.store(META, H256::zero(), vec![1]);
        assert!(database.commit(transaction).is_err());
        put(&database, 0, &[7; 100]);
        has_all(&database, 1);
    }

    #[test]
    fn one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = Durable::open(folder.path()).unwrap();
        assert!(matches!(Durable::open(folder.path()), Err(Error::Locked { .. })));
        drop(first);
        Durable::open(folder.path()).unwrap();
    }

    #[test]
    fn keys_of_the_trie_lose_their_path() {
        let folder = tempfile::tempdir().unwrap();
        let database = Durable::open(folder.path()).unwrap();
        let mut key = [vec![9; 5], vec![1; 32]].concat();
        database.sanitize_key(&mut key);
        assert_eq!(key, vec![1; 32]);
    }
}
