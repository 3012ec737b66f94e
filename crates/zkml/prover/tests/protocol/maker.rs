//! Small models made by hand, for the protocol's tests: one for every kind of node.

use zkml_graph::*;

/// A pseudo-random sequence, the same everywhere.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, min: i64, max: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        min + ((self.0 >> 33) as i64).rem_euclid(max - min + 1)
    }
}

pub(crate) struct Maker {
    pub(crate) graph: Graph,
    pub(crate) dice: Dice,
    pub(crate) weights: Weights,
}

impl Maker {
    pub(crate) fn new(seed: u64, shape: &[u32], min: i64, max: i64) -> Self {
        let input = Tensor { name: "x".into(), shape: shape.to_vec(), min, max, scale: 4 };
        let graph = Graph {
            name: "test".into(),
            weight_bits: 8,
            tensors: vec![input],
            params: Vec::new(),
            nodes: Vec::new(),
            inputs: vec![0],
            outputs: Vec::new(),
        };
        Self { graph, dice: Dice(seed), weights: Weights::default() }
    }

    pub(crate) fn tensor(&mut self, shape: &[u32], min: i64, max: i64) -> TensorId {
        let id = self.graph.tensors.len() as u32;
        self.graph.tensors.push(Tensor { name: format!("t{id}"), shape: shape.to_vec(), min, max, scale: 4 });
        id
    }

    pub(crate) fn param(&mut self, outer: u32, inner: u32) -> ParamId {
        let id = self.graph.params.len() as u32;
        self.graph.params.push(Param { name: format!("w{id}"), outer, inner });
        let half = 1 << (self.graph.weight_bits - 1);
        let values = (0..outer * inner).map(|_| self.dice.roll(-half, half - 1) as i16).collect();
        self.weights.0.push(values);
        id
    }

    pub(crate) fn node(&mut self, op: Op, output: TensorId) {
        let name = format!("node{}", self.graph.nodes.len());
        self.graph.nodes.push(Node { name, op, output });
    }

    /// Fits an exact output's range to the accumulator's bounds.
    pub(crate) fn exact(&mut self, shape: &[u32], terms: Vec<Term>) -> TensorId {
        let output = self.tensor(shape, 0, 0);
        self.node(Op::Affine { terms, stage: Stage::Exact }, output);
        let node = &self.graph.nodes[self.graph.nodes.len() - 1];
        if let Ok((min, max)) = bounds::accumulator(&self.graph, node) {
            let tensor = &mut self.graph.tensors[output as usize];
            (tensor.min, tensor.max) = (min, max);
        }
        output
    }

    pub(crate) fn relu(&mut self, shape: &[u32], terms: Vec<Term>, shift: u8) -> TensorId {
        let output = self.tensor(shape, 0, 255);
        self.node(Op::Affine { terms, stage: relu(shift) }, output);
        output
    }

    pub(crate) fn shape(&self, tensor: TensorId) -> Vec<u32> {
        self.graph.tensors[tensor as usize].shape.clone()
    }

    /// A dense layer over all elements of a tensor, with bias.
    pub(crate) fn dense(&mut self, from: TensorId, outputs: u32) -> Vec<Term> {
        let inner = self.shape(from);
        let param = self.param(outputs, inner.iter().product());
        let bias = self.param(outputs, 2);
        let map = (0..inner.len() as u32)
            .map(|dim| AxisMap { inner: Some((dim, 1)), ..AxisMap::default() })
            .collect();
        let weight = Weight::Param { param, outer_axes: vec![0] };
        let region = vec![(0, outputs)];
        vec![
            Term { region: region.clone(), source: Source::Tensor { tensor: from, inner, map, weight } },
            Term { region, source: Source::Bias { param: bias, outer_axes: vec![0] } },
        ]
    }

    /// Another graph input.
    pub(crate) fn another_input(&mut self, shape: &[u32], min: i64, max: i64) -> TensorId {
        let tensor = self.tensor(shape, min, max);
        self.graph.inputs.push(tensor);
        tensor
    }

    /// Random values for every graph input, the ends of the range among them.
    pub(crate) fn inputs(&mut self) -> Vec<Vec<i64>> {
        let tensors = self.graph.inputs.clone();
        let mut one = |id: TensorId| {
            let Tensor { min, max, .. } = self.graph.tensors[id as usize];
            let count = self.shape(id).iter().product::<u32>();
            let mut values: Vec<i64> = (0..count).map(|_| self.dice.roll(min, max)).collect();
            values[0] = min;
            if let Some(last) = values.last_mut() {
                *last = max;
            }
            values
        };
        tensors.into_iter().map(&mut one).collect()
    }

    /// Rescales a sum to signed bytes.
    pub(crate) fn rescale(&mut self, shape: &[u32], terms: Vec<Term>, shift: u8) -> TensorId {
        let output = self.tensor(shape, -128, 127);
        let stage = requant(shift, -128, -128, 127);
        self.node(Op::Affine { terms, stage }, output);
        output
    }

    /// `out = max(a, b)` over two views.
    pub(crate) fn max(&mut self, shape: &[u32], a: View, b: View) -> TensorId {
        let range = |view: &View| &self.graph.tensors[view.tensor as usize];
        let (min, max) = (range(&a).min.min(range(&b).min), range(&a).max.max(range(&b).max));
        let output = self.tensor(shape, min, max);
        self.node(Op::Max { a, b }, output);
        output
    }

    /// A term over the whole output.
    pub(crate) fn whole(&self, shape: &[u32], source: Source) -> Term {
        Term { region: shape.iter().map(|len| (0, *len)).collect(), source }
    }
}

/// The output axis itself.
pub(crate) fn out(axis: u32) -> AxisMap {
    at(0, Some((axis, 1)), None)
}

/// An index of the sum.
pub(crate) fn sum(dim: u32) -> AxisMap {
    at(0, None, Some((dim, 1)))
}

pub(crate) fn at(offset: i64, out: Option<(u32, u32)>, inner: Option<(u32, u32)>) -> AxisMap {
    AxisMap { offset, out, inner }
}

/// A tensor read with maps and a public factor.
pub(crate) fn read(tensor: TensorId, inner: &[u32], map: Vec<AxisMap>, factor: i64) -> Source {
    Source::Tensor { tensor, inner: inner.to_vec(), map, weight: Weight::Public(factor) }
}

/// A tensor read with maps and a hidden factor.
pub(crate) fn weigh(
    tensor: TensorId,
    inner: &[u32],
    map: Vec<AxisMap>,
    param: ParamId,
    outer_axes: &[u32],
) -> Source {
    Source::Tensor {
        tensor,
        inner: inner.to_vec(),
        map,
        weight: Weight::Param { param, outer_axes: outer_axes.to_vec() },
    }
}

pub(crate) fn relu(shift: u8) -> Stage {
    requant(shift, 0, 0, 255)
}

/// Rescales and clamps to eight bits.
pub(crate) fn requant(shift: u8, domain_min: i64, out_min: i64, out_max: i64) -> Stage {
    table(shift, domain_min, 8, FunctionKind::Identity, (out_min, out_max))
}

/// Rescales and applies a function to `2^bits` arguments.
pub(crate) fn table(
    shift: u8,
    domain_min: i64,
    domain_bits: u8,
    kind: FunctionKind,
    (out_min, out_max): (i64, i64),
) -> Stage {
    let function = Function { kind, in_scale: 4, out_scale: 4, out_min, out_max };
    Stage::Requant { shift, domain_min, domain_bits, function }
}
