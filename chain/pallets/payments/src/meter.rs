//! What one miner was paid on one task, as arithmetic without storage.

use crate::Balance;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use cyborg_interface::{SettleError, Settled, Tariff};
use cyborg_primitives::RequestNumber;
use cyborg_primitives::window::Window;
use scale_info::TypeInfo;

/// Money set aside for one purpose.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Purse {
    /// All that was ever put in.
    pub deposited: Balance,
    /// What is left.
    pub left: Balance,
}

impl Purse {
    /// Puts money in; `None` where the sum does not fit.
    #[must_use]
    pub fn put(self, amount: Balance) -> Option<Self> {
        Some(Self { deposited: self.deposited.checked_add(amount)?, left: self.left.checked_add(amount)? })
    }

    /// Takes money out; `None` where there is too little.
    #[must_use]
    pub fn take(self, amount: Balance) -> Option<Self> {
        Some(Self { left: self.left.checked_sub(amount)?, ..self })
    }
}

/// What is to be paid at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Requests that are settled by it.
    pub requests: u64,
    /// For these requests.
    pub compute: Balance,
    /// For proofs.
    pub proofs: Balance,
}

/// What one miner was paid on one task.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Meter {
    /// Fixed when the miner was engaged.
    pub per_request: Balance,
    /// Fixed when the miner was engaged.
    pub per_proof: Balance,
    /// Which requests are settled.
    pub window: Window,
    /// How many requests were paid.
    pub requests: u64,
    /// What was paid for them: at most `requests × per_request`, less where a cap was lower.
    pub compute_paid: Balance,
    /// How many proofs were paid, each `per_proof`.
    pub proofs: u64,
}

impl Meter {
    /// The meter of a miner that was not paid yet.
    #[must_use]
    pub fn new(tariff: Tariff<Balance>) -> Self {
        Self {
            per_request: tariff.per_request,
            per_proof: tariff.per_proof,
            window: Window::default(),
            requests: 0,
            compute_paid: 0,
            proofs: 0,
        }
    }

    /// What was paid for proofs; `None` where it does not fit, which no escrow can reach.
    #[must_use]
    pub fn proofs_paid(&self) -> Option<Balance> {
        self.per_proof.checked_mul(self.proofs.into())
    }

    /// Settles requests, each at most `cap`, and counts proofs. What is due for it.
    ///
    /// # Errors
    /// Returns [`SettleError::Settled`] if there is nothing to settle and no proof to pay, and
    /// [`SettleError::Exhausted`] if the sum fits no escrow. The meter must not be used afterwards.
    pub fn settle(&mut self, requests: Settled, cap: Balance, proofs: u32) -> Result<Due, SettleError> {
        let new = match requests {
            Settled::One(number) if self.window.settle(number) => 1,
            Settled::One(_) => return Err(SettleError::Settled),
            Settled::Through(number) => self.window.settle_through(number),
        };
        if new == 0 && proofs == 0 {
            return Err(SettleError::Settled);
        }
        let product =
            |rate: Balance, count: u64| rate.checked_mul(count.into()).ok_or(SettleError::Exhausted);
        let due = Due {
            requests: new,
            compute: product(self.per_request.min(cap), new)?,
            proofs: product(self.per_proof, proofs.into())?,
        };
        // Each number is counted once: there are no more of them than a u64 can name.
        self.requests = self.requests.saturating_add(new);
        self.compute_paid = self.compute_paid.checked_add(due.compute).ok_or(SettleError::Exhausted)?;
        self.proofs = self.proofs.checked_add(proofs.into()).ok_or(SettleError::Exhausted)?;
        Ok(due)
    }

    /// The greatest number not above `through` up to which money pays for all requests.
    #[must_use]
    pub fn affordable(&self, through: RequestNumber, money: Balance) -> RequestNumber {
        let new = |number| self.window.clone().settle_through(number);
        let Some(most) = money.checked_div(self.per_request) else { return through };
        if Balance::from(new(through)) <= most {
            return through;
        }
        // Up to `paid` it is enough, up to `unpaid` it is not.
        let (mut paid, mut unpaid) = (self.window.through(), through);
        while unpaid.saturating_sub(paid) > 1 {
            let middle = paid + (unpaid - paid) / 2;
            if Balance::from(new(middle)) <= most { paid = middle } else { unpaid = middle }
        }
        paid
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn meter(per_request: Balance, per_proof: Balance) -> Meter {
        Meter::new(Tariff { per_request, per_proof })
    }

    #[test]
    fn a_cap_lowers_the_tariff_and_never_raises_it() {
        let mut meter = meter(10, 3);
        assert_eq!(meter.settle(Settled::One(1), 4, 0).unwrap().compute, 4);
        assert_eq!(meter.settle(Settled::One(2), 40, 0).unwrap().compute, 10);
        assert_eq!(meter.settle(Settled::Through(5), 2, 2), Ok(Due { requests: 3, compute: 6, proofs: 6 }));
        assert_eq!((meter.requests, meter.compute_paid, meter.proofs), (5, 20, 2));
    }

    #[test]
    fn nothing_is_settled_twice() {
        let mut meter = meter(10, 3);
        meter.settle(Settled::One(2), 10, 0).unwrap();
        assert_eq!(meter.clone().settle(Settled::One(2), 10, 1), Err(SettleError::Settled));
        assert_eq!(meter.clone().settle(Settled::One(0), 10, 1), Err(SettleError::Settled));
        assert_eq!(meter.clone().settle(Settled::Through(0), 10, 0), Err(SettleError::Settled));
        assert_eq!(meter.settle(Settled::Through(2), 10, 0).unwrap().compute, 10);
        assert_eq!(meter.settle(Settled::Through(2), 10, 1), Ok(Due { requests: 0, compute: 0, proofs: 3 }));
    }

    #[test]
    fn sums_that_do_not_fit_are_refused() {
        assert_eq!(
            meter(u128::MAX, 0).settle(Settled::Through(2), u128::MAX, 0),
            Err(SettleError::Exhausted)
        );
        assert_eq!(meter(0, u128::MAX).settle(Settled::One(1), 0, 2), Err(SettleError::Exhausted));
        let mut all = meter(1, 0);
        assert_eq!(all.settle(Settled::Through(u64::MAX), 1, 0).unwrap().requests, u64::MAX);
        let mut most = meter(u128::MAX, 0);
        most.settle(Settled::One(1), u128::MAX, 0).unwrap();
        assert_eq!(most.settle(Settled::One(2), 1, 0), Err(SettleError::Exhausted));
    }

    #[test]
    fn a_purse_neither_overflows_nor_goes_below_zero() {
        let purse = Purse::default().put(5).unwrap();
        assert_eq!(purse.take(3), Some(Purse { deposited: 5, left: 2 }));
        assert_eq!(purse.take(6), None);
        assert_eq!(purse.put(u128::MAX), None);
    }

    proptest! {
        /// Against the definition, number by number.
        #[test]
        fn affordable_is_the_greatest(
            before in prop::collection::vec(1_u64..40, 0..10),
            rate in 0_u128..4,
            money in 0_u128..60,
            through in 0_u64..60,
        ) {
            let mut meter = meter(rate, 0);
            for number in before {
                let _ = meter.settle(Settled::One(number), rate, 0);
            }
            let cost = |number| rate * u128::from(meter.window.clone().settle_through(number));
            let number = meter.affordable(through, money);
            prop_assert!(number <= through.max(meter.window.through()));
            prop_assert!(cost(number) <= money);
            for more in number + 1..=through {
                prop_assert!(cost(more) > money);
            }
        }
    }
}
