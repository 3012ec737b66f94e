#!/usr/bin/env python3
"""Exports the float crate's test models: one small PyTorch model for each operator.

    python3 -m venv venv && venv/bin/pip install -r scripts/requirements.txt
    venv/bin/python scripts/export_fixtures.py [--out crates/zkml/float/tests/fixtures] [--only SUBSTRING]

Every case is written once by each of PyTorch's two exporters, at opsets that rotate over the
supported range: `NAME_ts13.onnx` comes from the TorchScript exporter at opset 13, `NAME_dy18.onnx`
from the dynamo exporter at opset 18. Beside each lies `NAME.json`:

    {"inputs":  {"x": {"shape": [1, 4], "samples": [[flat floats], ...]}},
     "outputs": {"y": {"shape": [1, 2], "samples": [[flat floats], ...]}}}

Shapes include the batch axis (always 1), samples are row-major, outputs come from onnxruntime.
Seeds are fixed by the case's name. Models that must be refused go to `unsupported/`, without JSON.
"""

import argparse
import io
import json
import logging
import pathlib
import warnings
import zlib

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper
from torch import nn

SAMPLES = 8
TORCHSCRIPT_OPSETS = [11, 13, 17, 20, 12, 15]
DYNAMO_OPSETS = [18, 20, 19]
# Operators whose form changed between opsets are written by TorchScript on both sides of the change.
CHANGED = {
    "softmax": [11, 13], "softmax_middle": [11, 13], "squeeze": [11, 13], "unsqueeze": [11, 13], "sum_axis": [11, 13],
    "mean_axis": [13, 20], "mean_spatial_keep": [11, 20], "amax_axis": [13, 20], "split": [11, 13, 20],
    "clip_both": [11, 13], "relu6": [11, 20], "dropout": [11, 13], "pad_zero": [11, 20], "hardswish": [11, 14],
    "gelu": [11, 20], "gelu_tanh": [11, 20], "batchnorm_alone": [11, 17], "argmax": [11, 13], "slice": [11, 20],
    "net_attention": [11, 17], "net_mlp_softmax": [11, 13], "net_resnet": [11],
}
MAX_MODEL_BYTES = 20_000
MAX_TOTAL_BYTES = 1_500_000


class Fn(nn.Module):
    """A function as a module; submodules and parameters are passed by name."""

    def __init__(self, function, **members):
        super().__init__()
        self.function = function
        for name, member in members.items():
            if isinstance(member, torch.Tensor):
                self.register_buffer(name, member)
            else:
                setattr(self, name, member)

    def forward(self, *inputs):
        return self.function(self, *inputs)


def unary(function):
    return lambda: Fn(lambda self, *x: function(*x))


def randomise_batch_norm(module):
    """Gives batch normalisations statistics as after training."""
    for m in module.modules():
        if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
            m.running_mean.normal_(0, 0.5)
            m.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(m.weight, 0.5, 1.5)
            nn.init.normal_(m.bias, 0, 0.3)
    return module


class Residual(nn.Module):
    def __init__(self, cin, cout, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.short = None
        if stride != 1 or cin != cout:
            self.short = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x):
        skip = x if self.short is None else self.short(x)
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + skip)


class InvertedResidual(nn.Module):
    def __init__(self, c, expand):
        super().__init__()
        h = c * expand
        self.block = nn.Sequential(
            nn.Conv2d(c, h, 1, bias=False), nn.BatchNorm2d(h), nn.ReLU6(),
            nn.Conv2d(h, h, 3, 1, 1, groups=h, bias=False), nn.BatchNorm2d(h), nn.ReLU6(),
            nn.Conv2d(h, c, 1, bias=False), nn.BatchNorm2d(c))

    def forward(self, x):
        return x + self.block(x)


class SqueezeExcite(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = nn.Conv2d(3, c, 3, 1, 1)
        self.fc1 = nn.Conv2d(c, 2, 1)
        self.fc2 = nn.Conv2d(2, c, 1)

    def forward(self, x):
        x = F.hardswish(self.conv(x))
        s = F.adaptive_avg_pool2d(x, 1)
        return x * F.hardsigmoid(self.fc2(F.relu(self.fc1(s))))


class Attention(nn.Module):
    def __init__(self, width, heads, causal):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x):
        (batch, seq, width) = x.shape
        q, k, v = self.qkv(x).split(width, dim=2)
        q, k, v = (t.view(batch, seq, self.heads, width // self.heads).transpose(1, 2) for t in (q, k, v))
        scores = q @ k.transpose(-2, -1) * (width // self.heads) ** -0.5
        if self.causal:
            scores = scores + torch.triu(torch.full((seq, seq), -20.0), diagonal=1)
        y = F.softmax(scores, dim=-1) @ v
        return self.out(y.transpose(1, 2).reshape(batch, seq, width))


def tiny_resnet():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
        Residual(4, 4), Residual(4, 6, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5))


def tiny_lenet():
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 3), nn.Tanh(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 5))


def mobilenet():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU6(), InvertedResidual(4, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(4, 3))


def mlp_softmax():
    return nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 8), nn.GELU(), nn.Linear(8, 5), nn.Softmax(-1))


def positive(x):
    return x.abs() + 0.25


IMAGE = [(1, 2, 6, 6)]
IMAGE3 = [(1, 3, 4, 4)]
VECTOR = [(1, 12)]
SEQUENCE = [(1, 4, 6)]
# (name, module factory, input shapes, options). Options: `prepare` maps random inputs,
# `dynamic` names a symbolic batch axis, `only` restricts to one exporter ("ts" or "dy").
CASES = []


def case(name, factory, shapes, **options):
    CASES.append((name, factory, shapes, options))


# Linear operators.
case("gemm", lambda: nn.Linear(12, 7), VECTOR)
case("gemm_no_bias", lambda: nn.Linear(12, 7, bias=False), VECTOR)
case("linear_sequence", lambda: nn.Linear(6, 5), SEQUENCE)
case("matmul_const", lambda: Fn(lambda s, x: x @ s.w, w=torch.randn(6, 5)), SEQUENCE)
case("matmul_const_left", lambda: Fn(lambda s, x: s.w @ x, w=torch.randn(5, 4)), SEQUENCE)
case("matmul_batched", lambda: Fn(lambda s, x, y: x @ y), [(1, 2, 3, 4), (1, 2, 4, 5)])
case("matmul_transposed", lambda: Fn(lambda s, x, y: x @ y.transpose(-1, -2)), [(1, 3, 4), (1, 5, 4)])
case("bilinear_form", lambda: Fn(lambda s, x: (s.a(x) * s.b(x)), a=nn.Linear(12, 6), b=nn.Linear(12, 6)), VECTOR)
case("conv", lambda: nn.Conv2d(2, 3, 3), IMAGE)
case("conv_same", lambda: nn.Conv2d(2, 3, 3, padding="same"), IMAGE)
case("conv_no_bias", lambda: nn.Conv2d(2, 3, 3, padding=1, bias=False), IMAGE)
case("conv_stride", lambda: nn.Conv2d(2, 3, 3, stride=2, padding=1), IMAGE)
case("conv_stride_uneven", lambda: nn.Conv2d(2, 3, (3, 2), stride=(1, 3), padding=(0, 1)), [(1, 2, 5, 7)])
case("conv_same_even_kernel", lambda: nn.Conv2d(2, 3, 4, padding="same"), IMAGE)
case("conv_padded_before", lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 2, 0)), nn.Conv2d(2, 3, 3, stride=2)), IMAGE)
case("conv_dilated", lambda: nn.Conv2d(2, 3, 3, padding=2, dilation=2), IMAGE)
case("conv_groups", lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2), [(1, 4, 5, 5)])
case("conv_depthwise", lambda: nn.Conv2d(3, 3, 3, padding=1, groups=3), [(1, 3, 5, 5)])
case("conv_depthwise_multiplier", lambda: nn.Conv2d(2, 4, 3, stride=2, groups=2), IMAGE)
case("conv_pointwise", lambda: nn.Conv2d(3, 5, 1), [(1, 3, 4, 4)])
case("conv1d", lambda: nn.Conv1d(3, 4, 3), [(1, 3, 9)])
case("conv1d_stride_dilated", lambda: nn.Conv1d(3, 4, 3, stride=2, padding=2, dilation=2), [(1, 3, 9)])
case("conv1d_depthwise", lambda: nn.Conv1d(4, 4, 5, padding=2, groups=4), [(1, 4, 8)])

# Normalisation.
case("conv_batchnorm", lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)), IMAGE)
case("conv_batchnorm_relu", lambda: nn.Sequential(nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU()), IMAGE)
case("batchnorm_alone", lambda: nn.BatchNorm2d(2), IMAGE)
case("batchnorm_before_conv", lambda: nn.Sequential(nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 3, 3, padding=1)), IMAGE)
case("batchnorm1d_after_linear", lambda: nn.Sequential(nn.Linear(12, 6), nn.BatchNorm1d(6)), VECTOR)
case("batchnorm1d_sequence", lambda: nn.Sequential(nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4)), [(1, 3, 9)])

# One-variable functions, alone and after a linear layer.
for name, module in {
    "relu": nn.ReLU, "leaky_relu": lambda: nn.LeakyReLU(0.1), "relu6": nn.ReLU6, "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh, "hardswish": nn.Hardswish, "hardsigmoid": nn.Hardsigmoid, "hardtanh": nn.Hardtanh,
    "elu": lambda: nn.ELU(0.8), "selu": nn.SELU, "celu": lambda: nn.CELU(1.5), "softplus": nn.Softplus,
    "softsign": nn.Softsign, "mish": nn.Mish, "gelu": nn.GELU, "gelu_tanh": lambda: nn.GELU("tanh"),
    "silu": nn.SiLU, "logsigmoid": nn.LogSigmoid,
}.items():
    case(name, module, VECTOR)
case("gemm_relu", lambda: nn.Sequential(nn.Linear(12, 7), nn.ReLU()), VECTOR)
case("gemm_gelu", lambda: nn.Sequential(nn.Linear(12, 7), nn.GELU()), VECTOR)
case("conv_silu", lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.SiLU()), IMAGE)
case("prelu_shared", lambda: nn.PReLU(), VECTOR)
case("prelu_channels", lambda: Fn(lambda s, x: F.prelu(x, s.a), a=torch.tensor([0.1, 0.25, 0.5])), IMAGE3)
case("conv_prelu", lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.PReLU(3)), IMAGE)
case("clip_both", unary(lambda x: x.clamp(-0.5, 1.25)), VECTOR)
case("clip_min", unary(lambda x: x.clamp(min=-0.3)), VECTOR)
case("clip_max", unary(lambda x: x.clamp(max=0.7)), VECTOR)
for name, function in {
    "erf": torch.erf, "exp": torch.exp, "abs": torch.abs, "neg": torch.neg, "square": lambda x: x.pow(2),
    "cube": lambda x: x.pow(3), "sin": torch.sin, "cos": torch.cos, "floor": torch.floor, "ceil": torch.ceil,
    "sign": torch.sign, "round": torch.round,
}.items():
    case(name, unary(function), VECTOR)
for name, function in {
    "log": torch.log, "sqrt": torch.sqrt, "reciprocal": torch.reciprocal, "rsqrt": torch.rsqrt,
    "pow_half": lambda x: x.pow(0.5),
}.items():
    case(name, unary(function), VECTOR, prepare=positive)

# Pooling.
case("maxpool", lambda: nn.MaxPool2d(2), IMAGE)
case("maxpool_overlapping", lambda: nn.MaxPool2d(3, stride=2), [(1, 2, 7, 7)])
case("maxpool_padded", lambda: nn.MaxPool2d(3, stride=2, padding=1), IMAGE)
case("maxpool_ceil", lambda: nn.MaxPool2d(2, ceil_mode=True), [(1, 2, 5, 5)])
case("maxpool_uneven", lambda: nn.MaxPool2d((3, 2), stride=(1, 2)), IMAGE)
case("maxpool_dilated", lambda: nn.MaxPool2d(2, stride=1, dilation=2), IMAGE)
case("maxpool1d", lambda: nn.MaxPool1d(3, stride=2, padding=1), [(1, 3, 8)])
case("avgpool", lambda: nn.AvgPool2d(2), IMAGE)
case("avgpool_three", lambda: nn.AvgPool2d(3, stride=2), [(1, 2, 7, 7)])
case("avgpool_padded", lambda: nn.AvgPool2d(3, stride=2, padding=1), IMAGE)
case("avgpool_exclude_pad", lambda: nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False), IMAGE)
case("avgpool_ceil", lambda: nn.AvgPool2d(2, ceil_mode=True), [(1, 2, 5, 5)])
case("avgpool_ceil_padded", lambda: nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True), [(1, 2, 6, 6)])
case("avgpool_ceil_exclude_pad",
     lambda: nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False), [(1, 2, 6, 6)])
case("avgpool1d", lambda: nn.AvgPool1d(3, stride=2), [(1, 3, 9)])
case("global_avgpool", lambda: nn.AdaptiveAvgPool2d(1), IMAGE3)
case("global_avgpool_flatten", lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4)), IMAGE3)
case("adaptive_avgpool_two", lambda: nn.AdaptiveAvgPool2d(2), IMAGE)
case("global_maxpool", lambda: nn.AdaptiveMaxPool2d(1), IMAGE3)

# Reductions, softmax, ArgMax.
case("mean_axis", unary(lambda x: x.mean(dim=1)), SEQUENCE)
case("mean_spatial_keep", unary(lambda x: x.mean(dim=(2, 3), keepdim=True)), IMAGE3)
case("mean_all", unary(lambda x: x.mean(dim=(1, 2))), SEQUENCE)
case("sum_axis", unary(lambda x: x.sum(dim=-1)), SEQUENCE)
case("sum_keep", unary(lambda x: x.sum(dim=1, keepdim=True)), SEQUENCE)
case("amax_axis", unary(lambda x: x.amax(dim=-1)), SEQUENCE)
case("amax_keep", unary(lambda x: x.amax(dim=(2, 3), keepdim=True)), IMAGE3)
case("max_values", unary(lambda x: x.max(dim=1).values), SEQUENCE)
case("amin_axis", unary(lambda x: x.amin(dim=-1)), SEQUENCE)
case("softmax", lambda: nn.Softmax(dim=-1), VECTOR)
case("softmax_middle", lambda: nn.Softmax(dim=1), SEQUENCE)
case("softmax_channels", lambda: nn.Softmax(dim=1), [(1, 3, 4, 4)])
case("log_softmax", lambda: nn.LogSoftmax(dim=-1), VECTOR)
case("argmax", unary(lambda x: x.argmax(dim=-1)), VECTOR)
case("argmax_keep", unary(lambda x: x.argmax(dim=1, keepdim=True)), SEQUENCE)
case("classify", lambda: Fn(lambda s, x: s.fc(x).argmax(dim=-1), fc=nn.Linear(12, 5)), VECTOR)

# Elementwise operators of two activations, and with constants.
case("add", unary(lambda x, y: x + y), [(1, 6), (1, 6)])
case("sub", unary(lambda x, y: x - y), [(1, 6), (1, 6)])
case("mul", unary(lambda x, y: x * y), [(1, 6), (1, 6)])
case("add_broadcast", unary(lambda x, y: x + y), [(1, 3, 4), (1, 1, 4)])
case("mul_broadcast", unary(lambda x, y: x * y), [(1, 3, 4, 4), (1, 3, 1, 1)])
case("maximum", unary(torch.maximum), [(1, 6), (1, 6)])
case("minimum", unary(torch.minimum), [(1, 6), (1, 6)])
case("add_self", unary(lambda x: x + x), VECTOR)
case("mul_self", unary(lambda x: x * x), VECTOR)
case("add_scalar", unary(lambda x: x + 0.75), VECTOR)
case("add_const", lambda: Fn(lambda s, x: x + s.c, c=torch.randn(3, 1, 1)), IMAGE3)
case("sub_from_const", unary(lambda x: 1.0 - x), VECTOR)
case("mul_scalar", unary(lambda x: x * 0.37), VECTOR)
case("mul_const", lambda: Fn(lambda s, x: x * s.c, c=torch.randn(12)), VECTOR)
case("mul_const_channels", lambda: Fn(lambda s, x: x * s.c, c=torch.randn(1, 3, 1, 1)), IMAGE3)
case("div_scalar", unary(lambda x: x / 3.0), VECTOR)
case("div_const", lambda: Fn(lambda s, x: x / s.c, c=torch.rand(12) + 0.5), VECTOR)
case("scale_shift", lambda: Fn(lambda s, x: x * s.a + s.b, a=torch.randn(12), b=torch.randn(12)), VECTOR)
case("input_normalise", lambda: Fn(lambda s, x: s.fc((x - 0.13) / 0.31), fc=nn.Linear(12, 5)), VECTOR)

# Data movement.
case("pad_zero", unary(lambda x: F.pad(x, (1, 2, 0, 1))), IMAGE)
case("pad_value", unary(lambda x: F.pad(x, (1, 0), value=0.5)), SEQUENCE)
case("pad_negative", unary(lambda x: F.pad(x, (-1, 2))), SEQUENCE)
case("concat", unary(lambda x, y: torch.cat([x, y], dim=1)), [(1, 2, 4), (1, 3, 4)])
case("concat_last", unary(lambda x: torch.cat([x, x * 2, F.relu(x)], dim=-1)), SEQUENCE)
case("concat_const", lambda: Fn(lambda s, x: torch.cat([s.c, x], dim=1), c=torch.randn(1, 1, 6)), SEQUENCE)
case("stack", unary(lambda x, y: torch.stack([x, y], dim=1)), [(1, 6), (1, 6)])
case("slice", unary(lambda x: x[:, 1:3]), SEQUENCE)
case("slice_step", unary(lambda x: x[:, :, ::2]), SEQUENCE)
case("slice_negative", unary(lambda x: x[:, -2:, :-1]), SEQUENCE)
case("select", unary(lambda x: x[:, 2]), SEQUENCE)
case("split", unary(lambda x: (lambda a, b: a * b)(*x.split([3, 3], dim=2))), SEQUENCE)
case("split_uneven", unary(lambda x: torch.split(x, [1, 3], dim=1)[1]), SEQUENCE)
case("chunk", unary(lambda x: (lambda a, b, c: a + b - c)(*x.chunk(3, dim=2))), SEQUENCE)
case("split_outputs", unary(lambda x: tuple(x.split(3, dim=2))), SEQUENCE)
case("glu", lambda: nn.GLU(dim=-1), SEQUENCE)
case("flatten", unary(lambda x: x.flatten(1)), SEQUENCE)
case("reshape", unary(lambda x: x.view(1, 3, 8)), SEQUENCE)
case("view_batch", unary(lambda x: x.view(x.size(0), -1)), SEQUENCE)
case("transpose", unary(lambda x: x.transpose(1, 2)), SEQUENCE)
case("permute", unary(lambda x: x.permute(0, 2, 3, 1)), [(1, 2, 3, 4)])
case("channel_shuffle", unary(lambda x: x.view(1, 2, 2, 3, 3).transpose(1, 2).reshape(1, 4, 3, 3)), [(1, 4, 3, 3)])
case("pixel_shuffle", lambda: nn.PixelShuffle(2), [(1, 4, 3, 3)])
case("squeeze", unary(lambda x: x.squeeze(1)), [(1, 1, 6)])
case("unsqueeze", unary(lambda x: x.unsqueeze(1)), VECTOR)
case("expand", unary(lambda x: x.expand(1, 4, 6) * 2), [(1, 1, 6)])
case("dropout", lambda: nn.Sequential(nn.Linear(12, 6), nn.Dropout(0.5), nn.ReLU()), VECTOR)
case("identity", lambda: nn.Sequential(nn.Identity(), nn.ReLU()), VECTOR)

# Small networks.
case("net_mlp", lambda: nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 5)), [(1, 10)])
case("net_mlp_softmax", mlp_softmax, [(1, 10)])
case("net_mlp_dynamic_batch", mlp_softmax, [(1, 10)], dynamic=True)
case("net_lenet", tiny_lenet, [(1, 1, 14, 14)])
case("net_lenet_dynamic_batch", tiny_lenet, [(1, 1, 14, 14)], dynamic=True)
case("net_residual", lambda: Residual(3, 3), [(1, 3, 6, 6)])
case("net_residual_stride", lambda: Residual(3, 4, 2), [(1, 3, 6, 6)])
case("net_inverted_residual", lambda: InvertedResidual(3, 2), [(1, 3, 5, 5)])
case("net_squeeze_excite", lambda: SqueezeExcite(4), [(1, 3, 5, 5)])
case("net_mobilenet", mobilenet, [(1, 3, 8, 8)])
case("net_resnet", tiny_resnet, [(1, 3, 8, 8)])
case("net_attention", lambda: Attention(8, 2, causal=False), [(1, 5, 8)])
case("net_attention_causal", lambda: Attention(8, 2, causal=True), [(1, 5, 8)])
case("net_conv1d", lambda: nn.Sequential(
    nn.Conv1d(2, 4, 5, padding=2), nn.BatchNorm1d(4), nn.ELU(), nn.MaxPool1d(2),
    nn.Flatten(), nn.Linear(32, 3), nn.Sigmoid()), [(1, 2, 16)])
case("net_autoencoder", lambda: nn.Sequential(
    nn.Linear(12, 6), nn.Tanh(), nn.Linear(6, 3), nn.Tanh(), nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 12)), VECTOR)
case("net_two_inputs", lambda: Fn(
    lambda s, x, y: s.c(F.relu(s.a(x) + s.b(y))), a=nn.Linear(6, 8), b=nn.Linear(4, 8), c=nn.Linear(8, 3)),
    [(1, 6), (1, 4)])

case("lstm", lambda: Fn(lambda s, x: s.m(x)[0], m=nn.LSTM(6, 3, batch_first=True)), SEQUENCE, only="ts")
case("gru", lambda: Fn(lambda s, x: s.m(x)[0], m=nn.GRU(6, 3, batch_first=True)), SEQUENCE, only="ts")
case("resize", lambda: nn.Upsample(scale_factor=2, mode="bilinear"), IMAGE)
case("cumsum", unary(lambda x: x.cumsum(-1)), VECTOR)

# Refused, each for its own reason.
UNSUPPORTED = []


def unsupported(name, factory, shapes, **options):
    UNSUPPORTED.append((name, factory, shapes, options))


unsupported("topk", unary(lambda x: x.topk(3).values), VECTOR)
unsupported("nonzero", unary(lambda x: x.nonzero()), VECTOR, only="ts")
unsupported("mod", unary(lambda x: x.remainder(0.7)), VECTOR)
unsupported("div_activations", unary(lambda x, y: x / y), [(1, 6), (1, 6)])
unsupported("several", unary(lambda x: x.cumsum(-1).topk(3).values), VECTOR)


def handmade():
    """Models that no exporter writes but that arrive all the same."""

    def model(nodes, initializers=(), inputs=None, opsets=(("", 17),)):
        x = inputs or [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])]
        y = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])]
        graph = helper.make_graph(nodes, "handmade", x, y, list(initializers))
        return helper.make_model(graph, opset_imports=[helper.make_opsetid(d, v) for d, v in opsets])

    def weight(value, name="w"):
        data = np.eye(4, dtype=np.float32)
        data[1, 2] = value
        return onnx.numpy_helper.from_array(data, name)

    gemm = helper.make_node("Gemm", ["x", "w"], ["y"], name="gemm_0")
    yield "nan_weight", model([gemm], [weight(np.nan)])
    yield "infinite_weight", model([gemm], [weight(np.inf)])
    yield "custom_domain", model([helper.make_node("Frobnicate", ["x"], ["y"], name="frob_0", domain="com.example")],
                                 opsets=(("", 17), ("com.example", 1)))
    yield "missing_initialiser", model([gemm])
    yield "wrong_shape", model([helper.make_node("Gemm", ["x", "w"], ["y"], name="gemm_0")],
                               [onnx.numpy_helper.from_array(np.ones((5, 4), np.float32), "w")])
    external = weight(1.0)
    external.ClearField("raw_data")
    external.data_location = TensorProto.EXTERNAL
    external.external_data.add(key="location", value="weights.bin")
    yield "external_data", model([gemm], [external])
    short = weight(1.0)
    short.raw_data = short.raw_data[:20]
    yield "short_raw_data", model([gemm], [short])
    huge = weight(1.0)
    huge.dims[:] = [1 << 40, 1 << 40]
    yield "huge_dims", model([gemm], [huge])
    negative = weight(1.0)
    negative.dims[:] = [-4, -4]
    yield "negative_dims", model([gemm], [negative])
    yield "dynamic_spatial", model(
        [helper.make_node("Relu", ["x"], ["y"], name="relu_0")],
        inputs=[helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "length"])])
    yield "batch_of_two", model(
        [helper.make_node("Relu", ["x"], ["y"], name="relu_0")],
        inputs=[helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4])])
    yield "cycle", model([helper.make_node("Add", ["x", "b"], ["a"], name="add_0"),
                          helper.make_node("Relu", ["a"], ["b"], name="relu_0"),
                          helper.make_node("Relu", ["b"], ["y"], name="relu_1")])
    yield "old_opset", model([helper.make_node("Relu", ["x"], ["y"], name="relu_0")], opsets=(("", 6),))
    yield "future_opset", model([helper.make_node("Relu", ["x"], ["y"], name="relu_0")], opsets=(("", 99),))


def export(module, inputs, names, exporter, opset, dynamic):
    """One exporter's ONNX model; node metadata (source paths, stack traces) is dropped."""
    outputs = module(*inputs)
    count = len(outputs) if isinstance(outputs, tuple) else 1
    output_names = ["y"] if count == 1 else [f"y{i}" for i in range(count)]
    if exporter == "ts":
        buffer = io.BytesIO()
        axes = {n: {0: "batch"} for n in names + output_names} if dynamic else None
        torch.onnx.export(module, inputs, buffer, dynamo=False, opset_version=opset, input_names=names,
                          output_names=output_names, dynamic_axes=axes)
        model = onnx.load_from_string(buffer.getvalue())
    else:
        shapes = tuple({0: torch.export.Dim.DYNAMIC} for _ in names) if dynamic else None
        # A symbolic axis needs an example other than 1, which would be taken as fixed.
        examples = tuple(torch.cat([x, x]) for x in inputs) if dynamic else inputs
        program = torch.onnx.export(module, examples, dynamo=True, opset_version=opset, input_names=names,
                                    output_names=output_names, dynamic_shapes=shapes, verbose=False)
        model = program.model_proto
    for holder in [model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input,
                   *model.graph.output, *model.graph.initializer, *model.functions,
                   *(n for f in model.functions for n in f.node)]:
        for field in ("metadata_props", "doc_string"):
            if field in holder.DESCRIPTOR.fields_by_name:
                holder.ClearField(field)
    onnx.checker.check_model(model)
    return model


def rounded(values):
    """Floats with five significant digits, and integers as they are."""
    flat = np.asarray(values).reshape(-1)
    if np.issubdtype(flat.dtype, np.integer):
        return [int(v) for v in flat]
    return [float(f"{v:.5g}") for v in flat]


def write(out, name, case_name, exporter, opset):
    (factory, shapes, options) = {c[0]: c[1:] for c in CASES + UNSUPPORTED}[case_name]
    seed = zlib.crc32(case_name.encode())
    torch.manual_seed(seed)
    module = randomise_batch_norm(factory()).eval()
    generator = np.random.default_rng(seed)
    prepare = options.get("prepare", lambda x: x)
    names = ["x"] if len(shapes) == 1 else ["x", "y_in", "z_in"][: len(shapes)]
    samples = [[prepare(torch.tensor(generator.standard_normal(s).round(3), dtype=torch.float32)) for s in shapes]
               for _ in range(SAMPLES)]
    with torch.no_grad():
        model = export(module, tuple(samples[0]), names, exporter, opset, options.get("dynamic", False))
    data = model.SerializeToString(deterministic=True)
    assert len(data) < MAX_MODEL_BYTES, f"{name}: {len(data)} bytes"
    (out / f"{name}.onnx").write_bytes(data)
    if out.name == "unsupported":
        return
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    inputs = [[np.array(rounded(x.numpy()), np.float32).reshape(s) for x, s in zip(sample, shapes)] for sample in samples]
    results = [session.run(None, dict(zip(names, sample))) for sample in inputs]
    document = {
        "inputs": {n: {"shape": list(shapes[i]), "samples": [rounded(s[i]) for s in inputs]} for i, n in enumerate(names)},
        "outputs": {o.name: {"shape": list(results[0][i].shape), "samples": [rounded(r[i]) for r in results]}
                    for i, o in enumerate(session.get_outputs())},
    }
    (out / f"{name}.json").write_text(json.dumps(document, separators=(",", ":")) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = pathlib.Path(__file__).resolve().parent.parent / "crates/zkml/float/tests/fixtures"
    parser.add_argument("--out", type=pathlib.Path, default=default)
    parser.add_argument("--only", default="", help="write only cases whose name contains this")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    refused = arguments.out / "unsupported"
    refused.mkdir(parents=True, exist_ok=True)
    failures = []
    for out, cases in ((arguments.out, CASES), (refused, UNSUPPORTED)):
        for index, (case_name, _, _, options) in enumerate(cases):
            if arguments.only not in case_name:
                continue
            usual = TORCHSCRIPT_OPSETS[index % len(TORCHSCRIPT_OPSETS)]
            variants = [("ts", opset) for opset in sorted({usual, *CHANGED.get(case_name, [])})]
            variants.append(("dy", DYNAMO_OPSETS[index % len(DYNAMO_OPSETS)]))
            for exporter, opset in variants:
                if options.get("only", exporter) != exporter:
                    continue
                try:
                    write(out, f"{case_name}_{exporter}{opset}", case_name, exporter, opset)
                except Exception as error:
                    failures.append(f"{case_name} {exporter}{opset}: {type(error).__name__}: {str(error)[:300]}")
    for name, model in handmade():
        if arguments.only in name:
            (refused / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
    files = list(arguments.out.rglob("*.onnx")) + list(arguments.out.rglob("*.json"))
    total = sum(f.stat().st_size for f in files)
    print(f"{len(files)} files, {total} bytes")
    assert total < MAX_TOTAL_BYTES, f"fixtures take {total} bytes"
    print("not written:", *failures, sep="\n  ") if failures else None


if __name__ == "__main__":
    main()
