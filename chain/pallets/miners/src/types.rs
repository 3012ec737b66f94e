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
/// Where a miner answers, as UTF-8.
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
    /// Where it answers.
    pub endpoint: Endpoint,
    /// Where it says that it is.
    pub location: Location,
    /// Since when it says so.
    pub declared_at: Moment,
    /// What its machine can do.
    pub capacity: Capacity,
    /// What it asks per compute hour.
    pub price: Balance,
    /// What is held of its money.
    pub bond: Balance,
    /// At most 100.
    pub reputation: u8,
    /// Memory that tasks have, in mebibytes.
    pub used_mib: u32,
    /// Tasks that have memory.
    pub load: u32,
    /// Tasks for which it may still be found guilty.
    pub liabilities: u32,
    /// When its bond may be withdrawn, where it is leaving.
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

    /// Whether it may be given tasks: one that has as many as it may is not ranked, so that it takes
    /// nobody's place in a ranking.
    #[must_use]
    pub fn is_on_offer(&self, duty: Duty, minimum_bond: Balance, max_load: u32) -> bool {
        duty == Duty::Serving
            && !self.is_suspended()
            && self.leaves_at.is_none()
            && self.bond >= minimum_bond
            && self.load < max_load
    }

    /// As the scheduler sees it.
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

/// Whether heartbeats are expected of a miner, and come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub enum Duty {
    /// They come.
    Serving,
    /// They do not, and it was punished for that.
    Lapsed,
    /// It has deregistered and has no task left: nothing is expected.
    Over,
}

/// The heartbeat of a miner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Pulse {
    /// When it was last heard of.
    pub seen: Moment,
    /// Uninterrupted service since then has given no reputation yet.
    pub credited: Moment,
    /// Whether heartbeats are expected, and come.
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
    /// Where an entry belongs.
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

/// Where in the index an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Place {
    /// The bucket.
    pub bucket: Bucket,
    /// Entries of the bucket before it.
    pub position: u32,
}

/// A check whether a miner sends heartbeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Check {
    /// Its number; checks of numbers that are no more are dropped.
    pub miner: u32,
    /// When.
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
    /// Of the last block.
    pub last: Moment,
    /// Of the first block after the chain last stood still.
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
    /// What it asks per compute hour.
    pub price: Balance,
    /// How far it is, in kilometres, where the demand names a place.
    pub distance_km: Option<u32>,
    /// Its reputation, at most 100.
    pub reputation: u8,
    /// Its score, as the scheduler's documentation has it.
    pub score: u32,
}
