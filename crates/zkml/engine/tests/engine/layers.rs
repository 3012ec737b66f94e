//! Layers of the sizes that models have: the parallel and blocked paths against the reference on
//! a sample, and how long they take (printed with `--nocapture`).
#![expect(clippy::unwrap_used, reason = "a test: failures end it")]

use std::time::Instant;

use zkml_engine::{Engine, reference};
use zkml_graph::{
    AxisMap, Epilogue, Function, FunctionKind, Graph, Node, Op, Param, Source, Tensor, Term, Weight, Weights,
};
use zkml_testkit::dice::Dice;
use zkml_testkit::random::cells;

fn tensor(name: &str, shape: &[u32], min: i64, max: i64) -> Tensor {
    Tensor { name: name.into(), shape: shape.to_vec(), min, max, scale: 0 }
}

/// A graph whose layers each read the layer before, with a hidden weight and a bias in each.
struct Layers {
    graph: Graph,
    /// Least and greatest activation.
    range: (i64, i64),
}

impl Layers {
    fn new(shape: &[u32], weight_bits: u8, range: (i64, i64)) -> Self {
        Self {
            graph: Graph {
                name: "layers".into(),
                weight_bits,
                tensors: vec![tensor("input", shape, range.0, range.1)],
                params: Vec::new(),
                nodes: Vec::new(),
                inputs: vec![0],
                outputs: Vec::new(),
            },
            range,
        }
    }

    fn param(&mut self, outer: u32, inner: u32) -> u32 {
        let id = u32::try_from(self.graph.params.len()).unwrap();
        self.graph.params.push(Param { name: format!("p{id}"), outer, inner });
        id
    }

    fn layer(&mut self, shape: &[u32], inner: &[u32], map: Vec<AxisMap>, shift: u8) -> &mut Self {
        let output = u32::try_from(self.graph.tensors.len()).unwrap();
        let weight = self.param(shape[0], inner.iter().product());
        let bias = self.param(shape[0], 1);
        let region: Vec<(u32, u32)> = shape.iter().map(|&extent| (0, extent)).collect();
        let product = Source::Tensor {
            tensor: output - 1,
            inner: inner.to_vec(),
            map,
            weight: Weight::Param { param: weight, outer_axes: vec![0] },
        };
        let bias = Source::Bias { param: bias, outer_axes: vec![0] };
        let (min, max) = self.range;
        let function =
            Function { kind: FunctionKind::Identity, in_scale: 0, out_scale: 0, out_min: min, out_max: max };
        let bits = (max - min + 1).ilog2();
        self.graph.tensors.push(tensor("activation", shape, min, max));
        self.graph.nodes.push(Node {
            name: format!("layer {output}"),
            op: Op::Affine {
                terms: [product, bias].map(|source| Term { region: region.clone(), source }).to_vec(),
                epilogue: Epilogue::Requant {
                    shift,
                    domain_min: min,
                    domain_bits: u8::try_from(bits).unwrap(),
                    function,
                },
            },
            output,
        });
        self.graph.outputs = vec![output];
        self
    }

    fn dense(&mut self, outputs: u32) -> &mut Self {
        let inputs = self.graph.tensors.last().unwrap().shape.clone();
        let map = (0..)
            .take(inputs.len())
            .map(|index| AxisMap { inner: Some((index, 1)), ..AxisMap::default() })
            .collect();
        self.layer(&[outputs], &inputs, map, 10)
    }

    fn conv(&mut self, channels: u32, kernel: u32, stride: u32) -> &mut Self {
        let input = self.graph.tensors.last().unwrap().shape.clone();
        let axis = |axis: u32| AxisMap {
            offset: -i64::from(kernel / 2),
            out: Some((axis, stride)),
            inner: Some((axis, 1)),
        };
        let all = AxisMap { inner: Some((0, 1)), ..AxisMap::default() };
        let shape = [channels, input[1] / stride, input[2] / stride];
        let map = vec![all, axis(1), axis(2)];
        self.layer(&shape, &[input[0], kernel, kernel], map, 9)
    }

    fn depthwise(&mut self, kernel: u32) -> &mut Self {
        let shape = self.graph.tensors.last().unwrap().shape.clone();
        let axis = |axis: u32| AxisMap {
            offset: -i64::from(kernel / 2),
            out: Some((axis, 1)),
            inner: Some((axis - 1, 1)),
        };
        let channel = AxisMap { out: Some((0, 1)), ..AxisMap::default() };
        let map = vec![channel, axis(1), axis(2)];
        self.layer(&shape, &[kernel, kernel], map, 8)
    }

    /// Runs on random weights and inputs, against the reference where that is affordable.
    fn check(&self, name: &str, against_reference: bool) {
        let mut dice = Dice::new(7);
        let graph = &self.graph;
        let half = 1_i64 << (graph.weight_bits - 1);
        let mut random = |count: usize, low: i64, high: i64| -> Vec<i64> {
            (0..count).map(|_| dice.range(low, high)).collect()
        };
        let weights = graph
            .params
            .iter()
            .map(|param| {
                random(param.outer as usize * param.inner as usize, -half, half - 1)
                    .into_iter()
                    .map(|weight| i16::try_from(weight).unwrap())
                    .collect()
            })
            .collect();
        let weights = Weights(weights);
        let input = &graph.tensors[0];
        let inputs = vec![random(cells(&input.shape), input.min, input.max)];
        let start = Instant::now();
        let engine = Engine::new(graph, &weights).unwrap();
        let checked = start.elapsed();
        let mut best = std::time::Duration::MAX;
        let mut first = None;
        let mut execution = engine.execute(&inputs).unwrap();
        for _ in 0..5 {
            let start = Instant::now();
            execution = engine.execute(&inputs).unwrap();
            best = best.min(start.elapsed());
            first.get_or_insert(best);
        }
        eprintln!("{name}: checks {checked:?}, first run {first:?}, best {best:?}");
        if against_reference {
            let expected = reference::execute(graph, &weights, &inputs).unwrap();
            assert_eq!(execution, expected);
        }
    }
}

const BYTES: (i64, i64) = (-128, 127);
const UNSIGNED: (i64, i64) = (0, 255);
const WORDS: (i64, i64) = (-32768, 32767);
const UNSIGNED_WORDS: (i64, i64) = (0, 65535);

#[test]
fn dense_layers() {
    for (range, bits) in [(BYTES, 8), (UNSIGNED, 8), (WORDS, 16), (UNSIGNED_WORDS, 16)] {
        let mut layers = Layers::new(&[300], bits, range);
        layers.dense(200).dense(17).dense(1);
        layers.check("small dense", true);
        let mut layers = Layers::new(&[2048], bits, range);
        layers.dense(2048);
        layers.check("dense 4M", false);
        let mut layers = Layers::new(&[1024], bits, range);
        layers.dense(2500);
        layers.check("dense 2.5M", true);
    }
}

#[test]
fn convolutions() {
    for (range, bits) in [(BYTES, 8), (UNSIGNED, 8), (WORDS, 16), (UNSIGNED_WORDS, 12)] {
        let mut layers = Layers::new(&[3, 12, 14], bits, range);
        layers.conv(8, 3, 1).depthwise(3).conv(5, 1, 2).depthwise(5).dense(10);
        layers.check("small cnn", true);
        let mut layers = Layers::new(&[16, 20, 20], bits, range);
        layers.conv(48, 3, 1);
        layers.check("convolution 2.7M", true);
    }
}

#[test]
fn large_convolutions() {
    let mut layers = Layers::new(&[3, 32, 32], 8, UNSIGNED);
    layers.conv(32, 3, 1).conv(32, 3, 1).conv(64, 3, 2).conv(64, 3, 2);
    layers.dense(120).dense(10);
    layers.check("cnn 3x32x32, 17M", false);
    let mut layers = Layers::new(&[32, 32, 32], 8, UNSIGNED);
    layers.depthwise(3).conv(64, 1, 1).depthwise(3);
    layers.check("depthwise", false);
}

/// A window that counts for nothing, whose values add up to more than 64 bits hold: no bound is about it.
#[test]
fn a_sum_that_counts_for_nothing() {
    let len = 1 << 18;
    let largest = 1 << 46;
    let term = |extent: u32, map: AxisMap, inner: Vec<u32>, from: u32, factor: i64| {
        let source = Source::Tensor { tensor: from, inner, map: vec![map], weight: Weight::Public(factor) };
        Term { region: vec![(0, extent)], source }
    };
    let along = AxisMap { out: Some((0, 1)), ..AxisMap::default() };
    let over = AxisMap { inner: Some((0, 1)), ..AxisMap::default() };
    let node = |term: Term, output: u32| Node {
        name: format!("node {output}"),
        op: Op::Affine { terms: vec![term], epilogue: Epilogue::Exact },
        output,
    };
    let graph = Graph {
        name: "nothing".into(),
        weight_bits: 8,
        tensors: vec![
            tensor("input", &[len], 0, 1),
            tensor("large", &[len], 0, largest),
            tensor("output", &[1], 0, 0),
        ],
        params: Vec::new(),
        nodes: vec![node(term(len, along, vec![], 0, largest), 1), node(term(1, over, vec![len], 1, 0), 2)],
        inputs: vec![0],
        outputs: vec![2],
    };
    let outputs = zkml_engine::run(&graph, &Weights::default(), &[vec![1; len as usize]]).unwrap();
    assert_eq!(outputs, [[0]]);
}
