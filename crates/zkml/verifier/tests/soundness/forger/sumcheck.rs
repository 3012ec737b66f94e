//! A dense sum-check that follows its claim, true or not.

use ark_ff::{Field, One, Zero};
use zkml_core::F;
use zkml_core::poly::{bind_top, eq_table};

/// `sum over x of eq(point, x) * (sum of products of tables)(x) = claim`; without the factor where there
/// is no point.
pub(crate) struct SumCheck {
    pub(crate) point: Option<Vec<F>>,
    pub(crate) terms: Vec<Vec<Vec<F>>>,
    pub(crate) claim: F,
    sent: Vec<F>,
}

impl SumCheck {
    pub(crate) fn new(point: Option<Vec<F>>, terms: Vec<Vec<Vec<F>>>, claim: F) -> Self {
        Self { point, terms, claim, sent: Vec::new() }
    }

    /// Variables that are left.
    pub(crate) fn left(&self) -> usize {
        self.terms[0][0].len().trailing_zeros() as usize
    }

    /// All coefficients of the next message but the linear one.
    pub(crate) fn round(&mut self, count: usize) -> Vec<F> {
        let half = self.terms[0][0].len() / 2;
        let weights = match &self.point {
            Some(point) => eq_table(&point[..point.len() - 1], F::one()),
            None => vec![F::one(); half],
        };
        let mut sums = vec![F::zero(); count + 1];
        for term in &self.terms {
            for (i, weight) in weights.iter().enumerate() {
                let mut polynomial = vec![*weight];
                for table in term {
                    let (low, step) = (table[i], table[i + half] - table[i]);
                    let mut next = vec![F::zero(); polynomial.len() + 1];
                    for (degree, coefficient) in polynomial.iter().enumerate() {
                        next[degree] += low * coefficient;
                        next[degree + 1] += step * coefficient;
                    }
                    polynomial = next;
                }
                sums.iter_mut().zip(&polynomial).for_each(|(sum, coefficient)| *sum += coefficient);
            }
        }
        sums.remove(1);
        self.sent.clone_from(&sums);
        sums
    }

    /// Binds the highest variable. The linear coefficient is the one that the claim asks for.
    pub(crate) fn bind(&mut self, r: &F) {
        self.claim = match &mut self.point {
            Some(point) => {
                let w = point.pop().unwrap();
                let slope = *r * w.inverse().unwrap();
                self.claim * slope
                    + self.sent[0] * (F::one() - r - slope * (F::one() - w))
                    + self.sent[1] * (*r * r - r)
            }
            None => {
                let powers = [F::one() - r - r, *r * r - r, *r * r * r - r];
                self.claim * r + self.sent.iter().zip(powers).map(|(sent, power)| power * sent).sum::<F>()
            }
        };
        self.terms.iter_mut().flatten().for_each(|table| bind_top(table, r));
    }

    /// What the tables have come to.
    pub(crate) fn end(&self) -> Vec<Vec<F>> {
        self.terms.iter().map(|term| term.iter().map(|table| table[0]).collect()).collect()
    }
}
