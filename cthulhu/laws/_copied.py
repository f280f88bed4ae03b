"""A law whose values occur several times."""

import dataclasses

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from cthulhu._types import DType, Number
from cthulhu.laws._base import Moments, OfLaw, values_alone


@dataclasses.dataclass(frozen=True)
class Copied(OfLaw):
    """The values of a law, each several times along an axis.

    Args:
        law: the law of what is copied.
        copies: how many there are of each.
        axis: the axis, counted from 0.
        apart: whether all values follow each other, and then all again; else copies are
            neighbours.

    Example:
        >>> from cthulhu.laws import Normal
        >>> Copied(Normal(), 4, 1, apart=False).moments((3, 8), 2**0.5, 0.0).stddev
        1.0
    """

    copies: int
    axis: int
    apart: bool

    prefix = "copied"

    @property
    def identical(self) -> bool:  # type: ignore[override]
        """Whether the law's elements are."""
        return self.law.identical

    def once(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of what is copied."""
        size = shape[self.axis] // self.copies
        return (*shape[: self.axis], size, *shape[self.axis + 1 :])

    def values(
        self, key: jax.Array, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The values that belong to a key."""
        found = values_alone(self.law, key, self.once(shape), dtype, *scalars)
        if not self.apart:
            return jnp.repeat(found, self.copies, self.axis)
        return jnp.concatenate([found] * self.copies, self.axis)

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments | None:
        """Those of what is copied."""
        return self.law.moments(self.once(shape), *scalars)

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """That of what is copied."""
        return self.law.support(*scalars)
