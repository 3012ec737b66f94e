//! The group equation that a proof comes down to, as points and scalars.
//!
//! Nothing is checked until the sum is computed; so several equations, multiplied by random
//! factors, become one, in which the generators that all proofs share appear once.

use alloc::vec;
use alloc::vec::Vec;
use ark_ff::Zero;
use zkml_core::group::Generators;
use zkml_core::msm::Msm;
use zkml_core::{Affine, F};

/// A sum of multiples of points that must be zero.
#[derive(Clone, Debug, Default)]
pub struct GroupEquation {
    /// Scalars of the column generators.
    pub columns: Vec<F>,
    /// Scalars of the pad generators.
    pub pads: Vec<F>,
    /// Scalar of the blinding generator.
    pub blind: F,
    /// Scalar of the value generator.
    pub value: F,
    /// All other points, with their scalars.
    pub others: Vec<(Affine, F)>,
}

impl GroupEquation {
    /// Adds `factor` times another equation.
    pub fn add(&mut self, other: &Self, factor: F) {
        let scale = |into: &mut Vec<F>, from: &[F]| {
            if into.len() < from.len() {
                into.resize(from.len(), F::zero());
            }
            // The other equation may be of a smaller circuit.
            into.iter_mut().zip(from).for_each(|(a, b)| *a += factor * b);
        };
        scale(&mut self.columns, &other.columns);
        scale(&mut self.pads, &other.pads);
        self.blind += factor * other.blind;
        self.value += factor * other.value;
        self.others.extend(other.others.iter().map(|(point, scalar)| (*point, factor * scalar)));
    }

    /// Whether the sum is zero: one multi-scalar multiplication.
    #[must_use]
    pub fn holds(&self, msm: &impl Msm) -> bool {
        let generators = Generators::new(self.columns.len(), self.pads.len());
        let mut points = generators.columns;
        points.extend(generators.pads);
        let mut scalars = vec![];
        scalars.extend(&self.columns);
        scalars.extend(&self.pads);
        points.extend([generators.blind, generators.value]);
        scalars.extend([self.blind, self.value]);
        for (point, scalar) in &self.others {
            points.push(*point);
            scalars.push(*scalar);
        }
        points.len() == scalars.len() && msm.msm(&points, &scalars).is_zero()
    }
}
