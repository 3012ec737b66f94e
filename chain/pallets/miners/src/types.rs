//! What is stored of a miner.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use cyborg_primitives::miner::{Capacity, Offence};
use cyborg_primitives::place::{Location, Region};
use cyborg_primitives::{Digest, MAX_ENDPOINT_BYTES, Moment};
use cyborg_scheduler::{Entry, SUSPENDED_BELOW};
use polkadot_sdk::frame_support::BoundedVec;
use polkadot_sdk::frame_support::traits::ConstU32;
use polkadot_sdk::sp_runtime::{BoundedBTreeMap, Perbill};
use scale_info::TypeInfo;

/// Amount of the native token, in its smallest unit.
pub type Balance = u128;
/// URL at which a miner answers, as UTF-8.
pub type Endpoint = BoundedVec<u8, ConstU32<MAX_ENDPOINT_BYTES>>;

/// Entries of a page of the index.
pub const PAGE_ENTRIES: u32 = 128;
/// Sparse pages that a ranking may read instead of a full one.
pub const SPARSE_PAGES: u32 = 4;
/// Codes of two capital letters.
pub const MAX_REGIONS: u32 = 26 * 26;
/// Classes of free memory: none, and then one for each factor of four.
pub const CLASSES: u8 = 17;

/// A page of the index.
pub type Page = BoundedVec<Entry, ConstU32<PAGE_ENTRIES>>;
/// How many entries of a class each region has.
pub type Sizes = BoundedBTreeMap<Region, u32, ConstU32<MAX_REGIONS>>;
/// A page of the queue of checks.
pub type CheckPage = BoundedVec<Check, ConstU32<PAGE_ENTRIES>>;

/// A registered miner.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Miner {
    /// Its number in the index.
    pub number: u32,
    /// X25519 public key to which owners encrypt.
    pub hpke_key: Digest,
    /// URL at which it answers.
    pub endpoint: Endpoint,
    /// Its declared location.
    pub location: Location,
    /// Time since which it declares this location.
    pub declared_at: Moment,
    /// What its machine can do.
    pub capacity: Capacity,
    /// Its price per compute hour.
    pub price: Balance,
    /// The held part of its money.
    pub bond: Balance,
    /// Reputation, at most 100.
    pub reputation: u8,
    /// Memory that tasks have, in mebibytes.
    pub used_mib: u32,
    /// Tasks that have memory.
    pub load: u32,
    /// Tasks for which it may still be found guilty.
    pub liabilities: u32,
    /// When its bond may be withdrawn, if it is leaving.
    pub leaves_at: Option<Moment>,
}

impl Miner {
    /// Memory that no task has, in mebibytes.
    #[must_use]
    pub fn free_mib(&self) -> u32 {
        self.capacity.memory_mib.saturating_sub(self.used_mib)
    }

    /// Whether its reputation is too low to serve.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.reputation < SUSPENDED_BELOW
    }

    /// Whether it may be given tasks. A miner that has its maximum is not ranked, so that it does not
    /// take another's place in a ranking.
    #[must_use]
    pub fn is_on_offer(&self, duty: Duty, minimum_bond: Balance, max_load: u32) -> bool {
        duty == Duty::Serving
            && !self.is_suspended()
            && self.leaves_at.is_none()
            && self.bond >= minimum_bond
            && self.load < max_load
    }

    /// The miner as the scheduler reads it.
    #[must_use]
    pub fn entry(&self) -> Entry {
        Entry {
            miner: self.number,
            region: self.location.region,
            cell: self.location.cell,
            free_mib: self.free_mib(),
            macs_per_second: self.capacity.macs_per_second,
            price: self.price,
            reputation: self.reputation,
            load: self.load,
        }
    }
}

/// Whether heartbeats are expected of a miner, and arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub enum Duty {
    /// They are expected and arrive.
    Serving,
    /// They do not arrive, and it was punished for that.
    Lapsed,
    /// It has deregistered and has no task left: none is expected.
    Over,
}

/// The heartbeat of a miner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Pulse {
    /// Time of its last heartbeat.
    pub seen: Moment,
    /// Begin of the uninterrupted service that has not raised the reputation yet.
    pub credited: Moment,
    /// Whether heartbeats are expected, and arrive.
    pub duty: Duty,
}

/// Entries of one region whose free memory is of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Bucket {
    /// Region of the entries.
    pub region: Region,
    /// Class of their free memory.
    pub class: u8,
}

impl Bucket {
    /// The bucket to which an entry belongs.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        Self { region: entry.region, class: class(entry.free_mib) }
    }
}

/// Class of an amount of memory: 0 for none, `c` for 4^(c−1) mebibytes up to below 4^c.
#[must_use]
pub fn class(memory_mib: u32) -> u8 {
    let bits = u32::BITS - memory_mib.leading_zeros();
    u8::try_from(bits.div_ceil(2)).unwrap_or(CLASSES - 1)
}

/// The position of an entry in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Place {
    /// The bucket.
    pub bucket: Bucket,
    /// Entries of the bucket before it.
    pub position: u32,
}

/// A due check that a miner sends heartbeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Check {
    /// The miner's number; checks of numbers that no longer exist are dropped.
    pub miner: u32,
    /// When it is due.
    pub due: Moment,
}

/// Pages of a queue: entries leave at the first and come in at the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Queue {
    /// The first page.
    pub first: u64,
    /// The page after the last.
    pub end: u64,
}

/// Times of blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct BlockTimes {
    /// Time of the last block.
    pub last: Moment,
    /// Time of the first block after the chain last stood still.
    pub resumed: Moment,
}

/// What an offence costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Penalty {
    /// Share of the bond, rounded up.
    pub share: Perbill,
    /// Points of reputation.
    pub points: u8,
}

/// The table of offences.
pub trait Penalties {
    /// What an offence costs.
    fn penalty(offence: Offence) -> Penalty;
}

/// A miner of a ranking, for clients.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Candidate<AccountId> {
    /// The miner.
    pub miner: AccountId,
    /// Its price per compute hour.
    pub price: Balance,
    /// Its distance in kilometres, if the demand names a place.
    pub distance_km: Option<u32>,
    /// Its reputation, at most 100.
    pub reputation: u8,
    /// Its score, as the scheduler's documentation defines it.
    pub score: u32,
}
