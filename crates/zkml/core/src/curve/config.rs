//! Pallas with the multiplication of [`super::limbs`]; every constant is arkworks'.
#![expect(
    clippy::indexing_slicing,
    reason = "the endomorphism has one coefficient, and arkworks' list has it"
)]

use super::limbs::{leave, mul, mul_two, square};
use ark_ec::models::CurveConfig;
use ark_ec::scalar_mul::glv::GLVConfig;
use ark_ec::short_weierstrass::{self, SWCurveConfig};
use ark_ff::fields::{Fp256, MontBackend, MontConfig};
use ark_ff::{BigInt, Field, PrimeField, Zero};

/// A field with arkworks' constants and our products.
macro_rules! field {
    ($name:ident, $config:ident, $theirs:ty) => {
        /// The constants and products of the field.
        pub struct $config;
        /// An element.
        pub type $name = Fp256<MontBackend<$config, 4>>;

        impl MontConfig<4> for $config {
            const MODULUS: BigInt<4> = <$theirs as MontConfig<4>>::MODULUS;
            const GENERATOR: $name = $name::new_unchecked(<$theirs as MontConfig<4>>::GENERATOR.0);
            const TWO_ADIC_ROOT_OF_UNITY: $name =
                $name::new_unchecked(<$theirs as MontConfig<4>>::TWO_ADIC_ROOT_OF_UNITY.0);

            #[inline(always)]
            fn mul_assign(a: &mut $name, b: &$name) {
                a.0.0 = mul(&a.0.0, &b.0.0, &Self::MODULUS.0);
            }

            #[inline(always)]
            fn square_in_place(a: &mut $name) {
                a.0.0 = square(&a.0.0, &Self::MODULUS.0);
            }

            fn into_bigint(a: $name) -> BigInt<4> {
                BigInt(leave(&a.0.0, &Self::MODULUS.0))
            }

            fn sum_of_products<const M: usize>(a: &[$name; M], b: &[$name; M]) -> $name {
                let pairs = a.chunks(2).zip(b.chunks(2));
                pairs
                    .map(|(a, b)| match (a, b) {
                        ([a, c], [b, d]) => $name::new_unchecked(BigInt(mul_two(
                            &a.0.0,
                            &b.0.0,
                            &c.0.0,
                            &d.0.0,
                            &Self::MODULUS.0,
                        ))),
                        ([a, ..], [b, ..]) => *a * b,
                        _ => $name::zero(),
                    })
                    .sum()
            }
        }
    };
}

field!(Fq, FqConfig, ark_pallas::FqConfig);
field!(Fr, FrConfig, ark_pallas::FrConfig);

/// The curve `y^2 = x^3 + 5`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PallasConfig;
/// A point, affine.
pub type Affine = short_weierstrass::Affine<PallasConfig>;
/// A point in Jacobian coordinates.
pub type Projective = short_weierstrass::Projective<PallasConfig>;

type Theirs = ark_pallas::PallasConfig;

const fn ours(value: ark_pallas::Fq) -> Fq {
    Fq::new_unchecked(value.0)
}

impl CurveConfig for PallasConfig {
    type BaseField = Fq;
    type ScalarField = Fr;
    const COFACTOR: &'static [u64] = Theirs::COFACTOR;
    const COFACTOR_INV: Fr = Fr::ONE;
}

impl SWCurveConfig for PallasConfig {
    const COEFF_A: Fq = ours(Theirs::COEFF_A);
    const COEFF_B: Fq = ours(Theirs::COEFF_B);
    const GENERATOR: Affine = Affine::new_unchecked(ours(Theirs::GENERATOR.x), ours(Theirs::GENERATOR.y));
    type ZeroFlag = ();

    fn mul_by_a(_: Fq) -> Fq {
        Fq::zero()
    }
}

impl GLVConfig for PallasConfig {
    const ENDO_COEFFS: &'static [Fq] = &[ours(Theirs::ENDO_COEFFS[0])];
    const LAMBDA: Fr = Fr::new_unchecked(Theirs::LAMBDA.0);
    const SCALAR_DECOMP_COEFFS: [(bool, <Fr as PrimeField>::BigInt); 4] = Theirs::SCALAR_DECOMP_COEFFS;

    fn endomorphism(point: &Projective) -> Projective {
        let mut out = *point;
        out.x *= Self::ENDO_COEFFS[0];
        out
    }

    fn endomorphism_affine(point: &Affine) -> Affine {
        let mut out = *point;
        out.x *= Self::ENDO_COEFFS[0];
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ec::{AffineRepr, CurveGroup};
    use proptest::prelude::*;

    /// Values below both primes, with many at the ends of their range.
    fn words() -> impl Strategy<Value = [u64; 4]> {
        let word = prop_oneof![any::<u64>(), Just(0), Just(u64::MAX), Just(1)];
        let top = prop_oneof![0u64..0x4000_0000_0000_0000, Just(0x3fff_ffff_ffff_ffff)];
        ([word.clone(), word.clone(), word], top).prop_map(|([a, b, c], top)| [a, b, c, top])
    }

    macro_rules! same {
        ($name:ident, $ours:ty, $theirs:ty) => {
            proptest! {
                #[test]
                fn $name(a in words(), b in words(), c in words()) {
                    let [a, b, c] = [a, b, c].map(BigInt::<4>);
                    let ours = [a, b, c].map(<$ours>::new_unchecked);
                    let theirs = [a, b, c].map(<$theirs>::new_unchecked);
                    let [x, y, z] = ours;
                    let [u, v, w] = theirs;
                    prop_assert_eq!((x * y).0, (u * v).0);
                    prop_assert_eq!(x.square().0, u.square().0);
                    prop_assert_eq!(x.into_bigint(), u.into_bigint());
                    prop_assert_eq!(<$ours>::from_bigint(a).map(|f| f.0), <$theirs>::from_bigint(a).map(|f| f.0));
                    prop_assert_eq!(x.inverse().map(|f| f.0), u.inverse().map(|f| f.0));
                    prop_assert_eq!(x.sqrt().map(|f| f.0), u.sqrt().map(|f| f.0));
                    let sum = <$ours>::sum_of_products(&ours, &[y, z, x]);
                    prop_assert_eq!(sum.0, <$theirs>::sum_of_products(&theirs, &[v, w, u]).0);
                    // The greatest values: one and two below the modulus.
                    let (p, q) = (-<$ours>::ONE, -<$theirs>::ONE);
                    let (r, s) = (<$ours>::new_unchecked(BigInt::one()), <$theirs>::new_unchecked(BigInt::one()));
                    prop_assert_eq!((-r * -r).0, (-s * -s).0);
                    prop_assert_eq!((p * -r).0, (q * -s).0);
                    prop_assert_eq!((-r).square().0, (-s).square().0);
                    prop_assert_eq!(<$ours>::sum_of_products(&[-r, -r], &[-r, -r]).0, <$theirs>::sum_of_products(&[-s, -s], &[-s, -s]).0);
                }
            }
        };
    }

    same!(base_field, Fq, ark_pallas::Fq);
    same!(scalar_field, Fr, ark_pallas::Fr);

    #[test]
    fn the_group_is_arkworks_group() {
        let scalar = -Fr::from(123_456_789u64).square();
        let ours = (Affine::generator() * scalar).into_affine();
        let theirs = ark_pallas::Affine::generator() * ark_pallas::Fr::new_unchecked(scalar.0);
        let theirs = theirs.into_affine();
        assert_eq!((ours.x.0, ours.y.0), (theirs.x.0, theirs.y.0));
        assert!(ours.is_on_curve());
        let turned = PallasConfig::endomorphism_affine(&ours);
        assert_eq!(turned, (ours * PallasConfig::LAMBDA).into_affine());
    }
}
