//! Proving, in the background: one proof at a time, the most urgent first, each verified here before
//! it leaves the miner.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use cyborg_primitives::signed::{Payload as _, ProofContext};
use cyborg_primitives::{Digest, RequestNumber, TaskId};
use cyborg_serving::until;
use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use zkml_verifier::verify;

use crate::answer::{WorkerPools, inputs_of, served};
use crate::error::Failure;
use crate::metrics::{Metrics, level};
use crate::served::ServedTask;
use crate::store::{Duty, Proof, ProofStage, Store};

/// What the prover works with.
pub(crate) struct Prover {
    pub(crate) genesis: Digest,
    pub(crate) store: Store,
    pub(crate) pools: Arc<WorkerPools>,
    pub(crate) metrics: Arc<Metrics>,
    /// Notified when proofs are due.
    pub(crate) due: Arc<Notify>,
    /// Notified when a proof was made.
    pub(crate) made: Arc<Notify>,
    /// Threads that prove, separate from those that answer.
    pub(crate) pool: Arc<rayon::ThreadPool>,
}

impl Prover {
    /// Proves what is due until it is stopped.
    pub(crate) async fn run(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        loop {
            match self.next() {
                Ok(Some((served, number))) => {
                    let prover = self.clone();
                    let work = spawn_blocking(move || prover.prove(&served, number));
                    match work.await {
                        Ok(Ok(())) => {
                            self.made.notify_one();
                            if *stopped.borrow() {
                                return;
                            }
                            continue;
                        }
                        Ok(Err(error)) => tracing::error!(%error, "a proof cannot be kept"),
                        Err(error) => tracing::error!(%error, "proving failed"),
                    }
                }
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "proofs that are due cannot be read"),
            }
            tokio::select! {
                () = self.due.notified() => {}
                () = until(&mut stopped) => return,
            }
        }
    }

    /// The most urgent proof whose model is in memory.
    fn next(&self) -> Result<Option<(Arc<ServedTask>, RequestNumber)>, Failure> {
        let mut due: Vec<(Duty, TaskId, RequestNumber)> = Vec::new();
        let mut unproven: BTreeMap<TaskId, usize> = BTreeMap::new();
        for (task, number, proof) in self.store.proofs()? {
            if proof.stage == ProofStage::Due {
                due.push((proof.duty, task, number));
                *unproven.entry(task).or_default() += 1;
            }
        }
        self.metrics.proofs_due.set(level(due.len()));
        for (task, pool) in self.pools.read().unwrap_or_else(PoisonError::into_inner).iter() {
            pool.served.window().unproven = unproven.get(task).copied().unwrap_or(0);
        }
        due.sort_unstable();
        let mut due = due.into_iter();
        Ok(due.find_map(|(_, task, number)| Some((served(&self.pools, task)?, number))))
    }

    /// Proves an answer, checks the proof as the chain will, and keeps it.
    fn prove(&self, served: &ServedTask, number: RequestNumber) -> Result<(), Failure> {
        let task = served.task;
        let begun = Instant::now();
        let made = self.pool.install(|| self.make(served, number))?;
        let write = self.store.begin()?;
        // It may have become more urgent, or the chain may no longer ask for it.
        let Some(Proof { duty, .. }) = self.store.proof(task, number)? else { return Ok(()) };
        let stage = match made {
            Ok(proof) => {
                Store::put_proof_bytes(&write, task, number, &proof)?;
                self.metrics.proven(task, begun.elapsed());
                ProofStage::Proven { attempts: 0 }
            }
            Err(reason) => {
                tracing::error!(task, number, reason, "an answer cannot be proven");
                self.metrics.proof(task, "lost");
                ProofStage::Lost { reason }
            }
        };
        Store::put_proof(&write, task, number, &Proof { duty, stage })?;
        Ok(write.commit()?)
    }

    /// The proof, or why there is none. A false proof costs a fifth of the bond: a proof leaves this
    /// machine only if it verifies for exactly what was signed.
    fn make(&self, served: &ServedTask, number: RequestNumber) -> Result<Result<Vec<u8>, String>, Failure> {
        let Some(answered) = self.store.answer(served.task, number)? else {
            return Ok(Err("the answer is not known".to_owned()));
        };
        let opening = answered.opening()?;
        let (loaded, receipt) = (&served.loaded, answered.receipt);
        let graph = loaded.key.graph();
        let inputs = inputs_of(&opening, graph.inputs.len());
        let context = ProofContext { task: served.task, miner: receipt.miner, model: served.model, number };
        let context = context.payload(&self.genesis);
        let proof = match loaded.prove(&opening, &inputs, &context) {
            Ok(proof) => proof,
            Err(error) => return Ok(Err(error.to_string())),
        };
        Ok(match verify(&loaded.verifier, &proof, &context) {
            Ok(statement) if statement.digests(graph) == Ok((receipt.input, receipt.output)) => Ok(proof),
            Ok(_) => Err("the proof is of another answer than the receipt".to_owned()),
            Err(error) => Err(format!("the proof does not verify: {error}")),
        })
    }
}
