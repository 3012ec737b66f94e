//! Stage 6: the sum-check over all product constraints.

use super::fold::{SplitEq, Table};
use ark_ff::One;
use zkml_core::F;
use zkml_core::ledger::{Form, Product};

pub(super) struct Products {
    left: Table,
    right: Table,
    /// The point of the `eq` factor, as far as it is not bound.
    point: Vec<F>,
    /// The product of the private scalars, until it is asked for.
    blinding: Option<F>,
}

impl Products {
    pub(super) fn new(products: &[Product], hidden: &[F]) -> Self {
        let side = |form: fn(&Product) -> &Form| {
            let mut values: Vec<F> = products.iter().map(|product| form(product).evaluate(hidden)).collect();
            values.resize(products.len().next_power_of_two(), F::default());
            Table::full(values)
        };
        let (left, right) = (side(|product| &product.left), side(|product| &product.right));
        let last = products.len() - 1;
        let blinding = Some(left.at(last) * right.at(last));
        Self { left, right, point: Vec::new(), blinding }
    }

    pub(super) fn set_point(&mut self, point: &[F]) {
        self.point = point.to_vec();
    }

    pub(super) fn answer(&mut self, challenge: Option<&F>, out: &mut [F]) {
        if let Some(blinding) = self.blinding.take() {
            out.copy_from_slice(&[blinding]);
            return;
        }
        if let Some(challenge) = challenge {
            self.left.bind(challenge);
            self.right.bind(challenge);
            self.point.pop();
        }
        let half = self.left.half();
        let (left, right) = (&self.left.values, &self.right.values);
        let below = &self.point[..self.point.len() - 1];
        let round = SplitEq::new(below, F::one())
            .sum(half, |i| [left[i] * right[i], (left[i + half] - left[i]) * (right[i + half] - right[i])]);
        out.copy_from_slice(&round);
    }

    pub(super) fn reveal(&mut self, challenge: &F) -> [F; 2] {
        self.left.bind(challenge);
        self.right.bind(challenge);
        [self.left.at(0), self.right.at(0)]
    }
}
