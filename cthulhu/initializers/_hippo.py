"""State matrices of state space models: HiPPO's, and the diagonals that stand for it."""

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
from cthulhu._types import DType, HostArray, Number
from cthulhu.initializers import _options as options
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._registry import defined
from cthulhu.laws import Law, Moments
from cthulhu.laws._base import is_complex
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw, bind
from cthulhu.typing import DTypeLike

INEXACT = {
    "dtype": "a floating or complex type; default: JAX's default float. Types below 32 bits hold "
    "the float32 values, rounded."
}
MODES = {
    "shape": "``(*, N / 2)``, of rank 1 or more.",
    "dtype": "a complex type for the whole numbers, a floating one for their imaginary parts; "
    "default: JAX's default float. Types below 32 bits hold the float32 values, rounded.",
}


def inexact(owner: str, dtype: DTypeLike | None) -> DType:
    """A floating or complex dtype."""
    found = checks.dtype(owner, dtype)
    if not jnp.issubdtype(found, np.inexact):
        raise TypeError(f"{owner}: dtype must be a floating or complex type; got {found}")
    return found


def real_of(dtype: DType) -> DType:
    """The type of the real part."""
    return np.dtype(np.float64 if dtype in (np.float64, np.complex128) else np.float32)


def wide(least: float, most: float) -> tuple[float, float]:
    """The interval, wider by what rounding in float32 may add."""
    return least - abs(least) * 2**-22, most + abs(most) * 2**-22


@dataclasses.dataclass(frozen=True)
class Diagonal(Law):
    """The same numbers along the last axis: the diagonal of a state matrix.

    Args:
        kind: which numbers: ``"real"``, its logarithm ``"log"``, ``"lin"`` or ``"inv"``.
        size: how many.

    Example:
        >>> Diagonal("real", 3).moments((8, 3)).mean
        -2.0
    """

    kind: str
    size: int

    uses_key = False

    @property
    def name(self) -> str:
        """What programs and messages call the law."""
        return f"s4d_{'real' if self.kind == 'log' else self.kind}"

    def line(self, n: HostArray) -> HostArray:
        """The numbers with these indices; of the last two kinds the imaginary parts."""
        if self.kind == "real":
            return -(n + 1)
        if self.kind == "log":
            return np.log1p(n)
        if self.kind == "lin":
            return n * math.pi
        states = 2.0 * self.size
        frequencies: HostArray = (states - 1 - 2 * n) / (2 * n + 1) * (states / math.pi)
        return frequencies

    def values(
        self, key: jax.Array | None, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The numbers, for any key."""
        # On the host, so that each is rounded once, wherever the program runs.
        line = self.line(np.arange(self.size, dtype=float))
        if is_complex(dtype) and self.kind in ("lin", "inv"):
            line = -0.5 + 1j * line
        return jnp.broadcast_to(line.astype(dtype), shape)

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """The mean and the standard deviation over the axis, of what is real."""
        if 0 in shape:
            return Moments(0.0, 0.0)
        line = self.line(np.arange(self.size, dtype=float))
        return Moments(float(line.mean()), float(line.std()))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """The first and the last of what is real."""
        return wide(*sorted(self.line(np.array([0.0, max(0, self.size - 1)])).tolist()))


@dataclasses.dataclass(frozen=True)
class Legendre(Law):
    """``-sqrt((2 i + 1) (2 j + 1))`` below the diagonal, ``-(i + 1)`` on it, 0 above.

    Args:
        rows: the number of rows.
        columns: the number of columns.

    Example:
        >>> Legendre(1, 2).moments((1, 2))
        Moments(mean=-0.5, stddev=0.5)
    """

    rows: int
    columns: int

    name = "hippo_leg_s"
    uses_key = False

    def values(
        self, key: jax.Array | None, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The matrices, for any key."""
        row, column = (
            lax.broadcasted_iota(real_of(dtype), shape, len(shape) - axis) for axis in (2, 1)
        )
        below = -jnp.sqrt((2 * row + 1) * (2 * column + 1))
        values = jnp.where(row > column, below, jnp.where(row == column, -(row + 1), 0))
        return lax.convert_element_type(values, dtype)

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """The mean and the standard deviation over a matrix."""
        if 0 in shape:
            return Moments(0.0, 0.0)
        rows, columns = self.rows, self.columns
        odd = 2 * np.arange(max(rows, columns), dtype=float) + 1
        diagonal = np.arange(1, min(rows, columns) + 1, dtype=float)
        left = np.minimum(np.arange(rows), columns)  # Of the diagonal, in each row.

        def total(powers: Any) -> float:
            return float((powers[:rows] * np.concatenate([[0.0], np.cumsum(powers)])[left]).sum())

        mean = -(total(np.sqrt(odd)) + float(diagonal.sum())) / (rows * columns)
        square = (total(odd) + float((diagonal**2).sum())) / (rows * columns)
        return Moments(mean, math.sqrt(max(0.0, square - mean**2)))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """The lowest value, and the highest."""
        rows, columns = self.rows, self.columns
        below = math.sqrt(max(0, 2 * rows - 1) * max(0, 2 * min(columns, rows - 1) - 1))
        return wide(min(-below, -float(min(rows, columns))), 0.0 if columns > 1 else -1.0)


def along_the_last_axis(
    owner: str,
    kind: str,
    shape: tuple[int, ...],
    dtype: DTypeLike | None,
    sharding: NamedSharding | None,
) -> Draw:
    """Check the shape and the type of a diagonal, and name its program."""
    checks.rank(owner, shape, 1, why=" (the last is that of the states)")
    target, law = inexact(owner, dtype), Diagonal(kind, shape[-1])
    draws.refuse_extent(target, np.float64(1), max(map(abs, law.support())))
    return bind(law, (), shape, target, sharding)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class S4DReal(BuiltIn):
    """Initializer that generates the real diagonal state matrices of S4D and Mamba.

    Law: ``-(n + 1)`` for n = 0, 1, … along the last axis, the same for all others.
    With `log` it is ``ln(n + 1)``: Mamba's ``A_log``, of which ``A = -exp(A_log)``.

    Args:
        log: whether to give the logarithm of the magnitude; default `False`.

    Raises:
        TypeError: `log` is no boolean.
        ValueError: the shape of a call has no dimension.

    Example:
        >>> S4DReal()((2, 3)).tolist()
        [[-1.0, -2.0, -3.0], [-1.0, -2.0, -3.0]]

    References:
        Gu, Gupta, Goel and Ré (2022), "On the parameterization and initialization
        of diagonal state space models", https://arxiv.org/abs/2206.11893
    """

    log: bool = options.option(False, checks.flag)

    draws = False
    known_as = ("a_log",)
    arguments: ClassVar = {"shape": "``(*, N)``, of rank 1 or more.", **INEXACT}
    example = """
        >>> import jax.numpy as jnp
        >>> jnp.exp(s4d_real(None, (4,), log=True)).round(4).tolist()
        [1.0, 2.0, 3.0, 4.0]
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        log: bool,
    ) -> Draw:
        """Check the shape and name the program."""
        return along_the_last_axis(cls.name, "log" if log else "real", shape, dtype, sharding)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class S4DLin(BuiltIn):
    """Initializer that generates diagonal state matrices with evenly spaced frequencies.

    The last axis holds one of each pair of conjugates: N / 2 numbers for N states.
    In a real dtype the result is their imaginary parts alone, as S4D keeps them
    beside the logarithms of the real parts, which are ln(1/2) everywhere.

    Law: ``-1/2 + i π n`` for n = 0, 1, … along the last axis, the same for all others.

    Example:
        >>> import jax.numpy as jnp
        >>> S4DLin()((3,), jnp.complex64).real.tolist()
        [-0.5, -0.5, -0.5]

    References:
        Gu, Gupta, Goel and Ré (2022), "On the parameterization and initialization
        of diagonal state space models", https://arxiv.org/abs/2206.11893
    """

    draws = False
    arguments: ClassVar = MODES
    example = """
        >>> (s4d_lin(None, (4,)) / 3.1415927).tolist()
        [0.0, 1.0, 2.0, 3.0]
    """

    @classmethod
    def plan(
        cls, shape: tuple[int, ...], dtype: DTypeLike | None, sharding: NamedSharding | None
    ) -> Draw:
        """Check the shape and name the program."""
        return along_the_last_axis(cls.name, "lin", shape, dtype, sharding)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class S4DInv(BuiltIn):
    """Initializer that generates diagonal state matrices with the frequencies of HiPPO-LegS.

    The last axis holds one of each pair of conjugates: N / 2 numbers for N states.
    In a real dtype the result is their imaginary parts alone, as S4D keeps them
    beside the logarithms of the real parts, which are ln(1/2) everywhere.

    Law: ``-1/2 + i (N / π) (N / (2 n + 1) - 1)`` for n = 0, 1, … along the last axis,
    the same for all others.

    Example:
        >>> S4DInv()((32,))[:3].round(2).tolist()  # of 64 states
        [1283.4..., 414.22..., 240.38...]

    References:
        Gu, Gupta, Goel and Ré (2022), "On the parameterization and initialization
        of diagonal state space models", https://arxiv.org/abs/2206.11893
    """

    draws = False
    arguments: ClassVar = MODES
    example = """
        The frequencies fall, down to nearly 0:

        >>> values = s4d_inv(None, (32,))
        >>> bool((values[:-1] > values[1:]).all())
        True
    """

    @classmethod
    def plan(
        cls, shape: tuple[int, ...], dtype: DTypeLike | None, sharding: NamedSharding | None
    ) -> Draw:
        """Check the shape and name the program."""
        return along_the_last_axis(cls.name, "inv", shape, dtype, sharding)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class HippoLegS(BuiltIn):
    """Initializer that generates HiPPO-LegS matrices.

    A state that follows one holds its input's history as Legendre polynomials.
    Leading axes stack equal matrices. A matrix that is not square is the corner of
    the larger one that is.

    Law: ``-sqrt((2 i + 1) (2 j + 1))`` in row i and column j below the diagonal,
    ``-(i + 1)`` on it, 0 above.

    Example:
        >>> HippoLegS()((3, 3)).round(3).tolist()[1]
        [-1.73..., -2.0, 0.0]

    References:
        Gu, Dao, Ermon, Rudra and Ré (2020), "HiPPO: recurrent memory with optimal
        polynomial projections", https://arxiv.org/abs/2008.07669
    """

    draws = False
    known_as = ("hippo", "hippo_legs", "legs")
    arguments: ClassVar = {"shape": "``(*, N, N)``, of rank 2 or more.", **INEXACT}
    example = """
        The eigenvalues are on the diagonal:

        >>> hippo_leg_s(None, (4, 4)).diagonal().tolist()
        [-1.0, -2.0, -3.0, -4.0]
    """

    @classmethod
    def plan(
        cls, shape: tuple[int, ...], dtype: DTypeLike | None, sharding: NamedSharding | None
    ) -> Draw:
        """Check the shape and name the program."""
        checks.rank(cls.name, shape, 2, why=" (rows and columns)")
        target, law = inexact(cls.name, dtype), Legendre(*shape[-2:])
        draws.refuse_extent(target, np.float64(1), -law.support()[0])
        return bind(law, (), shape, target, sharding)
