//! Random models of every kind through the prover: what the engine computes is accepted; an output one off,
//! with all that follows from it, and any single other cell are refused.

use zkml_engine::Engine;
use zkml_prover::{check, trace::Trace};
use zkml_testkit::case::Case;
use zkml_testkit::dice::Dice;
use zkml_testkit::liar::Liar;
use zkml_testkit::maker::Maker;
use zkml_testkit::random;
use zkml_verifier::circuit::Circuit;
use zkml_verifier::{VerifyError, Visibility};

/// Models that are tried; some have no circuit, or no output for their input.
const MODELS: u64 = 24;
/// Models that must be proven at least.
const PROVEN: usize = 10;

/// A random model that can be proven.
fn provable(seed: u64) -> Option<Liar> {
    let Case { graph, weights, inputs } = random::model(seed, 4);
    Circuit::new(&graph).ok()?;
    zkml_engine::execute(&graph, &weights, &inputs).ok()?;
    let maker = Maker { graph, weights, dice: Dice::new(seed) };
    Some(Liar::with_inputs(maker, inputs))
}

/// The trace with one output of a node one off, if later nodes can be computed from it.
fn one_off(liar: &Liar, node: usize, dice: &mut Dice) -> Option<Trace> {
    let mut execution = liar.execution.clone();
    let values = &mut execution.tensors[liar.output(node)];
    let element = dice.below(values.len());
    values[element] += if dice.chance(50) { 1 } else { -1 };
    let engine = Engine::new(&liar.maker.graph, &liar.maker.weights).unwrap();
    engine.resume(&mut execution, node + 1).ok()?;
    Some(Trace::new(liar.circuit(), &liar.maker.graph, execution))
}

/// The trace with one other cell: of any tensor but the inputs, or of any node's auxiliary values. The looked-up
/// values and their counts follow it.
fn one_cell(liar: &Liar, dice: &mut Dice) -> Trace {
    let circuit = liar.circuit();
    let inputs = &liar.maker.graph.inputs;
    let counts: Vec<usize> = circuit.tables.iter().map(|table| table.multiplicities).collect();
    let fixed =
        |block: &usize| inputs.iter().any(|input| *input as usize == *block) || counts.contains(block);
    let blocks: Vec<usize> = (0..circuit.blocks.len()).filter(|block| !fixed(block)).collect();
    let block = blocks[dice.below(blocks.len())];
    let mut trace = liar.trace(|_| (), 0);
    let element = dice.below(circuit.blocks[block].len());
    let step = if dice.chance(50) { 1 } else { -1 } << dice.below(8);
    let value = liar.cell(&trace, block, element) + step;
    liar.set(&mut trace, &[(block, element, value)]);
    trace
}

/// Single cells that are tried of each model.
const CELLS: usize = 4;

#[test]
fn what_the_engine_computes_and_nothing_one_off() {
    let mut proven = 0;
    for seed in 0..MODELS {
        let Some(liar) = provable(seed) else {
            continue;
        };
        proven += 1;
        let trace = liar.trace(|_| (), 0);
        assert_eq!(check::violations(liar.circuit(), &trace), [], "seed {seed}");
        assert_eq!(liar.keys.verifier.check(), Ok(()), "seed {seed}");
        let shown = if seed % 2 == 0 { Visibility::Committed } else { Visibility::Public };
        assert!(liar.verdict(&trace, shown).is_ok(), "seed {seed}");
        let mut dice = Dice::new(!seed);
        for node in 0..liar.maker.graph.nodes.len() {
            if let Some(trace) = one_off(&liar, node, &mut dice) {
                assert!(!liar.broken(&trace).is_empty(), "seed {seed}, node {node}");
                let verdict = liar.verdict(&trace, Visibility::Committed);
                assert_eq!(verdict, Err(VerifyError::Equation), "seed {seed}, node {node}");
            }
        }
        for cell in 0..CELLS {
            let trace = one_cell(&liar, &mut dice);
            // No other cell has a second value that fits the others.
            assert!(!liar.broken(&trace).is_empty(), "seed {seed}, cell {cell}");
            let verdict = liar.verdict(&trace, Visibility::Committed);
            assert_eq!(verdict, Err(VerifyError::Equation), "seed {seed}, cell {cell}");
        }
    }
    assert!(proven >= PROVEN, "only {proven} models could be proven");
}
