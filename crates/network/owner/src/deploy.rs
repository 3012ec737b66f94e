//! Deployment: a model encrypted, stored, registered, given to miners, and watched until they serve
//! (whitepaper section 3.3, steps 1 to 8).
//!
//! Each step looks first whether it was done before, in the records and on the chain: a deployment that
//! was broken off is begun again with the same words, and goes on.

use std::fs;
use std::time::Duration;

use cyborg_account::Signing;
use cyborg_chain_client::runtime::runtime_types::bounded_collections::bounded_vec::BoundedVec;
use cyborg_chain_client::runtime::runtime_types::pallet_tasks::types::{Status, TaskSpec};
use cyborg_chain_client::subxt::tx::Payload;
use cyborg_chain_client::subxt::utils::{AccountId32, Static};
use cyborg_chain_client::view::{self, Candidate, Placement, Workload};
use cyborg_chain_client::{ChainError, runtime};
use cyborg_disk::files;
use cyborg_envelope::ContentKey;
use cyborg_primitives::task::{ProofPolicy, Role, TaskState};
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{Account, Digest, ModelId, TaskId};
use cyborg_protocol::bundle::{self, Deployment, test_digest};
use cyborg_storage_client::storage::{FileStore, upload};
use zkml_graph::Graph;
use zkml_prover::ProverKey;
use zkml_verifier::VerifierKey;

use crate::error::OwnerError;
use crate::files::OwnerRecords;
use crate::owner::Owner;
use crate::ports::{Clock, Records};
use crate::records::{ModelRecord, TaskRecord};

/// Interval at which the chain is asked for the miners' progress.
const POLL: Duration = Duration::from_millis(200);
/// Candidates of a placement that are looked at beyond those needed.
const SPARE: u32 = 16;

/// What a task is to be.
#[derive(Clone, Debug)]
pub struct Order {
    /// The placement: locations and number of miners.
    pub placement: Placement,
    /// Compute time bought for answers, in milliseconds, all miners together.
    pub compute_ms: u64,
    /// Most per compute hour; without it what the best miners ask.
    pub price_cap: Option<u128>,
    /// Most per proof; without it what the best miners' proofs cost.
    pub proof_cap: Option<u128>,
    /// Proofs bought.
    pub max_proofs: u32,
    /// Which answers are proven.
    pub policy: ProofPolicy,
    /// Who may authorise requests beside the owner.
    pub delegate: Option<Account>,
    /// Whether standbys get the content key at once.
    pub standbys_read_now: bool,
}

/// What an order costs at most, and the miners that would be chosen now.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The best miners that satisfy the placement, the best first.
    pub candidates: Vec<Candidate>,
    /// Most per compute hour.
    pub price_cap: u128,
    /// Most per proof.
    pub proof_cap: u128,
    /// What is held for answers.
    pub for_answers: u128,
    /// What is held for proofs.
    pub for_proofs: u128,
}

/// What a deployment costs beside what its task holds.
#[derive(Clone, Copy, Debug)]
pub struct Expenses {
    /// Held while the model is registered, for its verifying key.
    pub deposit: u128,
    /// Fee of the model's registration.
    pub registering: u128,
    /// Fee of the task's submission.
    pub submitting: u128,
}

/// A step of a deployment that was done.
#[derive(Clone, Debug)]
pub enum Progress {
    /// The model was encrypted and stored.
    Stored {
        /// Its file's id.
        manifest: Digest,
        /// Bytes before they were encrypted and coded.
        bytes: u64,
        /// Whether it was done before.
        before: bool,
    },
    /// The model is registered.
    Registered {
        /// Its number.
        model: ModelId,
        /// Whether it was done before.
        before: bool,
    },
    /// The task is submitted, and these miners are engaged.
    Submitted {
        /// Its number.
        task: TaskId,
        /// Whether it was done before.
        before: bool,
    },
    /// The content key was wrapped for a miner.
    Wrapped(Account),
    /// A miner has attested, and serves.
    Confirmed {
        /// The miner.
        miner: Account,
        /// Whether its test came out as the owner's own; `None` if that is not known.
        test: Option<bool>,
    },
    /// A miner left before it served.
    Left(Account),
}

/// A model with its keys, ready to be deployed.
pub struct Product<'a> {
    /// Proves: graph, weights, seed.
    pub prover: ProverKey,
    /// Verifies.
    pub verifier: &'a VerifierKey,
}

/// The file that is stored is on a disk meanwhile, so this is for records in files.
impl<S: Signing, K: Clock> Owner<OwnerRecords, S, K> {
    /// Encrypts and stores a model; what is stored already is not sent again. The test that miners run is drawn
    /// from the input's range.
    ///
    /// # Errors
    /// Returns an error if it cannot be encrypted or stored.
    pub async fn store(
        &self,
        product: Product<'_>,
        storage: &dyn FileStore,
        tell: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<ModelRecord, OwnerError> {
        let key = product.verifier.digest();
        let mut record = match self.records.model(&key).await? {
            Some(record) => record,
            None => {
                let content_key = *ContentKey::generate()?.expose();
                let test = random_inputs(product.prover.graph())?;
                ModelRecord { key, content_key, test, stored: None, model: None }
            }
        };
        self.records.put_model(&record, product.verifier).await?;
        let prover = product.prover.to_bytes()?;
        let bytes = Deployment { key: &prover, test: record.test.clone() }.to_bytes();
        drop(prover);
        let file = bundle::digest(&bytes);
        // What is encrypted is read twice, so it lies on the owner's own disk for a moment, for the
        // owner alone, as the keys beside it do.
        let path = self.records.staging(&key);
        let failed = |source| OwnerError::Records { path: path.clone(), source };
        files::write_private(&path, &bytes).map_err(failed)?;
        // What is there is not sent again, and what was lost meanwhile is.
        let stored = upload(storage, &path, &record.content_key(), bundle::CONTEXT).await;
        fs::remove_file(&path).map_err(failed)?;
        let stored = stored?;
        // Another prover's key for the same verifier's key, such as one that was damaged, is another file. The same
        // file keeps its manifest, even if a fragment lies elsewhere now: the chain has this one.
        let before = record.stored.filter(|(_, known)| *known == file).map(|(manifest, _)| manifest);
        let before = match before {
            Some(manifest) if manifest == stored || storage.has(&manifest).await? => Some(manifest),
            _ => None,
        };
        let manifest = before.unwrap_or(stored);
        record.stored = Some((manifest, file));
        self.records.put_model(&record, product.verifier).await?;
        tell(Progress::Stored { manifest, bytes: bytes.len() as u64, before: before.is_some() });
        Ok(record)
    }
}

impl<R: Records, S: Signing, K: Clock> Owner<R, S, K> {
    /// Registers a stored model, unless that is done.
    ///
    /// # Errors
    /// Returns an error if the chain refuses the key, or another model has its number.
    pub async fn register(
        &self,
        record: &mut ModelRecord,
        verifier: &VerifierKey,
        memory_mib: u32,
        tell: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<ModelId, OwnerError> {
        let (manifest, file) = record.stored.unwrap_or_default();
        let (owner, key) = (self.account(), record.key);
        let at = self.chain.at_finalised().await?;
        let is_it = |found: &view::ModelView| {
            found.listed
                && (found.owner, found.key, found.manifest, found.file) == (owner, key, manifest, file)
        };
        let known = match record.model {
            Some(model) => view::model(&at, model).await?.filter(is_it).map(|_| model),
            None => None,
        };
        // One whose number was lost in a crash, or the same file stored anew under the same id.
        let known = match known {
            Some(model) => Some(model),
            None => view::find_model(&at, is_it).await?,
        };
        let model = match known {
            Some(model) => model,
            None => {
                let register = registration(verifier, manifest, file, memory_mib)?;
                let done = self.submit_once(&register).await?;
                let events = done.events::<runtime::models::events::Registered>()?;
                events.first().ok_or(OwnerError::OtherModel(0))?.model
            }
        };
        record.model = Some(model);
        self.records.put_model(record, verifier).await?;
        tell(Progress::Registered { model, before: known.is_some() });
        Ok(model)
    }

    /// What an order would cost at most, by the miners that the chain would choose now.
    ///
    /// # Errors
    /// Returns an error if nobody satisfies it.
    pub async fn offer(&self, work: &Workload, order: &Order) -> Result<Offer, OwnerError> {
        let at = self.chain.at_finalised().await?;
        let wanted = u32::from(order.placement.replicas) + u32::from(order.placement.standbys);
        let price_cap = order.price_cap.unwrap_or(u128::MAX);
        let found = view::ranking(&at, work, &order.placement, price_cap, wanted + SPARE).await?;
        let proof_cap = order.proof_cap.unwrap_or(u128::MAX);
        let candidates: Vec<Candidate> =
            found.into_iter().filter(|candidate| candidate.per_proof <= proof_cap).collect();
        if (candidates.len() as u64) < u64::from(wanted) {
            let problem = format!(
                "{} of {wanted} are there; look at `cyborg chain miners`, and loosen region, distance, \
                 reputation or caps",
                candidates.len()
            );
            return Err(OwnerError::NoCandidates(problem));
        }
        let best = &candidates[..wanted as usize];
        let most = |of: fn(&Candidate) -> u128| best.iter().map(of).max().unwrap_or(0);
        let price_cap = order.price_cap.unwrap_or_else(|| most(|candidate| candidate.price));
        let proof_cap = order.proof_cap.unwrap_or_else(|| most(|candidate| candidate.per_proof));
        let hours = |price: u128| price.saturating_mul(order.compute_ms.into()) / 3_600_000;
        Ok(Offer {
            price_cap,
            proof_cap,
            for_answers: hours(price_cap),
            for_proofs: proof_cap.saturating_mul(order.max_proofs.into()),
            candidates,
        })
    }

    /// What deploying a model costs beside the offer, by the chain's estimates. Nothing is done.
    ///
    /// # Errors
    /// Returns an error if the node does not answer.
    pub async fn expenses(
        &self,
        verifier: &VerifierKey,
        memory_mib: u32,
        order: &Order,
        offer: &Offer,
    ) -> Result<Expenses, OwnerError> {
        let at = self.chain.at_finalised().await?;
        let constants = runtime::constants().models();
        let base = at.constants().entry(constants.deposit_base()).map_err(ChainError::from)?;
        let per_byte = at.constants().entry(constants.deposit_per_byte()).map_err(ChainError::from)?;
        let bytes = verifier.to_bytes().len() as u128;
        let registration = registration(verifier, [0; 32], [0; 32], memory_mib)?;
        Ok(Expenses {
            deposit: base.saturating_add(per_byte.saturating_mul(bytes)),
            registering: self.chain.fee(&registration, &self.signer).await?,
            submitting: self.chain.fee(&submission(0, order, offer), &self.signer).await?,
        })
    }

    /// The task of this model that is there already: one that takes requests or soon will, or one that was submitted
    /// before a crash and of which the records do not know the number. The newest, if there are several.
    ///
    /// # Errors
    /// Returns an error if it was ordered otherwise, or the node does not answer.
    pub async fn task_of(
        &self,
        record: &ModelRecord,
        model: ModelId,
        order: &Order,
        tell: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Option<TaskId>, OwnerError> {
        let unnumbered = self.records.new_task(&record.key).await?.filter(|task| task.model == model);
        let at = self.chain.at_finalised().await?;
        for id in view::tasks_of(&at, &self.account()).await?.into_iter().rev() {
            let Some(view) = view::task(&at, id).await?.filter(|view| view.model == model) else { continue };
            if self.records.knows_task(id).await? {
                if view.state == TaskState::Stopped {
                    continue;
                }
            } else if let (None, Some(task)) = (view.keys, &unnumbered) {
                self.records.number_task(id, task).await?;
            } else {
                continue;
            }
            let there = (view.policy, view.replicas, view.delegate);
            if there != (order.policy, order.placement.replicas, order.delegate) {
                return Err(OwnerError::OtherOrder(id));
            }
            tell(Progress::Submitted { task: id, before: true });
            return Ok(Some(id));
        }
        Ok(None)
    }

    /// Submits a task for a registered model.
    ///
    /// # Errors
    /// Returns an error if the chain refuses.
    pub async fn submit(
        &self,
        record: &ModelRecord,
        model: ModelId,
        order: &Order,
        offer: &Offer,
        tell: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<TaskId, OwnerError> {
        let task = TaskRecord {
            key: record.key,
            model,
            result_seed: *ContentKey::generate()?.expose(),
            anchor_seed: *ContentKey::generate()?.expose(),
        };
        self.records.put_new_task(&task).await?;
        let done = self.submit_once(&submission(model, order, offer)).await?;
        let events = done.events::<runtime::tasks::events::Submitted>()?;
        let id = events.first().ok_or(OwnerError::OtherModel(model))?.task;
        self.records.number_task(id, &task).await?;
        tell(Progress::Submitted { task: id, before: false });
        Ok(id)
    }

    /// Wraps keys for the miners that wait for one, and waits until all replicas serve, and standbys that
    /// were given a key. `outputs` are those of the test, where the owner has computed them.
    ///
    /// # Errors
    /// Returns an error if the task ends meanwhile, or not enough miners serve in time.
    pub async fn until_running(
        &self,
        task: TaskId,
        outputs: Option<&[Vec<i64>]>,
        patience: Duration,
        tell: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Vec<Account>, OwnerError> {
        let begun = self.clock.now();
        let record = self.records.task(task).await?;
        let verifier = self.records.verifier(&record.key).await?;
        let test = self.records.model(&record.key).await?.map(|model| model.test.clone());
        let own =
            |(test, outputs): (Vec<Vec<i64>>, &[Vec<i64>])| test_digest(verifier.graph(), &test, outputs);
        let expected = test.zip(outputs).map(own).transpose()?;
        let (mut confirmed, mut left): (Vec<Account>, Vec<Account>) = (Vec::new(), Vec::new());
        loop {
            for miner in self.wrap_keys(task).await? {
                tell(Progress::Wrapped(miner));
            }
            let at = self.chain.at_finalised().await?;
            let view = self.own_task(&at, task).await?;
            for part in &view.assignments {
                if part.serves() && !confirmed.contains(&part.miner) {
                    confirmed.push(part.miner);
                    let attested = view::attested(&at, task, &part.miner).await?;
                    let test = expected.zip(attested).map(|(own, attested)| own == attested.test);
                    tell(Progress::Confirmed { miner: part.miner, test });
                }
                if matches!(part.status, Status::Left { .. }) && !left.contains(&part.miner) {
                    left.push(part.miner);
                    tell(Progress::Left(part.miner));
                }
            }
            let serving =
                view.assignments.iter().filter(|part| part.role == Role::Replica && part.serves()).count();
            let wanted = usize::from(view.replicas);
            let under_way = view.assignments.iter().any(|part| matches!(part.status, Status::Keyed { .. }));
            if wanted > 0 && serving >= wanted && !under_way {
                // A miner that has just confirmed may commit to a period at any moment.
                self.set_anchors(task).await?;
                return Ok(confirmed);
            }
            if self.since(begun) > patience {
                let seconds = self.since(begun).as_secs();
                return Err(OwnerError::NotRunning { task, confirmed: serving, wanted, seconds });
            }
            self.clock.sleep(POLL).await;
        }
    }
}

/// The call that registers a model.
fn registration(
    verifier: &VerifierKey,
    manifest: Digest,
    file: Digest,
    memory_mib: u32,
) -> Result<impl Payload, OwnerError> {
    let cost = Static(Cost::try_from(verifier.cost()).map_err(|_| OwnerError::TooLarge)?);
    let key = BoundedVec(verifier.to_bytes());
    Ok(runtime::transactions().models().register(key, cost, manifest, file, memory_mib, None))
}

/// The call that submits a task as an order and an offer say.
fn submission(model: ModelId, order: &Order, offer: &Offer) -> impl Payload {
    runtime::transactions().tasks().submit(TaskSpec {
        model,
        placement: order.placement.bounded(),
        price_cap: offer.price_cap,
        compute_ms: order.compute_ms,
        proof_cap: offer.proof_cap,
        max_proofs: order.max_proofs,
        policy: Static(order.policy),
        delegate: order.delegate.map(AccountId32),
        standbys_read_now: order.standbys_read_now,
    })
}

/// Values drawn from the ranges of a graph's inputs.
fn random_inputs(graph: &Graph) -> Result<Vec<Vec<i64>>, OwnerError> {
    let mut inputs = Vec::new();
    for id in &graph.inputs {
        let tensor = &graph.tensors[*id as usize];
        let count: usize = tensor.shape.iter().map(|extent| *extent as usize).product();
        let span = i128::from(tensor.max) - i128::from(tensor.min) + 1;
        let mut bytes = vec![0; 8 * count];
        getrandom::fill(&mut bytes).map_err(|_| cyborg_envelope::EnvelopeError::NoRandomness)?;
        let words = bytes
            .chunks_exact(8)
            .map(|word| word.iter().fold(0_i128, |sum, byte| sum << 8 | i128::from(*byte)));
        // The slight bias does not matter for a test.
        let values = words
            .map(|word| i64::try_from(i128::from(tensor.min) + word % span.max(1)).unwrap_or(tensor.min));
        inputs.push(values.collect());
    }
    Ok(inputs)
}
