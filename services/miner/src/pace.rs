//! When a client that was refused should come back: as soon as there is room for it.
//!
//! A fixed pause sends all refused clients back at once, to be refused again. Here each gets a time
//! of its own, one answer after the other, so that they return about as fast as they can be answered
//! (virtual scheduling, as in ITU-T I.371's GCRA). The client adds its own jitter.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shortest and longest pause, in seconds.
const SHORTEST_S: u64 = 1;
const LONGEST_S: u64 = 30;
/// An answer's time counts for one part in this many of the mean.
const SMOOTHING: u32 = 8;

/// The pace of one task's threads.
#[derive(Debug)]
pub(crate) struct Pace {
    threads: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Mean time of an answer; zero before the first.
    mean: Duration,
    /// When everybody who was told to come back will have been answered.
    free: Instant,
}

impl Pace {
    pub(crate) fn new(threads: usize) -> Self {
        let threads = u32::try_from(threads.max(1)).unwrap_or(u32::MAX);
        Self { threads, state: Mutex::new(State { mean: Duration::ZERO, free: Instant::now() }) }
    }

    /// An answer was given, after this time of one thread.
    pub(crate) fn answered(&self, took: Duration) {
        // Whoever panicked left two times, each of them whole.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.mean = match state.mean {
            Duration::ZERO => took,
            mean => (mean - mean / SMOOTHING).saturating_add(took / SMOOTHING),
        };
    }

    /// A client is refused now: the seconds after which it should come back.
    pub(crate) fn refused(&self, now: Instant) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = state.free.saturating_duration_since(now).saturating_add(state.mean / self.threads);
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
        // Whoever would wait longer than the longest pause is given no time: it may not come back.
        if seconds <= LONGEST_S {
            state.free = now + wait;
        }
        seconds.clamp(SHORTEST_S, LONGEST_S)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_clients_come_back_as_fast_as_they_can_be_answered() {
        let (pace, now) = (Pace::new(2), Instant::now());
        assert_eq!(pace.refused(now), 1, "nothing was measured yet");
        for _ in 0..100 {
            pace.answered(Duration::from_millis(2));
        }
        // A thousand a second.
        let pauses: Vec<u64> = (0..5_000).map(|_| pace.refused(now)).collect();
        for second in 1..=5 {
            assert_eq!(pauses.iter().filter(|pause| **pause == second).count(), 1_000, "{second}");
        }
        // Time alone makes room again, whether they came back or not.
        assert_eq!(pace.refused(now + Duration::from_secs(4)), 2);
        assert_eq!(pace.refused(now + Duration::from_secs(60)), 1);
    }

    #[test]
    fn no_pause_is_longer_than_the_longest() {
        let (pace, now) = (Pace::new(1), Instant::now());
        pace.answered(Duration::from_secs(10));
        assert_eq!([(); 5].map(|()| pace.refused(now)), [10, 20, 30, 30, 30]);
        assert_eq!(pace.refused(now + Duration::from_secs(10)), 30);
        pace.answered(Duration::MAX);
        assert_eq!(pace.refused(now), 30);
    }
}
