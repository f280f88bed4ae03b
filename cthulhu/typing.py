"""Types of the public interface."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jax.typing import ArrayLike, DTypeLike

__all__ = [
    "Axes",
    "BatchAxes",
    "DTypeLike",
    "DepthFactor",
    "Distribution",
    "ElementwiseFunction",
    "Initializer",
    "InitializerLike",
    "InitializerLikes",
    "LayoutName",
    "MaskLike",
    "Mode",
    "OutSharding",
    "Scalar",
    "Shape",
]

Shape: TypeAlias = Sequence[int]
"""The shape of an array: a sequence of integers, each at least 0."""

Axes: TypeAlias = int | Sequence[int]
"""One axis of a shape, or several; negative axes count from the end."""

BatchAxes: TypeAlias = Axes | Literal["rest"]
"""Axes that stack independent tensors; `"rest"` is all that are not named otherwise."""

Mode: TypeAlias = Literal["fan_in", "fan_out", "fan_avg", "fan_geo_avg"]
"""Which number variance scaling divides by."""

Distribution: TypeAlias = Literal["truncated_normal", "normal", "untruncated_normal", "uniform"]
"""What variance scaling draws from; `"normal"` is a synonym of `"truncated_normal"`."""

LayoutName: TypeAlias = Literal[
    "in_out",
    "out_in",
    "linen_dense",
    "linen_conv",
    "conv_transpose",
    "depthwise",
    "attention_qkv",
    "attention_out",
    "moe",
    "stacked",
    "embedding",
    "equinox_linear",
    "equinox_conv",
    "torch_linear",
    "torch_conv",
]
"""A layout of `cthulhu.fans.LAYOUTS`."""

OutSharding: TypeAlias = NamedSharding | PartitionSpec | None
"""How a result is laid out; a bare `PartitionSpec` refers to the mesh in use."""

Scalar: TypeAlias = float | jax.Array | Any
"""A Python number or a scalar array, which may be traced."""


class Initializer(Protocol):
    """A pure function from a key, a shape and a dtype to an array.

    Every function of `cthulhu.functional`, every instance of a built-in class of
    `cthulhu.initializers` and everything `jax.nn.initializers` builds is one. This is
    the protocol, to annotate with; the base class, to subclass, is
    `cthulhu.initializers.Initializer`.

    Example:
        >>> import jax
        >>> from cthulhu import functional, initializers
        >>> def first(init: Initializer) -> list[float]:
        ...     return init(jax.random.key(0), (2,)).tolist()
        >>> first(functional.ones) == first(initializers.Ones()) == [1.0, 1.0]
        True
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


InitializerLike: TypeAlias = (
    str | Mapping[str, Any] | Callable[..., Any] | jax.Array | np.ndarray[Any, Any]
)
"""Whatever names an initializer: a name, a config, a class, an instance, a function
``(key, shape, dtype)`` or ``(shape, dtype)``, or an array."""

InitializerLikes: TypeAlias = InitializerLike | Sequence[InitializerLike]
"""What names an initializer, or several such."""

MaskLike: TypeAlias = ArrayLike | Sequence[Any] | Callable[[tuple[int, ...]], Any]
"""An array of booleans, nested lists of them, ``"tril"`` or ``"triu"``, or a function that
makes one of a shape."""

ElementwiseFunction: TypeAlias = str | Callable[[jax.Array], jax.Array]
"""A function of an array, or the name of one, as ``"exp"``."""

DepthFactor: TypeAlias = str | Callable[[int, int], float]
"""A number for each layer: a function of its index and of how many there are, or the name
of one, as ``"1/sqrt(2 * L)"``."""
