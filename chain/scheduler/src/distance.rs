//! Great-circle distance between cells on a sphere of the Earth's mean radius, in integers:
//! within 0.1 % or 1 km, whichever is more, of the same formula in real numbers.
//!
//! The haversine formula: for latitudes `a`, `b` and a difference `l` of longitudes,
//! `h = sin²((a − b)/2) + cos a · cos b · sin²(l/2)` and the distance is `2 R asin √h`. Where `h` is
//! above one half the arc sine loses digits, so the complement `π/2 − asin √(1 − h)` is taken.
//! Numbers are fixed-point with 30 fractional bits.

use cyborg_primitives::place::Cell;

const RADIUS_KM: u64 = 6371;
const ONE: u64 = 1 << 30;
/// π with 30 fractional bits.
const PI: u64 = 3_373_259_426;
/// A right angle, in 200ths of a degree.
const RIGHT_ANGLE: u64 = 18_000;
/// A turn, in hundredths of a degree.
const TURN: i32 = 36_000;

/// The distance, rounded. Cells outside of their ranges are taken into them.
#[must_use]
pub fn kilometres(from: Cell, to: Cell) -> u32 {
    let latitudes = half_chord(i32::from(from.latitude).abs_diff(to.latitude.into()).into());
    let around = (i32::from(from.longitude) - i32::from(to.longitude)).rem_euclid(TURN);
    let longitudes = half_chord(around.min(TURN - around).unsigned_abs().into());
    let cosines = product(cosine(from.latitude), cosine(to.latitude));
    // With 60 fractional bits, at most 1 but for rounding.
    let h = latitudes * latitudes + scaled(longitudes * longitudes, cosines);
    let h = h.min(ONE * ONE);
    let angle =
        if h <= ONE * ONE / 2 { arc_sine(h.isqrt()) } else { PI / 2 - arc_sine((ONE * ONE - h).isqrt()) };
    let distance = (2 * RADIUS_KM * angle + ONE / 2) / ONE;
    u32::try_from(distance).unwrap_or(u32::MAX)
}

fn product(a: u64, b: u64) -> u64 {
    a * b / ONE
}

/// A number of any precision times a factor of at most 1.
fn scaled(number: u64, factor: u64) -> u64 {
    u64::try_from(u128::from(number) * u128::from(factor) / u128::from(ONE)).unwrap_or(number)
}

/// The sine of half an angle in hundredths of a degree, up to half a turn.
fn half_chord(angle: u64) -> u64 {
    sine(angle.min(RIGHT_ANGLE))
}

/// The cosine of a latitude in hundredths of a degree.
fn cosine(latitude: i16) -> u64 {
    sine(RIGHT_ANGLE.saturating_sub(2 * u64::from(latitude.unsigned_abs())))
}

/// The sine of an angle in 200ths of a degree, up to a right angle, by its series to the eleventh
/// power: there the rest is below 2^-24.
fn sine(angle: u64) -> u64 {
    let x = angle * PI / (2 * RIGHT_ANGLE);
    let square = product(x, x);
    let mut sum = ONE;
    for n in [5_u64, 4, 3, 2, 1] {
        sum = ONE - product(square, sum) / (2 * n * (2 * n + 1));
    }
    product(x, sum).min(ONE)
}

/// The arc sine of at most √½, by its series to the 25th power: there the rest is below 2^-17.
fn arc_sine(x: u64) -> u64 {
    let square = product(x, x);
    let (mut power, mut sum) = (x, x);
    for n in 1..=12_u64 {
        power = product(power, square) * (2 * n - 1) / (2 * n);
        sum += power / (2 * n + 1);
    }
    sum
}
