//! Stage 6: the sum-check over all product constraints.

use super::fold::{bind, drop_top, sum};
use ark_ff::One;
use zkml_core::F;
use zkml_core::ledger::Product;
use zkml_core::poly::eq_table;

pub(super) struct Products {
    left: Vec<F>,
    right: Vec<F>,
    weights: Vec<F>,
    asked: bool,
}

impl Products {
    pub(super) fn new(products: &[Product], hidden: &[F]) -> Self {
        let side = |form: fn(&Product) -> &zkml_core::ledger::Form| {
            let mut values: Vec<F> = products
                .iter()
                .map(|product| form(product).evaluate(hidden))
                .collect();
            values.resize(products.len().next_power_of_two(), F::default());
            values
        };
        Self {
            left: side(|product| &product.left),
            right: side(|product| &product.right),
            weights: Vec::new(),
            asked: false,
        }
        .with_blinding(products.len())
    }

    /// The last constraint is on the private scalars; its product is what is asked first.
    fn with_blinding(mut self, count: usize) -> Self {
        self.weights = vec![self.left[count - 1] * self.right[count - 1]];
        self
    }

    pub(super) fn set_point(&mut self, point: &[F]) {
        self.weights = eq_table(&point[..point.len() - 1], F::one());
    }

    pub(super) fn answer(&mut self, challenge: Option<&F>, out: &mut [F]) {
        if !self.asked {
            self.asked = true;
            out.copy_from_slice(&self.weights);
            return;
        }
        if let Some(challenge) = challenge {
            bind(&mut self.left, challenge);
            bind(&mut self.right, challenge);
            drop_top(&mut self.weights);
        }
        let half = self.left.len() / 2;
        let (left, right, weights) = (&self.left, &self.right, &self.weights);
        let round = sum(half, |i| {
            let leading = (left[i + half] - left[i]) * (right[i + half] - right[i]);
            [weights[i] * left[i] * right[i], weights[i] * leading]
        });
        out.copy_from_slice(&round);
    }

    pub(super) fn reveal(&mut self, challenge: &F) -> [F; 2] {
        bind(&mut self.left, challenge);
        bind(&mut self.right, challenge);
        [self.left[0], self.right[0]]
    }
}
