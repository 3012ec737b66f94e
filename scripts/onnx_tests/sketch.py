"""A graph that grows node by node, each of which ONNX's reference runs at once: so that whoever adds nodes knows
shapes and elements, and a node that no model would have (an overflow, an empty result) is not added.
"""

import warnings

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from . import case

OPSET = 20
SAMPLES = 8
MOST_ELEMENTS = 2048
# Beyond it an activation of a few bits says nothing any more.
GREATEST = 100


class Rejected(Exception):
    """The node was not added."""


class Sketch:
    def __init__(self, dice):
        self.dice = dice
        self.nodes, self.initializers, self.inputs = [], [], []
        self.arrays = {}  # of every activation one array for each sample
        self.unread = []

    def input(self, shape, integer=False):
        """Floats are multiples of 1/16 in [-4, 4), which integers of 8 bits can be; zeros are among them."""
        name = f"x{len(self.inputs)}"
        if integer:
            arrays = [self.dice.integers(-20, 21, shape) for _ in range(SAMPLES)]
        else:
            arrays = [(self.dice.integers(-64, 64, shape) / 16).astype(np.float32) for _ in range(SAMPLES)]
        self.inputs.append(name)
        self.arrays[name] = arrays
        self.unread.append(name)
        return name

    def shape(self, value):
        return self.arrays[value][0].shape

    def integer(self, value):
        return self.arrays[value][0].dtype.kind == "i"

    def boolean(self, value):
        return self.arrays[value][0].dtype.kind == "b"

    def exact(self, value):
        """Whether a step in a function of the value is where the samples have it: nothing was rounded yet."""
        return value in self.inputs or self.integer(value)

    def constant(self, elements, kind=np.float32):
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(elements, kind), name))
        return name

    def ints(self, elements):
        return self.constant(elements, np.int64)

    def add(self, operator, inputs, outputs=1, **attributes):
        """Adds a node and returns the name of its output, or a list of names."""
        names = [f"{operator.lower()}{len(self.nodes)}{'abcd'[i] if outputs > 1 else ''}" for i in range(outputs)]
        node = helper.make_node(operator, inputs, names, **attributes)
        results = self.run([node], names, [i for i in inputs if i in self.arrays])
        for arrays in zip(*results):
            self.check(arrays)
        self.nodes.append(node)
        for index, name in enumerate(names):
            self.arrays[name] = [sample[index] for sample in results]
        self.unread = [value for value in self.unread if value not in inputs] + names
        return names if outputs > 1 else names[0]

    def check(self, arrays):
        if any(a.shape != arrays[0].shape for a in arrays) or not 0 < arrays[0].size <= MOST_ELEMENTS:
            raise Rejected
        stacked = np.stack(arrays).astype(np.float64)
        if not np.isfinite(stacked).all() or np.abs(stacked).max() > GREATEST or np.ptp(stacked) < 1e-2:
            raise Rejected

    def run(self, nodes, outputs, inputs):
        model = self.model(nodes, outputs, inputs)
        reference = ReferenceEvaluator(model)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return [
                [np.asarray(a) for a in reference.run(None, {i: self.arrays[i][s] for i in inputs})]
                for s in range(SAMPLES)
            ]

    def model(self, nodes, outputs, inputs):
        def info(name):
            arrays = self.arrays.get(name)
            if arrays is None:
                return helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None)
            return helper.make_tensor_value_info(name, case.element_type(arrays[0]), arrays[0].shape)

        read = {name for node in nodes for name in node.input}
        initializers = [tensor for tensor in self.initializers if tensor.name in read]
        graph = helper.make_graph(
            nodes, "random", [info(i) for i in inputs], [info(o) for o in outputs], initializers
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)

    def write(self, folder, name):
        """Writes the graph; what no node reads is an output, and now and then what one does."""
        outputs = [value for value in self.unread if value not in self.inputs]
        made = [value for value in self.arrays if value not in self.inputs and value not in outputs]
        if made and self.dice.random() < 0.25:
            outputs.append(made[self.dice.integers(len(made))])
        read = {value for node in self.nodes for value in node.input}
        inputs = [value for value in self.inputs if value in read]
        model = self.model(self.nodes, outputs, inputs)
        results = self.run(self.nodes, outputs, inputs)
        case.write(
            folder,
            name,
            [node.op_type for node in self.nodes],
            model,
            {value: self.arrays[value] for value in inputs},
            {value: [sample[index] for sample in results] for index, value in enumerate(outputs)},
        )
