#!/usr/bin/env python3
"""Makes the benchmark models: M.onnx and M_io.npz for each, into a folder outside the repository.

    python3 -m venv venv && venv/bin/pip install -r scripts/requirements.txt
    venv/bin/python scripts/bench_models.py OUT [--only SUBSTRING] [--sweep]

| model | architecture | parameters |
|---|---|---|
| cnn_264k | 3x32x32, conv 5x5 12, pool, conv 5x5 33, pool, 251, 175, 10 | 264,031 |
| cnn_264k_wide | 3x32x32, conv 3x3 32, pool, conv 3x3 32, pool, 120, 84, 10 | 267,038 |
| dense_4m_square | 8, 2048, 2048, 10 | 4,235,274 |
| dense_4m_deep | 784, 1024, 1024, 1024, 1024, 10 | 3,962,890 |
| --sweep: dense_P | 64, w, w, 10 | 10 k to 10 M |
| --sweep: cnn_P | as cnn_264k, channels and widths scaled together | 10 k to 10 M |

cnn_264k is the CIFAR-10 network of the published comparison of DeepProve with EZKL: LeNet-5's
channels and widths (6, 16, 120, 84) multiplied by one factor until it has 264 thousand parameters.
cnn_264k_wide has as many parameters and three times as many activations.

Networks learn, for a few steps, to tell ten random prototypes with added noise apart, so that their
outputs have the margins of a trained classifier. `_io.npz` holds 64 fresh samples: `inputs`
(64, 1, ...), `outputs` from onnxruntime, `labels` (the float model's argmax). Seeds are fixed.
"""

import argparse
import logging
import pathlib
import warnings
import zlib

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

SAMPLES = 64
CLASSES = 10
SWEEP = [10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000]


def dense(*widths):
    """Linear layers of these widths with ReLU between them, and the shape of the input."""
    layers = []
    for before, after in zip(widths, widths[1:]):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1]), (1, widths[0])


def lenet(c1, c2, fc1, fc2):
    """LeNet-5 for 3x32x32 with these channels and widths."""
    return nn.Sequential(
        nn.Conv2d(3, c1, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(c1, c2, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(c2 * 25, fc1), nn.ReLU(), nn.Linear(fc1, fc2), nn.ReLU(), nn.Linear(fc2, CLASSES)), (1, 3, 32, 32)


def lenet_wide():
    """Same-padded 3x3 convolutions, so that there are more activations than parameters suggest."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(2048, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, CLASSES)), (1, 3, 32, 32)


def dense_of(parameters):
    """64-w-w-10 with the width that comes closest to this number of parameters."""
    width = round((-76 + (76 * 76 + 4 * parameters) ** 0.5) / 2)
    return dense(64, width, width, CLASSES)


def cnn_of(parameters):
    """LeNet-5 scaled by one factor to the greatest size within this number of parameters."""
    def widths(scale):
        return tuple(max(1, int(n * scale)) for n in (6, 16, 120, 84))

    def count(scale):
        c1, c2, f1, f2 = widths(scale)
        return 76 * c1 + (25 * c1 + 1) * c2 + (25 * c2 + 1) * f1 + (f1 + 1) * f2 + (f2 + 1) * CLASSES

    low, high = 0.0, 64.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if count(middle) <= parameters else (low, middle)
    return lenet(*widths(low))


def models(sweep):
    yield "cnn_264k", lambda: lenet(12, 33, 251, 175)
    yield "cnn_264k_wide", lenet_wide
    yield "dense_4m_square", lambda: dense(8, 2048, 2048, CLASSES)
    yield "dense_4m_deep", lambda: dense(784, 1024, 1024, 1024, 1024, CLASSES)
    if sweep:
        for parameters in SWEEP:
            label = f"{parameters // 1000}k" if parameters < 1_000_000 else f"{parameters // 1_000_000}m"
            yield f"sweep_dense_{label}", lambda p=parameters: dense_of(p)
            yield f"sweep_cnn_{label}", lambda p=parameters: cnn_of(p)


def draw(generator, prototypes, count):
    """`count` noisy prototypes and their classes."""
    classes = generator.integers(0, CLASSES, count)
    noise = generator.standard_normal((count, *prototypes.shape[1:]))
    return (0.8 * prototypes[classes] + 0.6 * noise).astype(np.float32), classes


def train(module, generator, prototypes, steps):
    module.train()
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-3)
    for _ in range(steps):
        inputs, classes = draw(generator, prototypes, 32)
        loss = nn.functional.cross_entropy(module(torch.tensor(inputs)), torch.tensor(classes))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return module.eval()


def write(out, name, factory, steps):
    seed = zlib.crc32(name.encode())
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    module, shape = factory()
    prototypes = generator.standard_normal((CLASSES, *shape[1:]))
    module = train(module, generator, prototypes, steps)
    path = out / f"{name}.onnx"
    torch.onnx.export(module, (torch.zeros(shape),), str(path), dynamo=True, opset_version=20, external_data=False,
                      input_names=["input"], output_names=["output"], verbose=False)
    model = onnx.load(path)
    for holder in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        holder.ClearField("metadata_props")
    onnx.save(model, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs, classes = draw(generator, prototypes, SAMPLES)
    inputs = inputs.reshape(SAMPLES, *shape)
    outputs = np.stack([session.run(None, {"input": x})[0] for x in inputs])
    labels = outputs.reshape(SAMPLES, -1).argmax(-1)
    np.savez_compressed(out / f"{name}_io.npz", inputs=inputs, outputs=outputs, labels=labels.astype(np.int64))
    parameters = sum(p.numel() for p in module.parameters())
    print(f"{name}: {parameters:,} parameters, {100 * (labels == classes).mean():.0f} % right, "
          f"{path.stat().st_size / 1e6:.1f} MB", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--only", default="", help="make only models whose name contains this")
    parser.add_argument("--sweep", action="store_true", help="also the models of the growth plot")
    parser.add_argument("--steps", type=int, default=60, help="training steps")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, factory in models(arguments.sweep):
        if arguments.only in name:
            write(arguments.out, name, factory, arguments.steps)


if __name__ == "__main__":
    main()
