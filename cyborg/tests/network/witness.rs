//! Every event of every block, as the chain says it: what a test counts as done is what is in here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_chain_client::{Chain, json};
use cyborg_primitives::{Account, RequestNumber, TaskId};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::TestResult;
use crate::process::until;

/// An event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) block: u64,
    /// Such as `Proofs.Verified`.
    pub(crate) name: String,
    pub(crate) fields: Value,
}

impl Event {
    pub(crate) fn is_of(&self, task: TaskId, miner: &Account) -> bool {
        self.fields["task"] == task && self.fields["miner"] == AccountId32(*miner).to_string()
    }

    pub(crate) fn amount(&self, field: &str) -> u128 {
        self.fields[field].as_str().and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }
}

/// What was seen so far.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) events: Vec<Event>,
    through: u64,
}

impl Seen {
    pub(crate) fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Event> {
        self.events.iter().filter(move |event| event.name == name)
    }

    /// Verdicts on a miner that are no praise.
    pub(crate) fn blamed<'a>(&'a self, miner: &Account) -> impl Iterator<Item = &'a Event> {
        let miner = AccountId32(*miner).to_string();
        self.events.iter().filter(move |event| {
            matches!(event.name.as_str(), "Proofs.Punished" | "Proofs.Refused" | "Miners.Punished")
                && event.fields["miner"] == miner
        })
    }

    /// The numbers whose proofs the chain has verified, in the order of the verdicts.
    pub(crate) fn verified(&self, task: TaskId, miner: &Account) -> Vec<RequestNumber> {
        let verified = self.of("Proofs.Verified").filter(|event| event.is_of(task, miner));
        verified.filter_map(|event| event.fields["number"].as_u64()).collect()
    }

    /// What all payments of a task up to a block come to, the treasury's share included.
    pub(crate) fn paid(&self, task: TaskId, through: u64) -> u128 {
        let of_task = |event: &&Event| event.fields["task"] == task && event.block <= through;
        let paid = self.of("Payments.Paid").filter(of_task);
        paid.map(|event| event.amount("to_miner") + event.amount("to_treasury")).sum()
    }
}

/// Follows a chain until it is dropped, whatever becomes of the node.
pub(crate) struct Witness {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn enter(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    // Events are added whole.
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Witness {
    pub(crate) fn begin(url: &str) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (url, shared) = (url.to_owned(), seen.clone());
        let task = tokio::spawn(async move {
            loop {
                // The node may be away, and comes back.
                let _ = follow(&url, &shared).await;
                sleep(Duration::from_millis(200)).await;
            }
        });
        Self { seen, task }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        enter(&self.seen)
    }

    /// Waits until what was seen is enough.
    pub(crate) async fn until(&self, what: &str, enough: impl Fn(&Seen) -> bool) -> TestResult {
        let waited = until(what, async || Ok(enough(&self.seen()).then_some(()))).await;
        waited.map_err(|error| {
            let seen = self.seen();
            let last: Vec<String> =
                seen.events.iter().rev().take(12).map(|event| format!("{event:?}")).collect();
            format!("{error}; block {}, the last events: {}", seen.through, last.join("\n")).into()
        })
    }

    /// Waits until all that is final now was seen.
    pub(crate) async fn catch_up(&self, chain: &Chain) -> TestResult {
        let last = chain.at_finalised().await?.block_number();
        self.until("every block is seen", |seen| seen.through >= last).await
    }

    /// Waits until these answers of a miner are proven, then checks that each was proven and paid once,
    /// that nothing else was, and that the miner was blamed for nothing.
    pub(crate) async fn all_proven(
        &self,
        task: TaskId,
        miner: &Account,
        numbers: impl IntoIterator<Item = RequestNumber>,
    ) -> TestResult {
        let numbers: Vec<RequestNumber> = numbers.into_iter().collect();
        let proven = |seen: &Seen| seen.verified(task, miner).len() >= numbers.len();
        self.until(&format!("{} answers of task {task} are proven", numbers.len()), proven).await?;
        let seen = self.seen();
        let mut found = seen.verified(task, miner);
        found.sort_unstable();
        assert_eq!(found, numbers, "each answer is proven once");
        let verified = seen.of("Proofs.Verified").filter(|event| event.is_of(task, miner));
        assert!(verified.into_iter().all(|event| event.amount("paid") > 0), "each answer is paid");
        let blamed: Vec<&Event> = seen.blamed(miner).collect();
        assert!(blamed.is_empty(), "{blamed:?}");
        Ok(())
    }
}

async fn follow(url: &str, seen: &Mutex<Seen>) -> TestResult {
    let chain = Chain::connect(url).await?;
    let next = enter(seen).through + 1;
    let mut blocks = chain.follow(Some(next)).await?;
    loop {
        let at = blocks.next().await?;
        let mut found = Vec::new();
        for event in at.events().fetch().await?.iter() {
            let event = event?;
            if matches!(event.pallet_name(), "System" | "Balances" | "TransactionPayment") {
                continue;
            }
            let name = format!("{}.{}", event.pallet_name(), event.event_name());
            let fields = json::fields(&event, at.metadata_ref())?;
            found.push(Event { block: at.block_number(), name, fields });
        }
        let mut seen = enter(seen);
        seen.events.extend(found);
        seen.through = at.block_number();
    }
}
