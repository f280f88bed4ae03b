"""Functions of the values of a law, element by element."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from cthulhu._types import DType, HostArray, HostNumber, Number
from cthulhu.laws._base import Elementwise, Law, Moments, OfLaw

POINTS = 2**14  # Of an integral over a law.
REACH = 9.0  # Standard deviations beyond which nothing is left of a law without bounds.


class Monotone(NamedTuple):
    """An increasing function, its inverse, and the ends of its domain."""

    of: Callable[[Any, Any], Any]
    inverse: Callable[[Any, Any], Any]
    low: float = -math.inf
    high: float = math.inf
    closed: bool = False  # Whether the lower end belongs to the domain.


def _softplus(x: Any, xp: Any) -> Any:
    return xp.logaddexp(x, x.dtype.type(0))


def _inverse_softplus(x: Any, xp: Any) -> Any:
    return x + xp.log(-xp.expm1(-x))


def _sigmoid(x: Any, xp: Any) -> Any:
    return 1 / (1 + xp.exp(-x))


def _logit(x: Any, xp: Any) -> Any:
    return xp.log(x) - xp.log1p(-x)


FUNCTIONS: dict[str, Monotone] = {
    "exp": Monotone(lambda x, xp: xp.exp(x), lambda x, xp: xp.log(x)),
    "log": Monotone(lambda x, xp: xp.log(x), lambda x, xp: xp.exp(x), 0.0),
    "expm1": Monotone(lambda x, xp: xp.expm1(x), lambda x, xp: xp.log1p(x)),
    "log1p": Monotone(lambda x, xp: xp.log1p(x), lambda x, xp: xp.expm1(x), -1.0),
    "sqrt": Monotone(lambda x, xp: xp.sqrt(x), lambda x, xp: xp.square(x), 0.0, closed=True),
    "sigmoid": Monotone(_sigmoid, _logit),
    "logit": Monotone(_logit, _sigmoid, 0.0, 1.0),
    "softplus": Monotone(_softplus, _inverse_softplus),
    "inverse_softplus": Monotone(_inverse_softplus, _softplus, 0.0),
    "tanh": Monotone(lambda x, xp: xp.tanh(x), lambda x, xp: xp.arctanh(x)),
}
"""The functions that have a name."""

Function = str | Callable[[jax.Array], jax.Array]


@dataclasses.dataclass(frozen=True)
class Applied(OfLaw):
    """A function of the values of a law, in the type of the computation.

    With the function ``"times"`` the first scalar is a factor.

    Args:
        law: the law.
        function: one of `FUNCTIONS`, ``"times"``, or a function of an array.

    Example:
        >>> from cthulhu.laws import Fill
        >>> Applied(Fill(), "exp").moments((8,), 0.0)
        Moments(mean=1.0, stddev=0.0)
    """

    function: Function

    @property
    def name(self) -> str:
        """What programs and messages call the law."""
        called = self.function if isinstance(self.function, str) else "function"
        return f"{called}_{self.law.name}"

    @property
    def scalars(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the law, after the factor."""
        return ("factor", *self.law.scalars) if self.function == "times" else self.law.scalars

    @property
    def linear(self) -> tuple[str, ...]:  # type: ignore[override]
        """The factor."""
        return ("factor",) if self.function == "times" else ()

    @property
    def identical(self) -> bool:  # type: ignore[override]
        """Whether the elements of the law have one distribution."""
        return self.law.identical

    def split(self, scalars: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        """The factor, if there is one, and the scalars of the law."""
        return (scalars[0], scalars[1:]) if self.function == "times" else (None, scalars)

    def of(self, values: Any, factor: Any, xp: Any) -> Any:
        """The function of numbers of JAX or of NumPy."""
        if self.function == "times":
            return values * factor
        if isinstance(self.function, str):
            return FUNCTIONS[self.function].of(values, xp)
        if xp is jnp:
            made = self.function(values)
            if made.shape != values.shape:
                raise ValueError(
                    f"the function {self.function!r} must be of each element: of an array of shape "
                    f"{values.shape!r} it made one of shape {made.shape!r}"
                )
            return made
        with jax.ensure_compile_time_eval():
            return np.asarray(self.function(jnp.asarray(values, np.float32)), float)

    def values(
        self, key: jax.Array, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The values that belong to a key."""
        factor, own = self.split(scalars)
        values: jax.Array = self.of(self.law.values(key, shape, dtype, *own), factor, jnp)
        return values

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments | None:
        """Those of the law times the factor, or an integral over an elementwise one."""
        factor, own = self.split(scalars)
        known = self.law.moments(shape, *own)
        if known is None:
            return None
        if self.function == "times":
            by = float(np.real(factor))
            return Moments(known.mean * by, known.stddev * abs(by))
        if not known.stddev:
            return Moments(float(self.of(np.array([known.mean]), None, np)[0]), 0.0)
        if not isinstance(self.law, Elementwise):
            return None
        try:
            points, shares = grid(self.law, known, *own)
        except NotImplementedError:
            return None
        values = self.of(points, None, np)
        mean = float((values * shares).sum())
        return Moments(mean, math.sqrt(float(((values - mean) ** 2 * shares).sum())))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """What the function makes of the law's, if the function is a named one."""
        factor, own = self.split(scalars)
        low, high = self.law.support(*own)
        if self.function == "times":
            by = float(np.real(factor))
            ends = sorted(by * end if by else 0.0 for end in (low, high))
            return ends[0], ends[1]
        if not isinstance(self.function, str):
            return -math.inf, math.inf
        with np.errstate(all="ignore"):
            ends = self.of(np.array([low, high]), None, np).tolist()
        return ends[0], ends[1]


@dataclasses.dataclass(frozen=True)
class AppliedElements(Applied, Elementwise):
    """A function of the values of an elementwise law, which is elementwise too.

    Example:
        >>> from cthulhu.laws import Uniform
        >>> law = AppliedElements(Uniform(), "exp")
        >>> round(float(law.distribution(2.0, 1.0, 0.0, 1.0)), 4)  # ln 2
        0.6931
    """

    law: Elementwise

    identical = True
    # Of the two bases, what an elementwise law has of its own.
    values = Elementwise.values

    @property
    def keys(self) -> int:
        """Those of the law."""
        return self.law.keys

    def of_bits(self, bits: jax.Array, dtype: DType, *scalars: Number) -> jax.Array:
        """The values that random bits stand for."""
        factor, own = self.split(scalars)
        values: jax.Array = self.of(self.law.of_bits(bits, dtype, *own), factor, jnp)
        return values

    def distribution(self, x: ArrayLike, *scalars: ArrayLike) -> HostNumber | HostArray:
        """The probability of a value of at most `x`, if the function is a named one."""
        factor, own = self.split(scalars)
        x = np.asarray(x, float)
        if self.function == "times":
            by = float(np.real(factor))
            if not by:
                return (x >= 0).astype(float)
            below = np.asarray(self.law.distribution(x / by, *own))
            return below if by > 0 else 1 - below
        if not isinstance(self.function, str):
            return super().distribution(x, *scalars)
        low, high = self.support(*scalars)
        inside = np.clip(x, low, high)
        with np.errstate(all="ignore"):
            back = FUNCTIONS[self.function].inverse(inside, np)
        known: HostArray = np.asarray(self.law.distribution(back, *own))
        return np.where(x <= low, 0.0, np.where(x >= high, 1.0, known))


def applied(law: Law, function: Function) -> Applied:
    """The law of a function of the values of a law: elementwise if that is."""
    if isinstance(law, Elementwise):
        return AppliedElements(law, function)
    return Applied(law, function)


def grid(law: Elementwise, known: Moments, *scalars: ArrayLike) -> tuple[HostArray, HostArray]:
    """Points over a law, and the probability around each."""
    low, high = law.support(*scalars)
    low = max(low, known.mean - REACH * known.stddev)
    high = min(high, known.mean + REACH * known.stddev)
    edges = np.linspace(low, high, POINTS + 1)
    below: Any = np.asarray(law.distribution(edges, *scalars))
    # What is beyond the ends, as the atom at a bound, belongs to the outermost.
    below[0], below[-1] = 0.0, 1.0
    return (edges[1:] + edges[:-1]) / 2, np.diff(below)
