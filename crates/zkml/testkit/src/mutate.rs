//! Altering bytes the way damaged and hostile files are altered, repeatably.

use crate::dice::Dice;

/// Lengths and counts that parsers get wrong.
const NUMBERS: [u64; 12] = [
    0,
    1,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_fff0,
    u64::MAX,
];

/// Mutated inputs stay below this size.
const MAX_BYTES: usize = 1 << 20;

/// Alters bytes by one to four random changes; `other` lends pieces.
pub fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=dice.below(4) {
        change(dice, bytes, other);
    }
    bytes.truncate(MAX_BYTES);
}

fn change(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
    if bytes.is_empty() {
        bytes.push(0);
    }
    // Headers decide most, so that half of the changes are near the start.
    let reach = if dice.below(2) == 0 { bytes.len().min(64) } else { bytes.len() };
    let at = dice.below(reach);
    match dice.below(9) {
        0 => bytes[at] ^= 1 << dice.below(8),
        1 => bytes[at] = dice.below(256) as u8,
        2 => bytes[at] = bytes[at].wrapping_add(if dice.below(2) == 0 { 1 } else { 255 }),
        3 => bytes.truncate(at),
        4 => {
            let end = at + dice.below(bytes.len() - at + 1);
            bytes.drain(at..end);
        }
        5 => {
            let end = at + dice.below((bytes.len() - at).min(256) + 1);
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        6 => {
            let number = NUMBERS[dice.below(NUMBERS.len())].to_le_bytes();
            let width = [1, 2, 4, 8][dice.below(4)].min(bytes.len() - at);
            bytes[at..at + width].copy_from_slice(&number[..width]);
        }
        7 => {
            let length = 1 + dice.below(16);
            let byte = dice.below(256) as u8;
            bytes.splice(at..at, std::iter::repeat_n(byte, length));
        }
        _ if !other.is_empty() => {
            let from = dice.below(other.len());
            let length = dice.below((other.len() - from).min(256) + 1);
            let end = (at + length).min(bytes.len());
            bytes.splice(at..end, other[from..from + length].iter().copied());
        }
        _ => bytes.reverse(),
    }
}
