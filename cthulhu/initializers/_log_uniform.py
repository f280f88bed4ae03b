"""Uniform in the logarithm, and the inverse softplus of that."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from jax.sharding import NamedSharding
from jax.typing import ArrayLike

from cthulhu import checks
from cthulhu._types import Option
from cthulhu.initializers import _options as options
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._docstrings import REAL
from cthulhu.initializers._registry import defined
from cthulhu.laws._base import real_parts
from cthulhu.laws._of_uniform import OfUniform
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw, bind, compute_dtype
from cthulhu.typing import DTypeLike


@dataclasses.dataclass(frozen=True)
class Exponential(OfUniform):
    """exp of a uniform, kept within [`least`, `most`].

    Example:
        >>> import math
        >>> law = Exponential()
        >>> round(float(law.distribution(2.0, math.log(4), 0.0, 1.0, 4.0)), 12)
        0.5
    """

    scalars = (*OfUniform.scalars, "least", "most")
    name = "log_uniform"

    def of_uniform(self, uniform: Any, xp: Any, *scalars: Any) -> Any:
        """The function."""
        least, most = scalars
        return xp.minimum(xp.maximum(xp.exp(uniform), least), most)

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """The interval."""
        _, _, least, most = real_parts(scalars)
        return least, most


@dataclasses.dataclass(frozen=True)
class InverseSoftplus(OfUniform):
    """``s + ln(1 - exp(-s))``, where s is exp of a uniform, and at least `floor`.

    Example:
        >>> import math
        >>> law = InverseSoftplus()
        >>> round(law.support(0.0, math.log(0.01), 0.0)[0], 5)
        -4.60017
    """

    scalars = (*OfUniform.scalars, "floor")
    name = "inverse_softplus_uniform"

    def of_uniform(self, uniform: Any, xp: Any, *scalars: Any) -> Any:
        """The function."""
        step = xp.maximum(xp.exp(uniform), scalars[0])
        return step + xp.log(-xp.expm1(-step))


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class LogUniform(BuiltIn):
    """Initializer that generates tensors whose logarithm is uniform.

    Every order of magnitude between the bounds is as likely as any other: so are the
    time scales and the step sizes of state space models chosen.

    Law: exp of a uniform between ln `low` and ln `high`, and within [`low`, `high`].
    With ``w = ln(high / low)`` the density is ``1 / (w x)``, the mean
    ``(high - low) / w``, and the mean square ``(high**2 - low**2) / (2 w)``.

    Args:
        low: the lower bound, greater than 0; a number or a scalar array.
        high: the upper bound, likewise, at least `low`.
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range.

    Example:
        >>> values = LogUniform(0.001, 0.1, seed=0)((1000,))
        >>> bool(450 < (values < 0.01).sum() < 550)
        True

    References:
        Gu, Goel and Ré (2022), "Efficiently modeling long sequences with structured
        state spaces", https://arxiv.org/abs/2111.00396
    """

    low: float = dataclasses.field(metadata=options.required(checks.positive, traced=True))
    high: float = dataclasses.field(metadata=options.required(checks.positive, traced=True))
    seed: int | None = options.seed()

    elsewhere: ClassVar = {"minval": "write low=…", "maxval": "write high=…"}
    known_as = ("loguniform", "reciprocal")
    arguments: ClassVar = REAL
    example = """
        >>> import jax
        >>> values = log_uniform(jax.random.key(0), (1000,), low=1, high=100)
        >>> bool(450 < (values < 10).sum() < 550)
        True
    """

    @classmethod
    def agree(cls, owner: str, given: Mapping[str, Any]) -> None:
        """Refuse an interval that ends before it begins."""
        checks.unordered(owner, "low", given["low"], "high", given["high"], strict=False)

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        low: Option,
        high: Option,
    ) -> Draw:
        """Check the type and name the program."""
        target = checks.real_dtype(cls.name, dtype)
        compute = compute_dtype(target)
        draws.refuse_extent(target, compute.type(1), draws.bound_of(low, high))
        ends = draws.number(compute, low), draws.number(compute, high)
        scalars = (*draws.logarithms(compute, low, high), *ends)
        return bind(Exponential(), scalars, shape, target, sharding)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class InverseSoftplusUniform(BuiltIn):
    """Initializer that generates what softplus turns into log-uniform step sizes.

    It is the bias of the step sizes in Mamba, ``dt = softplus(x + bias)``: with x = 0
    every order of magnitude of dt between the bounds is as likely as any other.

    Law: ``s + ln(1 - exp(-s))`` with ``s = max(exp(U), floor)``, where U is uniform
    between ln `low` and ln `high`; so softplus of the values is log-uniform. Mean and
    standard deviation are integrated numerically; at the defaults they are -4.59 and
    1.34.

    Args:
        low: the least step size, greater than 0; a number or a scalar array; default
            0.001.
        high: the largest one, likewise, at least `low`; default 0.1.
        floor: what smaller step sizes are raised to, at least 0; default 0.0001.
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range.

    Example:
        >>> import jax
        >>> steps = jax.nn.softplus(InverseSoftplusUniform(seed=0)((1000,)))
        >>> bool(((0.00099 < steps) & (steps < 0.101)).all())
        True

    References:
        Gu and Dao (2023), "Mamba: linear-time sequence modeling with selective state
        spaces", https://arxiv.org/abs/2312.00752
    """

    low: float = options.number(0.001, checks.positive)
    high: float = options.number(0.1, checks.positive)
    floor: float = options.number(1e-4, checks.non_negative)
    seed: int | None = options.seed()

    elsewhere: ClassVar = {
        "dt_min": "write low=…",
        "dt_max": "write high=…",
        "dt_init_floor": "write floor=…",
    }
    known_as = ("dt_bias",)
    arguments: ClassVar = REAL
    example = """
        >>> import jax
        >>> bias = inverse_softplus_uniform(jax.random.key(0), (1000,))
        >>> bool(450 < (jax.nn.softplus(bias) < 0.01).sum() < 550)
        True
    """

    @classmethod
    def agree(cls, owner: str, given: Mapping[str, Any]) -> None:
        """Refuse an interval that ends before it begins."""
        checks.unordered(owner, "low", given["low"], "high", given["high"], strict=False)

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        low: Option,
        high: Option,
        floor: Option,
    ) -> Draw:
        """Check the type and name the program."""
        target = checks.real_dtype(cls.name, dtype)
        compute = compute_dtype(target)
        draws.refuse_extent(target, compute.type(1), draws.bound_of(high, floor))
        scalars = (*draws.logarithms(compute, low, high), draws.number(compute, floor))
        return bind(InverseSoftplus(), scalars, shape, target, sharding)
