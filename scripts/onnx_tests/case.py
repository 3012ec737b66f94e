"""One case as the Rust tests read it: `NAME.onnx`, and beside it `NAME.json`:

    {"operators": ["Abs"], "tolerance": null,
     "inputs":  {"x": {"type": "float32", "shape": [1, 4], "samples": [[flat elements], ...]}},
     "outputs": {"y": {"type": "float32", "shape": [1, 2], "samples": [[flat elements], ...]}}}

Elements are row-major. What JSON cannot write is a text: "nan", "inf", "-inf". `tolerance` is set where the outputs
themselves are that coarse, as a share of their range.
"""

import json
import math

import numpy as np
import onnx


def write(folder, name, operators, model, inputs, outputs, tolerance=None):
    """`inputs` and `outputs`: for each value its name and one array for each sample."""
    (folder / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
    described = {
        "operators": operators,
        "tolerance": tolerance,
        "inputs": {value: describe(arrays) for value, arrays in inputs.items()},
        "outputs": {value: describe(arrays) for value, arrays in outputs.items()},
    }
    (folder / f"{name}.json").write_text(json.dumps(described, separators=(",", ":")))


def describe(arrays):
    first = arrays[0]
    return {
        "type": first.dtype.name,
        "shape": list(first.shape),
        "samples": [[element(v) for v in flat(array)] for array in arrays],
    }


def flat(array):
    # Types that numpy only knows by extension (bfloat16, float8) have no Python number.
    if array.dtype.kind not in "biuf":
        array = array.astype(np.float64)
    return array.reshape(-1).tolist()


def element(value):
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def element_type(array):
    return onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
