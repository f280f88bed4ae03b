"""Recurrent weights whose moduli and phases are uniform on a ring of the complex plane."""

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
from cthulhu.laws import Moments
from cthulhu.laws._base import real_parts
from cthulhu.laws._of_uniform import OfUniform
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw, bind, compute_dtype
from cthulhu.typing import DTypeLike

NEAR_0 = 2**-24  # Half the spacing of float32's uniforms: logarithms of 0 are not finite.


def modulus(owner: str, argument: str, value: Any) -> Option:
    """A number from 0 to 1."""
    found = checks.finite(owner, argument, value)
    if not checks.is_traced(found) and not 0 <= found <= 1:
        raise ValueError(f"{owner}: {argument} must be from 0 to 1; got {found!r}")
    return found


@dataclasses.dataclass(frozen=True)
class OnRing(OfUniform):
    """A function of a modulus r; the uniform is ``1 - r**2``, exact where r is near 1."""

    def log_modulus(self, uniform: Any, xp: Any) -> Any:
        """-ln(r), positive and finite."""
        return -0.5 * xp.log1p(-xp.minimum(xp.maximum(uniform, NEAR_0), 1 - NEAR_0))


@dataclasses.dataclass(frozen=True)
class LogDecay(OnRing):
    """``ln(-ln(r))``.

    Example:
        >>> round(LogDecay().support(0.0, 1 - 0.9**2)[0], 5)
        -2.25037
    """

    name = "ring_uniform"

    def of_uniform(self, uniform: Any, xp: Any, *scalars: Any) -> Any:
        """The function."""
        return xp.log(self.log_modulus(uniform, xp))


@dataclasses.dataclass(frozen=True)
class LogOdds(OnRing):
    """``ln(1 / r - 1)``.

    Example:
        >>> round(LogOdds().support(0.0, 1 - 0.9**2)[0], 5)
        -2.19722
    """

    name = "recurrent_gate"

    def of_uniform(self, uniform: Any, xp: Any, *scalars: Any) -> Any:
        """The function."""
        return xp.log(xp.expm1(self.log_modulus(uniform, xp)))


@dataclasses.dataclass(frozen=True)
class LogPhase(OfUniform):
    """ln of a uniform from 0 to 1, plus `shift`.

    Example:
        >>> LogPhase().moments((8,), 1.0, 0.0, 0.0)
        Moments(mean=-1.0, stddev=1.0)
    """

    scalars = (*OfUniform.scalars, "shift")
    name = "ring_phase"

    def of_uniform(self, uniform: Any, xp: Any, *scalars: Any) -> Any:
        """The function."""
        return xp.log(xp.maximum(uniform, NEAR_0)) + scalars[0]

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """The mean and the standard deviation."""
        return Moments(real_parts(scalars)[2] - 1, 1.0)


def on_ring(
    owner: str,
    law: OnRing,
    shape: tuple[int, ...],
    dtype: DTypeLike | None,
    sharding: NamedSharding | None,
    low: Option,
    high: Option,
) -> Draw:
    """The draw of a function of the modulus."""
    target = checks.real_dtype(owner, dtype)
    compute = compute_dtype(target)
    width, start = (high - low) * (high + low), (1 - high) * (1 + high)
    scalars = draws.number(compute, width), draws.number(compute, start)
    return bind(law, scalars, shape, target, sharding)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class RingUniform(BuiltIn):
    """Initializer that generates the decays of linear recurrent units: ν of the modulus.

    The eigenvalue of a unit is ``r exp(i exp(θ))`` with ``r = exp(-exp(ν))``. With ν of
    this class and θ of `RingPhase` it is uniform on a ring, by area.

    Law: ``ν = ln(-ln(sqrt(U)))``, where U is uniform between ``low**2`` and
    ``high**2``, and at least 2**-24 away from 0 and from 1. Mean and standard deviation
    are integrated numerically.

    Args:
        low: the inner radius, from 0 to 1; a number or a scalar array.
        high: the outer radius, likewise, at least `low`.
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range.

    Example:
        >>> import jax.numpy as jnp
        >>> radii = jnp.exp(-jnp.exp(RingUniform(0.9, 0.999, seed=0)((1000,))))
        >>> bool(((0.8999 < radii) & (radii < 0.9991)).all())
        True

    References:
        Orvieto et al. (2023), "Resurrecting recurrent neural networks for long
        sequences", https://arxiv.org/abs/2303.06349
    """

    low: float = dataclasses.field(metadata=options.required(modulus, traced=True))
    high: float = dataclasses.field(metadata=options.required(modulus, traced=True))
    seed: int | None = options.seed()

    elsewhere: ClassVar = {"r_min": "write low=…", "r_max": "write high=…"}
    known_as = ("lru", "nu_log")
    arguments: ClassVar = REAL
    example = """
        A quarter of the unit disk's area is within half of its radius:

        >>> import jax, jax.numpy as jnp
        >>> nu = ring_uniform(jax.random.key(0), (10_000,), low=0, high=1)
        >>> bool(2400 < (jnp.exp(-jnp.exp(nu)) < 0.5).sum() < 2600)
        True
    """

    @classmethod
    def agree(cls, owner: str, given: Mapping[str, Any]) -> None:
        """Refuse a ring that ends before it begins."""
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
        return on_ring(cls.name, LogDecay(), shape, dtype, sharding, low, high)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class RingPhase(BuiltIn):
    """Initializer that generates the phases of linear recurrent units: θ of the angle.

    Law: ``θ = ln(largest U)``, where U is uniform between 0 and 1, and at least 2**-24;
    so the angle exp(θ) is uniform between 0 and `largest`. The mean is
    ``ln(largest) - 1`` and the standard deviation 1.

    Args:
        largest: the largest angle, greater than 0; a number or a scalar array; default
            6.28, as in the authors' code.
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range.

    Example:
        >>> import jax.numpy as jnp
        >>> angles = jnp.exp(RingPhase(seed=0)((1000,)))
        >>> bool(450 < (angles < 3.14).sum() < 550)
        True

    References:
        Orvieto et al. (2023), "Resurrecting recurrent neural networks for long
        sequences", https://arxiv.org/abs/2303.06349
    """

    largest: float = options.number(6.28, checks.positive)
    seed: int | None = options.seed()

    elsewhere: ClassVar = {"max_phase": "write largest=…"}
    known_as = ("theta_log",)
    arguments: ClassVar = REAL
    example = """
        >>> import jax, jax.numpy as jnp
        >>> theta = ring_phase(jax.random.key(0), (1000,), largest=1)
        >>> bool(450 < (jnp.exp(theta) < 0.5).sum() < 550)
        True
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        largest: Option,
    ) -> Draw:
        """Check the type and name the program."""
        target = checks.real_dtype(cls.name, dtype)
        compute = compute_dtype(target)
        _, shift = draws.logarithms(compute, largest, largest)
        scalars = compute.type(1), compute.type(0), shift
        return bind(LogPhase(), scalars, shape, target, sharding)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class RecurrentGate(BuiltIn):
    """Initializer that generates the recurrence parameters of Griffin and RecurrentGemma.

    They are the ``a_param`` of a real-gated linear recurrent unit, which decays by
    ``a = exp(-softplus(a_param))`` before its gate.

    Law: ``ln(1 / sqrt(U) - 1)``, where U is uniform between ``low**2`` and ``high**2``,
    and at least 2**-24 away from 0 and from 1; so a is on the ring of `RingUniform`.
    Mean and standard deviation are integrated numerically; at the defaults they are
    -3.23 and 0.92.

    Args:
        low: the least decay factor, from 0 to 1; a number or a scalar array; default
            0.9.
        high: the largest, likewise, at least `low`; default 0.999.
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> decay = jnp.exp(-jax.nn.softplus(RecurrentGate(seed=0)((1000,))))
        >>> bool(((0.8999 < decay) & (decay < 0.9991)).all())
        True

    References:
        De et al. (2024), "Griffin: mixing gated linear recurrences with local
        attention for efficient language models", https://arxiv.org/abs/2402.19427
    """

    low: float = options.number(0.9, modulus)
    high: float = options.number(0.999, modulus)
    seed: int | None = options.seed()

    elsewhere: ClassVar = {"min_rad": "write low=…", "max_rad": "write high=…"}
    known_as = ("rg_lru", "a_param")
    arguments: ClassVar = REAL
    example = """
        >>> import jax, jax.numpy as jnp
        >>> values = recurrent_gate(jax.random.key(0), (1000,), low=0.5)
        >>> bool(0.49 < jnp.exp(-jax.nn.softplus(values)).min() < 0.52)
        True
    """

    @classmethod
    def agree(cls, owner: str, given: Mapping[str, Any]) -> None:
        """Refuse a ring that ends before it begins."""
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
        return on_ring(cls.name, LogOdds(), shape, dtype, sharding, low, high)
