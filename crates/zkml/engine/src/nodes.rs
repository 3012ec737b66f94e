//! The operations other than affine sums: products of activations, maxima, and softmax.

use zkml_graph::{Node, Operand, OperandAxis, Tensor, View};

use crate::affine::Sources;
use crate::error::{EngineError, cells};
use crate::reference::{Evaluator, indices};
use crate::window::{Window, positions, rows, strides};

/// The accumulators of a product of activations.
pub(crate) fn product(
    sources: &Sources<'_>,
    output: &Tensor,
    [a, b]: [&Operand; 2],
    inner: &[u32],
) -> Vec<i64> {
    let (a, b) = (Factor::new(sources, a, output, inner), Factor::new(sources, b, output, inner));
    let mut acc = vec![0; cells(&output.shape)];
    let steps = strides(&output.shape);
    let row = output.shape.last().map_or(1, |&length| length as usize);
    let along = |steps: &[usize]| steps.last().copied().unwrap_or(0);
    let forms: [&[usize]; 3] = [&steps, &a.steps, &b.steps];
    rows(&output.shape, [0, a.base, b.base], forms, &mut |[o, i, j]| {
        for (position, acc) in acc[o..o + row].iter_mut().enumerate() {
            let left = &a.values[i + position * along(&a.steps)..];
            let right = &b.values[j + position * along(&b.steps)..];
            let pairs = a.deltas.iter().zip(&b.deltas);
            *acc = pairs.map(|(&da, &db)| left[da] * right[db]).sum();
        }
    });
    acc
}

/// A factor of a product as linear forms over the output's and the sum's indices.
struct Factor<'a> {
    values: &'a [i64],
    base: usize,
    steps: Vec<usize>,
    deltas: Vec<usize>,
}

impl<'a> Factor<'a> {
    fn new(sources: &Sources<'a>, operand: &Operand, output: &Tensor, inner: &[u32]) -> Self {
        let shape = &sources.graph.tensors[operand.tensor as usize].shape;
        let mut base = 0;
        let mut steps = vec![0; output.shape.len()];
        let mut inner_steps = vec![0; inner.len()];
        for (axis, step) in operand.axes.iter().zip(strides(shape)) {
            match *axis {
                OperandAxis::Out(out) => steps[out as usize] = step,
                OperandAxis::Inner(index) => inner_steps[index as usize] = step,
                OperandAxis::Fixed(coordinate) => base += coordinate as usize * step,
            }
        }
        Self {
            values: &sources.values[operand.tensor as usize],
            base,
            steps,
            deltas: positions(inner, &inner_steps),
        }
    }
}

/// The elementwise maximum of two views.
pub(crate) fn maximum(sources: &Sources<'_>, output: &Tensor, [a, b]: [&View; 2]) -> Vec<i64> {
    let mut greatest = vec![i64::MIN; cells(&output.shape)];
    for view in [a, b] {
        raise(sources, output, view, &mut greatest);
    }
    greatest
}

/// Raises each element to what a view reads there.
fn raise(sources: &Sources<'_>, output: &Tensor, view: &View, greatest: &mut [i64]) {
    let tensor = &sources.graph.tensors[view.tensor as usize];
    let values = &sources.values[view.tensor as usize];
    let Some(window) = Window::new(&tensor.shape, &view.map, &output.shape, &[], false) else {
        let evaluator = Evaluator { graph: sources.graph, weights: sources.weights, values: sources.values };
        for (o, greatest) in indices(&output.shape).zip(greatest) {
            *greatest = evaluator.view(view, &o).max(*greatest);
        }
        return;
    };
    let buffer = window.buffer(&tensor.shape, values, tensor.min);
    let steps = strides(&output.shape);
    let row = output.shape.last().map_or(1, |&length| length as usize);
    let along = window.steps.last().copied().unwrap_or(0);
    let forms: [&[usize]; 2] = [&steps, &window.steps];
    rows(&output.shape, [0, window.base], forms, &mut |[o, i]| {
        let greatest = &mut greatest[o..o + row];
        if along == 1 {
            for (greatest, &value) in greatest.iter_mut().zip(&buffer[i..i + row]) {
                *greatest = value.max(*greatest);
            }
        } else {
            for (j, greatest) in greatest.iter_mut().enumerate() {
                *greatest = buffer[i + j * along].max(*greatest);
            }
        }
    });
}

/// The last step of a softmax.
pub(crate) fn normalize(
    node: &Node,
    output: &Tensor,
    numerator: &[i64],
    axis: usize,
    shift: u8,
) -> Result<Vec<i64>, EngineError> {
    let extent = output.shape[axis] as usize;
    let step = strides(&output.shape)[axis];
    let mut result = vec![0; numerator.len()];
    for block in 0..numerator.len() / (extent * step) {
        for offset in 0..step {
            let start = block * extent * step + offset;
            let line = || (start..).step_by(step).take(extent);
            let sum: i64 = line().map(|position| numerator[position]).sum();
            if sum < 1 {
                return Err(EngineError::DivisorRange { node: node.name.clone(), sum });
            }
            for position in line() {
                result[position] = (numerator[position] << shift) / sum;
            }
        }
    }
    Ok(result)
}
