//! Valid graphs that nobody could prove: refused with a typed error, before any work that grows
//! with their cells, so that a key of a few hundred bytes costs a verifier nothing.

use std::time::{Duration, Instant};
use zkml_graph::validate::validate;
use zkml_graph::{Epilogue, FunctionKind, Graph, Op, Operand, OperandAxis, View};
use zkml_testkit::maker::{Maker, at, out, read, table};
use zkml_testkit::models;
use zkml_verifier::Cost;
use zkml_verifier::circuit::{Circuit, CircuitError, Property};

/// The error of a valid graph's circuit, found soon.
#[track_caller]
fn refused(graph: &Graph) -> CircuitError {
    assert_eq!(validate(graph), Ok(()));
    let start = Instant::now();
    let error = Circuit::new(graph).err();
    assert!(start.elapsed() < Duration::from_secs(2));
    error.unwrap()
}

/// Extents just above powers of two pad to eight times as many cells, and bits to sixty-four
/// times as many again.
#[test]
fn padding_beyond_memory() {
    let shape = [5, 5, 5, 5, 5, 5, 5, 129];
    let mut maker = Maker::new(1, &shape, -128, 127);
    let map = (0..8).map(out).collect();
    let terms = vec![maker.whole(&shape, read(0, &[], map, 3))];
    let output = maker.tensor(&shape, 0, 1 << 20);
    let epilogue = Epilogue::ReluBits { shift: 38 };
    maker.node(Op::Affine { terms, epilogue }, output);
    maker.graph.outputs = vec![output];
    let error = refused(&maker.graph);
    assert!(matches!(error, CircuitError::TraceTooLarge { log } if log > 32), "{error}");
}

#[test]
fn a_maximum_of_wide_ranges() {
    let mut maker = Maker::new(1, &[4], -128, 127);
    let terms = vec![maker.whole(&[4], read(0, &[], vec![out(0)], 1 << 25))];
    let wide = maker.exact(&[4], terms);
    let view = || View { tensor: wide, map: vec![out(0)] };
    let output = maker.max(&[4], view(), view());
    maker.graph.outputs = vec![output];
    let error = CircuitError::TableTooLarge { node: 1, property: Property::Maximum, log: 34 };
    assert_eq!(refused(&maker.graph), error);
}

#[test]
fn a_function_of_a_wide_quotient() {
    let mut maker = Maker::new(1, &[4], -128, 127);
    let terms = vec![maker.whole(&[4], read(0, &[], vec![out(0)], 1 << 30))];
    let output = maker.tensor(&[4], -9, 9);
    let epilogue = table(0, 0, 16, FunctionKind::Tanh, (-9, 9));
    maker.node(Op::Affine { terms, epilogue }, output);
    maker.graph.outputs = vec![output];
    let error = refused(&maker.graph);
    let wide = |error: &CircuitError| {
        matches!(error, CircuitError::TableTooLarge { node: 0, property: Property::Function, .. })
    };
    assert!(wide(&error), "{error}");
}

/// More quadratic sums than there are pads for their factors.
#[test]
fn too_many_hidden_scalars() {
    let mut maker = Maker::new(1, &[2], -2, 2);
    let operand = |tensor| Operand { tensor, axes: vec![OperandAxis::Out(0)] };
    let mut outputs = Vec::new();
    for _ in 0..700 {
        let output = maker.tensor(&[2], -4, 4);
        let (a, b) = (operand(0), operand(0));
        maker.node(Op::Product { a, b, inner: Vec::new(), epilogue: Epilogue::Exact }, output);
        outputs.push(output);
    }
    maker.graph.outputs = outputs;
    assert!(matches!(refused(&maker.graph), CircuitError::TooManyHidden { .. }));
}

/// Weights that padding to whole rows would make many: they are packed instead.
#[test]
fn long_thin_weights_are_packed() {
    let mut maker = Maker::new(1, &[3], -2, 2);
    let rows = 1 << 20;
    let param = maker.graph.params.len() as u32;
    maker.graph.params.push(zkml_graph::Param { name: "thin".into(), outer: rows, inner: 3 });
    let shape = [rows];
    let source = zkml_testkit::maker::weigh(0, &[3], vec![at(0, None, Some((0, 1)))], param, &[0]);
    let terms = vec![maker.whole(&shape, source)];
    let output = maker.rescale(&shape, terms, 4);
    maker.graph.outputs = vec![output];
    validate(&maker.graph).unwrap();
    let circuit = Circuit::new(&maker.graph).unwrap();
    let weights = &circuit.weights;
    assert!(weights.rows << circuit.columns_log < 4 * (3 << 20));
}

/// A window as long as its tensor: a small key that makes its verifier work for hours. What it costs is
/// known at once, and is more than anybody should do unasked.
#[test]
fn hours_of_verification_are_announced() {
    let len = 1 << 21;
    let mut maker = Maker::new(1, &[len], -1, 1);
    let map = vec![at(-i64::from(len), Some((0, 1)), Some((0, 1)))];
    let terms = vec![maker.whole(&[len], read(0, &[len], map, 1))];
    let output = maker.exact(&[len], terms);
    maker.graph.outputs = vec![output];
    assert_eq!(validate(&maker.graph), Ok(()));
    assert!(zkml_graph::codec::encode_graph(&maker.graph).len() < 1000);
    let start = Instant::now();
    let cost = Circuit::new(&maker.graph).unwrap().cost(&maker.graph);
    assert!(start.elapsed() < Duration::from_secs(2));
    assert!(cost.field_products >= 1 << 38 && !cost.is_ordinary());
    // What people make is far below.
    let maker = models::attention(1);
    let cost = Circuit::new(&maker.graph).unwrap().cost(&maker.graph);
    assert!(cost.is_ordinary() && cost.field_products < Cost::ORDINARY_PRODUCTS / 100);
}
