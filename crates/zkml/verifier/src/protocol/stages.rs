//! The stages that are sum-checks, as both parties follow them: claims in, claims out.

use super::{Party, QuadItem, Stage};
use crate::circuit::Circuit;
use crate::kernel::{Functional, axis_point};
use alloc::vec;
use alloc::vec::Vec;
use ark_ff::{Field, Zero};
use zkml_core::F;
use zkml_core::field::encode;
use zkml_core::labels;
use zkml_core::ledger::{Form, Ledger, Product};
use zkml_core::poly::{batch_invert, eq, eq_table};
use zkml_core::transcript::{Aborted, Transcript};

pub(super) struct Run<'a, P, T: ?Sized> {
    pub(super) party: &'a mut P,
    pub(super) transcript: &'a mut T,
    pub(super) ledger: Ledger,
}

/// A hidden claim with the point of the sum-check that led to it.
pub(super) type Claimed = (Vec<F>, Form);

impl<P: Party, T: Transcript + ?Sized> Run<'_, P, T> {
    pub(super) fn hear(&mut self, challenge: Option<&F>, count: usize) -> Vec<Form> {
        let mut masked = vec![F::zero(); count];
        self.party.answer(challenge, &mut masked);
        for scalar in &masked {
            self.transcript.absorb(labels::HIDDEN, &encode(scalar));
        }
        masked.into_iter().map(|scalar| self.ledger.push(scalar)).collect()
    }

    /// `sum_x eq(w, x) g(x) = claim` for `g` of degree 2, without the factor `eq` (Gruen, ePrint
    /// 2024/108): a round sends `t(0)` and the leading coefficient; `t(1)` follows from
    /// `(1 - w_i) t(0) + w_i t(1) = claim`.
    pub(super) fn sumcheck_eq(&mut self, mut claim: Form, w: &[F]) -> Result<Claimed, Aborted> {
        let mut inverses = w.to_vec();
        batch_invert(&mut inverses);
        let mut point = vec![F::zero(); w.len()];
        let mut challenge = None;
        for variable in (0..w.len()).rev() {
            let sent = self.hear(challenge.as_ref(), 2);
            let r = self.transcript.challenge(labels::ROUND)?;
            let slope = r * inverses[variable];
            claim = claim
                .scaled(slope)
                .plus(&sent[0], F::ONE - r - slope * (F::ONE - w[variable]))
                .plus(&sent[1], r * r - r);
            point[variable] = r;
            challenge = Some(r);
        }
        Ok((point, claim))
    }

    /// `sum_x g(x) = claim` for `g` of degree 2 or 3: a round sends all coefficients but the
    /// linear one, which follows from the claim.
    pub(super) fn sumcheck(
        &mut self,
        mut claim: Form,
        variables: usize,
        degree: usize,
    ) -> Result<Claimed, Aborted> {
        let mut point = vec![F::zero(); variables];
        let mut challenge = None;
        for variable in (0..variables).rev() {
            let sent = self.hear(challenge.as_ref(), degree);
            let r = self.transcript.challenge(labels::ROUND)?;
            claim = claim.scaled(r).plus(&sent[0], F::ONE - r - r);
            let mut power = r;
            for coefficient in &sent[1..] {
                power *= r;
                claim = claim.plus(coefficient, power - r);
            }
            point[variable] = r;
            challenge = Some(r);
        }
        Ok((point, claim))
    }

    /// Stage 1: returns the leaf point and the hidden claims for numerator and denominator.
    pub(super) fn tree(
        &mut self,
        circuit: &Circuit,
        alpha: F,
        gamma: [F; 4],
    ) -> Result<(Vec<F>, Form, Form), Aborted> {
        self.party.begin(Stage::Tree { alpha, gamma });
        let root = self.hear(None, 8);
        let product = |run: &mut Self, left: &Form, right: &Form, product: &Form| {
            run.ledger.require_product(left.clone(), right.clone(), product.clone());
        };
        let [p0, p1, q0, q1, first, second, denominator, inverse] = &root[..] else {
            return Err(Aborted);
        };
        product(self, p0, q1, first);
        product(self, p1, q0, second);
        product(self, q0, q1, denominator);
        product(self, denominator, inverse, &Form::constant(F::ONE));
        self.ledger.require_zero(first.clone().plus(second, F::ONE));
        let mut join = self.transcript.challenge(labels::LAYER_JOIN)?;
        let at = |low: &Form, high: &Form, r: F| low.clone().scaled(F::ONE - r).plus(high, r);
        let (mut p, mut q) = (at(p0, p1, join), at(q0, q1, join));
        let mut point = vec![join];
        for _ in 1..circuit.leaf_log {
            let lambda = self.transcript.challenge(labels::LAYER_LAMBDA)?;
            self.party.begin(Stage::Layer { point: &point, lambda });
            let (bound, claim) = self.sumcheck_eq(p.plus(&q, lambda), &point)?;
            let layer = self.hear(bound.first(), 6);
            let [p0, p1, q0, q1, first, second] = &layer[..] else {
                return Err(Aborted);
            };
            self.ledger.require_product(q1.clone(), p0.clone().plus(q0, lambda), first.clone());
            self.ledger.require_product(p1.clone(), q0.clone(), second.clone());
            self.ledger.require_zero(claim.plus(first, -F::ONE).plus(second, -F::ONE));
            join = self.transcript.challenge(labels::LAYER_JOIN)?;
            (p, q) = (at(p0, p1, join), at(q0, q1, join));
            point = bound;
            point.push(join);
        }
        Ok((point, p, q))
    }

    /// Stage 3: returns the hidden sum, after adding the factors' functionals and claims.
    pub(super) fn quadratic(
        &mut self,
        circuit: &Circuit,
        items: &[QuadItem],
        rho: &[F],
        functional: &mut Functional,
        claim: Form,
    ) -> Result<Form, Aborted> {
        if items.is_empty() {
            return Ok(claim);
        }
        self.party.begin(Stage::Quadratic { items, rho });
        let total = self.hear(None, 1).swap_remove(0);
        let (point, mut rest) = self.sumcheck(total.clone(), circuit.quad_log(), 3)?;
        let factors = self.hear(point.first(), 3 * items.len());
        let chi = self.transcript.challenge(labels::FACTORS)?;
        let mut claim = claim.plus(&total, -F::ONE);
        let mut power = F::ONE;
        for (item, values) in items.iter().zip(factors.chunks_exact(3)) {
            let quad = &circuit.quads[item.quad];
            let axes = &circuit.blocks[quad.domain].axes;
            let batch = item.shape.batch.iter();
            let same: F = batch
                .map(|(axis, place)| eq(axis_point(&axes[*axis], rho), axis_point(place, &point)))
                .product();
            let outside: F = point[item.shape.log..].iter().map(|x| F::ONE - x).product();
            rest = rest.plus(&values[2], -item.coefficient * same * outside);
            self.ledger.require_product(values[0].clone(), values[1].clone(), values[2].clone());
            for (factor, value) in [(&quad.a, &values[0]), (&quad.b, &values[1])] {
                power *= chi;
                functional.add_factor(circuit, (factor, &item.shape), quad.domain, power, (rho, &point));
                claim = claim.plus(value, power);
            }
        }
        self.ledger.require_zero(rest);
        Ok(claim)
    }

    /// Stage 6: turns the product constraints into linear ones.
    pub(super) fn products(&mut self, circuit: &Circuit) -> Result<(), Aborted> {
        self.party.private();
        self.party.private();
        let (left, right) = (self.ledger.private(), self.ledger.private());
        let mut products = core::mem::take(&mut self.ledger.products);
        products.push(Product { left, right, product: Form::default() });
        self.party.begin(Stage::Products { products: &products });
        let blinding = self.hear(None, 1).swap_remove(0);
        if let Some(last) = products.last_mut() {
            last.product = blinding;
        }
        let log = circuit.product_log();
        let mut point = Vec::with_capacity(log);
        for _ in 0..log {
            point.push(self.transcript.challenge(labels::PRODUCTS)?);
        }
        self.party.begin(Stage::ProductPoint { point: &point });
        let weights = eq_table(&point, F::ONE);
        let claim = products
            .iter()
            .zip(&weights)
            .fold(Form::default(), |sum, (product, weight)| sum.plus(&product.product, *weight));
        let (bound, claim) = self.sumcheck_eq(claim, &point)?;
        let last = bound.first().copied().unwrap_or_default();
        let revealed = self.party.reveal(&last);
        for factor in &revealed {
            self.transcript.absorb(labels::REVEALED, &encode(factor));
        }
        let weights = eq_table(&bound, F::ONE);
        let sides: [fn(&Product) -> &Form; 2] = [|product| &product.left, |product| &product.right];
        for (side, value) in sides.iter().zip(&revealed) {
            let form = products
                .iter()
                .zip(&weights)
                .fold(Form::default(), |sum, (product, weight)| sum.plus(side(product), *weight));
            self.ledger.require_zero(form.plus(&Form::constant(*value), -F::ONE));
        }
        self.ledger.require_zero(claim.plus(&Form::constant(revealed[0] * revealed[1]), -F::ONE));
        self.ledger.products = products;
        Ok(())
    }
}
