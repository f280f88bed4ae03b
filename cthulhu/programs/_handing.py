"""From the host's memory to arrays of JAX, many at a time.

`jax.device_put` takes some 20 microseconds an array, however many it is given: most
of what a small parameter costs. A compiled program takes arrays of the host as
arguments and returns them as arrays of JAX in a fifth of that, but is compiled for
the shape, so it is for shapes of which a model has very many.
"""

import collections
from collections.abc import Hashable, Iterable, Sequence
from typing import Protocol

import jax
from jax.sharding import Sharding

from cthulhu._types import Array, DType, HostArray

AT_ONCE = 64  # Arguments of the program: more take longer to compile, and are no faster.
MANY = 1024  # Arrays of one kind that outweigh compiling the program.


class Described(Protocol):
    """An array, or what says what one is like."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The size along each axis."""
        ...

    @property
    def dtype(self) -> DType:
        """The type of the elements."""
        ...


@jax.jit
def copies(*arrays: Array) -> tuple[Array, ...]:
    """The same values, each in a buffer of its own."""
    return arrays


def kind(array: Described) -> Hashable:
    """What the program depends on, of an array or of what will be one."""
    return tuple(array.shape), array.dtype


def frequent(kinds: Iterable[Hashable]) -> frozenset[Hashable]:
    """Those kinds that there are many of."""
    counted = collections.Counter(kinds)
    return frozenset(kind for kind, count in counted.items() if count >= MANY)


def over(
    arrays: Sequence[HostArray], shardings: Sequence[Sharding | None], many: frozenset[Hashable]
) -> list[jax.Array]:
    """The arrays as arrays of JAX; nobody writes to their memory any more.

    Args:
        arrays: arrays of the host; one of those kinds may be there several times.
        shardings: where each goes; `None` is the default device.
        many: the kinds that a program returns.

    Returns:
        An array of JAX for each, none of which shares its buffer with another.
    """
    waiting: dict[Hashable, list[int]] = {}
    singly: list[int] = []
    made: dict[int, jax.Array] = {}

    def returned(group: list[int]) -> None:
        missing = AT_ONCE - len(group)
        given = [arrays[at] for at in group] + [arrays[group[0]]] * missing
        for at, value in zip(group, copies(*given), strict=False):
            made[at] = value
        group.clear()

    for at, (array, sharding) in enumerate(zip(arrays, shardings, strict=True)):
        of_kind = kind(array)
        if sharding is not None or of_kind not in many:
            singly.append(at)
            continue
        group = waiting.setdefault(of_kind, [])
        group.append(at)
        if len(group) == AT_ONCE:
            returned(group)
    for group in waiting.values():
        if group:
            returned(group)
    handed = jax.device_put([arrays[at] for at in singly], [shardings[at] for at in singly])
    for at, value in zip(singly, handed, strict=True):
        made[at] = value
    return [made[at] for at in range(len(arrays))]
