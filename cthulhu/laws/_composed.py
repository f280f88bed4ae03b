"""Laws made of other laws."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from cthulhu._types import DType, Number
from cthulhu.laws._base import Law, Moments, OfLaw, Section, each, values_alone
from cthulhu.random._bits import is_threefry

Shape = tuple[int, ...]

LONGEST = 80  # Characters of the name of a law.


def times(law: Law, scalars: tuple[Number, ...], factor: Any) -> tuple[Number, ...]:
    """The scalars of a law that multiply its values by `factor`."""
    pairs = zip(law.scalars, scalars, strict=True)
    return tuple(product(value, factor) if name in law.linear else value for name, value in pairs)


def product(value: Number, factor: Any) -> Any:
    """A scalar times a factor, in the type of the factor: one of a constant may be narrow."""
    if isinstance(factor, jax.Array):
        return lax.mul(lax.convert_element_type(value, factor.dtype), factor)
    return factor.dtype.type(value) * factor


def fold(key: jax.Array | None, number: Any) -> jax.Array | None:
    """The key of a part: `jax.random.fold_in(key, number)`; of no key, none."""
    return None if key is None else jax.random.fold_in(key, number)


def without(shape: Shape, axis: int) -> Shape:
    """A shape that lacks an axis."""
    return shape[:axis] + shape[axis + 1 :]


def resized(shape: Shape, axis: int, size: int) -> Shape:
    """A shape of which an axis has another size."""
    return (*shape[:axis], size, *shape[axis + 1 :])


def pooled(parts: list[tuple[float, Moments | None]]) -> Moments | None:
    """The moments of an array of parts, of which these shares of the elements are."""
    total = sum(share for share, _ in parts)
    if any(moments is None for _, moments in parts):
        return None
    if not total:
        return Moments(0.0, 0.0)
    known = [(share / total, moments) for share, moments in parts if moments is not None]
    mean = sum(share * one.mean for share, one in known)
    spread = sum(share * (one.stddev**2 + (one.mean - mean) ** 2) for share, one in known)
    return Moments(mean, math.sqrt(spread))


def hull(intervals: list[tuple[float, float]]) -> tuple[float, float]:
    """The least interval that holds all of these."""
    return min(low for low, _ in intervals), max(high for _, high in intervals)


def within(index: list[slice | int], sections: list[Section]) -> list[Section]:
    """The sections of a part of an array, as those of the whole."""
    return [section._replace(place=nested(index, section.place)) for section in sections]


def nested(outer: Sequence[slice | int], inner: Sequence[slice | int]) -> tuple[slice | int, ...]:
    """Where a part of a part is: what one index takes of what another took."""
    rest = iter(inner)
    found: list[slice | int] = []
    for one in outer:
        if isinstance(one, int):
            found.append(one)
            continue
        then, start = next(rest), one.start or 0
        if isinstance(then, int):
            found.append(start + then)
        elif then == slice(None):
            found.append(one)
        else:
            found.append(slice(start + then.start, start + then.stop))
    return tuple(found)


@dataclasses.dataclass(frozen=True)
class OfFunction(Law):
    """What a function ``(key, shape, dtype) -> Array`` draws.

    Example:
        >>> law = OfFunction(jax.nn.initializers.ones)
        >>> law.values(jax.random.key(0), (2,), np.dtype(np.float32)).tolist()
        [1.0, 1.0]
    """

    function: Callable[..., Any]

    @property
    def name(self) -> str:
        """What programs and messages call the law."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def values(self, key: jax.Array, shape: Shape, dtype: DType, *scalars: Number) -> jax.Array:
        """The values that belong to a key."""
        values = jnp.asarray(self.function(key, shape, dtype), dtype)
        if values.shape != shape:
            raise ValueError(
                f"the initializer {self.name} was asked for shape {shape!r}, and it returned an "
                f"array of shape {values.shape!r}"
            )
        return values


@dataclasses.dataclass(frozen=True)
class Stack(OfLaw):
    """Layers along `axis`, each of a key of its own: ``jax.random.fold_in(key, layer)``.

    Args:
        law: the law of a layer.
        axis: the axis of the layers.
        layers: how many there are.
        factors: a number for each layer, which multiplies its values; `None` for none.

    Example:
        >>> from cthulhu.laws import Normal
        >>> Stack(Normal(), 0, 2, (1.0, 7.0)).moments((2, 8), 2**0.5, 0.0)
        Moments(mean=0.0, stddev=5.0)
    """

    axis: int
    layers: int
    factors: tuple[float, ...] | None = None

    prefix = "stacked"

    def values(
        self, key: jax.Array | None, shape: Shape, dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The values that belong to a key."""
        layer = without(shape, self.axis)
        numbers = jnp.arange(self.layers, dtype=np.uint32)
        factors = None if self.factors is None else jnp.asarray(self.factors, dtype)

        def one(number: jax.Array) -> jax.Array:
            factor = None if factors is None else factors[number]
            own = scalars if factor is None else times(self.law, scalars, factor)
            values = values_alone(self.law, fold(key, number), layer, dtype, *own)  # type: ignore[arg-type]
            return values if factor is None or self.law.linear else values * factor

        if not self.layers:
            return jnp.zeros(shape, dtype)
        if key is None or is_threefry(key):
            return each(self.law, one, numbers, self.axis)
        # Of other keys, `vmap` makes other bits than those of each alone.
        return jnp.moveaxis(lax.map(one, numbers), 0, self.axis)

    def moments(self, shape: Shape, *scalars: ArrayLike) -> Moments | None:
        """Those of a layer, pooled over the factors."""
        layer = self.law.moments(without(shape, self.axis), *scalars)
        factors = (1.0,) if self.factors is None else self.factors
        if layer is None:
            return None
        return pooled([(1, Moments(f * layer.mean, abs(f) * layer.stddev)) for f in factors])

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """Those of all layers."""
        low, high = self.law.support(*scalars)
        factors = (1.0,) if self.factors is None else self.factors
        ends = [0.0 if not f else f * end for f in factors for end in (low, high)]
        return (min(ends, default=0.0), max(ends, default=0.0))

    def sections(self, shape: Shape, *scalars: Any) -> list[Section]:
        """The layers, where a factor goes into the scalars."""
        if self.factors is not None and not self.law.linear:
            return super().sections(shape, *scalars)
        found = []
        for layer in range(self.layers):
            own = scalars
            if self.factors is not None:
                own = times(self.law, scalars, np.float32(self.factors[layer]))
            index: list[slice | int] = [slice(None)] * len(shape)
            index[self.axis] = layer
            found += within(index, self.law.sections(without(shape, self.axis), *own))
        return found


@dataclasses.dataclass(frozen=True)
class Blocks(Law):
    """Blocks side by side along `axis`, each of a key of its own: ``fold_in(key, block)``.

    Args:
        laws: the law of each block. Their scalars follow each other.
        sizes: the size of each along the axis.
        axis: the axis.

    Example:
        >>> from cthulhu.laws import Fill, Normal
        >>> law = Blocks((Normal(), Fill()), (1, 3), 0)
        >>> law.moments((4, 4), 2**0.5, 0.0, 0.0)
        Moments(mean=0.0, stddev=0.5)
    """

    laws: tuple[Law, ...]
    sizes: tuple[int, ...]
    axis: int

    @property
    def name(self) -> str:
        """What programs and messages call the law."""
        # JAX's cache of programs names files so, and names of files are short.
        return ("blocks_" + "_".join(dict.fromkeys(law.name for law in self.laws)))[:LONGEST]

    @property
    def scalars(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of all blocks, with their numbers."""
        return tuple(f"{name}_{at}" for at, law in enumerate(self.laws) for name in law.scalars)

    @property
    def linear(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of all blocks, if each has some."""
        if not all(law.linear for law in self.laws):
            return ()
        return tuple(f"{name}_{at}" for at, law in enumerate(self.laws) for name in law.linear)

    @property
    def uses_key(self) -> bool:  # type: ignore[override]
        """Whether a block does."""
        return any(law.uses_key for law in self.laws)

    def parts(
        self, shape: Shape, scalars: tuple[Any, ...]
    ) -> Iterator[tuple[Law, Shape, tuple[Any, ...]]]:
        """The law of each block, its shape and its scalars."""
        start = 0
        for law, size in zip(self.laws, self.sizes, strict=True):
            stop = start + len(law.scalars)
            yield law, resized(shape, self.axis, size), scalars[start:stop]
            start = stop

    def values(
        self, key: jax.Array | None, shape: Shape, dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The values that belong to a key."""
        blocks = [
            # A loop over all blocks at once would round some elements otherwise.
            lax.optimization_barrier(values_alone(law, fold(key, at), extent, dtype, *own))  # type: ignore[arg-type]
            for at, (law, extent, own) in enumerate(self.parts(shape, scalars))
        ]
        if len({block.dtype for block in blocks}) > 1:  # Constants come in the type asked for.
            blocks = [block.astype(dtype) for block in blocks]
        return jnp.concatenate(blocks, axis=self.axis)

    def sections(self, shape: Shape, *scalars: Any) -> list[Section]:
        """The blocks."""
        found, start = [], 0
        for (law, extent, own), size in zip(self.parts(shape, scalars), self.sizes, strict=True):
            index: list[slice | int] = [slice(None)] * len(shape)
            index[self.axis] = slice(start, start + size)
            found += within(index, law.sections(extent, *own))
            start += size
        return found

    def moments(self, shape: Shape, *scalars: ArrayLike) -> Moments | None:
        """Those of the blocks, pooled."""
        return pooled(
            [
                (math.prod(extent), law.moments(extent, *own))
                for law, extent, own in self.parts(shape, scalars)
                if 0 not in extent
            ]
        )

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """Those of all blocks."""
        parts = self.parts((1,) * (self.axis + 1), scalars)
        return hull([law.support(*own) for law, _, own in parts])
