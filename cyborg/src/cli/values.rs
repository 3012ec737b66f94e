//! Values of flags that several commands take, as people write them.

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

/// An account as 64 hexadecimal digits.
pub(crate) fn account(text: &str) -> Result<[u8; 32], String> {
    let Context(bytes) = hex_bytes(text)?;
    bytes.try_into().map_err(|_| "not 32 bytes".to_owned())
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
        assert!(account("ab").is_err());
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
