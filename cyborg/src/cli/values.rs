//! Values of flags that several commands take, as people write them.

use cyborg_chain_client::subxt::utils::AccountId32;

/// Longest context, in bytes.
pub(crate) const MAX_CONTEXT_BYTES: usize = 1024;

/// The bytes that a proof is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Context(pub(crate) Vec<u8>);

/// Bytes as hexadecimal digits.
pub(crate) fn hex_bytes(text: &str) -> Result<Context, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if !digits.len().is_multiple_of(2) {
        return Err("an odd number of hexadecimal digits".to_owned());
    }
    if digits.len() / 2 > MAX_CONTEXT_BYTES {
        return Err(format!("more than {MAX_CONTEXT_BYTES} bytes"));
    }
    hex::decode(digits).map(Context).map_err(|_| "not hexadecimal".to_owned())
}

/// A number of bytes, with a decimal or binary unit.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err("a size is a number and B, KB, MB, GB, TB, KiB, MiB, GiB or TiB".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "not a whole number".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "more bytes than can be counted".to_owned())
}

/// An account: an address, or 64 hexadecimal digits.
pub(crate) fn account(text: &str) -> Result<[u8; 32], String> {
    if let Ok(AccountId32(account)) = text.parse() {
        return Ok(account);
    }
    let bytes = hex_bytes(text).ok().and_then(|Context(bytes)| bytes.try_into().ok());
    bytes.ok_or_else(|| match is_like_an_address(text) {
        true => "it looks like an address, and its checksum is wrong".to_owned(),
        false => "neither an address nor 64 hexadecimal digits".to_owned(),
    })
}

/// Whether a text has the length and the letters of an address of 32 bytes in SS58.
pub(crate) fn is_like_an_address(text: &str) -> bool {
    let is_base58 = |byte: u8| byte.is_ascii_alphanumeric() && !b"0OIl".contains(&byte);
    (46..=49).contains(&text.len()) && text.bytes().all(is_base58)
}

/// The URL of a chain's node: a WebSocket, which it serves beside HTTP.
pub(crate) fn node_url(text: &str) -> Result<String, String> {
    match text.split_once("://") {
        Some(("ws" | "wss", _)) => Ok(text.to_owned()),
        Some(("http", rest)) => Ok(format!("ws://{rest}")),
        Some(("https", rest)) => Ok(format!("wss://{rest}")),
        Some(_) => Err("a node's URL begins with ws:// or wss://".to_owned()),
        None => Ok(format!("ws://{text}")),
    }
}

/// A percentage.
pub(crate) fn percent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=100.0).contains(&value) => Ok(value),
        _ => Err("not a percentage between 0 and 100".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_accounts() {
        for (text, bytes) in [("0", 0), ("7B", 7), ("100GB", 100_000_000_000), ("2 TiB", 2 << 40)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "GB", "-1", "1.5GB", "1gb", "1EB", "18446744073709551616", "20000000TB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(account(&"ab".repeat(32)), Ok([0xab; 32]));
        assert_eq!(account("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY").map(|key| key[0]), Ok(0xd4));
        let misspelt = account("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQZ");
        assert!(misspelt.is_err_and(|error| error.contains("checksum")));
        assert!(account("ab").is_err());
    }

    #[test]
    fn a_node_is_named_as_people_do() {
        for (text, url) in [
            ("ws://a:1", "ws://a:1"),
            ("wss://a", "wss://a"),
            ("http://localhost:9944", "ws://localhost:9944"),
            ("https://a/b", "wss://a/b"),
            ("localhost:9944", "ws://localhost:9944"),
        ] {
            assert_eq!(node_url(text).as_deref(), Ok(url));
        }
        assert!(node_url("ftp://a").is_err());
    }

    #[test]
    fn contexts_are_hexadecimal() {
        assert_eq!(hex_bytes("00fF"), Ok(Context(vec![0, 255])));
        assert_eq!(hex_bytes("0x01"), Ok(Context(vec![1])));
        assert_eq!(hex_bytes(""), Ok(Context(vec![])));
        for wrong in ["0", "0g", "é", "+1", &"00".repeat(MAX_CONTEXT_BYTES + 1)] {
            assert!(hex_bytes(wrong).is_err(), "{wrong}");
        }
    }
}
