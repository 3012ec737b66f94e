//! Tasks, miners, models, money and debts, as of one final block: the chain's words for owners and miners.

mod miner;
mod owed;

use cyborg_envelope::hpke::PublicKey;
use cyborg_primitives::miner::Capacity;
use cyborg_primitives::place::{Cell, Region};
use cyborg_primitives::task::{ProofPolicy, Role, TaskState};
use cyborg_primitives::verification::Cost;
use cyborg_primitives::window::Window;
use cyborg_primitives::{Account, Digest, ModelId, Moment, TaskId, WRAPPED_KEY_BYTES};
use runtime_types::bounded_collections::bounded_vec::BoundedVec;
use subxt::utils::{AccountId32, Static};

use crate::runtime::{self, runtime_types};
use crate::{AtBlock, ChainError};

pub use miner::{Duty, MinerView, free, miner};
pub use owed::{Draws, Owed, Period, draws, owed};
pub use runtime_types::pallet_tasks::types::Status;

/// A content key, wrapped for one miner.
pub type Wrap = [u8; WRAPPED_KEY_BYTES as usize];

/// The conditions on the miners of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Miners that answer; at least 1.
    pub replicas: u8,
    /// Miners named to take over.
    pub standbys: u8,
    /// Allowed regions; empty for anywhere.
    pub regions: Vec<Region>,
    /// The place from which distance is counted, and the greatest distance allowed, in kilometres.
    pub near: Option<(Cell, u32)>,
    /// Lowest reputation allowed.
    pub min_reputation: u8,
}

type ChainPlacement<R> = runtime_types::cyborg_primitives::task::Placement<R>;

impl Placement {
    fn convert<R>(&self, regions: impl FnOnce(Vec<Static<Region>>) -> R) -> ChainPlacement<R> {
        let Self { replicas, standbys, near, min_reputation, .. } = *self;
        ChainPlacement {
            replicas,
            standbys,
            regions: regions(self.regions.iter().copied().map(Static).collect()),
            near: near.map(|(cell, km)| (Static(cell), km)),
            min_reputation,
        }
    }

    /// As a submitted task has it.
    #[must_use]
    pub fn bounded(&self) -> ChainPlacement<BoundedVec<Static<Region>>> {
        self.convert(BoundedVec)
    }
}

/// A miner that the chain would choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The miner.
    pub miner: Account,
    /// What it asks per compute hour.
    pub price: u128,
    /// What a request costs.
    pub per_request: u128,
    /// What a proof costs.
    pub per_proof: u128,
    /// Its distance, if the placement names a place.
    pub distance_km: Option<u32>,
    /// At most 100.
    pub reputation: u8,
    /// Its region, in its own words.
    pub region: Region,
}

/// What a model takes of a miner, and of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Memory that a miner needs, in mebibytes.
    pub memory_mib: u32,
    /// Work of an answer, in multiply-accumulates.
    pub work_macs: u64,
    /// Work of a proof.
    pub proof_macs: u64,
    /// What verifying a proof costs.
    pub cost: Cost,
}

/// The best `count` miners for a model, registered or not, as the chain would choose now.
///
/// # Errors
/// Returns an error if the node does not answer.
pub async fn ranking(
    at: &AtBlock,
    work: &Workload,
    placement: &Placement,
    price_cap: u128,
    count: u32,
) -> Result<Vec<Candidate>, ChainError> {
    let api = runtime::runtime_apis().cyborg_api();
    let found = at
        .runtime_apis()
        .call(api.ranking(placement.convert(|regions| regions), work.memory_mib, price_cap, count))
        .await?;
    let api = runtime::runtime_apis().cyborg_api();
    let fee = at.runtime_apis().call(api.verification_fee(Static(work.cost))).await?;
    let mut candidates = Vec::new();
    for found in found {
        let Some(contact) = contact(at, &found.miner.0).await? else { continue };
        let of_work = |macs| contact.capacity.price_of(found.price, macs);
        let per_proof = of_work(work.proof_macs).and_then(|price| price.checked_add(fee));
        let (Some(per_request), Some(per_proof)) = (of_work(work.work_macs), per_proof) else { continue };
        candidates.push(Candidate {
            miner: found.miner.0,
            price: found.price,
            per_request,
            per_proof,
            distance_km: found.distance_km,
            reputation: found.reputation,
            region: contact.region,
        });
    }
    Ok(candidates)
}

/// One miner's engagement on a task.
#[derive(Debug)]
pub struct Assignment {
    /// The miner.
    pub miner: Account,
    /// Its role.
    pub role: Role,
    /// Its progress.
    pub status: Status,
}

impl Assignment {
    /// Whether it answers requests.
    #[must_use]
    pub fn serves(&self) -> bool {
        matches!(self.status, Status::Confirmed)
    }

    /// Whether it waits for the owner to wrap the content key.
    #[must_use]
    pub fn is_keyless(&self) -> bool {
        matches!(self.status, Status::Keyless { .. })
    }
}

/// A task that is not vacated.
#[derive(Debug)]
pub struct TaskView {
    /// Who pays.
    pub owner: Account,
    /// Who may authorise requests beside the owner.
    pub delegate: Option<Account>,
    /// What is run.
    pub model: ModelId,
    /// Which answers are proven.
    pub policy: ProofPolicy,
    /// Assigned, Running or Stopped.
    pub state: TaskState,
    /// Replicas that are still wanted.
    pub replicas: u8,
    /// The stored file, and the public key that answers are sealed to, once they are on chain.
    pub keys: Option<(Digest, [u8; 32])>,
    /// Everyone ever engaged, in order.
    pub assignments: Vec<Assignment>,
    /// End of its life, or of settlement once it is stopped.
    pub ends: Moment,
}

impl TaskView {
    /// Who may ask, and who may watch: owner and delegate.
    #[must_use]
    pub fn signers(&self) -> Vec<Account> {
        std::iter::once(self.owner).chain(self.delegate).collect()
    }

    /// A miner's engagement. One that left may be engaged once more: the last counts.
    #[must_use]
    pub fn assignment(&self, miner: &Account) -> Option<&Assignment> {
        self.assignments.iter().rfind(|assignment| assignment.miner == *miner)
    }
}

/// A task; `None` if it is vacated or never was.
///
/// # Errors
/// Returns an error if the node does not answer.
pub async fn task(at: &AtBlock, id: TaskId) -> Result<Option<TaskView>, ChainError> {
    let entry = at.storage().entry(runtime::storage().tasks().tasks())?;
    let Some(found) = entry.try_fetch((id,)).await? else { return Ok(None) };
    let task = found.decode()?;
    let parts = task.parts.0.into_iter();
    Ok(Some(TaskView {
        owner: task.owner.0,
        delegate: task.delegate.map(|delegate| delegate.0),
        model: task.model,
        policy: task.policy.0,
        state: task.state.0,
        replicas: task.placement.replicas,
        keys: task.keys.map(|keys| (keys.manifest, keys.result_key)),
        assignments: parts
            .map(|part| Assignment { miner: part.miner.0, role: part.role.0, status: part.status })
            .collect(),
        ends: task.ends,
    }))
}

/// A miner's URL, and the key that messages to it are sealed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its URL, in its own words.
    pub endpoint: String,
    /// What is sealed to it.
    pub hpke: PublicKey,
    /// Its region, in its own words.
    pub region: Region,
    /// Its machine, in its own words.
    pub capacity: Capacity,
}

/// A registered miner.
///
/// # Errors
/// Returns an error if the node does not answer.
pub async fn contact(at: &AtBlock, miner: &Account) -> Result<Option<Contact>, ChainError> {
    let entry = at.storage().entry(runtime::storage().miners().miners())?;
    let Some(found) = entry.try_fetch((AccountId32(*miner),)).await? else { return Ok(None) };
    let record = found.decode()?;
    Ok(Some(Contact {
        endpoint: String::from_utf8_lossy(&record.endpoint.0).into_owned(),
        hpke: PublicKey(record.hpke_key),
        region: record.location.0.region,
        capacity: record.capacity.0,
    }))
}

/// What a miner is paid on a task, and what is left to pay it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// For an answer.
    pub per_request: u128,
    /// For a proof.
    pub per_proof: u128,
    /// Which numbers are settled.
    pub settled: Window,
    /// Left for answers.
    pub compute_left: u128,
    /// Left for proofs.
    pub proofs_left: u128,
}

/// What a miner is paid on a task; `None` if it has no part in it.
///
/// # Errors
/// Returns an error if the node does not answer.
pub async fn terms(at: &AtBlock, id: TaskId, miner: &Account) -> Result<Option<Terms>, ChainError> {
    let meters = at.storage().entry(runtime::storage().payments().meters())?;
    let escrows = at.storage().entry(runtime::storage().payments().escrows())?;
    let (Some(meter), Some(escrow)) =
        (meters.try_fetch((id, AccountId32(*miner))).await?, escrows.try_fetch((id,)).await?)
    else {
        return Ok(None);
    };
    let (meter, escrow) = (meter.decode()?, escrow.decode()?);
    Ok(Some(Terms {
        per_request: meter.per_request,
        per_proof: meter.per_proof,
        settled: meter.window.0,
        compute_left: escrow.compute.left,
        proofs_left: escrow.proofs.left,
    }))
}

/// What a miner attested when it confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attested {
    /// Digest of its program.
    pub executable: Digest,
    /// Names the test's inputs and outputs.
    pub test: Digest,
    /// Its machine, in its own words.
    pub device: String,
}

/// What a miner attested for a task.
///
/// # Errors
/// Returns an error if the node does not answer.
pub async fn attested(at: &AtBlock, id: TaskId, miner: &Account) -> Result<Option<Attested>, ChainError> {
    let entry = at.storage().entry(runtime::storage().tasks().attestations())?;
    let Some(found) = entry.try_fetch((id, AccountId32(*miner))).await? else { return Ok(None) };
    let attestation = found.decode()?;
    Ok(Some(Attested {
        executable: attestation.executable,
        test: attestation.test,
        device: String::from_utf8_lossy(&attestation.device.0).into_owned(),
    }))
}

/// A registered model, as far as its owner compares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelView {
    /// Who registered it.
    pub owner: Account,
    /// Digest of its verifying key.
    pub key: Digest,
    /// The stored file.
    pub manifest: Digest,
    /// Digest of the file before it was encrypted.
    pub file: Digest,
    /// Whether it takes new tasks.
    pub listed: bool,
    /// Memory that it needs, in mebibytes.
    pub memory_mib: u32,
}

impl ModelView {
    fn of(record: &runtime_types::pallet_models::Record<AccountId32, u128>) -> Self {
        Self {
            owner: record.owner.0,
            key: record.key,
            manifest: record.manifest,
            file: record.model,
            listed: record.listed,
            memory_mib: record.memory_mib,
        }
    }
}

/// A registered model.
///
/// # Errors
/// Returns an error if the node does not answer.
pub async fn model(at: &AtBlock, id: ModelId) -> Result<Option<ModelView>, ChainError> {
    let entry = at.storage().entry(runtime::storage().models().models())?;
    let Some(found) = entry.try_fetch((id,)).await? else { return Ok(None) };
    Ok(Some(ModelView::of(&found.decode()?)))
}

/// A registered model, as a miner checks and serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Digest of the verifying key.
    pub key: Digest,
    /// Digest of the deployment.
    pub file: Digest,
    /// The verifying key.
    pub key_bytes: Vec<u8>,
    /// What a verification costs.
    pub cost: Cost,
}

/// A registered model with its verifying key.
///
/// # Errors
/// Returns an error if the node does not answer.
pub async fn registered(at: &AtBlock, id: ModelId) -> Result<Option<Registered>, ChainError> {
    let models = at.storage().entry(runtime::storage().models().models())?;
    let keys = at.storage().entry(runtime::storage().models().keys())?;
    let (Some(record), Some(key)) = (models.try_fetch((id,)).await?, keys.try_fetch((id,)).await?) else {
        return Ok(None);
    };
    let record = record.decode()?;
    let key_bytes = key.decode()?.0;
    Ok(Some(Registered { key: record.key, file: record.model, key_bytes, cost: record.cost.0 }))
}

/// The latest listed model that satisfies a condition.
///
/// # Errors
/// Returns an error if the node does not answer.
pub async fn find_model(
    at: &AtBlock,
    wanted: impl Fn(&ModelView) -> bool,
) -> Result<Option<ModelId>, ChainError> {
    let mut models = at.storage().iter(runtime::storage().models().models(), ()).await?;
    let mut latest = None;
    while let Some(entry) = models.next().await {
        let entry = entry?;
        let (id,) = entry.key()?.decode()?;
        if wanted(&ModelView::of(&entry.value().decode()?)) {
            latest = latest.max(Some(id));
        }
    }
    Ok(latest)
}

/// The tasks of an owner that are not vacated.
///
/// # Errors
/// Returns an error if the node does not answer.
pub async fn tasks_of(at: &AtBlock, owner: &Account) -> Result<Vec<TaskId>, ChainError> {
    let mut tasks = at.storage().iter(runtime::storage().tasks().tasks(), ()).await?;
    let mut own = Vec::new();
    while let Some(entry) = tasks.next().await {
        let entry = entry?;
        if entry.value().decode()?.owner.0 == *owner {
            own.push(entry.key()?.decode()?.0);
        }
    }
    own.sort_unstable();
    Ok(own)
}

/// The tasks that a miner has not left.
///
/// # Errors
/// Returns an error if the node does not answer.
pub async fn tasks_of_miner(at: &AtBlock, miner: &Account) -> Result<Vec<TaskId>, ChainError> {
    let entry = at.storage().entry(runtime::storage().tasks().miner_tasks())?;
    match entry.try_fetch((AccountId32(*miner),)).await? {
        Some(tasks) => Ok(tasks.decode()?.0),
        None => Ok(Vec::new()),
    }
}

/// The content key of a task, wrapped for a miner.
///
/// # Errors
/// Returns an error if the node does not answer.
pub async fn wrap(at: &AtBlock, id: TaskId, miner: &Account) -> Result<Option<Wrap>, ChainError> {
    let entry = at.storage().entry(runtime::storage().tasks().wraps())?;
    match entry.try_fetch((id, AccountId32(*miner))).await? {
        Some(wrap) => Ok(Some(wrap.decode()?)),
        None => Ok(None),
    }
}

/// Chain time as of a block, in milliseconds since the Unix epoch.
///
/// # Errors
/// Returns an error if the node does not answer.
pub async fn now(at: &AtBlock) -> Result<Moment, ChainError> {
    let entry = at.storage().entry(runtime::storage().timestamp().now())?;
    Ok(entry.fetch(()).await?.decode()?)
}

/// Length of a period of reports, in milliseconds of chain time.
///
/// # Errors
/// Returns an error if the chain has no such constant.
pub fn report_period_ms(at: &AtBlock) -> Result<u64, ChainError> {
    Ok(at.constants().entry(runtime::constants().reports().period_ms())?)
}
