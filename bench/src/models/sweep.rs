//! Integer models of growing size with random weights, built without Python or a network:
//! dense networks 64-w-w-10, and LeNet-5 on 3x32x32 with its channels and widths scaled together.
//!
//! What they compute is of no interest; what they cost is that of a trained network of the shape.
//! Weights and activations have 8 bits.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use zkml_graph::{
    AxisMap, Epilogue, Function, FunctionKind, Graph, Node, Op, Param, Source, Tensor, Term, View, Weight,
    Weights,
};

use super::npz;

const WEIGHT_BITS: u8 = 8;
const CLASSES: u32 = 10;
const SAMPLES: usize = 4;
/// Digits of a bias: 24 bits, more than any accumulator's mean needs.
const BIAS_DIGITS: u32 = 3;
/// Parameter counts of the growth plot.
const SIZES: [usize; 7] = [10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000];

/// Writes `NAME.cyb` and `NAME_io.npz` for every size up to `max_parameters`, and returns the names.
pub(crate) fn write(folder: &Path, max_parameters: usize) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for parameters in SIZES.into_iter().filter(|size| *size <= max_parameters) {
        let label = if parameters < 1_000_000 {
            format!("{}k", parameters / 1000)
        } else {
            format!("{}m", parameters / 1_000_000)
        };
        for (family, build) in
            [("dense", dense as fn(&str, usize) -> Model), ("cnn", lenet as fn(&str, usize) -> Model)]
        {
            let name = format!("sweep_{family}_{label}");
            let Model { graph, weights, shape } = build(&name, parameters);
            let path = folder.join(format!("{name}.cyb"));
            let bytes = zkml_graph::codec::encode_model(&graph, &weights)
                .with_context(|| format!("encoding {name}"))?;
            fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
            let mut random = Random(u64::from(u32::MAX) + parameters as u64);
            let count = SAMPLES * shape.iter().map(|d| *d as usize).product::<usize>();
            let values: Vec<f32> = (0..count).map(|_| random.between(-127, 127) as f32 / 64.0).collect();
            let mut axes = vec![SAMPLES, 1];
            axes.extend(shape.iter().map(|d| *d as usize));
            npz::write(&folder.join(format!("{name}_io.npz")), "inputs", &axes, &values)?;
            written.push(path);
        }
    }
    Ok(written)
}

/// Number of parameters of an encoded model; the digits of one bias count once.
pub(crate) fn count_parameters(path: &Path) -> Result<usize> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let (graph, _) =
        zkml_graph::codec::decode_model(&bytes).with_context(|| format!("decoding {}", path.display()))?;
    let mut is_bias = vec![false; graph.params.len()];
    for node in &graph.nodes {
        if let Op::Affine { terms, .. } = &node.op {
            for term in terms {
                if let Source::Bias { param, .. } = &term.source {
                    is_bias[*param as usize] = true;
                }
            }
        }
    }
    let count =
        |(param, bias): (&Param, &bool)| param.outer as usize * if *bias { 1 } else { param.inner as usize };
    Ok(graph.params.iter().zip(&is_bias).map(count).sum())
}

/// A model and the shape of its input.
struct Model {
    graph: Graph,
    weights: Weights,
    shape: Vec<u32>,
}

/// 64-w-w-10 with the width that comes closest to this number of parameters.
fn dense(name: &str, parameters: usize) -> Model {
    let width = ((-76.0 + (76.0 * 76.0 + 4.0 * parameters as f64).sqrt()) / 2.0).round() as u32;
    let mut builder = Builder::new(name, vec![64]);
    builder.dense("fc1", width, true);
    builder.dense("fc2", width, true);
    builder.dense("fc3", CLASSES, false);
    builder.finish()
}

/// LeNet-5 scaled to the greatest size within this number of parameters.
fn lenet(name: &str, parameters: usize) -> Model {
    let widths = |scale: f64| [6.0, 16.0, 120.0, 84.0].map(|n| ((n * scale) as u32).max(1));
    let count = |scale: f64| {
        let [c1, c2, f1, f2] = widths(scale).map(|n| n as usize);
        76 * c1 + (25 * c1 + 1) * c2 + (25 * c2 + 1) * f1 + (f1 + 1) * f2 + (f2 + 1) * 10
    };
    let (mut low, mut high) = (0.0, 64.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if count(middle) <= parameters {
            low = middle;
        } else {
            high = middle;
        }
    }
    let [c1, c2, f1, f2] = widths(low);
    let mut builder = Builder::new(name, vec![3, 32, 32]);
    builder.conv("conv1", c1, 5);
    builder.max_pool_two("pool1");
    builder.conv("conv2", c2, 5);
    builder.max_pool_two("pool2");
    builder.dense("fc1", f1, true);
    builder.dense("fc2", f2, true);
    builder.dense("fc3", CLASSES, false);
    builder.finish()
}

/// Adds layers one after another; the last tensor is the next layer's input.
struct Builder {
    graph: Graph,
    weights: Weights,
    random: Random,
}

impl Builder {
    fn new(name: &str, shape: Vec<u32>) -> Self {
        let input = Tensor { name: "input".into(), shape, min: -128, max: 127, scale: 6 };
        let graph = Graph {
            name: name.into(),
            weight_bits: WEIGHT_BITS,
            tensors: vec![input],
            params: Vec::new(),
            nodes: Vec::new(),
            inputs: vec![0],
            outputs: Vec::new(),
        };
        Self { graph, weights: Weights::default(), random: Random(0x5eed) }
    }

    fn finish(mut self) -> Model {
        self.graph.outputs = vec![self.last()];
        let shape = self.graph.tensors[0].shape.clone();
        Model { graph: self.graph, weights: self.weights, shape }
    }

    fn last(&self) -> u32 {
        self.graph.tensors.len() as u32 - 1
    }

    fn shape(&self) -> Vec<u32> {
        self.graph.tensors[self.last() as usize].shape.clone()
    }

    fn node(&mut self, name: &str, op: Op, shape: Vec<u32>, (min, max): (i64, i64), scale: i8) {
        self.graph.tensors.push(Tensor { name: name.into(), shape, min, max, scale });
        let output = self.last();
        self.graph.nodes.push(Node { name: name.into(), op, output });
    }

    /// A parameter with uniformly random cells.
    fn param(&mut self, name: String, outer: u32, inner: u32) -> u32 {
        let cells = outer as usize * inner as usize;
        self.weights.0.push((0..cells).map(|_| self.random.between(-127, 127) as i16).collect());
        self.graph.params.push(Param { name, outer, inner });
        self.graph.params.len() as u32 - 1
    }

    /// A bias of small numbers, each as [`BIAS_DIGITS`] balanced digits.
    fn bias(&mut self, name: String, outer: u32) -> u32 {
        let mut digits = Vec::with_capacity((outer * BIAS_DIGITS) as usize);
        for _ in 0..outer {
            let mut rest = self.random.between(-4000, 4000);
            for _ in 0..BIAS_DIGITS {
                let digit = (rest + 128).rem_euclid(256) - 128;
                digits.push(digit as i16);
                rest = (rest - digit) / 256;
            }
        }
        self.weights.0.push(digits);
        self.graph.params.push(Param { name, outer, inner: BIAS_DIGITS });
        self.graph.params.len() as u32 - 1
    }

    /// A layer with hidden weights, bias, and ReLU (8 bits) or logits (8 bits and a sign).
    fn affine(&mut self, name: &str, shape: Vec<u32>, inner: Vec<u32>, map: Vec<AxisMap>, relu: bool) {
        let tensor = self.last();
        let fan_in: u32 = inner.iter().product();
        let weight = self.param(format!("{name}.weight"), shape[0], fan_in);
        let bias = self.bias(format!("{name}.bias"), shape[0]);
        let region: Vec<(u32, u32)> = shape.iter().map(|n| (0, *n)).collect();
        let terms = vec![
            Term {
                region: region.clone(),
                source: Source::Tensor {
                    tensor,
                    inner,
                    map,
                    weight: Weight::Param { param: weight, outer_axes: vec![0] },
                },
            },
            Term { region, source: Source::Bias { param: bias, outer_axes: vec![0] } },
        ];
        // Inputs and weights spread over their ranges give sums of about 5,000 sqrt(fan-in);
        // the shift brings them to about 80.
        let shift = 6 + (f64::from(fan_in).log2() / 2.0).round() as u8;
        let (domain_min, domain_bits) = if relu { (0, 8) } else { (-256, 9) };
        let range = (domain_min, domain_min + (1 << domain_bits) - 1);
        let scale = 5;
        let epilogue = Epilogue::Requant {
            shift,
            domain_min,
            domain_bits,
            function: Function {
                kind: FunctionKind::Identity,
                in_scale: scale,
                out_scale: scale,
                out_min: range.0,
                out_max: range.1,
            },
        };
        self.node(name, Op::Affine { terms, epilogue }, shape, range, scale);
    }

    /// A dense layer over every element of the last tensor.
    fn dense(&mut self, name: &str, width: u32, relu: bool) {
        let inner = self.shape();
        let map = (0..inner.len() as u32)
            .map(|axis| AxisMap { inner: Some((axis, 1)), ..AxisMap::default() })
            .collect();
        self.affine(name, vec![width], inner, map, relu);
    }

    /// A `kernel x kernel` convolution without padding, and ReLU.
    fn conv(&mut self, name: &str, channels: u32, kernel: u32) {
        let (cin, height, width) = self.image();
        let window = |axis: u32| AxisMap { offset: 0, out: Some((axis, 1)), inner: Some((axis, 1)) };
        let depth = AxisMap { inner: Some((0, 1)), ..AxisMap::default() };
        self.affine(
            name,
            vec![channels, height - kernel + 1, width - kernel + 1],
            vec![cin, kernel, kernel],
            vec![depth, window(1), window(2)],
            true,
        );
    }

    /// 2x2 max pooling with stride 2, as one maximum along each axis.
    fn max_pool_two(&mut self, name: &str) {
        for axis in 1..3 {
            let tensor = self.last();
            let mut shape = self.shape();
            let range = (self.graph.tensors[tensor as usize].min, self.graph.tensors[tensor as usize].max);
            let scale = self.graph.tensors[tensor as usize].scale;
            shape[axis as usize] /= 2;
            let view = |offset: i64| View {
                tensor,
                map: (0..3)
                    .map(|a| AxisMap {
                        offset: if a == axis { offset } else { 0 },
                        out: Some((a, if a == axis { 2 } else { 1 })),
                        inner: None,
                    })
                    .collect(),
            };
            let op = Op::Max { a: view(0), b: view(1) };
            self.node(&format!("{name}.{axis}"), op, shape, range, scale);
        }
    }

    /// `(channels, height, width)` of the last tensor.
    fn image(&self) -> (u32, u32, u32) {
        match self.shape()[..] {
            [channels, height, width] => (channels, height, width),
            _ => unreachable!("convolutions come before the flattening layer"),
        }
    }
}

/// SplitMix64: enough for weights that nobody depends on, the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `low..=high`, up to a negligible bias.
    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low + 1) as u64) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::{Model, dense, lenet};
    use zkml_graph::codec::{decode_model, encode_model};

    #[test]
    fn models_are_well_formed_and_of_the_size_asked_for() -> anyhow::Result<()> {
        for parameters in [10_000, 300_000] {
            for build in [dense as fn(&str, usize) -> Model, lenet] {
                let Model { graph, weights, .. } = build("model", parameters);
                let bytes = encode_model(&graph, &weights)?;
                assert_eq!(decode_model(&bytes)?, (graph, weights));
                let cells = bytes.len();
                assert!(cells > parameters * 9 / 10 && cells < parameters * 13 / 10);
            }
        }
        Ok(())
    }
}
