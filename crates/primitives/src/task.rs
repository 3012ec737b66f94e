//! What a task asks for, and how its answers are proven.

use crate::place::Cell;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Which answers are proven, and what releases their pay.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum ProofPolicy {
    /// Every request; a verified proof pays it.
    Every,
    /// Requests of a period are committed to at once, a seed drawn afterwards picks some, and their
    /// proofs pay the period.
    Sampled {
        /// Proofs per period; at least 1.
        samples: u8,
    },
    /// The owner's acknowledgements pay; it may demand the proof of any request.
    OnDemand,
}

/// What the scheduler is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Placement<Regions> {
    /// Miners that answer; at least 1.
    pub replicas: u8,
    /// Miners named to take over.
    pub standbys: u8,
    /// Where it may run; empty for anywhere. Never broken.
    pub regions: Regions,
    /// From where distance is counted, and the greatest allowed, in kilometres.
    pub near: Option<(Cell, u32)>,
    /// Lowest reputation allowed.
    pub min_reputation: u8,
}

/// Where a task is in its life (whitepaper section 3.3).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum TaskState {
    /// Miners are chosen; none has confirmed.
    Assigned,
    /// At least one miner has confirmed.
    Running,
    /// Answers no more; what was answered can still be proven and paid.
    Stopped,
    /// Over: the rest of the escrow went back.
    Vacated,
}

/// What a miner is to a task.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum Role {
    /// Answers requests.
    Replica,
    /// Takes over when a replica leaves.
    Standby,
}
