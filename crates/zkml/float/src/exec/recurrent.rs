//! Recurrent networks: RNN, GRU and LSTM as the ONNX operators of these names define them, with their default
//! activations, over whole sequences.

use super::{Context, Fault, Inputs, Operator, maybe, need};
use crate::array::Array;
use crate::ir::{Attr, Node};

/// The three networks.
pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("RNN", |node, inputs, context| run(node, inputs, context, Cell::Rnn)).summing(macs),
    Operator::new("GRU", |node, inputs, context| run(node, inputs, context, Cell::Gru)).summing(macs),
    Operator::new("LSTM", |node, inputs, context| run(node, inputs, context, Cell::Lstm)).summing(macs),
];

/// What a network does at each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// One gate.
    Rnn,
    /// Update, reset, candidate.
    Gru,
    /// Input, output, forget, cell.
    Lstm,
}

impl Cell {
    /// The network of a node.
    pub(crate) fn of(node: &Node) -> Option<Self> {
        match node.op.as_str() {
            "RNN" => Some(Self::Rnn),
            "GRU" => Some(Self::Gru),
            "LSTM" => Some(Self::Lstm),
            _ => None,
        }
    }

    /// Gates of a cell: matrices one below the other.
    pub(crate) fn gates(self) -> usize {
        match self {
            Self::Rnn => 1,
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }

    fn activations(self) -> &'static [&'static str] {
        match self {
            Self::Rnn => &["Tanh"],
            Self::Gru => &["Sigmoid", "Tanh"],
            Self::Lstm => &["Sigmoid", "Tanh", "Tanh"],
        }
    }
}

/// Extents of a network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extents {
    pub(crate) steps: usize,
    pub(crate) batch: usize,
    pub(crate) inputs: usize,
    pub(crate) hidden: usize,
    pub(crate) directions: usize,
    /// Whether the batch comes first.
    pub(crate) by_batch: bool,
}

impl Extents {
    /// The extents that a node's inputs have, which must agree.
    pub(crate) fn of(node: &Node, cell: Cell, x: &[usize], w: &[usize], r: &[usize]) -> Result<Self, Fault> {
        let by_batch = node.int("layout", 0) != 0;
        let (&[first, second, inputs], &[directions, rows, columns], &[_, r_rows, hidden]) = (x, w, r) else {
            return Err("input and weights have three axes".into());
        };
        let (steps, batch) = if by_batch { (second, first) } else { (first, second) };
        let expected = match node.text("direction") {
            "" | "forward" | "reverse" => 1,
            "bidirectional" => 2,
            other => return Err(Fault::Invalid(format!("no direction {other:?}"))),
        };
        let fits = directions == expected
            && r[0] == directions
            && columns == inputs
            && rows == r_rows
            && hidden.checked_mul(cell.gates()) == Some(rows);
        if !fits || steps == 0 || batch == 0 || hidden == 0 {
            return Err(Fault::Invalid(format!("weights {w:?} and {r:?} do not fit an input {x:?}")));
        }
        Ok(Self { steps, batch, inputs, hidden, directions, by_batch })
    }

    /// Shapes of all steps' results, and of the last one's.
    pub(crate) fn results(&self) -> (Vec<usize>, Vec<usize>) {
        let Self { steps, batch, hidden, directions, by_batch, .. } = *self;
        if by_batch {
            (vec![batch, steps, directions, hidden], vec![batch, directions, hidden])
        } else {
            (vec![steps, directions, batch, hidden], vec![directions, batch, hidden])
        }
    }

    /// Whether a direction reads its sequence from the end.
    pub(crate) fn is_reverse(node: &Node, direction: usize) -> bool {
        direction == 1 || node.text("direction") == "reverse"
    }
}

/// Says what of a node is not implemented.
pub(crate) fn check_mode(node: &Node, cell: Cell, directions: usize) -> Result<(), Fault> {
    let unsupported = |what: &str| Err(Fault::Unsupported(what.to_owned()));
    if let Some(given) = node.attrs.get("activations") {
        let Attr::Texts(given) = given else { return Err("activations are names".into()) };
        let expected = cell.activations().iter().cycle().take(cell.activations().len() * directions);
        let same = given.iter().zip(expected).all(|(a, b)| a.eq_ignore_ascii_case(b));
        if given.len() != cell.activations().len() * directions || !same {
            return unsupported("activations other than the default ones");
        }
    }
    if node.attrs.contains_key("clip") {
        return unsupported("clipping before the activations");
    }
    if node.int("input_forget", 0) != 0 {
        return unsupported("coupled input and forget gates");
    }
    Ok(())
}

fn macs(node: &Node, inputs: &Inputs<'_>) -> u64 {
    let shapes = (maybe(inputs, 0), maybe(inputs, 1), maybe(inputs, 2));
    let (Some(x), Some(w), Some(r), Some(cell)) = (shapes.0, shapes.1, shapes.2, Cell::of(node)) else {
        return 0;
    };
    let Ok(extents) = Extents::of(node, cell, &x.shape, &w.shape, &r.shape) else { return 0 };
    let each = (w.len() as u64).saturating_add(r.len() as u64);
    each.saturating_mul(extents.steps as u64).saturating_mul(extents.batch as u64)
}

fn run(node: &Node, inputs: &Inputs<'_>, context: Context, cell: Cell) -> Result<Vec<Array>, Fault> {
    let (x, w, r) = (need(inputs, 0)?, need(inputs, 1)?, need(inputs, 2)?);
    let extents = Extents::of(node, cell, &x.shape, &w.shape, &r.shape)?;
    check_mode(node, cell, extents.directions)?;
    let Extents { steps, batch, hidden, directions, .. } = extents;
    let whole = |lengths: &Array| lengths.ints().is_ok_and(|v| v.iter().all(|&n| n == steps as i64));
    if maybe(inputs, 4).is_some_and(|lengths| !whole(lengths)) {
        return Err(Fault::Unsupported("sequences that end early".into()));
    }
    let (all, last) = extents.results();
    let mut y = vec![0.0; all.iter().product()];
    let mut finals = [vec![0.0; directions * batch * hidden], vec![0.0; directions * batch * hidden]];
    let network = Network::new(node, inputs, cell, extents)?;
    if !context.shapes_only {
        for direction in 0..directions {
            for row in 0..batch {
                let mut state = network.start(direction, row);
                for step in 0..steps {
                    let at = if Extents::is_reverse(node, direction) { steps - 1 - step } else { step };
                    network.step(direction, network.input(at, row), &mut state);
                    let to = network.position(at, direction, row);
                    y[to..to + hidden].copy_from_slice(&state.hidden);
                }
                let to = network.last_position(direction, row);
                finals[0][to..to + hidden].copy_from_slice(&state.hidden);
                finals[1][to..to + hidden].copy_from_slice(&state.cell);
            }
        }
    }
    let [h, c] = finals;
    let mut results = vec![Array::f32(all, y), Array::f32(last.clone(), h)];
    if cell == Cell::Lstm {
        results.push(Array::f32(last, c));
    }
    Ok(results)
}

/// What a sequence has come to.
struct State {
    hidden: Vec<f32>,
    cell: Vec<f32>,
}

/// A network's parameters, flat.
struct Network<'a> {
    cell: Cell,
    extents: Extents,
    x: &'a [f32],
    w: &'a [f32],
    r: &'a [f32],
    bias: Vec<f32>,
    starts: [Option<&'a [f32]>; 2],
    peepholes: Option<&'a [f32]>,
    resets_after: bool,
}

impl<'a> Network<'a> {
    fn new(node: &Node, inputs: &Inputs<'a>, cell: Cell, extents: Extents) -> Result<Self, Fault> {
        let Extents { batch, hidden, directions, .. } = extents;
        let rows = cell.gates() * hidden;
        let of_length = |index: usize, length: usize| -> Result<Option<&'a [f32]>, Fault> {
            let Some(array) = maybe(inputs, index) else { return Ok(None) };
            match array.floats()? {
                values if values.len() == length => Ok(Some(values)),
                values => Err(Fault::Invalid(format!(
                    "input {index} has {} elements instead of {length}",
                    values.len()
                ))),
            }
        };
        let is_lstm = cell == Cell::Lstm;
        let bias = of_length(3, directions * 2 * rows)?;
        Ok(Self {
            cell,
            extents,
            x: need(inputs, 0)?.floats()?,
            w: need(inputs, 1)?.floats()?,
            r: need(inputs, 2)?.floats()?,
            bias: bias.map_or_else(|| vec![0.0; directions * 2 * rows], <[f32]>::to_vec),
            starts: [
                of_length(5, directions * batch * hidden)?,
                if is_lstm { of_length(6, directions * batch * hidden)? } else { None },
            ],
            peepholes: if is_lstm { of_length(7, directions * 3 * hidden)? } else { None },
            resets_after: node.int("linear_before_reset", 0) != 0,
        })
    }

    fn input(&self, step: usize, row: usize) -> &[f32] {
        let Extents { steps, batch, inputs, by_batch, .. } = self.extents;
        let at = if by_batch { row * steps + step } else { step * batch + row };
        &self.x[at * inputs..(at + 1) * inputs]
    }

    fn position(&self, step: usize, direction: usize, row: usize) -> usize {
        let Extents { steps, batch, hidden, directions, by_batch, .. } = self.extents;
        let at = if by_batch {
            (row * steps + step) * directions + direction
        } else {
            (step * directions + direction) * batch + row
        };
        at * hidden
    }

    fn last_position(&self, direction: usize, row: usize) -> usize {
        let Extents { batch, hidden, directions, by_batch, .. } = self.extents;
        (if by_batch { row * directions + direction } else { direction * batch + row }) * hidden
    }

    fn start(&self, direction: usize, row: usize) -> State {
        let hidden = self.extents.hidden;
        let from = self.last_position(direction, row);
        let of = |values: Option<&[f32]>| {
            values.map_or_else(|| vec![0.0; hidden], |values| values[from..from + hidden].to_vec())
        };
        State { hidden: of(self.starts[0]), cell: of(self.starts[1]) }
    }

    /// A gate's sum: of the input, and of the state.
    fn sums(&self, direction: usize, row: usize, x: &[f32], h: &[f32]) -> (f32, f32) {
        let rows = self.cell.gates() * self.extents.hidden;
        let dot = |matrix: &[f32], v: &[f32]| {
            let at = (direction * rows + row) * v.len();
            matrix[at..at + v.len()].iter().zip(v).map(|(a, b)| a * b).sum::<f32>()
        };
        let bias = &self.bias[direction * 2 * rows..];
        (dot(self.w, x) + bias[row], dot(self.r, h) + bias[rows + row])
    }

    fn step(&self, direction: usize, x: &[f32], state: &mut State) {
        let hidden = self.extents.hidden;
        let sigmoid = |v: f32| 1.0 / (1.0 + (-v).exp());
        let gate = |gate: usize, j: usize, h: &[f32]| self.sums(direction, gate * hidden + j, x, h);
        let h = state.hidden.clone();
        match self.cell {
            Cell::Rnn => {
                for j in 0..hidden {
                    let (a, b) = gate(0, j, &h);
                    state.hidden[j] = (a + b).tanh();
                }
            }
            Cell::Gru => {
                let sum = |(a, b): (f32, f32)| a + b;
                let reset: Vec<f32> = (0..hidden).map(|j| sigmoid(sum(gate(1, j, &h)))).collect();
                let kept: Vec<f32> = reset.iter().zip(&h).map(|(r, h)| r * h).collect();
                for j in 0..hidden {
                    let update = sigmoid(sum(gate(0, j, &h)));
                    let candidate = if self.resets_after {
                        let (a, b) = gate(2, j, &h);
                        (a + reset[j] * b).tanh()
                    } else {
                        sum(gate(2, j, &kept)).tanh()
                    };
                    state.hidden[j] = (1.0 - update) * candidate + update * h[j];
                }
            }
            Cell::Lstm => {
                let peephole = |which: usize, j: usize| {
                    self.peepholes.map_or(0.0, |p| p[(direction * 3 + which) * hidden + j])
                };
                for j in 0..hidden {
                    let sum = |index: usize| {
                        let (a, b) = gate(index, j, &h);
                        a + b
                    };
                    let input = sigmoid(sum(0) + peephole(0, j) * state.cell[j]);
                    let forget = sigmoid(sum(2) + peephole(2, j) * state.cell[j]);
                    state.cell[j] = forget * state.cell[j] + input * sum(3).tanh();
                    let output = sigmoid(sum(1) + peephole(1, j) * state.cell[j]);
                    state.hidden[j] = output * state.cell[j].tanh();
                }
            }
        }
    }
}
