//! What the [forger](super::forger) makes is refused: one constraint broken and all others held, cells that
//! hold what no integer is equal to, commitments with something behind their values.

use super::forger::cells::Cells;
use super::forger::{Breach, Forgery, Reveal};
use super::lying::small_division;
use ark_ff::{Field, One};
use std::collections::BTreeSet;
use zkml_core::F;
use zkml_graph::{Epilogue, FunctionKind, Op, Operand, OperandAxis, View};
use zkml_testkit::liar::Liar;
use zkml_testkit::maker::{Maker, out, read, requant, table};
use zkml_verifier::circuit::{NodeCells, Property, Quotient, TableKind};
use zkml_verifier::{VerifyError, Visibility};

/// One node that reads the only input times a factor.
fn scaled(len: u32, factor: i64, output: (i64, i64), epilogue: Epilogue) -> Maker {
    let mut maker = Maker::new(5, &[len], -60, 60);
    let id = maker.tensor(&[len], output.0, output.1);
    let terms = vec![maker.whole(&[len], read(0, &[], vec![out(0)], factor))];
    maker.node(Op::Affine { terms, epilogue }, id);
    maker.graph.outputs = vec![id];
    maker
}

fn copied() -> Maker {
    scaled(4, 3, (-180, 180), Epilogue::Exact)
}

fn rescaled() -> Maker {
    scaled(10, 3, (-128, 127), requant(1, -128, -128, 127))
}

/// A remainder of two limbs.
fn limbed() -> Maker {
    scaled(4, 1 << 12, (-128, 127), requant(9, -128, -128, 127))
}

/// Saturated, through low and high parts.
fn parts() -> Maker {
    scaled(4, 300, (-9, 9), table(1, -128, 8, FunctionKind::Tanh, (-9, 9)))
}

fn whole() -> Maker {
    scaled(4, 2, (-9, 9), table(1, -16, 5, FunctionKind::Tanh, (-9, 9)))
}

fn bits() -> Maker {
    scaled(3, 3, (0, 128), Epilogue::ReluBits { shift: 2 })
}

fn squared() -> Maker {
    let mut maker = Maker::new(5, &[4], -9, 9);
    let operand = || Operand { tensor: 0, axes: vec![OperandAxis::Out(0)] };
    let output = maker.tensor(&[4], -81, 81);
    maker.node(Op::Product { a: operand(), b: operand(), inner: vec![], epilogue: Epilogue::Exact }, output);
    maker.graph.outputs = vec![output];
    maker
}

fn greater() -> Maker {
    let mut maker = Maker::new(5, &[4], -9, 9);
    let other = maker.another_input(&[4], -9, 9);
    let view = |tensor| View { tensor, map: vec![out(0)] };
    let output = maker.max(&[4], view(0), view(other));
    maker.graph.outputs = vec![output];
    maker
}

fn divided() -> Liar {
    Liar::with_inputs(small_division(6), vec![vec![1, 2, 4, 1, 3, 3, 3, 4]])
}

fn honest(liar: &Liar) -> Cells<'_> {
    Cells::new(liar.circuit(), &liar.trace(|_| (), 0))
}

fn integers(liar: &Liar) -> Vec<Vec<i64>> {
    liar.circuit().statement.iter().map(|block| liar.execution.tensors[*block].clone()).collect()
}

fn liars() -> Vec<Liar> {
    let makers = [copied(), rescaled(), limbed(), parts(), whole(), bits(), squared(), greater()];
    makers.into_iter().map(Liar::new).chain([divided()]).collect()
}

/// On true cells the forger is an honest prover, so that what follows is about the lies alone.
#[test]
fn true_cells_are_accepted() {
    for (index, liar) in liars().iter().enumerate() {
        let cells = honest(liar);
        assert_eq!(cells.broken(), [], "{index}");
        for shown in [Visibility::Committed, Visibility::Public] {
            let forged = Forgery::new(&liar.keys, cells.clone(), shown).forge(
                Breach::Trace,
                Reveal::Factors,
                &integers(liar),
            );
            assert_eq!(forged.broken, (0, 0), "{index}");
            assert!(forged.verdict.is_ok(), "{index}");
        }
    }
}

/// A commitment to ten values, with others behind them: nobody could open it, so nothing is proven
/// about it.
#[test]
fn nothing_is_committed_behind_the_values() {
    let liar = Liar::new(rescaled());
    let columns = liar.circuit().columns();
    let mut forgery = Forgery::new(&liar.keys, honest(&liar), Visibility::Committed);
    let mut accepted = |tail: Vec<F>| {
        forgery.tail = tail;
        forgery.forge(Breach::Trace, Reveal::Factors, &[]).verdict
    };
    assert!(accepted(Vec::new()).is_ok());
    // The last column, the first that is not used, and one between.
    for column in [columns - 1, 10, 100] {
        let mut tail = vec![F::from(0u64); columns - column];
        tail[columns - 1 - column] = F::from(7u64);
        assert_eq!(accepted(tail), Err(VerifyError::Equation), "{column}");
    }
    // Two that cancel in a plain sum.
    assert_eq!(accepted(vec![F::from(7u64), -F::from(7u64)]), Err(VerifyError::Equation));
}

/// The forgery breaks the given numbers of linear constraints and products, and is refused.
#[track_caller]
fn refused(
    forgery: &Forgery<'_>,
    integers: &[Vec<i64>],
    breach: Breach,
    reveal: Reveal,
    broken: (usize, usize),
) {
    let forged = forgery.forge(breach, reveal, integers);
    assert_eq!(forged.broken, broken, "{breach:?} {reveal:?}");
    assert_eq!(forged.verdict, Err(VerifyError::Equation), "{breach:?} {reveal:?}");
}

/// Every constraint of the protocol, broken alone. A product that does not hold makes one of the three
/// claims at the end of the products false, whichever the forger prefers.
#[test]
fn every_constraint_broken_alone() {
    let liar = Liar::new(bits());
    let circuit = liar.circuit();
    // Looked up by nobody: a lie for the tree. In no sum: a lie for what follows it.
    let (mut looked_up, mut related) = (honest(&liar), honest(&liar));
    *looked_up.at(0, 1) += F::from(1u64 << 40);
    *related.at(liar.output(0), 1) += F::from(5u64).inverse().unwrap();
    assert!(looked_up.broken().iter().any(|label| label.property == Property::InputRange));
    let broken: Vec<Property> = related.broken().iter().map(|label| label.property).collect();
    assert_eq!(broken, [Property::Function]);
    let reveals = [Reveal::Factors, Reveal::First, Reveal::Second];

    for (cells, tree) in [(looked_up, true), (related, false), (honest(&liar), false)] {
        let lies = !cells.broken().is_empty();
        let forgery = Forgery::new(&liar.keys, cells, Visibility::Committed);
        let zero = |breach| refused(&forgery, &[], breach, Reveal::Factors, (1, 0));
        let product =
            |breach| reveals.iter().for_each(|reveal| refused(&forgery, &[], breach, *reveal, (1, 1)));
        if tree {
            zero(Breach::RootZero);
            product(Breach::RootFirst);
            product(Breach::RootSecond);
            for layer in 1..circuit.leaf_log {
                zero(Breach::LayerZero(layer));
                product(Breach::LayerFirst(layer));
                product(Breach::LayerSecond(layer));
            }
        }
        if lies {
            zero(Breach::QuadraticRest);
            (0..circuit.quads.len()).for_each(|quad| product(Breach::QuadraticProduct(quad)));
            zero(Breach::MasterZero);
            product(Breach::MasterProduct);
            for breach in [Breach::Trace, Breach::Weights, Breach::Bias] {
                refused(&forgery, &[], breach, Reveal::Factors, (0, 0));
            }
        } else {
            // The cells are true: what is broken is a constraint that their truth does not need.
            product(Breach::RootDenominator);
            product(Breach::RootInverse);
            product(Breach::Blinding);
        }
    }
}

/// Breaks one property with cells that only a field can hold, and holds all others.
struct FieldLies(BTreeSet<String>);

impl FieldLies {
    /// The verifier refuses the cells wherever the forger hides what is false.
    #[track_caller]
    fn tell(&mut self, liar: &Liar, mut cells: Cells<'_>, property: Property) {
        cells.recount();
        self.tell_counted(liar, cells, property);
    }

    /// The same, with the forger's own counts.
    #[track_caller]
    fn tell_counted(&mut self, liar: &Liar, cells: Cells<'_>, property: Property) {
        let broken: Vec<Property> = cells.broken().iter().map(|label| label.property).collect();
        assert_eq!(broken, [property]);
        self.0.insert(format!("{property:?}"));
        let forgery = Forgery::new(&liar.keys, cells, Visibility::Committed);
        refused(&forgery, &[], Breach::MasterZero, Reveal::Factors, (1, 0));
        refused(&forgery, &[], Breach::Trace, Reveal::Factors, (0, 0));
    }
}

/// A number that is no small fraction.
fn odd() -> F {
    F::from(0x1234_5678_9abc_def1_u64).inverse().unwrap()
}

/// `1 / 2^bits`.
fn fraction(bits: u32) -> F {
    F::from(2u64).pow([u64::from(bits)]).inverse().unwrap()
}

fn rescales(lies: &mut FieldLies) {
    let liar = Liar::new(copied());
    let mut cells = honest(&liar);
    *cells.at(0, 2) += odd();
    *cells.at(1, 2) += F::from(3u64) * odd();
    lies.tell(&liar, cells, Property::InputRange);
    let mut cells = honest(&liar);
    *cells.at(1, 2) += odd();
    lies.tell(&liar, cells, Property::Equality);

    // The remainder is another one, the quotient a fraction: q = (acc + half - r) / 2^s.
    let liar = Liar::new(rescaled());
    let node = &liar.maker.graph.nodes[0];
    assert_eq!(node.output, 1);
    let acc = 3 * liar.execution.tensors[0][4];
    let remainder = acc + 1 - 2 * liar.execution.tensors[1][4];
    let mut cells = honest(&liar);
    *cells.at(1, 4) = F::from(acc + 1 - (1 - remainder)) * fraction(1);
    lies.tell(&liar, cells, Property::Quotient);
    let mut cells = honest(&liar);
    *cells.at(1, 4) += F::one();
    lies.tell(&liar, cells, Property::Remainder);

    let liar = Liar::new(limbed());
    let NodeCells::Requant { remainder, .. } = liar.cells(0) else { panic!("{:?}", liar.cells(0)) };
    let (bits, upper) = (remainder.bits as u32, remainder.upper.clone());
    assert_eq!(upper.len(), 1);
    let mut cells = honest(&liar);
    let step = if liar.cell(&liar.trace(|_| (), 0), upper[0], 1) == 0 { F::one() } else { -F::one() };
    *cells.at(upper[0], 1) += step * fraction(bits);
    lies.tell(&liar, cells, Property::Limb);
}

fn functions(lies: &mut FieldLies) {
    for maker in [whole(), parts()] {
        let liar = Liar::new(maker);
        let mut cells = honest(&liar);
        *cells.at(1, 2) += odd();
        lies.tell(&liar, cells, Property::Function);
    }
    // A high part that is a fraction, with another low part: the quotient is right.
    let liar = Liar::new(parts());
    let NodeCells::Requant { quotient: Quotient::Split { low, high, bits, .. }, .. } = *liar.cells(0) else {
        panic!("{:?}", liar.cells(0));
    };
    let saturated = liar.execution.accumulators[0].iter().position(|acc| *acc > 4000).unwrap();
    let down = liar.cell(&liar.trace(|_| (), 0), low, saturated) > 0;
    let step = if down { -F::one() } else { F::one() };
    let mut cells = honest(&liar);
    *cells.at(low, saturated) += step;
    *cells.at(high, saturated) -= step * fraction(u32::from(bits));
    lies.tell(&liar, cells, Property::Saturation);

    let liar = Liar::new(greater());
    let mut cells = honest(&liar);
    *cells.at(liar.output(0), 2) += odd();
    lies.tell(&liar, cells, Property::Maximum);
}

/// A part and the output moved against each other: their sum is that of an entry, and counted as such, so that
/// columns with one power of gamma would be met.
fn columns_against_each_other(lies: &mut FieldLies) {
    let liar = Liar::new(parts());
    let circuit = liar.circuit();
    let NodeCells::Requant { quotient: Quotient::Split { low, high, bits, .. }, .. } = *liar.cells(0) else {
        panic!("{:?}", liar.cells(0));
    };
    let classes = circuit.lookups.iter().find(|lookup| lookup.label.property == Property::Saturation);
    let table = &circuit.tables[classes.unwrap().table];
    let TableKind::Class { first, .. } = table.kind else { panic!("{:?}", table.kind) };
    let trace = liar.trace(|_| (), 0);
    let far = (0..4).find(|element| liar.cell(&trace, high, *element) > 1).unwrap();
    let entry = (liar.cell(&trace, high, far) - first) as usize;
    let mut cells = honest(&liar);
    let step = F::from(1u64 << bits);
    *cells.at(low, far) += step;
    *cells.at(high, far) -= F::one();
    *cells.at(1, far) -= step;
    *cells.at(table.multiplicities, entry) -= F::one();
    *cells.at(table.multiplicities, entry - 1) += F::one();
    lies.tell_counted(&liar, cells, Property::Function);
}

fn sums_of_bits(lies: &mut FieldLies) {
    let liar = Liar::new(bits());
    let NodeCells::Bits { bits, magnitude } = *liar.cells(0) else { panic!("{:?}", liar.cells(0)) };
    let (output, width) = (liar.output(0), liar.circuit().blocks[bits].axes[1].len);
    let positive = liar.execution.accumulators[0].iter().position(|acc| *acc > 0).unwrap();
    // The magnitude is anything, and the output with it.
    let mut cells = honest(&liar);
    *cells.at(magnitude, positive) = odd();
    *cells.at(output, positive) = odd();
    lies.tell(&liar, cells, Property::BitSum);
    // Two bits that are none, with the right sum.
    let mut cells = honest(&liar);
    *cells.at(bits, positive * width) += odd() + odd();
    *cells.at(bits, positive * width + 1) -= odd();
    lies.tell(&liar, cells, Property::Bits);
}

fn divisions(lies: &mut FieldLies) {
    let liar = divided();
    let sum = F::from(8u64);
    // y = (n 2^t - r) / s for another remainder r.
    let mut cells = honest(&liar);
    *cells.at(1, 1) = (F::from(2i64 << 6) - F::from(3u64)) / sum;
    lies.tell(&liar, cells, Property::DivisionRange);
    for (step, property) in [(1i64, Property::DivisionRemainder), (-1, Property::DivisionComplement)] {
        let mut cells = honest(&liar);
        *cells.at(1, 1) += F::from(step);
        lies.tell(&liar, cells, property);
    }
}

/// Every property that a proof of an inference has to prove. Weights are the key's, whose commitments hold
/// integers or do not decode to a key.
#[test]
fn every_property_broken_by_field_elements() {
    let mut lies = FieldLies(BTreeSet::new());
    rescales(&mut lies);
    functions(&mut lies);
    columns_against_each_other(&mut lies);
    sums_of_bits(&mut lies);
    divisions(&mut lies);
    let mut all = BTreeSet::new();
    for liar in liars() {
        let circuit = liar.circuit();
        let lookups = circuit.lookups.iter().map(|lookup| lookup.label);
        all.extend(
            lookups
                .chain(circuit.relations.iter().map(|relation| relation.label))
                .map(|label| format!("{:?}", label.property)),
        );
    }
    assert_eq!(lies.0, all);
}

/// Two relations that are broken by opposite amounts, cell by cell: each has a power of beta of its own.
#[test]
fn relations_that_cancel() {
    let mut maker = copied();
    let terms = vec![maker.whole(&[4], read(0, &[], vec![out(0)], 3))];
    let second = maker.exact(&[4], terms);
    maker.graph.outputs.push(second);
    let liar = Liar::new(maker);
    let mut cells = honest(&liar);
    *cells.at(1, 2) += odd();
    *cells.at(second as usize, 2) -= odd();
    let broken: Vec<Property> = cells.broken().iter().map(|label| label.property).collect();
    assert_eq!(broken, [Property::Equality; 2]);
    let forgery = Forgery::new(&liar.keys, cells, Visibility::Committed);
    refused(&forgery, &[], Breach::MasterZero, Reveal::Factors, (1, 0));
    refused(&forgery, &[], Breach::Trace, Reveal::Factors, (0, 0));
}
