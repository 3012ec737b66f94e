//! Convolutions written out by hand against the engine: every stride, padding, dilation and
//! number of groups, with zero padding made by the axis maps.
#![expect(clippy::unwrap_used, reason = "a test: failures end it")]

use zkml_engine::{EngineError, execute};
use zkml_graph::{AxisMap, Epilogue, Graph, Node, Op, Param, Source, Tensor, Term, Weight, Weights, bounds};
use zkml_testkit::dice::Dice;

const CHANNELS: u32 = 4;
const OUTPUTS: u32 = 8;
const HEIGHT: u32 = 7;
const WIDTH: u32 = 9;

#[derive(Clone, Copy, Debug)]
struct Conv {
    kernel: [u32; 2],
    stride: u32,
    pad: u32,
    dilation: u32,
    groups: u32,
}

impl Conv {
    fn extents(&self) -> Option<[u32; 2]> {
        let extent = |size: u32, kernel: u32| {
            let span = self.dilation * (kernel - 1) + 1;
            Some((size + 2 * self.pad).checked_sub(span)? / self.stride + 1)
        };
        Some([extent(HEIGHT, self.kernel[0])?, extent(WIDTH, self.kernel[1])?])
    }

    /// One term for each group, each with its own parameter.
    fn graph(&self, [height, width]: [u32; 2]) -> Graph {
        let (rows, columns) = (OUTPUTS / self.groups, CHANNELS / self.groups);
        let spatial = |axis: u32| AxisMap {
            offset: -i64::from(self.pad),
            out: Some((axis, self.stride)),
            inner: Some((axis, self.dilation)),
        };
        let term = |group: u32| Term {
            region: vec![(group * rows, rows), (0, height), (0, width)],
            source: Source::Tensor {
                tensor: 0,
                inner: vec![columns, self.kernel[0], self.kernel[1]],
                map: vec![
                    AxisMap { offset: i64::from(group * columns), out: None, inner: Some((0, 1)) },
                    spatial(1),
                    spatial(2),
                ],
                weight: Weight::Param { param: group, outer_axes: vec![0] },
            },
        };
        let param =
            |_| Param { name: "w".into(), outer: rows, inner: columns * self.kernel[0] * self.kernel[1] };
        let tensor = |shape: [u32; 3], min, max| Tensor {
            name: "t".into(),
            shape: shape.to_vec(),
            min,
            max,
            scale: 0,
        };
        let mut graph = Graph {
            name: "conv".into(),
            weight_bits: 8,
            tensors: vec![
                tensor([CHANNELS, HEIGHT, WIDTH], -128, 127),
                tensor([OUTPUTS, height, width], 0, 0),
            ],
            params: (0..self.groups).map(param).collect(),
            nodes: vec![Node {
                name: "conv".into(),
                op: Op::Affine { terms: (0..self.groups).map(term).collect(), epilogue: Epilogue::Exact },
                output: 1,
            }],
            inputs: vec![0],
            outputs: vec![1],
        };
        let (min, max) = bounds::accumulator(&graph, &graph.nodes[0]).unwrap();
        (graph.tensors[1].min, graph.tensors[1].max) = (min, max);
        graph
    }

    /// The textbook loops.
    fn by_hand(&self, weights: &Weights, input: &[i64], [height, width]: [u32; 2]) -> Vec<i64> {
        let (rows, columns) = (OUTPUTS / self.groups, CHANNELS / self.groups);
        let mut output = Vec::new();
        for channel in 0..OUTPUTS {
            let (group, row) = (channel / rows, channel % rows);
            for y in 0..height {
                for x in 0..width {
                    let mut sum = 0;
                    for column in 0..columns {
                        for ky in 0..self.kernel[0] {
                            for kx in 0..self.kernel[1] {
                                let at = |o: u32, k: u32| {
                                    (o * self.stride + k * self.dilation).checked_sub(self.pad)
                                };
                                let (Some(iy), Some(ix)) = (at(y, ky), at(x, kx)) else {
                                    continue;
                                };
                                if iy >= HEIGHT || ix >= WIDTH {
                                    continue;
                                }
                                let source = group * columns + column;
                                let value = input[((source * HEIGHT + iy) * WIDTH + ix) as usize];
                                let cell =
                                    ((row * columns + column) * self.kernel[0] + ky) * self.kernel[1] + kx;
                                let weight = weights.0[group as usize][cell as usize];
                                sum += i64::from(weight) * value;
                            }
                        }
                    }
                    output.push(sum);
                }
            }
        }
        output
    }
}

#[test]
fn every_variation() {
    let mut dice = Dice::new(3);
    let mut checked = 0;
    for kernel in [[1, 1], [3, 3], [5, 2]] {
        for stride in 1..=3 {
            for pad in 0..=3 {
                for dilation in 1..=3 {
                    for groups in [1, 2, 4] {
                        let conv = Conv { kernel, stride, pad, dilation, groups };
                        checked += usize::from(check(&mut dice, conv));
                    }
                }
            }
        }
    }
    assert!(checked > 250, "{checked}");
}

fn check(dice: &mut Dice, conv: Conv) -> bool {
    let Some(extents) = conv.extents() else {
        return false;
    };
    let graph = conv.graph(extents);
    let weights = graph
        .params
        .iter()
        .map(|param| {
            (0..param.outer * param.inner).map(|_| i16::try_from(dice.range(-128, 127)).unwrap()).collect()
        })
        .collect();
    let weights = Weights(weights);
    let input: Vec<i64> = (0..CHANNELS * HEIGHT * WIDTH).map(|_| dice.range(-128, 127)).collect();
    let expected = conv.by_hand(&weights, &input, extents);
    let execution = execute(&graph, &weights, &[input]).unwrap();
    assert_eq!(execution.tensors[1], expected, "{conv:?}");
    true
}

/// What is wrong with weights or inputs is named.
#[test]
fn bad_weights_and_inputs() {
    let conv = Conv { kernel: [1, 1], stride: 1, pad: 0, dilation: 1, groups: 1 };
    let mut graph = conv.graph(conv.extents().unwrap());
    let cells = (CHANNELS * HEIGHT * WIDTH) as usize;
    let weights = Weights(vec![vec![1; (OUTPUTS * CHANNELS) as usize]]);
    let input = vec![vec![0_i64; cells]];
    let fails =
        |weights: &Weights, inputs: &[Vec<i64>]| execute(&graph, weights, inputs).unwrap_err().to_string();
    assert_eq!(fails(&Weights(Vec::new()), &input), "the weights hold 0 parameters, the graph has 1");
    assert_eq!(fails(&Weights(vec![vec![0; 3]]), &input), "parameter w has 3 weights, expected 32");
    let mut wide = weights.clone();
    wide.0[0][5] = 128;
    assert_eq!(fails(&wide, &input), "parameter w: weight 128 at 5 does not fit 8 bits");
    assert_eq!(fails(&weights, &[]), "0 inputs, expected 1");
    assert_eq!(fails(&weights, &[vec![0; 2]]), "input t has 2 elements, expected 252");
    let mut outside = input.clone();
    outside[0][7] = -129;
    assert_eq!(fails(&weights, &outside), "input t: value -129 at 7 is outside -128..=127");
    graph.outputs.clear();
    assert!(matches!(execute(&graph, &weights, &input), Err(EngineError::Graph(_))));
}
