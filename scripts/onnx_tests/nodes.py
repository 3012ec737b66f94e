"""ONNX's own backend node tests, as the package ships them, of the operators that the importer claims.

A test is one node, or the nodes that a function operator stands for (`_expanded`). All of a test's
inputs are inputs of its graph; an exporter writes weights, shapes and axes as initialisers, and so
does `CONSTANT` here. Where both are common a test becomes two cases.
"""

import copy
import warnings

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.backend.test.loader import load_node_model_tests
from onnx.reference import ReferenceEvaluator

from . import case

SECOND = [(), (1,)]
# Which inputs are initialisers: the first set gives the case of the test's own name, others a suffix.
CONSTANT = {
    **dict.fromkeys(["Add", "Sub", "Mul", "Div", "Pow", "Mod", "Max", "Min", "Sum", "Mean", "MatMul"], SECOND),
    **dict.fromkeys(["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "And", "Or", "Xor"], SECOND),
    **dict.fromkeys(["CastLike", "Expand", "Gather", "GatherElements", "Reshape", "Split"], [(1,)]),
    **dict.fromkeys(["Squeeze", "Unsqueeze", "Tile", "Trilu"], [(1,)]),
    **dict.fromkeys(["Clip", "Dropout", "Conv", "LayerNormalization", "RMSNormalization"], [(1, 2)]),
    **dict.fromkeys(["GroupNormalization", "InstanceNormalization"], [(1, 2)]),
    **dict.fromkeys(["RNN", "GRU", "LSTM"], [(1, 2, 3, 4, 7)]),
    "BatchNormalization": [(1, 2, 3, 4)],
    "ConstantOfShape": [(0,)],
    "Gemm": [(1, 2), ()],
    "CumSum": [(1,)],
    "Resize": [(1, 2, 3)],
    "Upsample": [(1,)],
    "OneHot": [(1, 2)],
    "PRelu": [(1,), ()],
    "Pad": [(1, 2, 3)],
    "Range": [(0, 1, 2)],
    "Slice": [(1, 2, 3, 4)],
    "Where": [(0,), ()],
}
# Outputs that exporters leave out, and what they keep.
OPTIONAL = {"LayerNormalization", "MaxPool", "Dropout"}
# Expected outputs that somebody typed with four digits.
ROUNDED = {"averagepool_2d_ceil_last_window_starts_on_pad": 1e-3}


def constants(operator):
    return CONSTANT.get(operator, [(1,)] if operator.startswith("Reduce") else [()])


def generate(folder, operators, opsets):
    """Writes the cases; `opsets` are the oldest and the newest operator set that the importer reads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tests = {test.name: test for test in load_node_model_tests()}
    for name, test in sorted(tests.items()):
        original = tests.get(name.split("_expanded")[0], test)
        node = original.model.graph.node[0]
        known = all(not n.domain and n.op_type in operators for n in test.model.graph.node)
        if not known or node.op_type not in operators or node.domain or not plain(test):
            continue
        operator = node.op_type + (" (expanded)" if test is not original else "")
        for index, positions in enumerate(constants(node.op_type)):
            names = [node.input[p] for p in positions if p < len(node.input) and node.input[p]]
            if index > 0 and len(names) != len(positions):
                continue
            suffix = "" if index == 0 else "_const" if positions else "_dynamic"
            write(folder, name.removeprefix("test_") + suffix, operator, test, names, opsets)
        if operator in OPTIONAL and len(test.model.graph.output) > 1:
            first = copy.copy(test)
            first.model = copy.deepcopy(test.model)
            del first.model.graph.output[1:], first.model.graph.node[0].output[1:]
            write(folder, name.removeprefix("test_") + "_first", operator, first, names, opsets)


def plain(test):
    """Whether all values are arrays of numbers: neither sequences, optional values nor texts."""
    inputs, outputs = test.data_sets[0]
    values = [array(v) for v in (*inputs, *outputs)]
    return all(isinstance(v, (np.ndarray, np.generic)) and v.dtype.kind not in "OSU" for v in values)


def array(value):
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def write(folder, name, operator, test, constant, opsets):
    model = moved(test.model, opsets)
    inputs, outputs = test.data_sets[0]
    inputs = {info.name: np.asarray(array(v)) for info, v in zip(model.graph.input, inputs)}
    outputs = {info.name: np.asarray(array(v)) for info, v in zip(model.graph.output, outputs)}
    for value in constant:
        tensor = numpy_helper.from_array(inputs.pop(value), value)
        model.graph.initializer.append(tensor)
    if not all(np.isfinite(v).all() for v in inputs.values() if v.dtype.kind == "f"):
        # A model's inputs are numbers. What the test asks of others is not asked of the importer.
        inputs = {name: np.nan_to_num(v, nan=1.0, posinf=3.0, neginf=-3.0) for name, v in inputs.items()}
        with np.errstate(all="ignore"):
            outputs = dict(zip(outputs, ReferenceEvaluator(model).run(None, inputs)))
    kept = [info for info in model.graph.input if info.name in inputs]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    if not inputs:
        outputs = depend(model, inputs, outputs)
    inputs, outputs = [{name: [array] for name, array in values.items()} for values in (inputs, outputs)]
    case.write(folder, name, [operator], model, inputs, outputs, tolerance=ROUNDED.get(name))


def depend(model, inputs, outputs):
    """A graph of constants alone is no model: adds an input to what it yields."""
    ((name, array),) = outputs.items()
    added = (np.arange(array.size).reshape(array.shape) % 5 - 2).astype(array.dtype)
    kind = case.element_type(array)
    inputs["added"] = added
    model.graph.input.append(helper.make_tensor_value_info("added", kind, array.shape))
    model.graph.node.append(helper.make_node("Add", [name, "added"], ["sum"]))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("sum", kind, array.shape))
    return {"sum": array + added}


def moved(model, opsets):
    """The same model at an operator set that the importer reads, if that set has its form of the operators.

    Most changes of late only add element types; ONNX's checker knows the others.
    """
    oldest, newest = opsets
    other = copy.deepcopy(model)
    # Older files list initialisers among the inputs.
    other.ir_version = max(other.ir_version, 4)
    (imported,) = other.opset_import
    if imported.version < oldest:
        forms = {tuple(form(node, version) for node in model.graph.node) for version in (imported.version, oldest)}
        imported.version = oldest if len(forms) == 1 else imported.version
    elif imported.version > newest:
        version, imported.version = imported.version, newest
        try:
            onnx.checker.check_model(other, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError):
            imported.version = version
    return other


def form(node, version):
    return onnx.defs.get_schema(node.op_type, version).since_version
