//! A task's log: each line sealed to the task's result key, so that anybody may carry it and only its
//! owner reads it.

use cyborg_envelope::EnvelopeError;
use cyborg_envelope::hpke::{self, PublicKey, SecretKey};
use cyborg_envelope::wrap::Recipient;
use serde::Deserialize;
use zeroize::Zeroizing;

fn info(recipient: &Recipient) -> Vec<u8> {
    [b"cyborg task log v1", &recipient.genesis[..], &recipient.task.to_le_bytes(), &recipient.miner].concat()
}

/// Seals a line.
///
/// # Errors
/// Returns an error if nothing can be sealed to the key.
pub fn seal(recipient: &Recipient, to: &PublicKey, line: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
    hpke::seal(to, line, &info(recipient), &[])
}

/// Opens a line.
///
/// # Errors
/// Returns an error if it was sealed to another key, or is of another task or miner.
pub fn open(
    recipient: &Recipient,
    with: &SecretKey,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
    with.open(sealed, &info(recipient), &[])
}

/// A line as a miner sends it.
#[derive(Debug, Deserialize)]
pub struct Line {
    /// Its number.
    pub line: u64,
    /// `0x` and the sealed bytes in hexadecimal.
    pub sealed: String,
}

impl Line {
    /// The sealed bytes; `None` if the digits are not valid.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        hex::decode(self.sealed.strip_prefix("0x")?).ok()
    }
}

/// A log as a miner sends it.
#[derive(Debug, Deserialize)]
pub struct Lines {
    /// In their order.
    pub lines: Vec<Line>,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_line_is_for_its_owner() {
        let (owner, other) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
        let recipient = Recipient { genesis: [3; 32], task: 4, miner: [5; 32] };
        let sealed = seal(&recipient, &owner.public(), b"serving").unwrap();
        assert_eq!(&**open(&recipient, &owner, &sealed).unwrap(), b"serving");
        assert!(open(&recipient, &other, &sealed).is_err());
        assert!(open(&Recipient { task: 6, ..recipient }, &owner, &sealed).is_err());
        let bytes = |digits: &str| Line { line: 0, sealed: digits.to_owned() }.bytes();
        assert_eq!(bytes("0x00ff"), Some(vec![0, 255]));
        for wrong in ["", "00", "0x0", "0xgg", "0x+1", "0xéé"] {
            assert!(bytes(wrong).is_none(), "{wrong}");
        }
    }
}
