"""Types of the inside, for annotations; those of the public interface are in `cthulhu.typing`."""

from typing import Any, Protocol, TypeAlias

import jax
import numpy as np
from jax.typing import ArrayLike

DType: TypeAlias = np.dtype[Any]

HostArray: TypeAlias = np.ndarray[Any, Any]
"""An array in the host's memory."""

Words: TypeAlias = np.ndarray[Any, np.dtype[np.uint32]]
"""Keys on the host: arrays of `uint32`, mostly with a last axis of a key's two words."""

Array: TypeAlias = jax.Array | HostArray
"""An array, of JAX or of the host."""

Key: TypeAlias = jax.Array
"""A PRNG key, typed or raw."""

KeyLike: TypeAlias = Array | int | np.integer[Any]
"""A key, or the integer seed of one."""

Aval: TypeAlias = jax.core.ShapedArray
"""What a value of a traced program is like: its shape, its dtype, whether it is weakly typed."""

KeyPath: TypeAlias = tuple[Any, ...]
"""Where a leaf is in a tree, as `jax.tree_util` says it."""

PyTree: TypeAlias = Any
"""A tree of any framework: Python's types cannot tell a tree from a leaf."""

Option: TypeAlias = float | jax.Array
"""A checked option: a number of Python's, or one that only the traced program knows."""

HostNumber: TypeAlias = np.number[Any] | np.bool_
"""A scalar of NumPy."""

Number: TypeAlias = HostNumber | jax.Array
"""A scalar in the type of a computation: on the host, or known to the traced program only."""

Given: TypeAlias = Words | tuple[ArrayLike, ...]
"""What an array is made from: the words of its keys, or the arguments of a function."""


class Jitted(Protocol):
    """What `jax.jit` returns."""

    def __call__(self, *arguments: object) -> Any:
        """Run the program."""
        ...

    def lower(self, *arguments: object) -> jax.stages.Lowered:
        """The program for such arguments, to be compiled."""
        ...

    def trace(self, *arguments: object) -> jax.stages.Traced:
        """The program for such arguments, as a jaxpr."""
        ...
