//! Montgomery products modulo a Pasta prime, by limbs of 29 bits.
//!
//! Nine limbs hold 261 bits; a column of products adds up at most nine of 58 bits, and four more
//! while it is reduced, so that no column exceeds 64 bits and no carry is needed before the end.
//! Both primes of the Pasta curves are `2^254 + t` with `t < 2^126` and `t = 1 modulo 2^32`: the
//! factor of a reduction step is the negated limb itself, and only limbs 1 to 4 of `t` and the
//! top bit contribute.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "positions of nine limbs and of their 17 sums; no column exceeds 64 bits, as said above"
)]

/// Four limbs of 64 bits, least first.
pub(super) type Words = [u64; 4];
/// Sums of products of limbs, by the sum of their positions.
type Columns = [u64; 17];

const BITS: u32 = 29;
const MASK: u64 = (1 << BITS) - 1;
/// The last of nine reduction steps completes 256 bits: 8 * 29 + 24.
const LAST_BITS: u32 = 24;
/// Place of bit 254 in limb 8.
const TOP: u32 = 254 - 8 * BITS;

const fn split(a: &Words) -> [u64; 9] {
    [
        a[0] & MASK,
        a[0] >> 29 & MASK,
        (a[0] >> 58 | a[1] << 6) & MASK,
        a[1] >> 23 & MASK,
        (a[1] >> 52 | a[2] << 12) & MASK,
        a[2] >> 17 & MASK,
        (a[2] >> 46 | a[3] << 18) & MASK,
        a[3] >> 11 & MASK,
        a[3] >> 40,
    ]
}

#[inline(always)]
fn add_product(columns: &mut Columns, a: &[u64; 9], b: &[u64; 9]) {
    for i in 0..9 {
        for j in 0..9 {
            columns[i + j] += a[i] * b[j];
        }
    }
}

/// `columns / 2^256 mod p`, for columns worth less than `2^256 p` in total.
#[inline(always)]
fn reduce(mut columns: Columns, p: &Words) -> Words {
    let limbs = split(p);
    for i in 0..9 {
        let (bits, mask) = if i < 8 { (BITS, MASK) } else { (LAST_BITS, (1 << LAST_BITS) - 1) };
        let factor = columns[i].wrapping_neg() & mask;
        columns[i] += factor;
        for j in 1..5 {
            columns[i + j] += factor * limbs[j];
        }
        columns[i + 8] += factor << TOP;
        if i < 8 {
            columns[i + 1] += columns[i] >> bits;
        }
    }
    for i in 8..16 {
        columns[i + 1] += columns[i] >> BITS;
        columns[i] &= MASK;
    }
    let c = &columns[8..];
    subtract(
        [
            c[0] >> 24 | c[1] << 5 | c[2] << 34 | c[3] << 63,
            c[3] >> 1 | c[4] << 28 | c[5] << 57,
            c[5] >> 7 | c[6] << 22 | c[7] << 51,
            c[7] >> 13 | c[8] << 16,
        ],
        p,
    )
}

/// `a` or `a - p`, whichever is below `p`, for `a < 2 p`.
#[inline(always)]
fn subtract(a: Words, p: &Words) -> Words {
    let mut borrow = false;
    let mut difference = [0; 4];
    for i in 0..4 {
        let (once, first) = a[i].overflowing_sub(p[i]);
        let (twice, second) = once.overflowing_sub(u64::from(borrow));
        difference[i] = twice;
        borrow = first | second;
    }
    if borrow { a } else { difference }
}

/// `a b / 2^256 mod p`, for `a`, `b` below `p`.
#[inline(always)]
pub(super) fn mul(a: &Words, b: &Words, p: &Words) -> Words {
    let mut columns = [0; 17];
    add_product(&mut columns, &split(a), &split(b));
    reduce(columns, p)
}

/// `(a b + c d) / 2^256 mod p`, for all four below `p`. A column stays below
/// `(2 * 9 + 5) 2^58`, the sum below `2 p^2 < 2^256 p`.
#[inline(always)]
pub(super) fn mul_two(a: &Words, b: &Words, c: &Words, d: &Words, p: &Words) -> Words {
    let mut columns = [0; 17];
    add_product(&mut columns, &split(a), &split(b));
    add_product(&mut columns, &split(c), &split(d));
    reduce(columns, p)
}

/// `a^2 / 2^256 mod p`, for `a` below `p`.
#[inline(always)]
pub(super) fn square(a: &Words, p: &Words) -> Words {
    let a = split(a);
    let mut columns = [0; 17];
    for i in 0..9 {
        columns[2 * i] += a[i] * a[i];
        let double = a[i] << 1;
        for j in i + 1..9 {
            columns[i + j] += double * a[j];
        }
    }
    reduce(columns, p)
}

/// `a / 2^256 mod p`, for `a` below `p`: out of Montgomery's form.
#[inline(always)]
pub(super) fn leave(a: &Words, p: &Words) -> Words {
    let mut columns = [0; 17];
    columns[..9].copy_from_slice(&split(a));
    reduce(columns, p)
}
