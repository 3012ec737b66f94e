//! What the miner remembers, in one database: every step is written before it is taken.
//!
//! What users sent and what was answered is sealed under the vault's key; the database holds nothing of
//! models.

mod room;

use std::fs::{File, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use codec::{Decode, Encode};
use cyborg_envelope::{ContentKey, blob};
use cyborg_primitives::signed::{Acknowledgement, Authorisation, Receipt};
use cyborg_primitives::{ModelId, RequestNumber, TaskId};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction};
use zeroize::Zeroizing;
use zkml_verifier::Opening;

use crate::error::Failure;
use crate::step::Step;
use cyborg_protocol::wire::SIGNATURE_BYTES;
use room::Patient;

const TASKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("tasks v1");
const ANSWERS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("answers v1");
const PROOFS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("proofs v1");
const PROOF_BYTES: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("proof bytes v1");
const ACKNOWLEDGEMENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("acknowledgements v1");
const PERIODS: TableDefinition<'_, u64, (u64, u32)> = TableDefinition::new("periods v1");
const LOGS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("logs v1");
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers v1");

/// The last finalised block that was handled.
pub(crate) const FOLLOWED: &str = "followed";
/// The span of chain time of the last heartbeat.
pub(crate) const HEARTBEAT: &str = "heartbeat";
/// The last period whose resources were reported.
pub(crate) const REPORTED: &str = "reported";

/// A task of this miner.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Record {
    /// The model that it runs.
    pub model: ModelId,
    /// How far the miner has come.
    pub step: Step,
    /// The last problem, in words.
    pub trouble: Option<String>,
}

/// An answered request, with everything that its proof needs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Answered {
    /// The owner's authorisation.
    pub(crate) authorisation: Authorisation,
    /// Signature of the owner or delegate.
    pub(crate) signature: [u8; SIGNATURE_BYTES],
    /// What the miner signed.
    pub(crate) receipt: Receipt,
    /// The miner's signature.
    pub(crate) receipt_signature: [u8; SIGNATURE_BYTES],
    /// Opening of inputs and outputs, as bytes.
    pub(crate) opening: Vec<u8>,
}

impl Answered {
    /// The opening.
    ///
    /// # Errors
    /// Returns an error if the database is damaged.
    pub(crate) fn opening(&self) -> Result<Opening, Failure> {
        Opening::from_bytes(&self.opening).map_err(|_| Failure::Damaged("an opening"))
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.opening);
    }
}

/// Why a proof is made; the first reasons are the most urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub(crate) enum Duty {
    /// The owner demanded it.
    Demanded,
    /// It was drawn.
    Drawn,
    /// The policy asks for every proof.
    Every,
}

/// How far a proof is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum ProofStage {
    /// It is to be made.
    Due,
    /// It was made and verified.
    Proven {
        /// Number of its submissions that failed.
        attempts: u32,
    },
    /// It was submitted by an intent of the transaction queue.
    Sent {
        /// The intent.
        intent: String,
        /// Number of its earlier submissions that failed.
        attempts: u32,
    },
    /// It cannot be made, or was refused.
    Lost {
        /// Why.
        reason: String,
    },
}

/// A proof that is owed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Proof {
    /// Why.
    pub(crate) duty: Duty,
    /// How far.
    pub(crate) stage: ProofStage,
}

/// The database.
#[derive(Clone)]
pub(crate) struct Store {
    database: Arc<Database>,
    key: ContentKey,
}

fn context(task: TaskId, number: RequestNumber) -> [u8; 16] {
    let mut context = [0; 16];
    context[..8].copy_from_slice(&task.to_le_bytes());
    context[8..].copy_from_slice(&number.to_le_bytes());
    context
}

impl Store {
    /// Opens or makes the database; `key` seals what is secret.
    ///
    /// # Errors
    /// Returns an error if it cannot be opened.
    pub(crate) fn open(path: &Path, key: ContentKey) -> Result<Self, Failure> {
        let file =
            File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        // An existing file may be readable by others.
        file.set_permissions(Permissions::from_mode(0o600))?;
        let database = Database::builder().create_with_backend(Patient::new(path.to_owned(), file)?)?;
        let store = Self { database: Arc::new(database), key };
        let write = store.begin()?;
        write.open_table(TASKS)?;
        write.open_table(ANSWERS)?;
        write.open_table(PROOFS)?;
        write.open_table(PROOF_BYTES)?;
        write.open_table(ACKNOWLEDGEMENTS)?;
        write.open_table(PERIODS)?;
        write.open_table(LOGS)?;
        write.open_table(NUMBERS)?;
        write.commit()?;
        Ok(store)
    }

    /// The database itself, for the queue that shares it.
    #[must_use]
    pub(crate) fn database(&self) -> Arc<Database> {
        self.database.clone()
    }

    /// Begins a transaction: all of it is on the disk after its commit, or nothing.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(crate) fn begin(&self) -> Result<WriteTransaction, Failure> {
        Ok(self.database.begin_write()?)
    }

    /// All tasks.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(crate) fn tasks(&self) -> Result<Vec<(TaskId, Record)>, Failure> {
        let read = self.database.begin_read()?;
        let table = read.open_table(TASKS)?;
        let mut tasks = Vec::new();
        for entry in table.iter()? {
            let (task, record) = entry?;
            tasks.push((task.value(), decode(record.value(), "a task")?));
        }
        Ok(tasks)
    }

    /// Writes a task.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(crate) fn put_task(write: &WriteTransaction, task: TaskId, record: &Record) -> Result<(), Failure> {
        write.open_table(TASKS)?.insert(task, &record.encode()[..])?;
        Ok(())
    }

    /// Forgets everything about a task.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(crate) fn remove_task(write: &WriteTransaction, task: TaskId) -> Result<(), Failure> {
        write.open_table(TASKS)?.remove(task)?;
        write.open_table(ACKNOWLEDGEMENTS)?.remove(task)?;
        write.open_table(PERIODS)?.remove(task)?;
        for table in [ANSWERS, PROOFS, PROOF_BYTES, LOGS] {
            write.open_table(table)?.retain_in((task, 0)..=(task, u64::MAX), |_, _| false)?;
        }
        Ok(())
    }

    /// A number by its name; 0 if there is none.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(crate) fn number(&self, name: &str) -> Result<u64, Failure> {
        let read = self.database.begin_read()?;
        Ok(read.open_table(NUMBERS)?.get(name)?.map_or(0, |number| number.value()))
    }

    /// Writes a number.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(crate) fn put_number(write: &WriteTransaction, name: &str, number: u64) -> Result<(), Failure> {
        write.open_table(NUMBERS)?.insert(name, number)?;
        Ok(())
    }

    /// Writes an answer, and the proof that it owes. Returns false if the number has an answer, which is
    /// kept: a miner must not sign two answers to one request.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(crate) fn put_answer(
        &self,
        write: &WriteTransaction,
        answered: &Answered,
        duty: Option<Duty>,
    ) -> Result<bool, Failure> {
        let Authorisation { task, number, .. } = answered.authorisation;
        let mut answers = write.open_table(ANSWERS)?;
        if answers.get((task, number))?.is_some() {
            return Ok(false);
        }
        let plain = Zeroizing::new(answered.encode());
        let sealed = blob::seal(&self.key, &context(task, number), &plain)?;
        answers.insert((task, number), &sealed[..])?;
        if let Some(duty) = duty {
            Self::put_proof(write, task, number, &Proof { duty, stage: ProofStage::Due })?;
        }
        Ok(true)
    }

    /// The answer to a request.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(crate) fn answer(&self, task: TaskId, number: RequestNumber) -> Result<Option<Answered>, Failure> {
        let read = self.database.begin_read()?;
        let Some(sealed) = read.open_table(ANSWERS)?.get((task, number))? else { return Ok(None) };
        self.unseal(task, number, sealed.value()).map(Some)
    }

    /// The answered numbers of a task, from a number on.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(crate) fn answered(&self, task: TaskId, from: RequestNumber) -> Result<Vec<RequestNumber>, Failure> {
        let read = self.database.begin_read()?;
        let table = read.open_table(ANSWERS)?;
        let mut numbers = Vec::new();
        for entry in table.range((task, from)..=(task, u64::MAX))? {
            numbers.push(entry?.0.value().1);
        }
        Ok(numbers)
    }

    fn unseal(&self, task: TaskId, number: RequestNumber, sealed: &[u8]) -> Result<Answered, Failure> {
        let plain = blob::open(&self.key, &context(task, number), sealed)?;
        decode(&plain, "an answer")
    }

    /// Writes how far a proof is.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(crate) fn put_proof(
        write: &WriteTransaction,
        task: TaskId,
        number: RequestNumber,
        proof: &Proof,
    ) -> Result<(), Failure> {
        write.open_table(PROOFS)?.insert((task, number), &proof.encode()[..])?;
        Ok(())
    }

    /// How far a proof is.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(crate) fn proof(&self, task: TaskId, number: RequestNumber) -> Result<Option<Proof>, Failure> {
        let read = self.database.begin_read()?;
        let found = read.open_table(PROOFS)?.get((task, number))?;
        found.map(|bytes| decode(bytes.value(), "a proof's stage")).transpose()
    }

    /// All proofs that are owed, in the order of tasks and numbers.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(crate) fn proofs(&self) -> Result<Vec<(TaskId, RequestNumber, Proof)>, Failure> {
        let read = self.database.begin_read()?;
        let table = read.open_table(PROOFS)?;
        let mut proofs = Vec::new();
        for entry in table.iter()? {
            let (key, proof) = entry?;
            let (task, number) = key.value();
            proofs.push((task, number, decode(proof.value(), "a proof's stage")?));
        }
        Ok(proofs)
    }

    /// Writes a proof's bytes.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(crate) fn put_proof_bytes(
        write: &WriteTransaction,
        task: TaskId,
        number: RequestNumber,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        write.open_table(PROOF_BYTES)?.insert((task, number), bytes)?;
        Ok(())
    }

    /// A proof's bytes.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(crate) fn proof_bytes(
        &self,
        task: TaskId,
        number: RequestNumber,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let read = self.database.begin_read()?;
        Ok(read.open_table(PROOF_BYTES)?.get((task, number))?.map(|bytes| bytes.value().to_vec()))
    }

    /// Nothing more is owed for a request: the chain has decided.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(crate) fn remove_proof(
        write: &WriteTransaction,
        task: TaskId,
        number: RequestNumber,
    ) -> Result<(), Failure> {
        write.open_table(PROOFS)?.remove((task, number))?;
        write.open_table(PROOF_BYTES)?.remove((task, number))?;
        Ok(())
    }

    /// The latest acknowledgement of a task with its signature, as bytes.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(crate) fn acknowledgement(&self, task: TaskId) -> Result<Option<Vec<u8>>, Failure> {
        let read = self.database.begin_read()?;
        Ok(read.open_table(ACKNOWLEDGEMENTS)?.get(task)?.map(|bytes| bytes.value().to_vec()))
    }

    /// The request up to which a task was acknowledged, as a transaction sees it.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(crate) fn acknowledged_in(
        write: &WriteTransaction,
        task: TaskId,
    ) -> Result<Option<RequestNumber>, Failure> {
        let table = write.open_table(ACKNOWLEDGEMENTS)?;
        let Some(bytes) = table.get(task)? else { return Ok(None) };
        let word: Acknowledgement = decode(bytes.value(), "an acknowledgement")?;
        Ok(Some(word.through))
    }

    /// Writes an acknowledgement.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(crate) fn put_acknowledgement(
        write: &WriteTransaction,
        task: TaskId,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        write.open_table(ACKNOWLEDGEMENTS)?.insert(task, bytes)?;
        Ok(())
    }

    /// The last committed period of a task: its first request, and their number.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(crate) fn period(&self, task: TaskId) -> Result<Option<(RequestNumber, u32)>, Failure> {
        let read = self.database.begin_read()?;
        Ok(read.open_table(PERIODS)?.get(task)?.map(|period| period.value()))
    }

    /// Writes a period.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(crate) fn put_period(
        write: &WriteTransaction,
        task: TaskId,
        first: RequestNumber,
        count: u32,
    ) -> Result<(), Failure> {
        write.open_table(PERIODS)?.insert(task, (first, count))?;
        Ok(())
    }

    /// Adds a line to a task's log, sealed to its owner; only the last `keep` lines stay.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(crate) fn put_log(
        write: &WriteTransaction,
        task: TaskId,
        sealed: &[u8],
        keep: u64,
    ) -> Result<(), Failure> {
        let mut logs = write.open_table(LOGS)?;
        let last = logs.range((task, 0)..=(task, u64::MAX))?.next_back().transpose()?;
        let next = last.map_or(0, |(key, _)| key.value().1.saturating_add(1));
        logs.insert((task, next), sealed)?;
        let before = next.saturating_add(1).saturating_sub(keep);
        logs.retain_in((task, 0)..(task, before), |_, _| false)?;
        Ok(())
    }

    /// A task's log, from a line on.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(crate) fn logs(&self, task: TaskId, from: u64) -> Result<Vec<(u64, Vec<u8>)>, Failure> {
        let read = self.database.begin_read()?;
        let table = read.open_table(LOGS)?;
        let mut lines = Vec::new();
        for entry in table.range((task, from)..=(task, u64::MAX))? {
            let (key, line) = entry?;
            lines.push((key.value().1, line.value().to_vec()));
        }
        Ok(lines)
    }
}

fn decode<T: Decode>(mut bytes: &[u8], what: &'static str) -> Result<T, Failure> {
    T::decode(&mut bytes).map_err(|_| Failure::Damaged(what))
}

#[cfg(test)]
mod tests;
