"""Normal weights, of which each column keeps a few."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from cthulhu import checks
from cthulhu.initializers import _options as options
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._registry import defined
from cthulhu.laws import ComplexNormal, Law, Moments, Normal
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw, bind
from cthulhu.random import fused, random_bits


def share(owner: str, argument: str, value: Any) -> Any:
    """A number from 0 to 1, which the program is made for."""
    value = checks.finite(owner, argument, value)
    if checks.is_traced(value):
        raise TypeError(
            f"{owner}: {argument} must be concrete, since it decides how many elements are 0; "
            "got a traced array"
        )
    if not 0 <= value <= 1:
        raise ValueError(f"{owner}: {argument} must be from 0 to 1; got {value!r}")
    return value


def smallest(words: jax.Array, count: int) -> jax.Array:
    """Where the `count` smallest words of each column are: of equal ones, the upper.

    The largest of them is found bit by bit, several times faster than by a sort on CPU.
    """

    def counted(which: jax.Array) -> jax.Array:
        return jnp.sum(which, axis=0, keepdims=True, dtype=np.uint32)

    def with_bit(step: jax.Array, largest: jax.Array) -> jax.Array:
        raised = largest | (np.uint32(2**31) >> step)
        return jnp.where(counted(words < raised) < np.uint32(count), raised, largest)

    start = jnp.zeros((1, words.shape[1]), np.uint32)
    largest = lax.fori_loop(np.uint32(0), np.uint32(32), with_bit, start)
    below, equal = words < largest, words == largest
    upper = jnp.cumsum(equal, axis=0, dtype=np.uint32) <= np.uint32(count) - counted(below)
    chosen: jax.Array = below | (equal & upper)
    return chosen


@dataclasses.dataclass(frozen=True)
class Thinned(Law):
    """Normal around 0, but for `zeros` random rows of each column, which are 0.

    They are where a column of random words of 32 bits is smallest. Two of a column are
    equal once in some ``2**33 / rows**2`` columns, and then the upper one is the smaller.

    Args:
        law: the law of the other elements, real or complex.
        zeros: how many of a column are 0.

    Example:
        >>> Thinned(Normal(), zeros=6).moments((8, 2), 2**0.5, 0.0).stddev
        0.5
    """

    law: Normal | ComplexNormal
    zeros: int

    name = "sparse"
    scalars = Normal.scalars  # And those of `ComplexNormal`.

    def values(
        self, key: jax.Array, shape: tuple[int, ...], dtype: np.dtype[Any], *scalars: Any
    ) -> jax.Array:
        """The values that belong to a key."""
        normal_key, order_key = jax.random.split(fused(key))
        normal = self.law.values(normal_key, shape, dtype, *scalars)
        if not self.zeros or 0 in shape:
            return normal
        thinned = smallest(random_bits(order_key, shape), self.zeros)
        return jnp.where(thinned, dtype.type(0), normal)

    def moments(self, shape: tuple[int, ...], *scalars: Any) -> Moments:
        """Zero, and the root of the mean square, zeros included."""
        if 0 in shape:
            return Moments(0.0, 0.0)
        kept = 1 - self.zeros / shape[0]
        return Moments(0.0, self.law.moments(shape, *scalars).stddev * math.sqrt(kept))


def thinned(
    owner: str,
    shape: tuple[int, ...],
    dtype: Any,
    sharding: Any,
    stddev: Any,
    zeros_of: Callable[[int], int],
) -> Draw:
    """Check the matrix's shape, and thin normal values out by the number of its rows."""
    target = checks.inexact_dtype(owner, dtype)
    checks.rank(owner, shape, 2, 2, why=" (rows and columns)")
    normal = draws.normal(shape, target, stddev=stddev)
    law = normal.recipe.law
    assert isinstance(law, Normal | ComplexNormal)
    return bind(Thinned(law, zeros_of(shape[0])), normal.scalars, shape, target, sharding)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class Sparse(BuiltIn):
    """Initializer that generates normal matrices with a share of zeros in each column.

    The columns are those of the array: zeros are counted along its first axis.
    In a kernel (inputs, outputs), as JAX's are, each output unit loses
    ``ceil(sparsity * inputs)`` of its incoming weights, as Martens describes. In
    torch's weights (outputs, inputs) it is each input unit that loses
    ``ceil(sparsity * outputs)`` of its outgoing ones.

    Law: in each column of a matrix of r rows, ``z = ceil(sparsity * r)`` elements
    are 0, every choice of z rows being as likely as any other, independently of the
    other columns. The rest are normal with mean 0 and standard deviation `stddev`;
    in float32 their support is ± 5.42 `stddev`. So an element has mean 0 and
    standard deviation ``stddev * sqrt(1 - z / r)``. The product is that of Python's
    floats, as in torch: ``0.07 * 100`` is just above 7, and z is 8. Rounding to a
    narrow dtype may add zeros.

    Args:
        sparsity: the share of zeros in each column, from 0 to 1.
        stddev: the standard deviation of the other elements, at least 0; a number
            or a scalar array; default 0.01.
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, or the shape of a call is not 2-D.

    Example:
        >>> values = Sparse(0.9, seed=0)((100, 4))
        >>> (values != 0).sum(axis=0).tolist()
        [10, 10, 10, 10]

    References:
        Martens (2010), "Deep learning via Hessian-free optimization",
        https://www.cs.toronto.edu/~jmartens/docs/Deep_HessianFree.pdf
    """

    sparsity: float = dataclasses.field(metadata=options.required(share))
    stddev: float = options.number(0.01, checks.non_negative)
    seed: int | None = options.seed()

    known_as = ("sparse_",)
    elsewhere: ClassVar = {"std": "write stddev=…"}
    arguments: ClassVar = {"shape": "``(rows, columns)``, as ``(inputs, outputs)``."}
    example = """
        Each of 4 outputs keeps 15 of its 100 inputs:

        >>> import jax
        >>> values = sparse(jax.random.key(0), (100, 4), sparsity=0.85)
        >>> (values != 0).sum(axis=0).tolist()
        [15, 15, 15, 15]
    """

    @classmethod
    def plan(cls, shape: Any, dtype: Any, sharding: Any, sparsity: Any, stddev: Any) -> Draw:
        """Count the zeros: the product is that of Python's floats, as in torch."""
        return thinned(
            cls.name, shape, dtype, sharding, stddev, lambda rows: math.ceil(sparsity * rows)
        )


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class MartensSparse(BuiltIn):
    """Initializer that connects each unit to a few inputs, however many there are.

    The size of a unit's sum is then that of its few inputs, and does not grow with the
    layer before it. Martens sets biases to 0, or to 0.5 where the units are tanh.

    Law: in a kernel (inputs, outputs), `connections` elements of each column are
    normal with mean 0 and standard deviation `stddev`, every choice of inputs being as
    likely as any other, independently of the other columns; the rest are 0. With no
    more inputs than `connections`, all are normal. An element has standard deviation
    ``stddev * sqrt(connections / inputs)``. It is `Sparse` with a number of elements
    in place of a share. Rounding to a narrow dtype may add zeros.

    Args:
        connections: how many inputs of each unit have weights that are not 0;
            default 15, as in the paper.
        stddev: the standard deviation of these, at least 0; a number or a scalar
            array; default 1, the paper's unit Gaussian.
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, or the shape of a call is not 2-D.

    Example:
        >>> values = MartensSparse(seed=0)((1000, 4))
        >>> (values != 0).sum(axis=0).tolist()
        [15, 15, 15, 15]

    References:
        Martens (2010), "Deep learning via Hessian-free optimization",
        https://www.cs.toronto.edu/~jmartens/docs/Deep_HessianFree.pdf
    """

    connections: int = options.option(15, checks.count)
    stddev: float = options.number(1.0, checks.non_negative)
    seed: int | None = options.seed()

    elsewhere: ClassVar = {
        "std": "write stddev=…",
        "stdev": "write stddev=…",
        "num_conn": "write connections=…",
    }
    arguments: ClassVar = {"shape": "``(inputs, outputs)``."}
    example = """
        >>> import jax
        >>> values = martens_sparse(jax.random.key(0), (100, 4), connections=3)
        >>> (values != 0).sum(axis=0).tolist()
        [3, 3, 3, 3]
    """

    @classmethod
    def plan(cls, shape: Any, dtype: Any, sharding: Any, connections: Any, stddev: Any) -> Draw:
        """Count the zeros: all but the connections."""
        return thinned(
            cls.name, shape, dtype, sharding, stddev, lambda rows: max(0, rows - connections)
        )
