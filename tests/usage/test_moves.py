"""Kernels that are moved at random: where their axes come to lie is counted, element by element.

Each program moves the numbers of the elements as it moves the kernel. Of two elements that differ
along one axis, the axis is one of inputs if different inputs are multiplied by them, and one of
outputs if they are summed into different outputs; what changes both is batch.
"""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import usage

SIZES = (2, 3, 4, 6)
MOVES = 5
PROGRAMS = 300

Array = Any
Move = Callable[[Array], Array]


class Contraction(NamedTuple):
    """What becomes of each dimension of the moved kernel, a letter each.

    `i` is contracted with the inputs, `b` is in the inputs and the outputs too, `o` in the outputs.
    Of `s`, which comes first if it is there, a loop takes one layer after another.
    """

    letters: str

    def __call__(self, value: Array, x: Array) -> Array:
        if self.letters[0] != "s":
            return self.product(value, x)
        return jax.lax.scan(lambda _, one: (0, self.inner.product(one, x)), 0, value)[1]

    @property
    def inner(self) -> "Contraction":
        return Contraction(self.letters.removeprefix("s"))

    def product(self, value: Array, x: Array) -> Array:
        names = "abcdefgh"[: len(self.letters)]
        read = "".join(name for name, of in zip(names, self.letters, strict=True) if of in "ib")
        left = "".join(name for name, of in zip(names, self.letters, strict=True) if of in "ob")
        return jnp.einsum(f"z{read},{names}->z{left}", x, value)

    def dims(self, among: str) -> list[int]:
        return [at for at, letter in enumerate(self.letters) if letter in among]


def moves_of(random: np.random.Generator, shape: tuple[int, ...]) -> list[Move]:
    """Some moves that can be made one after another, from a shape."""
    value, moves = np.zeros(shape), []
    for _ in range(random.integers(1, MOVES + 1)):
        kind = KINDS[random.integers(len(KINDS))]
        move = kind(random, value.shape)
        if move is not None:
            moves.append(move)
            value = np.asarray(move(value))
    return moves


def transposed(random: np.random.Generator, shape: tuple[int, ...]) -> Move:
    order = tuple(map(int, random.permutation(len(shape))))
    return lambda value: value.transpose(order)


def merged(random: np.random.Generator, shape: tuple[int, ...]) -> Move | None:
    if len(shape) < 3:
        return None
    at = int(random.integers(len(shape) - 1))
    sizes = (*shape[:at], shape[at] * shape[at + 1], *shape[at + 2 :])
    return lambda value: value.reshape(sizes)


def split(random: np.random.Generator, shape: tuple[int, ...]) -> Move | None:
    at = int(random.integers(len(shape)))
    factors = [one for one in (2, 3) if shape[at] % one == 0 and shape[at] > one]
    if not factors or len(shape) > 5:
        return None
    outer = int(random.choice(factors))
    sizes = (*shape[:at], outer, shape[at] // outer, *shape[at + 1 :])
    return lambda value: value.reshape(sizes)


def turned(random: np.random.Generator, shape: tuple[int, ...]) -> Move:
    at = int(random.integers(len(shape)))
    return lambda value: np.flip(value, at) if is_numpy(value) else jnp.flip(value, at)


def cut(random: np.random.Generator, shape: tuple[int, ...]) -> Move | None:
    """A part of a dimension, with at least two of its places."""
    at = int(random.integers(len(shape)))
    if shape[at] < 4:
        return None
    start = int(random.integers(shape[at] - 2))
    where = (slice(None),) * at + (slice(start, start + 2),)
    return lambda value: value[where]


def swapped(random: np.random.Generator, shape: tuple[int, ...]) -> Move | None:
    """Two parts of a dimension, the second first."""
    at = int(random.integers(len(shape)))
    first = int(random.integers(1, shape[at]))

    def move(value: Array) -> Array:
        parts = [
            value[(slice(None),) * at + (part,)] for part in (slice(first, None), slice(first))
        ]
        return (np if is_numpy(value) else jnp).concatenate(parts, axis=at)

    return move


def is_numpy(value: Array) -> bool:
    return isinstance(value, np.ndarray)


KINDS = (transposed, merged, split, turned, cut, swapped)


def counted(shape: tuple[int, ...], numbers: Array, dims: list[int]) -> set[int]:
    """The axes along which elements differ in their places in these dimensions."""
    places = {int(number): place for place, number in np.ndenumerate(numbers)}
    found = set()
    for axis in range(len(shape)):
        others = [range(size) if at != axis else (0,) for at, size in enumerate(shape)]
        for index in itertools.product(*others):
            line = [(*index[:axis], step, *index[axis + 1 :]) for step in range(shape[axis])]
            known = [int(np.ravel_multi_index(one, shape)) for one in line]
            there = {tuple(places[one][at] for at in dims) for one in known if one in places}
            if len(there) > 1:
                found.add(axis)
    return found


@pytest.mark.parametrize("seed", range(10))
def test_axes_are_where_the_elements_are(seed: int) -> None:
    random = np.random.default_rng(seed)
    lost = 0
    for _ in range(PROGRAMS // 10):
        shape = tuple(map(int, random.choice(SIZES, size=random.integers(2, 5))))
        moves = moves_of(random, shape)
        numbers = np.arange(np.prod(shape)).reshape(shape)
        for move in moves:
            numbers = np.asarray(move(numbers))
        letters = "".join(random.choice(list("iob"), size=numbers.ndim))
        letters = letters if "i" in letters else letters[:-1] + "i"
        stacked = numbers.ndim > 1 and random.random() < 0.3 and "i" in letters[1:]
        contraction = Contraction("s" + letters[1:] if stacked else letters)
        read = tuple(numbers.shape[at] for at in contraction.dims("ib"))

        def fn(kernel: Array, x: Array, moves=moves, contraction=contraction) -> Array:
            for move in moves:
                kernel = move(kernel)
            return contraction(kernel, x)

        args = (
            jax.ShapeDtypeStruct(shape, jnp.float32),
            jax.ShapeDtypeStruct((5, *read), jnp.float32),
        )
        (leaf,) = usage.infer(fn, *args)
        if leaf.role == "opaque":
            lost += 1
            continue
        inputs = counted(shape, numbers, contraction.dims("ib"))
        outputs = counted(shape, numbers, contraction.dims("ob"))
        # An axis of which one place is left is told apart by no element.
        left = counted(shape, numbers, list(range(numbers.ndim)))
        layers = counted(shape, numbers, contraction.dims("s"))
        told = [left & {*axes, *leaf.batch} for axes in (leaf.inputs, leaf.outputs)]
        program = shape, contraction, jax.make_jaxpr(fn)(*args)
        assert left & {*leaf.stacked} == layers, program
        assert [one - layers for one in told] == [inputs - layers, outputs - layers], program
    assert lost <= PROGRAMS // 20
