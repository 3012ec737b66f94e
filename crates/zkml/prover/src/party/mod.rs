//! The prover's side of the protocol: what it answers in each stage.

mod columns;
mod fold;
mod kernel;
mod master;
mod products;
mod quadratic;
mod tree;

use self::columns::Columns;
use self::master::Master;
use self::products::Products;
use self::quadratic::Quadratic;
use self::tree::{Layer, Tree};
use crate::trace::Trace;
use zeroize::Zeroize;
use zkml_core::F;
use zkml_core::zip::{Unequal, zip_eq};
use zkml_verifier::circuit::Circuit;
use zkml_verifier::protocol::{Class, Party, ProtocolError, Stage};

/// What the prover knows, for one proof.
pub struct Witness<'a> {
    /// The constraint system.
    pub circuit: &'a Circuit,
    /// The trace.
    pub trace: &'a Trace,
    /// The parameters' values, row-major.
    pub weights: &'a [Vec<i16>],
}

/// The prover, between two messages.
pub struct Prover<'a> {
    witness: Witness<'a>,
    /// One pad for each hidden scalar.
    pads: Vec<F>,
    /// The hidden scalars so far.
    hidden: Vec<F>,
    /// What went over the wire: hidden scalars with their pads added.
    wire: Vec<F>,
    tree: Option<Tree>,
    state: State<'a>,
    /// The blinded factors that ended stage 6.
    revealed: [F; 2],
    /// Rows combined for each class of stage 5.
    class_rows: Vec<Vec<F>>,
    /// `sum_o factor[o] W[o]` for each parameter with a plain kernel.
    weight_rows: Vec<Option<Vec<F>>>,
    /// The trace with its row variables bound.
    bound_trace: Vec<F>,
}

enum State<'a> {
    /// Between stages: nothing can be asked.
    Idle,
    Tree,
    Layer(Layer),
    Quadratic(Quadratic),
    Master(Master<'a>),
    Columns(Columns),
    Products(Products),
}

impl<'a> Prover<'a> {
    /// A prover that will use the given pads, one for each hidden scalar.
    #[must_use]
    pub fn new(witness: Witness<'a>, pads: Vec<F>) -> Self {
        let params = witness.weights.len();
        Self {
            witness,
            pads,
            hidden: Vec::new(),
            wire: Vec::new(),
            tree: None,
            state: State::Idle,
            revealed: [F::default(); 2],
            class_rows: Vec::new(),
            weight_rows: vec![None; params],
            bound_trace: Vec::new(),
        }
    }

    /// The masked scalars that were sent.
    #[must_use]
    pub fn wire(&self) -> &[F] {
        &self.wire
    }

    /// The combination of all committed rows by the classes' multipliers.
    ///
    /// # Errors
    /// Returns an error if there is not one multiplier for each class.
    pub fn combined_row(&self, multipliers: &[F]) -> Result<Vec<F>, Unequal> {
        let mut combined = vec![F::default(); self.witness.circuit.columns()];
        for (row, multiplier) in zip_eq(&self.class_rows, multipliers)? {
            for (sum, value) in zip_eq(&mut combined, row)? {
                *sum += *multiplier * value;
            }
        }
        Ok(combined)
    }

    /// The pads.
    #[must_use]
    pub fn pads(&self) -> &[F] {
        &self.pads
    }

    /// The two factors that [`Party::reveal`] gave.
    #[must_use]
    pub fn revealed(&self) -> [F; 2] {
        self.revealed
    }

    /// The pad of the next hidden scalar: none is sent without one.
    fn next_pad(&self) -> Result<F, ProtocolError> {
        self.pads.get(self.hidden.len()).copied().ok_or(ProtocolError::NoAnswer)
    }

    fn start_columns(&mut self, classes: &[Class]) -> Result<Columns, ProtocolError> {
        self.class_rows = columns::class_rows(&self.witness, classes, &self.bound_trace, &self.weight_rows)?;
        Ok(Columns::new(&self.class_rows, classes)?)
    }
}

impl Drop for Prover<'_> {
    fn drop(&mut self) {
        self.pads.zeroize();
        self.hidden.zeroize();
        self.bound_trace.zeroize();
    }
}

impl Party for Prover<'_> {
    fn begin(&mut self, stage: Stage<'_>) -> Result<(), ProtocolError> {
        let state = match stage {
            Stage::Tree { alpha, gamma } => {
                self.tree = Some(Tree::new(&self.witness, alpha, gamma));
                State::Tree
            }
            Stage::Layer { point, lambda } => match self.tree.as_mut().and_then(Tree::next_layer) {
                Some(halves) => State::Layer(Layer::new(halves, point, lambda)),
                None => State::Idle,
            },
            Stage::Quadratic { items, rho } => {
                self.tree = None;
                State::Quadratic(Quadratic::new(&self.witness, items, rho))
            }
            Stage::Master { functional, rho } => {
                self.tree = None;
                State::Master(Master::new(&self.witness, functional, rho, &mut self.weight_rows))
            }
            Stage::Columns { classes } => State::Columns(self.start_columns(classes)?),
            Stage::Products { products } => State::Products(Products::new(products, &self.hidden)),
            Stage::ProductPoint { point } => {
                match &mut self.state {
                    State::Products(products) => products.set_point(point),
                    other => *other = State::Idle,
                }
                return Ok(());
            }
        };
        self.state = state;
        Ok(())
    }

    fn answer(&mut self, challenge: Option<&F>, out: &mut [F]) -> Result<(), ProtocolError> {
        match &mut self.state {
            State::Idle => return Err(ProtocolError::NoAnswer),
            State::Tree => self.tree.as_ref().ok_or(ProtocolError::NoAnswer)?.root(out),
            State::Layer(layer) => layer.answer(challenge, out),
            State::Quadratic(quadratic) => quadratic.answer(challenge, out),
            State::Master(master) => {
                master.answer(challenge, out)?;
                if let Some(bound) = master.take_bound_trace() {
                    self.bound_trace = bound;
                }
            }
            State::Columns(columns) => columns.answer(challenge, out),
            State::Products(products) => products.answer(challenge, out),
        }
        for scalar in out {
            let pad = self.next_pad()?;
            self.hidden.push(*scalar);
            *scalar += pad;
            self.wire.push(*scalar);
        }
        Ok(())
    }

    fn private(&mut self) -> Result<(), ProtocolError> {
        let pad = self.next_pad()?;
        self.hidden.push(-pad);
        Ok(())
    }

    fn reveal(&mut self, challenge: &F) -> Result<[F; 2], ProtocolError> {
        let State::Products(products) = &mut self.state else {
            return Err(ProtocolError::NoAnswer);
        };
        self.revealed = products.reveal(challenge);
        Ok(self.revealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;
    use zkml_core::transcript::HashTranscript;
    use zkml_graph::{Epilogue, Graph, Node, Op, Source, Tensor, Term, Weights};
    use zkml_verifier::Shown;
    use zkml_verifier::protocol::run;

    /// A graph that copies four values.
    fn copy() -> Graph {
        let tensor = |name: &str| Tensor { name: name.into(), shape: vec![4], min: 0, max: 9, scale: 0 };
        let term = Term { region: vec![(0, 4)], source: Source::Reshape { tensor: 0, multiplier: 1 } };
        let op = Op::Affine { terms: vec![term], epilogue: Epilogue::Exact };
        Graph {
            name: "copy".into(),
            weight_bits: 8,
            tensors: vec![tensor("x"), tensor("y")],
            params: Vec::new(),
            nodes: vec![Node { name: "copy".into(), op, output: 1 }],
            inputs: vec![0],
            outputs: vec![1],
        }
    }

    /// Nothing is sent without a pad, not even the last scalar.
    #[test]
    fn a_missing_pad_is_an_error() -> Result<(), Box<dyn Error>> {
        let (graph, values) = (copy(), vec![1, 2, 3, 4]);
        let circuit = Circuit::new(&graph)?;
        let execution = zkml_engine::execute(&graph, &Weights(Vec::new()), std::slice::from_ref(&values))?;
        let trace = Trace::new(&circuit, &graph, execution);
        let shown = [Shown::Public(values.clone()), Shown::Public(values)];
        for (missing, expected) in [(0, None), (1, Some(ProtocolError::NoAnswer))] {
            let witness = Witness { circuit: &circuit, trace: &trace, weights: &[] };
            let mut prover = Prover::new(witness, vec![F::from(7u64); circuit.hidden_count() - missing]);
            let ended = run(&circuit, 8, &shown, &mut prover, &mut HashTranscript::new("test"));
            assert_eq!(ended.err(), expected);
            assert_eq!(prover.wire().len(), circuit.messages.answered - missing);
        }
        Ok(())
    }

    /// Before its first stage a prover answers nothing.
    #[test]
    fn a_prover_out_of_step_answers_nothing() -> Result<(), Box<dyn Error>> {
        let graph = copy();
        let circuit = Circuit::new(&graph)?;
        let execution = zkml_engine::execute(&graph, &Weights(Vec::new()), &[vec![0; 4]])?;
        let trace = Trace::new(&circuit, &graph, execution);
        let witness = Witness { circuit: &circuit, trace: &trace, weights: &[] };
        let mut prover = Prover::new(witness, vec![F::default(); circuit.hidden_count()]);
        assert_eq!(prover.answer(None, &mut [F::default(); 8]), Err(ProtocolError::NoAnswer));
        assert_eq!(prover.reveal(&F::default()), Err(ProtocolError::NoAnswer));
        Ok(())
    }
}
