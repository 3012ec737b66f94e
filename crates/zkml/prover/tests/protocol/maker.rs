//! Small models made by hand, for the protocol's tests: one for every kind of node.

use zkml_graph::*;

/// A pseudo-random sequence, the same everywhere.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, min: i64, max: i64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        min + ((self.0 >> 33) as i64).rem_euclid(max - min + 1)
    }
}

pub(crate) struct Maker {
    pub(crate) graph: Graph,
    pub(crate) dice: Dice,
    pub(crate) weights: Weights,
}

impl Maker {
    pub(crate) fn new(name: &str, shape: &[u32], min: i64, max: i64) -> Self {
        let input = Tensor {
            name: "x".into(),
            shape: shape.to_vec(),
            min,
            max,
            scale: 4,
        };
        let graph = Graph {
            name: name.into(),
            weight_bits: 8,
            tensors: vec![input],
            params: Vec::new(),
            nodes: Vec::new(),
            inputs: vec![0],
            outputs: Vec::new(),
        };
        Self {
            graph,
            dice: Dice(7),
            weights: Weights::default(),
        }
    }

    pub(crate) fn tensor(&mut self, shape: &[u32], min: i64, max: i64) -> TensorId {
        let id = self.graph.tensors.len() as u32;
        self.graph.tensors.push(Tensor {
            name: format!("t{id}"),
            shape: shape.to_vec(),
            min,
            max,
            scale: 4,
        });
        id
    }

    pub(crate) fn param(&mut self, outer: u32, inner: u32) -> ParamId {
        let id = self.graph.params.len() as u32;
        self.graph.params.push(Param {
            name: format!("w{id}"),
            outer,
            inner,
        });
        let values = (0..outer * inner)
            .map(|_| self.dice.roll(-128, 127) as i16)
            .collect();
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
        self.node(
            Op::Affine {
                terms,
                stage: Stage::Exact,
            },
            output,
        );
        let node = &self.graph.nodes[self.graph.nodes.len() - 1];
        if let Ok((min, max)) = bounds::accumulator(&self.graph, node) {
            let tensor = &mut self.graph.tensors[output as usize];
            (tensor.min, tensor.max) = (min, max);
        }
        output
    }

    pub(crate) fn relu(&mut self, shape: &[u32], terms: Vec<Term>, shift: u8) -> TensorId {
        let output = self.tensor(shape, 0, 255);
        self.node(
            Op::Affine {
                terms,
                stage: relu(shift),
            },
            output,
        );
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
            .map(|dim| AxisMap {
                inner: Some((dim, 1)),
                ..AxisMap::default()
            })
            .collect();
        let weight = Weight::Param {
            param,
            outer_axes: vec![0],
        };
        let region = vec![(0, outputs)];
        vec![
            Term {
                region: region.clone(),
                source: Source::Tensor {
                    tensor: from,
                    inner,
                    map,
                    weight,
                },
            },
            Term {
                region,
                source: Source::Bias {
                    param: bias,
                    outer_axes: vec![0],
                },
            },
        ]
    }

    pub(crate) fn input(&mut self) -> Vec<i64> {
        let Tensor { min, max, .. } = self.graph.tensors[0];
        let count = self.shape(0).iter().product::<u32>();
        (0..count).map(|_| self.dice.roll(min, max)).collect()
    }
}

pub(crate) fn relu(shift: u8) -> Stage {
    requant(shift, 0, 0, 255)
}

pub(crate) fn requant(shift: u8, domain_min: i64, out_min: i64, out_max: i64) -> Stage {
    let function = Function {
        kind: FunctionKind::Identity,
        in_scale: 4,
        out_scale: 4,
        out_min,
        out_max,
    };
    Stage::Requant {
        shift,
        domain_min,
        domain_bits: 8,
        function,
    }
}

/// Two dense layers.
pub(crate) fn mlp() -> Maker {
    let mut maker = Maker::new("mlp", &[20], -128, 127);
    let terms = maker.dense(0, 33);
    let hidden = maker.relu(&[33], terms, 9);
    let terms = maker.dense(hidden, 5);
    let output = maker.exact(&[5], terms);
    maker.graph.outputs = vec![output];
    maker
}
