//! Signatures of accounts, and the header that carries them over HTTP.

use cyborg_primitives::Account;
use subxt_signer::sr25519::{self, Keypair, PublicKey, Signature};

/// Scheme of the `Authorization` header.
const SCHEME: &str = "Cyborg ";

/// Signs as one account. A [`Keypair`] does; a wallet that keeps its keys to itself can.
pub trait Signing: Send + Sync {
    /// The account.
    fn account(&self) -> Account;
    /// A signature over bytes as they are.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}

impl Signing for Keypair {
    fn account(&self) -> Account {
        self.public_key().0
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        Keypair::sign(self, message).0
    }
}

/// Whether an account signed these bytes.
#[must_use]
pub fn verify(account: &Account, message: &[u8], signature: &[u8; 64]) -> bool {
    sr25519::verify(&Signature(*signature), message, &PublicKey(*account))
}

/// Bytes as the value of an `Authorization` header: `Cyborg`, and hexadecimal digits.
#[must_use]
pub fn to_header(bytes: &[u8]) -> String {
    format!("{SCHEME}{}", hex::encode(bytes))
}

/// The bytes of such a header; `None` if it has another scheme or another length.
#[must_use]
pub fn from_header<const N: usize>(header: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(header.strip_prefix(SCHEME)?, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::keys;

    #[test]
    fn a_signature_is_for_one_message_and_one_account() {
        let (key, other) = (keys::from_seed(&[1; 32]).unwrap(), keys::from_seed(&[2; 32]).unwrap());
        let signature = Signing::sign(&key, b"message");
        assert!(verify(&key.account(), b"message", &signature));
        assert!(!verify(&key.account(), b"massage", &signature));
        assert!(!verify(&other.account(), b"message", &signature));
        assert!(!verify(&[255; 32], b"message", &signature));
        assert!(!verify(&key.account(), b"message", &[255; 64]));
    }

    #[test]
    fn headers_hold_exactly_their_bytes() {
        let header = to_header(&[0, 255]);
        assert_eq!(header, "Cyborg 00ff");
        assert_eq!(from_header::<2>(&header), Some([0, 255]));
        for wrong in
            ["", "Cyborg ", "Cyborg 00", "Cyborg 00ff00", "Cyborg zzff", "Bearer 00ff", "Cyborg +0ff"]
        {
            assert_eq!(from_header::<2>(wrong), None, "{wrong}");
        }
    }
}
