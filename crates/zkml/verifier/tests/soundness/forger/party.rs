//! The forger's side of the protocol: honest algorithms over whatever the cells hold, with one lie.
//!
//! A claim of a sum-check that is false stays false however honest the messages are, and no verifier
//! sees it before the end: the coefficient that is left out fits any claim. There the forger either
//! *carries* the difference on, by a value that makes all constraints hold and is itself false, or
//! breaks the one constraint that it was told to.

use super::cells::Cells;
use super::sumcheck::SumCheck;
use super::{Breach, Reveal};
use ark_ff::{Field, One, Zero};
use std::cell::Cell;
use std::rc::Rc;
use zkml_core::F;
use zkml_core::ledger::{Form, Product};
use zkml_core::poly::eq_table;
use zkml_verifier::protocol::{Class, ClassRows, MasterEnd, Party, ProtocolError, QuadItem, Stage};

enum State {
    Root,
    /// The layer's number, counted from the root's, and `lambda`.
    Layer(usize, F),
    /// Whether the sum is sent.
    Quadratic(bool),
    /// Whether the bias functional is sent.
    Master(bool),
    Columns,
    Products(Vec<Product>),
}

pub(crate) struct Forger<'a> {
    pub(crate) cells: Cells<'a>,
    /// What each chunk of each committed tensor holds, up to the last column.
    pub(crate) chunks: Vec<Vec<Vec<F>>>,
    pub(crate) pads: Vec<F>,
    pub(crate) breach: Breach,
    pub(crate) reveal: Reveal,
    /// The last challenge that the transcript gave.
    pub(crate) drawn: Rc<Cell<F>>,
    /// The scalars that the forger claims.
    pub(crate) hidden: Vec<F>,
    pub(crate) wire: Vec<F>,
    pub(crate) revealed: [F; 2],
    pub(crate) class_rows: Vec<Vec<F>>,
    state: State,
    /// Tree layers, from the leaves up.
    layers: Vec<(Vec<F>, Vec<F>)>,
    layer: usize,
    check: Option<SumCheck>,
    /// Claims of numerator and denominator halves, before they are joined.
    halves: [F; 4],
    /// The claim on trace, weights and constant, once there is one.
    claim: Option<F>,
    /// Values of the factors of quadratic sums.
    factors: Vec<[F; 2]>,
    /// The public kernel at the end of the sum-check over the trace.
    kernel: F,
}

impl<'a> Forger<'a> {
    pub(crate) fn new(
        cells: Cells<'a>,
        chunks: Vec<Vec<Vec<F>>>,
        pads: Vec<F>,
        (breach, reveal): (Breach, Reveal),
        drawn: Rc<Cell<F>>,
    ) -> Self {
        let (zero, hidden, wire) = (F::zero(), Vec::new(), Vec::new());
        Self {
            cells,
            chunks,
            pads,
            breach,
            reveal,
            drawn,
            hidden,
            wire,
            revealed: [zero; 2],
            class_rows: Vec::new(),
            state: State::Root,
            layers: Vec::new(),
            layer: 0,
            check: None,
            halves: [zero; 4],
            claim: None,
            factors: Vec::new(),
            kernel: zero,
        }
    }

    fn plant(&mut self, leaves: (Vec<F>, Vec<F>)) {
        self.layers = vec![leaves];
        while self.layers[self.layers.len() - 1].0.len() > 2 {
            let (p, q) = &self.layers[self.layers.len() - 1];
            let half = p.len() / 2;
            let pair = |i: usize| (p[i] * q[i + half] + p[i + half] * q[i], q[i] * q[i + half]);
            self.layers.push((0..half).map(pair).unzip());
        }
    }

    fn root(&mut self) -> Vec<F> {
        let (p, q) = &self.layers[self.layers.len() - 1];
        let (mut p0, p1, q0, q1) = (p[0], p[1], q[0], q[1]);
        let broken = [Breach::RootZero, Breach::RootFirst, Breach::RootSecond].contains(&self.breach);
        if !broken {
            p0 = -p1 * q0 / q1;
        }
        let (mut first, mut second, mut denominator) = (p0 * q1, p1 * q0, q0 * q1);
        match self.breach {
            Breach::RootFirst => first = -second,
            Breach::RootSecond => second = -first,
            Breach::RootDenominator => denominator += F::one(),
            _ => {}
        }
        let mut inverse = denominator.inverse().unwrap();
        if self.breach == Breach::RootInverse {
            inverse = F::zero();
        }
        self.halves = [p0, p1, q0, q1];
        vec![p0, p1, q0, q1, first, second, denominator, inverse]
    }

    fn joined(&self, join: F) -> (F, F) {
        let [p0, p1, q0, q1] = self.halves;
        (p0 + join * (p1 - p0), q0 + join * (q1 - q0))
    }

    fn begin_layer(&mut self, point: &[F], lambda: F) {
        let (p, q) = self.joined(point[point.len() - 1]);
        self.layer += 1;
        let (p_table, q_table) = &self.layers[self.layers.len() - 1 - self.layer];
        let half = p_table.len() / 2;
        let ((p0, p1), (q0, q1)) = (p_table.split_at(half), q_table.split_at(half));
        let left = p0.iter().zip(q0).map(|(p, q)| *p + lambda * q).collect();
        let terms = vec![vec![left, q1.to_vec()], vec![p1.to_vec(), q0.to_vec()]];
        self.check = Some(SumCheck::new(Some(point.to_vec()), terms, p + lambda * q));
        self.state = State::Layer(self.layer, lambda);
    }

    fn end_layer(&mut self, layer: usize, lambda: F) -> Vec<F> {
        let check = self.check.as_ref().unwrap();
        let (end, claim) = (check.end(), check.claim);
        let (mut left, q1, p1, q0) = (end[0][0], end[0][1], end[1][0], end[1][1]);
        let (mut first, mut second) = (q1 * left, p1 * q0);
        match self.breach {
            Breach::LayerZero(broken) if broken == layer => {}
            Breach::LayerFirst(broken) if broken == layer => first = claim - second,
            Breach::LayerSecond(broken) if broken == layer => second = claim - first,
            _ => {
                left += (claim - first - second) / q1;
                first = q1 * left;
            }
        }
        let p0 = left - lambda * q0;
        self.halves = [p0, p1, q0, q1];
        vec![p0, p1, q0, q1, first, second]
    }

    fn begin_quadratic(&mut self, items: &[QuadItem], rho: &[F]) {
        let beta = self.drawn.get();
        let (p, q) = self.joined(rho[rho.len() - 1]);
        let weights = eq_table(rho, F::one());
        let (numerators, denominators) = &self.layers[0];
        let dot = zkml_core::field::dot;
        let true_claim =
            dot(numerators, &weights) + beta * dot(denominators, &weights) + self.cells.relations(beta, rho);
        let log = items.iter().map(|item| item.shape.log).max().unwrap_or(0);
        let terms: Vec<_> = items.iter().map(|item| self.cells.quadratic(item, rho, log)).collect();
        let mut total = F::zero();
        for term in &terms {
            total += (0..1 << log).map(|i| term[0][i] * term[1][i] * term[2][i]).sum::<F>();
        }
        if matches!(self.breach, Breach::QuadraticRest | Breach::QuadraticProduct(_)) {
            total += p + beta * q - true_claim;
        }
        self.claim = Some(p + beta * q - total);
        self.check = Some(SumCheck::new(None, terms, total));
        self.state = State::Quadratic(false);
    }

    fn end_quadratic(&mut self) -> Vec<F> {
        let check = self.check.as_ref().unwrap();
        let end = check.end();
        let rest = check.claim - end.iter().map(|term| term[0] * term[1] * term[2]).sum::<F>();
        self.factors = end.iter().map(|term| [term[1], term[2]]).collect();
        let mut sent: Vec<F> = end.iter().flat_map(|term| [term[1], term[2], term[1] * term[2]]).collect();
        if let Breach::QuadraticProduct(broken) = self.breach {
            sent[3 * broken + 2] += rest / end[broken][0];
        }
        sent
    }

    fn begin_master(&mut self, functional: &zkml_verifier::kernel::Functional, rho: &[F]) {
        let drawn = self.drawn.get();
        let mut claim = self.claim.unwrap_or_else(|| {
            let (p, q) = self.joined(rho[rho.len() - 1]);
            p + drawn * q
        });
        let mut power = F::one();
        for value in self.factors.iter().flatten() {
            power *= drawn;
            claim += power * value;
        }
        let circuit = self.cells.circuit;
        let corner = |cell: usize| (0..circuit.trace_log).map(move |bit| F::from((cell >> bit & 1) as u64));
        let kernel: Vec<F> = (0..1usize << circuit.trace_log)
            .map(|cell| {
                let point: Vec<F> = corner(cell).collect();
                MasterEnd::new(circuit, functional, rho, &point).unwrap().kernel
            })
            .collect();
        claim -= functional.constant;
        let bias = claim - zkml_core::field::dot(&kernel, &self.cells.values);
        self.claim = Some(if self.breach == Breach::Bias { bias } else { F::zero() });
        claim -= self.claim.unwrap();
        let terms = vec![vec![self.cells.values.clone(), kernel]];
        self.check = Some(SumCheck::new(None, terms, claim));
        self.state = State::Master(false);
    }

    fn end_master(&mut self) -> Vec<F> {
        let check = self.check.as_ref().unwrap();
        let (end, claim) = (check.end(), check.claim);
        let (mut t, kernel) = (end[0][0], end[0][1]);
        self.kernel = kernel;
        let (mut weights, mut product) = (F::zero(), F::zero());
        match self.breach {
            Breach::MasterZero => {}
            Breach::MasterProduct => product = claim - t * kernel,
            Breach::Weights => weights = claim / t - kernel,
            _ => t = claim / kernel,
        }
        if self.breach == Breach::Weights {
            product = t * weights;
        }
        vec![t, weights, product]
    }

    fn begin_columns(&mut self, classes: &[Class]) {
        let circuit = self.cells.circuit;
        let columns = circuit.columns();
        let row = |class: &Class| match &class.rows {
            ClassRows::Trace(factors) => {
                let mut row = vec![F::zero(); columns];
                for index in &circuit.rows {
                    let cells = &self.cells.values[index * columns..][..columns];
                    row.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += factors[*index] * cell);
                }
                row
            }
            ClassRows::Chunk { tensor, chunk } => self.chunks[*tensor][*chunk].clone(),
            other => panic!("the forger has no hidden weights: {other:?}"),
        };
        self.class_rows = classes.iter().map(row).collect();
        let terms = self.class_rows.iter().zip(classes);
        let terms = terms.map(|(row, class)| vec![row.clone(), class.factors(columns)]).collect();
        self.check = Some(SumCheck::new(None, terms, F::zero()));
        self.state = State::Columns;
    }

    fn products(&mut self, point: &[F]) {
        let State::Products(list) = &self.state else { panic!("not in the products") };
        let table = |side: fn(&Product) -> &Form| {
            let mut table: Vec<F> = list.iter().map(|product| side(product).evaluate(&self.hidden)).collect();
            table.resize(1 << point.len(), F::zero());
            table
        };
        let claim = zkml_core::field::dot(&table(|product| &product.product), &eq_table(point, F::one()));
        let terms = vec![vec![table(|product| &product.left), table(|product| &product.right)]];
        self.check = Some(SumCheck::new(Some(point.to_vec()), terms, claim));
    }

    fn blinding(&mut self) -> Vec<F> {
        let State::Products(list) = &mut self.state else { panic!("not in the products") };
        let last = list.last_mut().unwrap();
        let value = last.left.evaluate(&self.hidden) * last.right.evaluate(&self.hidden);
        let index = self.hidden.len() as u32;
        last.product = Form { constant: F::zero(), terms: vec![(index, F::one())] };
        vec![if self.breach == Breach::Blinding { value + F::one() } else { value }]
    }

    fn message(&mut self, challenge: Option<&F>, count: usize) -> Vec<F> {
        match &mut self.state {
            State::Root => return self.root(),
            State::Quadratic(sent) if !*sent => {
                *sent = true;
                return vec![self.check.as_ref().unwrap().claim];
            }
            State::Master(sent) if !*sent => {
                *sent = true;
                return vec![self.claim.unwrap()];
            }
            State::Products(_) if self.check.is_none() => return self.blinding(),
            _ => {}
        }
        let check = self.check.as_mut().unwrap();
        if let Some(challenge) = challenge {
            check.bind(challenge);
        }
        match self.state {
            State::Layer(layer, lambda) if count == 6 => self.end_layer(layer, lambda),
            State::Quadratic(_) if check.left() == 0 => self.end_quadratic(),
            State::Master(_) if check.left() == 0 => self.end_master(),
            _ => check.round(count),
        }
    }
}

impl Party for Forger<'_> {
    fn begin(&mut self, stage: Stage<'_>) -> Result<(), ProtocolError> {
        match stage {
            Stage::Tree { alpha, gamma } => {
                let leaves = self.cells.leaves(alpha, gamma);
                self.plant(leaves);
                self.state = State::Root;
            }
            Stage::Layer { point, lambda } => self.begin_layer(point, lambda),
            Stage::Quadratic { items, rho } => self.begin_quadratic(items, rho),
            Stage::Master { functional, rho } => self.begin_master(functional, rho),
            Stage::Columns { classes } => self.begin_columns(classes),
            Stage::Products { products } => {
                self.check = None;
                self.state = State::Products(products.to_vec());
            }
            Stage::ProductPoint { point } => self.products(point),
        }
        Ok(())
    }

    fn answer(&mut self, challenge: Option<&F>, out: &mut [F]) -> Result<(), ProtocolError> {
        let values = self.message(challenge, out.len());
        assert_eq!(values.len(), out.len());
        for (out, value) in out.iter_mut().zip(values) {
            *out = value + self.pads[self.hidden.len()];
            self.hidden.push(value);
            self.wire.push(*out);
        }
        Ok(())
    }

    fn private(&mut self) -> Result<(), ProtocolError> {
        self.hidden.push(-self.pads[self.hidden.len()]);
        Ok(())
    }

    fn reveal(&mut self, challenge: &F) -> Result<[F; 2], ProtocolError> {
        let check = self.check.as_mut().unwrap();
        check.bind(challenge);
        let (end, claim) = (check.end(), check.claim);
        let (x, y) = (end[0][0], end[0][1]);
        self.revealed = match self.reveal {
            Reveal::Factors => [x, y],
            Reveal::First => [claim / y, y],
            Reveal::Second => [x, claim / x],
        };
        Ok(self.revealed)
    }
}
