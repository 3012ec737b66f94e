//! What a task requires, and how its answers are proven.

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

/// What a task requires of the scheduler.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Placement<Regions> {
    /// Miners that answer; at least 1.
    pub replicas: u8,
    /// Standbys, which take over when a replica leaves.
    pub standbys: u8,
    /// Regions in which it may run; empty for anywhere. This is never violated.
    pub regions: Regions,
    /// The point from which distances are measured, and the greatest allowed distance in kilometres.
    pub near: Option<(Cell, u32)>,
    /// Lowest reputation allowed.
    pub min_reputation: u8,
}

/// The state of a task (whitepaper section 3.3).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum TaskState {
    /// Miners are chosen, and none has confirmed.
    Assigned,
    /// At least one miner has confirmed.
    Running,
    /// It answers no more requests; earlier answers can still be proven and paid.
    Stopped,
    /// It is over, and the rest of the escrow was returned.
    Vacated,
}

/// The role of a miner on a task.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum Role {
    /// It answers requests.
    Replica,
    /// It takes over when a replica leaves.
    Standby,
}
