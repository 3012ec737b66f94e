//! The calls with which miners, models and tasks come onto a chain under test or measurement: those of an
//! owner and of miners that answer truthfully enough for the chain, though nothing is stored or served.
//!
//! Sending them is left to the caller: a test submits one and waits, a benchmark sends thousands.

use cyborg_chain_client::AtBlock;
use cyborg_chain_client::runtime::runtime_types::bounded_collections::bounded_vec::BoundedVec;
use cyborg_chain_client::runtime::runtime_types::cyborg_primitives::task::Placement;
use cyborg_chain_client::runtime::runtime_types::pallet_proofs::types::Submission;
use cyborg_chain_client::runtime::runtime_types::pallet_tasks::types::{
    Attestation, AttestationKind, TaskSpec,
};
use cyborg_chain_client::runtime::runtime_types::sp_runtime::MultiSignature;
use cyborg_chain_client::runtime::{self, miners, models, tasks};
use cyborg_chain_client::subxt::tx::StaticPayload;
use cyborg_chain_client::subxt::utils::{AccountId32, H256, Static};
use cyborg_primitives::miner::{Accelerator, Capacity};
use cyborg_primitives::money::UNIT;
use cyborg_primitives::place::{Cell, Location, Region};
use cyborg_primitives::signed::Authorisation;
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{Digest, HOUR_MS, ModelId, TaskId};

/// What a miner stakes.
pub const BOND: u128 = 1_000 * UNIT;
/// Somewhere in Europe, where miners are that need not be anywhere else.
pub const HOME: Cell = Cell { latitude: 5252, longitude: 1340 };

/// What a miner offers.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Key that requests are sealed to.
    pub hpke: [u8; 32],
    /// Where the miner answers.
    pub endpoint: String,
    /// Where it says that it is.
    pub location: Location,
    /// Memory, in MiB.
    pub memory_mib: u32,
    /// Multiply-accumulates a second.
    pub macs_per_second: u64,
    /// What it asks per compute hour.
    pub price: u128,
}

/// A miner registers, with [`BOND`].
pub fn register_miner(offer: Offer) -> StaticPayload<miners::calls::Register> {
    let capacity = Capacity {
        memory_mib: offer.memory_mib,
        macs_per_second: offer.macs_per_second,
        accelerator: Accelerator::None,
    };
    runtime::transactions().miners().register(
        offer.hpke,
        BoundedVec(offer.endpoint.into_bytes()),
        Static(offer.location),
        Static(capacity),
        offer.price,
        BOND,
    )
}

/// An owner registers a model, whose files are nowhere.
pub fn register_model(verifier_key: Vec<u8>, cost: Cost) -> StaticPayload<models::calls::Register> {
    runtime::transactions().models().register(
        BoundedVec(verifier_key),
        Static(cost),
        [1; 32],
        [2; 32],
        256,
        None,
    )
}

/// A task.
#[derive(Clone, Debug)]
pub struct TaskOrder {
    /// The model.
    pub model: ModelId,
    /// Miners that serve at the same time.
    pub replicas: u8,
    /// Regions that they may be in; any, where there are none.
    pub regions: Vec<Region>,
    /// A cell that they are to be near, and the greatest distance in kilometres.
    pub near: Option<(Cell, u32)>,
    /// Most that is paid per compute hour.
    pub price_cap: u128,
    /// Most proofs that are paid.
    pub max_proofs: u32,
    /// Which answers are proven.
    pub policy: ProofPolicy,
}

/// The specification of a task of an hour.
pub fn task_spec(order: TaskOrder) -> TaskSpec<AccountId32> {
    TaskSpec {
        model: order.model,
        placement: Placement {
            replicas: order.replicas,
            standbys: 0,
            regions: BoundedVec(order.regions.into_iter().map(Static).collect()),
            near: order.near.map(|(cell, distance)| (Static(cell), distance)),
            min_reputation: 50,
        },
        price_cap: order.price_cap,
        compute_ms: HOUR_MS,
        proof_cap: UNIT,
        max_proofs: order.max_proofs,
        policy: Static(order.policy),
        delegate: None,
        standbys_read_now: false,
    }
}

/// An owner wraps keys, which open nothing, for the miners of a task.
pub fn provide_keys(
    task: TaskId,
    miners: impl IntoIterator<Item = AccountId32>,
) -> StaticPayload<tasks::calls::ProvideKeys> {
    let wraps = miners.into_iter().map(|miner| (miner, [5; 80])).collect();
    runtime::transactions().tasks().provide_keys(task, [1; 32], [3; 32], BoundedVec(wraps))
}

/// A miner confirms that it serves a task, as of a recent final block.
///
/// # Errors
/// Returns an error if the block's number is greater than the chain's type holds.
pub fn confirm(
    task: TaskId,
    model: Digest,
    recent: &AtBlock,
) -> Result<StaticPayload<tasks::calls::Confirm>, std::num::TryFromIntError> {
    let attestation = Attestation {
        kind: AttestationKind::SelfSigned,
        executable: [6; 32],
        model,
        device: BoundedVec(b"a machine under test".to_vec()),
        block: u32::try_from(recent.block_number())?,
        block_hash: H256(recent.block_hash().0),
        test: [7; 32],
    };
    Ok(runtime::transactions().tasks().confirm(task, attestation))
}

/// A proof with the authorisation of its request, which the owner has signed by sr25519.
pub fn submission(authorisation: Authorisation, signature: [u8; 64], proof: Vec<u8>) -> Submission {
    Submission {
        authorisation: Static(authorisation),
        signature: MultiSignature::Sr25519(signature),
        proof: BoundedVec(proof),
    }
}
