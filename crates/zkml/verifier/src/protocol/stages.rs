//! The stages that are sum-checks, as both parties follow them: claims in, claims out.
#![expect(
    clippy::indexing_slicing,
    reason = "variables of a point by their number, and answers that were asked for by threes"
)]

use super::end::ColumnChallenges;
use super::public::Public;
use super::{Class, Party, ProtocolError, QuadItem, Stage};
use crate::circuit::{Circuit, log2_ceil};
use crate::kernel::{Functional, axis_point};
use alloc::vec;
use alloc::vec::Vec;
use ark_ff::{Field, Zero};
use zkml_core::F;
use zkml_core::field::encode;
use zkml_core::labels;
use zkml_core::ledger::{Form, Ledger, Product};
use zkml_core::poly::{batch_invert, eq, eq_table};
use zkml_core::transcript::Transcript;
use zkml_core::zip::{Unequal, zip_eq};

pub(super) struct Run<'a, P, T: ?Sized, A> {
    pub(super) party: &'a mut P,
    pub(super) transcript: &'a mut T,
    pub(super) public: A,
    pub(super) ledger: Ledger,
}

/// What stage 5 ends with: its inner products, and the claim about all of them at one column point.
pub(super) struct Columns {
    pub(super) classes: Vec<Class>,
    pub(super) point: Vec<F>,
    pub(super) claim: Form,
}

/// A hidden claim with the point of the sum-check that led to it.
type Claimed = (Vec<F>, Form);

impl<P: Party, T: Transcript + ?Sized, A: Public> Run<'_, P, T, A> {
    /// Stages 1 to 6: everything that the party sends.
    pub(super) fn messages(&mut self, circuit: &Circuit) -> Result<Columns, ProtocolError> {
        let alpha = self.transcript.challenge(labels::LOOKUP_ALPHA)?;
        let gamma = self.transcript.challenge(labels::LOOKUP_GAMMA)?;
        let gamma = [F::ONE, gamma, gamma.square(), gamma.square() * gamma];
        let (rho, p, q) = self.tree(circuit, alpha, gamma)?;

        let beta = self.transcript.challenge(labels::RELATIONS)?;
        let (mut functional, items) = self.public.relations(circuit, (alpha, gamma, beta), &rho)?;
        let claim = p.plus(&q, beta);
        let claim = self.quadratic(circuit, &items, &rho, &mut functional, claim)?;

        self.party.begin(Stage::Master { functional: &functional, rho: &rho })?;
        let [bias] = self.hear(None)?;
        let claim = claim.plus(&bias, -F::ONE).plus(&Form::constant(functional.constant), -F::ONE);
        let (r, claim) = self.sumcheck::<2>(claim, circuit.trace_log)?;
        let [t, v, product] = self.hear(r.first())?;
        let end = self.public.end(circuit, &functional, &rho, &r)?;
        self.ledger.require_product(t.clone(), v.clone(), product.clone());
        self.ledger.require_zero(claim.plus(&t, -end.kernel).plus(&product, -F::ONE));

        let eta = [self.transcript.challenge(labels::COLUMNS)?, self.transcript.challenge(labels::COLUMNS)?];
        let tau = if self.public.commits() { Some(self.transcript.challenge(labels::TAILS)?) } else { None };
        let challenges = ColumnChallenges { eta, tau };
        let (classes, public) = self.public.classes(circuit, &functional, &end, challenges, &r)?;
        self.party.begin(Stage::Columns { classes: &classes })?;
        let claim = t.plus(&v, eta[0]).plus(&bias, eta[1]).plus(&Form::constant(public), -F::ONE);
        // No answer depends on the last challenge of the columns.
        let (point, claim) = self.sumcheck::<2>(claim, circuit.columns_log)?;
        self.products()?;
        Ok(Columns { classes, point, claim })
    }

    /// The next answer of the party, of `N` hidden scalars.
    fn hear<const N: usize>(&mut self, challenge: Option<&F>) -> Result<[Form; N], ProtocolError> {
        let mut masked = [F::zero(); N];
        self.party.answer(challenge, &mut masked)?;
        Ok(masked.map(|scalar| self.keep(scalar)))
    }

    /// The next answer of the party, of `count` hidden scalars.
    fn hear_all(&mut self, challenge: Option<&F>, count: usize) -> Result<Vec<Form>, ProtocolError> {
        let mut masked = vec![F::zero(); count];
        self.party.answer(challenge, &mut masked)?;
        Ok(masked.into_iter().map(|scalar| self.keep(scalar)).collect())
    }

    fn keep(&mut self, masked: F) -> Form {
        if !A::CLAIMS {
            return Form::default();
        }
        self.transcript.absorb(labels::HIDDEN, &encode(&masked));
        self.ledger.push(masked)
    }

    /// `sum_x eq(w, x) g(x) = claim` for `g` of degree 2, without the factor `eq` (Gruen, ePrint
    /// 2024/108): a round sends `t(0)` and the leading coefficient; `t(1)` follows from
    /// `(1 - w_i) t(0) + w_i t(1) = claim`.
    fn sumcheck_eq(&mut self, mut claim: Form, w: &[F]) -> Result<Claimed, ProtocolError> {
        let mut inverses = w.to_vec();
        if A::CLAIMS {
            batch_invert(&mut inverses);
        }
        let mut point = vec![F::zero(); w.len()];
        let mut challenge = None;
        for variable in (0..w.len()).rev() {
            let [constant, quadratic] = self.hear(challenge.as_ref())?;
            let r = self.transcript.challenge(labels::ROUND)?;
            let slope = r * inverses[variable];
            claim = claim
                .scaled(slope)
                .plus(&constant, F::ONE - r - slope * (F::ONE - w[variable]))
                .plus(&quadratic, r * r - r);
            point[variable] = r;
            challenge = Some(r);
        }
        Ok((point, claim))
    }

    /// `sum_x g(x) = claim` for `g` of degree 2 or 3: a round sends all coefficients but the
    /// linear one, which follows from the claim.
    fn sumcheck<const DEGREE: usize>(
        &mut self,
        mut claim: Form,
        variables: usize,
    ) -> Result<Claimed, ProtocolError> {
        let mut point = vec![F::zero(); variables];
        let mut challenge = None;
        for variable in (0..variables).rev() {
            let sent = self.hear::<DEGREE>(challenge.as_ref())?;
            let r = self.transcript.challenge(labels::ROUND)?;
            // The constant counts at zero and at one; the others, of degrees 2 and 3, at one.
            let mut factor = F::ONE - r - r;
            let mut power = r;
            claim = claim.scaled(r);
            for coefficient in &sent {
                claim = claim.plus(coefficient, factor);
                power *= r;
                factor = power - r;
            }
            point[variable] = r;
            challenge = Some(r);
        }
        Ok((point, claim))
    }

    /// Stage 1: returns the leaf point and the hidden claims for numerator and denominator.
    fn tree(
        &mut self,
        circuit: &Circuit,
        alpha: F,
        gamma: [F; 4],
    ) -> Result<(Vec<F>, Form, Form), ProtocolError> {
        self.party.begin(Stage::Tree { alpha, gamma })?;
        let root = self.hear(None)?;
        let product = |run: &mut Self, left: &Form, right: &Form, product: &Form| {
            run.ledger.require_product(left.clone(), right.clone(), product.clone());
        };
        let [p0, p1, q0, q1, first, second, denominator, inverse] = &root;
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
            self.party.begin(Stage::Layer { point: &point, lambda })?;
            let (bound, claim) = self.sumcheck_eq(p.plus(&q, lambda), &point)?;
            let [p0, p1, q0, q1, first, second] = &self.hear(bound.first())?;
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
    fn quadratic(
        &mut self,
        circuit: &Circuit,
        items: &[QuadItem],
        rho: &[F],
        functional: &mut Functional,
        claim: Form,
    ) -> Result<Form, ProtocolError> {
        if items.is_empty() {
            return Ok(claim);
        }
        self.party.begin(Stage::Quadratic { items, rho })?;
        let [total] = self.hear(None)?;
        let (point, mut rest) = self.sumcheck::<3>(total.clone(), circuit.quad_log())?;
        let factors = self.hear_all(point.first(), items.len().saturating_mul(3))?;
        let chi = self.transcript.challenge(labels::FACTORS)?;
        let mut claim = claim.plus(&total, -F::ONE);
        let mut power = F::ONE;
        for (item, values) in zip_eq(items, factors.chunks_exact(3))? {
            let quad = &circuit.quads[item.quad];
            let axes = &circuit.blocks[quad.domain].axes;
            let batch = item.shape.batch.iter();
            let same = batch
                .map(|(axis, place)| eq(axis_point(&axes[*axis], rho), axis_point(place, &point)))
                .product::<Result<F, Unequal>>()?;
            let outside: F = point[item.shape.log..].iter().map(|x| F::ONE - x).product();
            rest = rest.plus(&values[2], -item.coefficient * same * outside);
            self.ledger.require_product(values[0].clone(), values[1].clone(), values[2].clone());
            let coefficients = [power * chi, power * chi.square()];
            power = coefficients[1];
            self.public.factors(circuit, item, coefficients, (rho, &point), functional)?;
            claim = claim.plus(&values[0], coefficients[0]).plus(&values[1], coefficients[1]);
        }
        self.ledger.require_zero(rest);
        Ok(claim)
    }

    /// Stage 6: turns the product constraints into linear ones.
    fn products(&mut self) -> Result<(), ProtocolError> {
        self.party.private()?;
        self.party.private()?;
        let (left, right) = (self.ledger.private(), self.ledger.private());
        let mut products = core::mem::take(&mut self.ledger.products);
        products.push(Product { left, right, product: Form::default() });
        self.party.begin(Stage::Products { products: &products })?;
        let [blinding] = self.hear(None)?;
        if let Some(last) = products.last_mut() {
            last.product = blinding;
        }
        let log = log2_ceil(products.len());
        let mut point = Vec::with_capacity(log);
        for _ in 0..log {
            point.push(self.transcript.challenge(labels::PRODUCTS)?);
        }
        self.party.begin(Stage::ProductPoint { point: &point })?;
        // There are as many weights as a power of two, at least one for each product.
        let weights = eq_table(&point, F::ONE);
        let claim = products
            .iter()
            .zip(&weights)
            .fold(Form::default(), |sum, (product, weight)| sum.plus(&product.product, *weight));
        let (bound, claim) = self.sumcheck_eq(claim, &point)?;
        let last = bound.first().copied().unwrap_or_default();
        let revealed = self.party.reveal(&last)?;
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
