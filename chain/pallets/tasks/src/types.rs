//! What the chain keeps of a task, and how it is submitted.

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
use polkadot_sdk::sp_runtime::Rounding;
use polkadot_sdk::sp_runtime::helpers_128bit::multiply_by_rational_with_rounding;
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

/// What an owner asks for, and pays at most.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct TaskSpec<AccountId> {
    /// What is run.
    pub model: ModelId,
    /// By how many, and where.
    pub placement: Placement<Regions>,
    /// Most per compute hour.
    pub price_cap: Balance,
    /// Compute time bought for answers, in milliseconds, all miners together.
    pub compute_ms: u64,
    /// Most per proof: a miner whose machine makes it dearer is not taken.
    pub proof_cap: Balance,
    /// Proofs bought.
    pub max_proofs: u32,
    /// Which answers are proven.
    pub policy: ProofPolicy,
    /// Who may authorise requests beside the owner.
    pub delegate: Option<AccountId>,
    /// Whether standbys get the content key at once. Whoever has it can read the model.
    pub standbys_read_now: bool,
}

/// How far a miner has come on a task.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum Status {
    /// Stands by, and gets no key before it takes over.
    Waiting,
    /// The owner is to wrap the content key for it.
    Keyless {
        /// Until when.
        due: Moment,
    },
    /// Has the key, and is to confirm.
    Keyed {
        /// Until when.
        due: Moment,
    },
    /// Serves.
    Confirmed,
    /// Serves no more.
    Left {
        /// Whether it had confirmed: then it may still be paid, and found guilty.
        confirmed: bool,
    },
}

/// One miner's part in a task.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Part<AccountId> {
    /// Who.
    pub miner: AccountId,
    /// As what.
    pub role: Role,
    /// How far.
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

    /// Until when something must happen.
    #[must_use]
    pub fn due(&self) -> Option<Moment> {
        match self.status {
            Status::Keyless { due } | Status::Keyed { due } => Some(due),
            Status::Waiting | Status::Confirmed | Status::Left { .. } => None,
        }
    }
}

/// What a miner needs beside its wrapped key to begin.
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
    /// Nobody was left, and nobody was found.
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
    /// Any other.
    Other,
}

/// Why a miner's part ends before the task does.
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
    /// It does not serve any more.
    Gone,
    /// It left a running task.
    Abandoned,
    /// It left a task whose escrow cannot pay it any more.
    Unpaid,
    /// The task was stopped.
    Over,
}

/// Where an entry of the agenda lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Place {
    /// Span of time, counted from the epoch.
    pub bucket: u64,
    /// Page of the bucket.
    pub page: u32,
}

/// What the agenda brings up.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub enum Wake<AccountId> {
    /// A deadline of a task.
    Task(cyborg_primitives::TaskId),
    /// A miner has gone; its tasks are given to others, one at a time.
    Departure(AccountId),
    /// The record of an ended task has served its time.
    Forget(cyborg_primitives::TaskId),
}

/// A task that is not vacated.
#[derive(
    CloneNoBound, DebugNoBound, PartialEqNoBound, EqNoBound, Encode, Decode, TypeInfo, MaxEncodedLen,
)]
#[scale_info(skip_type_params(T))]
#[codec(mel_bound())]
pub struct Task<T: Config> {
    /// Who pays.
    pub owner: T::AccountId,
    /// Who may authorise requests beside the owner.
    pub delegate: Option<T::AccountId>,
    /// What is run.
    pub model: ModelId,
    /// Where; and how many replicas and standbys are still wanted: a place that its owner leaves
    /// unpaid or without key is not filled again.
    pub placement: Placement<Regions>,
    /// Most per compute hour.
    pub price_cap: Balance,
    /// Most per proof.
    pub proof_cap: Balance,
    /// Memory that each miner gives, in mebibytes.
    pub memory_mib: u32,
    /// Which answers are proven.
    pub policy: ProofPolicy,
    /// Whether standbys get the content key at once.
    pub standbys_read_now: bool,
    /// Assigned, Running or Stopped.
    pub state: TaskState,
    /// Given with the first wrapped keys.
    pub keys: Option<Keys>,
    /// Everyone ever engaged, in order.
    pub parts: BoundedVec<Part<T::AccountId>, T::MaxMiners>,
    /// End of its life, or of settlement once it is stopped.
    pub ends: Moment,
    /// When miners are looked for again.
    pub retry: Option<Moment>,
    /// How often they were, in vain.
    pub retries: u8,
    /// Why it was stopped.
    pub cause: Option<Cause>,
    /// Its entry in the agenda; `None` only while that is being handled.
    pub wake: Option<Place>,
}

impl<T: Config> Task<T> {
    /// The part of a miner that has not left.
    #[must_use]
    pub fn live_part(&mut self, miner: &T::AccountId) -> Option<&mut Part<T::AccountId>> {
        self.parts.iter_mut().find(|part| part.is_live() && part.miner == *miner)
    }

    /// How many have not left.
    #[must_use]
    pub fn live(&self, role: Role) -> u8 {
        let count = self.parts.iter().filter(|part| part.is_live() && part.role == role).count();
        u8::try_from(count).unwrap_or(u8::MAX)
    }

    /// Whether it needs miners and has none, nor is about to look for any.
    #[must_use]
    pub fn is_deserted(&self) -> bool {
        self.state != TaskState::Stopped && self.live(Role::Replica) == 0 && self.retry.is_none()
    }

    /// When something is to happen next.
    #[must_use]
    pub fn next_deadline(&self) -> Moment {
        self.parts.iter().filter_map(Part::due).chain(self.retry).fold(self.ends, Moment::min)
    }

    /// What is asked of the register.
    #[must_use]
    pub fn demand(&self) -> Demand<Balance> {
        let Placement { replicas, standbys, ref regions, near, min_reputation } = self.placement;
        let placement = Placement { replicas, standbys, regions: regions.to_vec(), near, min_reputation };
        Demand { placement, memory_mib: self.memory_mib, price_cap: self.price_cap }
    }

    /// Everyone ever engaged.
    #[must_use]
    pub fn miners(&self) -> Vec<T::AccountId> {
        self.parts.iter().map(|part| part.miner.clone()).collect()
    }

    /// What a miner is paid by its terms, where the task's limits admit them.
    #[must_use]
    pub fn tariff(&self, model: &Model<T::AccountId>, terms: &Terms<Balance>) -> Option<Tariff<Balance>> {
        let regions = &self.placement.regions;
        let admitted =
            terms.price <= self.price_cap && (regions.is_empty() || regions.contains(&terms.region));
        if !admitted {
            return None;
        }
        let of_work = |macs| price_of(terms.price, terms.capacity.time_us(macs), HOUR_US);
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

    /// How many more may be engaged.
    #[must_use]
    pub fn room(&self) -> usize {
        (T::MaxMiners::get() as usize).saturating_sub(self.parts.len())
    }
}

const HOUR_US: u64 = cyborg_primitives::HOUR_MS * 1_000;

/// Price of a time, rounded up, for a price per `unit` of time; `None` on overflow.
#[must_use]
pub fn price_of(price: Balance, time: u64, unit: u64) -> Option<Balance> {
    multiply_by_rational_with_rounding(price, time.into(), unit.into(), Rounding::Up)
}

/// How an attestation is vouched for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum AttestationKind {
    /// By the miner's signature alone.
    SelfSigned,
}

/// A miner's word on what it runs. Bound to task and miner by the signed call that carries it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Attestation<BlockNumber, Hash> {
    /// How it is vouched for.
    pub kind: AttestationKind,
    /// Digest of the running executable.
    pub executable: Digest,
    /// Digest of the loaded model's verifying key.
    pub model: Digest,
    /// The device, as it names itself.
    pub device: Device,
    /// A recent block, so that no old attestation serves.
    pub block: BlockNumber,
    /// Its hash.
    pub block_hash: Hash,
    /// Digest of the statement of an inference on a test input.
    pub test: Digest,
}

/// What is remembered of a vacated task for a while.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Ended<AccountId> {
    /// Who paid.
    pub owner: AccountId,
    /// What was run.
    pub model: ModelId,
    /// Why it ended.
    pub cause: Cause,
    /// When it was vacated.
    pub at: Moment,
    /// What the owner got back.
    pub refunded: Balance,
}
