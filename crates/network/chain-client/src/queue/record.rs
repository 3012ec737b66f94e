//! What is stored of an intent, and the rule by which a signed transaction is given up.

use codec::{Decode, Encode};

/// What has become of an intent.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Outcome {
    /// A finalised block holds it, and it did what it was to do.
    Done {
        /// The block's number.
        block: u64,
        /// The block's hash.
        block_hash: [u8; 32],
        /// The transaction's hash.
        hash: [u8; 32],
    },
    /// A finalised block holds it, and it did nothing.
    Failed {
        /// The block's number.
        block: u64,
        /// The pallet, or empty where no pallet refused.
        pallet: String,
        /// Name of the error.
        error: String,
        /// What the pallet says of it.
        description: String,
    },
    /// No block took it, however often it was signed.
    Refused {
        /// The node's last words.
        reason: String,
    },
}

impl Outcome {
    /// Whether the call did what it was to do.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. })
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done { block, .. } => write!(formatter, "done in block {block}"),
            Self::Failed { block, pallet, error, description } if pallet.is_empty() => {
                write!(formatter, "failed in block {block}: {error} {description}")
            }
            Self::Failed { block, pallet, error, description } => {
                write!(formatter, "failed in block {block}: {pallet}: {error}: {description}")
            }
            Self::Refused { reason } => write!(formatter, "refused: {reason}"),
        }
    }
}

/// A signed transaction.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Signed {
    pub(super) hash: [u8; 32],
    pub(super) nonce: u64,
    /// The block that its lifetime is counted from.
    pub(super) born: u64,
    /// The first block that cannot hold it any more.
    pub(super) dies: u64,
}

impl Signed {
    /// Whether no block after this one can hold it, by the account's nonce there.
    pub(super) fn is_dead(&self, block: u64, account_nonce: u64) -> bool {
        block.saturating_add(1) >= self.dies || account_nonce > self.nonce
    }
}

/// The progress of an intent.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) enum Progress {
    Waiting,
    Signed(Signed),
    Done(Outcome),
}

/// An intent without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Intent {
    /// Position in the order in which intents were added.
    pub(super) number: u64,
    /// Times that it was signed and abandoned.
    pub(super) lives: u32,
    pub(super) progress: Progress,
}

/// The smallest nonce from the account's on that no signed transaction has.
pub(super) fn free_nonce(account_nonce: u64, taken: &[u64]) -> u64 {
    let mut nonce = account_nonce;
    while taken.contains(&nonce) {
        nonce = nonce.saturating_add(1);
    }
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_dead_when_no_block_can_hold_it() {
        let signed = Signed { hash: [0; 32], nonce: 7, born: 100, dies: 164 };
        assert!(!signed.is_dead(100, 7));
        // Block 163 may hold it, so that it is alive after 162 and dead after 163.
        assert!(!signed.is_dead(162, 7));
        assert!(signed.is_dead(163, 7));
        // Another transaction has its nonce.
        assert!(signed.is_dead(101, 8));
        assert!(!signed.is_dead(101, 6));
    }

    #[test]
    fn nonces_fill_gaps() {
        assert_eq!(free_nonce(5, &[]), 5);
        assert_eq!(free_nonce(5, &[5, 6, 8]), 7);
        assert_eq!(free_nonce(5, &[3, 4]), 5);
    }
}
