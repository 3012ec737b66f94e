//! When a client that was refused should come back: as soon as there is room for it.
//!
//! A fixed pause sends all refused clients back at once, to be refused again. Here each is queued
//! outside: the pause grows with the clients that were told to come back and with the time that an answer
//! takes, so that they return about as fast as they can be answered. The client adds its own jitter.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Shortest and longest pause, in seconds.
const SHORTEST_S: u64 = 1;
const LONGEST_S: u64 = 30;
/// An answer's time counts for one part in this many of the mean.
const SMOOTHING: u64 = 8;

/// The pace of one task's threads.
#[derive(Debug)]
pub(crate) struct Pace {
    threads: u64,
    /// Mean time of an answer, in microseconds; 0 before the first.
    mean_us: AtomicU64,
    /// Clients that were told to come back, less the answers given since.
    outside: AtomicU64,
}

impl Pace {
    pub(crate) fn new(threads: usize) -> Self {
        let threads = u64::try_from(threads.max(1)).unwrap_or(u64::MAX);
        Self { threads, mean_us: AtomicU64::new(0), outside: AtomicU64::new(0) }
    }

    /// An answer was given, after this time of one thread.
    pub(crate) fn answered(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let change = |change: &dyn Fn(u64) -> u64, value: &AtomicU64| {
            // The closure always returns a value, so that the update always succeeds.
            let _ = value.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |value| Some(change(value)));
        };
        change(
            &|mean| if mean == 0 { took } else { mean - mean / SMOOTHING + took / SMOOTHING },
            &self.mean_us,
        );
        change(&|outside| outside.saturating_sub(1), &self.outside);
    }

    /// A client is refused: the seconds after which it should come back.
    pub(crate) fn refused(&self) -> u64 {
        let mean = self.mean_us.load(Ordering::Relaxed);
        let outside = self.outside.load(Ordering::Relaxed).saturating_add(1);
        let pause = outside.saturating_mul(mean).div_ceil(self.threads.saturating_mul(1_000_000));
        // Clients beyond the longest pause are not counted: some of them will not come back.
        if pause <= LONGEST_S {
            self.outside.fetch_add(1, Ordering::Relaxed);
        }
        pause.clamp(SHORTEST_S, LONGEST_S)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_clients_come_back_as_fast_as_they_can_be_answered() {
        let pace = Pace::new(2);
        assert_eq!(pace.refused(), 1, "nothing was measured yet");
        for _ in 0..100 {
            pace.answered(Duration::from_millis(2));
        }
        // A thousand a second.
        let pauses: Vec<u64> = (0..5_000).map(|_| pace.refused()).collect();
        for second in 1..=5 {
            assert_eq!(pauses.iter().filter(|pause| **pause == second).count(), 1_000, "{second}");
        }
        for _ in 0..5_000 {
            pace.answered(Duration::from_millis(2));
        }
        assert_eq!(pace.refused(), 1);
    }

    #[test]
    fn no_pause_is_longer_than_the_longest() {
        let pace = Pace::new(1);
        pace.answered(Duration::from_secs(10));
        assert_eq!([pace.refused(), pace.refused(), pace.refused(), pace.refused()], [10, 20, 30, 30]);
        // Answers bring the pauses down again.
        pace.answered(Duration::from_secs(10));
        pace.answered(Duration::from_secs(10));
        assert_eq!(pace.refused(), 20);
        pace.answered(Duration::MAX);
        assert_eq!(pace.refused(), 30);
    }
}
