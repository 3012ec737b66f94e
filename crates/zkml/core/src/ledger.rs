//! Hidden scalars and the constraints on them.
//!
//! A hidden scalar `m` is sent as `m + pad`, with a pad that was committed before: the wire
//! carries uniform field elements, and still every linear statement about the hidden scalars is
//! a linear statement about the committed pads. A [`Ledger`] lists what was sent, and the linear
//! and product constraints that hold if the prover is honest. Both parties keep the same one.
//!
//! Left to the caller: products are reduced to linear constraints by a sum-check, and the linear
//! ones, combined at random, to one inner product with the pads ([`Ledger::combine`]).

use crate::field::F;
use alloc::vec;
use alloc::vec::Vec;
use ark_ff::{Field, Zero};

/// `constant + sum coefficient * hidden scalar`.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// The public part.
    pub constant: F,
    /// Index of a hidden scalar, and its coefficient; indices may repeat.
    pub terms: Vec<(u32, F)>,
}

impl Form {
    /// A public constant.
    #[must_use]
    pub fn constant(value: F) -> Self {
        Self { constant: value, terms: Vec::new() }
    }

    /// This form times a public scalar.
    #[must_use]
    pub fn scaled(mut self, factor: F) -> Self {
        self.constant *= factor;
        for (_, coefficient) in &mut self.terms {
            *coefficient *= factor;
        }
        self
    }

    /// This form plus `factor` times another.
    #[must_use]
    pub fn plus(mut self, other: &Self, factor: F) -> Self {
        self.constant += factor * other.constant;
        self.terms.extend(other.terms.iter().map(|(index, coefficient)| (*index, factor * coefficient)));
        self
    }

    /// The value, given every hidden scalar.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "a form's indices are numbers of hidden scalars")]
    pub fn evaluate(&self, hidden: &[F]) -> F {
        let terms = self.terms.iter();
        self.constant + terms.map(|(index, coefficient)| *coefficient * hidden[*index as usize]).sum::<F>()
    }
}

/// One constraint `left * right = product`.
#[derive(Clone, Debug)]
pub struct Product {
    /// First factor.
    pub left: Form,
    /// Second factor.
    pub right: Form,
    /// Their product.
    pub product: Form,
}

/// What was sent, and what must hold.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Every hidden scalar plus its pad; zero for one that is its own negated pad.
    pub wire: Vec<F>,
    /// Forms that must be zero.
    pub zero: Vec<Form>,
    /// Product constraints.
    pub products: Vec<Product>,
}

impl Ledger {
    /// Records a masked scalar.
    #[expect(clippy::cast_possible_truncation, reason = "a proof has at most MAX_PADS hidden scalars")]
    pub fn push(&mut self, masked: F) -> Form {
        let index = self.wire.len() as u32;
        self.wire.push(masked);
        Form { constant: F::zero(), terms: vec![(index, F::ONE)] }
    }

    /// A uniform hidden scalar that needs no byte: the negated pad itself.
    pub fn private(&mut self) -> Form {
        self.push(F::zero())
    }

    /// Demands that a form is zero.
    pub fn require_zero(&mut self, form: Form) {
        self.zero.push(form);
    }

    /// Demands a product.
    pub fn require_product(&mut self, left: Form, right: Form, product: Form) {
        self.products.push(Product { left, right, product });
    }

    /// Combines all zero forms with powers of `challenge`, starting with the first power:
    /// coefficients `u` over the pads and a value `v` such that the forms are zero (but for
    /// probability `count / |F|`) only if `<pads, u> = v`.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "a form's indices are numbers of scalars that were pushed")]
    pub fn combine(&self, challenge: &F) -> (Vec<F>, F) {
        let mut coefficients = vec![F::zero(); self.wire.len()];
        let mut value = F::zero();
        let mut power = F::ONE;
        for form in &self.zero {
            power *= challenge;
            value += power * form.constant;
            for (index, coefficient) in &form.terms {
                coefficients[*index as usize] += power * coefficient;
            }
        }
        value += crate::field::dot(&coefficients, &self.wire);
        (coefficients, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combined_constraints_speak_about_pads() {
        let scalar = |value: u64| F::from(value);
        let (hidden, pads) = ([scalar(7), scalar(9)], [scalar(100), scalar(200)]);
        let mut ledger = Ledger::default();
        let a = ledger.push(hidden[0] + pads[0]);
        let b = ledger.push(hidden[1] + pads[1]);
        // 9 * 7 - 7 * 9 = 0 and 2 * 7 - 14 = 0.
        ledger.require_zero(a.clone().scaled(scalar(9)).plus(&b, -scalar(7)));
        ledger.require_zero(a.clone().scaled(scalar(2)).plus(&Form::constant(scalar(14)), -F::ONE));
        let (coefficients, value) = ledger.combine(&scalar(12_345));
        assert_eq!(crate::field::dot(&coefficients, &pads), value);
        ledger.require_zero(a.plus(&b, F::ONE));
        let (coefficients, value) = ledger.combine(&scalar(12_345));
        assert_ne!(crate::field::dot(&coefficients, &pads), value);
    }
}
