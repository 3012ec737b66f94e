//! Amounts of money: as people write them, and as the chain counts them.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

/// Digits after the point of a CYB.
pub const DECIMALS: usize = 12;
/// One CYB in the chain's smallest unit.
pub const UNIT: u128 = 10_u128.pow(DECIMALS as u32);

/// An amount of CYB, in the chain's smallest unit: [`UNIT`] of them are one CYB.
///
/// It is written and read in CYB: `0.5 CYB`, and `0.5` without the unit as a flag takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cyb(pub u128);

impl Cyb {
    /// The amount in CYB without the unit's name, as a flag takes it.
    pub fn number(self) -> String {
        self.to_string().trim_end_matches(" CYB").to_owned()
    }
}

/// Price of a time, rounded up, for a price per `unit` of time: `⌈price × time / unit⌉`; `None` on overflow, or if
/// the unit is zero.
#[must_use]
pub fn price_of(price: u128, time: u64, unit: u64) -> Option<u128> {
    let (time, unit) = (u128::from(time), u128::from(unit));
    let whole = price.checked_div(unit)?.checked_mul(time)?;
    // Less than 2^64 times less than 2^64.
    let rest = price.checked_rem(unit)?.checked_mul(time)?;
    whole.checked_add(rest.div_ceil(unit))
}

impl FromStr for Cyb {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(part) || text.ends_with('.') {
            return Err("not an amount of CYB, such as 2 or 0.5".to_owned());
        }
        if part.len() > DECIMALS {
            return Err(format!("more than {DECIMALS} digits after the point"));
        }
        format!("{whole}{part:0<DECIMALS$}")
            .parse()
            .map(Self)
            .map_err(|_| "more than there can be".to_owned())
    }
}

impl fmt::Display for Cyb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = format!("{:0DECIMALS$}", self.0 % UNIT);
        match part.trim_end_matches('0') {
            "" => write!(formatter, "{} CYB", self.0 / UNIT),
            part => write!(formatter, "{}.{part} CYB", self.0 / UNIT),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn amounts_are_read_and_written() {
        for (text, units, shown) in [
            ("0", 0, "0 CYB"),
            ("2", 2_000_000_000_000, "2 CYB"),
            ("0.5", 500_000_000_000, "0.5 CYB"),
            ("0.000000000001", 1, "0.000000000001 CYB"),
            ("10.010", 10_010_000_000_000, "10.01 CYB"),
        ] {
            assert_eq!(text.parse::<Cyb>().unwrap(), Cyb(units), "{text}");
            assert_eq!(Cyb(units).to_string(), shown);
        }
        assert_eq!(Cyb(u128::MAX).to_string().trim_end_matches(" CYB").parse(), Ok(Cyb(u128::MAX)));
    }

    #[test]
    fn prices_of_times_are_rounded_up_and_exact_beyond_the_product() {
        for (price, time, unit, expected) in [
            (0, 5, 7, Some(0)),
            (1, 1, 3_600_000, Some(1)),
            (7, 3, 2, Some(11)),
            (u128::MAX, 1, 1, Some(u128::MAX)),
            // The product has 192 bits, the price of half the time 127.
            (u128::MAX - 1, u64::MAX / 2, u64::MAX - 1, Some(u128::MAX / 2)),
            (u128::MAX, 2, 1, None),
            (u128::MAX, u64::MAX, u64::MAX - 1, None),
            (1, 1, 0, None),
        ] {
            assert_eq!(price_of(price, time, unit), expected, "{price} {time} {unit}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        let too_much = format!("{}0", u128::MAX);
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", " 1", "0.0000000000001", &too_much] {
            assert!(text.parse::<Cyb>().is_err(), "{text}");
        }
    }
}
