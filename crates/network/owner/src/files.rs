//! An owner's records in files: keys of its models and tasks, and the requests that it has signed.
//!
//! ```text
//! FOLDER/GENESIS/models/KEY/model           secret: content key, test; what is stored and registered
//! FOLDER/GENESIS/models/KEY/verifier.key    the verifier's key
//! FOLDER/GENESIS/tasks/TASK/task            secret: what opens answers and draws
//! FOLDER/GENESIS/tasks/new-KEY              the same, before the chain has given a number
//! FOLDER/GENESIS/tasks/TASK/MINER/N.request secret: what was asked, and signed
//! FOLDER/GENESIS/tasks/TASK/MINER/N.answer  what came: receipt, and the sealed output
//! ```
//!
//! `GENESIS`, `KEY` and `MINER` are the first 16 hexadecimal digits of the chain's genesis hash, of
//! the verifying key's digest and of the miner's account. Records are SCALE behind a magic that ends
//! in a version. Folders are for their owner alone (0700), and so are files (0600); each appears whole
//! and on the disk, or not at all. A request is on the disk before it is sent, so that its number is
//! never used for another input.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use codec::{Decode, Encode};
use cyborg_disk::files;
use cyborg_primitives::signed::Authorisation;
use cyborg_primitives::{Account, Digest, RequestNumber, TaskId};
use zeroize::Zeroizing;
use zkml_verifier::VerifierKey;

use crate::error::OwnerError;
use crate::ports::Records;
use crate::records::{ModelRecord, RequestRecord, TaskRecord};

const MAGIC: [u8; 8] = *b"cybbook\x01";

/// The records of one owner on one chain.
#[derive(Clone, Debug)]
pub struct OwnerRecords {
    folder: PathBuf,
}

/// Holds others off until it is dropped.
pub struct Guard(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

fn hex16(digest: &Digest) -> String {
    hex::encode(&digest[..8])
}

impl OwnerRecords {
    /// The records of a chain, below a folder; made where they are missing.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be made.
    pub fn open(folder: &Path, genesis: &Digest) -> Result<Self, OwnerError> {
        let records = Self { folder: folder.join(hex16(genesis)) };
        records.make(&records.folder.join("models"))?;
        records.make(&records.folder.join("tasks"))?;
        Ok(records)
    }

    /// Where the records are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn make(&self, folder: &Path) -> Result<(), OwnerError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| OwnerError::Records { path: folder.to_owned(), source })
    }

    fn put<T: Encode>(&self, path: &Path, record: &T) -> Result<(), OwnerError> {
        if let Some(folder) = path.parent() {
            self.make(folder)?;
        }
        let mut bytes = Zeroizing::new(MAGIC.to_vec());
        record.encode_to(&mut *bytes);
        let failed = |source| OwnerError::Records { path: path.to_owned(), source };
        files::write_private(path, &bytes).map_err(failed)
    }

    fn get<T: Decode>(&self, path: &Path) -> Result<Option<T>, OwnerError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(OwnerError::Records { path: path.to_owned(), source }),
        };
        let damaged = || OwnerError::Damaged(path.to_owned());
        let mut rest = bytes.strip_prefix(&MAGIC).ok_or_else(damaged)?;
        let record = T::decode(&mut rest).map_err(|_| damaged())?;
        if rest.is_empty() { Ok(Some(record)) } else { Err(damaged()) }
    }

    fn guard(&self, path: PathBuf) -> Result<Guard, OwnerError> {
        let failed = |source| OwnerError::Records { path: path.clone(), source };
        if let Some(folder) = path.parent() {
            self.make(folder)?;
        }
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(Guard(file))
    }

    fn model_folder(&self, key: &Digest) -> PathBuf {
        self.folder.join("models").join(hex16(key))
    }

    /// Where a model's file may lie while it is stored.
    #[must_use]
    pub fn staging(&self, key: &Digest) -> PathBuf {
        self.model_folder(key).join("deployment")
    }

    fn task_folder(&self, task: TaskId) -> PathBuf {
        self.folder.join("tasks").join(task.to_string())
    }

    fn new_task_path(&self, key: &Digest) -> PathBuf {
        self.folder.join("tasks").join(format!("new-{}", hex16(key)))
    }

    fn miner_folder(&self, task: TaskId, miner: &Account) -> PathBuf {
        self.task_folder(task).join(hex16(miner))
    }

    fn path(&self, task: TaskId, miner: &Account, number: RequestNumber, kind: &str) -> PathBuf {
        self.miner_folder(task, miner).join(format!("{number}.{kind}"))
    }

    /// The highest number that was signed for a miner; 0 if there is none.
    ///
    /// # Errors
    /// Returns an error if it cannot be read.
    pub fn last_request(&self, task: TaskId, miner: &Account) -> Result<RequestNumber, OwnerError> {
        let mut last = self.get(&self.miner_folder(task, miner).join("last"))?.unwrap_or(0_u64);
        // A crash may have come between the request and this note of it.
        while self.path(task, miner, last.saturating_add(1), "request").exists() {
            last = last.saturating_add(1);
        }
        Ok(last)
    }

    /// An answer as it came.
    ///
    /// # Errors
    /// Returns an error if it cannot be read.
    pub fn answer(
        &self,
        task: TaskId,
        miner: &Account,
        number: RequestNumber,
    ) -> Result<Option<Vec<u8>>, OwnerError> {
        self.get(&self.path(task, miner, number, "answer"))
    }

    /// The requests of a task that have an answer here, by miner and number, each with the time at which its
    /// answer was kept.
    ///
    /// # Errors
    /// Returns an error if they cannot be read.
    pub fn answers(&self, task: TaskId) -> Result<Vec<(Authorisation, SystemTime)>, OwnerError> {
        let folder = self.task_folder(task);
        let mut found = Vec::new();
        for miner in entries(&folder)? {
            if !miner.is_dir() {
                continue;
            }
            for path in entries(&miner)? {
                if path.extension().is_none_or(|extension| extension != "answer") {
                    continue;
                }
                let failed = |source| OwnerError::Records { path: path.clone(), source };
                let at = fs::metadata(&path).and_then(|metadata| metadata.modified()).map_err(failed)?;
                if let Some(request) = self.get::<RequestRecord>(&path.with_extension("request"))? {
                    found.push((request.authorisation, at));
                }
            }
        }
        found.sort_by_key(|(authorisation, _)| (authorisation.miner, authorisation.number));
        Ok(found)
    }
}

/// The paths in a folder; none if there is no such folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, OwnerError> {
    let failed = |source| OwnerError::Records { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}

impl Records for OwnerRecords {
    type Guard = Guard;

    async fn guard_model(&self, key: &Digest) -> Result<Guard, OwnerError> {
        self.guard(self.model_folder(key).join("lock"))
    }

    async fn model(&self, key: &Digest) -> Result<Option<ModelRecord>, OwnerError> {
        let path = self.model_folder(key).join("model");
        match self.get::<ModelRecord>(&path)? {
            Some(record) if record.key != *key => Err(OwnerError::Damaged(path)),
            found => Ok(found),
        }
    }

    async fn put_model(&self, record: &ModelRecord, verifier: &VerifierKey) -> Result<(), OwnerError> {
        let folder = self.model_folder(&record.key);
        self.put(&folder.join("model"), record)?;
        let path = folder.join("verifier.key");
        let failed = |source| OwnerError::Records { path: path.clone(), source };
        files::write_private(&path, &verifier.to_bytes()).map_err(failed)
    }

    async fn verifier(&self, key: &Digest) -> Result<VerifierKey, OwnerError> {
        let path = self.model_folder(key).join("verifier.key");
        let bytes = fs::read(&path).map_err(|source| OwnerError::Records { path: path.clone(), source })?;
        let verifier = VerifierKey::from_bytes(&bytes)
            .map_err(|source| OwnerError::Key { path: path.clone(), source })?;
        if verifier.digest() == *key { Ok(verifier) } else { Err(OwnerError::Damaged(path)) }
    }

    async fn new_task(&self, key: &Digest) -> Result<Option<TaskRecord>, OwnerError> {
        self.get(&self.new_task_path(key))
    }

    async fn put_new_task(&self, record: &TaskRecord) -> Result<(), OwnerError> {
        self.put(&self.new_task_path(&record.key), record)
    }

    async fn number_task(&self, task: TaskId, record: &TaskRecord) -> Result<(), OwnerError> {
        let path = self.task_folder(task).join("task");
        let known = self.get::<TaskRecord>(&path)?;
        if known.is_some_and(|known| known.result_seed != record.result_seed) {
            return Err(OwnerError::TaskKnown { task, path });
        }
        self.put(&path, record)?;
        let path = self.new_task_path(&record.key);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(OwnerError::Records { path, source: error })
            }
            _ => Ok(()),
        }
    }

    async fn task(&self, task: TaskId) -> Result<TaskRecord, OwnerError> {
        let found = self.get(&self.task_folder(task).join("task"))?;
        found.ok_or_else(|| OwnerError::Foreign { task, folder: self.folder.clone() })
    }

    async fn knows_task(&self, task: TaskId) -> Result<bool, OwnerError> {
        Ok(self.get::<TaskRecord>(&self.task_folder(task).join("task"))?.is_some())
    }

    async fn next_request(
        &self,
        task: TaskId,
        miner: &Account,
        settled: RequestNumber,
        make: impl FnOnce(RequestNumber) -> Result<RequestRecord, OwnerError> + Send,
    ) -> Result<(RequestRecord, Guard), OwnerError> {
        let _guard = self.guard(self.miner_folder(task, miner).join("lock"))?;
        let last = self.last_request(task, miner)?.max(settled);
        let number = last.saturating_add(1);
        let record = make(number)?;
        let path = self.path(task, miner, number, "request");
        // The folder is this program's until the guard is dropped, so nobody else has claimed it yet.
        self.put(&path, &record)?;
        let claim = self.guard(path)?;
        self.put(&self.miner_folder(task, miner).join("last"), &number)?;
        Ok((record, claim))
    }

    async fn claim(
        &self,
        task: TaskId,
        miner: &Account,
        number: RequestNumber,
    ) -> Result<Option<(RequestRecord, Guard)>, OwnerError> {
        let path = self.path(task, miner, number, "request");
        let failed = |source| OwnerError::Records { path: path.clone(), source };
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            locked => locked.map_err(|error| failed(error.into()))?,
        }
        if self.path(task, miner, number, "answer").exists() {
            return Ok(None);
        }
        Ok(self.get(&path)?.map(|record| (record, Guard(file))))
    }

    async fn put_answer(
        &self,
        task: TaskId,
        miner: &Account,
        number: RequestNumber,
        answer: &[u8],
    ) -> Result<(), OwnerError> {
        self.put(&self.path(task, miner, number, "answer"), &answer)
    }

    async fn unanswered(
        &self,
        task: TaskId,
        miner: &Account,
        settled: RequestNumber,
    ) -> Result<Vec<RequestNumber>, OwnerError> {
        let last = self.last_request(task, miner)?;
        let open = |number: &RequestNumber| {
            self.path(task, miner, *number, "request").exists()
                && !self.path(task, miner, *number, "answer").exists()
        };
        Ok((settled.saturating_add(1)..=last).filter(open).collect())
    }

    async fn answered_through(
        &self,
        task: TaskId,
        miner: &Account,
        settled: RequestNumber,
    ) -> Result<RequestNumber, OwnerError> {
        let mut number = settled;
        while self.path(task, miner, number.saturating_add(1), "answer").exists() {
            number = number.saturating_add(1);
        }
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use futures::executor::block_on;
    use std::os::unix::fs::PermissionsExt as _;

    fn record(number: RequestNumber) -> RequestRecord {
        let authorisation = Authorisation { task: 1, miner: [2; 32], number, input: [3; 32], price_cap: 4 };
        RequestRecord { authorisation, signature: [5; 64], opening: vec![6; 7] }
    }

    #[test]
    fn numbers_are_given_once_whatever_was_lost() {
        let folder = tempfile::tempdir().unwrap();
        let records = OwnerRecords::open(folder.path(), &[9; 32]).unwrap();
        let miner = [2; 32];
        let next = |settled| {
            let made = block_on(records.next_request(1, &miner, settled, |number| Ok(record(number))));
            made.unwrap().0.authorisation.number
        };
        assert_eq!((next(0), next(0)), (1, 2));
        // The note of the last number is older than the requests.
        records.put(&records.miner_folder(1, &miner).join("last"), &1_u64).unwrap();
        assert_eq!(next(0), 3);
        // Another copy of these records was used meanwhile.
        assert_eq!(next(10), 11);
        assert_eq!(block_on(records.unanswered(1, &miner, 0)).unwrap(), [1, 2, 3, 11]);
        block_on(records.put_answer(1, &miner, 1, b"answer")).unwrap();
        block_on(records.put_answer(1, &miner, 3, b"answer")).unwrap();
        assert_eq!(block_on(records.unanswered(1, &miner, 1)).unwrap(), [2, 11]);
        assert_eq!(block_on(records.answered_through(1, &miner, 0)).unwrap(), 1);
        assert_eq!(records.answer(1, &miner, 3).unwrap().unwrap(), b"answer");
        let answered: Vec<_> = records.answers(1).unwrap().iter().map(|(asked, _)| asked.number).collect();
        assert_eq!(answered, [1, 3]);
        assert!(records.answers(2).unwrap().is_empty());
        assert!(block_on(records.claim(1, &miner, 12)).unwrap().is_none());
        // A request that cannot be made takes no number.
        let failed = block_on(records.next_request(1, &miner, 0, |_| Err(OwnerError::TooLarge)));
        assert!(failed.is_err());
        assert_eq!(next(0), 12);
    }

    #[test]
    fn a_request_is_sent_by_one_program_at_a_time_and_never_after_its_answer() {
        let folder = tempfile::tempdir().unwrap();
        let records = OwnerRecords::open(folder.path(), &[9; 32]).unwrap();
        let miner = [2; 32];
        let claim = || block_on(records.claim(1, &miner, 1)).unwrap();
        let first = block_on(records.next_request(1, &miner, 0, |number| Ok(record(number)))).unwrap();
        assert!(claim().is_none(), "its maker sends it");
        drop(first);
        let (again, guard) = claim().unwrap();
        assert_eq!(again.opening, [6; 7]);
        assert!(claim().is_none(), "somebody sends it again");
        drop(guard);
        assert!(claim().is_some());
        block_on(records.put_answer(1, &miner, 1, b"answer")).unwrap();
        assert!(claim().is_none(), "it has an answer");
    }

    #[test]
    fn two_at_once_get_two_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let records = OwnerRecords::open(folder.path(), &[9; 32]).unwrap();
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let records = records.clone();
                std::thread::spawn(move || {
                    let made = block_on(records.next_request(1, &[2; 32], 0, |number| Ok(record(number))));
                    made.unwrap().0.authorisation.number
                })
            })
            .collect();
        let mut numbers: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn records_are_private_and_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let records = OwnerRecords::open(folder.path(), &[9; 32]).unwrap();
        let task = TaskRecord { key: [1; 32], model: 2, result_seed: [3; 32], anchor_seed: [4; 32] };
        block_on(records.put_new_task(&task)).unwrap();
        assert_eq!(block_on(records.new_task(&[1; 32])).unwrap().unwrap().result_seed, [3; 32]);
        block_on(records.number_task(7, &task)).unwrap();
        assert!(block_on(records.new_task(&[1; 32])).unwrap().is_none());
        block_on(records.number_task(7, &task)).unwrap();
        let other = TaskRecord { result_seed: [8; 32], ..task.clone() };
        assert!(matches!(
            block_on(records.number_task(7, &other)),
            Err(OwnerError::TaskKnown { task: 7, .. })
        ));
        assert_eq!(block_on(records.task(7)).unwrap().anchor_seed, [4; 32]);
        assert!(matches!(block_on(records.task(8)), Err(OwnerError::Foreign { task: 8, .. })));
        let path = records.task_folder(7).join("task");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(records.folder()).unwrap().permissions().mode() & 0o777, 0o700);
        let bytes = fs::read(&path).unwrap();
        for damaged in [&bytes[..bytes.len() - 1], &[&bytes[..], &[0]].concat(), b"", b"cybbook\x02"] {
            fs::write(&path, damaged).unwrap();
            assert!(matches!(block_on(records.task(7)), Err(OwnerError::Damaged(_))));
        }
    }
}
