"""A model and what its parameters are used as: a table written by hand.

A line of a table tells of one leaf, or of all whose path a regular expression matches:

    query/kernel   kernel  ioo
    query/bias     bias    oo   <- ./kernel
    depthwise      kernel  ffio groups=16
    wte/embedding  table   io   tied

The third word has a letter for each axis: `i` the inputs, `o` the outputs, `b` batch, `s` stacked,
`f` none of them, as a receptive field; `()` if there are no axes, `*` if nothing is said of them.
After the arrow stand the kernels to whose output a bias is added, `./` beside it; without an arrow
it is added to none, and after `?` nothing is said. What stands after `#` is a remark.
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from cthulhu.trees import flatten, join
from cthulhu.usage._usage import LeafUsage

ANY, UNKNOWN = "*", "?"


class Program(NamedTuple):
    """A function of parameters and inputs, all by their shapes."""

    fn: Callable[..., Any]
    params: Any
    args: tuple[Any, ...]


class Model(NamedTuple):
    """What makes a program, and its table."""

    build: Callable[[], Program]
    table: str


class Row(NamedTuple):
    """A line of a table."""

    pattern: str
    role: str
    axes: str
    groups: int
    tied: bool
    kernels: tuple[str, ...]

    def of(self, path: str) -> "Row":
        """The line of one leaf of those that it tells of."""
        folder = posixpath.dirname(path)
        beside = [re.sub(self.pattern, one, path) for one in self.kernels]
        kernels = [
            posixpath.normpath(posixpath.join(folder, one)) if one.startswith(".") else one
            for one in beside
        ]
        return self._replace(pattern=path, kernels=tuple(sorted(kernels)))

    def told_like(self, other: "Row") -> "Row":
        """The line without that of which `other` says nothing."""
        axes = ANY if other.axes == ANY else self.axes
        kernels = other.kernels if other.kernels == (UNKNOWN,) else self.kernels
        return self._replace(axes=axes, kernels=kernels)

    def __str__(self) -> str:
        words = [self.role, self.axes]
        words += [f"groups={self.groups}"] * (self.groups != 1) + ["tied"] * self.tied
        words += ["<-", *self.kernels] * bool(self.kernels)
        return " ".join(words)


def rows_of(table: str) -> list[Row]:
    """The lines of a table."""
    lines = [line.split(" #")[0].split() for line in table.splitlines()]
    return [row_of(words) for words in lines if words and words[0] != "#"]


def row_of(words: list[str]) -> Row:
    """The line of these words."""
    pattern, role, axes, *rest = words
    at = rest.index("<-") if "<-" in rest else len(rest)
    marks = dict(mark.partition("=")[::2] for mark in rest[:at])
    groups, tied = int(marks.pop("groups", 1)), "tied" in marks
    marks.pop("tied", None)
    assert not marks, f"{words}: what is {marks}?"
    return Row(pattern, role, axes, groups, tied, tuple(rest[at + 1 :]))


def told(table: str, params: Any) -> dict[str, Row]:
    """By its path, what a table says of each leaf; every line must tell of one, and once."""
    paths, leaves, _ = flatten(params)
    rows, found = rows_of(table), {}
    silent = {row.pattern for row in rows}
    for path, leaf in zip(map(join, paths), leaves, strict=True):
        fitting = [row for row in rows if re.fullmatch(row.pattern, path)]
        assert len(fitting) == 1, f"{len(fitting)} lines tell of {path} {leaf.shape}"
        (row,) = fitting
        rank = len(row.axes.replace("()", ""))
        assert row.axes == ANY or rank == len(leaf.shape), f"{path} {leaf.shape}: {row.axes}"
        silent.discard(row.pattern)
        found[path] = row.of(path)
    assert not silent, f"no leaf is {silent}; there are {list(map(join, paths))}"
    return found


def seen(leaf: LeafUsage) -> Row:
    """What was found of a leaf, as a line."""
    letters = dict(zip("iobs", (leaf.inputs, leaf.outputs, leaf.batch, leaf.stacked), strict=True))
    axes = ""
    for axis in range(len(leaf.shape)):
        here = [letter for letter, among in letters.items() if axis in among]
        axes += here[0] if len(here) == 1 else f"({''.join(here)})" if here else "f"
    kernels = tuple(sorted(leaf.kernels))
    return Row(leaf.path, leaf.role, axes or "()", leaf.groups, leaf.tied, kernels)


def differences(usage: Iterable[LeafUsage], expected: Mapping[str, Row]) -> list[str]:
    """Where what was found is not what a table says: a line for each leaf."""
    found = {leaf.path: leaf for leaf in usage}
    assert list(found) == list(expected)
    wrong = []
    for path, leaf in found.items():
        row = seen(leaf).told_like(expected[path])
        if row != expected[path]:
            note = f" ({leaf.note})" if leaf.note else ""
            wrong.append(f"{path} {leaf.shape}: expected {expected[path]}; found {row}{note}")
    return wrong


def f32(*shape: int) -> jax.ShapeDtypeStruct:
    """An array of numbers, by its shape."""
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def i32(*shape: int) -> jax.ShapeDtypeStruct:
    """An array of ids, by its shape."""
    return jax.ShapeDtypeStruct(shape, jnp.int32)
