//! One small model for every kind of node. Each takes a seed for its weights.

use crate::dice::Dice;
use crate::maker::{Maker, at, out, read, relu, requant, sum, table, weigh};
use zkml_graph::*;

/// Two dense layers.
#[must_use]
pub fn dense(seed: u64) -> Maker {
    let mut maker = Maker::new(seed, &[20], -128, 127);
    let terms = maker.dense(0, 33);
    let hidden = maker.relu(&[33], terms, 9);
    let terms = maker.dense(hidden, 5);
    let output = maker.exact(&[5], terms);
    maker.graph.outputs = vec![output];
    maker
}

/// Two dimensions, with stride, padding, dilation and bias.
#[must_use]
pub fn convolution(seed: u64) -> Maker {
    let mut maker = Maker::new(seed, &[3, 9, 11], -128, 127);
    let shape = [5, 4, 5];
    let (param, bias) = (maker.param(5, 3 * 3 * 2), maker.param(5, 2));
    let map = vec![sum(0), at(-1, Some((1, 2)), Some((1, 2))), at(-2, Some((2, 3)), Some((2, 1)))];
    let terms = vec![
        maker.whole(&shape, weigh(0, &[3, 3, 2], map, param, &[0])),
        maker.whole(&shape, Source::Bias { param: bias, outer_axes: vec![0] }),
    ];
    let output = maker.relu(&shape, terms, 10);
    maker.graph.outputs = vec![output];
    maker
}

/// One dimension, more padding behind than before.
#[must_use]
pub fn convolution_1d(seed: u64) -> Maker {
    let mut maker = Maker::new(seed, &[2, 37], -128, 127);
    let shape = [3, 20];
    let param = maker.param(3, 2 * 5);
    let map = vec![sum(0), at(-1, Some((1, 2)), Some((1, 1)))];
    let terms = vec![maker.whole(&shape, weigh(0, &[2, 5], map, param, &[0]))];
    let output = maker.rescale(&shape, terms, 9);
    maker.graph.outputs = vec![output];
    maker
}

/// Groups: one term for each, in its own region, reading its own channels.
#[must_use]
pub fn groups(seed: u64) -> Maker {
    let mut maker = Maker::new(seed, &[6, 5, 5], -128, 127);
    let mut terms = Vec::new();
    for group in 0..3 {
        let param = maker.param(2, 2 * 3 * 3);
        let map = vec![
            at(2 * i64::from(group), None, Some((0, 1))),
            at(-1, Some((1, 1)), Some((1, 1))),
            at(-1, Some((2, 1)), Some((2, 1))),
        ];
        terms.push(Term {
            region: vec![(2 * group, 2), (0, 5), (0, 5)],
            source: weigh(0, &[2, 3, 3], map, param, &[0]),
        });
    }
    let output = maker.rescale(&[6, 5, 5], terms, 10);
    maker.graph.outputs = vec![output];
    maker
}

/// Depthwise: the channel is the tensor's axis and the parameter's row.
#[must_use]
pub fn depthwise(seed: u64) -> Maker {
    let mut maker = Maker::new(seed, &[7, 6, 6], -128, 127);
    let shape = [7, 3, 3];
    let (param, bias) = (maker.param(7, 9), maker.param(7, 3));
    let map = vec![out(0), at(-1, Some((1, 2)), Some((0, 1))), at(-1, Some((2, 2)), Some((1, 1)))];
    let terms = vec![
        maker.whole(&shape, weigh(0, &[3, 3], map, param, &[0])),
        maker.whole(&shape, Source::Bias { param: bias, outer_axes: vec![0] }),
    ];
    let output = maker.rescale(&shape, terms, 16);
    maker.graph.outputs = vec![output];
    maker
}

/// Max pooling 2 x 3, stride 2, padded: coordinates outside read the minimum.
#[must_use]
pub fn max_pool(seed: u64) -> Maker {
    let mut maker = Maker::new(seed, &[3, 7, 9], -100, 90);
    let shape = [3, 4, 5];
    let view = |y: i64, x: i64| View {
        tensor: 0,
        map: vec![out(0), at(y, Some((1, 2)), None), at(x, Some((2, 2)), None)],
    };
    let mut output = maker.max(&shape, view(-1, -1), view(-1, 0));
    for (y, x) in [(-1, 1), (0, -1), (0, 0), (0, 1)] {
        let same = View { tensor: output, map: vec![out(0), out(1), out(2)] };
        output = maker.max(&shape, same, view(y, x));
    }
    maker.graph.outputs = vec![output];
    maker
}

/// Views that are wholly outside, fixed, or repeated along an axis.
#[must_use]
pub fn odd_views(seed: u64) -> Maker {
    let mut maker = Maker::new(seed, &[4, 5], -9, 90);
    let view = |map: Vec<AxisMap>| View { tensor: 0, map };
    let outside = view(vec![at(-3, None, None), out(1)]);
    let first = maker.max(&[3, 5], outside, view(vec![at(2, None, None), out(1)]));
    let far = view(vec![at(4, Some((0, 1)), None), at(1, Some((1, 2)), None)]);
    let second = maker.max(&[3, 5], far, view(vec![out(0), at(7, None, None)]));
    maker.graph.outputs = vec![first, second];
    maker
}

/// Average pooling 3 x 3, padding counted: a public factor and indices of the sum.
#[must_use]
pub fn average_pool(seed: u64) -> Maker {
    let mut maker = Maker::new(seed, &[2, 6, 7], -128, 127);
    let shape = [2, 3, 4];
    let map = vec![out(0), at(-1, Some((1, 2)), Some((0, 1))), at(-1, Some((2, 2)), Some((1, 1)))];
    let terms = vec![maker.whole(&shape, read(0, &[3, 3], map, 57))];
    let output = maker.rescale(&shape, terms, 9);
    maker.graph.outputs = vec![output];
    maker
}

/// A sum over everything, and a scalar spread over a shape.
#[must_use]
pub fn reduce_and_broadcast(seed: u64) -> Maker {
    let mut maker = Maker::new(seed, &[5, 6], -128, 127);
    let terms = vec![maker.whole(&[1], read(0, &[5, 6], vec![sum(0), sum(1)], 1))];
    let total = maker.exact(&[1], terms);
    let terms = vec![
        maker.whole(&[5, 6], read(total, &[], vec![at(0, None, None)], -1)),
        maker.whole(&[5, 6], read(0, &[], vec![out(0), out(1)], 30)),
        maker.whole(&[5, 6], read(0, &[], vec![out(0), at(2, None, None)], 7)),
    ];
    let output = maker.exact(&[5, 6], terms);
    maker.graph.outputs = vec![total, output];
    maker
}

/// A residual connection with multipliers; the branch is an output too.
#[must_use]
pub fn residual(seed: u64) -> Maker {
    let mut maker = Maker::new(seed, &[12], -128, 127);
    let terms = maker.dense(0, 12);
    let branch = maker.rescale(&[12], terms, 10);
    let terms = vec![
        maker.whole(&[12], read(branch, &[], vec![out(0)], 181)),
        maker.whole(&[12], read(0, &[], vec![out(0)], -77)),
    ];
    let output = maker.rescale(&[12], terms, 7);
    maker.graph.outputs = vec![output, branch];
    maker
}

/// Parts in disjoint regions, with a hole that no term covers.
#[must_use]
pub fn concat(seed: u64) -> Maker {
    let mut maker = Maker::new(seed, &[3, 5], -20, 90);
    let other = maker.another_input(&[4, 5], -128, 1);
    let part = |tensor, start, length| Term {
        region: vec![(start, length), (1, 5)],
        source: read(tensor, &[], vec![out(0), out(1)], 1),
    };
    let terms = vec![part(0, 0, 3), part(other, 4, 4)];
    let output = maker.exact(&[8, 7], terms);
    maker.graph.outputs = vec![output];
    maker
}

/// Renumbered and transposed.
#[must_use]
pub fn layout(seed: u64) -> Maker {
    let mut maker = Maker::new(seed, &[3, 4, 5], -128, 127);
    let turned = [5, 3, 4];
    let terms = vec![maker.whole(&turned, read(0, &[], vec![out(1), out(2), out(0)], 2))];
    let turned = maker.exact(&turned, terms);
    let flat = |tensor, multiplier| Source::Reshape { tensor, multiplier };
    let terms = vec![
        Term { region: vec![(1, 6), (0, 10)], source: flat(turned, 3) },
        Term { region: vec![(0, 10), (4, 6)], source: flat(0, -1) },
    ];
    let output = maker.exact(&[10, 10], terms);
    maker.graph.outputs = vec![output];
    maker
}

/// The first index of the maximum: keys, a maximum by halves, the index in the key.
#[must_use]
pub fn arg_max(seed: u64) -> Maker {
    let mut maker = Maker::new(seed, &[4, 6], -10, 10);
    let terms = vec![
        maker.whole(&[4, 6], read(0, &[], vec![out(0), out(1)], 6)),
        maker.whole(&[4, 6], Source::Constant(5)),
        maker.whole(&[4, 6], Source::Index { axis: 1, multiplier: -1 }),
    ];
    let mut keys = maker.exact(&[4, 6], terms);
    for width in [3, 2, 1] {
        let view = |offset| View { tensor: keys, map: vec![out(0), at(offset, Some((1, 2)), None)] };
        keys = maker.max(&[4, width], view(0), view(1));
    }
    let (min, max) = (0, 5);
    let output = maker.tensor(&[4, 1], min, max);
    let terms = vec![maker.whole(&[4, 1], read(keys, &[], vec![out(0), out(1)], 1))];
    let epilogue = table(0, -64, 7, FunctionKind::ArgIndex { n: 6 }, (min, max));
    maker.node(Op::Affine { terms, epilogue }, output);
    maker.graph.outputs = vec![output];
    maker
}

/// Every element has its own hidden factor; and one hidden factor for all of them.
#[must_use]
pub fn scale_by_hidden(seed: u64) -> Maker {
    let mut maker = Maker::new(seed, &[5, 9], -128, 127);
    let (each, all, column) = (maker.param(45, 1), maker.param(1, 1), maker.param(9, 1));
    let map = || vec![out(0), out(1)];
    let terms = vec![
        maker.whole(&[5, 9], weigh(0, &[], map(), each, &[0, 1])),
        maker.whole(&[5, 9], weigh(0, &[], map(), all, &[])),
        maker.whole(&[5, 9], weigh(0, &[], map(), column, &[1])),
    ];
    let output = maker.rescale(&[5, 9], terms, 8);
    maker.graph.outputs = vec![output];
    maker
}

/// Row numbers over two axes, one of them tied, in another order than the output's.
#[must_use]
pub fn tied_rows(seed: u64) -> Maker {
    let mut maker = Maker::new(seed, &[3, 6], -128, 127);
    let shape = [4, 3, 5];
    let (param, bias) = (maker.param(12, 2), maker.param(15, 1));
    let map = vec![out(1), at(0, Some((2, 1)), Some((0, 1)))];
    let terms = vec![
        maker.whole(&shape, weigh(0, &[2], map, param, &[1, 0])),
        maker.whole(&shape, Source::Bias { param: bias, outer_axes: vec![2, 1] }),
    ];
    let output = maker.rescale(&shape, terms, 8);
    maker.graph.outputs = vec![output];
    maker
}

fn operand(tensor: TensorId, axes: &[OperandAxis]) -> Operand {
    Operand { tensor, axes: axes.to_vec() }
}

/// Products of activations: elementwise, squared, spread, at a fixed coordinate.
#[must_use]
pub fn products(seed: u64) -> Maker {
    use OperandAxis::{Fixed, Inner, Out};
    let mut maker = Maker::new(seed, &[3, 5], -128, 127);
    let other = maker.another_input(&[3, 5], -128, 127);
    let shape = [3, 5];
    let mut product = |shape: &[u32], a, b, inner: &[u32], shift| {
        let output = maker.tensor(shape, -128, 127);
        let epilogue = requant(shift, -128, -128, 127);
        let inner = inner.to_vec();
        maker.node(Op::Product { a, b, inner, epilogue }, output);
        output
    };
    let elements = [Out(0), Out(1)];
    let each = product(&shape, operand(0, &elements), operand(other, &elements), &[], 7);
    let square = product(&shape, operand(each, &elements), operand(each, &elements), &[], 7);
    // The last axis of the output is followed by no factor, the first only by one.
    let spread = product(&[3, 5, 2], operand(square, &elements), operand(0, &[Fixed(1), Out(1)]), &[], 6);
    let inner =
        product(&[1], operand(0, &[Inner(0), Inner(1)]), operand(other, &[Inner(0), Fixed(3)]), &[3, 5], 9);
    maker.graph.outputs = vec![square, spread, inner];
    maker
}

/// Attention with two heads, without softmax: scores, then the values they weigh.
#[must_use]
pub fn attention(seed: u64) -> Maker {
    use OperandAxis::{Inner, Out};
    let mut maker = Maker::new(seed, &[2, 5, 7], -128, 127);
    let keys = maker.another_input(&[2, 6, 7], -128, 127);
    let scores = maker.tensor(&[2, 5, 6], 0, 255);
    maker.node(
        Op::Product {
            a: operand(0, &[Out(0), Out(1), Inner(0)]),
            b: operand(keys, &[Out(0), Out(2), Inner(0)]),
            inner: vec![7],
            epilogue: relu(9),
        },
        scores,
    );
    let output = maker.tensor(&[5, 2, 7], -128, 127);
    maker.node(
        Op::Product {
            a: operand(scores, &[Out(1), Out(0), Inner(0)]),
            b: operand(keys, &[Out(1), Inner(0), Out(2)]),
            inner: vec![6],
            epilogue: requant(10, -128, -128, 127),
        },
        output,
    );
    maker.graph.outputs = vec![output];
    maker
}

/// The last step of a softmax, along an axis in the middle.
#[must_use]
pub fn normalize(seed: u64) -> Maker {
    let mut maker = Maker::new(seed, &[3, 5, 2], 0, 255);
    let shape = [3, 5, 2];
    let terms = vec![
        maker.whole(&shape, read(0, &[], vec![out(0), out(1), out(2)], 1)),
        Term { region: vec![(0, 3), (1, 1), (0, 2)], source: Source::Constant(1) },
    ];
    let numerator = maker.exact(&shape, terms);
    let output = maker.tensor(&shape, 0, 1 << 8);
    maker.node(Op::Normalize { numerator, axis: 1, shift: 8 }, output);
    maker.graph.outputs = vec![output];
    maker
}

/// ReLU by bits, with and without a shift.
#[must_use]
pub fn relu_bits(seed: u64) -> Maker {
    let mut maker = Maker::new(seed, &[9], -128, 127);
    let terms = maker.dense(0, 11);
    let hidden = maker.tensor(&[11], 0, 1 << 20);
    let epilogue = Epilogue::ReluBits { shift: 7 };
    maker.node(Op::Affine { terms, epilogue }, hidden);
    let terms = vec![
        maker.whole(&[11], read(hidden, &[], vec![out(0)], -3)),
        maker.whole(&[11], Source::Constant(1000)),
    ];
    let output = maker.tensor(&[11], 0, 1000);
    let epilogue = Epilogue::ReluBits { shift: 0 };
    maker.node(Op::Affine { terms, epilogue }, output);
    maker.graph.outputs = vec![output];
    maker
}

/// A convolution of random geometry: windows may hang over any edge, or miss the tensor wholly.
#[must_use]
pub fn random_window(seed: u64) -> Maker {
    let mut dice = Dice::new(!seed);
    let mut roll = |min: i64, max: i64| dice.roll(min, max);
    let rank = roll(1, 3) as usize;
    let mut shape = vec![roll(1, 4) as u32];
    let (mut output, mut inner, mut map) = (vec![roll(1, 4) as u32], vec![shape[0]], vec![sum(0)]);
    for axis in 1..=rank as u32 {
        shape.push(roll(1, 7) as u32);
        output.push(roll(1, 6) as u32);
        inner.push(roll(1, 4) as u32);
        let (stride, dilation) = (roll(1, 3) as u32, roll(1, 3) as u32);
        map.push(at(roll(-5, 2), Some((axis, stride)), Some((axis, dilation))));
    }
    let mut maker = Maker::new(seed, &shape, -128, 127);
    let param = maker.param(output[0], inner.iter().product());
    let hidden = weigh(0, &inner, map.clone(), param, &[0]);
    let terms = vec![maker.whole(&output, hidden), maker.whole(&output, read(0, &inner, map, -3))];
    let output = maker.exact(&output, terms);
    maker.graph.outputs = vec![output];
    maker
}
