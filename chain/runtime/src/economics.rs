//! What things cost, and how long they may take: every number that governance may one day want to
//! discuss, with the reason for its size.
//!
//! Money is counted in the smallest unit; 10^12 of them are one CYB. Nothing is minted and nothing
//! is burnt: fees, dust and slashes go to accounts.

use crate::{Balance, BlockNumber};
use cyborg_primitives::miner::Offence;
pub use cyborg_primitives::money::{DECIMALS, UNIT};
use polkadot_sdk::sp_runtime::{Perbill, Permill};

/// A thousandth of a CYB.
pub const MILLI: Balance = UNIT / 1_000;
/// A millionth of a CYB.
pub const MICRO: Balance = MILLI / 1_000;

/// Symbol of the token.
pub const SYMBOL: &str = "CYB";
/// The generic prefix of addresses; a prefix of its own needs an entry in the registry first.
pub const SS58_PREFIX: u16 = 42;

/// Chain time of one block: the slot of Aura and of the relay chain.
pub const SLOT_MS: u64 = 6_000;
/// Blocks of a minute.
pub const MINUTES: BlockNumber = 60_000 / SLOT_MS as BlockNumber;
/// Blocks of an hour.
pub const HOURS: BlockNumber = 60 * MINUTES;
/// Blocks of a day.
pub const DAYS: BlockNumber = 24 * HOURS;

/// A minute of chain time.
pub const MINUTE_MS: u64 = 60_000;
/// An hour of chain time.
pub const HOUR_MS: u64 = 60 * MINUTE_MS;
/// A day of chain time.
pub const DAY_MS: u64 = 24 * HOUR_MS;

/// An account with less than this is dust. It pays for the 128 bytes that an account takes.
pub const EXISTENTIAL_DEPOSIT: Balance = MILLI;

/// Deposit for state that stays until its owner removes it: an amount for each item and each byte. A
/// gigabyte of state would bind a hundred thousand CYB.
#[must_use]
pub const fn deposit(items: u32, bytes: u32) -> Balance {
    items as Balance * 20 * MILLI + bytes as Balance * 100 * MICRO
}

/// Fee for a byte of a transaction: a block full of bytes costs 5 CYB, like 2.5 blocks full of work.
pub const BYTE_FEE: Balance = MICRO;
/// Fee for a second of computing: 1 CYB, so that a picosecond costs the smallest unit.
pub const SECOND_FEE: Balance = UNIT;

/// The collators' share of fees; the treasury gets the rest. Collators get all of the tips.
pub const COLLATORS_SHARE: Permill = Permill::from_percent(50);
/// The treasury's share of what owners pay to miners.
pub const TREASURY_SHARE: Permill = Permill::from_percent(5);

/// Least bond of a miner: what a fifth of it, the price of a false proof, has to outweigh is a few
/// days of what a task pays.
pub const MINIMUM_BOND: Balance = 1_000 * UNIT;
/// How long a bond stays after deregistration. A task's settlement holds a miner liable by itself;
/// this is for what comes to light when it has ended.
pub const UNBONDING_MS: u64 = DAY_MS;
/// A miner that is silent for this long is inactive: three heartbeats of five minutes may be lost.
pub const HEARTBEAT_TIMEOUT_MS: u64 = 16 * MINUTE_MS;
/// How often each miner's heartbeat is looked at.
pub const CHECK_INTERVAL_MS: u64 = 10 * MINUTE_MS;
/// Uninterrupted service that gives back a point of reputation: a false proof takes 40 days.
pub const SERVICE_PERIOD_MS: u64 = DAY_MS;

/// Time for an owner to wrap keys; its program does it at once, a person may have to confirm.
pub const KEYS_MS: u64 = 30 * MINUTE_MS;
/// Time for a miner to fetch a model, check it and confirm.
pub const CONFIRMATION_MS: u64 = HOUR_MS;
/// Time for an owner to reveal after a commitment to receipts, and to challenge it.
pub const REVEAL_MS: u64 = 10 * MINUTE_MS;
/// Time for a miner to prove what was drawn. The slowest proof that fits a block takes minutes.
pub const PROVE_MS: u64 = 30 * MINUTE_MS;
/// Time for a miner to answer a challenge or prove what was demanded.
pub const ANSWER_MS: u64 = 20 * MINUTE_MS;
/// Time to prove and settle after the stop: all of the three above one after another, and some.
pub const SETTLEMENT_MS: u64 = 70 * MINUTE_MS;
/// Time between searches for a miner of an open place.
pub const RETRY_MS: u64 = 2 * MINUTE_MS;
/// Least that a task may live, however little it bought.
pub const MIN_DURATION_MS: u64 = HOUR_MS;
/// Most that a task may live.
pub const MAX_DURATION_MS: u64 = 90 * DAY_MS;
/// A task may live so many times the compute time that it bought: miners' memory that waits for
/// requests is not paid.
pub const IDLE_FACTOR: u64 = 24;
/// How long the record of an ended task stays.
pub const RETENTION_MS: u64 = 7 * DAY_MS;
/// A miner may decline once in this time, on average.
pub const DECLINE_MS: u64 = 10 * MINUTE_MS;
/// An attestation names a block at most this old.
pub const MAX_ATTESTATION_AGE: BlockNumber = 10 * MINUTES;
/// How late a deadline of a task may be noticed.
pub const AGENDA_BUCKET_MS: u64 = 30_000;
/// Period of resource reports.
pub const REPORT_PERIOD_MS: u64 = 10 * MINUTE_MS;

/// What an offence costs: a share of the bond, and points of reputation (of 100; below 50 a miner
/// is ranked last, below 30 it is suspended).
///
/// Shares grow with how hard it is to do the thing by accident. Nobody sends a false proof that
/// checked it first, so one suspends at once when the miner has a past; signing two answers cannot
/// happen to honest software and ends a career.
#[must_use]
pub const fn penalty(offence: Offence) -> (Perbill, u8) {
    match offence {
        Offence::Inactive => (Perbill::from_perthousand(2), 2),
        Offence::Unconfirmed => (Perbill::from_perthousand(5), 5),
        Offence::Abandoned => (Perbill::from_percent(2), 10),
        Offence::Unproven => (Perbill::from_percent(5), 20),
        Offence::InventedRequest => (Perbill::from_percent(10), 30),
        Offence::FalseProof => (Perbill::from_percent(20), 40),
        Offence::Equivocation => (Perbill::from_percent(50), 80),
    }
}

// Settlement covers every deadline of proofs, and a bond outlives it.
const _: () = assert!(SETTLEMENT_MS > REVEAL_MS + PROVE_MS + ANSWER_MS);
const _: () = assert!(UNBONDING_MS > SETTLEMENT_MS);
const _: () = assert!(HEARTBEAT_TIMEOUT_MS > CHECK_INTERVAL_MS);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worse_costs_more() {
        let ladder = [
            Offence::Inactive,
            Offence::Unconfirmed,
            Offence::Abandoned,
            Offence::Unproven,
            Offence::InventedRequest,
            Offence::FalseProof,
            Offence::Equivocation,
        ];
        for pair in ladder.windows(2) {
            let ((less, few), (more, many)) = (penalty(pair[0]), penalty(pair[1]));
            assert!(less < more && few < many, "{pair:?}");
        }
    }
}
