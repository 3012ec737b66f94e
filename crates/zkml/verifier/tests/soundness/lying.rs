//! One lying prover for every check, and for every node of every model. A lie breaks exactly the
//! check that it is about, and the verifier refuses the proof.

use zkml_graph::{FunctionKind, Op, Weights};
use zkml_prover::key::keygen_unchecked;
use zkml_prover::{check, trace::Trace};
use zkml_testkit::liar::Liar;
use zkml_testkit::maker::{Maker, out, read};
use zkml_testkit::{models, widths};
use zkml_verifier::circuit::{Circuit, Limbs, NodeCells, Property, Quotient, Slot};
use zkml_verifier::{VerifierKey, VerifyError};

/// A test for every property; a property without one does not compile.
macro_rules! lies {
    ($($property:ident => $($lie:ident)*;)*) => {
        mod about {
            use super::Property;
            $($(#[test]
            fn $lie() {
                super::$lie(Property::$property);
            })*)*
        }
        const fn _every_property_has_a_lie(property: Property) {
            match property {
                $(Property::$property => (),)*
            }
        }
    };
}

lies! {
    InputRange => input_above input_below;
    Remainder => quotient_too_small quotient_too_large;
    Limb => remainder_of_two_to_the_shift;
    Quotient => quotient_without_shift;
    Saturation => saturated_as_if_not unsaturated_as_if;
    Function => function_of_whole function_of_parts relu_of_negative;
    Maximum => lesser_of_two greater_than_both;
    Equality => other_sum;
    DivisionRemainder => division_too_large;
    DivisionComplement => division_too_small;
    DivisionRange => division_above_one;
    Bits => bit_of_two;
    BitSum => other_bits magnitude_of_other_bits;
    WeightRange => weight_too_wide;
    WeightPadding => weight_in_padding;
}

/// Adds a layer that reads the model's output, so that lies have consequences.
fn followed(mut maker: Maker) -> Maker {
    let last = maker.graph.outputs[0];
    let shape = maker.shape(last);
    let map = (0..shape.len() as u32).map(out).collect();
    let terms = vec![maker.whole(&shape, read(last, &[], map, 5))];
    let output = maker.rescale(&shape, terms, 3);
    maker.graph.outputs = vec![output];
    maker
}

fn input(property: Property, beyond: impl Fn(i64, i64) -> i64) {
    let liar = Liar::new(models::dense(3));
    let tensor = &liar.maker.graph.tensors[0];
    let value = beyond(tensor.min, tensor.max);
    let trace = liar.trace(|run| run.tensors[0][7] = value, 0);
    liar.caught(&trace, &[(None, property)]);
}

pub(crate) fn input_above(property: Property) {
    input(property, |_, max| max + 1);
}

pub(crate) fn input_below(property: Property) {
    input(property, |min, _| min - 1);
}

/// Quotients are outputs: one step off, the remainder leaves its range.
fn quotient(property: Property, step: i64) {
    let maker = widths::narrow(5, 30, 3, FunctionKind::Identity, (-64, 7));
    let liar = Liar::new(followed(maker));
    assert!(matches!(liar.cells(0), NodeCells::Requant { quotient: Quotient::Output, .. }));
    let value = liar.execution.tensors[liar.output(0)][4] + step;
    liar.caught(&liar.other_output(0, 4, value), &[(Some(0), property)]);
}

pub(crate) fn quotient_too_small(property: Property) {
    quotient(property, -1);
}

pub(crate) fn quotient_too_large(property: Property) {
    quotient(property, 1);
}

fn split(liar: &Liar, node: usize) -> (Limbs, [usize; 3]) {
    match liar.cells(node) {
        NodeCells::Requant { remainder, quotient: Quotient::Split { low, high, class, .. } } => {
            (remainder.clone(), [*low, *high, *class])
        }
        other => panic!("{other:?}"),
    }
}

/// The remainder is `2^shift` more than it should be, which every limb but the last can hold.
pub(crate) fn remainder_of_two_to_the_shift(property: Property) {
    let liar = Liar::new(followed(widths::wide(4, (3, 8), 16, 16, 20)));
    let NodeCells::Requant { remainder: Limbs { bits, upper }, quotient: Quotient::Output } = liar.cells(0)
    else {
        panic!("{:?}", liar.cells(0));
    };
    assert_eq!(upper.len(), 2);
    let value = liar.execution.tensors[liar.output(0)][2] - 1;
    let mut trace = liar.other_output(0, 2, value);
    let limb = liar.cell(&trace, upper[1], 2) + (1 << (20 - 2 * bits));
    liar.set(&mut trace, &[(upper[1], 2, limb)]);
    liar.caught(&trace, &[(Some(0), property)]);
}

fn quotient_without_shift(property: Property) {
    let maker = widths::narrow(5, 400, 0, FunctionKind::Identity, (-5, 4));
    let liar = Liar::new(followed(maker));
    let NodeCells::Requant { quotient: Quotient::Whole { block }, .. } = *liar.cells(0) else {
        panic!("{:?}", liar.cells(0));
    };
    let honest = liar.trace(|_| (), 0);
    let inside = |e: &usize| (-5..10).contains(&liar.cell(&honest, block, *e));
    let element = (0..400).find(inside).unwrap();
    let value = liar.cell(&honest, block, element) + 1;
    let mut trace = liar.other_output(0, element, value);
    liar.set(&mut trace, &[(block, element, value)]);
    liar.caught(&trace, &[(Some(0), property)]);
}

/// Changes the class of the first element that has the class `from`, and its output with it.
fn reclassify(property: Property, (from, to): (i64, i64)) {
    let liar = Liar::new(followed(widths::wide(4, (9, 30), 8, 8, 6)));
    let (_, [low, _, class]) = split(&liar, 0);
    let honest = liar.trace(|_| (), 0);
    let element = (0..30).find(|e| liar.cell(&honest, class, *e) == from);
    let element = element.unwrap();
    let value = match to {
        0 => liar.cell(&honest, low, element) - 128,
        1 => 127,
        _ => -128,
    };
    let mut trace = liar.other_output(0, element, value);
    liar.set(&mut trace, &[(class, element, to)]);
    liar.caught(&trace, &[(Some(0), property)]);
}

fn saturated_as_if_not(property: Property) {
    reclassify(property, (1, 0));
    reclassify(property, (2, 0));
}

fn unsaturated_as_if(property: Property) {
    reclassify(property, (0, 1));
    reclassify(property, (1, 2));
}

fn function_of_whole(property: Property) {
    let maker = widths::narrow(5, 30, 1, FunctionKind::Tanh, (-64, 7));
    let liar = Liar::new(followed(maker));
    let value = liar.execution.tensors[liar.output(0)][9] - 1;
    liar.caught(&liar.other_output(0, 9, value), &[(Some(0), property)]);
}

fn function_of_parts(property: Property) {
    let liar = Liar::new(models::dense(9));
    split(&liar, 0);
    for element in 0..3 {
        let value = 255 - liar.execution.tensors[liar.output(0)][element];
        let trace = liar.other_output(0, element, value);
        liar.caught(&trace, &[(Some(0), property)]);
    }
}

fn bits(node: usize) -> (Liar, usize, usize) {
    let liar = Liar::new(models::relu_bits(6));
    match *liar.cells(node) {
        NodeCells::Bits { bits, magnitude } => (liar, bits, magnitude),
        ref other => panic!("{other:?}"),
    }
}

fn relu_of_negative(property: Property) {
    let (liar, _, magnitude) = bits(0);
    let honest = liar.trace(|_| (), 0);
    let negative = |element: &usize| liar.execution.accumulators[0][*element] < -200;
    let element = (0..11).find(negative).unwrap();
    let value = liar.cell(&honest, magnitude, element);
    assert_ne!(value, 0);
    liar.caught(&liar.other_output(0, element, value), &[(Some(0), property)]);
}

/// Bits `(0, 1)` become `(2, 0)`: the same number.
fn bit_of_two(property: Property) {
    let (liar, bits, _) = bits(0);
    let mut trace = liar.trace(|_| (), 0);
    let width = liar.circuit().blocks[bits].axes[1].len;
    let cells = trace.read(&liar.circuit().blocks[bits]);
    // Not with the last bit of an element, which is the sign's.
    let pair = |first: &usize| first % width + 2 < width && cells[*first..first + 2] == [0, 1];
    let first = (0..cells.len() - 1).find(pair).unwrap();
    liar.set(&mut trace, &[(bits, first, 2), (bits, first + 1, 0)]);
    liar.caught(&trace, &[(Some(0), property)]);
}

/// A bit below the shift changes no output, and still the bits must be the sum's.
fn other_bits(property: Property) {
    let (liar, bits, _) = bits(0);
    let mut trace = liar.trace(|_| (), 0);
    let flipped = 1 - liar.cell(&trace, bits, 3);
    liar.set(&mut trace, &[(bits, 3, flipped)]);
    liar.caught(&trace, &[(Some(0), property)]);
}

/// The magnitude is not the one that the bits say, and the output follows the magnitude.
fn magnitude_of_other_bits(property: Property) {
    let (liar, _, magnitude) = bits(0);
    let honest = liar.trace(|_| (), 0);
    let positive = |element: &usize| liar.execution.accumulators[0][*element] > 200;
    let element = (0..11).find(positive).unwrap();
    let value = liar.cell(&honest, magnitude, element) + 5;
    let mut trace = liar.other_output(0, element, value);
    liar.set(&mut trace, &[(magnitude, element, value)]);
    liar.caught(&trace, &[(Some(0), property)]);
}

fn lesser_of_two(property: Property) {
    let liar = Liar::new(models::max_pool(2));
    let input = &liar.execution.tensors[0];
    // The last node compares with the element itself.
    let output = &liar.execution.tensors[liar.output(4)];
    let (last, shape) = (4, [3, 4, 5]);
    let differs = (0..output.len()).find(|e| {
        let (channel, y, x) = (e / 20, e / 5 % shape[1], e % 5);
        2 * x + 1 < 9 && input[channel * 63 + 2 * y * 9 + 2 * x + 1] < output[*e]
    });
    let element = differs.unwrap();
    let (channel, y, x) = (element / 20, element / 5 % shape[1], element % 5);
    let value = input[channel * 63 + 2 * y * 9 + 2 * x + 1];
    liar.caught(&liar.other_output(last, element, value), &[(Some(last), property)]);
}

fn greater_than_both(property: Property) {
    let liar = Liar::new(models::max_pool(2));
    let output = &liar.execution.tensors[liar.output(0)];
    let element = output.iter().position(|value| *value < 80).unwrap();
    let trace = liar.other_output(0, element, output[element] + 1);
    liar.caught(&trace, &[(Some(0), property)]);
}

fn other_sum(property: Property) {
    let liar = Liar::new(models::layout(2));
    for node in [0, 1] {
        let value = liar.execution.tensors[liar.output(node)][59] + 1;
        let trace = liar.other_output(node, 59, value);
        liar.caught(&trace, &[(Some(node), property)]);
    }
}

/// Numerators up to 15 on two rows of four, so that a remainder has one limb.
pub(crate) fn small_division(shift: u8) -> Maker {
    let mut maker = Maker::new(1, &[2, 4], 0, 15);
    let output = maker.tensor(&[2, 4], 0, 1 << shift);
    maker.node(Op::Normalize { numerator: 0, axis: 1, shift }, output);
    maker.graph.outputs = vec![output];
    maker
}

fn division(property: Property, step: i64, element: usize) {
    let inputs = vec![vec![1, 2, 4, 1, 3, 3, 3, 4]];
    let liar = Liar::with_inputs(followed(small_division(6)), inputs);
    let value = liar.execution.tensors[liar.output(0)][element] + step;
    let trace = liar.other_output(0, element, value);
    liar.caught(&trace, &[(Some(0), property)]);
}

fn division_too_large(property: Property) {
    division(property, 1, 0);
    division(property, 1, 5);
}

fn division_too_small(property: Property) {
    division(property, -1, 1);
    division(property, -1, 7);
}

/// Exact and above one: only a negative numerator, which the input's range forbids, makes it.
fn division_above_one(property: Property) {
    let liar = Liar::with_inputs(small_division(6), vec![vec![1, 2, 4, 1, 3, 3, 3, 4]]);
    let trace = liar.trace(
        |run| {
            run.tensors[0][..4].copy_from_slice(&[9, -1, 0, 0]);
            run.tensors[1][..4].copy_from_slice(&[72, -8, 0, 0]);
        },
        1,
    );
    liar.caught(&trace, &[(None, Property::InputRange), (Some(0), property)]);
}

/// A key whose maker did not follow the layout or the width, as everybody reads it.
#[track_caller]
fn dishonest_key(maker: Maker, circuit: Circuit, weights: Weights, broken: &[Property]) {
    let columns = circuit.columns();
    let rows = (0..circuit.weights.rows).map(|row| {
        let mut cells = vec![0; columns];
        for (start, values) in circuit.weights.row(&weights.0, row).unwrap() {
            for (cell, value) in cells[start..].iter_mut().zip(values) {
                *cell = i64::from(*value);
            }
        }
        cells
    });
    let honest = Circuit::new(&maker.graph).unwrap();
    let key_circuit = Circuit::for_key(&honest, maker.graph.weight_bits);
    let trace = Trace::of_key(&key_circuit, rows);
    let found: Vec<Property> =
        check::violations(&key_circuit, &trace).iter().map(|violation| violation.label.property).collect();
    assert_eq!(found, broken);
    // The real prover, on its own layout.
    let seed = [9; 32];
    let keys = keygen_unchecked(maker.graph, circuit, weights, seed, &mut |_| ()).unwrap();
    let key = VerifierKey::from_bytes(&keys.verifier.to_bytes()).unwrap();
    let verdict = if broken.is_empty() { Ok(()) } else { Err(VerifyError::Equation) };
    assert_eq!(key.check(), verdict);
}

pub(crate) fn weight_too_wide(property: Property) {
    for value in [128, -129] {
        let maker = models::dense(1);
        let circuit = Circuit::new(&maker.graph).unwrap();
        let mut weights = maker.weights.clone();
        weights.0[0][5] = value;
        dishonest_key(maker, circuit, weights, &[property]);
    }
}

/// The last packed parameter, a cell further than its place: its last value is in the padding.
pub(crate) fn weight_in_padding(property: Property) {
    let maker = models::dense(1);
    let mut circuit = Circuit::new(&maker.graph).unwrap();
    let params = &mut circuit.weights.params;
    let last = params.iter().rposition(|param| matches!(param.slot, Slot::Packed { .. })).unwrap();
    if let Slot::Packed { cell } = &mut params[last].slot {
        *cell += 1;
    }
    let mut weights = maker.weights.clone();
    for value in &mut weights.0[last] {
        *value = 1;
    }
    dishonest_key(maker, circuit, weights, &[property]);
}

/// For every node: its first and its last output, one off.
fn every_node(make: impl Fn(u64) -> Maker) {
    let liar = Liar::new(make(11));
    for node in 0..liar.maker.graph.nodes.len() {
        let output = liar.output(node);
        let values = &liar.execution.tensors[output];
        for element in [0, values.len() - 1] {
            let less = values[element] >= liar.maker.graph.tensors[output].max;
            let value = values[element] + if less { -1 } else { 1 };
            let trace = liar.other_output(node, element, value);
            let broken = liar.broken(&trace);
            assert!(!broken.is_empty(), "node {node} element {element}");
            let here = broken.iter().all(|(place, _)| *place == Some(node));
            assert!(here, "node {node} element {element}: {broken:?}");
            liar.refused(&trace);
        }
    }
}

macro_rules! every_node_of {
    ($($name:ident)*) => {
        mod every_node_of {
            $(#[test]
            fn $name() {
                super::every_node(zkml_testkit::models::$name);
            })*
        }
    };
}

every_node_of! {
    dense convolution convolution_1d groups depthwise max_pool odd_views average_pool
    reduce_and_broadcast residual concat layout arg_max scale_by_hidden tied_rows products
    attention normalize relu_bits
}
