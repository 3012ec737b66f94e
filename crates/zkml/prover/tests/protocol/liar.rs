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
pub(crate) type Broken = (Option<usize>, Property);

pub(crate) struct Liar {
    pub(crate) maker: Maker,
    pub(crate) keys: Keys,
    pub(crate) inputs: Vec<Vec<i64>>,
    /// The true one.
    pub(crate) execution: Execution,
}

impl Liar {
    pub(crate) fn new(mut maker: Maker) -> Self {
        let inputs = maker.inputs();
        Self::with_inputs(maker, inputs)
    }

    pub(crate) fn with_inputs(maker: Maker, inputs: Vec<Vec<i64>>) -> Self {
        let keys = keygen(maker.graph.clone(), maker.weights.clone(), &mut |_| ()).unwrap();
        let execution = zkml_engine::execute(&maker.graph, &maker.weights, &inputs).unwrap();
        Self { maker, keys, inputs, execution }
    }

    pub(crate) fn circuit(&self) -> &Circuit {
        self.keys.prover.circuit()
    }

    pub(crate) fn cells(&self, node: usize) -> &NodeCells {
        &self.circuit().cells[node]
    }

    pub(crate) fn output(&self, node: usize) -> usize {
        self.maker.graph.nodes[node].output as usize
    }

    /// The trace after a change of tensors, with all nodes from `from` on computed again.
    pub(crate) fn trace(&self, change: impl FnOnce(&mut Execution), from: usize) -> Trace {
        let mut execution = self.execution.clone();
        change(&mut execution);
        let engine = Engine::new(&self.maker.graph, &self.maker.weights).unwrap();
        engine.resume(&mut execution, from).unwrap();
        Trace::new(self.circuit(), &self.maker.graph, execution)
    }

    /// The trace with another output of a node, its own accumulators and auxiliary cells as they
    /// truly are, and all later nodes computed again.
    pub(crate) fn other_output(&self, node: usize, element: usize, value: i64) -> Trace {
        let output = self.output(node);
        self.trace(|run| run.tensors[output][element] = value, node + 1)
    }

    /// Changes cells of blocks, then everything that is looked up.
    pub(crate) fn set(&self, trace: &mut Trace, changes: &[(BlockId, usize, i64)]) {
        for (block, element, value) in changes {
            let block = &self.circuit().blocks[*block];
            let mut values = trace.read(block);
            values[*element] = *value;
            trace.write(block, &values);
        }
        trace.look_up(self.circuit());
    }

    pub(crate) fn cell(&self, trace: &Trace, block: BlockId, element: usize) -> i64 {
        trace.read(&self.circuit().blocks[block])[element]
    }

    pub(crate) fn prove(&self, trace: &Trace, shown: Visibility) -> Vec<u8> {
        let request = Request { inputs: &self.inputs, context: b"lie", input: shown, output: shown };
        let mut transcript = HashTranscript::new(PROTOCOL);
        prove_trace(&self.keys.prover, trace, &request, &mut transcript).unwrap().proof
    }

    pub(crate) fn verdict(&self, trace: &Trace, shown: Visibility) -> Result<Statement, VerifyError> {
        verify(&self.keys.verifier, &self.prove(trace, shown), b"lie")
    }

    pub(crate) fn broken(&self, trace: &Trace) -> Vec<Broken> {
        check::violations(self.circuit(), trace)
            .iter()
            .map(|violation| (violation.label.node, violation.label.property))
            .collect()
    }

    /// The trace breaks exactly these checks, and the verifier sees it.
    #[track_caller]
    pub(crate) fn caught(&self, trace: &Trace, broken: &[Broken]) {
        assert_eq!(self.broken(trace), broken);
        self.refused(trace);
    }

    /// The verifier refuses the trace, whatever is public.
    #[track_caller]
    pub(crate) fn refused(&self, trace: &Trace) {
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
