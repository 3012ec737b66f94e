//! One broken graph for every check: each alteration of a valid graph is refused with the error
//! that names it.
#![expect(clippy::panic, reason = "a test: a graph whose node is not what the test built ends it")]

mod graph;

use graph::{
    CONV, EXACT, MAX, PRODUCT, SOFTMAX, conv, epilogue, node, product, requant, softmax, tensor, terms, valid,
};
use zkml_graph::bounds::{self, BoundsError};
use zkml_graph::validate::{Counted, GraphError, MAX_NAME, validate};
use zkml_graph::{AxisMap, Epilogue, FunctionKind, Graph, Op, OperandAxis, Source, Term, View, Weight};

/// Asserts that the altered graph is refused with an error of this form.
macro_rules! refused {
    ($pattern:pat, $alter:expr) => {{
        let mut graph = valid();
        let alter: fn(&mut Graph) = $alter;
        alter(&mut graph);
        let result = validate(&graph);
        assert!(matches!(result, Err($pattern)), "{result:?}");
    }};
}

#[test]
fn the_base_is_valid() {
    assert_eq!(validate(&valid()), Ok(()));
}

#[test]
fn limits_and_names() {
    fn long() -> String {
        "x".repeat(MAX_NAME + 1)
    }
    refused!(GraphError::GraphName { bytes: 257 }, |g| g.name = long());
    refused!(GraphError::TensorName { index: 2, .. }, |g| {
        g.tensors[2].name = long();
    });
    refused!(GraphError::ParamName { index: 1, .. }, |g| {
        g.params[1].name = long();
    });
    refused!(GraphError::NodeName { index: 4, .. }, |g| {
        g.nodes[4].name = long();
    });
    refused!(GraphError::WeightBits { bits: 1 }, |g| g.weight_bits = 1);
    refused!(GraphError::WeightBits { bits: 17 }, |g| {
        g.weight_bits = 17;
    });
    refused!(GraphError::NoInput, |g| g.inputs.clear());
    refused!(GraphError::NoOutput, |g| g.outputs.clear());
    let too_many = |what: Counted, alter: fn(&mut Graph)| {
        let mut graph = valid();
        alter(&mut graph);
        let error = validate(&graph);
        assert!(
            matches!(&error, Err(GraphError::TooMany { what: found, .. }) if *found == what),
            "{what}: {error:?}"
        );
    };
    too_many(Counted::Tensors, |g| {
        g.tensors = vec![tensor(&[1], 0, 0); (1 << 17) + 1];
    });
    too_many(Counted::Params, |g| g.params = vec![g.params[0].clone(); (1 << 17) + 1]);
    too_many(Counted::Nodes, |g| g.nodes = vec![g.nodes[4].clone(); (1 << 16) + 1]);
    too_many(Counted::Terms, |g| {
        let term = terms(g, EXACT)[2].clone();
        *terms(g, EXACT) = vec![term; (1 << 18) + 1];
    });
    too_many(Counted::TensorCells, |g| {
        g.tensors.extend(vec![tensor(&[1 << 24], 0, 0); 9]);
    });
    too_many(Counted::ParamCells, |g| g.params[0].inner = 1 << 28);
    too_many(Counted::Operations, |g| {
        g.tensors[0] = tensor(&[1 << 24], 0, 0);
        g.tensors.push(tensor(&[1 << 20], 0, 0));
        let source = Source::Tensor {
            tensor: 0,
            inner: vec![1 << 23],
            map: vec![AxisMap { offset: 0, out: Some((0, 1)), inner: Some((0, 1)) }],
            weight: Weight::Public(1),
        };
        let region = vec![(0, 1 << 20)];
        let op = Op::Affine { terms: vec![Term { region, source }], epilogue: Epilogue::Exact };
        g.nodes.insert(0, node(op, 6));
    });
}

#[test]
fn tensors_and_params() {
    refused!(GraphError::TensorRank { rank: 0, .. }, |g| {
        g.tensors[1].shape.clear();
    });
    refused!(GraphError::TensorRank { rank: 9, .. }, |g| {
        g.tensors[1].shape = vec![1; 9];
    });
    refused!(GraphError::TensorExtent { axis: 1, .. }, |g| {
        g.tensors[1].shape[1] = 0;
    });
    refused!(GraphError::TensorCells { .. }, |g| {
        g.tensors[1].shape = vec![u32::MAX; 8];
    });
    refused!(GraphError::TensorRange { .. }, |g| g.tensors[1].min = 256);
    refused!(GraphError::TensorRange { .. }, |g| {
        g.tensors[1].min = i64::MIN;
    });
    refused!(GraphError::TensorRange { .. }, |g| {
        g.tensors[1].max = (1 << 46) + 1;
    });
    refused!(GraphError::ParamShape { outer: 0, .. }, |g| {
        g.params[0].outer = 0;
    });
    refused!(GraphError::ParamShape { inner: 0, .. }, |g| {
        g.params[1].inner = 0;
    });
}

#[test]
fn inputs_outputs_and_order() {
    refused!(GraphError::UnknownInput { tensor: 99, .. }, |g| {
        g.inputs[0] = 99;
    });
    refused!(GraphError::DuplicateInput { .. }, |g| g.inputs.push(0));
    refused!(GraphError::InputRange { .. }, |g| {
        g.tensors[0].max = 1 << 16;
    });
    refused!(GraphError::UnknownOutput { tensor: 99, .. }, |g| {
        g.outputs[0] = 99;
    });
    refused!(GraphError::DuplicateOutput { .. }, |g| g.outputs[0] = 5);
    refused!(GraphError::OutputIsInput { .. }, |g| g.outputs[0] = 0);
    refused!(GraphError::Undefined { .. }, |g| {
        g.tensors.push(tensor(&[1], 0, 0));
    });
    refused!(GraphError::UnknownNodeOutput { tensor: 99, .. }, |g| {
        g.nodes[1].output = 99;
    });
    refused!(GraphError::Redefined { .. }, |g| g.nodes[1].output = 0);
    refused!(GraphError::Redefined { .. }, |g| {
        g.nodes[SOFTMAX].output = 1;
    });
    refused!(GraphError::UnknownOperand { tensor: 99, .. }, |g| { *softmax(g).0 = 99 });
    refused!(GraphError::Order { .. }, |g| g.nodes.swap(0, 1));
    refused!(GraphError::Order { .. }, |g| *softmax(g).0 = 5);
    refused!(GraphError::ParamUnused { .. }, |g| {
        terms(g, CONV).pop();
    });
}

#[test]
fn regions_and_parameters() {
    refused!(GraphError::NoTerms { .. }, |g| terms(g, EXACT).clear());
    refused!(GraphError::RegionRank { got: 1, .. }, |g| {
        terms(g, EXACT)[0].region.pop();
    });
    refused!(GraphError::RegionBox { axis: 0, .. }, |g| {
        terms(g, EXACT)[0].region[0].1 = 0;
    });
    refused!(GraphError::RegionBox { axis: 1, .. }, |g| {
        terms(g, EXACT)[0].region[1] = (1, 4);
    });
    refused!(GraphError::RegionBox { .. }, |g| {
        terms(g, EXACT)[0].region[1] = (u32::MAX, u32::MAX);
    });
    refused!(GraphError::OutputAxis { axis: 2, .. }, |g| conv(g).2[0] = 2);
    refused!(GraphError::OutputAxis { axis: 2, .. }, |g| {
        terms(g, EXACT)[1].source = Source::Index { axis: 2, multiplier: 1 };
    });
    refused!(GraphError::UnknownParam { param: 7, .. }, |g| {
        terms(g, CONV)[1].source = Source::Bias { param: 7, outer_axes: vec![0] };
    });
    refused!(GraphError::ParamReused { .. }, |g| {
        let bias = terms(g, CONV)[1].clone();
        terms(g, CONV).push(bias);
    });
    refused!(GraphError::RowAxisTwice { axis: 0, .. }, |g| {
        conv(g).2.push(0);
    });
    refused!(GraphError::ParamOuter { expected: 3, .. }, |g| {
        g.params[1].outer = 4;
    });
    refused!(GraphError::ParamInner { expected: 6, .. }, |g| {
        g.params[0].inner = 7;
    });
    refused!(GraphError::ReshapeCells { expected: 8, .. }, |g| {
        terms(g, EXACT)[0].region[0].1 = 2;
    });
}

#[test]
fn maps() {
    refused!(GraphError::InnerRank { rank: 9, .. }, |g| {
        *conv(g).0 = vec![1; 9];
    });
    refused!(GraphError::InnerCells { .. }, |g| conv(g).0[0] = 0);
    refused!(GraphError::InnerCells { .. }, |g| {
        *conv(g).0 = vec![1 << 13, 1 << 13];
    });
    refused!(GraphError::InnerUnused { index: 1, .. }, |g| {
        conv(g).1[1].inner = None;
    });
    refused!(GraphError::MapRank { got: 1, .. }, |g| {
        conv(g).1.pop();
    });
    refused!(GraphError::OutputAxis { axis: 5, .. }, |g| {
        conv(g).1[1].out = Some((5, 1));
    });
    refused!(GraphError::MapOutputTwice { axis: 1, .. }, |g| {
        conv(g).1[0].out = Some((1, 1));
    });
    refused!(GraphError::InnerAxis { index: 2, .. }, |g| {
        conv(g).1[1].inner = Some((2, 1));
    });
    refused!(GraphError::MapInnerTwice { index: 0, .. }, |g| {
        conv(g).1[1].inner = Some((0, 1));
    });
    refused!(GraphError::Stride { map: 1, .. }, |g| {
        conv(g).1[1].out = Some((1, 0));
    });
    refused!(GraphError::Dilation { map: 0, .. }, |g| {
        conv(g).1[0].inner = Some((0, 0));
    });
    refused!(GraphError::MapRowAxis { axis: 0, .. }, |g| {
        conv(g).1[0].out = Some((0, 1));
    });
    refused!(GraphError::Coordinate { map: 1, .. }, |g| {
        conv(g).1[1].offset = i64::MIN;
    });
    refused!(GraphError::Coordinate { map: 1, .. }, |g| {
        conv(g).1[1].offset = i64::MAX;
    });
    let view = |graph: &mut Graph, change: fn(&mut View)| match &mut graph.nodes[MAX].op {
        Op::Max { a, .. } => change(a),
        other => panic!("{other:?}"),
    };
    let mut graph = valid();
    view(&mut graph, |view| view.map[0].inner = Some((0, 1)));
    assert!(matches!(validate(&graph), Err(GraphError::InnerAxis { .. })));
    let mut graph = valid();
    view(&mut graph, |view| {
        view.map.pop();
    });
    assert!(matches!(validate(&graph), Err(GraphError::MapRank { .. })));
}

#[test]
fn epilogues() {
    refused!(GraphError::Shift { shift: 41, .. }, |g| *requant(g).0 = 41);
    refused!(GraphError::Shift { shift: 41, .. }, |g| {
        *epilogue(g, PRODUCT) = Epilogue::ReluBits { shift: 41 };
    });
    refused!(GraphError::DomainBits { bits: 0, .. }, |g| {
        *requant(g).2 = 0;
    });
    refused!(GraphError::DomainBits { bits: 17, .. }, |g| {
        *requant(g).2 = 17;
    });
    refused!(GraphError::DomainMin { .. }, |g| *requant(g).1 = i64::MIN);
    refused!(GraphError::FunctionRange { .. }, |g| {
        requant(g).3.out_min = 300;
    });
    refused!(GraphError::FunctionIndex { .. }, |g| {
        requant(g).3.kind = FunctionKind::ArgIndex { n: 0 };
    });
    refused!(GraphError::FunctionDivisor { .. }, |g| {
        requant(g).3.kind = FunctionKind::Truncate { divisor: 0 };
    });
    refused!(GraphError::OutputRange { high: 256, .. }, |g| {
        requant(g).3.out_max = 256;
    });
    refused!(GraphError::OutputRange { high: 266, .. }, |g| {
        g.tensors[2].max = 265;
    });
    refused!(GraphError::OutputRange { low: 6, .. }, |g| {
        g.tensors[2].min = 7;
    });
    refused!(GraphError::OutputRange { .. }, |g| {
        g.tensors[4].max = 65_025 * 4 - 1;
    });
    refused!(GraphError::OutputRange { .. }, |g| g.tensors[3].max = 265);
    refused!(GraphError::OutputRange { .. }, |g| g.tensors[3].min = 2);
    refused!(GraphError::OutputRange { .. }, |g| g.tensors[5].max = 255);
    refused!(GraphError::Bounds { source: BoundsError::TooWide, .. }, |g| terms(g, EXACT)[2].source =
        Source::Constant(i64::MAX));
    refused!(GraphError::Bounds { source: BoundsError::TooWide, .. }, |g| g.params[1].inner = 7);
}

#[test]
fn products_and_softmax() {
    refused!(GraphError::OperandRank { operand: 1, .. }, |g| {
        product(g).1.axes.pop();
    });
    refused!(GraphError::OperandAxis { axis: 0, .. }, |g| {
        product(g).0.axes[0] = OperandAxis::Out(2);
    });
    refused!(GraphError::OperandAxis { axis: 1, .. }, |g| {
        product(g).0.axes[1] = OperandAxis::Inner(1);
    });
    refused!(GraphError::OperandAxis { axis: 0, .. }, |g| {
        product(g).0.axes[0] = OperandAxis::Fixed(3);
    });
    refused!(GraphError::OperandExtent { expected: 5, .. }, |g| { product(g).2[0] = 5 });
    refused!(GraphError::OperandTwice { axis: 1, .. }, |g| {
        product(g).0.axes = vec![OperandAxis::Out(0), OperandAxis::Out(0)];
    });
    refused!(GraphError::InnerUnused { index: 1, .. }, |g| {
        product(g).2.push(2);
    });
    refused!(GraphError::NormalizeShape { .. }, |g| {
        g.tensors[5].shape = vec![4, 3];
    });
    refused!(GraphError::NormalizeAxis { axis: 2, .. }, |g| {
        *softmax(g).1 = 2;
    });
    refused!(GraphError::NormalizeShift { shift: 17, .. }, |g| { *softmax(g).2 = 17 });
    refused!(GraphError::NormalizeRange { min: -1, .. }, |g| {
        g.tensors[1].min = -1;
        let softmax = g.nodes.remove(SOFTMAX);
        g.nodes.insert(1, softmax);
    });
    refused!(GraphError::NormalizeRange { .. }, |g| {
        g.tensors[1].max = 1 << 46;
        let softmax = g.nodes.remove(SOFTMAX);
        g.nodes.insert(1, softmax);
    });
}

/// The disjoint parts of a concatenation do not add up; overlapping parts do.
#[test]
fn bounds_follow_the_regions() {
    let mut graph = valid();
    let term = |start, length, value| Term {
        region: vec![(0, 3), (start, length)],
        source: Source::Constant(value),
    };
    *terms(&mut graph, EXACT) = vec![term(0, 2, 10), term(2, 1, 20)];
    assert_eq!(bounds::accumulator(&graph, &graph.nodes[EXACT]), Ok((0, 20)));
    terms(&mut graph, EXACT).push(term(1, 3, -3));
    assert_eq!(bounds::accumulator(&graph, &graph.nodes[EXACT]), Ok((-3, 17)));
    // 3 digits of 8 bits, 6 products of a weight and a byte; the padding adds zero.
    let places = 1 + (1 << 8) + (1 << 16);
    assert_eq!(
        bounds::accumulator(&graph, &graph.nodes[CONV]),
        Ok((-128 * (6 * 255 + places), 127 * (6 * 255 + places)))
    );
    assert_eq!(bounds::accumulator(&graph, &graph.nodes[PRODUCT]), Ok((4, 4 * 255 * 255)));
    for other in [MAX, SOFTMAX] {
        assert_eq!(bounds::accumulator(&graph, &graph.nodes[other]), Err(BoundsError::NoAccumulator));
    }
    // A grid of parts that all overlap takes too many steps.
    graph.tensors[2].shape = vec![1 << 10, 1 << 10];
    *terms(&mut graph, EXACT) = (0..1 << 10)
        .map(|i| Term { region: vec![(i, (1 << 10) - i), (i, (1 << 10) - i)], source: Source::Constant(1) })
        .collect();
    assert_eq!(bounds::accumulator(&graph, &graph.nodes[EXACT]), Err(BoundsError::TooManyRegions));
}

/// Terms that cancel out have a sum that fits, and partial sums that do not fit an `i64`.
#[test]
fn terms_that_cancel_out_add_up_to_little() {
    let mut graph = valid();
    let region = terms(&mut graph, EXACT)[0].region.clone();
    let mut cancelling = |pairs: usize| {
        let constant = |value| Term { region: region.clone(), source: Source::Constant(value) };
        let up = vec![constant(1 << 46); pairs];
        *terms(&mut graph, EXACT) = [up, vec![constant(-1 << 46); pairs]].concat();
        bounds::accumulator(&graph, &graph.nodes[EXACT])
    };
    assert_eq!(cancelling(1 << 15), Ok((0, 0)));
    assert_eq!(cancelling((1 << 15) + 1), Err(BoundsError::PartialSumTooWide));
}

#[test]
fn quotients_round_to_nearest_ties_up() {
    assert_eq!([-6, -5, -2, -1, 1, 2, 5, 6].map(|acc| bounds::rescale(acc, 2)), [-1, -1, 0, 0, 0, 1, 1, 2]);
    assert_eq!(bounds::quotient((-7, 9), 0), (-7, 9));
    assert_eq!(bounds::quotient((i64::MIN, i64::MAX), 1), (-(1 << 62), 1 << 62));
    for shift in [63, 64, 65, 100, 255] {
        let (low, high) = bounds::quotient((i64::MIN, i64::MAX), shift);
        assert!((-1..=1).contains(&low) && (-1..=1).contains(&high));
    }
}
