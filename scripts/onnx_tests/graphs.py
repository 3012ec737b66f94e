"""Random small graphs: what exporters write, put together in ways that nobody has looked at.

Each is made from its own number, so that the first ones stay what they are however many there are: a longer hunt sets
`CYBORG_ONNX_GRAPHS`, and the test then names what it has not seen before.
"""

import os

import numpy as np

from . import recipes
from .sketch import Rejected, Sketch

COUNT = int(os.environ.get("CYBORG_ONNX_GRAPHS", 400))
FAMILIES = [recipes.ELEMENTWISE, recipes.MATRIX, recipes.IMAGE, recipes.INTEGER]


def generate(folder):
    for number in range(COUNT):
        graph(number).write(folder, f"random_{number:03}")


def graph(number):
    dice = np.random.default_rng(number)
    sketch = Sketch(dice)
    family = FAMILIES[number % len(FAMILIES)]
    for _ in range(1 + (dice.random() < 0.3)):
        sketch.input(family.shape(dice), family.integer)
    wanted = int(dice.integers(2, 7))
    while len(sketch.nodes) < wanted:
        recipe = family.recipes[dice.integers(len(family.recipes))]
        kept = len(sketch.nodes), len(sketch.initializers), list(sketch.unread), dict(sketch.arrays)
        try:
            recipe(sketch, choose(sketch))
        except Rejected:
            nodes, initializers, sketch.unread, sketch.arrays = kept
            del sketch.nodes[nodes:], sketch.initializers[initializers:]
    return sketch


def choose(sketch):
    """A value to go on from: mostly the newest, so that graphs are deep, and sometimes one that is read already."""
    values = list(sketch.arrays)
    if sketch.dice.random() < 0.7:
        return sketch.unread[-1]
    return values[sketch.dice.integers(len(values))]
