//! The record of a task, and the form in which a task is submitted.

use crate::Config;
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use cyborg_interface::{Demand, Model, Tariff, Terms};
use cyborg_primitives::place::Region;
use cyborg_primitives::task::{Placement, ProofPolicy, Role, TaskState};
use cyborg_primitives::{Digest, ModelId, Moment, WRAPPED_KEY_BYTES};
use polkadot_sdk::frame_support::traits::{ConstU32, Get};
use polkadot_sdk::frame_support::{BoundedVec, CloneNoBound, DebugNoBound, EqNoBound, PartialEqNoBound};
use polkadot_sdk::frame_system::pallet_prelude::BlockNumberFor;
use polkadot_sdk::sp_runtime::traits::Convert;
use scale_info::TypeInfo;

/// An amount of the native token, in its smallest unit.
pub type Balance = u128;
/// Regions of a task: at most 16.
pub type Regions = BoundedVec<Region, ConstU32<16>>;
/// The content key, wrapped for one miner by HPKE.
pub type WrappedKey = [u8; WRAPPED_KEY_BYTES as usize];
/// A device's description: at most 64 bytes of UTF-8.
pub type Device = BoundedVec<u8, ConstU32<64>>;
/// The evidence of one miner.
pub type AttestationOf<T> = Attestation<BlockNumberFor<T>, <T as polkadot_sdk::frame_system::Config>::Hash>;

/// What an owner requires, and the highest price.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct TaskSpec<AccountId> {
    /// The model.
    pub model: ModelId,
    /// Number of miners, and where they may be.
    pub placement: Placement<Regions>,
    /// Highest price per compute hour.
    pub price_cap: Balance,
    /// Compute time bought for answers, in milliseconds, all miners together.
    pub compute_ms: u64,
    /// Highest price per proof: a miner whose machine makes it dearer is not engaged.
    pub proof_cap: Balance,
    /// Proofs bought.
    pub max_proofs: u32,
    /// Which answers are proven.
    pub policy: ProofPolicy,
    /// The account that may authorise requests beside the owner.
    pub delegate: Option<AccountId>,
    /// Whether standbys get the content key at once. An account with the key can read the model.
    pub standbys_read_now: bool,
}

/// The state of a miner on a task.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum Status {
    /// It stands by, and gets no key before it takes over.
    Waiting,
    /// The owner must wrap the content key for it.
    Keyless {
        /// The deadline.
        due: Moment,
    },
    /// It has the key and must confirm.
    Keyed {
        /// The deadline.
        due: Moment,
    },
    /// It serves.
    Confirmed,
    /// It no longer serves.
    Left {
        /// Whether it had confirmed. If so, it may still be paid, and found guilty.
        confirmed: bool,
    },
}

/// The engagement of one miner on a task.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Part<AccountId> {
    /// The miner.
    pub miner: AccountId,
    /// Its role.
    pub role: Role,
    /// Its state.
    pub status: Status,
}

impl<AccountId> Part<AccountId> {
    /// Whether the miner holds memory for the task.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !matches!(self.status, Status::Left { .. })
    }

    /// Whether the miner serves or has served, so that it may be paid and found guilty.
    #[must_use]
    pub fn has_confirmed(&self) -> bool {
        matches!(self.status, Status::Confirmed | Status::Left { confirmed: true })
    }

    /// The deadline of the next step.
    #[must_use]
    pub fn due(&self) -> Option<Moment> {
        match self.status {
            Status::Keyless { due } | Status::Keyed { due } => Some(due),
            Status::Waiting | Status::Confirmed | Status::Left { .. } => None,
        }
    }
}

/// What a miner needs to begin, beside its wrapped key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Keys {
    /// The model's file id: digest of its storage manifest.
    pub manifest: Digest,
    /// The owner's public key, to which answers are encrypted.
    pub result_key: [u8; 32],
}

/// Why a task ends.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum Cause {
    /// The owner stopped it.
    Owner,
    /// The owner wrapped no keys in time.
    KeysLate,
    /// No miner was left, and none was found.
    NoMiners,
    /// Its time was over.
    Expired,
}

/// Why a miner declines.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum Reason {
    /// The wrapped key does not open.
    Key,
    /// The files cannot be fetched, or do not have the digest of the manifest.
    Files,
    /// The model does not load, is not the registered one, or fails its test input.
    Model,
    /// The machine has no room for it now.
    Busy,
    /// Any other reason.
    Other,
}

/// Why a miner's engagement ends before the task does.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum Departure {
    /// It declined.
    Declined(Reason),
    /// It had the key and did not confirm in time.
    Unconfirmed,
    /// The owner did not wrap the key for it in time.
    Keyless,
    /// It no longer serves.
    Gone,
    /// It left a running task.
    Abandoned,
    /// It left a task whose escrow cannot pay it any more.
    Unpaid,
    /// The task was stopped.
    Over,
}

/// The position of an entry in the agenda.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Place {
    /// Span of time, counted from the epoch.
    pub bucket: u64,
    /// Page of the bucket.
    pub page: u32,
}

/// An entry of the agenda.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub enum Wake<AccountId> {
    /// A deadline of a task.
    Task(cyborg_primitives::TaskId),
    /// A miner has left; its tasks are given to others, one at a time.
    Departure(AccountId),
    /// The record of an ended task expires.
    Forget(cyborg_primitives::TaskId),
}

/// A task that is not vacated.
#[derive(
    CloneNoBound, DebugNoBound, PartialEqNoBound, EqNoBound, Encode, Decode, TypeInfo, MaxEncodedLen,
)]
#[scale_info(skip_type_params(T))]
#[codec(mel_bound())]
pub struct Task<T: Config> {
    /// The account that pays.
    pub owner: T::AccountId,
    /// The account that may authorise requests beside the owner.
    pub delegate: Option<T::AccountId>,
    /// The model.
    pub model: ModelId,
    /// Required regions, and the numbers of replicas and standbys that are still wanted: if the owner
    /// leaves one unpaid or without key, it is not replaced.
    pub placement: Placement<Regions>,
    /// Highest price per compute hour.
    pub price_cap: Balance,
    /// Highest price per proof.
    pub proof_cap: Balance,
    /// Memory that each miner reserves, in mebibytes.
    pub memory_mib: u32,
    /// Which answers are proven.
    pub policy: ProofPolicy,
    /// Whether standbys get the content key at once.
    pub standbys_read_now: bool,
    /// Assigned, Running or Stopped.
    pub state: TaskState,
    /// Set with the first wrapped keys.
    pub keys: Option<Keys>,
    /// All miners ever engaged, in order.
    pub parts: BoundedVec<Part<T::AccountId>, T::MaxMiners>,
    /// End of its life, or of settlement once it is stopped.
    pub ends: Moment,
    /// Time of the next search for miners.
    pub retry: Option<Moment>,
    /// Number of searches in vain.
    pub retries: u8,
    /// Why it was stopped.
    pub cause: Option<Cause>,
    /// Its entry in the agenda; `None` only while that is being handled.
    pub wake: Option<Place>,
}

impl<T: Config> Task<T> {
    /// The engagement of a miner that has not left.
    #[must_use]
    pub fn live_part(&mut self, miner: &T::AccountId) -> Option<&mut Part<T::AccountId>> {
        self.parts.iter_mut().find(|part| part.is_live() && part.miner == *miner)
    }

    /// Number of miners that have not left.
    #[must_use]
    pub fn live(&self, role: Role) -> u8 {
        let count = self.parts.iter().filter(|part| part.is_live() && part.role == role).count();
        u8::try_from(count).unwrap_or(u8::MAX)
    }

    /// Whether it needs miners, has none, and will not search for any.
    #[must_use]
    pub fn is_deserted(&self) -> bool {
        self.state != TaskState::Stopped && self.live(Role::Replica) == 0 && self.retry.is_none()
    }

    /// Time of its next step.
    #[must_use]
    pub fn next_deadline(&self) -> Moment {
        self.parts.iter().filter_map(Part::due).chain(self.retry).fold(self.ends, Moment::min)
    }

    /// The demand to the register.
    #[must_use]
    pub fn demand(&self) -> Demand<Balance> {
        let Placement { replicas, standbys, ref regions, near, min_reputation } = self.placement;
        let placement = Placement { replicas, standbys, regions: regions.to_vec(), near, min_reputation };
        Demand { placement, memory_mib: self.memory_mib, price_cap: self.price_cap }
    }

    /// All miners ever engaged.
    #[must_use]
    pub fn miners(&self) -> Vec<T::AccountId> {
        self.parts.iter().map(|part| part.miner.clone()).collect()
    }

    /// A miner's tariff by its terms, if the task's limits admit them.
    #[must_use]
    pub fn tariff(&self, model: &Model<T::AccountId>, terms: &Terms<Balance>) -> Option<Tariff<Balance>> {
        let regions = &self.placement.regions;
        let admitted =
            terms.price <= self.price_cap && (regions.is_empty() || regions.contains(&terms.region));
        if !admitted {
            return None;
        }
        let of_work = |macs| terms.capacity.price_of(terms.price, macs);
        let per_request = of_work(model.work_macs)?;
        let fee = T::VerificationFee::convert(model.cost);
        let per_proof = of_work(model.proof_macs)?.checked_add(fee)?;
        (per_proof <= self.proof_cap).then_some(Tariff { per_request, per_proof })
    }

    /// Proofs that have to be paid together with answers.
    #[must_use]
    pub fn proofs_at_once(&self) -> u32 {
        match self.policy {
            ProofPolicy::Every => 1,
            ProofPolicy::Sampled { samples } => u32::from(samples),
            ProofPolicy::OnDemand => 0,
        }
    }

    /// Number of miners that may still be engaged.
    #[must_use]
    pub fn room(&self) -> usize {
        (T::MaxMiners::get() as usize).saturating_sub(self.parts.len())
    }
}

/// The kind of evidence of an attestation.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum AttestationKind {
    /// By the miner's signature alone.
    SelfSigned,
}

/// A miner's statement about what it runs. The signed call that carries it binds it to task and miner.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Attestation<BlockNumber, Hash> {
    /// The kind of its evidence.
    pub kind: AttestationKind,
    /// Digest of the running executable.
    pub executable: Digest,
    /// Digest of the loaded model's verifying key.
    pub model: Digest,
    /// The device by its own name.
    pub device: Device,
    /// A recent block, so that an old attestation is not accepted.
    pub block: BlockNumber,
    /// Its hash.
    pub block_hash: Hash,
    /// Digest of the statement of an inference on a test input.
    pub test: Digest,
}

/// The record of a vacated task, kept for a while.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Ended<AccountId> {
    /// The account that paid.
    pub owner: AccountId,
    /// The model.
    pub model: ModelId,
    /// Why it ended.
    pub cause: Cause,
    /// When it was vacated.
    pub at: Moment,
    /// The amount that was returned to the owner.
    pub refunded: Balance,
}
