//! Accounts as people read them: SS58, with the prefix of the network.

use std::fmt;
use std::str::FromStr;

use blake2::{Blake2b512, Digest as _};
use cyborg_primitives::Account;

/// Substrate's general prefix, which Cyborg uses.
const PREFIX: u16 = 42;
/// Bytes of the checksum.
const CHECKSUM_BYTES: usize = 2;

/// An account that is printed as its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub Account);

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&encode(PREFIX, &self.0))
    }
}

/// A text is not an address of this network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address of this network")]
pub struct NotAnAddress;

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        decode(PREFIX, text).map(Self).ok_or(NotAnAddress)
    }
}

/// An account as the network with this prefix writes it.
#[must_use]
pub fn encode(prefix: u16, account: &Account) -> String {
    // SS58: one byte up to 63, else the lower 14 bits over two bytes, marked by the second highest bit.
    let mut bytes = match u8::try_from(prefix) {
        Ok(short @ 0..64) => vec![short],
        _ => vec![((prefix & 0x00fc) >> 2) as u8 | 0x40, (prefix >> 8) as u8 | ((prefix & 0b11) << 6) as u8],
    };
    bytes.extend(account);
    let checksum = Blake2b512::new().chain_update(b"SS58PRE").chain_update(&bytes).finalize();
    bytes.extend(&checksum[..CHECKSUM_BYTES]);
    bs58::encode(bytes).into_string()
}

/// The account of an address with this prefix; `None` if the text is not one.
#[must_use]
pub fn decode(prefix: u16, text: &str) -> Option<Account> {
    let bytes = bs58::decode(text).into_vec().ok()?;
    let end = bytes.len().checked_sub(CHECKSUM_BYTES)?;
    let account = bytes.get(end.checked_sub(32)?..end)?.try_into().ok()?;
    (encode(prefix, &account) == text).then_some(account)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::keys;

    #[test]
    fn an_address_is_read_back_and_no_other_text_is() {
        let alice = keys::account(&keys::load("//Alice").unwrap());
        let text = Address(alice).to_string();
        assert_eq!(text, "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY");
        assert_eq!(text.parse(), Ok(Address(alice)));
        // Another network's, a wrong checksum, too short, and no base58.
        for wrong in
            [encode(11330, &alice), text.replace("utQY", "utQZ"), text[1..].to_owned(), "0".to_owned()]
        {
            assert_eq!(wrong.parse::<Address>(), Err(NotAnAddress), "{wrong}");
        }
        assert!("".parse::<Address>().is_err());
    }

    /// The public gateways' accounts, as CESS's documentation lists them.
    #[test]
    fn prefixes_of_two_bytes() {
        for text in [
            "cXf3X3ugTnivQA9iDRYmLNzxSqybgDtpStBjFcBZEoH33UVaz",
            "cXjy16zpi3kFU6ThDHeTifpwHop4YjaF3EvYipTeJSbTjmayP",
            "cXhkf7fFTToo8476oeRqxyWVnxF8ESsd8b7Yh258v6n26RTkL",
        ] {
            assert_eq!(encode(11330, &decode(11330, text).unwrap()), text);
        }
        assert!(decode(11330, "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY").is_none());
        assert!(decode(11330, "cX").is_none());
    }
}
