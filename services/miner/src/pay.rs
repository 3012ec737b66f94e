//! What brings the miner its pay: proofs submitted, periods committed to, challenges answered,
//! acknowledgements claimed. It also handles the outcome of every transaction.

use std::collections::{BTreeMap, BTreeSet};

use codec::Decode as _;
use cyborg_chain_client::queue::{Call, Outcome, Queue};
use cyborg_chain_client::runtime;
use cyborg_chain_client::runtime::runtime_types::bounded_collections::bounded_vec::BoundedVec;
use cyborg_chain_client::runtime::runtime_types::pallet_proofs::types::{Sample, Submission};
use cyborg_chain_client::subxt::utils::Static;
use cyborg_chain_client::{AtBlock, Chain};
use cyborg_primitives::receipt;
use cyborg_primitives::signed::{Acknowledgement, Receipt};
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{MAX_BATCH, RequestNumber, TaskId};
use redb::WriteTransaction;
use tokio::time::Instant;

use crate::answer::served;
use crate::error::Failure;
use crate::intent::Intent;
use crate::miner_loop::MinerLoop;
use crate::step::Step;
use crate::store::{Answered, Duty, Proof, ProofStage, Store};
use crate::view::{self, Owed, Period, TaskView, signature};
use cyborg_protocol::wire::SIGNATURE_BYTES;

/// Submissions of one proof before it is abandoned.
const MAX_ATTEMPTS: u32 = 5;
/// Maximum of proof bytes in one transaction.
const MAX_BATCH_BYTES: usize = 1 << 20;
/// Maximum of transactions with proofs of one task at once.
const MAX_UNDER_WAY: usize = 4;
/// Number of the next transaction with proofs.
const BATCHES: &str = "batches";

/// What `count` proofs of one model cost together.
fn claim(cost: &Cost, count: usize) -> Cost {
    let more = Cost { key_bytes: 0, ..*cost };
    (1..count).fold(*cost, |sum, _| sum.with(more))
}

fn submission(answered: &Answered, proof: Vec<u8>) -> Submission {
    Submission {
        authorisation: Static(answered.authorisation),
        signature: signature(answered.signature),
        proof: BoundedVec(proof),
    }
}

impl MinerLoop {
    /// Records the proofs that the chain says are due, and removes those that it no longer asks for.
    pub(crate) async fn obligations(
        &mut self,
        chain: &Chain,
        at: &AtBlock,
        task: TaskId,
    ) -> Result<(), Failure> {
        let (Some(view), Some(served)) = (self.view(task).cloned(), served(&self.pools, task)) else {
            return Ok(());
        };
        let settled = served.window().terms.settled;
        let owed = view::owed(at, task, &self.miner).await?;
        let drawn: BTreeSet<RequestNumber> = match &owed.period {
            Some(Period { first, left: Some(left), .. }) => {
                left.iter().map(|leaf| first.saturating_add(u64::from(*leaf))).collect()
            }
            _ => BTreeSet::new(),
        };
        let demanded: BTreeSet<RequestNumber> = owed.demanded.iter().copied().collect();
        let mut due: BTreeMap<RequestNumber, Duty> = BTreeMap::new();
        due.extend(drawn.iter().map(|number| (*number, Duty::Drawn)));
        due.extend(demanded.iter().map(|number| (*number, Duty::Demanded)));
        let mut entered = false;
        let write = self.store.begin()?;
        for (other, number, proof) in self.store.proofs()? {
            if other != task {
                continue;
            }
            let wanted = match proof.duty {
                Duty::Every => !settled.contains(number),
                Duty::Drawn | Duty::Demanded => due.contains_key(&number),
            };
            if !wanted {
                Store::remove_proof(&write, task, number)?;
            }
            match due.remove(&number) {
                // A demand makes what is due for another reason more urgent.
                Some(duty) if duty < proof.duty => {
                    Store::put_proof(&write, task, number, &Proof { duty, ..proof })?;
                }
                _ => {}
            }
        }
        for (number, duty) in due {
            if self.store.answer(task, number)?.is_some() {
                Store::put_proof(&write, task, number, &Proof { duty, stage: ProofStage::Due })?;
                entered = true;
            }
        }
        write.commit()?;
        if entered {
            self.proofs_due.notify_one();
        }
        if let Some((period, number)) =
            owed.period.as_ref().and_then(|period| Some((period, period.challenged?)))
        {
            self.answer_challenge(chain, task, period, number).await?;
        }
        let over = self.record(task).is_some_and(|record| record.step == Step::Settling);
        if over && matches!(view.policy, ProofPolicy::Sampled { .. }) {
            self.commit_period(chain, task, &owed).await?;
        }
        Ok(())
    }

    /// Commits to what each sampled task has answered, once in a period.
    pub(crate) async fn commit_periods(&mut self, chain: &Chain, at: &AtBlock) -> Result<(), Failure> {
        let sampled = |view: &TaskView| matches!(view.policy, ProofPolicy::Sampled { .. });
        let mut due = Vec::new();
        for (task, state) in &mut self.tasks {
            if !state.view.as_ref().is_some_and(sampled) {
                continue;
            }
            let since = *state.committed.get_or_insert_with(Instant::now);
            if since.elapsed() >= self.settings.period && served(&self.pools, *task).is_some() {
                due.push(*task);
            }
        }
        for task in due {
            if let Some(state) = self.tasks.get_mut(&task) {
                state.committed = Some(Instant::now());
            }
            let owed = view::owed(at, task, &self.miner).await?;
            self.commit_period(chain, task, &owed).await?;
        }
        Ok(())
    }

    /// Submits proofs that are made, as many at once as are ready.
    pub(crate) async fn submit_proofs(&mut self, chain: &Chain) -> Result<(), Failure> {
        let mut made: BTreeMap<TaskId, Vec<(RequestNumber, Duty, u32)>> = BTreeMap::new();
        let mut under_way: BTreeMap<TaskId, BTreeSet<String>> = BTreeMap::new();
        let mut to_come = BTreeSet::new();
        for (task, number, proof) in self.store.proofs()? {
            match proof.stage {
                ProofStage::Due => drop(to_come.insert(task)),
                ProofStage::Proven { attempts } => {
                    made.entry(task).or_default().push((number, proof.duty, attempts));
                }
                ProofStage::Sent { intent, .. } => drop(under_way.entry(task).or_default().insert(intent)),
                ProofStage::Lost { .. } => {}
            }
        }
        for (task, state) in &mut self.tasks {
            if !made.contains_key(task) {
                state.proofs_since = None;
            }
        }
        for (task, proofs) in made {
            let Some(state) = self.tasks.get_mut(&task) else { continue };
            let batch = state.batch.unwrap_or(self.settings.batch).clamp(1, MAX_BATCH as usize);
            let since = *state.proofs_since.get_or_insert_with(Instant::now);
            let ready = proofs.len() >= batch
                || !to_come.contains(&task)
                || since.elapsed() >= self.settings.batch_wait;
            let busy = under_way.get(&task).map_or(0, BTreeSet::len) >= MAX_UNDER_WAY;
            if ready && !busy {
                self.submit_batch(chain, task, batch, &proofs).await?;
                if let Some(state) = self.tasks.get_mut(&task) {
                    state.proofs_since = None;
                }
            }
        }
        Ok(())
    }

    /// Submits proofs of one task in one call: drawn ones apart from the others.
    async fn submit_batch(
        &mut self,
        chain: &Chain,
        task: TaskId,
        batch: usize,
        proofs: &[(RequestNumber, Duty, u32)],
    ) -> Result<(), Failure> {
        let Some(served) = served(&self.pools, task) else { return Ok(()) };
        let Some(first) = proofs.iter().min_by_key(|(_, duty, _)| *duty) else { return Ok(()) };
        let drawn = first.1 == Duty::Drawn;
        let (mut chosen, mut submissions, mut bytes) = (Vec::new(), Vec::new(), 0);
        for (number, duty, attempts) in proofs {
            if (*duty == Duty::Drawn) != drawn {
                continue;
            }
            let (Some(answered), Some(proof)) =
                (self.store.answer(task, *number)?, self.store.proof_bytes(task, *number)?)
            else {
                return Err(Failure::Damaged("a proof"));
            };
            bytes += proof.len();
            if chosen.len() == batch || bytes > MAX_BATCH_BYTES && !chosen.is_empty() {
                break;
            }
            chosen.push((*number, *duty, *attempts));
            submissions.push((submission(&answered, proof), answered.receipt));
        }
        let claim = Static(claim(&served.loaded.cost, submissions.len()));
        let call = if drawn {
            let Some(samples) = self.samples(task, submissions)? else { return Ok(()) };
            let call = runtime::transactions().proofs().prove_samples(claim, task, BoundedVec(samples));
            chain.encode(&call).await?
        } else {
            let submissions = submissions.into_iter().map(|(submission, _)| submission).collect();
            chain.encode(&runtime::transactions().proofs().submit(claim, BoundedVec(submissions))).await?
        };
        let next = self.store.number(BATCHES)?;
        let intent = Intent::Proofs { task, batch: next }.to_string();
        let write = self.store.begin()?;
        Store::put_number(&write, BATCHES, next.saturating_add(1))?;
        Queue::add(&write, &intent, &call)?;
        for (number, duty, attempts) in chosen {
            let stage = ProofStage::Sent { intent: intent.clone(), attempts };
            Store::put_proof(&write, task, number, &Proof { duty, stage })?;
        }
        write.commit()?;
        self.queue.wake();
        Ok(())
    }

    /// Drawn proofs with their receipts' places in the committed tree; `None` if the period is
    /// no longer known.
    fn samples(
        &self,
        task: TaskId,
        submissions: Vec<(Submission, Receipt)>,
    ) -> Result<Option<Vec<Sample>>, Failure> {
        let Some((first, count)) = self.store.period(task)? else { return Ok(None) };
        let receipts = self.receipts(task, first, count)?;
        let mut samples = Vec::new();
        for (submission, receipt) in submissions {
            let index = receipt.number.checked_sub(first).and_then(|index| usize::try_from(index).ok());
            let path = index.and_then(|index| receipt::path(&receipts, index, &self.genesis));
            let Some(path) = path else { return Ok(None) };
            samples.push(Sample { output: receipt.output, path: BoundedVec(path), submission });
        }
        Ok(Some(samples))
    }

    /// The receipts of a period; an error if one is missing, because it was committed to.
    fn receipts(&self, task: TaskId, first: RequestNumber, count: u32) -> Result<Vec<Receipt>, Failure> {
        let numbers = first..first.saturating_add(u64::from(count));
        let receipts = numbers.map(|number| {
            let answered = self.store.answer(task, number)?.ok_or(Failure::Damaged("a period"))?;
            Ok(answered.receipt)
        });
        receipts.collect()
    }

    /// Commits to the receipts since the last period, unless a period is open.
    async fn commit_period(&mut self, chain: &Chain, task: TaskId, owed: &Owed) -> Result<(), Failure> {
        let first = owed.next;
        let intent = Intent::Commit { task, first }.to_string();
        if owed.period.is_some() || self.queue.knows(&intent)? {
            return Ok(());
        }
        // The numbers have no gaps, because a tree has none.
        let numbers = self.store.answered(task, first)?;
        let count = numbers.iter().zip(first..).take_while(|(number, next)| **number == *next).count();
        let count = u32::try_from(count).unwrap_or(u32::MAX).min(receipt::MAX_RECEIPTS);
        let Some(last) = u64::from(count).checked_sub(1).and_then(|more| first.checked_add(more)) else {
            return Ok(());
        };
        let receipts = self.receipts(task, first, count)?;
        let (Some(root), Some(answered)) =
            (receipt::root(&receipts, &self.genesis), self.store.answer(task, last)?)
        else {
            return Ok(());
        };
        let call = runtime::transactions().proofs().commit(
            root,
            first,
            count,
            Static(answered.authorisation),
            signature(answered.signature),
        );
        let call = chain.encode(&call).await?;
        let write = self.store.begin()?;
        Queue::add(&write, &intent, &call)?;
        Store::put_period(&write, task, first, count)?;
        write.commit()?;
        self.queue.wake();
        Ok(())
    }

    /// Shows a challenged receipt in the committed tree.
    async fn answer_challenge(
        &mut self,
        chain: &Chain,
        task: TaskId,
        period: &Period,
        number: RequestNumber,
    ) -> Result<(), Failure> {
        let intent = Intent::Answer { task, number };
        if self.queue.knows(&intent.to_string())? {
            return Ok(());
        }
        let receipts = self.receipts(task, period.first, period.count)?;
        let index = number.checked_sub(period.first).and_then(|index| usize::try_from(index).ok());
        let path = index.and_then(|index| receipt::path(&receipts, index, &self.genesis));
        let Some(path) = path else { return Ok(()) };
        let call = chain.encode(&runtime::transactions().proofs().answer(task, BoundedVec(path))).await?;
        self.enqueue(intent, &call)
    }

    /// Claims what owners have acknowledged and the chain has not settled.
    pub(crate) async fn claim(&mut self, chain: &Chain) -> Result<(), Failure> {
        let tasks: Vec<TaskId> = self.tasks.keys().copied().collect();
        for task in tasks {
            let Some(served) = served(&self.pools, task) else { continue };
            let Some(bytes) = self.store.acknowledgement(task)? else { continue };
            let mut rest = &bytes[..];
            let (Ok(word), Ok(signed)) =
                (Acknowledgement::decode(&mut rest), <[u8; SIGNATURE_BYTES]>::decode(&mut rest))
            else {
                return Err(Failure::Damaged("an acknowledgement"));
            };
            let settled = served.window().terms.settled.through();
            let intent = Intent::Claim { task, through: word.through };
            if word.through <= settled || self.queue.knows(&intent.to_string())? {
                continue;
            }
            let call = runtime::transactions().payments().claim(Static(word), signature(signed));
            let call = chain.encode(&call).await?;
            self.enqueue(intent, &call)?;
        }
        Ok(())
    }

    /// Adds an intent without another record.
    pub(crate) fn enqueue(&self, intent: Intent, call: &Call) -> Result<(), Failure> {
        let write = self.store.begin()?;
        Queue::add(&write, &intent.to_string(), call)?;
        write.commit()?;
        self.queue.wake();
        Ok(())
    }

    /// Takes in the outcomes of transactions, and forgets the transactions.
    pub(crate) fn outcomes(&mut self) -> Result<(), Failure> {
        for (id, outcome) in self.queue.outcomes()? {
            // The effect of a block is known only after its events were followed.
            if matches!(outcome, Outcome::Done { block, .. } if block > self.followed) {
                continue;
            }
            let intent: Option<Intent> = id.parse().ok();
            let write = self.store.begin()?;
            Queue::forget(&write, &id)?;
            if matches!(intent, Some(Intent::Proofs { .. })) {
                self.proofs_came_back(&write, &id)?;
            }
            write.commit()?;
            if outcome.is_done() {
                continue;
            }
            let Some((intent, task)) = intent.and_then(|intent| Some((intent, intent.task()?))) else {
                tracing::warn!(intent = id, %outcome, "transaction");
                continue;
            };
            self.trouble(task, format!("{}: {outcome}", intent.kind()))?;
            match intent {
                // It is tried again after a pause.
                Intent::Confirm { .. } | Intent::Decline { .. } => drop(self.failed(task)),
                Intent::Proofs { .. } => {
                    if let Some(state) = self.tasks.get_mut(&task) {
                        state.batch = Some((state.batch.unwrap_or(self.settings.batch) / 2).max(1));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Proofs whose transaction is over and on which the chain has not ruled are submitted again, a few
    /// times.
    fn proofs_came_back(&self, write: &WriteTransaction, id: &str) -> Result<(), Failure> {
        for (task, number, proof) in self.store.proofs()? {
            let ProofStage::Sent { intent, attempts } = &proof.stage else { continue };
            if intent != id {
                continue;
            }
            let attempts = attempts.saturating_add(1);
            let stage = if attempts < MAX_ATTEMPTS {
                ProofStage::Proven { attempts }
            } else {
                self.metrics.proof(task, "lost");
                tracing::error!(task, number, "a proof is not taken by the chain, and is given up");
                ProofStage::Lost { reason: "the chain does not take it".to_owned() }
            };
            Store::put_proof(write, task, number, &Proof { stage, ..proof })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_counts_the_key_once() {
        let cost =
            Cost { field_products: 10, own_points: 3, generators: 100, key_bytes: 1_000, proof_bytes: 50 };
        assert_eq!(claim(&cost, 1), cost);
        let three =
            Cost { field_products: 30, own_points: 9, generators: 100, key_bytes: 1_000, proof_bytes: 150 };
        assert_eq!(claim(&cost, 3), three);
    }
}
