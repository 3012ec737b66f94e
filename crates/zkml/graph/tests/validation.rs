//! One broken graph for every check: each alteration of a valid graph is refused with the error
//! that names it.
#![expect(
    clippy::panic,
    reason = "a test: a graph whose node is not what the test built ends it"
)]

mod support;

use proptest::prelude::*;
use support::{Rng, model};
use zkml_graph::bounds::{self, BoundsError};
use zkml_graph::validate::{Counted, GraphError, MAX_NAME, validate};
use zkml_graph::{
    AxisMap, Function, FunctionKind, Graph, Node, Op, Operand, OperandAxis, Param, Source, Stage,
    Tensor, Term, View, Weight,
};

fn tensor(shape: &[u32], min: i64, max: i64) -> Tensor {
    Tensor {
        name: "t".into(),
        shape: shape.to_vec(),
        min,
        max,
        scale: 0,
    }
}

fn node(op: Op, output: u32) -> Node {
    Node {
        name: "n".into(),
        op,
        output,
    }
}

const CONV: usize = 0;
const EXACT: usize = 1;
const MAX: usize = 2;
const PRODUCT: usize = 3;
const SOFTMAX: usize = 4;

/// Input `[2, 4]`; a convolution with bias to `[3, 4]`; a sum of the other sources; a maximum; a
/// product of activations; a softmax.
fn valid() -> Graph {
    let whole = vec![(0, 3), (0, 4)];
    let term = |source| Term {
        region: whole.clone(),
        source,
    };
    let map = |out: Option<u32>, inner: Option<u32>, offset| AxisMap {
        offset,
        out: out.map(|axis| (axis, 1)),
        inner: inner.map(|index| (index, 1)),
    };
    let conv = Op::Affine {
        terms: vec![
            term(Source::Tensor {
                tensor: 0,
                inner: vec![2, 3],
                map: vec![map(None, Some(0), 0), map(Some(1), Some(1), -1)],
                weight: Weight::Param {
                    param: 0,
                    outer_axes: vec![0],
                },
            }),
            term(Source::Bias {
                param: 1,
                outer_axes: vec![0],
            }),
        ],
        stage: Stage::Requant {
            shift: 4,
            domain_min: 0,
            domain_bits: 8,
            function: Function {
                kind: FunctionKind::Identity,
                in_scale: 0,
                out_scale: 0,
                out_min: 1,
                out_max: 255,
            },
        },
    };
    let exact = Op::Affine {
        terms: vec![
            term(Source::Reshape {
                tensor: 1,
                multiplier: 1,
            }),
            term(Source::Index {
                axis: 1,
                multiplier: 2,
            }),
            term(Source::Constant(5)),
        ],
        stage: Stage::Exact,
    };
    let view = |tensor| View {
        tensor,
        map: vec![map(Some(0), None, 0), map(Some(1), None, 0)],
    };
    let operand = |tensor, axes| Operand { tensor, axes };
    Graph {
        name: "g".into(),
        weight_bits: 8,
        tensors: vec![
            tensor(&[2, 4], 0, 255),
            tensor(&[3, 4], 1, 255),
            tensor(&[3, 4], 6, 266),
            tensor(&[3, 4], 1, 266),
            tensor(&[3, 3], 0, 65_025 * 4),
            tensor(&[3, 4], 0, 256),
        ],
        params: vec![
            Param {
                name: "w".into(),
                outer: 3,
                inner: 6,
            },
            Param {
                name: "b".into(),
                outer: 3,
                inner: 3,
            },
        ],
        nodes: vec![
            node(conv, 1),
            node(exact, 2),
            node(
                Op::Max {
                    a: view(1),
                    b: view(2),
                },
                3,
            ),
            node(
                Op::Product {
                    a: operand(1, vec![OperandAxis::Out(0), OperandAxis::Inner(0)]),
                    b: operand(1, vec![OperandAxis::Out(1), OperandAxis::Inner(0)]),
                    inner: vec![4],
                    stage: Stage::ReluBits { shift: 0 },
                },
                4,
            ),
            node(
                Op::Normalize {
                    numerator: 1,
                    axis: 1,
                    shift: 8,
                },
                5,
            ),
        ],
        inputs: vec![0],
        outputs: vec![3, 4, 5],
    }
}

fn terms(graph: &mut Graph, node: usize) -> &mut Vec<Term> {
    match &mut graph.nodes[node].op {
        Op::Affine { terms, .. } => terms,
        other => panic!("{other:?}"),
    }
}

fn stage(graph: &mut Graph, node: usize) -> &mut Stage {
    match &mut graph.nodes[node].op {
        Op::Affine { stage, .. } | Op::Product { stage, .. } => stage,
        other => panic!("{other:?}"),
    }
}

fn requant(graph: &mut Graph) -> (&mut u8, &mut i64, &mut u8, &mut Function) {
    match stage(graph, CONV) {
        Stage::Requant {
            shift,
            domain_min,
            domain_bits,
            function,
        } => (shift, domain_min, domain_bits, function),
        other => panic!("{other:?}"),
    }
}

/// The convolution's inner extents, maps and row axes.
fn conv(graph: &mut Graph) -> (&mut Vec<u32>, &mut Vec<AxisMap>, &mut Vec<u32>) {
    match &mut terms(graph, CONV)[0].source {
        Source::Tensor {
            inner,
            map,
            weight: Weight::Param { outer_axes, .. },
            ..
        } => (inner, map, outer_axes),
        other => panic!("{other:?}"),
    }
}

fn product(graph: &mut Graph) -> (&mut Operand, &mut Operand, &mut Vec<u32>) {
    match &mut graph.nodes[PRODUCT].op {
        Op::Product { a, b, inner, .. } => (a, b, inner),
        other => panic!("{other:?}"),
    }
}

fn softmax(graph: &mut Graph) -> (&mut u32, &mut u32, &mut u8) {
    match &mut graph.nodes[SOFTMAX].op {
        Op::Normalize {
            numerator,
            axis,
            shift,
        } => (numerator, axis, shift),
        other => panic!("{other:?}"),
    }
}

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
    refused!(GraphError::TensorName { index: 2, .. }, |g| g.tensors[2]
        .name =
        long());
    refused!(GraphError::ParamName { index: 1, .. }, |g| g.params[1]
        .name =
        long());
    refused!(GraphError::NodeName { index: 4, .. }, |g| g.nodes[4].name =
        long());
    refused!(GraphError::WeightBits { bits: 1 }, |g| g.weight_bits = 1);
    refused!(GraphError::WeightBits { bits: 17 }, |g| g.weight_bits = 17);
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
    too_many(Counted::Params, |g| {
        g.params = vec![g.params[0].clone(); (1 << 17) + 1]
    });
    too_many(Counted::Nodes, |g| {
        g.nodes = vec![g.nodes[4].clone(); (1 << 16) + 1]
    });
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
            map: vec![AxisMap {
                offset: 0,
                out: Some((0, 1)),
                inner: Some((0, 1)),
            }],
            weight: Weight::Public(1),
        };
        let region = vec![(0, 1 << 20)];
        let op = Op::Affine {
            terms: vec![Term { region, source }],
            stage: Stage::Exact,
        };
        g.nodes.insert(0, node(op, 6));
    });
}

#[test]
fn tensors_and_params() {
    refused!(GraphError::TensorRank { rank: 0, .. }, |g| g.tensors[1]
        .shape
        .clear());
    refused!(GraphError::TensorRank { rank: 9, .. }, |g| g.tensors[1]
        .shape =
        vec![1; 9]);
    refused!(GraphError::TensorExtent { axis: 1, .. }, |g| g.tensors[1]
        .shape[1] =
        0);
    refused!(GraphError::TensorCells { .. }, |g| g.tensors[1].shape =
        vec![u32::MAX; 8]);
    refused!(GraphError::TensorRange { .. }, |g| g.tensors[1].min = 256);
    refused!(GraphError::TensorRange { .. }, |g| g.tensors[1].min =
        i64::MIN);
    refused!(GraphError::TensorRange { .. }, |g| g.tensors[1].max =
        (1 << 46) + 1);
    refused!(GraphError::ParamShape { outer: 0, .. }, |g| g.params[0]
        .outer = 0);
    refused!(GraphError::ParamShape { inner: 0, .. }, |g| g.params[1]
        .inner = 0);
}

#[test]
fn inputs_outputs_and_order() {
    refused!(GraphError::UnknownInput { tensor: 99, .. }, |g| g.inputs
        [0] =
        99);
    refused!(GraphError::DuplicateInput { .. }, |g| g.inputs.push(0));
    refused!(GraphError::InputRange { .. }, |g| g.tensors[0].max =
        1 << 16);
    refused!(GraphError::UnknownOutput { tensor: 99, .. }, |g| g
        .outputs[0] =
        99);
    refused!(GraphError::DuplicateOutput { .. }, |g| g.outputs[0] = 5);
    refused!(GraphError::OutputIsInput { .. }, |g| g.outputs[0] = 0);
    refused!(GraphError::Undefined { .. }, |g| g.tensors.push(tensor(
        &[1],
        0,
        0
    )));
    refused!(GraphError::UnknownNodeOutput { tensor: 99, .. }, |g| g
        .nodes[1]
        .output =
        99);
    refused!(GraphError::Redefined { .. }, |g| g.nodes[1].output = 0);
    refused!(GraphError::Redefined { .. }, |g| g.nodes[SOFTMAX].output =
        1);
    refused!(GraphError::UnknownOperand { tensor: 99, .. }, |g| {
        *softmax(g).0 = 99
    });
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
    refused!(GraphError::RegionBox { axis: 0, .. }, |g| terms(g, EXACT)
        [0]
    .region[0]
        .1 = 0);
    refused!(GraphError::RegionBox { axis: 1, .. }, |g| terms(g, EXACT)
        [0]
    .region[1] =
        (1, 4));
    refused!(GraphError::RegionBox { .. }, |g| {
        terms(g, EXACT)[0].region[1] = (u32::MAX, u32::MAX);
    });
    refused!(GraphError::OutputAxis { axis: 2, .. }, |g| conv(g).2[0] = 2);
    refused!(GraphError::OutputAxis { axis: 2, .. }, |g| {
        terms(g, EXACT)[1].source = Source::Index {
            axis: 2,
            multiplier: 1,
        };
    });
    refused!(GraphError::UnknownParam { param: 7, .. }, |g| {
        terms(g, CONV)[1].source = Source::Bias {
            param: 7,
            outer_axes: vec![0],
        };
    });
    refused!(GraphError::ParamReused { .. }, |g| {
        let bias = terms(g, CONV)[1].clone();
        terms(g, CONV).push(bias);
    });
    refused!(GraphError::RowAxisTwice { axis: 0, .. }, |g| conv(g)
        .2
        .push(0));
    refused!(GraphError::ParamOuter { expected: 3, .. }, |g| g.params
        [1]
    .outer = 4);
    refused!(GraphError::ParamInner { expected: 6, .. }, |g| g.params
        [0]
    .inner = 7);
    refused!(GraphError::ReshapeCells { expected: 8, .. }, |g| {
        terms(g, EXACT)[0].region[0].1 = 2;
    });
}

#[test]
fn maps() {
    refused!(GraphError::InnerRank { rank: 9, .. }, |g| *conv(g).0 =
        vec![1; 9]);
    refused!(GraphError::InnerCells { .. }, |g| conv(g).0[0] = 0);
    refused!(GraphError::InnerCells { .. }, |g| *conv(g).0 =
        vec![1 << 13, 1 << 13]);
    refused!(GraphError::InnerUnused { index: 1, .. }, |g| conv(g).1[1]
        .inner =
        None);
    refused!(GraphError::MapRank { got: 1, .. }, |g| {
        conv(g).1.pop();
    });
    refused!(GraphError::OutputAxis { axis: 5, .. }, |g| conv(g).1[1]
        .out =
        Some((5, 1)));
    refused!(GraphError::MapOutputTwice { axis: 1, .. }, |g| conv(g).1
        [0]
    .out =
        Some((1, 1)));
    refused!(GraphError::InnerAxis { index: 2, .. }, |g| conv(g).1[1]
        .inner =
        Some((2, 1)));
    refused!(GraphError::MapInnerTwice { index: 0, .. }, |g| conv(g).1
        [1]
    .inner =
        Some((0, 1)));
    refused!(GraphError::Stride { map: 1, .. }, |g| conv(g).1[1].out =
        Some((1, 0)));
    refused!(GraphError::Dilation { map: 0, .. }, |g| conv(g).1[0]
        .inner =
        Some((0, 0)));
    refused!(GraphError::MapRowAxis { axis: 0, .. }, |g| conv(g).1[0]
        .out =
        Some((0, 1)));
    refused!(GraphError::Coordinate { map: 1, .. }, |g| conv(g).1[1]
        .offset =
        i64::MIN);
    refused!(GraphError::Coordinate { map: 1, .. }, |g| conv(g).1[1]
        .offset =
        i64::MAX);
    let view = |graph: &mut Graph, change: fn(&mut View)| match &mut graph.nodes[MAX].op {
        Op::Max { a, .. } => change(a),
        other => panic!("{other:?}"),
    };
    let mut graph = valid();
    view(&mut graph, |view| view.map[0].inner = Some((0, 1)));
    assert!(matches!(
        validate(&graph),
        Err(GraphError::InnerAxis { .. })
    ));
    let mut graph = valid();
    view(&mut graph, |view| {
        view.map.pop();
    });
    assert!(matches!(validate(&graph), Err(GraphError::MapRank { .. })));
}

#[test]
fn stages() {
    refused!(GraphError::Shift { shift: 41, .. }, |g| *requant(g).0 = 41);
    refused!(GraphError::Shift { shift: 41, .. }, |g| {
        *stage(g, PRODUCT) = Stage::ReluBits { shift: 41 };
    });
    refused!(GraphError::DomainBits { bits: 0, .. }, |g| *requant(g).2 =
        0);
    refused!(GraphError::DomainBits { bits: 17, .. }, |g| *requant(g).2 =
        17);
    refused!(GraphError::DomainMin { .. }, |g| *requant(g).1 = i64::MIN);
    refused!(GraphError::FunctionRange { .. }, |g| requant(g).3.out_min =
        300);
    refused!(GraphError::FunctionIndex { .. }, |g| {
        requant(g).3.kind = FunctionKind::ArgIndex { n: 0 };
    });
    refused!(GraphError::OutputRange { high: 256, .. }, |g| requant(g)
        .3
        .out_max =
        256);
    refused!(GraphError::OutputRange { high: 266, .. }, |g| g.tensors
        [2]
    .max = 265);
    refused!(GraphError::OutputRange { low: 6, .. }, |g| g.tensors[2]
        .min = 7);
    refused!(GraphError::OutputRange { .. }, |g| g.tensors[4].max =
        65_025 * 4 - 1);
    refused!(GraphError::OutputRange { .. }, |g| g.tensors[3].max = 265);
    refused!(GraphError::OutputRange { .. }, |g| g.tensors[3].min = 2);
    refused!(GraphError::OutputRange { .. }, |g| g.tensors[5].max = 255);
    refused!(
        GraphError::Bounds {
            source: BoundsError::TooWide,
            ..
        },
        |g| terms(g, EXACT)[2].source = Source::Constant(i64::MAX)
    );
    refused!(
        GraphError::Bounds {
            source: BoundsError::TooWide,
            ..
        },
        |g| g.params[1].inner = 7
    );
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
    refused!(GraphError::OperandExtent { expected: 5, .. }, |g| {
        product(g).2[0] = 5
    });
    refused!(GraphError::OperandTwice { axis: 1, .. }, |g| {
        product(g).0.axes = vec![OperandAxis::Out(0), OperandAxis::Out(0)];
    });
    refused!(GraphError::InnerUnused { index: 1, .. }, |g| product(g)
        .2
        .push(2));
    refused!(GraphError::NormalizeShape { .. }, |g| g.tensors[5].shape =
        vec![4, 3]);
    refused!(GraphError::NormalizeAxis { axis: 2, .. }, |g| *softmax(g)
        .1 = 2);
    refused!(GraphError::NormalizeShift { shift: 17, .. }, |g| {
        *softmax(g).2 = 17
    });
    refused!(GraphError::NormalizeRange { min: -1, .. }, |g| g.tensors
        [1]
    .min = -1);
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
    assert_eq!(
        bounds::accumulator(&graph, &graph.nodes[EXACT]),
        Ok((0, 20))
    );
    terms(&mut graph, EXACT).push(term(1, 3, -3));
    assert_eq!(
        bounds::accumulator(&graph, &graph.nodes[EXACT]),
        Ok((-3, 17))
    );
    // 3 digits of 8 bits, 6 products of a weight and a byte; the padding adds zero.
    let places = 1 + (1 << 8) + (1 << 16);
    assert_eq!(
        bounds::accumulator(&graph, &graph.nodes[CONV]),
        Ok((-128 * (6 * 255 + places), 127 * (6 * 255 + places)))
    );
    assert_eq!(
        bounds::accumulator(&graph, &graph.nodes[PRODUCT]),
        Ok((4, 4 * 255 * 255))
    );
    for other in [MAX, SOFTMAX] {
        assert_eq!(
            bounds::accumulator(&graph, &graph.nodes[other]),
            Err(BoundsError::NoAccumulator)
        );
    }
    // A grid of parts that all overlap takes too many steps.
    graph.tensors[2].shape = vec![1 << 10, 1 << 10];
    *terms(&mut graph, EXACT) = (0..1 << 10)
        .map(|i| Term {
            region: vec![(i, (1 << 10) - i), (i, (1 << 10) - i)],
            source: Source::Constant(1),
        })
        .collect();
    assert_eq!(
        bounds::accumulator(&graph, &graph.nodes[EXACT]),
        Err(BoundsError::TooManyRegions)
    );
}

#[test]
fn quotients_round_to_nearest_ties_up() {
    assert_eq!(
        [-6, -5, -2, -1, 1, 2, 5, 6].map(|acc| bounds::rescale(acc, 2)),
        [-1, -1, 0, 0, 0, 1, 1, 2]
    );
    assert_eq!(bounds::quotient((-7, 9), 0), (-7, 9));
    assert_eq!(
        bounds::quotient((i64::MIN, i64::MAX), 1),
        (-(1 << 62), 1 << 62)
    );
    for shift in [63, 64, 65, 100, 255] {
        let (low, high) = bounds::quotient((i64::MIN, i64::MAX), shift);
        assert!((-1..=1).contains(&low) && (-1..=1).contains(&high));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any field may hold anything: a verdict, never a panic, also from the bounds.
    #[test]
    fn hostile_graphs(seed: u64) {
        let mut rng = Rng(seed);
        let mut graph = model(seed, 4).graph;
        for _ in 0..20 {
            disturb(&mut rng, &mut graph);
            let _ = validate(&graph);
            for node in &graph.nodes {
                let _ = bounds::accumulator(&graph, node);
            }
        }
    }
}

fn number(rng: &mut Rng) -> u32 {
    [0, 1, 2, 3, 7, 1 << 16, 1 << 31, u32::MAX][rng.u32(0, 7) as usize]
}

fn wide(rng: &mut Rng) -> i64 {
    [i64::MIN, -(1 << 50), -1, 0, 1, 1 << 40, 1 << 47, i64::MAX][rng.u32(0, 7) as usize]
}

/// Overwrites one field with an extreme value.
fn disturb(rng: &mut Rng, graph: &mut Graph) {
    fn pick<'a, T>(rng: &mut Rng, items: &'a mut [T]) -> Option<&'a mut T> {
        let count = items.len().max(1) as u64;
        items.get_mut((rng.next() % count) as usize)
    }
    let (small, large) = (number(rng), wide(rng));
    match rng.u32(0, 9) {
        0 => graph.weight_bits = small as u8,
        1 => graph.outputs.push(small),
        2 | 3 => {
            if let Some(tensor) = pick(rng, &mut graph.tensors) {
                match rng.u32(0, 2) {
                    0 => tensor.min = large,
                    1 => tensor.max = large,
                    _ => tensor.shape.push(small),
                }
            }
        }
        4 => {
            if let Some(param) = pick(rng, &mut graph.params) {
                (param.outer, param.inner) = (small, number(rng));
            }
        }
        _ => {
            let Some(node) = pick(rng, &mut graph.nodes) else {
                return;
            };
            match &mut node.op {
                Op::Affine { terms, .. } => {
                    if let Some(term) = pick(rng, terms) {
                        disturb_term(rng, term);
                    }
                }
                Op::Max { a, b } => {
                    a.tensor = small;
                    if let Some(map) = pick(rng, &mut b.map) {
                        (map.offset, map.out) = (large, Some((small, number(rng))));
                    }
                }
                Op::Product { a, inner, .. } => {
                    inner.push(small);
                    a.axes.push(OperandAxis::Inner(number(rng)));
                }
                Op::Normalize { axis, shift, .. } => {
                    (*axis, *shift) = (small, number(rng) as u8);
                }
            }
            if let Op::Affine { stage, .. } | Op::Product { stage, .. } = &mut node.op {
                match stage {
                    Stage::Requant {
                        shift,
                        domain_min,
                        domain_bits,
                        function,
                    } => match rng.u32(0, 3) {
                        0 => *shift = number(rng) as u8,
                        1 => *domain_min = large,
                        2 => *domain_bits = number(rng) as u8,
                        _ => function.out_min = large,
                    },
                    Stage::ReluBits { shift } => *shift = small as u8,
                    Stage::Exact => {}
                }
            }
        }
    }
}

fn disturb_term(rng: &mut Rng, term: &mut Term) {
    let (small, large) = (number(rng), wide(rng));
    if rng.chance(20) {
        term.region.push((small, number(rng)));
        return;
    }
    match &mut term.source {
        Source::Constant(value) => *value = large,
        Source::Index { axis, multiplier } => (*axis, *multiplier) = (small, large),
        Source::Bias { outer_axes, .. } => outer_axes.push(small),
        Source::Reshape { multiplier, .. } => *multiplier = large,
        Source::Tensor {
            inner, map, weight, ..
        } => match rng.u32(0, 3) {
            0 => inner.push(small),
            1 => {
                for map in map {
                    map.offset = large;
                }
            }
            2 => {
                for map in map {
                    map.out = Some((small, number(rng)));
                    map.inner = Some((number(rng), number(rng)));
                }
            }
            _ => *weight = Weight::Public(large),
        },
    }
}
