"""What random graphs are made of. A recipe takes a sketch and a value in it, and adds one node or a few; it raises
`Rejected` where it has nothing to say of such a value.
"""

from dataclasses import dataclass
from typing import Callable

import numpy as np

from .sketch import Rejected

# Zero and one, which are folded; powers of two, which cost nothing; halves, where rounding has to decide; what
# epsilons and masks are.
AWKWARD = [0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 1e-6, 1e-5, 1e-3, 0.1, -0.3, 1.5, 2.5, -2.5, 3.0, 7.0, 1 / 3]
EPSILONS = [1e-6, 1e-5, 1e-3, 0.01, 0.1, 1.0]


def pick(sketch, items):
    return items[sketch.dice.integers(len(items))]


def need(condition):
    if not condition:
        raise Rejected


def floats(sketch, value):
    need(not sketch.integer(value) and not sketch.boolean(value))
    return len(sketch.shape(value))


def axis(sketch, value):
    rank = len(sketch.shape(value))
    need(rank > 0)
    return int(sketch.dice.integers(-rank, rank))


# Functions of one variable.

FUNCTIONS = [
    ("Relu", {}), ("Sigmoid", {}), ("Tanh", {}), ("LeakyRelu", {"alpha": 0.2}), ("LeakyRelu", {"alpha": -0.5}),
    ("Elu", {"alpha": 0.7}), ("Selu", {}), ("Celu", {"alpha": 2.0}), ("HardSigmoid", {}),
    ("HardSigmoid", {"alpha": -0.4, "beta": 0.3}), ("HardSwish", {}), ("Softplus", {}), ("Softsign", {}), ("Erf", {}),
    ("Abs", {}), ("Neg", {}), ("Exp", {}), ("Sin", {}), ("Cos", {}), ("Mish", {}), ("Gelu", {}),
    ("Gelu", {"approximate": "tanh"}), ("Atan", {}), ("Sinh", {}), ("Cosh", {}), ("Identity", {}),
]  # fmt: skip


def function(sketch, value):
    floats(sketch, value)
    operator, attributes = pick(sketch, FUNCTIONS)
    sketch.add(operator, [value], **attributes)


def clip(sketch, value):
    floats(sketch, value)
    low, high = sorted(float(v) for v in sketch.dice.choice([-12.0, -2.0, -1.0, 0.0, 1e-3, 0.5, 1.0, 6.0, 12.0], 2))
    need(low < high)
    bounds = pick(sketch, [(low, high), (low, None), (None, high)])
    sketch.add("Clip", [value, *["" if b is None else sketch.constant(b) for b in bounds]])


def guarded(sketch, value):
    """A function that is not defined everywhere, behind what keeps its argument where it is."""
    floats(sketch, value)
    for _ in range(sketch.dice.integers(1, 3)):
        value = pick(sketch, [absolute, positive, clipped, square, above])(sketch, value)
    value = epsilon(sketch, value)
    ends = [["Sqrt"], ["Log"], ["Reciprocal"], ["Sqrt", "Reciprocal"], ["Pow"]]
    for operator in pick(sketch, ends):
        extra = [sketch.constant(pick(sketch, [0.5, -0.5, -1.0, 1.5]))] if operator == "Pow" else []
        value = sketch.add(operator, [value, *extra])


def absolute(sketch, value):
    return sketch.add("Abs", [value])


def positive(sketch, value):
    return sketch.add("Relu", [value])


def clipped(sketch, value):
    return sketch.add("Clip", [value, sketch.constant(pick(sketch, EPSILONS))])


def square(sketch, value):
    return sketch.add("Mul", [value, value])


def above(sketch, value):
    return sketch.add("Max", [value, sketch.constant(pick(sketch, EPSILONS))])


def epsilon(sketch, value):
    if min(a.min() for a in sketch.arrays[value]) > 0 and sketch.dice.random() < 0.5:
        return value
    return sketch.add("Add", [value, sketch.constant(pick(sketch, EPSILONS))])


def step(sketch, value):
    """A function with steps, where the argument is exact: elsewhere a rounded argument may be on the other side."""
    floats(sketch, value)
    need(sketch.exact(value))
    kind = sketch.dice.integers(6)
    if kind < 4:
        sketch.add(["Floor", "Ceil", "Round", "Sign"][kind], [value])
    elif kind == 4:
        sketch.add("ThresholdedRelu", [value], alpha=pick(sketch, [0.5, 1.0, 2.0]))
    else:
        attributes = {"keepdims": int(sketch.dice.integers(2)), "select_last_index": int(sketch.dice.integers(2))}
        sketch.add("ArgMax", [value], axis=axis(sketch, value), **attributes)


def compare(sketch, value):
    need(sketch.exact(value))
    kind = np.int64 if sketch.integer(value) else np.float32
    bound = sketch.constant(pick(sketch, [0, 1, -2]), kind)
    chosen = sketch.add(pick(sketch, ["Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Equal"]), [value, bound])
    sketch.add("Where", [chosen, value, sketch.constant(pick(sketch, [0, 3]), kind)])


# Arithmetic.


def with_constant(sketch, value):
    floats(sketch, value)
    shape = sketch.shape(value)
    shapes = [(), (1,), shape[-1:], (shape[1],) + (1,) * (len(shape) - 2) if len(shape) > 2 else ()]
    constant = sketch.constant(sketch.dice.choice(AWKWARD, pick(sketch, shapes)))
    operator = pick(sketch, ["Add", "Sub", "Mul", "Div", "Max", "Min"])
    operands = [value, constant] if operator == "Div" or sketch.dice.random() < 0.7 else [constant, value]
    sketch.add(operator, operands)


def combine(sketch, value):
    floats(sketch, value)
    shape = sketch.shape(value)
    others = [v for v in sketch.arrays if v != value and not sketch.integer(v) and not sketch.boolean(v)]
    others = [v for v in others if fits(sketch.shape(v), shape)]
    need(others)
    other = pick(sketch, others)
    # ONNX's reference adds into the first operand, and so refuses to broadcast it.
    several = ["Sum", "Mean"] if sketch.shape(other) == shape else []
    sketch.add(pick(sketch, ["Add", "Sub", "Mul", "Max", "Min", *several]), [value, other])


def fits(a, b):
    return all(x == y or 1 in (x, y) for x, y in zip(reversed(a), reversed(b)))


def quotient(sketch, value):
    """A division by something that stays away from zero, such as a norm."""
    floats(sketch, value)
    divisor = epsilon(sketch, sketch.add("ReduceSum", [absolute(sketch, value), sketch.ints([-1])], keepdims=1))
    sketch.add("Div", [value, divisor])


def power(sketch, value):
    floats(sketch, value)
    sketch.add("Pow", [value, sketch.constant(pick(sketch, [2.0, 3.0, 1.0, 0.0]))])


# Integers.


def integer_arithmetic(sketch, value):
    need(sketch.integer(value))
    operator = pick(sketch, ["Add", "Sub", "Mul", "Div", "Div", "Mod", "Max", "Min"])
    constants = {"Div": [2, 3, -2, -3, 7], "Mod": [2, 3, 5, -3], "Mul": [-1, 2, 3]}.get(operator, [-3, 0, 1, 5])
    attributes = {"fmod": int(sketch.dice.integers(2))} if operator == "Mod" else {}
    sketch.add(operator, [value, sketch.ints(pick(sketch, constants))], **attributes)


def integer_function(sketch, value):
    need(sketch.integer(value))
    sketch.add(pick(sketch, ["Neg", "Abs", "Sign"]), [value])


def integer_reduce(sketch, value):
    need(sketch.integer(value) and len(sketch.shape(value)) > 1)
    operator = pick(sketch, ["ReduceSum", "ReduceMax", "ReduceMin", "ReduceMean"])
    sketch.add(operator, [value, sketch.ints([axis(sketch, value)])], keepdims=1)


def integer_combine(sketch, value):
    need(sketch.integer(value))
    others = [v for v in sketch.arrays if sketch.integer(v) and fits(sketch.shape(v), sketch.shape(value))]
    sketch.add(pick(sketch, ["Add", "Sub", "Mul", "Max", "Min"]), [value, pick(sketch, others)])


def to_float(sketch, value):
    need(sketch.integer(value))
    sketch.add("Cast", [value], to=1)


def to_integer(sketch, value):
    need(sketch.exact(value) and not sketch.integer(value))
    sketch.add("Cast", [value], to=7)


# Reductions and normalisations.


def reduce(sketch, value):
    rank = floats(sketch, value)
    need(rank > 1)
    axes = sorted(int(a) for a in sketch.dice.choice(np.arange(1, rank), sketch.dice.integers(1, rank), replace=False))
    names = ["Mean", "Sum", "Max", "Min", "L1", "L2", "SumSquare", "LogSumExp", "Prod"]
    keep = int(sketch.dice.integers(2))
    sketch.add("Reduce" + pick(sketch, names), [value, sketch.ints(axes)], keepdims=keep)


def softmax(sketch, value):
    floats(sketch, value)
    sketch.add(pick(sketch, ["Softmax", "Softmax", "LogSoftmax"]), [value], axis=axis(sketch, value))


def layer_norm(sketch, value):
    floats(sketch, value)
    n = sketch.shape(value)[-1:]
    need(n and n[0] > 2)
    scale, bias = sketch.constant(sketch.dice.uniform(0.5, 1.5, n)), sketch.constant(sketch.dice.normal(0, 0.3, n))
    sketch.add("LayerNormalization", [value, scale, bias], axis=-1)


# Layout.


def transpose(sketch, value):
    rank = len(sketch.shape(value))
    need(rank > 1)
    sketch.add("Transpose", [value], perm=[int(p) for p in sketch.dice.permutation(rank)])


def reshape(sketch, value):
    shape = sketch.shape(value)
    need(len(shape) > 1)
    kind = sketch.dice.integers(4)
    if kind == 0:
        sketch.add("Flatten", [value], axis=int(sketch.dice.integers(0, len(shape))))
    elif kind == 1:
        sketch.add("Unsqueeze", [value, sketch.ints([int(sketch.dice.integers(0, len(shape)))])])
    elif kind == 2:
        sketch.add("Reshape", [value, sketch.ints([0, -1])])
    else:
        need(shape[-1] % 2 == 0)
        sketch.add("Reshape", [value, sketch.ints([*shape[:-1], 2, shape[-1] // 2])])


def cut(sketch, value):
    shape = sketch.shape(value)
    at = axis(sketch, value)
    n = shape[at]
    need(n > 2)
    kind = sketch.dice.integers(3)
    if kind == 0:
        first = int(sketch.dice.integers(1, n))
        sketch.add("Split", [value, sketch.ints([first, n - first])], outputs=2, axis=at)
    elif kind == 1:
        start, end, stride = pick(sketch, [(1, n, 1), (0, -1, 1), (0, n, 2), (1, n, 2), (-1, -(n + 1), -1)])
        sketch.add("Slice", [value, *[sketch.ints([i]) for i in (start, end, at, stride)]])
    else:
        rows = sketch.dice.integers(-n, n, 3)
        sketch.add("Gather", [value, sketch.ints(rows)], axis=at)


def join(sketch, value):
    shape, at = sketch.shape(value), axis(sketch, value)
    kinds = sketch.arrays[value][0].dtype
    others = [v for v in sketch.arrays if sketch.shape(v) == shape and sketch.arrays[v][0].dtype == kinds]
    sketch.add("Concat", [value, pick(sketch, others)], axis=at)


def enlarge(sketch, value):
    rank = floats(sketch, value)
    need(rank > 1)
    kind = sketch.dice.integers(3)
    if kind == 0:
        before, after = [[0] * (rank - 1) + [int(sketch.dice.integers(0, 2))] for _ in range(2)]
        mode = pick(sketch, ["constant", "reflect", "edge"])
        need(any(before + after) and sketch.shape(value)[-1] > 1)
        filler = [sketch.constant(pick(sketch, [0.0, 1.5, -2.0]))] if mode == "constant" else []
        sketch.add("Pad", [value, sketch.ints(before + after), *filler], mode=mode)
    elif kind == 1:
        sketch.add("Tile", [value, sketch.ints([1] * (rank - 1) + [2])])
    else:
        sketch.add("Expand", [value, sketch.ints([2] + [1] * rank)])


# Sums of products.


def matmul(sketch, value):
    rank = floats(sketch, value)
    need(rank > 1)
    n = sketch.shape(value)[-1]
    width = int(sketch.dice.integers(2, 9))
    weights = sketch.constant(sketch.dice.normal(0, 1 / np.sqrt(n), (n, width)))
    result = sketch.add("MatMul", [value, weights])
    if sketch.dice.random() < 0.5:
        sketch.add("Add", [result, sketch.constant(sketch.dice.normal(0, 0.5, width))])


def gemm(sketch, value):
    need(floats(sketch, value) == 2)
    n, width = sketch.shape(value)[-1], int(sketch.dice.integers(2, 9))
    transposed = int(sketch.dice.integers(2))
    shape = (width, n) if transposed else (n, width)
    weights = sketch.constant(sketch.dice.normal(0, 1 / np.sqrt(n), shape))
    bias = [sketch.constant(sketch.dice.normal(0, 0.5, width))] if sketch.dice.random() < 0.7 else []
    factors = {"alpha": pick(sketch, [1.0, 0.5]), "beta": pick(sketch, [1.0, 0.0, 2.0])}
    sketch.add("Gemm", [value, weights, *bias], transB=transposed, **factors)


def scores(sketch, value):
    """A product of two activations, as attention has it."""
    rank = floats(sketch, value)
    need(rank == 3)
    turned = sketch.add("Transpose", [value], perm=[0, 2, 1])
    product = sketch.add("MatMul", [value, turned])
    weights = sketch.add("Softmax", [sketch.add("Mul", [product, sketch.constant(0.2)])], axis=-1)
    if sketch.dice.random() < 0.5:
        sketch.add("MatMul", [weights, value])


def conv(sketch, value):
    rank = floats(sketch, value)
    need(rank in (3, 4))
    channels, *extents = sketch.shape(value)[1:]
    kernel = [int(k) for k in sketch.dice.integers(1, 4, rank - 2)]
    groups = pick(sketch, [1, 1, channels])
    filters = groups * int(sketch.dice.integers(1, 4))
    shape = (filters, channels // groups, *kernel)
    weights = sketch.dice.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape)
    bias = [sketch.constant(sketch.dice.normal(0, 0.5, filters))] if sketch.dice.random() < 0.7 else []
    attributes = {"kernel_shape": kernel, "group": groups, **window(sketch, extents, kernel)}
    result = sketch.add("Conv", [value, sketch.constant(weights), *bias], **attributes)
    if sketch.dice.random() < 0.3:
        low, high = [(0.5, 1.5), (0.2, 2.0)]
        affine = [sketch.dice.uniform(*low, filters), *sketch.dice.normal(0, 0.5, (2, filters))]
        affine.append(sketch.dice.uniform(*high, filters))
        sketch.add("BatchNormalization", [result, *[sketch.constant(a) for a in affine]])


def window(sketch, extents, kernel):
    need(all(k <= e for k, e in zip(kernel, extents)))
    # A stride beyond the window would ask for a padding below zero.
    strides = {"strides": [int(sketch.dice.integers(1, min(k, 2) + 1)) for k in kernel]}
    if sketch.dice.random() < 0.3:
        return {"auto_pad": pick(sketch, ["SAME_UPPER", "SAME_LOWER", "VALID"]), **strides}
    return {"pads": [int(sketch.dice.integers(0, k)) for k in kernel * 2], **strides}


def pool(sketch, value):
    """Windows are alike along all axes, and padded by half of their extent at most: ONNX's reference fails at
    others, or takes the paddings for one another."""
    rank = floats(sketch, value)
    need(rank in (3, 4))
    if sketch.dice.random() < 0.25:
        # The reference's GlobalMaxPool takes two axes, however many there are.
        sketch.add(pick(sketch, ["GlobalAveragePool", "GlobalMaxPool"][: rank - 2]), [value])
        return
    k = int(sketch.dice.integers(1, 4))
    need(k <= min(sketch.shape(value)[2:]))
    padding, stride = int(sketch.dice.integers(0, k // 2 + 1)), int(sketch.dice.integers(1, 3))
    attributes = {"pads": [padding] * 2 * (rank - 2), "strides": [stride] * (rank - 2)}
    operator = pick(sketch, ["MaxPool", "AveragePool"])
    if operator == "AveragePool":
        attributes["count_include_pad"] = int(sketch.dice.integers(2))
    sketch.add(operator, [value], kernel_shape=[k] * (rank - 2), **attributes)


def shuffle(sketch, value):
    need(floats(sketch, value) == 4 and all(extent % 2 == 0 for extent in sketch.shape(value)[2:]))
    sketch.add("SpaceToDepth", [value], blocksize=2)


@dataclass
class Family:
    """Inputs of a shape, and what is done with them."""

    shape: Callable
    recipes: list
    integer: bool = False


LAYOUT = [transpose, reshape, cut, join, enlarge]
ARITHMETIC = [function, function, with_constant, with_constant, combine, guarded, clip]

ELEMENTWISE = Family(
    lambda dice: (1, int(dice.integers(3, 13))),
    [*ARITHMETIC, *ARITHMETIC, guarded, step, compare, power, quotient, to_integer, reduce, cut, join],
)
MATRIX = Family(
    lambda dice: (1, int(dice.integers(2, 6)), 2 * int(dice.integers(2, 6))),
    [*ARITHMETIC, *LAYOUT, *[matmul] * 3, gemm, gemm, scores, softmax, layer_norm, reduce, quotient, step],
)
IMAGE = Family(
    lambda dice: (1, int(dice.integers(1, 5)), 2 * int(dice.integers(2, 5)), 2 * int(dice.integers(2, 5))),
    [*ARITHMETIC, *LAYOUT, *[conv] * 6, *[pool] * 6, shuffle, reduce, softmax],
)
INTEGER = Family(
    lambda dice: (1, int(dice.integers(3, 9))),
    [*[integer_arithmetic] * 3, integer_function, integer_reduce, integer_combine, to_float, compare, cut, join]
    + [function, with_constant, guarded],
    integer=True,
)
