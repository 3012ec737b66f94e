//! Challenges for clients that want to watch a task: fresh, for one task, valid once within a minute.
//!
//! ```text
//! nonce  issued 8 (milliseconds since the miner was started) | random 8 | tag 16
//! tag    BLAKE3 under a key of this process, over task 8 | issued | random
//! ```
//!
//! A challenge is remembered only when it is used and was signed by an account that may watch: a flood of
//! challenges takes no memory, and keeps nobody out. No challenge outlives the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cyborg_primitives::TaskId;
use thiserror::Error;

/// How long a challenge is valid.
pub(crate) const LIFETIME: Duration = Duration::from_secs(60);
/// Maximum of challenges of one task that are used within their lifetime.
const MOST_USED: usize = 256;

/// A challenge.
pub(crate) type Nonce = [u8; 32];

/// Why a challenge is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Bad {
    /// It was not made here for this task.
    #[error("the challenge is not one of this miner for this task")]
    Foreign,
    /// It has expired.
    #[error("the challenge has expired; ask for another")]
    Expired,
    /// It was used.
    #[error("the challenge was used; ask for another")]
    Used,
    /// Too many were used.
    #[error("too many challenges of this task were used in the last minute")]
    TooMany,
}

/// Makes challenges and recognises its own.
pub(crate) struct Challenges {
    key: [u8; 32],
    begun: Instant,
    /// Challenges that were used and have not expired: their account, and when they were made.
    used: Mutex<BTreeMap<Nonce, (TaskId, Duration)>>,
}

impl Challenges {
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        Self::since(Instant::now())
    }

    /// The challenges of a miner that was started at a time.
    pub(crate) fn since(begun: Instant) -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self { key, begun, used: Mutex::default() })
    }

    /// A fresh challenge for a task.
    pub(crate) fn issue(&self, task: TaskId) -> Result<Nonce, getrandom::Error> {
        self.issue_at(task, self.begun.elapsed())
    }

    /// A challenge that is made at this time after the start.
    pub(crate) fn issue_at(&self, task: TaskId, now: Duration) -> Result<Nonce, getrandom::Error> {
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&millis(now).to_le_bytes());
        getrandom::fill(&mut nonce[8..16])?;
        let tag = self.tag(task, &nonce);
        nonce[16..].copy_from_slice(&tag);
        Ok(nonce)
    }

    fn tag(&self, task: TaskId, nonce: &Nonce) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&task.to_le_bytes()).update(&nonce[..16]);
        let mut tag = [0; 16];
        hasher.finalize_xof().fill(&mut tag);
        tag
    }

    /// Whether a challenge was made here for a task, and is not too old.
    pub(crate) fn check(&self, task: TaskId, nonce: &Nonce) -> Result<(), Bad> {
        self.check_at(task, nonce, self.begun.elapsed()).map(|_| ())
    }

    fn check_at(&self, task: TaskId, nonce: &Nonce, now: Duration) -> Result<Duration, Bad> {
        // Comparing hashes takes equal time whatever is in them.
        let whole = |tag: &[u8]| {
            let mut bytes = [0; 32];
            bytes[..tag.len()].copy_from_slice(tag);
            blake3::Hash::from_bytes(bytes)
        };
        if whole(&nonce[16..]) != whole(&self.tag(task, nonce)) {
            return Err(Bad::Foreign);
        }
        let issued = nonce.first_chunk().map_or(0, |issued| u64::from_le_bytes(*issued));
        let issued = Duration::from_millis(issued);
        if now.saturating_sub(issued) >= LIFETIME { Err(Bad::Expired) } else { Ok(issued) }
    }

    /// Uses a challenge up.
    pub(crate) fn spend(&self, task: TaskId, nonce: &Nonce) -> Result<(), Bad> {
        self.spend_at(task, nonce, self.begun.elapsed())
    }

    fn spend_at(&self, task: TaskId, nonce: &Nonce, now: Duration) -> Result<(), Bad> {
        let issued = self.check_at(task, nonce, now)?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, (_, issued)| now.saturating_sub(*issued) < LIFETIME);
        if used.contains_key(nonce) {
            return Err(Bad::Used);
        }
        if used.values().filter(|(of, _)| *of == task).count() >= MOST_USED {
            return Err(Bad::TooMany);
        }
        used.insert(*nonce, (task, issued));
        Ok(())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_challenge_is_good_once_for_one_task_for_a_minute() {
        let (here, there) = (Challenges::new().unwrap(), Challenges::new().unwrap());
        let nonce = here.issue_at(1, 5 * SECOND).unwrap();
        assert_eq!(here.check_at(1, &nonce, 6 * SECOND), Ok(5 * SECOND));
        assert_eq!(here.check_at(2, &nonce, 6 * SECOND), Err(Bad::Foreign));
        assert_eq!(there.check_at(1, &nonce, 6 * SECOND), Err(Bad::Foreign));
        assert_eq!(here.check_at(1, &nonce, 64 * SECOND), Ok(5 * SECOND));
        assert_eq!(here.check_at(1, &nonce, 65 * SECOND), Err(Bad::Expired));
        // A challenge that is made younger has a wrong tag.
        for byte in 0..32 {
            let mut altered = nonce;
            altered[byte] ^= 1;
            assert_eq!(here.spend_at(1, &altered, 6 * SECOND), Err(Bad::Foreign), "{byte}");
        }
        assert_eq!(here.spend_at(1, &nonce, 6 * SECOND), Ok(()));
        assert_eq!(here.spend_at(1, &nonce, 7 * SECOND), Err(Bad::Used));
        assert_eq!(here.spend_at(1, &nonce, 65 * SECOND), Err(Bad::Expired));
        assert_ne!(here.issue_at(1, SECOND).unwrap(), here.issue_at(1, SECOND).unwrap());
    }

    #[test]
    fn floods_take_no_memory_and_keep_nobody_else_out() {
        let challenges = Challenges::new().unwrap();
        let mine = challenges.issue_at(1, SECOND).unwrap();
        for _ in 0..10_000 {
            challenges.issue_at(1, SECOND).unwrap();
        }
        assert!(challenges.used.lock().unwrap().is_empty());
        assert_eq!(challenges.spend_at(1, &mine, 2 * SECOND), Ok(()));
        // An account that may watch one task exhausts that task's challenges alone, and for a while.
        let spend = |task, now| challenges.spend_at(task, &challenges.issue_at(task, now).unwrap(), now);
        for _ in 1..MOST_USED {
            assert_eq!(spend(1, 3 * SECOND), Ok(()));
        }
        assert_eq!(spend(1, 3 * SECOND), Err(Bad::TooMany));
        assert_eq!(spend(2, 3 * SECOND), Ok(()));
        assert_eq!(spend(1, 70 * SECOND), Ok(()));
        assert_eq!(challenges.used.lock().unwrap().len(), 1);
    }
}
