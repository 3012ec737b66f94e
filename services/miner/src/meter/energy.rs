//! Energy from counters that are read now and then, and from power that is read often.

use std::time::{Duration, Instant};

use super::EnergySource;

/// Power that was not read for longer than this says nothing about the time between.
const MAX_GAP: Duration = Duration::from_secs(5);

/// Something that measures energy.
pub(super) trait Source: Send {
    /// What it is.
    fn kind(&self) -> EnergySource;
    /// Whether it gives power, which is to be read often.
    fn is_summed(&self) -> bool;
    /// Reads it.
    fn tick(&mut self, now: Instant);
    /// Energy between the last readings before this call and the one before, in microjoules; `None`
    /// if some of it is unknown.
    fn take(&mut self) -> Option<u64>;
}

/// The steps of a counter, summed.
#[derive(Debug)]
pub(super) struct Counted {
    /// Its greatest value, if it wraps.
    most: Option<u64>,
    last: Option<u64>,
    sum: u64,
    whole: bool,
}

impl Counted {
    pub(super) fn new(first: u64, most: Option<u64>) -> Self {
        Self { most, last: Some(first), sum: 0, whole: true }
    }

    /// Takes in a reading; `None` if it failed.
    pub(super) fn add(&mut self, reading: Option<u64>) {
        let step = self.last.zip(reading).and_then(|(last, now)| match now.checked_sub(last) {
            Some(step) => Some(step),
            // A counter that never wraps was reset by something else.
            None => self.most?.checked_sub(last)?.checked_add(now),
        });
        match step.and_then(|step| self.sum.checked_add(step)) {
            Some(sum) => self.sum = sum,
            None => self.whole = false,
        }
        self.last = reading;
    }

    /// The sum since this was last called; `None` if a reading failed.
    pub(super) fn take(&mut self) -> Option<u64> {
        let sum = std::mem::take(&mut self.sum);
        std::mem::replace(&mut self.whole, self.last.is_some()).then_some(sum)
    }
}

/// Energy as the integral of power, by the trapezoidal rule.
#[derive(Debug)]
pub(super) struct Summed {
    /// When power was read last, and what it was, in microwatts.
    last: Option<(Instant, u64)>,
    /// In picojoules: microwatts times microseconds.
    sum: u128,
    whole: bool,
}

impl Summed {
    pub(super) fn new(now: Instant, power_uw: u64) -> Self {
        Self { last: Some((now, power_uw)), sum: 0, whole: true }
    }

    /// Takes in a reading; `None` if it failed.
    pub(super) fn add(&mut self, now: Instant, power_uw: Option<u64>) {
        match self.last.zip(power_uw) {
            Some(((at, before), power)) if now.saturating_duration_since(at) <= MAX_GAP => {
                let mean = (u128::from(before) + u128::from(power)) / 2;
                self.sum += mean * now.saturating_duration_since(at).as_micros();
            }
            _ => self.whole = false,
        }
        self.last = power_uw.map(|power| (now, power));
    }

    /// The energy since this was last called, in microjoules; `None` if a reading failed or came
    /// too late.
    pub(super) fn take(&mut self) -> Option<u64> {
        const PICO: u128 = 1_000_000;
        let energy = u64::try_from(self.sum / PICO).ok();
        // A rest below a microjoule counts the next time.
        self.sum %= PICO;
        std::mem::replace(&mut self.whole, self.last.is_some()).then_some(energy).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_begins_again_or_is_set_back() {
        let mut counter = Counted::new(90, Some(100));
        counter.add(Some(95));
        counter.add(Some(10));
        assert_eq!(counter.take(), Some(20));
        assert_eq!(counter.take(), Some(0));
        counter.add(None);
        counter.add(Some(50));
        assert_eq!(counter.take(), None);
        counter.add(Some(53));
        assert_eq!(counter.take(), Some(3));
        counter.add(None);
        assert_eq!(counter.take(), None);
        counter.add(Some(60));
        // It is unknown since when it counts.
        assert_eq!(counter.take(), None);
        counter.add(Some(61));
        assert_eq!(counter.take(), Some(1));
        // An invalid greatest value.
        let mut odd = Counted::new(90, Some(80));
        odd.add(Some(5));
        assert_eq!(odd.take(), None);
        let mut endless = Counted::new(90, None);
        endless.add(Some(5));
        assert_eq!(endless.take(), None);
        endless.add(Some(u64::MAX));
        endless.add(Some(u64::MAX));
        assert_eq!(endless.take(), Some(u64::MAX - 5));
    }

    #[test]
    fn power_becomes_energy() {
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        let mut power = Summed::new(begun, 1_000_000);
        power.add(at(1_000), Some(3_000_000));
        // One second at two watts on average.
        assert_eq!(power.take(), Some(2_000_000));
        power.add(at(1_250), Some(3_000_000));
        power.add(at(1_500), Some(1_000_000));
        assert_eq!(power.take(), Some(750_000 + 500_000));
        assert_eq!(power.take(), Some(0));
        // Nothing is lost by taking often.
        let mut little = Summed::new(begun, 3);
        let mut sum = 0;
        for step in 1..=1_000 {
            little.add(at(step * 4), Some(3));
            sum += little.take().unwrap_or(0);
        }
        assert_eq!(sum, 12);
    }

    #[test]
    fn time_without_readings_is_not_made_up() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut power = Summed::new(begun, 1_000_000);
        power.add(at(6), Some(1_000_000));
        power.add(at(7), Some(1_000_000));
        assert_eq!(power.take(), None);
        power.add(at(8), Some(1_000_000));
        assert_eq!(power.take().map(|energy| energy / 1_000_000), Some(1));
        power.add(at(9), None);
        power.add(at(10), Some(1_000_000));
        assert_eq!(power.take(), None);
        power.add(at(11), Some(u64::MAX));
        assert!(power.take().is_some());
        // An earlier reading adds nothing.
        power.add(at(3), Some(0));
        assert_eq!(power.take(), Some(0));
    }
}
