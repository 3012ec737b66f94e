//! What the chain's events must be at the end of a test: a test counts as done only what is in them.

use std::ops::Deref;
use std::time::Instant;

use cyborg_chain_client::Chain;
use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_localnet::witness::{self, Event, Ledger};
use cyborg_primitives::{Account, RequestNumber, TaskId};

use crate::TestResult;
use crate::process::PATIENCE;

/// Whether an event is of a task and a miner.
pub(crate) fn is_of(event: &Event, task: TaskId, miner: &Account) -> bool {
    event.is("task", task) && event.text("miner") == AccountId32(*miner).to_string()
}

/// Verdicts against a miner.
pub(crate) fn blamed<'a>(ledger: &'a Ledger, miner: &Account) -> impl Iterator<Item = &'a Event> {
    let miner = AccountId32(*miner).to_string();
    ledger.events.iter().filter(move |event| {
        matches!(event.name.as_str(), "Proofs.Punished" | "Proofs.Refused" | "Miners.Punished")
            && event.text("miner") == miner
    })
}

/// The numbers whose proofs the chain has verified, in the order of the verdicts.
pub(crate) fn verified(ledger: &Ledger, task: TaskId, miner: &Account) -> Vec<RequestNumber> {
    let verified = ledger.of("Proofs.Verified").filter(|event| is_of(event, task, miner));
    verified.filter_map(|event| event.fields["number"].as_u64()).collect()
}

/// The sum of all payments of a task up to a block, the treasury's share included.
pub(crate) fn paid(ledger: &Ledger, task: TaskId, through: u64) -> u128 {
    let paid = ledger.of_task("Payments.Paid", task).filter(|event| event.block <= through);
    paid.map(|event| event.amount("to_miner").0 + event.amount("to_treasury").0).sum()
}

/// Follows a chain until it is dropped, whatever becomes of the node.
pub(crate) struct Witness(witness::Witness);

impl Deref for Witness {
    type Target = witness::Witness;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Witness {
    pub(crate) fn begin(url: &str) -> Self {
        Self(witness::Witness::begin(url, Instant::now(), |_| ()))
    }

    /// Waits until what was seen is enough.
    pub(crate) async fn expect(&self, what: &str, enough: impl Fn(&Ledger) -> bool) -> TestResult {
        if self.until(PATIENCE, enough).await {
            return Ok(());
        }
        let ledger = self.ledger();
        let last: Vec<String> =
            ledger.events.iter().rev().take(12).map(|event| format!("{event:?}")).collect();
        let seconds = PATIENCE.as_secs();
        let through = ledger.through;
        Err(format!(
            "waited {seconds} s in vain: {what}; block {through}, the last events: {}",
            last.join("\n")
        )
        .into())
    }

    /// Waits until all that is final now was seen.
    pub(crate) async fn catch_up(&self, chain: &Chain) -> TestResult {
        Ok(self.0.catch_up(chain, PATIENCE).await?)
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
        let proven = |ledger: &Ledger| verified(ledger, task, miner).len() >= numbers.len();
        self.expect(&format!("{} answers of task {task} are proven", numbers.len()), proven).await?;
        let ledger = self.ledger();
        let mut found = verified(&ledger, task, miner);
        found.sort_unstable();
        assert_eq!(found, numbers, "each answer is proven once");
        let verified = ledger.of("Proofs.Verified").filter(|event| is_of(event, task, miner));
        assert!(verified.into_iter().all(|event| event.amount("paid").0 > 0), "each answer is paid");
        let blamed: Vec<&Event> = blamed(&ledger, miner).collect();
        assert!(blamed.is_empty(), "{blamed:?}");
        Ok(())
    }
}
