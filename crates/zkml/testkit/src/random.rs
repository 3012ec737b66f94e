//! Random well-formed models, for the properties that must hold for every one.
//!
//! Terms draw their maps, regions and weights from everything that validation allows, so that
//! convolutions, pooling, matrix products, concatenation and what lies between all occur.
use crate::case::Case;
use crate::dice::Dice;
use zkml_graph::bounds;
use zkml_graph::validate::validate;
use zkml_graph::{
    AxisMap, Epilogue, Function, FunctionKind, Graph, Node, Op, Operand, OperandAxis, Param, Source, Tensor,
    Term, View, Weight, Weights,
};

/// Number of elements of a shape.
#[must_use]
pub fn cells(shape: &[u32]) -> usize {
    shape.iter().map(|&extent| extent as usize).product()
}

/// A model whose axes have at most `extent` elements.
#[must_use]
pub fn model(seed: u64, extent: u32) -> Case {
    // Of some hundred thousand draws one has a sum that is larger than a node may have.
    (seed..=u64::MAX)
        .chain(0..seed)
        .map(|seed| draw(seed, extent))
        .find(|case| validate(&case.graph).is_ok())
        .unwrap_or_else(|| unreachable!("some model is well formed"))
}

fn draw(seed: u64, extent: u32) -> Case {
    let mut builder = Builder {
        dice: Dice::new(seed),
        extent,
        graph: Graph {
            name: format!("random {seed}"),
            weight_bits: 8,
            tensors: Vec::new(),
            params: Vec::new(),
            nodes: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        },
    };
    builder.build();
    let Builder { mut dice, graph, .. } = builder;
    let half = 1_i64 << (graph.weight_bits - 1);
    let weights = graph
        .params
        .iter()
        .map(|param| {
            (0..param.outer as usize * param.inner as usize)
                .map(|_| i16::try_from(dice.range(-half, half - 1)).unwrap())
                .collect()
        })
        .collect();
    let inputs = graph
        .inputs
        .iter()
        .map(|&id| {
            let tensor = &graph.tensors[id as usize];
            (0..cells(&tensor.shape)).map(|_| dice.range(tensor.min, tensor.max)).collect()
        })
        .collect();
    Case { graph, weights: Weights(weights), inputs }
}

struct Builder {
    dice: Dice,
    extent: u32,
    graph: Graph,
}

impl Builder {
    fn build(&mut self) {
        self.graph.weight_bits = u8::try_from(self.dice.u32(2, 16)).unwrap();
        for index in 0..self.dice.u32(1, 2) {
            let width = 1_i64 << self.dice.u32(1, 16);
            let min = -self.dice.range(0, width - 1);
            let shape = self.shape();
            let id = self.tensor(shape, min, min + width - 1);
            self.graph.tensors[id as usize].name = format!("input {index}");
            self.graph.inputs.push(id);
        }
        let wanted = self.dice.u32(1, 5) as usize;
        for _ in 0..30 {
            if self.graph.nodes.len() < wanted {
                self.node();
            }
        }
        if self.graph.nodes.is_empty() {
            // Bounds were never met: an identity always is.
            let input = self.graph.tensors[0].clone();
            let id = self.tensor(input.shape.clone(), input.min, input.max);
            let term = Term {
                region: input.shape.iter().map(|&extent| (0, extent)).collect(),
                source: Source::Reshape { tensor: 0, multiplier: 1 },
            };
            self.push(id, Op::Affine { terms: vec![term], epilogue: Epilogue::Exact });
        }
        let nodes = &self.graph.nodes;
        self.graph.outputs = nodes.iter().rev().take(2).map(|node| node.output).collect();
    }

    fn shape(&mut self) -> Vec<u32> {
        (0..self.dice.u32(1, 4)).map(|_| self.dice.u32(1, self.extent)).collect()
    }

    fn tensor(&mut self, shape: Vec<u32>, min: i64, max: i64) -> u32 {
        let id = u32::try_from(self.graph.tensors.len()).unwrap();
        self.graph.tensors.push(Tensor { name: format!("t{id}"), shape, min, max, scale: 4 });
        id
    }

    fn push(&mut self, output: u32, op: Op) {
        let name = format!("n{}", self.graph.nodes.len());
        self.graph.nodes.push(Node { name, op, output });
    }

    fn any_tensor(&mut self) -> u32 {
        self.dice.u32(0, u32::try_from(self.graph.tensors.len()).unwrap() - 1)
    }

    /// Adds a node, or leaves the graph as it was where the node's sum would be too wide.
    fn node(&mut self) {
        let before = self.graph.clone();
        let done = match self.dice.u32(0, 9) {
            0 => self.maximum(),
            1 => self.product(),
            2 => self.normalize(),
            _ => self.affine(),
        };
        if done.is_none() {
            self.graph = before;
        }
    }

    fn maximum(&mut self) -> Option<()> {
        let (a, b) = (self.any_tensor(), self.any_tensor());
        let shape = self.shape();
        let (map_a, map_b) = (self.maps(a, &shape, None), self.maps(b, &shape, None));
        let range = |id: u32| &self.graph.tensors[id as usize];
        let min = range(a).min.min(range(b).min);
        let max = range(a).max.max(range(b).max);
        let output = self.tensor(shape, min, max);
        let (a, b) = (View { tensor: a, map: map_a }, View { tensor: b, map: map_b });
        self.push(output, Op::Max { a, b });
        Some(())
    }

    fn normalize(&mut self) -> Option<()> {
        let numerator = self.any_tensor();
        let tensor = self.graph.tensors[numerator as usize].clone();
        if tensor.min < 0 {
            return None;
        }
        let axis = self.dice.u32(0, u32::try_from(tensor.shape.len()).unwrap() - 1);
        let shift = u8::try_from(self.dice.u32(0, 16)).unwrap();
        let output = self.tensor(tensor.shape, 0, 1 << shift);
        self.push(output, Op::Normalize { numerator, axis, shift });
        Some(())
    }

    fn product(&mut self) -> Option<()> {
        let (a, b) = (self.any_tensor(), self.any_tensor());
        let (mut shape, mut inner) = (Vec::new(), Vec::<u32>::new());
        let mut axes = [Vec::new(), Vec::new()];
        for (side, id) in [a, b].into_iter().enumerate() {
            for &extent in &self.graph.tensors[id as usize].shape.clone() {
                let free = |axis: &OperandAxis| !axes[side].contains(axis);
                let same = |extents: &[u32], follow: fn(u32) -> OperandAxis| {
                    (0_u32..)
                        .zip(extents)
                        .filter(|&(_, &other)| other == extent)
                        .map(|(index, _)| follow(index))
                        .find(free)
                };
                let axis = match self.dice.u32(0, 5) {
                    0 => OperandAxis::Fixed(self.dice.u32(0, extent - 1)),
                    1 | 2 => same(&inner, OperandAxis::Inner).unwrap_or_else(|| {
                        inner.push(extent);
                        OperandAxis::Inner(u32::try_from(inner.len()).unwrap() - 1)
                    }),
                    _ => same(&shape, OperandAxis::Out).unwrap_or_else(|| {
                        shape.push(extent);
                        OperandAxis::Out(u32::try_from(shape.len()).unwrap() - 1)
                    }),
                };
                axes[side].push(axis);
            }
        }
        if shape.is_empty() {
            shape.push(self.dice.u32(1, 3));
        }
        let [axes_a, axes_b] = axes;
        let op = Op::Product {
            a: Operand { tensor: a, axes: axes_a },
            b: Operand { tensor: b, axes: axes_b },
            inner,
            epilogue: Epilogue::Exact,
        };
        self.finish(shape, op)
    }

    fn affine(&mut self) -> Option<()> {
        let mut shape = self.shape();
        let mut terms = Vec::new();
        if self.dice.chance(20) {
            let tensor = self.any_tensor();
            let read = self.graph.tensors[tensor as usize].shape.clone();
            shape = if self.dice.chance(50) {
                read.into_iter().rev().collect()
            } else {
                vec![u32::try_from(cells(&read)).unwrap()]
            };
            let multiplier = self.dice.range(-9, 9);
            terms.push(Term {
                region: shape.iter().map(|&extent| (0, extent)).collect(),
                source: Source::Reshape { tensor, multiplier },
            });
        }
        for _ in 0..self.dice.u32(1, 3) {
            let term = self.term(&shape);
            terms.push(term);
        }
        let epilogue = Epilogue::Exact;
        self.finish(shape, Op::Affine { terms, epilogue })
    }

    /// Gives the node a random epilogue and its output a range that fits.
    fn finish(&mut self, shape: Vec<u32>, op: Op) -> Option<()> {
        let output = self.tensor(shape, 0, 0);
        self.push(output, op);
        let node = self.graph.nodes.last()?;
        let range = bounds::accumulator(&self.graph, node).ok()?;
        let shift = u8::try_from(self.dice.u32(0, 20)).unwrap();
        let quotient = bounds::quotient(range, shift);
        let (chosen, min, max) = match self.dice.u32(0, 3) {
            0 => (Epilogue::Exact, range.0, range.1),
            1 => (Epilogue::ReluBits { shift }, quotient.0.max(0), quotient.1.max(0)),
            _ => {
                let domain_bits = u8::try_from(self.dice.u32(1, 10)).unwrap();
                let domain_min = -self.dice.range(0, 1 << domain_bits);
                let out_min = self.dice.range(-300, 20);
                let function = Function {
                    kind: self.kind(),
                    in_scale: i8::try_from(self.dice.range(-2, 8)).unwrap(),
                    out_scale: i8::try_from(self.dice.range(-2, 8)).unwrap(),
                    out_min,
                    out_max: out_min + self.dice.range(0, 400),
                };
                let (min, max) = (function.out_min, function.out_max);
                let epilogue = Epilogue::Requant { shift, domain_min, domain_bits, function };
                (epilogue, min, max)
            }
        };
        let tensor = &mut self.graph.tensors[output as usize];
        (tensor.min, tensor.max) = (min, max);
        match &mut self.graph.nodes.last_mut()?.op {
            Op::Affine { epilogue, .. } | Op::Product { epilogue, .. } => *epilogue = chosen,
            Op::Max { .. } | Op::Normalize { .. } => {}
        }
        Some(())
    }

    fn kind(&mut self) -> FunctionKind {
        let parameter = i32::try_from(self.dice.range(-70_000, 70_000)).unwrap();
        match self.dice.u32(0, 10) {
            0 => FunctionKind::Sigmoid,
            1 => FunctionKind::LeakyRelu { alpha: parameter },
            2 => FunctionKind::Gelu,
            3 => FunctionKind::Exp,
            4 => FunctionKind::HardSigmoid { alpha: parameter, beta: 32_768 },
            5 => FunctionKind::ArgIndex { n: self.dice.u32(1, 20) },
            6 => FunctionKind::Selu { alpha: parameter, gamma: 70_000 },
            7 => FunctionKind::Truncate { divisor: parameter | 1 },
            _ => FunctionKind::Identity,
        }
    }

    fn term(&mut self, shape: &[u32]) -> Term {
        let whole = self.dice.chance(60);
        let region: Vec<(u32, u32)> = shape
            .iter()
            .map(|&extent| {
                if whole {
                    return (0, extent);
                }
                let start = self.dice.u32(0, extent - 1);
                (start, self.dice.u32(1, extent - start))
            })
            .collect();
        let lengths: Vec<u32> = region.iter().map(|&(_, length)| length).collect();
        let source = match self.dice.u32(0, 9) {
            0 => Source::Constant(self.dice.range(-1000, 1000)),
            1 => Source::Index {
                axis: self.dice.u32(0, u32::try_from(shape.len()).unwrap() - 1),
                multiplier: self.dice.range(-50, 50),
            },
            2 => {
                let digits = self.dice.u32(1, (30 / u32::from(self.graph.weight_bits)).max(1));
                let (param, outer_axes) = self.param(&lengths, &[], digits);
                Source::Bias { param, outer_axes }
            }
            _ => {
                let tensor = self.any_tensor();
                let mut inner = Vec::new();
                let map = self.maps(tensor, &lengths, Some(&mut inner));
                let weight = if self.dice.chance(30) {
                    Weight::Public(self.dice.range(-20, 20))
                } else {
                    let used: Vec<u32> = map
                        .iter()
                        .filter(|map| map.inner.is_some())
                        .filter_map(|map| map.out.map(|(axis, _)| axis))
                        .collect();
                    let columns = inner.iter().product();
                    let (param, outer_axes) = self.param(&lengths, &used, columns);
                    Weight::Param { param, outer_axes }
                };
                Source::Tensor { tensor, inner, map, weight }
            }
        };
        Term { region, source }
    }

    /// A new parameter whose rows are selected by random axes outside `excluded`.
    fn param(&mut self, lengths: &[u32], excluded: &[u32], inner: u32) -> (u32, Vec<u32>) {
        let mut outer_axes = Vec::new();
        let mut outer = 1;
        for (axis, &length) in (0_u32..).zip(lengths) {
            if !excluded.contains(&axis) && self.dice.chance(60) {
                let at = self.dice.u32(0, u32::try_from(outer_axes.len()).unwrap());
                outer_axes.insert(at as usize, axis);
                outer *= length;
            }
        }
        let id = u32::try_from(self.graph.params.len()).unwrap();
        self.graph.params.push(Param { name: format!("p{id}"), outer, inner });
        (id, outer_axes)
    }

    /// Random maps of a tensor; inner indices are added where `inner` is given.
    fn maps(&mut self, id: u32, lengths: &[u32], mut inner: Option<&mut Vec<u32>>) -> Vec<AxisMap> {
        let shape = self.graph.tensors[id as usize].shape.clone();
        let mut free: Vec<u32> = (0..u32::try_from(lengths.len()).unwrap()).collect();
        shape
            .iter()
            .map(|&extent| {
                let mut map = AxisMap::default();
                if self.dice.chance(75) && !free.is_empty() {
                    let at = self.dice.u32(0, u32::try_from(free.len()).unwrap() - 1);
                    map.out = Some((free.remove(at as usize), self.dice.u32(1, 3)));
                }
                if let Some(inner) = inner.as_deref_mut()
                    && self.dice.chance(60)
                {
                    let dilation = self.dice.u32(1, 3);
                    map.inner = Some((u32::try_from(inner.len()).unwrap(), dilation));
                    inner.push(self.dice.u32(1, extent + 1));
                }
                if self.dice.chance(50) {
                    map.offset = self.dice.range(-3, i64::from(extent));
                }
                map
            })
            .collect()
    }
}
