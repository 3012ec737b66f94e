//! Altering bytes the way damaged and hostile files are altered, repeatably.

/// A source of mutations; the same seed gives the same ones.
#[derive(Clone, Debug)]
pub struct Mutator {
    state: u64,
}

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

impl Mutator {
    /// Mutations that follow from a seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed ^ 0x9e37_79b9_7f4a_7c15 }
    }

    /// The next number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: usize) -> usize {
        // splitmix64: every seed, zero included, gives a full-period sequence.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ (word >> 31)) % bound.max(1) as u64) as usize
    }

    /// Alters bytes by one to four random changes; `other` lends pieces.
    pub fn mutate(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(4) {
            self.change(bytes, other);
        }
        bytes.truncate(MAX_BYTES);
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        if bytes.is_empty() {
            bytes.push(0);
        }
        // Headers decide most, so that half of the changes are near the start.
        let reach = if self.below(2) == 0 { bytes.len().min(64) } else { bytes.len() };
        let at = self.below(reach);
        match self.below(9) {
            0 => bytes[at] ^= 1 << self.below(8),
            1 => bytes[at] = self.below(256) as u8,
            2 => bytes[at] = bytes[at].wrapping_add(if self.below(2) == 0 { 1 } else { 255 }),
            3 => bytes.truncate(at),
            4 => {
                let end = at + self.below(bytes.len() - at + 1);
                bytes.drain(at..end);
            }
            5 => {
                let end = at + self.below((bytes.len() - at).min(256) + 1);
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            6 => {
                let number = NUMBERS[self.below(NUMBERS.len())].to_le_bytes();
                let width = [1, 2, 4, 8][self.below(4)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&number[..width]);
            }
            7 => {
                let length = 1 + self.below(16);
                let byte = self.below(256) as u8;
                bytes.splice(at..at, std::iter::repeat_n(byte, length));
            }
            _ if !other.is_empty() => {
                let from = self.below(other.len());
                let length = self.below((other.len() - from).min(256) + 1);
                let end = (at + length).min(bytes.len());
                bytes.splice(at..end, other[from..from + length].iter().copied());
            }
            _ => bytes.reverse(),
        }
    }
}
