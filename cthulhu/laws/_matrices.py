"""What laws of matrices share: which axes are which, and normal values to start from."""

import dataclasses
import math

import jax

from cthulhu._types import DType
from cthulhu.laws._base import Law, is_complex
from cthulhu.laws._normal import Normal
from cthulhu.random._bits import fused


@dataclasses.dataclass(frozen=True)
class Matrices(Law):
    """A law of matrices, which an array holds in axes of rows and of columns.

    Args:
        axis: the axis, or axes, of the columns; the rest are rows.
        batch: the axes that stack independent matrices.

    Example:
        >>> Matrices(axis=(1, 2), batch=()).extent((8, 3, 4))
        ((), 8, 12)
    """

    axis: int | tuple[int, ...]
    batch: tuple[int, ...]

    @property
    def columns(self) -> tuple[int, ...]:
        """The axes of the columns."""
        return (self.axis,) if isinstance(self.axis, int) else self.axis

    def rows(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The axes of the rows."""
        return tuple(a for a in range(len(shape)) if a not in (*self.batch, *self.columns))

    def order(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """All axes: those of the stack first, then of the rows, then of the columns."""
        return (*self.batch, *self.rows(shape), *self.columns)

    def extent(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], int, int]:
        """The shape of the stack, and the numbers of rows and of columns."""
        stack = tuple(shape[a] for a in self.batch)
        rows, columns = (math.prod(shape[a] for a in at) for at in (self.rows(shape), self.columns))
        return stack, rows, columns


def gaussians(key: jax.Array, shape: tuple[int, ...], dtype: DType) -> jax.Array:
    """Standard normal values, real or complex, as JAX draws them."""
    if is_complex(dtype):
        return jax.random.normal(fused(key), shape, dtype)
    return Normal().values(key, shape, dtype, dtype.type(math.sqrt(2)), dtype.type(0))
