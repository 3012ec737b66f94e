//! Records what the chain says happened: events of final blocks, recorded as they become final.
//!
//! The witness stands beside the commands and asks none of them: what the demo and the tests count as
//! done is what is recorded here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cyborg_chain_client::subxt::events::Phase;
use cyborg_chain_client::{AtBlock, Chain, ChainError, json as chain_json};
use cyborg_primitives::money::Cyb;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::error::LocalnetError;

/// Pause before the chain is asked again after the connection broke off.
const PAUSE: Duration = Duration::from_millis(500);

/// An event of the chain.
#[derive(Clone, Debug)]
pub struct Event {
    /// Number of the block.
    pub block: u64,
    /// When the block was seen to be final, since the witness's beginning.
    pub at: Duration,
    /// The index of the transaction in the block; none for what the chain does by itself.
    pub transaction: Option<u32>,
    /// Such as `Tasks.Submitted`.
    pub name: String,
    /// Its fields.
    pub fields: Value,
}

impl Event {
    /// Whether a field is this number.
    pub fn is(&self, field: &str, number: u64) -> bool {
        self.fields[field] == number
    }

    /// A field that is text, as accounts are.
    pub fn text(&self, field: &str) -> &str {
        self.fields[field].as_str().unwrap_or_default()
    }

    /// A field as an amount of money; 0 if it is not an amount.
    pub fn amount(&self, field: &str) -> Cyb {
        amount(&self.fields[field])
    }
}

/// An amount as the JSON of the chain's values has it; 0 for any other value.
pub fn amount(value: &Value) -> Cyb {
    Cyb(value.as_str().and_then(|digits| digits.parse().ok()).unwrap_or(0))
}

/// Everything seen so far.
#[derive(Debug, Default)]
pub struct Ledger {
    /// All events but those of the chain's own bookkeeping, in their order.
    pub events: Vec<Event>,
    /// What each transaction's sender paid for it.
    pub fees: BTreeMap<(u64, u32), u128>,
    /// Length of transactions that brought a key or proofs, in bytes.
    pub bytes: BTreeMap<(u64, u32), u64>,
    /// Length of submitted proofs in bytes, by task, miner and number.
    pub proofs: BTreeMap<(u64, String, u64), u64>,
    /// The last block.
    pub through: u64,
}

impl Ledger {
    /// Events of one kind, in their order.
    pub fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Event> {
        self.events.iter().filter(move |event| event.name == name)
    }

    /// Events of one kind that name a task.
    pub fn of_task<'a>(&'a self, name: &'a str, task: u64) -> impl Iterator<Item = &'a Event> {
        self.of(name).filter(move |event| event.is("task", task))
    }

    /// The proof of an answer, as the chain verified it.
    pub fn verified(&self, task: u64, miner: &str, number: u64) -> Option<&Event> {
        self.of_task("Proofs.Verified", task)
            .find(|event| event.text("miner") == miner && event.is("number", number))
    }
}

/// What a witness tells while it follows.
#[derive(Debug)]
pub enum News<'a> {
    /// Something happened.
    Event(&'a Event),
    /// The chain cannot be followed for a moment.
    Broken(&'a ChainError),
}

/// Follows a chain until it is dropped.
pub struct Witness {
    ledger: Arc<Mutex<Ledger>>,
    through: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Witness {
    /// Follows the chain of a node from its first block on, whatever becomes of the node. Times count from
    /// `begun`; `tell` hears every event, and why the chain cannot be followed for a moment.
    pub fn begin(url: &str, begun: Instant, tell: impl Fn(News<'_>) + Send + Sync + 'static) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let (send, through) = watch::channel(0);
        let (url, shared) = (url.to_owned(), ledger.clone());
        let task = tokio::spawn(async move {
            // The node may be away, and comes back.
            while let Err(error) = follow(&url, begun, &tell, &shared, &send).await {
                tell(News::Broken(&error));
                sleep(PAUSE).await;
            }
        });
        Self { ledger, through, task }
    }

    /// What was seen so far.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        entered(&self.ledger)
    }

    /// Waits until what was seen is enough, and says whether it came to that in time.
    pub async fn until(&self, patience: Duration, enough: impl Fn(&Ledger) -> bool) -> bool {
        let mut through = self.through.clone();
        let waiting = through.wait_for(|_| enough(&self.ledger()));
        matches!(timeout(patience, waiting).await, Ok(Ok(_)))
    }

    /// Waits until everything that is final now was seen.
    ///
    /// # Errors
    /// Returns an error if the chain does not answer in time.
    pub async fn catch_up(&self, chain: &Chain, patience: Duration) -> Result<(), LocalnetError> {
        let last = chain.at_finalised().await?.block_number();
        if self.until(patience, |ledger| ledger.through >= last).await {
            return Ok(());
        }
        Err(LocalnetError::Failed(format!("the chain's events up to block {last} did not come")))
    }
}

fn entered(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    // A panic does not leave the ledger half written: entries are added whole.
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Follows from the block after the last one seen, until the chain breaks off or nobody is interested.
async fn follow(
    url: &str,
    begun: Instant,
    tell: &(impl Fn(News<'_>) + Sync),
    ledger: &Mutex<Ledger>,
    through: &watch::Sender<u64>,
) -> Result<(), ChainError> {
    let chain = Chain::connect(url).await?;
    let next = entered(ledger).through + 1;
    let mut blocks = chain.follow(Some(next)).await?;
    while !through.is_closed() {
        let at = blocks.next().await?;
        let found = Found::read(&at, begun.elapsed()).await?;
        found.events.iter().for_each(|event| tell(News::Event(event)));
        let mut ledger = entered(ledger);
        ledger.events.extend(found.events);
        ledger.fees.extend(found.fees);
        ledger.bytes.extend(found.bytes);
        ledger.proofs.extend(found.proofs);
        ledger.through = at.block_number();
        drop(ledger);
        through.send_replace(at.block_number());
    }
    Ok(())
}

/// What one block brings.
#[derive(Default)]
struct Found {
    events: Vec<Event>,
    fees: BTreeMap<(u64, u32), u128>,
    bytes: BTreeMap<(u64, u32), u64>,
    proofs: BTreeMap<(u64, String, u64), u64>,
}

impl Found {
    async fn read(at: &AtBlock, when: Duration) -> Result<Self, ChainError> {
        let block = at.block_number();
        let mut found = Self::default();
        // Transactions whose length is of interest.
        let mut heavy = BTreeSet::new();
        for event in at.events().fetch().await?.iter() {
            let event = event?;
            let transaction = match event.phase() {
                Phase::ApplyExtrinsic(index) => Some(index),
                Phase::Finalization | Phase::Initialization => None,
            };
            let name = format!("{}.{}", event.pallet_name(), event.event_name());
            if matches!(event.pallet_name(), "System" | "Balances") {
                continue;
            }
            let fields = chain_json::fields(&event, at.metadata_ref())?;
            match (name.as_str(), transaction) {
                ("TransactionPayment.TransactionFeePaid", Some(index)) => {
                    found.fees.insert((block, index), amount(&fields["actual_fee"]).0);
                    continue;
                }
                ("Models.Registered" | "Proofs.Verified", Some(index)) => {
                    heavy.insert(index);
                }
                _ => {}
            }
            found.events.push(Event { block, at: when, transaction, name, fields });
        }
        if !heavy.is_empty() {
            found.weigh(at, &heavy).await?;
        }
        Ok(found)
    }

    /// Notes how long transactions are, and the proofs in them.
    async fn weigh(&mut self, at: &AtBlock, heavy: &BTreeSet<u32>) -> Result<(), ChainError> {
        let block = at.block_number();
        for transaction in at.extrinsics().fetch().await?.iter() {
            let transaction = transaction?;
            let Ok(index) = u32::try_from(transaction.index()) else { continue };
            if !heavy.contains(&index) {
                continue;
            }
            self.bytes.insert((block, index), transaction.bytes().len() as u64);
            if (transaction.pallet_name(), transaction.call_name()) != ("Proofs", "submit") {
                continue;
            }
            let mut own = self.events.iter().filter(|event| event.transaction == Some(index));
            let Some(verified) = own.find(|event| event.name == "Proofs.Verified") else { continue };
            let miner = verified.text("miner").to_owned();
            for field in transaction.iter_call_data_fields().filter(|field| field.name() == "submissions") {
                let submissions = chain_json::stored(field.bytes(), field.type_id(), at.metadata_ref())?;
                for (key, bytes) in proofs(&submissions, &miner) {
                    self.proofs.insert(key, bytes);
                }
            }
        }
        Ok(())
    }
}

/// The proofs of a submission's transaction, and how long each is.
fn proofs(submissions: &Value, miner: &str) -> Vec<((u64, String, u64), u64)> {
    let each = submissions.as_array().into_iter().flatten().filter_map(|submission| {
        let number = |field| submission["authorisation"][field].as_u64();
        let digits = submission["proof"].as_str()?.strip_prefix("0x")?;
        Some(((number("task")?, miner.to_owned(), number("number")?), digits.len() as u64 / 2))
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn proofs_are_weighed() {
        let submissions = json!([
            { "authorisation": { "task": 3, "number": 1, "miner": "5A" }, "signature": {}, "proof": "0x0011" },
            { "authorisation": { "task": 3, "number": 2, "miner": "5A" }, "signature": {}, "proof": "0x" },
            { "authorisation": {}, "proof": "0x00" },
        ]);
        let key = |number| (3, "5A".to_owned(), number);
        assert_eq!(proofs(&submissions, "5A"), [(key(1), 2), (key(2), 0)]);
        assert!(proofs(&json!(null), "5A").is_empty());
    }

    #[test]
    fn a_verified_proof_is_of_its_task_miner_and_number() {
        let seen = |task: u64, miner: &str, number: u64| Event {
            block: 1,
            at: Duration::ZERO,
            transaction: None,
            name: "Proofs.Verified".to_owned(),
            fields: json!({ "task": task, "miner": miner, "number": number, "paid": "5" }),
        };
        let ledger = Ledger { events: vec![seen(0, "5A", 1), seen(1, "5B", 2)], ..Ledger::default() };
        assert_eq!(ledger.verified(1, "5B", 2).map(|event| event.amount("paid")), Some(Cyb(5)));
        for (task, miner, number) in [(0, "5B", 2), (1, "5A", 2), (1, "5B", 1)] {
            assert!(ledger.verified(task, miner, number).is_none());
        }
    }
}
