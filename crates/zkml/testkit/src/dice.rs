//! Repeatable random numbers: the same seed gives the same sequence everywhere.

/// A small generator of random numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The sequence that follows from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next sixty-four bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number in `low..=high`, each as likely as the others.
    pub fn roll(&mut self, low: i64, high: i64) -> i64 {
        low + (self.word() % ((high - low) as u64 + 1)) as i64
    }

    /// A number in `low..=high`, now and then one of the ends.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        match self.word() % 8 {
            0 => low,
            1 => high,
            _ => self.roll(low, high),
        }
    }

    /// A number in `low..=high`.
    pub fn u32(&mut self, low: u32, high: u32) -> u32 {
        low + (self.word() % u64::from(high - low + 1)) as u32
    }

    /// A number below `bound`, which counts as 1 if it is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.word() % bound.max(1) as u64) as usize
    }

    /// True in so many of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.word() % 100 < percent
    }
}
