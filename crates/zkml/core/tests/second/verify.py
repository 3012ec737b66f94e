#!/usr/bin/env python3
"""A second verifier, written from docs/bytes.md: encodings, generators, transcript, inner-product argument.

    python3 verify.py vectors.txt

Reads the vectors line by line, as docs/bytes.md describes them; the first that does not agree ends it with 1.
It shares no code with the verifier, and is as slow as it looks.
"""

import sys

import pallas
from blake3 import blake3

LAMBDA = 0x397E65A7D7C1AD71AEE24B27E308F0A61259527EC1D4752E619D1840AF55F1B1


class Transcript:
    """The hash chain of docs/bytes.md."""

    def __init__(self, protocol):
        self.state = b""
        self.absorb("protocol", protocol.encode())

    def absorb(self, label, data):
        for part in (label.encode(), data):
            self.state += len(part).to_bytes(8, "little") + part

    def squeeze(self, label):
        self.absorb(label, b"")
        out = blake3(self.state, 96)
        self.state = out[64:]
        return out[:64]

    def challenge(self, label):
        return uniform(self.squeeze(label))


def uniform(data):
    """64 uniform bytes as a scalar."""
    return int.from_bytes(data, "little") % pallas.ORDER


def short(data):
    """64 uniform bytes as a short challenge."""
    low, high = (int.from_bytes(data[i : i + 8], "little") for i in (0, 8))
    return ((low or not high) + high * LAMBDA) % pallas.ORDER


def combine(*terms):
    """The sum of multiples of points."""
    total = pallas.IDENTITY
    for factor, point in terms:
        total = pallas.add(total, pallas.multiply(factor, point))
    return total


def argument(commitment, coefficients, value, proof):
    """Whether a proof shows that the committed vector has this inner product with the coefficients."""
    transcript = Transcript("vectors")
    blind, unit = pallas.generator(0), pallas.generator(1)
    bases = [pallas.generator(2 + index) for index in range(len(coefficients))]
    weight = transcript.challenge("inner product value")
    point = combine((1, commitment), (weight * value, unit))
    rounds = list(proof["round"])
    while len(bases) > 1:
        if not rounds:
            return False
        left, right = rounds.pop(0)
        for cross in (left, right):
            transcript.absorb("inner product round", pallas.compress(cross))
        x = short(transcript.squeeze("inner product round"))
        half = (len(bases) + 1) // 2
        for index in range(half, len(bases)):
            bases[index - half] = combine((1, bases[index - half]), (x, bases[index]))
            coefficients[index - half] += x * coefficients[index]
        del bases[half:], coefficients[half:]
        point = combine((1, point), (x, left), (pow(x, -1, pallas.ORDER), right))
    transcript.absorb("inner product last", pallas.compress(proof["last"]))
    last = transcript.challenge("inner product last")
    response = proof["scalar"]
    shown = combine((response, bases[0]), (response * coefficients[0] * weight, unit), (proof["blind"], blind))
    return not rounds and shown == combine((1, proof["last"]), (last, point))


def agree(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: {found}, expected {expected}")


def run(lines):
    """Checks every vector; returns their number."""
    transcript, proof, count = Transcript("vectors"), {}, 0
    for line in lines:
        name, *fields = line.split("\t")
        count += name in ("squeeze", "uniform", "short", "generator", "point", "scalar", "argument")
        if name == "absorb":
            transcript.absorb(fields[0], bytes.fromhex(fields[1]))
        elif name == "squeeze":
            agree(line, transcript.squeeze(fields[0]).hex(), fields[1])
        elif name in ("uniform", "short"):
            found = (uniform if name == "uniform" else short)(bytes.fromhex(fields[0]))
            agree(line, found.to_bytes(32, "little").hex(), fields[1])
        elif name == "generator":
            agree(line, pallas.compress(pallas.generator(int(fields[0]))).hex(), fields[1])
        elif name in ("point", "scalar"):
            read = pallas.decompress if name == "point" else pallas.scalar
            try:
                read(bytes.fromhex(fields[0]))
                agree(line, "valid", fields[1])
            except pallas.Refused:
                agree(line, "refused", fields[1])
        elif name == "commitment":
            proof = {"commitment": pallas.decompress(bytes.fromhex(fields[0])), "round": [], "coefficients": []}
        elif name == "coefficient":
            proof["coefficients"].append(pallas.scalar(bytes.fromhex(fields[0])))
        elif name == "round":
            proof["round"].append(tuple(pallas.decompress(bytes.fromhex(field)) for field in fields))
        elif name == "last":
            proof["last"] = pallas.decompress(bytes.fromhex(fields[0]))
        elif name in ("response", "blind", "value"):
            proof["scalar" if name == "response" else name] = pallas.scalar(bytes.fromhex(fields[0]))
        elif name == "argument":
            holds = argument(proof["commitment"], list(proof["coefficients"]), proof["value"], proof)
            agree(line, "valid" if holds else "false", fields[0])
        elif name:
            sys.exit(f"unknown vector: {line}")
    return count


if __name__ == "__main__":
    with open(sys.argv[1], encoding="ascii") as vectors:
        print(f"{run(vectors.read().splitlines())} vectors agree")
