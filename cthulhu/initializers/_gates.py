"""Biases of the gates of recurrent networks, for many time scales at once."""

import dataclasses
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding
from jax.typing import ArrayLike

from cthulhu import checks
from cthulhu._types import DType, Number, Option
from cthulhu.initializers import _options as options
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._docstrings import REAL
from cthulhu.initializers._registry import defined
from cthulhu.laws import Law, Moments
from cthulhu.laws._of_uniform import OfUniform
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw, bind, compute_dtype
from cthulhu.typing import DTypeLike


@dataclasses.dataclass(frozen=True)
class Logit(OfUniform):
    """``-ln(1 / u - 1)`` of a uniform u.

    Example:
        >>> round(Logit().support(0.5, 0.25)[1], 6)  # ln(3)
        1.098612
    """

    name = "uniform_gate"

    def of_uniform(self, uniform: Any, xp: Any, *scalars: Any) -> Any:
        """The function."""
        return xp.log(uniform) - xp.log1p(-uniform)


@dataclasses.dataclass(frozen=True)
class Logarithm(OfUniform):
    """ln of a uniform.

    Example:
        >>> round(Logarithm().support(1.0, 1.0)[1], 6)
        0.693147
    """

    def of_uniform(self, uniform: Any, xp: Any, *scalars: Any) -> Any:
        """The function."""
        return xp.log(uniform)


@dataclasses.dataclass(frozen=True)
class OppositeGates(Law):
    """`Logarithm` in the part of the forget gate, its negative in that of the input gate, else 0.

    Args:
        order: a letter for each part of the last axis, ``"f"`` and ``"i"`` among them.

    Example:
        >>> OppositeGates("ifgo").moments((8,), 0.0, 1.0)
        Moments(mean=0.0, stddev=0.0)
    """

    order: str

    name = "chrono"
    scalars = OfUniform.scalars

    def values(
        self, key: jax.Array, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The values that belong to a key."""
        part = (*shape[:-1], shape[-1] // len(self.order))
        forget = Logarithm().values(key, part, dtype, *scalars)
        parts = {"f": forget, "i": -forget}
        rest = jnp.zeros(part, dtype)
        return jnp.concatenate([parts.get(letter, rest) for letter in self.order], axis=-1)

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """Zero, and the root of the mean square, of all gates."""
        if 0 in shape:
            return Moments(0.0, 0.0)
        mean, stddev = Logarithm().moments(shape, *scalars)
        return Moments(0.0, math.sqrt(2 / len(self.order)) * math.hypot(mean, stddev))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """From the least input gate to the greatest forget gate."""
        _, most = Logarithm().support(*scalars)
        return -most, most


def at_least_2(owner: str, argument: str, value: Any) -> Option:
    """A finite number of at least 2."""
    found = checks.finite(owner, argument, value)
    if not checks.is_traced(found) and found < 2:
        raise ValueError(f"{owner}: {argument} must be at least 2; got {found!r}")
    return found


def gate_order(owner: str, argument: str, value: Any) -> str:
    """Different letters, with i and f among them."""
    if not (isinstance(value, str) and {*"if"} <= {*value} and len({*value}) == len(value)):
        raise ValueError(
            f"{owner}: {argument} must be different letters, one for each gate, with 'i' (input) "
            f"and 'f' (forget) among them, as 'ifgo'; got {value!r}"
        )
    return value


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class Chrono(BuiltIn):
    """Initializer that generates the biases of an LSTM that remembers over long times.

    With no input a unit forgets by ``1 / (1 + exp(b))`` in each step, so its time scale
    ``1 + exp(b)`` is uniform between 2 and `longest`. Where a layer has two biases, as
    torch's has, set one of them, and the other to 0.

    Law: with U uniform between 1 and ``longest - 1``, the bias of the forget gate is
    ln(U), that of the same unit's input gate -ln(U), and all others are 0. The mean over
    all gates is 0; the standard deviation is integrated numerically.

    Args:
        longest: the longest time to remember, in steps, at least 2; a number or a
            scalar array.
        order: a letter for each gate in their order along the last axis, with ``"i"``
            (input) and ``"f"`` (forget) among them; default ``"ifgo"``, as in torch and
            Keras.
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, or the last dimension of a call's shape
            is no multiple of the number of gates.

    Example:
        >>> values = Chrono(100, seed=0)((32,))
        >>> bool((values[:8] == -values[8:16]).all()), bool((values[16:] == 0).all())
        (True, True)

    References:
        Tallec and Ollivier (2018), "Can recurrent neural networks warp time?",
        https://arxiv.org/abs/1804.11188
    """

    longest: float = dataclasses.field(metadata=options.required(at_least_2, traced=True))
    order: str = options.option("ifgo", gate_order)
    seed: int | None = options.seed()

    elsewhere: ClassVar = {"t_max": "write longest=…", "T_max": "write longest=…"}
    known_as = ("chrono_init",)
    arguments: ClassVar = {"shape": "``(*, gates * units)``, of rank 1 or more.", **REAL}
    example = """
        >>> import jax
        >>> bias = chrono(jax.random.key(0), (4000,), longest=100)
        >>> bool(450 < (jax.nn.sigmoid(bias[1000:2000]) < 1 - 1 / 51).sum() < 550)
        True
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        longest: Option,
        order: str,
    ) -> Draw:
        """Check the shape and the type, and name the program."""
        checks.rank(cls.name, shape, 1, why=" (the last is that of the gates)")
        target = checks.real_dtype(cls.name, dtype)
        if shape[-1] % len(order):
            raise ValueError(
                f"{cls.name}: the last dimension must be a multiple of {len(order)}, the number of "
                f"gates in order={order!r}; got {shape!r}"
            )
        compute = compute_dtype(target)
        scalars = draws.number(compute, longest - 2), compute.type(1)
        return bind(OppositeGates(order), scalars, shape, target, sharding)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class UniformGate(BuiltIn):
    """Initializer that generates biases of gates which are uniformly open.

    With no input a sigmoid gate of these biases is open by U, and the time scales
    ``1 / (1 - U)`` of its units spread from 1 to n.

    Law: ``-ln(1 / U - 1)``, where U is uniform between 1 / n and 1 - 1 / n, and n is
    the size of the last axis; 0 where that is less than 3. The mean is 0, and the
    standard deviation, integrated numerically, below π / √3, its limit for large n.

    Args:
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, or the shape of a call has no dimension.

    Example:
        >>> import jax
        >>> gates = jax.nn.sigmoid(UniformGate(seed=0)((1000,)))
        >>> bool(450 < (gates < 0.5).sum() < 550)
        True

    References:
        Gu, Gulcehre, Paine, Hoffman and Pascanu (2020), "Improving the gating mechanism
        of recurrent neural networks", https://arxiv.org/abs/1910.09890
    """

    seed: int | None = options.seed()

    known_as = ("ur_lstm",)
    arguments: ClassVar = {"shape": "``(*, n)``, of rank 1 or more.", **REAL}
    example = """
        >>> import jax
        >>> gates = jax.nn.sigmoid(uniform_gate(jax.random.key(0), (100,)))
        >>> bool(((0.0099 < gates) & (gates < 0.9901)).all())
        True
    """

    @classmethod
    def plan(
        cls, shape: tuple[int, ...], dtype: DTypeLike | None, sharding: NamedSharding | None
    ) -> Draw:
        """Check the shape and the type, and name the program."""
        checks.rank(cls.name, shape, 1, why=" (the last is that of the gate)")
        target = checks.real_dtype(cls.name, dtype)
        compute = compute_dtype(target)
        size = max(shape[-1], 2)
        scalars = compute.type(1 - 2 / size), compute.type(1 / size)
        return bind(Logit(), scalars, shape, target, sharding)
