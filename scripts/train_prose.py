"""Trains the small language model of tests/data on this project's own documents, and exports it to ONNX.

    pip install jax optax onnx onnxruntime numpy
    python scripts/train_prose.py            (some minutes on two cores)

A character model: the last 32 characters give the scores of the next one at every position. Every tenth
paragraph is held out; the samples come from those.
"""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import optax
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = ROOT / "tests/data"
PAGES = ["README.md", "ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md", "BENCHMARKS.md", "docs/*.md"]
CONTEXT, WIDTH, HEADS, LAYERS = 32, 48, 4, 2
CHARACTERS = "\n abcdefghijklmnopqrstuvwxyz0123456789.,:;'`*-/()|_=<>"
STEPS, BATCH, RATE = 6000, 64, 3e-3


def tokens():
    """Paragraphs as token ids: those to learn from, and those held out."""
    paragraphs = []
    for pattern in PAGES:
        for path in sorted(ROOT.glob(pattern)):
            text = "".join(c if c in CHARACTERS else " " for c in path.read_text().lower())
            paragraphs += [" ".join(p.split()) + "\n" for p in text.split("\n\n") if len(p) > 80]
    parts = [[p for i, p in enumerate(paragraphs) if (i % 10 == 9) == held] for held in (False, True)]
    return [np.array([CHARACTERS.index(c) for c in "".join(part)], dtype=np.int64) for part in parts]


def initial(key):
    shapes = {"tokens": (len(CHARACTERS), WIDTH), "places": (CONTEXT, WIDTH), "head": (WIDTH, len(CHARACTERS))}
    for layer in range(LAYERS):
        shapes |= {
            f"{layer}.qkv": (WIDTH, 3 * WIDTH),
            f"{layer}.out": (WIDTH, WIDTH),
            f"{layer}.up": (WIDTH, 4 * WIDTH),
            f"{layer}.down": (4 * WIDTH, WIDTH),
        }
    weights = {}
    for name, shape in shapes.items():
        key, own = jax.random.split(key)
        weights[name] = jax.random.normal(own, shape) * (0.02 if name in ("tokens", "places") else shape[0] ** -0.5)
    for norm in [f"{layer}.{part}" for layer in range(LAYERS) for part in ("norm1", "norm2")] + ["norm"]:
        weights[f"{norm}.scale"], weights[f"{norm}.bias"] = jnp.ones(WIDTH), jnp.zeros(WIDTH)
    return weights


def normalised(w, name, x):
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred**2).mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + 1e-5) * w[f"{name}.scale"] + w[f"{name}.bias"]


def scores(w, ids):
    x = w["tokens"][ids] + w["places"]
    mask = jnp.tril(jnp.ones((CONTEXT, CONTEXT), bool))
    for layer in range(LAYERS):
        q, k, v = jnp.split(normalised(w, f"{layer}.norm1", x) @ w[f"{layer}.qkv"], 3, -1)
        q, k, v = (t.reshape(*t.shape[:-1], HEADS, -1).swapaxes(-2, -3) for t in (q, k, v))
        attention = q @ k.swapaxes(-1, -2) * (WIDTH // HEADS) ** -0.5
        attention = jax.nn.softmax(jnp.where(mask, attention, -jnp.inf))
        x = x + (attention @ v).swapaxes(-2, -3).reshape(x.shape) @ w[f"{layer}.out"]
        inner = jax.nn.gelu(normalised(w, f"{layer}.norm2", x) @ w[f"{layer}.up"], approximate=False)
        x = x + inner @ w[f"{layer}.down"]
    return normalised(w, "norm", x) @ w["head"]


def loss(w, ids, labels):
    return optax.softmax_cross_entropy_with_integer_labels(scores(w, ids), labels).mean()


def windows(text, starts):
    return (np.stack([text[s + shift : s + shift + CONTEXT] for s in starts]) for shift in (0, 1))


def train(text):
    dice = np.random.default_rng(0)
    w = initial(jax.random.key(0))
    optimiser = optax.adamw(optax.warmup_cosine_decay_schedule(0.0, RATE, 200, STEPS), weight_decay=0.05)
    state = optimiser.init(w)

    @jax.jit
    def step(w, state, ids, labels):
        value, gradient = jax.value_and_grad(loss)(w, ids, labels)
        updates, state = optimiser.update(gradient, state, w)
        return optax.apply_updates(w, updates), state, value

    for number in range(STEPS):
        ids, labels = windows(text, dice.integers(0, len(text) - CONTEXT - 1, BATCH))
        w, state, value = step(w, state, ids, labels)
        if number % 500 == 0:
            print(f"step {number}: {value:.3f} nats")
    return {name: np.asarray(value, dtype=np.float32) for name, value in w.items()}


def exported(w):
    """The graph as exporters write it."""
    nodes, constants = [], dict(w)

    def node(op, *inputs, outputs=1, **attributes):
        names = [f"{op.lower()}_{len(nodes)}" + (f"_{i}" if outputs > 1 else "") for i in range(outputs)]
        nodes.append(helper.make_node(op, inputs, names, name=f"node_{len(nodes)}_{op.lower()}", **attributes))
        return names[0] if outputs == 1 else names

    def norm(name, x):
        return node("LayerNormalization", x, f"{name}.scale", f"{name}.bias", axis=-1, epsilon=1e-5)

    constants["heads"] = np.array([1, CONTEXT, HEADS, WIDTH // HEADS], np.int64)
    constants["flat"] = np.array([1, CONTEXT, WIDTH], np.int64)
    constants["hidden"] = np.triu(np.ones((CONTEXT, CONTEXT), bool), 1)
    constants["low"] = np.array(-np.inf, np.float32)
    constants["root"] = np.array((WIDTH // HEADS) ** -0.5, np.float32)
    x = node("Add", node("Gather", "tokens", "ids"), "places")
    for layer in range(LAYERS):
        qkv = node("MatMul", norm(f"{layer}.norm1", x), f"{layer}.qkv")
        q, k, v = node("Split", qkv, outputs=3, axis=-1, num_outputs=3)
        q, k, v = (
            node("Transpose", node("Reshape", t, "heads"), perm=perm)
            for t, perm in ((q, [0, 2, 1, 3]), (k, [0, 2, 3, 1]), (v, [0, 2, 1, 3]))
        )
        attention = node("Where", "hidden", "low", node("Mul", node("MatMul", q, k), "root"))
        read = node("MatMul", node("Softmax", attention, axis=-1), v)
        read = node("Reshape", node("Transpose", read, perm=[0, 2, 1, 3]), "flat")
        x = node("Add", x, node("MatMul", read, f"{layer}.out"))
        inner = node("Gelu", node("MatMul", norm(f"{layer}.norm2", x), f"{layer}.up"))
        x = node("Add", x, node("MatMul", inner, f"{layer}.down"))
    nodes.append(helper.make_node("MatMul", [norm("norm", x), "head"], ["logits"], name="head"))
    graph = helper.make_graph(
        nodes,
        "prose",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, CONTEXT])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, CONTEXT, len(CHARACTERS)])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], producer_name="train_prose.py")
    model.ir_version = 10
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    text, held = tokens()
    w = train(text)
    model = exported(w)
    onnx.save(model, DATA / "prose.onnx")
    ids, labels = windows(held, np.linspace(0, len(held) - CONTEXT - 1, 64).astype(int))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs = np.stack([session.run(None, {"ids": row[None]})[0] for row in ids])
    np.savez_compressed(DATA / "prose_io.npz", inputs=ids[:, None], outputs=outputs, labels=labels[:, None])
    (DATA / "prose_characters.json").write_text(json.dumps(list(CHARACTERS)) + "\n")
    parameters = sum(value.size for value in w.values())
    print(f"{parameters} parameters, {len(text)} characters, {float(loss(w, ids, labels)):.3f} nats held out")


if __name__ == "__main__":
    main()
