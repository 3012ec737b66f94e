//! A content key, wrapped for one miner of one task (whitepaper section 3.3, step 3).

use cyborg_primitives::{Account, Digest, TaskId, WRAPPED_KEY_BYTES};
use zeroize::Zeroizing;

use crate::hpke::{self, PublicKey, SecretKey};
use crate::{ContentKey, EnvelopeError};

const WRAPPED_BYTES: usize = WRAPPED_KEY_BYTES as usize;
const PURPOSE: &[u8] = b"cyborg content key v1";

/// For whom a content key is wrapped. A wrap opens for exactly this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The chain's genesis hash.
    pub genesis: Digest,
    /// The task.
    pub task: TaskId,
    /// The miner's account.
    pub miner: Account,
}

impl Recipient {
    /// A purpose, the genesis hash, the task (little-endian) and the miner: all of fixed width.
    pub(crate) fn info(&self, purpose: &[u8]) -> Vec<u8> {
        [purpose, &self.genesis, &self.task.to_le_bytes(), &self.miner].concat()
    }
}

/// Wraps a content key to a miner's registered key: 80 bytes.
///
/// # Errors
/// Returns an error if the miner's key is of small order.
pub fn wrap(
    key: &ContentKey,
    to: &PublicKey,
    recipient: &Recipient,
) -> Result<[u8; WRAPPED_BYTES], EnvelopeError> {
    let sealed = hpke::seal(to, key.expose(), &recipient.info(PURPOSE), &[])?;
    let got = sealed.len();
    sealed.try_into().map_err(|_| EnvelopeError::WrappedKeyLength { expected: WRAPPED_BYTES, got })
}

/// Unwraps what [`wrap`] made for the same recipient.
///
/// # Errors
/// Returns an error if the length is another, or it was altered or made for another key, chain, task or miner.
pub fn unwrap(wrapped: &[u8], with: &SecretKey, recipient: &Recipient) -> Result<ContentKey, EnvelopeError> {
    if wrapped.len() != WRAPPED_BYTES {
        return Err(EnvelopeError::WrappedKeyLength { expected: WRAPPED_BYTES, got: wrapped.len() });
    }
    let opened = with.open(wrapped, &recipient.info(PURPOSE), &[])?;
    let mut key = Zeroizing::new([0; 32]);
    // 80 bytes minus the overhead are 32.
    key.copy_from_slice(&opened);
    Ok(ContentKey::from_bytes(*key))
}
