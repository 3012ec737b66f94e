//! A valid graph with every kind of node and term, and ways into its parts.

use zkml_graph::{
    AxisMap, Epilogue, Function, FunctionKind, Graph, Node, Op, Operand, OperandAxis, Param, Source, Tensor,
    Term, View, Weight,
};

pub(crate) fn tensor(shape: &[u32], min: i64, max: i64) -> Tensor {
    Tensor { name: "t".into(), shape: shape.to_vec(), min, max, scale: 0 }
}

pub(crate) fn node(op: Op, output: u32) -> Node {
    Node { name: "n".into(), op, output }
}

pub(crate) const CONV: usize = 0;
pub(crate) const EXACT: usize = 1;
pub(crate) const MAX: usize = 2;
pub(crate) const PRODUCT: usize = 3;
pub(crate) const SOFTMAX: usize = 4;

/// Input `[2, 4]`; a convolution with bias to `[3, 4]`; a sum of the other sources; a maximum; a
/// product of activations; a softmax.
pub(crate) fn valid() -> Graph {
    let whole = vec![(0, 3), (0, 4)];
    let term = |source| Term { region: whole.clone(), source };
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
                weight: Weight::Param { param: 0, outer_axes: vec![0] },
            }),
            term(Source::Bias { param: 1, outer_axes: vec![0] }),
        ],
        epilogue: Epilogue::Requant {
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
            term(Source::Reshape { tensor: 1, multiplier: 1 }),
            term(Source::Index { axis: 1, multiplier: 2 }),
            term(Source::Constant(5)),
        ],
        epilogue: Epilogue::Exact,
    };
    let view = |tensor| View { tensor, map: vec![map(Some(0), None, 0), map(Some(1), None, 0)] };
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
            Param { name: "w".into(), outer: 3, inner: 6 },
            Param { name: "b".into(), outer: 3, inner: 3 },
        ],
        nodes: vec![
            node(conv, 1),
            node(exact, 2),
            node(Op::Max { a: view(1), b: view(2) }, 3),
            node(
                Op::Product {
                    a: operand(1, vec![OperandAxis::Out(0), OperandAxis::Inner(0)]),
                    b: operand(1, vec![OperandAxis::Out(1), OperandAxis::Inner(0)]),
                    inner: vec![4],
                    epilogue: Epilogue::ReluBits { shift: 0 },
                },
                4,
            ),
            node(Op::Normalize { numerator: 1, axis: 1, shift: 8 }, 5),
        ],
        inputs: vec![0],
        outputs: vec![3, 4, 5],
    }
}

pub(crate) fn terms(graph: &mut Graph, node: usize) -> &mut Vec<Term> {
    match &mut graph.nodes[node].op {
        Op::Affine { terms, .. } => terms,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn epilogue(graph: &mut Graph, node: usize) -> &mut Epilogue {
    match &mut graph.nodes[node].op {
        Op::Affine { epilogue, .. } | Op::Product { epilogue, .. } => epilogue,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn requant(graph: &mut Graph) -> (&mut u8, &mut i64, &mut u8, &mut Function) {
    match epilogue(graph, CONV) {
        Epilogue::Requant { shift, domain_min, domain_bits, function } => {
            (shift, domain_min, domain_bits, function)
        }
        other => panic!("{other:?}"),
    }
}

/// The convolution's inner extents, maps and row axes.
pub(crate) fn conv(graph: &mut Graph) -> (&mut Vec<u32>, &mut Vec<AxisMap>, &mut Vec<u32>) {
    match &mut terms(graph, CONV)[0].source {
        Source::Tensor { inner, map, weight: Weight::Param { outer_axes, .. }, .. } => {
            (inner, map, outer_axes)
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) fn product(graph: &mut Graph) -> (&mut Operand, &mut Operand, &mut Vec<u32>) {
    match &mut graph.nodes[PRODUCT].op {
        Op::Product { a, b, inner, .. } => (a, b, inner),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn softmax(graph: &mut Graph) -> (&mut u32, &mut u32, &mut u8) {
    match &mut graph.nodes[SOFTMAX].op {
        Op::Normalize { numerator, axis, shift } => (numerator, axis, shift),
        other => panic!("{other:?}"),
    }
}
