//! What an owner signs for a storage node: the token that lets a request change what the node holds.

use cyborg_account::Signing;
use cyborg_account::signing::{from_header, to_header, verify};
use cyborg_primitives::{Account, Digest, Moment};

/// What an owner lets a node do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Store fragments and manifests.
    Store,
    /// Forget one manifest.
    Delete(Digest),
}

/// An owner's permission for one node until a time: the `Authorization` of requests that change what
/// the node holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The owner.
    pub owner: Account,
    /// The action that is allowed.
    pub action: Action,
    /// The end of its validity, in milliseconds since the Unix epoch.
    pub expires: Moment,
    signature: [u8; 64],
}

const TOKEN_BYTES: usize = 32 + 1 + 32 + 8 + 64;

impl AccessToken {
    /// Signs a token for the node with this key.
    pub fn sign(signer: &dyn Signing, node: &Account, action: Action, expires: Moment) -> Self {
        let mut token = Self { owner: signer.account(), action, expires, signature: [0; 64] };
        token.signature = signer.sign(&token.payload(node));
        token
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
        let bytes: [u8; TOKEN_BYTES] = from_header(header)?;
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
    use cyborg_account::keys;

    #[test]
    fn a_token_is_for_one_node_one_action_one_time() {
        let key = keys::from_seed(&[1; 32]).unwrap();
        let token = AccessToken::sign(&key, &[2; 32], Action::Delete([3; 32]), 1000);
        let parsed = AccessToken::from_header(&token.to_header()).unwrap();
        assert_eq!(parsed, token);
        assert!(parsed.is_valid(&[2; 32], 999));
        assert!(!parsed.is_valid(&[2; 32], 1000));
        assert!(!parsed.is_valid(&[9; 32], 0));
        assert!(!AccessToken { action: Action::Delete([4; 32]), ..parsed }.is_valid(&[2; 32], 0));
        assert!(!AccessToken { action: Action::Store, ..parsed }.is_valid(&[2; 32], 0));
        assert!(!AccessToken { expires: 2000, ..parsed }.is_valid(&[2; 32], 0));
        let other = keys::from_seed(&[2; 32]).unwrap().account();
        assert!(!AccessToken { owner: other, ..parsed }.is_valid(&[2; 32], 0));
        for bad in ["", "Cyborg ", "Cyborg 00", "Bearer x", &token.to_header()[1..]] {
            assert!(AccessToken::from_header(bad).is_none(), "{bad}");
        }
        assert!(
            AccessToken::from_header(&token.to_header().replacen("Cyborg ", "Cyborg zz", 1)[..]).is_none()
        );
    }
}
