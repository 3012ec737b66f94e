//! What a miner declares of its machine, and what it may do wrong.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// What computes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum Accelerator {
    /// The processor alone.
    None,
    /// An NVIDIA graphics processor.
    Cuda,
    /// An NVIDIA Jetson module.
    Jetson,
    /// Any other.
    Other,
}

/// What a machine can do, as its miner measured it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Capacity {
    /// Memory for models, in mebibytes; at least 1.
    pub memory_mib: u32,
    /// Integer multiply-accumulates per second; at least 1.
    pub macs_per_second: u64,
    /// What computes.
    pub accelerator: Accelerator,
}

impl Capacity {
    /// Whether memory and speed are above zero.
    #[must_use]
    pub fn is_valid(self) -> bool {
        self.memory_mib > 0 && self.macs_per_second > 0
    }

    /// Time for an amount of work, in microseconds, rounded up; at most a year.
    #[must_use]
    pub fn time_us(self, work_macs: u64) -> u64 {
        const YEAR_US: u128 = 365 * 24 * 3600 * 1_000_000;
        let time = (u128::from(work_macs) * 1_000_000).div_ceil(u128::from(self.macs_per_second.max(1)));
        u64::try_from(time.min(YEAR_US)).unwrap_or(u64::MAX)
    }
}

/// What a miner may do wrong. What each costs is the chain's table.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum Offence {
    /// Stopped its heartbeat.
    Inactive,
    /// Had the key and did not confirm in time.
    Unconfirmed,
    /// Left a running task without the owner's stop.
    Abandoned,
    /// Submitted a proof that is false.
    FalseProof,
    /// Submitted a request that its owner never authorised.
    InventedRequest,
    /// Did not prove a request that was drawn, demanded or challenged.
    Unproven,
    /// Signed two different answers to one request.
    Equivocation,
}
