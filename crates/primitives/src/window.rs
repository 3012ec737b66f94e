//! The settled request numbers: all up to one, and a bit for each beyond it.
//!
//! A number is settled at most once. Numbers may come out of order within [`WIDTH`]; a number
//! further ahead moves the window, and what it leaves behind can no longer be settled.

use crate::RequestNumber;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// How far apart unsettled numbers may be.
pub const WIDTH: u64 = 128;

/// The settled numbers of one miner on one task.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Window {
    /// Every number up to this one is settled or abandoned.
    through: RequestNumber,
    /// Bit `i` says whether `through + 1 + i` is settled; bit 0 is clear.
    ahead: u128,
}

impl Window {
    /// Every number up to this one is settled or abandoned.
    #[must_use]
    pub fn through(&self) -> RequestNumber {
        self.through
    }

    /// Whether a number is settled or abandoned. 0 always is.
    #[must_use]
    pub fn contains(&self, number: RequestNumber) -> bool {
        match number.checked_sub(self.through) {
            None | Some(0) => true,
            Some(ahead) => ahead <= WIDTH && self.ahead >> (ahead - 1) & 1 == 1,
        }
    }

    /// Settles one number. Returns false if it was settled or abandoned before.
    #[must_use]
    pub fn settle(&mut self, number: RequestNumber) -> bool {
        if self.contains(number) {
            return false;
        }
        if number - self.through > WIDTH {
            self.advance(number - WIDTH);
        }
        self.ahead |= 1 << (number - self.through - 1);
        self.drop_settled();
        true
    }

    /// Settles all numbers up to one. Returns how many were not settled before.
    pub fn settle_through(&mut self, number: RequestNumber) -> u64 {
        let Some(count @ 1..) = number.checked_sub(self.through) else { return 0 };
        let mask = if count >= WIDTH { u128::MAX } else { (1 << count) - 1 };
        let before = u64::from((self.ahead & mask).count_ones());
        self.advance(number);
        self.drop_settled();
        count - before
    }

    fn advance(&mut self, through: RequestNumber) {
        let shift = through - self.through;
        self.ahead = if shift >= WIDTH { 0 } else { self.ahead >> shift };
        self.through = through;
    }

    fn drop_settled(&mut self) {
        let settled = u64::from(self.ahead.trailing_ones());
        if settled > 0 {
            self.advance(self.through.saturating_add(settled));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{WIDTH, Window};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// Against a set: no number is settled twice, and counts are what was new.
        #[test]
        fn behaves_like_a_set(steps in prop::collection::vec((any::<bool>(), 0_u64..400), 0..200)) {
            let mut window = Window::default();
            let mut settled = BTreeSet::new();
            let mut floor = 0;
            for (all, number) in steps {
                if all {
                    let new = (floor + 1..=number).filter(|n| settled.insert(*n)).count() as u64;
                    prop_assert_eq!(window.settle_through(number), new);
                    floor = floor.max(number);
                } else {
                    let new = number > floor && settled.insert(number);
                    prop_assert_eq!(window.settle(number), new);
                    if new {
                        floor = floor.max(number.saturating_sub(WIDTH));
                    }
                }
                while settled.contains(&(floor + 1)) {
                    floor += 1;
                }
                prop_assert_eq!(window.through(), floor);
                for n in 0..600 {
                    prop_assert_eq!(window.contains(n), n <= floor || settled.contains(&n), "{}", n);
                }
            }
        }
    }

    #[test]
    fn edges() {
        let mut window = Window::default();
        assert!(!window.settle(0));
        assert!(window.settle(u64::MAX));
        assert!(!window.settle(u64::MAX));
        assert_eq!(window.settle_through(u64::MAX), WIDTH - 1);
        assert_eq!(window.settle_through(u64::MAX), 0);
        assert!(!window.settle(u64::MAX));
        let mut window = Window::default();
        assert_eq!(window.settle_through(u64::MAX), u64::MAX);
    }
}
