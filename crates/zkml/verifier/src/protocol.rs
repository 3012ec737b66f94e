//! The protocol, once for both parties.
//!
//! [`run`] walks through the stages, keeps the transcript and the ledger of constraints, and asks
//! a [`Party`] for the hidden scalars of each message: the prover computes them, the verifier
//! reads them from the proof, the simulator draws them at random. Whatever the party, the result
//! is one inner-product statement ([`Reduced`]).
//!
//! Stages, with the claims that they pass on (all claims are hidden, as linear forms):
//! 1. **Tree.** The fractions of all lookups and tables add up to zero, with a non-zero common
//!    denominator (logUp, GKR: ePrint 2023/1284), down to the leaves at a point `rho`.
//! 2. **Relations.** The leaves and all linear relations at `rho`, combined at random, are
//!    `<T, K> + <W, L> + constant + quadratic sums`.
//! 3. **Quadratic.** One sum-check for all quadratic sums, down to values of their factors.
//! 4. **Master.** One sum-check for `<T, K>`, down to `t = T(r)` and the kernel at `r`, which is
//!    a public number plus a linear functional `V` of the weights.
//! 5. **Columns.** `t`, `V` and the bias functional are inner products over rows of committed
//!    matrices: one sum-check over the columns, down to one column point for all of them.
//! 6. **Products.** All product constraints, by one sum-check, blinded by a random product.
//! 7. **Combination** of all linear constraints to one inner product with columns and pads. One
//!    argument opens both, and nothing forces a prover to keep rows off the pads' generators or
//!    the pads' commitment off the columns'. So that commitment enters times a last challenge
//!    `zeta`, and the demand is `zeta <row, eq> + <zeta pads, u> = zeta v`: what was committed on
//!    the wrong generators meets `zeta^0` or `zeta^2` and must cancel by itself.

use crate::circuit::{Circuit, IO_CHUNK, Place, QuadShape};
use crate::kernel::{
    BiasKernel, Functional, GraphView, Kernel, WeightCoefficients, axis_point, axis_tables,
    outer_product, prefix_tables, selector,
};
use crate::statement::{Shown, Statement, chunk_count};
use alloc::vec;
use alloc::vec::Vec;
use ark_ff::{Field, Zero};
use zkml_core::F;
use zkml_core::field::{dot, encode};
use zkml_core::labels;
use zkml_core::ledger::{Form, Ledger, Product};
use zkml_core::poly::{batch_invert, eq, eq_prefix, eq_table};
use zkml_core::transcript::{Aborted, Transcript};

/// What a party is asked for next. Within a stage the party answers a sequence of requests; each
/// passes the challenge that followed the previous answer.
pub enum Stage<'a> {
    /// Answers: `p0, p1, q0, q1` below the root, then `p0 q1`, `p1 q0`, `q0 q1`, `1 / (q0 q1)`.
    Tree {
        /// Position in a denominator.
        alpha: F,
        /// `1, gamma, gamma^2, gamma^3`: factors of the columns, then of the tag.
        gamma: [F; 4],
    },
    /// Answers: for every variable of `point`, highest first, the constant and the quadratic
    /// coefficient of the round polynomial without its `eq` factor; at the end
    /// `p0, p1, q0, q1`, `q1 (lambda q0 + p0)`, `p1 q0`.
    Layer {
        /// Claims of the layer above are at this point.
        point: &'a [F],
        /// Combines numerators and denominators.
        lambda: F,
    },
    /// Answers: the sum of all items; for every variable the coefficients of degrees 0, 2, 3 of
    /// the round polynomial; at the end `a, b, a b` for every item.
    Quadratic {
        /// The sums, with factors.
        items: &'a [QuadItem],
        /// Point of the relations.
        rho: &'a [F],
    },
    /// Answers: the bias functional; for every variable of the trace, highest first, the
    /// coefficients of degrees 0 and 2; at the end `t`, `V`, `t V`.
    Master {
        /// The functional.
        functional: &'a Functional,
        /// Point of the relations.
        rho: &'a [F],
    },
    /// Answers: for every variable of the columns, highest first, the coefficients of degrees
    /// 0 and 2.
    Columns {
        /// The inner products.
        classes: &'a [Class],
    },
    /// Answers: the product of the two private scalars; for every variable of the constraints,
    /// highest first, as in `Layer`. The last challenge comes with [`Party::reveal`].
    Products {
        /// The constraints, the last one on the private scalars. The third form of that one is
        /// not known to the ledger before the first answer.
        products: &'a [Product],
    },
    /// Announces the point of [`Stage::Products`]'s `eq` factor; no answer.
    ProductPoint {
        /// The point.
        point: &'a [F],
    },
}

/// One quadratic sum in the batch.
#[derive(Clone, Debug)]
pub struct QuadItem {
    /// Position in [`Circuit::quads`].
    pub quad: usize,
    /// Factor.
    pub coefficient: F,
    /// Its variables.
    pub shape: QuadShape,
}

/// `factor * sum over columns of row_sum(column) * values(column)`, where `row_sum` is a linear
/// combination of committed rows.
#[derive(Clone, Debug)]
pub struct Class {
    /// Which rows, with which factors.
    pub rows: ClassRows,
    /// One factor for each column; missing ones are zero.
    pub values: Vec<F>,
}

/// The rows of a class.
#[derive(Clone, Debug)]
pub enum ClassRows {
    /// Trace rows, including those of a key: one factor for each.
    Trace(Vec<F>),
    /// One row of packed weights.
    Packed(usize),
    /// One chunk of a parameter in rows, with the factor of each output.
    Matrix {
        /// The parameter.
        param: usize,
        /// The chunk.
        chunk: usize,
        /// One factor for each output.
        factors: Vec<F>,
    },
    /// A chunk of a committed input or output.
    Chunk {
        /// Position in the statement.
        tensor: usize,
        /// The chunk.
        chunk: usize,
    },
}

/// One side of the protocol.
pub trait Party {
    /// A stage begins.
    fn begin(&mut self, stage: Stage<'_>);
    /// The next hidden scalars of the stage, with their pads added.
    fn answer(&mut self, challenge: Option<&F>, out: &mut [F]);
    /// A pad is used as a hidden scalar itself (negated).
    fn private(&mut self);
    /// The two factors of the product sum-check, in clear: they are blinded.
    fn reveal(&mut self, challenge: &F) -> [F; 2];
}

/// The inner-product statement that a proof comes down to: the combination of committed rows by
/// `classes` and `multipliers`, plus `separation` times the pads, has inner product `value` with
/// `coefficients`: columns first, then pads.
pub struct Reduced {
    /// The inner products over rows.
    pub classes: Vec<Class>,
    /// Factor of each class in the combination.
    pub multipliers: Vec<F>,
    /// Factor of the commitment to the pads.
    pub separation: F,
    /// The public vector: `separation` times `eq` of the column point, then one factor for each
    /// pad.
    pub coefficients: Vec<F>,
    /// The inner product.
    pub value: F,
    /// Everything that was sent and demanded.
    pub ledger: Ledger,
}

struct Run<'a, P, T: ?Sized> {
    party: &'a mut P,
    transcript: &'a mut T,
    ledger: Ledger,
}

/// A hidden claim with the point of the sum-check that led to it.
type Claimed = (Vec<F>, Form);

impl<P: Party, T: Transcript + ?Sized> Run<'_, P, T> {
    fn hear(&mut self, challenge: Option<&F>, count: usize) -> Vec<Form> {
        let mut masked = vec![F::zero(); count];
        self.party.answer(challenge, &mut masked);
        for scalar in &masked {
            self.transcript.absorb(labels::HIDDEN, &encode(scalar));
        }
        masked
            .into_iter()
            .map(|scalar| self.ledger.push(scalar))
            .collect()
    }

    /// `sum_x eq(w, x) g(x) = claim` for `g` of degree 2, without the factor `eq` (Gruen, ePrint
    /// 2024/108): a round sends `t(0)` and the leading coefficient; `t(1)` follows from
    /// `(1 - w_i) t(0) + w_i t(1) = claim`.
    fn sumcheck_eq(&mut self, mut claim: Form, w: &[F]) -> Result<Claimed, Aborted> {
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
    fn sumcheck(
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
    fn tree(
        &mut self,
        circuit: &Circuit,
        alpha: F,
        gamma: [F; 4],
    ) -> Result<(Vec<F>, Form, Form), Aborted> {
        self.party.begin(Stage::Tree { alpha, gamma });
        let root = self.hear(None, 8);
        let product = |run: &mut Self, left: &Form, right: &Form, product: &Form| {
            run.ledger
                .require_product(left.clone(), right.clone(), product.clone());
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
            self.party.begin(Stage::Layer {
                point: &point,
                lambda,
            });
            let (bound, claim) = self.sumcheck_eq(p.plus(&q, lambda), &point)?;
            let layer = self.hear(bound.first(), 6);
            let [p0, p1, q0, q1, first, second] = &layer[..] else {
                return Err(Aborted);
            };
            self.ledger
                .require_product(q1.clone(), p0.clone().plus(q0, lambda), first.clone());
            self.ledger
                .require_product(p1.clone(), q0.clone(), second.clone());
            self.ledger
                .require_zero(claim.plus(first, -F::ONE).plus(second, -F::ONE));
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
            self.ledger
                .require_product(values[0].clone(), values[1].clone(), values[2].clone());
            for (factor, value) in [(&quad.a, &values[0]), (&quad.b, &values[1])] {
                power *= chi;
                functional.add_factor(
                    circuit,
                    (factor, &item.shape),
                    quad.domain,
                    power,
                    (rho, &point),
                );
                claim = claim.plus(value, power);
            }
        }
        self.ledger.require_zero(rest);
        Ok(claim)
    }

    /// Stage 6: turns the product constraints into linear ones.
    fn products(&mut self, circuit: &Circuit) -> Result<(), Aborted> {
        self.party.private();
        self.party.private();
        let (left, right) = (self.ledger.private(), self.ledger.private());
        let mut products = core::mem::take(&mut self.ledger.products);
        products.push(Product {
            left,
            right,
            product: Form::default(),
        });
        self.party.begin(Stage::Products {
            products: &products,
        });
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
            .fold(Form::default(), |sum, (product, weight)| {
                sum.plus(&product.product, *weight)
            });
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
                .fold(Form::default(), |sum, (product, weight)| {
                    sum.plus(side(product), *weight)
                });
            self.ledger
                .require_zero(form.plus(&Form::constant(*value), -F::ONE));
        }
        self.ledger
            .require_zero(claim.plus(&Form::constant(revealed[0] * revealed[1]), -F::ONE));
        self.ledger.products = products;
        Ok(())
    }
}

/// Runs the protocol after key, context, statement and commitments have been absorbed.
///
/// # Errors
/// [`Aborted`] where a live verifier has gone.
pub fn run<P: Party, T: Transcript + ?Sized>(
    circuit: &Circuit,
    weight_bits: u8,
    statement: &[Shown],
    party: &mut P,
    transcript: &mut T,
) -> Result<Reduced, Aborted> {
    let alpha = transcript.challenge(labels::LOOKUP_ALPHA)?;
    let gamma = transcript.challenge(labels::LOOKUP_GAMMA)?;
    let gamma = [F::ONE, gamma, gamma.square(), gamma.square() * gamma];
    let mut run = Run {
        party,
        transcript,
        ledger: Ledger::default(),
    };
    let (rho, p, q) = run.tree(circuit, alpha, gamma)?;

    let beta = run.transcript.challenge(labels::RELATIONS)?;
    let (mut functional, items) = relations(circuit, weight_bits, (alpha, gamma, beta), &rho);
    let claim = p.plus(&q, beta);
    let claim = run.quadratic(circuit, &items, &rho, &mut functional, claim)?;

    run.party.begin(Stage::Master {
        functional: &functional,
        rho: &rho,
    });
    let bias = run.hear(None, 1).swap_remove(0);
    let claim = claim
        .plus(&bias, -F::ONE)
        .plus(&Form::constant(functional.constant), -F::ONE);
    let (r, claim) = run.sumcheck(claim, circuit.trace_log, 2)?;
    let last = run.hear(r.first(), 3);
    let [t, v, product] = &last[..] else {
        return Err(Aborted);
    };
    let end = MasterEnd::new(circuit, &functional, &rho, &r);
    run.ledger
        .require_product(t.clone(), v.clone(), product.clone());
    run.ledger
        .require_zero(claim.plus(t, -end.kernel).plus(product, -F::ONE));

    let eta = [
        run.transcript.challenge(labels::COLUMNS)?,
        run.transcript.challenge(labels::COLUMNS)?,
    ];
    let (classes, public) = classes(circuit, statement, &functional, &end, eta, &r);
    run.party.begin(Stage::Columns { classes: &classes });
    let claim = t
        .clone()
        .plus(v, eta[0])
        .plus(&bias, eta[1])
        .plus(&Form::constant(public), -F::ONE);
    let (column, claim) = run.sumcheck(claim, circuit.columns_log, 2)?;

    // The last challenge of the columns reaches the party with the next stage's first request.
    run.products(circuit)?;
    let combine = run.transcript.challenge(labels::CONSTRAINTS)?;
    let (mut pads, mut value) = run.ledger.combine(&combine);
    for (index, coefficient) in &claim.terms {
        pads[*index as usize] += coefficient;
        value += *coefficient * run.ledger.wire[*index as usize];
    }
    value += claim.constant;
    let mut coefficients = eq_table(&column, F::ONE);
    let multipliers = classes
        .iter()
        .map(|class| dot(&class.values, &coefficients))
        .collect();
    let separation = run.transcript.challenge(labels::SEPARATION)?;
    for coefficient in &mut coefficients {
        *coefficient *= separation;
    }
    coefficients.append(&mut pads);
    Ok(Reduced {
        classes,
        multipliers,
        separation,
        coefficients,
        value: separation * value,
        ledger: run.ledger,
    })
}

/// Stage 2: everything that holds at `rho`, combined with powers of `beta`.
fn relations(
    circuit: &Circuit,
    weight_bits: u8,
    (alpha, gamma, beta): (F, [F; 4], F),
    rho: &[F],
) -> (Functional, Vec<QuadItem>) {
    let mut functional = Functional::default();
    let mut cells = vec![F::zero(); circuit.blocks.len()];
    let mut sums = vec![F::zero(); circuit.sums.len()];
    let mut quads = vec![F::zero(); circuit.quads.len()];
    let mut constant = F::zero();
    let mut add = |expr: &crate::circuit::Expr, factor: F| {
        constant += factor * F::from(expr.constant);
        let scaled = |integer: i64| factor * F::from(integer);
        expr.cells
            .iter()
            .for_each(|(block, integer)| cells[*block] += scaled(*integer));
        expr.sums
            .iter()
            .for_each(|(sum, integer)| sums[*sum] += scaled(*integer));
        expr.quads
            .iter()
            .for_each(|(quad, integer)| quads[*quad] += scaled(*integer));
    };
    // Numerators and denominators of unused leaves are zero and one.
    let (mut numerator, mut denominator) = (F::zero(), F::ONE);
    for lookup in &circuit.lookups {
        let block = &circuit.blocks[lookup.domain];
        let share = selector(rho, block.log, lookup.leaf);
        let inside: F = axis_tables(block, rho)
            .iter()
            .map(|table| table.iter().sum::<F>())
            .product();
        numerator += share * inside;
        denominator += share * (alpha - gamma[3] * F::from(lookup.table as u64) - F::ONE);
        for (column, factor) in lookup.columns.iter().zip(&gamma) {
            add(column, -beta * share * factor);
        }
    }
    let mut power = beta;
    for relation in &circuit.relations {
        power *= beta;
        add(&relation.expr, power);
    }
    let logs = circuit
        .tables
        .iter()
        .map(|table| circuit.blocks[table.multiplicities].log);
    let tables = prefix_tables(rho, logs.max().unwrap_or(0));
    for (tag, table) in circuit.tables.iter().enumerate() {
        let log = circuit.blocks[table.multiplicities].log;
        let share = selector(rho, log, table.leaf);
        let columns = table.kind.columns();
        let entries: F = columns
            .iter()
            .zip(&gamma)
            .map(|(column, factor)| {
                let mut sum = zkml_core::field::WideSum::default();
                column
                    .iter()
                    .zip(&tables[log])
                    .for_each(|(value, weight)| sum.add(*value, weight));
                sum.reduce() * factor
            })
            .sum();
        denominator += share * (alpha - gamma[3] * F::from(tag as u64) - entries - F::ONE);
        functional.kernels.push(Kernel::Separable {
            block: table.multiplicities,
            coefficient: -share,
            axes: vec![eq_prefix(&rho[..log], table.kind.len())],
        });
    }
    functional.constant += constant + numerator + beta * denominator;
    for (block, coefficient) in cells
        .into_iter()
        .enumerate()
        .filter(|(_, coefficient)| !coefficient.is_zero())
    {
        functional.kernels.push(Kernel::Eq { block, coefficient });
    }
    let view = GraphView {
        blocks: &circuit.blocks,
        weight_bits,
        shapes: &circuit.weights.shapes,
    };
    for (sum, coefficient) in circuit
        .sums
        .iter()
        .zip(&sums)
        .filter(|(_, coefficient)| !coefficient.is_zero())
    {
        functional.add_sum(&view, sum, *coefficient, rho);
    }
    let items = circuit
        .quads
        .iter()
        .zip(&quads)
        .enumerate()
        .map(|(index, (quad, coefficient))| {
            // Output axes that no factor follows repeat the sum.
            let axes = &circuit.blocks[quad.domain].axes;
            let followed = |axis: usize| {
                let out = zkml_graph::OperandAxis::Out(axis as u32);
                quad.a.axes.contains(&out) || quad.b.axes.contains(&out)
            };
            let repeated = (0..axes.len()).filter(|axis| !followed(*axis));
            let total = repeated.map(|axis| {
                eq_prefix(axis_point(&axes[axis], rho), axes[axis].len)
                    .iter()
                    .sum::<F>()
            });
            let coefficient = *coefficient * total.product::<F>();
            QuadItem {
                quad: index,
                coefficient,
                shape: QuadShape::new(circuit, quad),
            }
        });
    let items = items.collect();
    (functional, items)
}

/// What everybody knows at the end of stage 4.
pub struct MasterEnd {
    /// The public part of the kernel at `r`.
    pub kernel: F,
    /// For every parameter kernel, the selector of its block.
    pub shares: Vec<F>,
    /// `eq(r)` on the axes of every block that a kernel reads.
    pub tables: Vec<Option<Vec<Vec<F>>>>,
}

impl MasterEnd {
    /// Evaluates the public kernels at `r`.
    #[must_use]
    pub fn new(circuit: &Circuit, functional: &Functional, rho: &[F], r: &[F]) -> Self {
        let mut prefix_eq = vec![F::ONE];
        for (a, b) in rho.iter().zip(r) {
            let factor = eq(core::slice::from_ref(a), core::slice::from_ref(b));
            prefix_eq.push(prefix_eq[prefix_eq.len() - 1] * factor);
        }
        let mut tables: Vec<Option<Vec<Vec<F>>>> = vec![None; circuit.blocks.len()];
        let mut end = Self {
            kernel: F::zero(),
            shares: Vec::new(),
            tables: Vec::new(),
        };
        for kernel in &functional.kernels {
            let block = &circuit.blocks[kernel.block()];
            let share = selector(r, block.log, block.offset);
            let axes: &[Vec<F>] = if matches!(kernel, Kernel::Eq { .. }) {
                &[]
            } else {
                tables[kernel.block()].get_or_insert_with(|| axis_tables(block, r))
            };
            end.kernel += share * kernel.evaluate(block, axes, &prefix_eq);
            if matches!(kernel, Kernel::Param(_)) {
                end.shares.push(share);
            }
        }
        end.tables = tables;
        end
    }
}

/// The inner products of stage 5, and what public inputs and outputs contribute to `t`.
fn classes(
    circuit: &Circuit,
    statement: &[Shown],
    functional: &Functional,
    end: &MasterEnd,
    eta: [F; 2],
    r: &[F],
) -> (Vec<Class>, F) {
    let columns = circuit.columns();
    let (low, high) = r.split_at(circuit.columns_log);
    let mut classes = vec![Class {
        rows: ClassRows::Trace(eq_table(high, F::ONE)),
        values: eq_table(low, F::ONE),
    }];

    let mut weights = WeightCoefficients::new(&circuit.weights);
    let mut shares = end.shares.iter();
    for kernel in &functional.kernels {
        if let (Kernel::Param(param), Some(tables)) = (kernel, &end.tables[kernel.block()]) {
            let share = shares.next().copied().unwrap_or_default();
            weights.add_param(&circuit.weights, param, tables, share * eta[0]);
        }
    }
    for bias in &functional.biases {
        let bias: &BiasKernel = bias;
        weights.add_bias(&circuit.weights, bias, eta[1]);
    }
    for (row, values) in weights.packed.chunks(columns).enumerate() {
        classes.push(Class {
            rows: ClassRows::Packed(row),
            values: values.to_vec(),
        });
    }
    for (param, factors, values) in weights.matrices {
        for (chunk, values) in values.chunks(columns).enumerate() {
            classes.push(Class {
                rows: ClassRows::Matrix {
                    param,
                    chunk,
                    factors: factors.clone(),
                },
                values: values.to_vec(),
            });
        }
    }

    let mut public = F::zero();
    for (tensor, (shown, block)) in statement.iter().zip(&circuit.statement).enumerate() {
        let block = &circuit.blocks[*block];
        let elements = outer_product(&axis_tables(block, r), selector(r, block.log, block.offset));
        match shown {
            Shown::Public(values) => {
                public += elements
                    .iter()
                    .zip(values)
                    .map(|(factor, value)| *factor * F::from(*value))
                    .sum::<F>();
            }
            Shown::Committed(_) => {
                for (chunk, values) in elements.chunks(IO_CHUNK).enumerate() {
                    classes.push(Class {
                        rows: ClassRows::Chunk { tensor, chunk },
                        values: values.to_vec(),
                    });
                }
            }
        }
    }
    (classes, public)
}

/// The factor of every weight row in the combination, in layout order.
#[must_use]
pub fn weight_row_factors(circuit: &Circuit, reduced: &Reduced) -> Vec<F> {
    let mut factors = vec![F::zero(); circuit.weights.rows];
    for (class, multiplier) in reduced.classes.iter().zip(&reduced.multipliers) {
        match &class.rows {
            ClassRows::Packed(row) => factors[*row] += multiplier,
            ClassRows::Matrix {
                param,
                chunk,
                factors: outputs,
            } => {
                if let Place::Rows { first, .. } = circuit.weights.places[*param] {
                    let start = first + chunk * outputs.len();
                    for (factor, output) in factors[start..].iter_mut().zip(outputs) {
                        *factor += *multiplier * output;
                    }
                }
            }
            ClassRows::Trace(_) | ClassRows::Chunk { .. } => {}
        }
    }
    factors
}

/// Number of chunks of all committed tensors of a statement.
#[must_use]
pub fn committed_chunks(circuit: &Circuit, statement: &Statement) -> usize {
    let lens = circuit.statement_lens();
    let committed = statement
        .tensors
        .iter()
        .zip(lens)
        .filter(|(shown, _)| matches!(shown, Shown::Committed(_)));
    committed.map(|(_, len)| chunk_count(len)).sum()
}
