"""The start of the paper: orthonormal kernels, and zero biases."""

import math
import re
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from cthulhu import checks
from cthulhu._types import KeyLike
from cthulhu.calibration._layers import Layer
from cthulhu.calibration._slices import along, region
from cthulhu.initializers import Orthogonal
from cthulhu.params import Rules, init_params
from cthulhu.usage import LeafUsage, Usage


def started(
    key: KeyLike, leaves: Sequence[Any], layers: Sequence[Layer], usage: Usage
) -> list[Any]:
    """The parameters with orthonormal kernels and zero biases, where these are no constants."""
    used = list(usage)
    members = [
        member
        for one in layers
        for member in one.members
        if used[member.kernel].role == "kernel" and used[member.kernel].layout is not None
    ]
    kernels = sorted({member.kernel for member in members})
    drawn = orthonormal(key, [used[at] for at in kernels], [leaves[at].dtype for at in kernels])
    new = list(leaves)
    for at, value in zip(kernels, drawn, strict=True):
        new[at] = value
    for one in members:
        old, value = jnp.asarray(leaves[one.kernel]), new[one.kernel]
        part = region(one.kernel_slices.taken, old.ndim)
        constant = along(one.constant(leaves), one.kernel_slices.axes, old.ndim)
        new[one.kernel] = value.at[part].set(jnp.where(constant, old[part], value[part]))
    paths = {used[at].path for at in kernels}
    for at, leaf in enumerate(used):
        if leaf.role == "bias" and not paths.isdisjoint(leaf.kernels):
            new[at] = jnp.zeros_like(leaves[at])
    return [where_it_was(old, value) for old, value in zip(leaves, new, strict=True)]


def orthonormal(key: KeyLike, kernels: Sequence[LeafUsage], dtypes: Sequence[Any]) -> list[Any]:
    """Kernels that are orthonormal as matrices from their inputs to their outputs."""
    orders = [matrix_of(leaf) for leaf in kernels]
    shapes = {}
    rules = []
    for leaf, dtype, (batch, rows, columns) in zip(kernels, dtypes, orders, strict=True):
        sizes = [leaf.shape[axis] for axis in batch]
        sizes += [math.prod(leaf.shape[axis] for axis in axes) for axes in (rows, columns)]
        shapes[leaf.path] = jax.ShapeDtypeStruct(tuple(sizes), dtype)
        law = Orthogonal(batch_axis=tuple(range(len(batch))))
        rules.append((re.escape(leaf.path), law))
    drawn: Any = init_params(key, shapes, Rules(rules), stacked={})
    found = []
    for leaf, axes in zip(kernels, orders, strict=True):
        order = [axis for part in axes for axis in part]
        value = drawn[leaf.path].reshape([leaf.shape[axis] for axis in order])
        found.append(jnp.transpose(value, [order.index(axis) for axis in range(len(order))]))
    return found


def matrix_of(leaf: LeafUsage) -> tuple[list[int], list[int], list[int]]:
    """The axes of independent matrices, of their rows and of their columns, which are outputs."""
    batch, columns = [*leaf.batch, *leaf.stacked], list(leaf.outputs)
    rows = [axis for axis in range(len(leaf.shape)) if axis not in (*batch, *columns)]
    return batch, rows, columns


def where_it_was(old: Any, value: Any) -> Any:
    """A value, with the sharding of that before."""
    if value is old or checks.is_traced(value) or not isinstance(old, jax.Array):
        return value
    return value if checks.is_traced(old) else jax.device_put(value, old.sharding)
