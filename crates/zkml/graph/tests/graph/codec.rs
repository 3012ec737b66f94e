//! The encoding: exact both ways, canonical, and closed to hostile bytes.
#![expect(clippy::unwrap_used, reason = "a test: failures end it")]

use proptest::prelude::*;
use zkml_graph::codec::{CodecError, EncodeError, decode_graph, decode_model, encode_graph, encode_model};
use zkml_graph::validate::validate;
use zkml_graph::{Epilogue, Graph, Node, Op, Param, Source, Tensor, Term, Weights};
use zkml_testkit::case::Case;
use zkml_testkit::dice::Dice;
use zkml_testkit::random::model;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn round_trip(seed: u64) {
        let Case { graph, weights, .. } = model(seed, 5);
        let bytes = encode_graph(&graph);
        prop_assert_eq!(&decode_graph(&bytes).unwrap(), &graph);
        let bytes = encode_model(&graph, &weights).unwrap();
        let (found_graph, found_weights) = decode_model(&bytes).unwrap();
        prop_assert_eq!(found_graph, graph);
        prop_assert_eq!(found_weights, weights);
    }

    /// Altered bytes are refused, or they are the one encoding of another graph.
    #[test]
    fn mutations(seed: u64, alterations in 1..4_usize) {
        let Case { graph, weights, .. } = model(seed, 3);
        let mut dice = Dice::new(seed ^ 0x5555);
        for _ in 0..20 {
            let mut bytes = encode_graph(&graph);
            let mut model = encode_model(&graph, &weights).unwrap();
            for bytes in [&mut bytes, &mut model] {
                for _ in 0..alterations {
                    alter(&mut dice, bytes);
                }
            }
            if let Ok(decoded) = decode_graph(&bytes) {
                prop_assert_eq!(encode_graph(&decoded), bytes);
            }
            if let Ok((graph, weights)) = decode_model(&model) {
                prop_assert_eq!(encode_model(&graph, &weights).unwrap(), model);
            }
        }
    }

    #[test]
    fn any_bytes(bytes: Vec<u8>) {
        let mut graph = b"CYBG\x01\0".to_vec();
        graph.extend_from_slice(&bytes);
        prop_assert!(decode_graph(&graph).is_err());
        prop_assert!(decode_model(&bytes).is_err());
    }
}

/// Changes, removes, adds or copies bytes.
fn alter(dice: &mut Dice, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let last = u32::try_from(bytes.len()).unwrap() - 1;
    let at = dice.u32(0, last) as usize;
    match dice.u32(0, 5) {
        0 => bytes[at] ^= 1 << dice.u32(0, 7),
        1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][dice.u32(0, 4) as usize],
        2 => {
            bytes.remove(at);
        }
        3 => bytes.insert(at, dice.u32(0, 255) as u8),
        4 => bytes.truncate(at),
        _ => {
            let end = bytes.len().min(at + 4);
            bytes[at..end].fill(0xff);
        }
    }
}

/// A graph that adds one to a tensor of one element.
fn tiny() -> (Graph, Weights) {
    let tensor = |name: &str, min, max| Tensor { name: name.into(), shape: vec![1], min, max, scale: -3 };
    let term = |source| Term { region: vec![(0, 1)], source };
    let bias = Source::Bias { param: 0, outer_axes: vec![0] };
    let read = Source::Reshape { tensor: 0, multiplier: 1 };
    let graph = Graph {
        name: "g".into(),
        weight_bits: 8,
        tensors: vec![tensor("x", -2, 3), tensor("y", -200, 200)],
        params: vec![Param { name: "p".into(), outer: 1, inner: 1 }],
        nodes: vec![Node {
            name: "n".into(),
            op: Op::Affine { terms: vec![term(read), term(bias)], epilogue: Epilogue::Exact },
            output: 1,
        }],
        inputs: vec![0],
        outputs: vec![1],
    };
    (graph, Weights(vec![vec![-5]]))
}

/// The format itself: these bytes must decode for ever, or the version must change.
#[test]
fn golden_bytes() {
    let (graph, weights) = tiny();
    let mut expected = Vec::new();
    let mut put = |bytes: &[u8]| expected.extend_from_slice(bytes);
    put(b"CYBG\x01\0");
    put(b"\x01\0\0\0g\x08");
    put(b"\x02\0\0\0");
    put(b"\x01\0\0\0x\x01\0\0\0\x01\0\0\0");
    put(&(-2_i64).to_le_bytes());
    put(&3_i64.to_le_bytes());
    put(b"\xfd");
    put(b"\x01\0\0\0y\x01\0\0\0\x01\0\0\0");
    put(&(-200_i64).to_le_bytes());
    put(&200_i64.to_le_bytes());
    put(b"\xfd");
    put(b"\x01\0\0\0\x01\0\0\0p\x01\0\0\0\x01\0\0\0");
    put(b"\x01\0\0\0\x01\0\0\0n\x01\0\0\0\0");
    put(b"\x02\0\0\0");
    put(b"\x01\0\0\0\0\0\0\0\x01\0\0\0\x04\0\0\0\0\x01\0\0\0\0\0\0\0");
    put(b"\x01\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0\0\0\x01\0\0\0\0\0\0\0");
    put(b"\0");
    put(b"\x01\0\0\0\0\0\0\0");
    put(b"\x01\0\0\0\x01\0\0\0");
    assert_eq!(encode_graph(&graph), expected);
    let mut model = b"CYBM\x01\0".to_vec();
    model.extend_from_slice(&(expected.len() as u64).to_le_bytes());
    model.extend_from_slice(&expected);
    model.push(0xfb);
    assert_eq!(encode_model(&graph, &weights).unwrap(), model);
}

#[test]
fn each_error() {
    let (graph, weights) = tiny();
    let bytes = encode_graph(&graph);
    let change = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        decode_graph(&bytes).unwrap_err()
    };
    assert!(matches!(change(0, b'X'), CodecError::Magic { .. }));
    assert!(matches!(change(4, 2), CodecError::Version { got: 2, .. }));
    assert!(matches!(change(10, 0xff), CodecError::Name { .. }));
    assert!(matches!(change(15, 0xff), CodecError::Truncated { .. }));
    assert!(matches!(change(11, 99), CodecError::Graph(_)));
    for end in 0..bytes.len() {
        assert!(matches!(decode_graph(&bytes[..end]).unwrap_err(), CodecError::Truncated { .. }));
    }
    let mut longer = bytes.clone();
    longer.push(0);
    let trailing = decode_graph(&longer).unwrap_err();
    assert!(matches!(trailing, CodecError::Trailing { extra: 1, .. }));
    let operation = bytes.windows(10).position(|window| window == b"n\x01\0\0\0\0\x02\0\0\0");
    let tag = change(operation.unwrap() + 5, 7);
    assert!(matches!(tag, CodecError::Tag { tag: 7, .. }));

    let narrow = Graph { weight_bits: 3, ..graph.clone() };
    let encoded = encode_model(&narrow, &weights).unwrap_err();
    assert!(matches!(encoded, EncodeError::WeightRange { value: -5, .. }));
    let mut model = encode_model(&narrow, &Weights(vec![vec![3]])).unwrap();
    *model.last_mut().unwrap() = 4;
    let range = decode_model(&model).unwrap_err();
    assert!(matches!(range, CodecError::WeightRange { value: 4, .. }));
    let count = encode_model(&graph, &Weights(Vec::new())).unwrap_err();
    assert!(matches!(count, EncodeError::ParamCount { .. }));
    let length = encode_model(&graph, &Weights(vec![vec![1, 2]])).unwrap_err();
    assert!(matches!(length, EncodeError::ParamLength { .. }));
}

/// A count that no bytes follow is refused without allocating for it.
#[test]
fn a_length_is_not_believed() {
    let mut bytes = b"CYBG\x01\0\0\0\0\0\x08".to_vec();
    bytes.extend_from_slice(&u32::MAX.to_le_bytes());
    bytes.extend_from_slice(&[0; 100]);
    let error = decode_graph(&bytes).unwrap_err();
    assert!(matches!(error, CodecError::Truncated { field: "tensors", .. }));
    let mut model = b"CYBM\x01\0".to_vec();
    model.extend_from_slice(&u64::MAX.to_le_bytes());
    let error = decode_model(&model).unwrap_err();
    assert!(matches!(error, CodecError::Truncated { field: "graph", .. }));
}

/// Four million weights decode in a few milliseconds (printed with `--nocapture`).
#[test]
fn large_models() {
    let (mut graph, _) = tiny();
    graph.params[0].outer = 1;
    graph.params[0].inner = 1;
    graph.tensors[0].shape = vec![2048, 2048];
    graph.tensors[1] = graph.tensors[0].clone();
    (graph.tensors[1].min, graph.tensors[1].max) = (-130, 127);
    graph.tensors[0].min = 0;
    graph.tensors[0].max = 0;
    graph.params[0].outer = 2048 * 2048;
    if let Op::Affine { terms, .. } = &mut graph.nodes[0].op {
        for term in terms {
            term.region = vec![(0, 2048), (0, 2048)];
            if let Source::Bias { outer_axes, .. } = &mut term.source {
                *outer_axes = vec![0, 1];
            }
        }
    }
    validate(&graph).unwrap();
    for bits in [8, 16] {
        graph.weight_bits = bits;
        (graph.tensors[1].min, graph.tensors[1].max) = (-32768, 32767);
        let weights = Weights(vec![(0..2048 * 2048).map(|i| (i % 251) as i16 - 125).collect()]);
        let bytes = encode_model(&graph, &weights).unwrap();
        for _ in 0..3 {
            let start = std::time::Instant::now();
            let decoded = decode_model(&bytes).unwrap();
            eprintln!("4M weights of {bits} bits: {:?}", start.elapsed());
            assert_eq!(decoded.1, weights);
        }
    }
}
