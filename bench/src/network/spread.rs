//! Times in order: the middle one, the one that nineteen of twenty are below, the longest.

use std::time::Duration;

use serde::Serialize;

/// A few of many times, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// Number of times.
    pub(crate) count: usize,
    pub(crate) median_ms: f64,
    /// The time that 95 of 100 did not exceed.
    pub(crate) p95_ms: f64,
    pub(crate) longest_ms: f64,
    pub(crate) mean_ms: f64,
}

impl Spread {
    /// The spread of these times; zeros if there are none.
    pub(crate) fn of(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<f64> = times.into_iter().map(|time| time.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        let count = times.len();
        // The nearest rank: a time that was measured, not one between two.
        let at = |percent: usize| {
            let rank = (count * percent).div_ceil(100).max(1) - 1;
            times.get(rank).copied().unwrap_or(0.0)
        };
        let mean_ms = times.iter().sum::<f64>() / count.max(1) as f64;
        Self { count, median_ms: at(50), p95_ms: at(95), longest_ms: at(100), mean_ms }
    }

    /// Median, 95 % and longest, as three cells of a table.
    pub(crate) fn cells(&self) -> String {
        format!("{} | {} | {}", ms(self.median_ms), ms(self.p95_ms), ms(self.longest_ms))
    }
}

/// Milliseconds with as many digits as they are worth.
pub(crate) fn ms(milliseconds: f64) -> String {
    match milliseconds {
        ..1.0 => format!("{milliseconds:.3} ms"),
        ..100.0 => format!("{milliseconds:.1} ms"),
        _ => format!("{milliseconds:.0} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Spread, ms};
    use std::time::Duration;

    #[test]
    fn ranks_are_those_of_times_that_were_measured() {
        let spread = Spread::of((1..=20).rev().map(Duration::from_millis));
        assert_eq!((spread.median_ms, spread.p95_ms, spread.longest_ms), (10.0, 19.0, 20.0));
        assert_eq!((spread.count, spread.mean_ms), (20, 10.5));
        let one = Spread::of([Duration::from_millis(7)]);
        assert_eq!((one.median_ms, one.p95_ms, one.longest_ms), (7.0, 7.0, 7.0));
        assert_eq!(Spread::of([]), Spread::default());
    }

    #[test]
    fn digits_follow_the_size() {
        let shown: Vec<String> = [0.0123, 5.04, 1234.5].into_iter().map(ms).collect();
        assert_eq!(shown, ["0.012 ms", "5.0 ms", "1234 ms"]);
    }
}
