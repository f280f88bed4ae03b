"""Networks that start without chance: identities, and Hadamard matrices where they widen."""

import dataclasses
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import NamedSharding
from jax.typing import ArrayLike

from cthulhu import checks
from cthulhu._types import DType, Number
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._registry import defined
from cthulhu.laws import Law, Moments
from cthulhu.programs._build import Draw, bind, compute_dtype
from cthulhu.typing import DTypeLike


def sum_of_signs(rows: int, columns: int) -> int:
    """The sum over the upper left corner of a Hadamard matrix of Sylvester's.

    Example:
        >>> sum_of_signs(2, 2), sum_of_signs(4, 3), sum_of_signs(3, 3)
        (2, 4, 5)
    """
    for one, other in ((rows, columns), (columns, rows)):
        if one & (one - 1) == 0:
            # The rows of a whole matrix, again and again: all columns but its first sum to 0.
            return one * -(-other // one) if one else 0
    half = 1 << (max(rows, columns).bit_length() - 1)
    upper, left = min(rows, half), min(columns, half)
    lower, right = rows - upper, columns - left
    above = sum_of_signs(upper, left) + sum_of_signs(upper, right)
    return above + sum_of_signs(lower, left) - sum_of_signs(lower, right)


@dataclasses.dataclass(frozen=True)
class Corner(Law):
    """At the spatial centre, ones on the diagonal; or `size`, with the signs of Hadamard's matrix.

    Args:
        signs: whether it is the latter.

    Example:
        >>> Corner(signs=True).moments((2, 4), 0.5)
        Moments(mean=0.25, stddev=0.4330127018922193)
    """

    signs: bool

    scalars = ("size",)
    uses_key = False

    def values(
        self, key: jax.Array | None, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The kernel, for any key."""
        (size,) = scalars
        *spatial, row, column = (
            lax.broadcasted_iota(np.uint32, shape, axis) for axis in range(len(shape))
        )
        zero = lax.full_like(size, 0)
        if self.signs:
            odd = lax.population_count(row & column) % np.uint32(2) == np.uint32(1)
            kernel = jnp.where(odd, lax.neg(size), size)
        else:
            kernel = jnp.where(row == column, size, zero)
        for place, extent in zip(spatial, shape, strict=False):
            kernel = jnp.where(place == np.uint32(extent // 2), kernel, zero)
        return kernel

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """Those of the kernel, of which all but the centre is 0."""
        if 0 in shape:
            return Moments(0.0, 0.0)
        size = float(np.real(scalars[0]))
        inputs, outputs = shape[-2:]
        count = inputs * outputs if self.signs else min(inputs, outputs)
        total = sum_of_signs(inputs, outputs) if self.signs else count
        mean, square = (one / math.prod(shape) for one in (size * total, size**2 * count))
        return Moments(mean, math.sqrt(max(0.0, square - mean**2)))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """As far as the size, to one side or to both."""
        size = float(np.real(scalars[0]))
        return -size if self.signs else 0.0, size


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class ZerO(BuiltIn):
    """Initializer that generates identities, and Hadamard matrices where a layer widens.

    Only for shapes of two to five dimensions.

    Law: with no more outputs than inputs, 1 from input i to output i, and 0 elsewhere.
    With more outputs, from input i to output j ``2 ** (-c / 2)`` times the element (i, j)
    of Sylvester's Hadamard matrix of the size ``2 ** c``, the smallest that holds the
    outputs. A kernel of a convolution has this at the centre of its spatial axes (the
    upper one if a size is even), and 0 elsewhere. The last layers of residual branches
    are `Zeros`, as the paper has them.

    Example:
        >>> ZerO()((2, 4)).tolist()
        [[0.5, 0.5, 0.5, 0.5], [0.5, -0.5, 0.5, -0.5]]
        >>> ZerO()((3, 2)).tolist()
        [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]

    References:
        Zhao, Schäfer and Anandkumar (2022), "ZerO initialization: initializing neural
        networks with only zeros and ones", https://arxiv.org/abs/2110.12661
    """

    draws = False
    known_as = ("hadamard", "zero_init")
    arguments: ClassVar = {
        "shape": "``(*spatial, inputs, outputs)``, of rank 2 to 5.",
        "dtype": "a floating or complex type; default: JAX's default float.",
    }
    example = """
        Whatever comes in is as long when it leaves a layer whose width is a power of two:

        >>> import jax, jax.numpy as jnp
        >>> x = jax.random.normal(jax.random.key(0), (5, 48))
        >>> y = x @ zer_o(None, (48, 64))
        >>> bool(jnp.allclose((x**2).sum(axis=1), (y**2).sum(axis=1), rtol=1e-5))
        True
    """

    @classmethod
    def plan(
        cls, shape: tuple[int, ...], dtype: DTypeLike | None, sharding: NamedSharding | None
    ) -> Draw:
        """Check the kernel's shape and name the program."""
        target = checks.inexact_dtype(cls.name, dtype)
        checks.rank(cls.name, shape, 2, 5, why=" (none to three spatial, then input and output)")
        inputs, outputs = shape[-2:]
        widens = inputs < outputs
        bits = max(0, outputs - 1).bit_length() if widens else 0
        size: Any = compute_dtype(target).type(2 ** (-bits / 2))
        return bind(Corner(widens), (size,), shape, target, sharding)
