//! A task's life at its miner: each step is begun, and begun again after an interruption.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use cyborg_chain_client::queue::Queue;
use cyborg_chain_client::runtime;
use cyborg_chain_client::runtime::runtime_types::bounded_collections::bounded_vec::BoundedVec;
use cyborg_chain_client::runtime::runtime_types::pallet_tasks::types::{
    Attestation, AttestationKind, Reason,
};
use cyborg_chain_client::subxt::utils::H256;
use cyborg_chain_client::{AtBlock, Chain, ChainError};
use cyborg_envelope::hpke::PublicKey;
use cyborg_envelope::wrap::Recipient;
use cyborg_primitives::{Digest, TaskId};
use tokio::task::spawn_blocking;

use crate::answer::{WorkerPool, served};
use crate::error::Failure;
use crate::intent::Intent;
use crate::loaded::Loaded;
use crate::miner_loop::{Finished, MinerLoop};
use crate::prepare::Unready;
use crate::served::{RequestWindow, ServedTask};
use crate::step::{Cause, Standing, Step};
use crate::store::{Record, Store};
use crate::task_state::TaskState;
use crate::view::{self, TaskView};

impl MinerLoop {
    /// Takes in what the chain says about a task.
    pub(crate) fn absorb(&mut self, task: TaskId, view: Option<TaskView>) -> Result<(), Failure> {
        let standing = view.as_ref().map_or(Standing::Gone, |view| view.standing);
        let is_new = !self.tasks.contains_key(&task);
        if let (true, Some(view)) = (is_new, &view) {
            self.keep(task, Record { model: view.model, step: Step::Assigned, trouble: None })?;
        }
        let Some(state) = self.tasks.get_mut(&task) else { return Ok(()) };
        state.view = view;
        let record = state.record.clone();
        let step = record.step.reconciled(standing);
        if is_new || step != record.step {
            self.step(task, Record { step, ..record })?;
        }
        self.show(task);
        Ok(())
    }

    /// Shows the step of a task to the clients that watch it.
    pub(crate) fn show(&self, task: TaskId) {
        let Some(TaskState { record, view, .. }) = self.tasks.get(&task) else {
            return self.hub.remove(task);
        };
        let signers = view.as_ref().map(|view| view.signers.clone());
        self.hub.put(task, signers, record.step.name(), record.trouble.clone());
    }

    /// Goes to a step, after writing it to the disk.
    fn step(&mut self, task: TaskId, record: Record) -> Result<(), Failure> {
        tracing::info!(task, step = record.step.name(), trouble = record.trouble, "task");
        self.log(task, record.step.name(), record.trouble.as_deref())?;
        self.keep(task, record)
    }

    /// Remembers what went wrong.
    pub(crate) fn trouble(&mut self, task: TaskId, trouble: String) -> Result<(), Failure> {
        let Some(record) = self.record(task) else { return Ok(()) };
        tracing::warn!(task, trouble, "task");
        let record = Record { trouble: Some(trouble), ..record.clone() };
        self.log(task, record.step.name(), record.trouble.as_deref())?;
        self.keep(task, record)
    }

    /// Adds a line to the task's log, sealed to its owner if the owner's key is known.
    fn log(&self, task: TaskId, step: &str, trouble: Option<&str>) -> Result<(), Failure> {
        let Some((_, result_key)) = self.view(task).and_then(|view| view.files) else { return Ok(()) };
        let line = match trouble {
            None => format!("{} {step}", self.now),
            Some(trouble) => format!("{} {step}: {trouble}", self.now),
        };
        let recipient = self.recipient(task);
        let sealed = match cyborg_protocol::log::seal(&recipient, &PublicKey(result_key), line.as_bytes()) {
            Ok(sealed) => sealed,
            // An owner with a weak key gets no log.
            Err(error) => {
                tracing::debug!(task, %error, "no log");
                return Ok(());
            }
        };
        let write = self.store.begin()?;
        Store::put_log(&write, task, &sealed, self.settings.log_lines)?;
        Ok(write.commit()?)
    }

    fn recipient(&self, task: TaskId) -> Recipient {
        Recipient { genesis: self.genesis, task, miner: self.miner }
    }

    /// Does what a task's step asks for.
    pub(crate) async fn advance(&mut self, chain: &Chain, at: &AtBlock, task: TaskId) -> Result<(), Failure> {
        let Some(record) = self.record(task).cloned() else { return Ok(()) };
        match record.step {
            Step::Assigned => {}
            Step::KeysProvided => {
                self.step(task, Record { step: Step::Fetching, ..record })?;
                self.prepare(at, task).await?;
            }
            Step::Fetching => self.prepare(at, task).await?,
            Step::Prepared { test } => self.confirm(chain, at, task, test, 0).await?,
            // The chain did not take the attestation: another is made, of a later block.
            Step::Confirming { test, attempt } => {
                if self.may_try(task) && !self.queue.knows(&Intent::Confirm { task, attempt }.to_string())? {
                    self.confirm(chain, at, task, test, attempt.saturating_add(1)).await?;
                }
            }
            Step::Serving | Step::Settling => {
                self.serve(at, task).await?;
                self.obligations(chain, at, task).await?;
            }
            Step::Declining { cause } => self.decline(chain, task, cause).await?,
            Step::Declined { .. } | Step::Failed => self.close(task)?,
            Step::Ended => {
                self.close(task)?;
                let write = self.store.begin()?;
                Store::remove_task(&write, task)?;
                write.commit()?;
                self.tasks.remove(&task);
                self.count_tasks();
                self.show(task);
            }
        }
        Ok(())
    }

    /// Whether an attempt may be made now, or has to wait after a failure.
    fn may_try(&self, task: TaskId) -> bool {
        !self.loading.contains(&task) && self.tasks.get(&task).is_none_or(TaskState::may_try)
    }

    /// Counts a failed attempt, and returns their number.
    pub(crate) fn failed(&mut self, task: TaskId) -> u32 {
        self.tasks.get_mut(&task).map_or(0, TaskState::failed)
    }

    /// Makes a model ready, in the background.
    async fn prepare(&mut self, at: &AtBlock, task: TaskId) -> Result<(), Failure> {
        if !self.may_try(task) {
            return Ok(());
        }
        let Some(view) = self.view(task).cloned() else { return Ok(()) };
        let (Some((manifest, _)), Some(wrap)) = (view.files, view.wrap) else { return Ok(()) };
        let Some(registered) = view::model(at, view.model).await? else { return Ok(()) };
        self.loading.insert(task);
        let (loader, results, recipient) = (self.loader.clone(), self.results.clone(), self.recipient(task));
        tokio::spawn(async move {
            let prepared = loader.prepare(task, wrap, recipient, manifest, registered).await;
            // Nothing receives it while the miner is being stopped.
            let _ = results.send(Finished::Prepared(task, prepared));
        });
        Ok(())
    }

    /// Takes in the result of background work.
    pub(crate) async fn finished(
        &mut self,
        chain: &Chain,
        at: &AtBlock,
        finished: Finished,
    ) -> Result<(), Failure> {
        let (Finished::Prepared(task, _) | Finished::Loaded(task, _)) = finished;
        self.loading.remove(&task);
        let Some(state) = self.tasks.get_mut(&task) else {
            // It ended meanwhile.
            return self.loader.forget(task);
        };
        let record = state.record.clone();
        match finished {
            Finished::Prepared(_, Ok((test, loaded))) => {
                state.succeeded();
                state.ready = Some(loaded);
                if record.step == Step::Fetching {
                    let standing = state.view.as_ref().map_or(Standing::Gone, |view| view.standing);
                    let step = Step::Prepared { test }.reconciled(standing);
                    self.step(task, Record { step, trouble: None, ..record })?;
                }
            }
            Finished::Prepared(_, Err(Unready::Never(cause, trouble))) => {
                if record.step == Step::Fetching {
                    self.step(
                        task,
                        Record { step: Step::Declining { cause }, trouble: Some(trouble), ..record },
                    )?;
                } else {
                    self.failed(task);
                    self.trouble(task, trouble)?;
                }
            }
            Finished::Prepared(_, Err(Unready::Later(error))) => {
                let (attempts, trouble) = (self.failed(task), Some(error.to_string()));
                let step = match record.step {
                    Step::Fetching if attempts >= self.settings.fetches => {
                        Step::Declining { cause: Cause::Files }
                    }
                    step => step,
                };
                self.step(task, Record { step, trouble, ..record })?;
            }
            Finished::Loaded(_, Ok(Some(loaded))) => state.ready = Some(loaded),
            Finished::Loaded(_, Ok(None)) => {
                self.trouble(task, "its model is not in the vault and is fetched again".to_owned())?;
                return self.prepare(at, task).await;
            }
            Finished::Loaded(_, Err(error)) => {
                self.trouble(task, error.to_string())?;
                // The vault's copy is unusable: the model is fetched once more.
                self.loader.forget(task)?;
                return self.prepare(at, task).await;
            }
        }
        self.advance(chain, at, task).await
    }

    /// Attests what this machine runs: the step and the intent at once.
    pub(crate) async fn confirm(
        &mut self,
        chain: &Chain,
        at: &AtBlock,
        task: TaskId,
        test: Digest,
        attempt: u32,
    ) -> Result<(), Failure> {
        let Some(record) = self.record(task).cloned() else { return Ok(()) };
        let Some(registered) = view::model(at, record.model).await? else { return Ok(()) };
        let odd = || ChainError::Undecodable("the number of a block".to_owned());
        let attestation = Attestation {
            kind: AttestationKind::SelfSigned,
            executable: self.executable,
            model: registered.key,
            device: BoundedVec(self.device.clone().into_bytes()),
            block: u32::try_from(at.block_number()).map_err(|_| odd())?,
            block_hash: H256(at.block_hash().0),
            test,
        };
        let call = chain.encode(&runtime::transactions().tasks().confirm(task, attestation)).await?;
        let record = Record { step: Step::Confirming { test, attempt }, ..record };
        let write = self.store.begin()?;
        Queue::add(&write, &Intent::Confirm { task, attempt }.to_string(), &call)?;
        Store::put_task(&write, task, &record)?;
        write.commit()?;
        self.queue.wake();
        tracing::info!(task, step = record.step.name(), attempt, "task");
        self.remember(task, record);
        Ok(())
    }

    /// Declines the task. The chain limits how often a miner may decline: it is tried again later.
    async fn decline(&mut self, chain: &Chain, task: TaskId, cause: Cause) -> Result<(), Failure> {
        let intent = Intent::Decline { task };
        if !self.may_try(task) || self.queue.knows(&intent.to_string())? {
            return Ok(());
        }
        let reason = match cause {
            Cause::Key => Reason::Key,
            Cause::Files => Reason::Files,
            Cause::Model => Reason::Model,
        };
        let call = chain.encode(&runtime::transactions().tasks().decline(task, reason)).await?;
        self.enqueue(intent, &call)
    }

    /// Opens a task's worker pool, or updates its request window.
    async fn serve(&mut self, at: &AtBlock, task: TaskId) -> Result<(), Failure> {
        let (Some(record), Some(view)) = (self.record(task).cloned(), self.view(task).cloned()) else {
            return Ok(());
        };
        let open = record.step == Step::Serving;
        let Some(terms) = view::terms(at, task, &self.miner).await? else { return Ok(()) };
        if let Some(served) = served(&self.pools, task) {
            served.window().update(open, terms);
            return Ok(());
        }
        let Some(loaded) = self.tasks.get_mut(&task).and_then(|state| state.ready.take()) else {
            return self.load(at, task, &view).await;
        };
        let Some((_, result_key)) = view.files else { return Ok(()) };
        let answered: BTreeSet<u64> = self.store.answered(task, 0)?.into_iter().collect();
        let served = Arc::new(ServedTask::new(
            task,
            record.model,
            view.policy,
            view.signers.clone(),
            PublicKey(result_key),
            Arc::new(loaded),
            self.settings.limits,
            RequestWindow::new(open, terms, answered),
        ));
        let pool = WorkerPool::open(&self.context, served, self.settings.threads)?;
        self.pools.write().unwrap_or_else(PoisonError::into_inner).insert(task, Arc::new(pool));
        self.proofs_due.notify_one();
        tracing::info!(task, open, "task is served");
        Ok(())
    }

    /// Reads a model from the vault, in the background.
    async fn load(&mut self, at: &AtBlock, task: TaskId, view: &TaskView) -> Result<(), Failure> {
        if !self.may_try(task) {
            return Ok(());
        }
        let Some(registered) = view::model(at, view.model).await? else { return Ok(()) };
        self.loading.insert(task);
        let (loader, results) = (self.loader.clone(), self.results.clone());
        tokio::spawn(async move {
            let read = spawn_blocking(move || loader.load(task, &registered)).await;
            let loaded: Result<Option<Loaded>, Failure> = read.unwrap_or(Err(Failure::Ended));
            // Nothing receives it while the miner is being stopped.
            let _ = results.send(Finished::Loaded(task, loaded));
        });
        Ok(())
    }

    /// Ends a task's worker pool, and removes its model from the disk.
    fn close(&mut self, task: TaskId) -> Result<(), Failure> {
        self.pools.write().unwrap_or_else(PoisonError::into_inner).remove(&task);
        if let Some(state) = self.tasks.get_mut(&task) {
            state.close();
        }
        self.loader.forget(task)
    }
}
