//! A task that is served: who may ask, for how much, and which numbers are open.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cyborg_envelope::hpke::PublicKey;
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::window::WIDTH;
use cyborg_primitives::{Account, ModelId, RequestNumber, TaskId};

use crate::loaded::Loaded;
use crate::store::Duty;
use crate::view::Terms;

/// How far ahead of the first unanswered request a sampled task may ask: a period has no gaps, so
/// what follows a gap cannot be paid.
const SAMPLED_AHEAD: u64 = 64;

/// Why a request is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It cannot be read, or was sealed for another.
    #[error("{0}")]
    Malformed(String),
    /// It is authorised for another task, miner or number than it was sent to.
    #[error("the request is authorised for another task, miner or number")]
    OtherRequest,
    /// Neither owner nor delegate has signed.
    #[error("the authorisation is signed neither by the task's owner nor by its delegate")]
    NotAuthorised,
    /// It pays too little.
    #[error("the price cap is {cap}, an answer costs {price}")]
    PriceCap {
        /// Authorised.
        cap: u128,
        /// The tariff.
        price: u128,
    },
    /// The escrow cannot pay it.
    #[error("the task's escrow cannot pay another answer; top it up")]
    Exhausted,
    /// The task is not served here.
    #[error("this miner does not serve this task")]
    UnknownTask,
    /// The task takes nothing new.
    #[error("the task is stopped")]
    Stopped,
    /// The number has an answer already, to another input.
    #[error("number {number} was used for another input")]
    Used {
        /// Which.
        number: RequestNumber,
    },
    /// The number is being answered.
    #[error("number {number} is being answered")]
    UnderWay {
        /// Which.
        number: RequestNumber,
    },
    /// The number is settled or given up on chain.
    #[error("number {number} is settled; the next is above {through}")]
    Settled {
        /// Asked for.
        number: RequestNumber,
        /// All up to this one are settled.
        through: RequestNumber,
    },
    /// The number is too far ahead.
    #[error("number {number} is too far ahead; at most {last} can be answered now")]
    Ahead {
        /// Asked for.
        number: RequestNumber,
        /// Highest that is open.
        last: RequestNumber,
    },
    /// The input does not fit the model or its authorisation.
    #[error("{0}")]
    Input(String),
    /// Too much is waiting.
    #[error("too many requests wait here; try again")]
    Busy,
    /// The miner failed.
    #[error("the miner failed; try again")]
    Failed,
}

/// Limits on what a task may have open.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests of a task that wait for a processor.
    pub waiting: usize,
    /// Maximum of answered requests that are not paid, if acknowledgements or periods pay.
    pub unpaid: u64,
    /// Maximum of proofs of a task that are owed and not made.
    pub unproven: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { waiting: 64, unpaid: 100_000, unproven: 128 }
    }
}

/// What changes while a task is served.
#[derive(Debug)]
pub(crate) struct RequestWindow {
    /// Whether new requests are answered.
    pub(crate) open: bool,
    /// Money, as of the last block.
    pub(crate) terms: Terms,
    /// Answered and not settled.
    pub(crate) answered: BTreeSet<RequestNumber>,
    /// Being answered.
    under_way: BTreeSet<RequestNumber>,
    /// Proofs that are owed and not made.
    pub(crate) unproven: usize,
    /// Number of all answers.
    pub(crate) total: u64,
}

impl RequestWindow {
    /// Begins with what was answered before, settled or not.
    pub(crate) fn new(open: bool, terms: Terms, answered: BTreeSet<RequestNumber>) -> Self {
        let total = answered.len() as u64;
        let mut window = Self { open, terms, answered, under_way: BTreeSet::new(), unproven: 0, total };
        window.update(open, terms);
        window
    }

    /// What the chain says now.
    pub(crate) fn update(&mut self, open: bool, terms: Terms) {
        self.open = open;
        self.terms = terms;
        self.answered.retain(|number| !terms.settled.contains(*number));
    }

    /// The first number that is neither settled nor answered.
    pub(crate) fn first_unanswered(&self) -> RequestNumber {
        let mut number = self.terms.settled.through().saturating_add(1);
        while self.terms.settled.contains(number) || self.answered.contains(&number) {
            number = number.saturating_add(1);
        }
        number
    }

    /// Highest number that is open.
    fn last_open(&self, policy: ProofPolicy, limits: &Limits) -> RequestNumber {
        let through = self.terms.settled.through();
        match policy {
            // A number further ahead would give up those behind.
            ProofPolicy::Every => through.saturating_add(WIDTH),
            ProofPolicy::Sampled { .. } => self.first_unanswered().saturating_add(SAMPLED_AHEAD),
            ProofPolicy::OnDemand => through.saturating_add(limits.unpaid),
        }
    }

    fn admit(
        &mut self,
        policy: ProofPolicy,
        limits: &Limits,
        number: RequestNumber,
        cap: u128,
    ) -> Result<(), Refused> {
        if !self.open {
            return Err(Refused::Stopped);
        }
        let through = self.terms.settled.through();
        if self.terms.settled.contains(number) {
            return Err(Refused::Settled { number, through });
        }
        if self.answered.contains(&number) {
            return Err(Refused::Used { number });
        }
        if self.under_way.contains(&number) {
            return Err(Refused::UnderWay { number });
        }
        let last = self.last_open(policy, limits);
        if number > last {
            return Err(Refused::Ahead { number, last });
        }
        let Terms { per_request, per_proof, compute_left, proofs_left, .. } = self.terms;
        if cap < per_request {
            return Err(Refused::PriceCap { cap, price: per_request });
        }
        let open = (self.answered.len() + self.under_way.len()) as u64;
        if open >= limits.unpaid {
            return Err(Refused::Busy);
        }
        let payable = |left: u128, price: u128| {
            price.checked_mul(u128::from(open) + 1).is_some_and(|needed| needed <= left)
        };
        let proofs = policy == ProofPolicy::Every;
        if !payable(compute_left, per_request) || proofs && !payable(proofs_left, per_proof) {
            return Err(Refused::Exhausted);
        }
        if proofs && self.unproven + self.under_way.len() >= limits.unproven {
            return Err(Refused::Busy);
        }
        self.under_way.insert(number);
        Ok(())
    }
}

/// A task that is served.
pub(crate) struct ServedTask {
    pub(crate) task: TaskId,
    pub(crate) model: ModelId,
    pub(crate) policy: ProofPolicy,
    /// Owner and delegate.
    pub(crate) signers: Vec<Account>,
    pub(crate) result_key: PublicKey,
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) limits: Limits,
    window: Mutex<RequestWindow>,
}

impl ServedTask {
    #[expect(clippy::too_many_arguments, reason = "each is a field")]
    pub(crate) fn new(
        task: TaskId,
        model: ModelId,
        policy: ProofPolicy,
        signers: Vec<Account>,
        result_key: PublicKey,
        loaded: Arc<Loaded>,
        limits: Limits,
        window: RequestWindow,
    ) -> Self {
        Self { task, model, policy, signers, result_key, loaded, limits, window: Mutex::new(window) }
    }

    /// Why every answer owes a proof at once, if it does.
    pub(crate) fn duty(&self) -> Option<Duty> {
        (self.policy == ProofPolicy::Every).then_some(Duty::Every)
    }

    pub(crate) fn window(&self) -> MutexGuard<'_, RequestWindow> {
        // A thread that panicked left whole numbers and counts.
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a number for an answer, until the returned guard is dropped.
    pub(crate) fn admit(self: &Arc<Self>, number: RequestNumber, cap: u128) -> Result<UnderWay, Refused> {
        self.window().admit(self.policy, &self.limits, number, cap)?;
        Ok(UnderWay { served: self.clone(), number })
    }
}

/// A number that is being answered.
pub(crate) struct UnderWay {
    pub(crate) served: Arc<ServedTask>,
    number: RequestNumber,
}

impl UnderWay {
    /// The answer is on the disk.
    pub(crate) fn answered(&self) {
        let mut window = self.served.window();
        window.total += 1;
        if !window.terms.settled.contains(self.number) {
            window.answered.insert(self.number);
        }
        if self.served.policy == ProofPolicy::Every {
            window.unproven += 1;
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.served.window().under_way.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cyborg_primitives::window::Window;

    fn window() -> RequestWindow {
        let terms = Terms {
            per_request: 10,
            per_proof: 3,
            settled: Window::default(),
            compute_left: 1_000_000,
            proofs_left: 1_000_000,
        };
        RequestWindow::new(true, terms, BTreeSet::new())
    }

    const LIMITS: Limits = Limits { waiting: 4, unpaid: 500, unproven: 3 };

    #[test]
    fn a_number_is_taken_once_and_within_the_window() {
        let mut window = window();
        let every = ProofPolicy::Every;
        assert_eq!(window.admit(every, &LIMITS, 1, 10), Ok(()));
        assert_eq!(window.admit(every, &LIMITS, 1, 10), Err(Refused::UnderWay { number: 1 }));
        assert_eq!(
            window.admit(every, &LIMITS, WIDTH + 1, 10),
            Err(Refused::Ahead { number: WIDTH + 1, last: WIDTH })
        );
        assert_eq!(window.admit(every, &LIMITS, 0, 10), Err(Refused::Settled { number: 0, through: 0 }));
        window.under_way.remove(&1);
        window.answered.insert(1);
        assert_eq!(window.admit(every, &LIMITS, 1, 10), Err(Refused::Used { number: 1 }));
        let mut settled = Window::default();
        assert!(settled.settle(1));
        window.update(true, Terms { settled, ..window.terms });
        assert!(window.answered.is_empty());
        assert_eq!(window.admit(every, &LIMITS, 1, 10), Err(Refused::Settled { number: 1, through: 1 }));
        assert_eq!(window.admit(every, &LIMITS, WIDTH + 1, 10), Ok(()));
        assert_eq!(window.admit(ProofPolicy::OnDemand, &LIMITS, 501, 10), Ok(()));
        window.open = false;
        assert_eq!(window.admit(every, &LIMITS, 3, 10), Err(Refused::Stopped));
    }

    #[test]
    fn nothing_is_answered_that_cannot_be_paid() {
        let mut window = window();
        let every = ProofPolicy::Every;
        assert_eq!(window.admit(every, &LIMITS, 1, 9), Err(Refused::PriceCap { cap: 9, price: 10 }));
        window.terms.compute_left = 20;
        assert_eq!(window.admit(every, &LIMITS, 1, 10), Ok(()));
        assert_eq!(window.admit(every, &LIMITS, 2, 10), Ok(()));
        assert_eq!(window.admit(every, &LIMITS, 3, 10), Err(Refused::Exhausted));
        window.terms.compute_left = 1_000;
        window.terms.proofs_left = 8;
        assert_eq!(window.admit(every, &LIMITS, 3, 10), Err(Refused::Exhausted));
        // Acknowledgements pay answers without proofs.
        assert_eq!(window.admit(ProofPolicy::OnDemand, &LIMITS, 3, 10), Ok(()));
        window.terms.per_request = u128::MAX;
        assert_eq!(window.admit(every, &LIMITS, 4, u128::MAX), Err(Refused::Exhausted));
    }

    #[test]
    fn proofs_that_are_not_made_hold_answers_back() {
        let mut window = window();
        window.unproven = 2;
        assert_eq!(window.admit(ProofPolicy::Every, &LIMITS, 1, 10), Ok(()));
        assert_eq!(window.admit(ProofPolicy::Every, &LIMITS, 2, 10), Err(Refused::Busy));
        assert_eq!(window.admit(ProofPolicy::OnDemand, &LIMITS, 2, 10), Ok(()));
    }

    #[test]
    fn a_period_gets_no_gaps() {
        let mut window = window();
        let sampled = ProofPolicy::Sampled { samples: 2 };
        window.answered.extend([1, 2, 4]);
        assert_eq!(window.first_unanswered(), 3);
        assert_eq!(window.admit(sampled, &LIMITS, 3 + SAMPLED_AHEAD, 10), Ok(()));
        let last = 3 + SAMPLED_AHEAD;
        assert_eq!(
            window.admit(sampled, &LIMITS, last + 1, 10),
            Err(Refused::Ahead { number: last + 1, last })
        );
    }
}
