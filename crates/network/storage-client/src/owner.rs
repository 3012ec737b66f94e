//! Who owns a file: sr25519 keys, as accounts of the chain have, and what they sign for storage.

use cyborg_primitives::{Account, Digest, Moment};
use schnorrkel::{ExpansionMode, MiniSecretKey, PublicKey, Signature};

/// Substrate's context of sr25519 signatures.
const SIGNING_CONTEXT: &[u8] = b"substrate";

/// Signs as one account; an account's key pair of the chain can be one.
pub trait Signer: Send + Sync {
    /// The account.
    fn account(&self) -> Account;
    /// A signature over bytes as they are.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}

/// A key pair from a secret seed; erased when dropped.
pub struct OwnerKey(schnorrkel::Keypair);

impl OwnerKey {
    /// The key pair that Substrate makes of a seed of 32 bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        let seed = MiniSecretKey::from_bytes(seed).ok()?;
        Some(Self(seed.expand_to_keypair(ExpansionMode::Ed25519)))
    }
}

impl Signer for OwnerKey {
    fn account(&self) -> Account {
        self.0.public.to_bytes()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign_simple(SIGNING_CONTEXT, message).to_bytes()
    }
}

/// Whether an account signed these bytes.
#[must_use]
pub fn verify(account: &Account, message: &[u8], signature: &[u8; 64]) -> bool {
    let (Ok(key), Ok(signature)) = (PublicKey::from_bytes(account), Signature::from_bytes(signature)) else {
        return false;
    };
    key.verify_simple(SIGNING_CONTEXT, message, &signature).is_ok()
}

/// What an owner lets a node do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Store fragments and manifests.
    Store,
    /// Forget one manifest.
    Delete(Digest),
}

/// An owner's leave for one node until a time: the `Authorization` of requests that change what the
/// node holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Who allows it.
    pub owner: Account,
    /// What.
    pub action: Action,
    /// Until when, in milliseconds since the Unix epoch.
    pub expires: Moment,
    signature: [u8; 64],
}

/// Scheme of the `Authorization` header.
const SCHEME: &str = "Cyborg ";
const ACCESS_BYTES: usize = 32 + 1 + 32 + 8 + 64;

/// Bytes as the value of an `Authorization` header: `Cyborg`, and hexadecimal digits.
#[must_use]
pub fn to_header(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut header = SCHEME.to_owned();
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(header, "{byte:02x}");
    }
    header
}

/// The bytes of such a header; `None` where it is another, or has not as many.
#[must_use]
pub fn from_header<const N: usize>(header: &str) -> Option<[u8; N]> {
    let digits = header.strip_prefix(SCHEME)?.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| (digit as char).to_digit(16);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(bytes)
}

impl Access {
    /// Signs a leave for the node with this key.
    pub fn sign(signer: &dyn Signer, node: &Account, action: Action, expires: Moment) -> Self {
        let mut access = Self { owner: signer.account(), action, expires, signature: [0; 64] };
        access.signature = signer.sign(&access.payload(node));
        access
    }

    /// Whether the owner signed it for this node, and it has not expired.
    #[must_use]
    pub fn is_valid(&self, node: &Account, now: Moment) -> bool {
        now < self.expires && verify(&self.owner, &self.payload(node), &self.signature)
    }

    fn payload(&self, node: &Account) -> Vec<u8> {
        let mut bytes = b"cyborg storage access v1".to_vec();
        bytes.extend(node);
        bytes.extend(self.body());
        bytes
    }

    fn body(&self) -> [u8; 32 + 1 + 32 + 8] {
        let mut body = [0; 73];
        body[..32].copy_from_slice(&self.owner);
        if let Action::Delete(id) = self.action {
            body[32] = 1;
            body[33..65].copy_from_slice(&id);
        }
        body[65..].copy_from_slice(&self.expires.to_le_bytes());
        body
    }

    /// As the value of an `Authorization` header.
    #[must_use]
    pub fn to_header(&self) -> String {
        to_header(&[&self.body()[..], &self.signature].concat())
    }

    /// From the value of an `Authorization` header.
    #[must_use]
    pub fn from_header(header: &str) -> Option<Self> {
        let bytes: [u8; ACCESS_BYTES] = from_header(header)?;
        let subject: Digest = bytes[33..65].try_into().ok()?;
        let action = match bytes[32] {
            0 if subject == [0; 32] => Action::Store,
            1 => Action::Delete(subject),
            _ => return None,
        };
        Some(Self {
            owner: bytes[..32].try_into().ok()?,
            action,
            expires: u64::from_le_bytes(bytes[65..73].try_into().ok()?),
            signature: bytes[73..].try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn leave_is_for_one_node_one_action_one_time() {
        let key = OwnerKey::from_seed(&[1; 32]).unwrap();
        let access = Access::sign(&key, &[2; 32], Action::Delete([3; 32]), 1000);
        let parsed = Access::from_header(&access.to_header()).unwrap();
        assert_eq!(parsed, access);
        assert!(parsed.is_valid(&[2; 32], 999));
        assert!(!parsed.is_valid(&[2; 32], 1000));
        assert!(!parsed.is_valid(&[9; 32], 0));
        assert!(!Access { action: Action::Delete([4; 32]), ..parsed }.is_valid(&[2; 32], 0));
        assert!(!Access { action: Action::Store, ..parsed }.is_valid(&[2; 32], 0));
        assert!(!Access { expires: 2000, ..parsed }.is_valid(&[2; 32], 0));
        let other = OwnerKey::from_seed(&[2; 32]).unwrap().account();
        assert!(!Access { owner: other, ..parsed }.is_valid(&[2; 32], 0));
        for bad in ["", "Cyborg ", "Cyborg 00", "Bearer x", &access.to_header()[1..]] {
            assert!(Access::from_header(bad).is_none(), "{bad}");
        }
        assert!(Access::from_header(&access.to_header().replacen("Cyborg ", "Cyborg zz", 1)[..]).is_none());
    }
}
