//! The definition of what a graph computes, element by element, as [`zkml_graph::types`] says it.
//!
//! Written to be read beside those definitions, not to be fast.

use zkml_graph::bounds::rescale;
use zkml_graph::validate::validate;
use zkml_graph::{
    AxisMap, Epilogue, Graph, Node, Op, Operand, OperandAxis, Source, Tensor, Term, View, Weight, Weights,
};

use crate::Execution;
use crate::error::{EngineError, cells, check_inputs, check_weights};

/// Does what [`crate::execute`] does, by the definitions.
///
/// # Errors
/// Returns the errors of [`crate::execute`].
pub fn execute(graph: &Graph, weights: &Weights, inputs: &[Vec<i64>]) -> Result<Execution, EngineError> {
    validate(graph)?;
    check_weights(graph, weights)?;
    check_inputs(graph, inputs)?;
    let mut execution = Execution {
        tensors: vec![Vec::new(); graph.tensors.len()],
        accumulators: Vec::with_capacity(graph.nodes.len()),
    };
    for (&id, values) in graph.inputs.iter().zip(inputs) {
        execution.tensors[id as usize].clone_from(values);
    }
    for node in &graph.nodes {
        let evaluator = Evaluator { graph, weights, values: &execution.tensors };
        let (accumulator, output) = evaluator.node(node)?;
        execution.accumulators.push(accumulator);
        execution.tensors[node.output as usize] = output;
    }
    Ok(execution)
}

/// Every index of a box, row-major. An empty list of extents has one index.
pub(crate) fn indices(extents: &[u32]) -> impl Iterator<Item = Vec<u32>> + '_ {
    (0..cells(extents)).map(move |flat| {
        let mut rest = flat;
        let mut index = vec![0; extents.len()];
        for (coordinate, &extent) in index.iter_mut().zip(extents).rev() {
            *coordinate = (rest % extent as usize) as u32;
            rest /= extent as usize;
        }
        index
    })
}

/// The position of an index in row-major order.
fn flat(index: impl IntoIterator<Item = (u32, u32)>) -> usize {
    index
        .into_iter()
        .fold(0, |position, (coordinate, extent)| position * extent as usize + coordinate as usize)
}

pub(crate) struct Evaluator<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) weights: &'a Weights,
    pub(crate) values: &'a [Vec<i64>],
}

impl Evaluator<'_> {
    /// The accumulators and the output of a node.
    fn node(&self, node: &Node) -> Result<(Vec<i64>, Vec<i64>), EngineError> {
        let shape = &self.tensor(node.output).shape;
        let each =
            |value: &dyn Fn(&[u32]) -> i64| -> Vec<i64> { indices(shape).map(|o| value(&o)).collect() };
        Ok(match &node.op {
            Op::Affine { terms, epilogue } => {
                let sum = |o: &[u32]| terms.iter().map(|term| self.term(term, o)).sum();
                let accumulator = each(&sum);
                let output = accumulator.iter().map(|&acc| apply(epilogue, acc)).collect();
                (accumulator, output)
            }
            Op::Product { a, b, inner, epilogue } => {
                let sum =
                    |o: &[u32]| indices(inner).map(|i| self.operand(a, o, &i) * self.operand(b, o, &i)).sum();
                let accumulator = each(&sum);
                let output = accumulator.iter().map(|&acc| apply(epilogue, acc)).collect();
                (accumulator, output)
            }
            Op::Max { a, b } => {
                let greater = |o: &[u32]| self.view(a, o).max(self.view(b, o));
                (Vec::new(), each(&greater))
            }
            Op::Normalize { numerator, axis, shift } => {
                let values = &self.values[*numerator as usize];
                let at = |o: &[u32]| values[flat(o.iter().copied().zip(shape.iter().copied()))];
                let sum = |o: &[u32]| -> i64 {
                    let mut o = o.to_vec();
                    (0..shape[*axis as usize])
                        .map(|position| {
                            o[*axis as usize] = position;
                            at(&o)
                        })
                        .sum()
                };
                let mut output = Vec::with_capacity(cells(shape));
                for o in indices(shape) {
                    let sum = sum(&o);
                    if sum < 1 {
                        return Err(EngineError::DivisorRange { node: node.name.clone(), sum });
                    }
                    output.push((at(&o) << shift) / sum);
                }
                (Vec::new(), output)
            }
        })
    }

    fn tensor(&self, id: u32) -> &Tensor {
        &self.graph.tensors[id as usize]
    }

    pub(crate) fn term(&self, term: &Term, o: &[u32]) -> i64 {
        let mut local = Vec::with_capacity(o.len());
        for (&coordinate, &(start, length)) in o.iter().zip(&term.region) {
            if coordinate < start || coordinate - start >= length {
                return 0;
            }
            local.push(coordinate - start);
        }
        let row = |outer_axes: &[u32]| {
            flat(outer_axes.iter().map(|&axis| {
                let axis = axis as usize;
                (local[axis], term.region[axis].1)
            }))
        };
        match &term.source {
            Source::Constant(value) => *value,
            Source::Index { axis, multiplier } => multiplier * i64::from(local[*axis as usize]),
            Source::Bias { param, outer_axes } => {
                let digits = self.graph.params[*param as usize].inner as usize;
                let row = row(outer_axes);
                let weights = &self.weights.0[*param as usize];
                (0..digits)
                    .map(|d| {
                        let place = usize::from(self.graph.weight_bits) * d;
                        i64::from(weights[row * digits + d]) << place
                    })
                    .sum()
            }
            Source::Tensor { tensor, inner, map, weight } => indices(inner)
                .enumerate()
                .map(|(position, i)| {
                    let factor = match weight {
                        Weight::Public(value) => *value,
                        Weight::Param { param, outer_axes } => {
                            let width = self.graph.params[*param as usize].inner as usize;
                            let weights = &self.weights.0[*param as usize];
                            i64::from(weights[row(outer_axes) * width + position])
                        }
                    };
                    self.read(*tensor, map, &local, &i).map_or(0, |value| factor * value)
                })
                .sum(),
            Source::Reshape { tensor, multiplier } => {
                let position = flat(local.iter().copied().zip(term.region.iter().map(|&(_, length)| length)));
                multiplier * self.values[*tensor as usize][position]
            }
        }
    }

    /// The element under the maps, or nothing outside the tensor.
    fn read(&self, tensor: u32, map: &[AxisMap], o: &[u32], i: &[u32]) -> Option<i64> {
        let shape = &self.tensor(tensor).shape;
        let mut position = 0;
        for (axis, &extent) in map.iter().zip(shape) {
            let mut coordinate = axis.offset;
            if let Some((out, stride)) = axis.out {
                coordinate += i64::from(stride) * i64::from(o[out as usize]);
            }
            if let Some((inner, dilation)) = axis.inner {
                coordinate += i64::from(dilation) * i64::from(i[inner as usize]);
            }
            if coordinate < 0 || coordinate >= i64::from(extent) {
                return None;
            }
            position = position * extent as usize + usize::try_from(coordinate).ok()?;
        }
        self.values[tensor as usize].get(position).copied()
    }

    pub(crate) fn view(&self, view: &View, o: &[u32]) -> i64 {
        self.read(view.tensor, &view.map, o, &[]).unwrap_or(self.tensor(view.tensor).min)
    }

    fn operand(&self, operand: &Operand, o: &[u32], i: &[u32]) -> i64 {
        let shape = &self.tensor(operand.tensor).shape;
        let position = flat(operand.axes.iter().zip(shape).map(|(axis, &extent)| {
            let coordinate = match *axis {
                OperandAxis::Out(out) => o[out as usize],
                OperandAxis::Inner(inner) => i[inner as usize],
                OperandAxis::Fixed(coordinate) => coordinate,
            };
            (coordinate, extent)
        }));
        self.values[operand.tensor as usize][position]
    }
}

/// The output element of an accumulator.
fn apply(epilogue: &Epilogue, acc: i64) -> i64 {
    match epilogue {
        Epilogue::Exact => acc,
        Epilogue::Requant { shift, domain_min, domain_bits, function } => {
            let domain_max = domain_min + (1_i64 << domain_bits) - 1;
            function.eval(rescale(acc, *shift).clamp(*domain_min, domain_max))
        }
        Epilogue::ReluBits { shift } => rescale(acc, *shift).max(0),
    }
}
