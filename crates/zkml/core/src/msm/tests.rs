//! Every algorithm against double-and-add.

use super::*;
use crate::group::ShortChallenge;
use crate::group::derive_generator;
use crate::random::Random;
use ark_ff::Field;

fn naive(bases: &[Affine], scalars: &[F]) -> Projective {
    bases.iter().zip(scalars).map(|(base, scalar)| *base * scalar).sum()
}

fn bases(count: u64) -> Vec<Affine> {
    (0..count).map(derive_generator).collect()
}

#[test]
fn full_scalars() {
    let mut random = Random::new("test", &[1; 32], &[]);
    for count in [0, 1, 2, 5, 33, 200] {
        let mut bases = bases(count);
        let mut scalars: Vec<F> = bases.iter().map(|_| random.scalar()).collect();
        if count > 4 {
            // Equal, opposite and zero points, equal and extreme scalars.
            bases[1] = bases[0];
            scalars[1] = scalars[0];
            bases[2] = -bases[0];
            scalars[2] = scalars[0];
            bases[3] = Affine::zero();
            scalars[4] = -F::ONE;
        }
        assert_eq!(msm(&bases, &scalars), naive(&bases, &scalars), "{count}");
    }
}

#[test]
fn small_integers() {
    let bases = bases(300);
    for (modulus, shift) in
        [(2i64, 0i64), (255, 127), (256, 0), (3, 1), (65_536, 32_768), (1 << 40, 1 << 39), (1, 0)]
    {
        let integers: Vec<i64> =
            (0..300i64).map(|i| (i * i * 7_919 + i * 104_729 * 65_537).rem_euclid(modulus) - shift).collect();
        let scalars: Vec<F> = integers.iter().map(|value| F::from(*value)).collect();
        assert_eq!(msm_small(&bases, &[&integers]), [naive(&bases, &scalars)], "{modulus}");
    }
}

#[test]
fn fixed_bases() {
    let base = derive_generator(9);
    let table = FixedBase::new(&base);
    let mut random = Random::new("test", &[2; 32], &[]);
    let edges = [F::zero(), F::ONE, -F::ONE, F::from(32u64), F::from(33u64)];
    for scalar in edges.into_iter().chain((0..20).map(|_| random.scalar())) {
        assert_eq!(table.mul(&scalar), base * scalar);
    }
}

#[test]
fn folding() {
    let bases = bases(75);
    for challenge in [
        ShortChallenge { a: u64::MAX, b: 0 },
        ShortChallenge { a: 1, b: u64::MAX - 6 },
        ShortChallenge { a: 0, b: 3 },
    ] {
        let folded = fold(&bases[..38], &bases[38..], challenge);
        for index in 0..38 {
            let high = bases.get(38 + index).copied().unwrap_or_else(Affine::zero);
            assert_eq!(folded[index], (bases[index] + high * challenge.scalar()).into_affine());
        }
    }
}
