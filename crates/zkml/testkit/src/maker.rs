//! The steps by which models are made by hand: tensors, parameters, terms, nodes.

use crate::dice::Dice;
use zkml_graph::*;

/// A graph that grows node by node, with random weights.
#[derive(Clone, Debug)]
pub struct Maker {
    /// The graph so far.
    pub graph: Graph,
    /// Where its weights and inputs come from.
    pub dice: Dice,
    /// The weights of its parameters.
    pub weights: Weights,
}

impl Maker {
    /// A graph with one input.
    #[must_use]
    pub fn new(seed: u64, shape: &[u32], min: i64, max: i64) -> Self {
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
        Self { graph, dice: Dice::new(seed), weights: Weights::default() }
    }

    /// Another tensor.
    pub fn tensor(&mut self, shape: &[u32], min: i64, max: i64) -> TensorId {
        let id = self.graph.tensors.len() as u32;
        self.graph.tensors.push(Tensor { name: format!("t{id}"), shape: shape.to_vec(), min, max, scale: 4 });
        id
    }

    /// Another parameter, with random weights.
    pub fn param(&mut self, outer: u32, inner: u32) -> ParamId {
        let id = self.graph.params.len() as u32;
        self.graph.params.push(Param { name: format!("w{id}"), outer, inner });
        let half = 1 << (self.graph.weight_bits - 1);
        let values = (0..outer * inner).map(|_| self.dice.roll(-half, half - 1) as i16).collect();
        self.weights.0.push(values);
        id
    }

    /// Another node.
    pub fn node(&mut self, op: Op, output: TensorId) {
        let name = format!("node{}", self.graph.nodes.len());
        self.graph.nodes.push(Node { name, op, output });
    }

    /// Fits an exact output's range to the accumulator's bounds.
    pub fn exact(&mut self, shape: &[u32], terms: Vec<Term>) -> TensorId {
        let output = self.tensor(shape, 0, 0);
        self.node(Op::Affine { terms, epilogue: Epilogue::Exact }, output);
        let node = &self.graph.nodes[self.graph.nodes.len() - 1];
        if let Ok((min, max)) = bounds::accumulator(&self.graph, node) {
            let tensor = &mut self.graph.tensors[output as usize];
            (tensor.min, tensor.max) = (min, max);
        }
        output
    }

    /// A sum, rescaled and cut to `0..=255`.
    pub fn relu(&mut self, shape: &[u32], terms: Vec<Term>, shift: u8) -> TensorId {
        let output = self.tensor(shape, 0, 255);
        self.node(Op::Affine { terms, epilogue: relu(shift) }, output);
        output
    }

    /// The shape of a tensor.
    #[must_use]
    pub fn shape(&self, tensor: TensorId) -> Vec<u32> {
        self.graph.tensors[tensor as usize].shape.clone()
    }

    /// A dense layer over all elements of a tensor, with bias.
    pub fn dense(&mut self, from: TensorId, outputs: u32) -> Vec<Term> {
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
    pub fn another_input(&mut self, shape: &[u32], min: i64, max: i64) -> TensorId {
        let tensor = self.tensor(shape, min, max);
        self.graph.inputs.push(tensor);
        tensor
    }

    /// Random values for every graph input, the ends of the range among them.
    pub fn inputs(&mut self) -> Vec<Vec<i64>> {
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
    pub fn rescale(&mut self, shape: &[u32], terms: Vec<Term>, shift: u8) -> TensorId {
        let output = self.tensor(shape, -128, 127);
        let epilogue = requant(shift, -128, -128, 127);
        self.node(Op::Affine { terms, epilogue }, output);
        output
    }

    /// `out = max(a, b)` over two views.
    pub fn max(&mut self, shape: &[u32], a: View, b: View) -> TensorId {
        let range = |view: &View| &self.graph.tensors[view.tensor as usize];
        let (min, max) = (range(&a).min.min(range(&b).min), range(&a).max.max(range(&b).max));
        let output = self.tensor(shape, min, max);
        self.node(Op::Max { a, b }, output);
        output
    }

    /// A term over the whole output.
    #[must_use]
    pub fn whole(&self, shape: &[u32], source: Source) -> Term {
        Term { region: shape.iter().map(|len| (0, *len)).collect(), source }
    }
}

/// The output axis itself.
#[must_use]
pub fn out(axis: u32) -> AxisMap {
    at(0, Some((axis, 1)), None)
}

/// An index of the sum.
#[must_use]
pub fn sum(dim: u32) -> AxisMap {
    at(0, None, Some((dim, 1)))
}

/// A map of an axis: an offset, an output axis with its stride, an index of the sum with its dilation.
#[must_use]
pub fn at(offset: i64, out: Option<(u32, u32)>, inner: Option<(u32, u32)>) -> AxisMap {
    AxisMap { offset, out, inner }
}

/// A tensor read with maps and a public factor.
#[must_use]
pub fn read(tensor: TensorId, inner: &[u32], map: Vec<AxisMap>, factor: i64) -> Source {
    Source::Tensor { tensor, inner: inner.to_vec(), map, weight: Weight::Public(factor) }
}

/// A tensor read with maps and a hidden factor.
#[must_use]
pub fn weigh(
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

/// Rescales and cuts to `0..=255`.
#[must_use]
pub fn relu(shift: u8) -> Epilogue {
    requant(shift, 0, 0, 255)
}

/// Rescales and clamps to eight bits.
#[must_use]
pub fn requant(shift: u8, domain_min: i64, out_min: i64, out_max: i64) -> Epilogue {
    table(shift, domain_min, 8, FunctionKind::Identity, (out_min, out_max))
}

/// Rescales and applies a function to `2^bits` arguments.
#[must_use]
pub fn table(
    shift: u8,
    domain_min: i64,
    domain_bits: u8,
    kind: FunctionKind,
    (out_min, out_max): (i64, i64),
) -> Epilogue {
    let function = Function { kind, in_scale: 4, out_scale: 4, out_min, out_max };
    Epilogue::Requant { shift, domain_min, domain_bits, function }
}
