//! A prover that lies: the real one, on a trace in which one value is changed and everything
//! downstream is recomputed, so that only one check is broken.

use crate::maker::Maker;
use zkml_core::transcript::HashTranscript;
use zkml_engine::{Engine, Execution};
use zkml_prover::proving::prove_trace;
use zkml_prover::{Keys, Request, check, keygen, trace::Trace};
use zkml_verifier::circuit::{BlockId, Circuit, NodeCells, Property};
use zkml_verifier::{PROTOCOL, Statement, VerifyError, Visibility, verify};

/// The node and the property of a broken check.
pub type Broken = (Option<usize>, Property);

/// A keyed model with a true execution, from which false traces are made.
pub struct Liar {
    /// The model.
    pub maker: Maker,
    /// Its keys.
    pub keys: Keys,
    /// An input.
    pub inputs: Vec<Vec<i64>>,
    /// The true execution on the input.
    pub execution: Execution,
}

impl Liar {
    /// A liar about random inputs.
    #[must_use]
    pub fn new(mut maker: Maker) -> Self {
        let inputs = maker.inputs();
        Self::with_inputs(maker, inputs)
    }

    /// A liar about these inputs.
    #[must_use]
    pub fn with_inputs(maker: Maker, inputs: Vec<Vec<i64>>) -> Self {
        let keys = keygen(maker.graph.clone(), maker.weights.clone(), &mut |_| ()).unwrap();
        let execution = zkml_engine::execute(&maker.graph, &maker.weights, &inputs).unwrap();
        Self { maker, keys, inputs, execution }
    }

    /// The circuit of the model.
    #[must_use]
    pub fn circuit(&self) -> &Circuit {
        self.keys.prover.circuit()
    }

    /// The auxiliary cells of a node.
    #[must_use]
    pub fn cells(&self, node: usize) -> &NodeCells {
        &self.circuit().cells[node]
    }

    /// The tensor that a node writes.
    #[must_use]
    pub fn output(&self, node: usize) -> usize {
        self.maker.graph.nodes[node].output as usize
    }

    /// The trace after a change of tensors, with all nodes from `from` on computed again.
    #[must_use]
    pub fn trace(&self, change: impl FnOnce(&mut Execution), from: usize) -> Trace {
        let mut execution = self.execution.clone();
        change(&mut execution);
        let engine = Engine::new(&self.maker.graph, &self.maker.weights).unwrap();
        engine.resume(&mut execution, from).unwrap();
        Trace::new(self.circuit(), &self.maker.graph, execution)
    }

    /// The trace with another output of a node, its own accumulators and auxiliary cells as they
    /// truly are, and all later nodes computed again.
    #[must_use]
    pub fn other_output(&self, node: usize, element: usize, value: i64) -> Trace {
        let output = self.output(node);
        self.trace(|run| run.tensors[output][element] = value, node + 1)
    }

    /// Changes cells of blocks, then everything that is looked up.
    pub fn set(&self, trace: &mut Trace, changes: &[(BlockId, usize, i64)]) {
        for (block, element, value) in changes {
            let block = &self.circuit().blocks[*block];
            let mut values = trace.read(block);
            values[*element] = *value;
            trace.write(block, &values);
        }
        trace.look_up(self.circuit());
    }

    /// An element of a block.
    #[must_use]
    pub fn cell(&self, trace: &Trace, block: BlockId, element: usize) -> i64 {
        trace.read(&self.circuit().blocks[block])[element]
    }

    /// The proof of a trace, whether it is true or not.
    #[must_use]
    pub fn prove(&self, trace: &Trace, shown: Visibility) -> Vec<u8> {
        let request = Request { inputs: &self.inputs, context: b"lie", input: shown, output: shown };
        let mut transcript = HashTranscript::new(PROTOCOL);
        prove_trace(&self.keys.prover, trace, &request, &mut transcript).unwrap().proof
    }

    /// What the verifier says of a trace.
    pub fn verdict(&self, trace: &Trace, shown: Visibility) -> Result<Statement, VerifyError> {
        verify(&self.keys.verifier, &self.prove(trace, shown), b"lie")
    }

    /// The checks that a trace breaks.
    #[must_use]
    pub fn broken(&self, trace: &Trace) -> Vec<Broken> {
        check::violations(self.circuit(), trace)
            .iter()
            .map(|violation| (violation.label.node, violation.label.property))
            .collect()
    }

    /// The trace breaks exactly these checks, and the verifier sees it.
    #[track_caller]
    pub fn caught(&self, trace: &Trace, broken: &[Broken]) {
        assert_eq!(self.broken(trace), broken);
        self.refused(trace);
    }

    /// The verifier refuses the trace, whatever is public.
    #[track_caller]
    pub fn refused(&self, trace: &Trace) {
        let fits = self.maker.graph.tensors.iter().enumerate().all(|(id, tensor)| {
            let values = trace.read(&self.circuit().blocks[id]);
            values.iter().all(|value| (tensor.min..=tensor.max).contains(value))
        });
        let false_proof = Err(VerifyError::Equation);
        assert_eq!(self.verdict(trace, Visibility::Committed), false_proof);
        if fits {
            assert_eq!(self.verdict(trace, Visibility::Public), false_proof);
        }
    }
}
