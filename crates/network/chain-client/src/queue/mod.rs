//! The transactions of one account, each done once, whatever dies on the way.
//!
//! An **intent** is a call under an id that its maker chooses. It is on the disk before anything is
//! sent, in the maker's own database transaction, together with whatever makes the intent: a second
//! intent of the same id is the first. Its life:
//!
//! ```text
//! Waiting ──signed──▶ Signed ──in a finalised block──▶ Done, until it is forgotten
//!    ▲                  │ its nonce is used, or its lifetime is over, and no block has it
//!    └──────────────────┘
//! ```
//!
//! A signed transaction is on the disk too, with its nonce and lifetime, before it is broadcast. What
//! has become of it is decided by finalised blocks alone: every block of its lifetime is searched for
//! it, those of an absence first. Only when none can hold it any more is the call signed again, so
//! that it is never done twice. Broadcasting the same bytes again does no harm, and is done until
//! then: what a node has dropped or forgotten comes back.
//!
//! One program at a time runs a queue ([`Queue::run`]). Others may use the account beside it: a
//! queue that loses a nonce to them signs again.

mod record;
mod work;

pub use record::Outcome;

use std::sync::Arc;

use codec::{Decode as _, Encode as _};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction};
use subxt::tx::Payload;
use thiserror::Error;
use tokio::sync::watch;

use crate::{Chain, ChainError};
use record::{Intent, Progress};

/// Intents by id: all but their bytes.
const INTENTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("transaction intents v1");
/// An intent's call, and its signed transaction, by its number.
const CALLS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("transaction calls v1");
const SIGNED: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("transaction bytes v1");
/// `next`: the next intent's number. `searched`: the last block that was searched.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("transaction numbers v1");
/// The chain and the account that all this is for.
const FOR: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("transaction queue v1");

const NEXT: &str = "next";
const SEARCHED: &str = "searched";
/// Longest id, in bytes.
const MAX_ID_BYTES: usize = 256;

/// Why the queue cannot go on.
#[derive(Debug, Error)]
pub enum QueueError {
    /// The database cannot be read or written.
    #[error("the transaction queue's database: {0}")]
    Database(Box<redb::Error>),
    /// A stored value is not what was written.
    #[error("the transaction queue's record `{id}` cannot be read; the database is damaged")]
    Damaged {
        /// Which value.
        id: String,
    },
    /// An id is empty or too long.
    #[error("an intent's id has {got} bytes; expected 1 to {max}")]
    Id {
        /// Most bytes.
        max: usize,
        /// Bytes found.
        got: usize,
    },
    /// The queue holds transactions of another account or another chain.
    #[error("the transaction queue is that of another {what}: use another folder for this one")]
    Foreign {
        /// `chain` or `account`.
        what: &'static str,
    },
    /// The chain cannot be asked.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl<E: Into<redb::Error>> From<E> for QueueError {
    fn from(error: E) -> Self {
        Self::Database(Box::new(error.into()))
    }
}

/// A call as the chain takes it: what an intent is made from.
#[derive(Clone, Debug, PartialEq, Eq, codec::Encode, codec::Decode)]
pub struct Call {
    pub(crate) pallet: String,
    pub(crate) name: String,
    /// The arguments.
    pub(crate) fields: Vec<u8>,
}

impl Chain {
    /// A call as bytes, by the chain's metadata.
    ///
    /// # Errors
    /// Returns an error if the chain does not know such a call.
    pub async fn encode<C: Payload>(&self, call: &C) -> Result<Call, ChainError> {
        let at = self.at_finalised().await?;
        let bytes = at.transactions().call_data(call)?;
        // Before the arguments are the pallet's number and the call's.
        let fields = bytes.get(2..).unwrap_or_default().to_vec();
        Ok(Call { pallet: call.pallet_name().to_owned(), name: call.call_name().to_owned(), fields })
    }
}

/// The queue of one account on one chain, in a database that its maker shares.
pub struct Queue {
    database: Arc<Database>,
    /// Counts what is worth looking at: new intents, and outcomes.
    changes: watch::Sender<u64>,
}

impl Queue {
    /// The queue in a database.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub fn open(database: Arc<Database>) -> Result<Self, QueueError> {
        let write = database.begin_write()?;
        write.open_table(INTENTS)?;
        write.open_table(CALLS)?;
        write.open_table(SIGNED)?;
        write.open_table(NUMBERS)?;
        write.open_table(FOR)?;
        write.commit()?;
        Ok(Self { database, changes: watch::Sender::new(0) })
    }

    /// Adds an intent in the caller's database transaction; false if there is one of this id, done
    /// or not, which stays. After the commit, [`wake`](Self::wake) says that there is work.
    ///
    /// # Errors
    /// Returns an error if the id is invalid, or the database cannot be written.
    pub fn add(write: &WriteTransaction, id: &str, call: &Call) -> Result<bool, QueueError> {
        if !(1..=MAX_ID_BYTES).contains(&id.len()) {
            return Err(QueueError::Id { max: MAX_ID_BYTES, got: id.len() });
        }
        let mut intents = write.open_table(INTENTS)?;
        if intents.get(id)?.is_some() {
            return Ok(false);
        }
        let mut numbers = write.open_table(NUMBERS)?;
        let number = numbers.get(NEXT)?.map_or(0, |number| number.value());
        numbers.insert(NEXT, number.saturating_add(1))?;
        let intent = Intent { number, lives: 0, progress: Progress::Waiting };
        intents.insert(id, &intent.encode()[..])?;
        write.open_table(CALLS)?.insert(number, &call.encode()[..])?;
        Ok(true)
    }

    /// Tells the queue that an intent was added.
    pub fn wake(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Changes whenever there may be new outcomes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// What has become of an intent; `None` while it is under way, and for an id that is not known.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub fn outcome(&self, id: &str) -> Result<Option<Outcome>, QueueError> {
        let read = self.database.begin_read()?;
        let Some(bytes) = read.open_table(INTENTS)?.get(id)? else { return Ok(None) };
        match decode(id, bytes.value())?.progress {
            Progress::Done(outcome) => Ok(Some(outcome)),
            Progress::Waiting | Progress::Signed(_) => Ok(None),
        }
    }

    /// Whether an intent is known, done or not.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub fn knows(&self, id: &str) -> Result<bool, QueueError> {
        Ok(self.database.begin_read()?.open_table(INTENTS)?.get(id)?.is_some())
    }

    /// All intents that are done and not forgotten, in the order of their ids.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub fn outcomes(&self) -> Result<Vec<(String, Outcome)>, QueueError> {
        let mut done = Vec::new();
        for (id, intent) in self.intents()? {
            if let Progress::Done(outcome) = intent.progress {
                done.push((id, outcome));
            }
        }
        Ok(done)
    }

    /// Number of intents under way.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub fn pending(&self) -> Result<usize, QueueError> {
        let open = |(_, intent): &(String, Intent)| !matches!(intent.progress, Progress::Done(_));
        Ok(self.intents()?.iter().filter(|intent| open(intent)).count())
    }

    /// Forgets an intent that is done, in the caller's database transaction: together with whatever
    /// its outcome changes. One that is under way stays.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub fn forget(write: &WriteTransaction, id: &str) -> Result<(), QueueError> {
        let mut intents = write.open_table(INTENTS)?;
        let found = intents.get(id)?.map(|bytes| decode(id, bytes.value())).transpose()?;
        if found.is_some_and(|intent| matches!(intent.progress, Progress::Done(_))) {
            intents.remove(id)?;
        }
        Ok(())
    }

    fn intents(&self) -> Result<Vec<(String, Intent)>, QueueError> {
        let read = self.database.begin_read()?;
        let table = read.open_table(INTENTS)?;
        let mut all = Vec::new();
        for entry in table.iter()? {
            let (id, bytes) = entry?;
            all.push((id.value().to_owned(), decode(id.value(), bytes.value())?));
        }
        Ok(all)
    }
}

fn decode(id: &str, mut bytes: &[u8]) -> Result<Intent, QueueError> {
    Intent::decode(&mut bytes).map_err(|_| QueueError::Damaged { id: id.to_owned() })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use record::Signed;

    fn call(byte: u8) -> Call {
        Call { pallet: "Tasks".into(), name: "confirm".into(), fields: vec![byte] }
    }

    fn queue(folder: &std::path::Path) -> Queue {
        Queue::open(Arc::new(Database::create(folder.join("db")).unwrap())).unwrap()
    }

    fn set(queue: &Queue, id: &str, progress: Progress) {
        let write = queue.database.begin_write().unwrap();
        let record = Intent { number: 0, lives: 0, progress }.encode();
        write.open_table(INTENTS).unwrap().insert(id, &record[..]).unwrap();
        write.commit().unwrap();
    }

    #[test]
    fn an_intent_is_one_however_often_it_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let queue = queue(folder.path());
        let write = queue.database.begin_write().unwrap();
        assert!(Queue::add(&write, "confirm/1", &call(1)).unwrap());
        assert!(!Queue::add(&write, "confirm/1", &call(2)).unwrap());
        for id in [String::new(), "x".repeat(MAX_ID_BYTES + 1)] {
            assert!(matches!(Queue::add(&write, &id, &call(1)), Err(QueueError::Id { .. })));
        }
        write.commit().unwrap();
        // An intent whose maker's transaction is not committed does not exist either.
        let write = queue.database.begin_write().unwrap();
        assert!(Queue::add(&write, "confirm/2", &call(1)).unwrap());
        drop(write);
        drop(queue);
        let queue = self::queue(folder.path());
        assert!(queue.knows("confirm/1").unwrap() && !queue.knows("confirm/2").unwrap());
        assert_eq!(queue.pending().unwrap(), 1);
        assert_eq!(queue.outcome("confirm/1").unwrap(), None);
        let stored = queue.database.begin_read().unwrap().open_table(CALLS).unwrap();
        assert_eq!(Call::decode(&mut stored.get(0).unwrap().unwrap().value()).unwrap(), call(1));
    }

    #[test]
    fn only_what_is_done_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let queue = queue(folder.path());
        let forget = || {
            let write = queue.database.begin_write().unwrap();
            Queue::forget(&write, "a").unwrap();
            write.commit().unwrap();
            queue.knows("a").unwrap()
        };
        set(&queue, "a", Progress::Waiting);
        assert!(forget());
        set(&queue, "a", Progress::Signed(Signed { hash: [1; 32], nonce: 2, born: 3, dies: 67 }));
        assert!(forget());
        assert!(queue.outcomes().unwrap().is_empty());
        let outcome = Outcome::Refused { reason: "no money".into() };
        set(&queue, "a", Progress::Done(outcome.clone()));
        assert_eq!(queue.outcomes().unwrap(), [("a".to_owned(), outcome)]);
        assert_eq!(queue.pending().unwrap(), 0);
        assert!(!forget());
    }

    #[test]
    fn a_damaged_record_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let queue = queue(folder.path());
        let write = queue.database.begin_write().unwrap();
        write.open_table(INTENTS).unwrap().insert("a", &[9_u8; 3][..]).unwrap();
        write.commit().unwrap();
        assert!(matches!(queue.outcome("a"), Err(QueueError::Damaged { id }) if id == "a"));
    }
}
