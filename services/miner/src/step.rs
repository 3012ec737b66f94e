//! The life of a task at its miner, as a rule without side effects.
//!
//! ```text
//! Assigned ─▶ KeysProvided ─▶ Fetching ─▶ Prepared ─▶ Confirming ─▶ Serving ─▶ Settling ─▶ Ended
//!                 └────────────────┴──▶ Declining ─▶ Declined                             ▲
//!                                          └─▶ Failed ───────────────────────────────────┘
//! ```
//!
//! The chain decides where a task is; the miner remembers how far its own work has come. After any
//! absence both are read, and [`Step::reconciled`] returns the step to continue from: every step may be
//! begun again.

use codec::{Decode, Encode};
use cyborg_primitives::Digest;

/// Why a miner declines, as the chain names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Cause {
    /// The wrapped key does not open.
    Key,
    /// The files cannot be fetched, or are not those of the manifest.
    Files,
    /// The model does not load, is not the registered one, or fails its test.
    Model,
}

/// How far the miner has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Step {
    /// The miner is chosen, and waits for the content key.
    Assigned,
    /// The key is on chain.
    KeysProvided,
    /// The model is being fetched, checked, tried and sealed.
    Fetching,
    /// The model is sealed in the vault.
    Prepared {
        /// What the attestation says about the test.
        test: Digest,
    },
    /// The attestation is under way.
    Confirming {
        /// What it says about the test.
        test: Digest,
        /// Number of earlier attestations: they go stale.
        attempt: u32,
    },
    /// The miner answers requests.
    Serving,
    /// The miner no longer answers, and proves what is left.
    Settling,
    /// The refusal is under way.
    Declining {
        /// Why.
        cause: Cause,
    },
    /// The miner declined, and another has its place.
    Declined {
        /// Why.
        cause: Cause,
    },
    /// The miner neither confirmed nor declined in time.
    Failed,
    /// The task is over: nothing is kept.
    Ended,
}

/// How a miner stands on a task, by the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The task is vacated, or the miner was never on it.
    Gone,
    /// The miner waits for a key, or to take over.
    Keyless,
    /// The miner has the key, and is to confirm.
    Keyed,
    /// The miner has confirmed, and the task runs.
    Confirmed,
    /// The miner had confirmed, and has left or the task is stopped: it may still be paid or punished.
    Liable,
    /// The miner left without confirming.
    Left,
}

impl Step {
    /// The step to continue from, by what the chain says now.
    #[must_use]
    pub fn reconciled(self, standing: Standing) -> Self {
        match (standing, self) {
            (Standing::Gone, _) => Self::Ended,
            (Standing::Keyless, Self::Declining { .. }) => self,
            (Standing::Keyless, _) => Self::Assigned,
            (
                Standing::Keyed,
                Self::KeysProvided
                | Self::Fetching
                | Self::Prepared { .. }
                | Self::Confirming { .. }
                | Self::Declining { .. },
            ) => self,
            (Standing::Keyed, _) => Self::KeysProvided,
            (Standing::Confirmed, Self::Prepared { .. } | Self::Confirming { .. } | Self::Serving) => {
                Self::Serving
            }
            // The miner has confirmed, and its vault was lost: the model is fetched once more.
            (Standing::Confirmed, Self::Fetching) => self,
            (Standing::Confirmed, _) => Self::KeysProvided,
            (Standing::Liable, _) => Self::Settling,
            (Standing::Left, Self::Declining { cause } | Self::Declined { cause }) => {
                Self::Declined { cause }
            }
            (Standing::Left, _) => Self::Failed,
        }
    }

    /// Whether the model must be in memory.
    #[must_use]
    pub fn needs_model(self) -> bool {
        matches!(self, Self::Serving | Self::Settling)
    }

    /// Its name for people and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::KeysProvided => "keys provided",
            Self::Fetching => "fetching",
            Self::Prepared { .. } => "prepared",
            Self::Confirming { .. } => "confirming",
            Self::Serving => "serving",
            Self::Settling => "settling",
            Self::Declining { .. } => "declining",
            Self::Declined { .. } => "declined",
            Self::Failed => "failed",
            Self::Ended => "ended",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [Step; 11] = [
        Step::Assigned,
        Step::KeysProvided,
        Step::Fetching,
        Step::Prepared { test: [1; 32] },
        Step::Confirming { test: [1; 32], attempt: 2 },
        Step::Serving,
        Step::Settling,
        Step::Declining { cause: Cause::Key },
        Step::Declined { cause: Cause::Key },
        Step::Failed,
        Step::Ended,
    ];
    const STANDINGS: [Standing; 6] = [
        Standing::Gone,
        Standing::Keyless,
        Standing::Keyed,
        Standing::Confirmed,
        Standing::Liable,
        Standing::Left,
    ];

    /// Reading the chain twice changes nothing, from wherever the miner died.
    #[test]
    fn reconciling_again_changes_nothing() {
        for step in STEPS {
            for standing in STANDINGS {
                let once = step.reconciled(standing);
                assert_eq!(once.reconciled(standing), once, "{step:?} {standing:?}");
            }
        }
    }

    #[test]
    fn the_life_of_a_task() {
        let test = [1; 32];
        assert_eq!(Step::Assigned.reconciled(Standing::Keyless), Step::Assigned);
        assert_eq!(Step::Assigned.reconciled(Standing::Keyed), Step::KeysProvided);
        assert_eq!(Step::Fetching.reconciled(Standing::Keyed), Step::Fetching);
        let confirming = Step::Confirming { test, attempt: 0 };
        assert_eq!(confirming.reconciled(Standing::Keyed), confirming);
        assert_eq!(confirming.reconciled(Standing::Confirmed), Step::Serving);
        assert_eq!(Step::Serving.reconciled(Standing::Liable), Step::Settling);
        assert_eq!(Step::Settling.reconciled(Standing::Gone), Step::Ended);
        let declining = Step::Declining { cause: Cause::Files };
        assert_eq!(declining.reconciled(Standing::Left), Step::Declined { cause: Cause::Files });
        assert_eq!(confirming.reconciled(Standing::Left), Step::Failed);
        // The miner's disk was lost.
        assert_eq!(Step::Assigned.reconciled(Standing::Confirmed), Step::KeysProvided);
        assert_eq!(Step::Fetching.reconciled(Standing::Confirmed), Step::Fetching);
    }
}
