"""Types of the public interface."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias

import jax
from jax.sharding import NamedSharding, PartitionSpec
from jax.typing import DTypeLike

__all__ = ["Axes", "BatchAxes", "DTypeLike", "Initializer", "OutSharding", "Scalar", "Shape"]

Shape: TypeAlias = Sequence[int]
"""The shape of an array: a sequence of integers, each at least 0."""

Axes: TypeAlias = int | Sequence[int]
"""One axis of a shape, or several; negative axes count from the end."""

BatchAxes: TypeAlias = Axes | Literal["rest"]
"""Axes that stack independent tensors; `"rest"` is all that are not named otherwise."""

OutSharding: TypeAlias = NamedSharding | PartitionSpec | None
"""How a result is laid out; a bare `PartitionSpec` refers to the mesh in use."""

Scalar: TypeAlias = float | jax.Array | Any
"""A Python number or a scalar array, which may be traced."""


class Initializer(Protocol):
    """A pure function from a key, a shape and a dtype to an array.

    Every function of `cthulhu.functional`, every instance of a class of
    `cthulhu.initializers` and everything `jax.nn.initializers` builds is one.
    """

    def __call__(
        self,
        key: jax.Array,
        shape: Shape,
        dtype: DTypeLike | None = None,
        out_sharding: OutSharding = None,
    ) -> jax.Array:
        """Make the array of this `shape` and `dtype` that belongs to `key`."""
        ...
