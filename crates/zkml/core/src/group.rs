//! The Pallas group: encodings of points, and generators without a known relation.

use crate::field::F;
use alloc::vec::Vec;
use ark_ec::AffineRepr;
use ark_ff::{BigInt, BigInteger, Field, PrimeField};

/// A point, affine; `(0, 0)` is the identity.
pub type Affine = crate::curve::Affine;
/// A point in Jacobian coordinates.
pub type Projective = crate::curve::Projective;
/// The field of a point's coordinates.
pub type Fq = crate::curve::Fq;

/// Bytes of a compressed point.
pub const POINT_BYTES: usize = 32;
/// Bytes of an uncompressed point.
pub const RAW_POINT_BYTES: usize = 64;

/// Greatest number of columns of a committed matrix.
pub const MAX_COLUMNS: usize = 4096;
/// Greatest number of pads of a proof.
pub const MAX_PADS: usize = 2048;

const GENERATOR_DOMAIN: &str = "cyborg generators v1";
const EMBEDDED: &[u8] = include_bytes!("generators.bin");

/// Compressed bytes: the x-coordinate, little endian, and the parity of y in the top bit.
/// The identity is all zeros, which no point has, since 5 is not a square.
#[must_use]
pub fn compress(point: &Affine) -> [u8; POINT_BYTES] {
    let mut out = [0; POINT_BYTES];
    write_coordinate(&point.x, &mut out);
    if point.y.into_bigint().is_odd() {
        out[31] |= 0x80;
    }
    out
}

/// Reads compressed bytes; `None` where they are not canonical or no point has that x-coordinate.
#[must_use]
pub fn decompress(bytes: &[u8; POINT_BYTES]) -> Option<Affine> {
    if bytes == &[0; POINT_BYTES] {
        return Some(Affine::zero());
    }
    let mut x = *bytes;
    x[31] &= 0x7f;
    with_x(read_coordinate(&x)?, bytes[31] >> 7 == 1)
}

/// Uncompressed bytes: both coordinates, little endian.
#[must_use]
pub fn to_raw(point: &Affine) -> [u8; RAW_POINT_BYTES] {
    let mut out = [0; RAW_POINT_BYTES];
    write_coordinate(&point.x, &mut out[..32]);
    write_coordinate(&point.y, &mut out[32..]);
    out
}

/// Reads uncompressed bytes; `None` where they are not canonical or not on the curve.
#[must_use]
pub fn from_raw(bytes: &[u8; RAW_POINT_BYTES]) -> Option<Affine> {
    let (mut x, mut y) = ([0; 32], [0; 32]);
    x.copy_from_slice(&bytes[..32]);
    y.copy_from_slice(&bytes[32..]);
    let point = Affine::new_unchecked(read_coordinate(&x)?, read_coordinate(&y)?);
    (point.is_zero() || point.is_on_curve()).then_some(point)
}

/// The generators of a commitment key, in disjoint ranges.
pub struct Generators {
    /// One for each column of a committed matrix.
    pub columns: Vec<Affine>,
    /// One for each pad of a hidden scalar.
    pub pads: Vec<Affine>,
    /// Blinds every commitment.
    pub blind: Affine,
    /// Carries the value of an inner product.
    pub value: Affine,
}

#[expect(clippy::arithmetic_side_effects, reason = "numbers of generators, below 2 + MAX_COLUMNS + MAX_PADS")]
impl Generators {
    /// The first `columns` column generators and `pads` pad generators, from the embedded list.
    ///
    /// # Panics
    /// Does not panic for `columns <= MAX_COLUMNS` and `pads <= MAX_PADS`; more are not delivered.
    #[must_use]
    pub fn new(columns: usize, pads: usize) -> Self {
        Self {
            columns: (0..columns.min(MAX_COLUMNS)).map(|i| embedded(2 + i)).collect(),
            pads: (0..pads.min(MAX_PADS)).map(|i| embedded(2 + MAX_COLUMNS + i)).collect(),
            blind: embedded(0),
            value: embedded(1),
        }
    }
}

/// Derives generator number `index`: the first x-coordinate of a BLAKE3 stream over domain and
/// index that lies on the curve, with the sign from the same stream. Nobody knows a relation
/// between two of them.
pub fn derive_generator(index: u64) -> Affine {
    let mut hasher = blake3::Hasher::new_derive_key(GENERATOR_DOMAIN);
    hasher.update(&index.to_le_bytes());
    let mut stream = hasher.finalize_xof();
    loop {
        let mut bytes = [0; 33];
        stream.fill(&mut bytes);
        let mut x = [0; 32];
        x.copy_from_slice(&bytes[..32]);
        x[31] &= 0x7f;
        if let Some(point) = read_coordinate(&x).and_then(|x| with_x(x, bytes[32] & 1 == 1)) {
            return point;
        }
    }
}

/// The bytes that `generators.bin` must hold: stored limbs of both coordinates of each
/// generator, little endian, ready for use without arithmetic.
#[must_use]
pub fn generator_table() -> Vec<u8> {
    let count = 2 + MAX_COLUMNS + MAX_PADS;
    let points = crate::parallel::map(count, |index| derive_generator(index as u64));
    points
        .iter()
        .flat_map(|point| point.x.0.0.into_iter().chain(point.y.0.0))
        .flat_map(u64::to_le_bytes)
        .collect()
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "the list holds 2 + MAX_COLUMNS + MAX_PADS generators, as a test checks, and nobody asks for more"
)]
fn embedded(index: usize) -> Affine {
    let bytes = &EMBEDDED[index * RAW_POINT_BYTES..(index + 1) * RAW_POINT_BYTES];
    let mut limbs = [0; 8];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        *limb = u64::from_le_bytes(word);
    }
    let coordinate = |part: [u64; 4]| Fq::new_unchecked(BigInt::new(part));
    let [a, b, c, d, e, f, g, h] = limbs;
    Affine::new_unchecked(coordinate([a, b, c, d]), coordinate([e, f, g, h]))
}

fn with_x(x: Fq, odd: bool) -> Option<Affine> {
    let y = (x.square() * x + Fq::from(5u64)).sqrt()?;
    Some(Affine::new_unchecked(x, if y.into_bigint().is_odd() == odd { y } else { -y }))
}

fn write_coordinate(value: &Fq, out: &mut [u8]) {
    for (chunk, limb) in out.chunks_exact_mut(8).zip(value.into_bigint().0) {
        chunk.copy_from_slice(&limb.to_le_bytes());
    }
}

fn read_coordinate(bytes: &[u8; 32]) -> Option<Fq> {
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        *limb = u64::from_le_bytes(word);
    }
    Fq::from_bigint(BigInt::new(limbs))
}

/// A 128-bit challenge `a + b * lambda`, with `lambda` the eigenvalue of the curve's
/// endomorphism: all 2^128 values are distinct, and a product with a point costs half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortChallenge {
    /// The part without the endomorphism.
    pub a: u64,
    /// The part with it.
    pub b: u64,
}

impl ShortChallenge {
    /// From uniform bytes; never zero.
    #[must_use]
    pub fn from_uniform(bytes: &[u8; 64]) -> Self {
        let (words, _) = bytes.as_chunks();
        let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
        let (a, b) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        Self { a: if a == 0 && b == 0 { 1 } else { a }, b }
    }

    /// The scalar that it stands for.
    #[must_use]
    pub fn scalar(&self) -> F {
        use ark_ec::scalar_mul::glv::GLVConfig;
        F::from(self.a) + F::from(self.b) * crate::curve::PallasConfig::LAMBDA
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_generators_are_the_derived_ones() {
        assert!(
            EMBEDDED == generator_table(),
            "regenerate with `cargo run -p zkml-core --example generators`"
        );
    }

    #[test]
    fn encodings_round_trip_and_refuse_other_bytes() {
        for index in 0..20 {
            let point = derive_generator(index);
            assert_eq!(decompress(&compress(&point)), Some(point));
            assert_eq!(from_raw(&to_raw(&point)), Some(point));
            let mut raw = to_raw(&point);
            raw[40] ^= 1;
            assert_eq!(from_raw(&raw), None);
        }
        assert_eq!(decompress(&compress(&Affine::zero())), Some(Affine::zero()));
        let mut signed_zero = [0; 32];
        signed_zero[31] = 0x80;
        assert_eq!(decompress(&signed_zero), None);
        assert_eq!(decompress(&[0xff; 32]), None);
    }
}
