//! Places as people write them: a region's two letters, and degrees that become the chain's cells.

use cyborg_primitives::place::{Cell, Region};

/// Hundredths of a degree from the equator to a pole, and from Greenwich half around the Earth.
const POLE: i32 = 9_000;
const HALF: i32 = 18_000;

/// The region of two letters, such as `DE`.
pub(crate) fn region(text: &str) -> Result<Region, String> {
    let letters: [u8; 2] = text
        .to_ascii_uppercase()
        .into_bytes()
        .try_into()
        .map_err(|_| "not a region's two letters, such as DE".to_owned())?;
    let region = Region(letters);
    if region.is_valid() { Ok(region) } else { Err("not a region's two letters, such as DE".to_owned()) }
}

/// The cell that holds a point, written as latitude and longitude in degrees, such as `52.52,13.40`.
pub(crate) fn cell(text: &str) -> Result<Cell, String> {
    let form = || "not latitude,longitude in degrees, such as 52.52,13.40".to_owned();
    let (latitude, longitude) = text.split_once(',').ok_or_else(form)?;
    let latitude = hundredths(latitude.trim()).ok_or_else(form)?;
    let longitude = hundredths(longitude.trim()).ok_or_else(form)?;
    if !(-POLE..=POLE).contains(&latitude) {
        return Err("a latitude is between -90 and 90 degrees".to_owned());
    }
    if !(-HALF..=HALF).contains(&longitude) {
        return Err("a longitude is between -180 and 180 degrees".to_owned());
    }
    // The pole is in the northernmost cells, and 180 degrees east are 180 degrees west.
    let latitude = latitude.min(POLE - 1);
    let longitude = if longitude == HALF { -HALF } else { longitude };
    match (i16::try_from(latitude), i16::try_from(longitude)) {
        (Ok(latitude), Ok(longitude)) => Ok(Cell { latitude, longitude }),
        _ => Err(form()),
    }
}

/// A cell as people read it: its south-west corner.
pub(crate) fn shown(cell: Cell) -> String {
    let degrees = |hundredths: i16| {
        let sign = if hundredths < 0 { "-" } else { "" };
        let size = hundredths.unsigned_abs();
        format!("{sign}{}.{:02}", size / 100, size % 100)
    };
    format!("{},{}", degrees(cell.latitude), degrees(cell.longitude))
}

/// Degrees in hundredths, rounded down: exactly, as a floating-point number would not be.
fn hundredths(text: &str) -> Option<i32> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 3 || !number(whole) || !number(part) || digits.ends_with('.') {
        return None;
    }
    let (kept, dropped) = part.split_at(part.len().min(2));
    let size: i32 = format!("{whole}{kept:0<2}").parse().ok()?;
    let inexact = dropped.bytes().any(|digit| digit != b'0');
    Some(if negative { -size - i32::from(inexact) } else { size })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_point_is_in_the_cell_to_its_north_east() {
        for (text, latitude, longitude) in [
            ("52.52,13.40", 5252, 1340),
            ("1.15,1.149", 115, 114),
            ("-33.86, 151.2", -3386, 15120),
            ("-33.861,-0.001", -3387, -1),
            ("0,0", 0, 0),
            ("-0.0,-0.000", 0, 0),
            ("90,180", 8999, -18000),
            ("-90,-180", -9000, -18000),
            ("89.999,179.999", 8999, 17999),
        ] {
            let found = cell(text).unwrap();
            assert_eq!(found, Cell { latitude, longitude }, "{text}");
            assert!(found.is_valid());
        }
    }

    #[test]
    fn what_is_nowhere_is_refused() {
        for text in [
            "",
            "52.52",
            "52.52;13.40",
            "90.01,0",
            "-90.001,0",
            "0,180.5",
            "0,-180.01",
            "1e1,0",
            "+1,0",
            "1.,0",
            ".5,0",
            "a,b",
            "1,2,3",
        ] {
            assert!(cell(text).is_err(), "{text}");
        }
        for text in ["", "D", "DEU", "D1", "ÄÖ", "é"] {
            assert!(region(text).is_err(), "{text}");
        }
        assert_eq!(region("de"), Ok(Region(*b"DE")));
    }

    #[test]
    fn cells_are_shown_as_they_are_written() {
        for text in ["52.52,13.40", "-0.01,-179.99", "0.00,0.00"] {
            assert_eq!(shown(cell(text).unwrap()), text);
        }
    }
}
