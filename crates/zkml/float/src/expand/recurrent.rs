//! Recurrent networks, unrolled: the same sums and functions at each step of a sequence of fixed length.

use super::Builder;
use crate::array::Array;
use crate::exec::recurrent::{Cell, Extents};
use crate::ir::{Attr, Constant, Node, ValueId};
use std::sync::Arc;

/// Most steps of all directions together.
const MAX_STEPS: usize = 1 << 12;

/// Writes a network step by step. False if its weights depend on the input, or it is too long.
pub(super) fn unrolled(to: &mut Builder<'_>, node: &Node, x: ValueId) -> bool {
    let Some(cell) = Cell::of(node) else { return false };
    let constant = |index: usize| node.input(index).and_then(|id| to.ir.constant(id)).cloned();
    let (Some(w), Some(r), Some(shape)) = (constant(1), constant(2), to.ir.values[x].shape.clone()) else {
        return false;
    };
    let Ok(extents) = Extents::of(node, cell, &shape, &w.array.shape, &r.array.shape) else { return false };
    if extents.steps * extents.directions > MAX_STEPS {
        return false;
    }
    let (bias, peepholes) = (constant(3), constant(7).filter(|_| cell == Cell::Lstm));
    if node.input(3).is_some() != bias.is_some() || node.input(7).is_some() && peepholes.is_none() {
        return false;
    }
    let name = |index: usize| node.input(index).map(|id| to.ir.values[id].name.clone()).unwrap_or_default();
    let names = [1, 2, 3, 7].map(name);
    let parameters = Parameters { cell, extents, w, r, bias, peepholes, names };
    let mut directions = Vec::new();
    for direction in 0..extents.directions {
        let weights = parameters.of(to, direction);
        directions.push(unroll(to, node, x, &parameters, &weights, direction));
    }
    outputs(to, node, extents, &directions);
    true
}

/// Constants of a network.
struct Parameters {
    cell: Cell,
    extents: Extents,
    w: Constant,
    r: Constant,
    bias: Option<Constant>,
    peepholes: Option<Constant>,
    /// Names of the four in the file.
    names: [String; 4],
}

/// Constants of one direction.
struct Weights {
    /// `[inputs, gates × hidden]`.
    w: ValueId,
    /// `[hidden, hidden]` for each gate.
    r: Vec<ValueId>,
    /// What is added to all gates' sums of the input: `[gates × hidden]`.
    bias: Option<ValueId>,
    /// What a GRU adds to its candidate's sum of the state before that is reset: `[hidden]`.
    inner: Option<ValueId>,
    /// Input, output and forget gates' weights of an LSTM's cell: `[hidden]` each.
    peepholes: Option<[ValueId; 3]>,
}

impl Parameters {
    fn of(&self, to: &mut Builder<'_>, direction: usize) -> Weights {
        let Extents { inputs, hidden, .. } = self.extents;
        let rows = self.cell.gates() * hidden;
        let slice = |constant: &Constant, from: usize, length: usize| -> Vec<f32> {
            constant.array.to_floats().get(from..from + length).map(<[f32]>::to_vec).unwrap_or_default()
        };
        let mut kept = |name: &str, shape: Vec<usize>, values: Vec<f32>, secret: bool| {
            let id = to.value(name.to_owned(), Some(shape.clone()));
            to.ir.values[id].constant = Some(Constant { array: Arc::new(Array::f32(shape, values)), secret });
            id
        };
        let w = slice(&self.w, direction * rows * inputs, rows * inputs);
        let w = crate::exec::transpose(&w, rows, inputs);
        let w = kept(&self.names[0], vec![inputs, rows], w, self.w.secret);
        let r = (0..self.cell.gates())
            .map(|gate| {
                let of_gate = slice(&self.r, (direction * rows + gate * hidden) * hidden, hidden * hidden);
                let turned = crate::exec::transpose(&of_gate, hidden, hidden);
                kept(&self.names[1], vec![hidden, hidden], turned, self.r.secret)
            })
            .collect();
        let (mut bias, mut inner) = (None, None);
        if let Some(constant) = &self.bias {
            let mut outer = slice(constant, direction * 2 * rows, rows);
            let mut of_state = slice(constant, (direction * 2 + 1) * rows, rows);
            if self.cell == Cell::Gru {
                let candidate = of_state.split_off(2 * hidden);
                inner = Some(kept(&self.names[2], vec![hidden], candidate, constant.secret));
            }
            outer.iter_mut().zip(&of_state).for_each(|(outer, inner)| *outer += inner);
            bias = Some(kept(&self.names[2], vec![rows], outer, constant.secret));
        }
        let peepholes = self.peepholes.as_ref().map(|constant| {
            [0, 1, 2].map(|which| {
                let values = slice(constant, (direction * 3 + which) * hidden, hidden);
                kept(&self.names[3], vec![hidden], values, constant.secret)
            })
        });
        Weights { w, r, bias, inner, peepholes }
    }
}

/// One direction's results.
struct Run {
    /// `[batch, hidden]` of each step, in the sequence's order.
    hidden: Vec<ValueId>,
    last: ValueId,
    /// An LSTM's cell at the end.
    cell: Option<ValueId>,
}

fn unroll(
    to: &mut Builder<'_>,
    node: &Node,
    x: ValueId,
    parameters: &Parameters,
    weights: &Weights,
    direction: usize,
) -> Run {
    let Parameters { cell, extents, .. } = *parameters;
    let Extents { steps, batch, hidden, .. } = extents;
    let mut state = start(to, node, 5, extents, direction);
    let mut memory = if cell == Cell::Lstm { start(to, node, 6, extents, direction) } else { None };
    let mut results = vec![x; steps];
    for step in 0..steps {
        let at = if Extents::is_reverse(node, direction) { steps - 1 - step } else { step };
        let sums = input_sums(to, node, x, extents, weights, at, cell.gates());
        let mut step = Step { to, node, weights, shape: vec![batch, hidden] };
        let new = match cell {
            Cell::Rnn => {
                let sum = step.with_state(sums[0], state, 0);
                step.apply("Tanh", sum)
            }
            Cell::Gru => step.gru(&sums, state, node.int("linear_before_reset", 0) != 0),
            Cell::Lstm => {
                let (new, kept) = step.lstm(&sums, state, memory);
                memory = Some(kept);
                new
            }
        };
        state = Some(new);
        results[at] = new;
    }
    Run { hidden: results, last: state.unwrap_or(x), cell: memory }
}

/// A state that the node is given for a direction: `[batch, hidden]`; none where it begins with zeros.
fn start(
    to: &mut Builder<'_>,
    node: &Node,
    index: usize,
    extents: Extents,
    direction: usize,
) -> Option<ValueId> {
    let Extents { batch, hidden, directions, by_batch, .. } = extents;
    let mut value = node.input(index)?;
    if let Some(constant) = to.ir.constant(value).cloned() {
        return given(to, &constant, extents, direction);
    }
    if directions > 1 {
        let axis = usize::from(by_batch);
        let at = to.array("direction", Array::i64(vec![1], vec![direction as i64]));
        let shape = if by_batch { vec![batch, 1, hidden] } else { vec![1, batch, hidden] };
        value = to.node("start", node, "Gather", &[value, at], Some(shape));
        to.attribute("axis", Attr::Int(axis as i64));
    }
    Some(to.reshaped("state", node, value, &[batch, hidden]))
}

/// A state that is in the file; none where it is zero.
fn given(to: &mut Builder<'_>, constant: &Constant, extents: Extents, direction: usize) -> Option<ValueId> {
    let Extents { batch, hidden, directions, by_batch, .. } = extents;
    let values = constant.array.to_floats();
    let position = |row: usize| if by_batch { row * directions + direction } else { direction * batch + row };
    let rows = (0..batch).flat_map(|row| values.iter().skip(position(row) * hidden).take(hidden).copied());
    let array = Array::f32(vec![batch, hidden], rows.collect());
    if array.to_floats().iter().all(|&value| value == 0.0) {
        return None;
    }
    let id = to.value("state".into(), Some(array.shape.clone()));
    to.ir.values[id].constant = Some(Constant { array: Arc::new(array), secret: constant.secret });
    Some(id)
}

/// What each gate sums of a step's input: `[batch, hidden]` for each.
fn input_sums(
    to: &mut Builder<'_>,
    node: &Node,
    x: ValueId,
    extents: Extents,
    weights: &Weights,
    step: usize,
    gates: usize,
) -> Vec<ValueId> {
    let Extents { batch, inputs, hidden, by_batch, .. } = extents;
    let at = to.array("step", Array::i64(vec![1], vec![step as i64]));
    let shape = if by_batch { vec![batch, 1, inputs] } else { vec![1, batch, inputs] };
    let row = to.node("input", node, "Gather", &[x, at], Some(shape));
    to.attribute("axis", Attr::Int(i64::from(by_batch)));
    let row = to.reshaped("row", node, row, &[batch, inputs]);
    let all = Some(vec![batch, gates * hidden]);
    let mut sums = to.node("sums", node, "MatMul", &[row, weights.w], all.clone());
    if let Some(bias) = weights.bias {
        sums = to.node("biased", node, "Add", &[sums, bias], all);
    }
    (0..gates)
        .map(|gate| {
            let bound = |value: usize| Array::i64(vec![1], vec![value as i64]);
            let from = to.array("from", bound(gate * hidden));
            let end = to.array("end", bound((gate + 1) * hidden));
            let axis = to.array("axis", bound(1));
            to.node("gate", node, "Slice", &[sums, from, end, axis], Some(vec![batch, hidden]))
        })
        .collect()
}

/// One step of a cell, on values of one shape.
struct Step<'a, 'b> {
    to: &'a mut Builder<'b>,
    node: &'a Node,
    weights: &'a Weights,
    shape: Vec<usize>,
}

impl Step<'_, '_> {
    fn apply(&mut self, function: &str, x: ValueId) -> ValueId {
        if let Some(folded) = self.to.folded(self.node, function, &[x]) {
            return folded;
        }
        self.to.node(function, self.node, function, &[x], Some(self.shape.clone()))
    }

    fn combine(&mut self, operator: &str, a: ValueId, b: ValueId) -> ValueId {
        // A state that the file gives is multiplied once and for all.
        if let Some(folded) = self.to.folded(self.node, operator, &[a, b]) {
            return folded;
        }
        self.to.node(operator, self.node, operator, &[a, b], Some(self.shape.clone()))
    }

    fn of_state(&mut self, state: ValueId, gate: usize) -> ValueId {
        self.combine("MatMul", state, self.weights.r[gate])
    }

    /// A gate's sum of the input, and of the state if there is one.
    fn with_state(&mut self, sum: ValueId, state: Option<ValueId>, gate: usize) -> ValueId {
        let Some(state) = state else { return sum };
        let of_state = self.of_state(state, gate);
        self.combine("Add", sum, of_state)
    }

    /// Update `z`, reset `r`, candidate `n`: `n + z × (h - n)`.
    fn gru(&mut self, sums: &[ValueId], state: Option<ValueId>, resets_after: bool) -> ValueId {
        let update = self.with_state(sums[0], state, 0);
        let update = self.apply("Sigmoid", update);
        let reset = self.with_state(sums[1], state, 1);
        let reset = self.apply("Sigmoid", reset);
        let mut sum = sums[2];
        let inner = self.weights.inner;
        if resets_after {
            let of_state = state.map(|state| self.of_state(state, 2));
            let of_state = match (of_state, inner) {
                (Some(of_state), Some(inner)) => Some(self.combine("Add", of_state, inner)),
                (of_state, inner) => of_state.or(inner),
            };
            if let Some(of_state) = of_state {
                let kept = self.combine("Mul", reset, of_state);
                sum = self.combine("Add", sum, kept);
            }
        } else {
            if let Some(state) = state {
                let kept = self.combine("Mul", reset, state);
                sum = self.with_state(sum, Some(kept), 2);
            }
            if let Some(inner) = inner {
                sum = self.combine("Add", sum, inner);
            }
        }
        let candidate = self.apply("Tanh", sum);
        match state {
            Some(state) => {
                let apart = self.combine("Sub", state, candidate);
                let part = self.combine("Mul", update, apart);
                self.combine("Add", candidate, part)
            }
            None => {
                let part = self.combine("Mul", update, candidate);
                self.combine("Sub", candidate, part)
            }
        }
    }

    /// The new state and the new cell: `c' = f × c + i × g`, `h' = o × tanh(c')`.
    fn lstm(
        &mut self,
        sums: &[ValueId],
        state: Option<ValueId>,
        memory: Option<ValueId>,
    ) -> (ValueId, ValueId) {
        let input = self.gate(sums[0], state, 0, memory, 0);
        let candidate = self.with_state(sums[3], state, 3);
        let candidate = self.apply("Tanh", candidate);
        let mut kept = self.combine("Mul", input, candidate);
        if let Some(memory) = memory {
            let forget = self.gate(sums[2], state, 2, Some(memory), 2);
            let old = self.combine("Mul", forget, memory);
            kept = self.combine("Add", old, kept);
        }
        let output = self.gate(sums[1], state, 1, Some(kept), 1);
        let shown = self.apply("Tanh", kept);
        (self.combine("Mul", output, shown), kept)
    }

    /// A gate of an LSTM, which may look at the cell.
    fn gate(
        &mut self,
        sum: ValueId,
        state: Option<ValueId>,
        gate: usize,
        memory: Option<ValueId>,
        peephole: usize,
    ) -> ValueId {
        let mut sum = self.with_state(sum, state, gate);
        if let (Some(peepholes), Some(memory)) = (self.weights.peepholes, memory) {
            let seen = self.combine("Mul", memory, peepholes[peephole]);
            sum = self.combine("Add", sum, seen);
        }
        self.apply("Sigmoid", sum)
    }
}

/// Puts the steps and directions together, as the node's outputs have them.
fn outputs(to: &mut Builder<'_>, node: &Node, extents: Extents, runs: &[Run]) {
    let Extents { steps, batch, hidden, directions, by_batch, .. } = extents;
    let (all, last) = extents.results();
    if let Some(out) = node.output(0) {
        let (one, of_direction, axes) = if by_batch {
            ([batch, 1, 1, hidden], vec![batch, steps, 1, hidden], (1, 2))
        } else {
            ([1, 1, batch, hidden], vec![steps, 1, batch, hidden], (0, 1))
        };
        let parts: Vec<ValueId> = runs
            .iter()
            .map(|run| {
                let steps: Vec<ValueId> =
                    run.hidden.iter().map(|&h| to.reshaped("step", node, h, &one)).collect();
                joined(to, node, &steps, axes.0, &of_direction)
            })
            .collect();
        let whole = joined(to, node, &parts, axes.1, &all);
        named(to, node, whole, &all, out);
    }
    let finals = [
        runs.iter().map(|run| Some(run.last)).collect::<Vec<_>>(),
        runs.iter().map(|run| run.cell).collect(),
    ];
    for (index, values) in finals.into_iter().enumerate() {
        let (Some(out), Some(values)) =
            (node.output(index + 1), values.into_iter().collect::<Option<Vec<_>>>())
        else {
            continue;
        };
        let one = if by_batch { [batch, 1, hidden] } else { [1, batch, hidden] };
        let parts: Vec<ValueId> =
            values.into_iter().map(|value| to.reshaped("last", node, value, &one)).collect();
        debug_assert_eq!(parts.len(), directions);
        let whole = joined(to, node, &parts, usize::from(by_batch), &last);
        named(to, node, whole, &last, out);
    }
}

fn joined(to: &mut Builder<'_>, node: &Node, parts: &[ValueId], axis: usize, shape: &[usize]) -> ValueId {
    if let [part] = parts {
        return *part;
    }
    let whole = to.node("joined", node, "Concat", parts, Some(shape.to_vec()));
    to.attribute("axis", Attr::Int(axis as i64));
    whole
}

/// Gives a value the name of an output of the node.
fn named(to: &mut Builder<'_>, node: &Node, value: ValueId, shape: &[usize], out: ValueId) {
    to.reshaped("output", node, value, shape);
    if let Some(last) = to.nodes.last_mut() {
        last.outputs = vec![Some(out)];
    }
}
