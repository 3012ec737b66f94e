//! What a miner declares about its machine, and its possible offences.

use crate::HOUR_MS;
use crate::money::price_of;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The kind of processor that computes.
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
    /// Any other processor.
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
    /// The processor that computes.
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

    /// Price of an amount of work for a miner that asks `price` per compute hour, rounded up; `None` on overflow.
    #[must_use]
    pub fn price_of(self, price: u128, work_macs: u64) -> Option<u128> {
        price_of(price, self.time_us(work_macs), HOUR_MS * 1_000)
    }
}

/// An offence of a miner. The chain's table says what each costs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum Offence {
    /// It stopped its heartbeat.
    Inactive,
    /// It had the key and did not confirm in time.
    Unconfirmed,
    /// It left a running task that its owner had not stopped.
    Abandoned,
    /// It submitted a false proof.
    FalseProof,
    /// It submitted a request that the owner never authorised.
    InventedRequest,
    /// It did not prove a request that was drawn, demanded or challenged.
    Unproven,
    /// It signed two different answers to one request.
    Equivocation,
}
