//! What a miner must satisfy, and what makes one better than another.
//!
//! **Constraints.** A miner is a candidate if and only if it is in an allowed region, within the
//! greatest distance, has the memory free, asks no more than the price cap, and has at least the
//! reputation asked for and never less than [`SUSPENDED_BELOW`].
//!
//! **Order.** Candidates below [`PROBATION_BELOW`] come after all others. Within each group the
//! higher score is better, then the lower price, the higher reputation, the lower number; as
//! numbers are unique, nothing is left to chance.
//!
//! **Score.** A weighted sum of five parts, each from 0 to 1000:
//!
//! | part | weight | value |
//! |---|---|---|
//! | price | 3 | what it leaves of the cap: 1000 · (cap − price) / cap |
//! | proximity | 3 | 1000 · 1000 km / (1000 km + distance); 1000 for all if the request names no place |
//! | reputation | 2 | 10 · reputation |
//! | speed | 1 | 1000 / 64 · log2(multiply-accumulates per second) |
//! | load | 1 | 1000 / (1 + tasks at work) |
//!
//! Why so: the owner's escrow is cut to the cap, so the cap says what money is worth to it, and a
//! bounded part keeps a miner that asks nothing from outweighing all else. Latency is absolute:
//! 1000 km of fibre and back are 10 ms, so proximity counts kilometres and not shares of what is
//! allowed. Speed is what the miner says of itself, so it counts little and in doublings; and as
//! pay is per time, computed from the same number, a miner that boasts is paid less. Load spreads
//! tasks over equals. Each part is monotone, and so is the order: a lower price or a higher
//! reputation never makes a rank worse.

use codec::{Decode, Encode, MaxEncodedLen};
use cyborg_primitives::place::{Cell, Region};
use scale_info::TypeInfo;

use crate::distance::kilometres;

/// Below this reputation a miner comes after all others.
pub const PROBATION_BELOW: u8 = 50;
/// Below this reputation a miner gets nothing.
pub const SUSPENDED_BELOW: u8 = 30;
/// The best score.
pub const MAX_SCORE: u32 = PART * (PRICE + PROXIMITY + REPUTATION + SPEED + LOAD);

const PART: u32 = 1000;
const PRICE: u32 = 3;
const PROXIMITY: u32 = 3;
const REPUTATION: u32 = 2;
const SPEED: u32 = 1;
const LOAD: u32 = 1;
/// The distance at which proximity is half.
const HALF_PROXIMITY_KM: u32 = 1000;
const MAX_REPUTATION: u8 = 100;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Regions in which it may run; empty for anywhere.
    pub regions: &'a [Region],
    /// From where distance is counted, and the greatest allowed, in kilometres.
    pub near: Option<(Cell, u32)>,
    /// Lowest reputation allowed.
    pub min_reputation: u8,
    /// Most per compute hour.
    pub price_cap: u128,
    /// Memory that is needed, in mebibytes.
    pub memory_mib: u32,
}

/// A miner on offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Entry {
    /// Its number; no two have the same.
    pub miner: u32,
    /// The region whose law applies to the machine.
    pub region: Region,
    /// The place of the machine.
    pub cell: Cell,
    /// Memory that no task has, in mebibytes.
    pub free_mib: u32,
    /// Integer multiply-accumulates per second.
    pub macs_per_second: u64,
    /// Price per compute hour.
    pub price: u128,
    /// Reputation, at most 100.
    pub reputation: u8,
    /// Tasks that it works on.
    pub load: u32,
}

/// A miner that satisfies a request. Of two, the better is the lesser.
// The order of the fields is the order of candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    on_probation: bool,
    below_best_score: u32,
    price: u128,
    below_best_reputation: u8,
    miner: u32,
    distance_km: Option<u32>,
}

impl Candidate {
    /// Its number.
    #[must_use]
    pub fn miner(&self) -> u32 {
        self.miner
    }

    /// What it asks per compute hour.
    #[must_use]
    pub fn price(&self) -> u128 {
        self.price
    }

    /// Its reputation, at most 100.
    #[must_use]
    pub fn reputation(&self) -> u8 {
        MAX_REPUTATION.saturating_sub(self.below_best_reputation)
    }

    /// Its score, at most [`MAX_SCORE`].
    #[must_use]
    pub fn score(&self) -> u32 {
        MAX_SCORE.saturating_sub(self.below_best_score)
    }

    /// Its distance in kilometres, if the request names a place.
    #[must_use]
    pub fn distance_km(&self) -> Option<u32> {
        self.distance_km
    }
}

impl Request<'_> {
    /// The miner as a candidate; `None` if it violates a constraint.
    #[must_use]
    pub fn assess(&self, entry: &Entry) -> Option<Candidate> {
        let reputation = entry.reputation.min(MAX_REPUTATION);
        let fits = (self.regions.is_empty() || self.regions.contains(&entry.region))
            && entry.free_mib >= self.memory_mib
            && entry.price <= self.price_cap
            && reputation >= self.min_reputation.max(SUSPENDED_BELOW);
        if !fits {
            return None;
        }
        let distance_km = match self.near {
            None => None,
            Some((place, greatest)) => {
                let distance = kilometres(place, entry.cell);
                if distance > greatest {
                    return None;
                }
                Some(distance)
            }
        };
        let score = PRICE * price_part(entry.price, self.price_cap)
            + PROXIMITY * proximity_part(distance_km.unwrap_or(0))
            + REPUTATION * (PART * u32::from(reputation) / u32::from(MAX_REPUTATION))
            + SPEED * speed_part(entry.macs_per_second)
            + LOAD * (PART / entry.load.saturating_add(1));
        Some(Candidate {
            on_probation: reputation < PROBATION_BELOW,
            below_best_score: MAX_SCORE - score,
            price: entry.price,
            below_best_reputation: MAX_REPUTATION - reputation,
            miner: entry.miner,
            distance_km,
        })
    }
}

/// What the price leaves of the cap, which it does not exceed.
fn price_part(price: u128, cap: u128) -> u32 {
    // Both lose the low bits that would overflow the product.
    let excess_bits = (u128::BITS - cap.leading_zeros()).saturating_sub(u128::BITS - 10);
    let (left, whole) = ((cap - price) >> excess_bits, cap >> excess_bits);
    match (left * u128::from(PART)).checked_div(whole) {
        None => PART,
        Some(part) => u32::try_from(part).unwrap_or(PART),
    }
}

fn proximity_part(distance_km: u32) -> u32 {
    PART * HALF_PROXIMITY_KM / distance_km.saturating_add(HALF_PROXIMITY_KM)
}

/// By Mitchell's logarithm: exact at powers of two, linear between, monotone.
fn speed_part(macs_per_second: u64) -> u32 {
    let Some(exponent) = macs_per_second.checked_ilog2() else { return 0 };
    let mantissa = macs_per_second << (63 - exponent);
    let fraction = u32::try_from((mantissa << 1) >> 54).unwrap_or(0);
    let log_1024ths = exponent * 1024 + fraction;
    log_1024ths * PART / (64 * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_at_their_edges() {
        assert_eq!(price_part(0, 0), 1000);
        assert_eq!(price_part(0, u128::MAX), 1000);
        assert_eq!(price_part(u128::MAX, u128::MAX), 0);
        assert_eq!(price_part(u128::MAX / 2, u128::MAX), 500);
        assert_eq!(price_part(25, 100), 750);
        assert_eq!(proximity_part(0), 1000);
        assert_eq!(proximity_part(1000), 500);
        assert_eq!(proximity_part(u32::MAX), 0);
        assert_eq!(speed_part(0), 0);
        assert_eq!(speed_part(1), 0);
        assert_eq!(speed_part(1 << 32), 500);
        assert_eq!(speed_part(u64::MAX), 999);
    }

    #[test]
    fn the_best_miner_has_nearly_the_best_score() {
        let entry = Entry {
            miner: 0,
            region: Region(*b"DE"),
            cell: Cell { latitude: 0, longitude: 0 },
            free_mib: 1,
            macs_per_second: u64::MAX,
            price: 0,
            reputation: 255,
            load: 0,
        };
        let request = Request { regions: &[], near: None, min_reputation: 100, price_cap: 0, memory_mib: 1 };
        let candidate = request.assess(&entry);
        assert_eq!(candidate.map(|best| (best.score(), best.reputation())), Some((MAX_SCORE - 1, 100)));
    }
}
