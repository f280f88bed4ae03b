"""Initializers that are functions of another one's values."""

import dataclasses
import math
from typing import Any, ClassVar

from jax.sharding import NamedSharding

from cthulhu import checks
from cthulhu._types import Option
from cthulhu.initializers import _nested as nested
from cthulhu.initializers import _options as options
from cthulhu.initializers._docstrings import REAL
from cthulhu.initializers._nested import refuse_overflow, scaled
from cthulhu.initializers._registry import defined
from cthulhu.laws._applied import FUNCTIONS, applied
from cthulhu.laws._composed import OfFunction
from cthulhu.programs._build import Draw, bind
from cthulhu.typing import DTypeLike, ElementwiseFunction, InitializerLike


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class Scaled(nested.Combinator):
    """Initializer that multiplies the values of another one by a number.

    Where the law of `init` has a scale, as a normal, a uniform or an orthogonal one
    has, its scale is multiplied: there is one rounding fewer, and the program is that
    of `init`.

    Law: that of `init`, times `factor`: both the mean and the standard deviation.

    Args:
        init: an initializer, or whatever names one, without a seed of its own.
        factor: the number, of either sign; a number or a scalar array.
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type, or the dtype is of integers.
        ValueError: `init` is unknown or has a seed, `factor` is not finite, or the
            dtype cannot hold the values.

    Example:
        >>> Scaled("ones", 0.25, seed=0)((2,)).tolist()
        [0.25, 0.25]
    """

    init: InitializerLike = dataclasses.field(metadata=nested.required())
    factor: float = dataclasses.field(metadata=options.required(checks.finite, traced=True))
    seed: int | None = options.seed()

    elsewhere: ClassVar = {"scale": "write factor=…", "gain": "write factor=…"}
    example = """
        The last layer of a residual branch, scaled down by the square root of twice the
        depth, as in GPT-2:

        >>> import jax
        >>> values = scaled(jax.random.key(0), (512, 512), init="glorot_normal", factor=24**-0.5)
        >>> round(float(values.std()) * 24**0.5 * 512**0.5, 2)
        1.0
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        init: Any,
        factor: Option,
    ) -> Draw:
        """The law of `init`, with another scale."""
        checks.inexact_dtype(cls.name, dtype)
        return scaled(init, factor, shape, dtype, sharding)


def function_of(owner: str, argument: str, value: Any) -> Any:
    """The name of a function, or a function of an array."""
    return value if callable(value) else checks.choice(owner, argument, value, tuple(FUNCTIONS))


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class Mapped(nested.Combinator):
    """Initializer that applies a function to each value of another one.

    The values are drawn and mapped in float32, and then rounded once: a logarithm of
    numbers in bfloat16 would have lost most of its digits.

    Law: that of ``fn(x)``, where x has the law of `init`. The moments in a plan are
    those of a named function of independent elements, to five digits.

    Args:
        init: an initializer, or whatever names one, without a seed of its own.
        fn: ``"exp"``, ``"log"``, ``"expm1"``, ``"log1p"``, ``"sqrt"``, ``"sigmoid"``,
            ``"logit"``, ``"softplus"``, ``"inverse_softplus"`` or ``"tanh"``; or a
            function of an array, element by element, which no config can hold.
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type, or the dtype is not of real
            floating numbers.
        ValueError: `init` or `fn` is unknown, `init` has a seed, or it may have values
            of which there is no logarithm, or the like; or the dtype cannot hold the
            values.

    Example:
        >>> Mapped("zeros", "exp", seed=0)((2,)).tolist()
        [1.0, 1.0]
    """

    init: InitializerLike = dataclasses.field(metadata=nested.required())
    fn: ElementwiseFunction = dataclasses.field(
        metadata=options.required(function_of, write=options.name_of(FUNCTIONS))
    )
    seed: int | None = options.seed()

    elsewhere: ClassVar = {"function": "write fn=…"}
    arguments: ClassVar = REAL
    example = """
        Rates from 1 to e, even on a logarithmic scale:

        >>> import jax, jax.numpy as jnp
        >>> from cthulhu.initializers import RandomUniform
        >>> rates = mapped(jax.random.key(0), (1000,), init=RandomUniform(0, 1), fn="exp")
        >>> bool(((rates >= 1) & (rates <= 2.7183)).all()), round(float(jnp.log(rates).mean()), 1)
        (True, 0.5)
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        init: Any,
        fn: Any,
    ) -> Draw:
        """The function of the law of `init`, on the domain of the function."""
        checks.real_dtype(cls.name, dtype)
        inner = nested.draw_of(init, shape, dtype)
        law, scalars, target = inner.recipe.law, inner.scalars, inner.recipe.dtype
        if isinstance(fn, str) and not isinstance(law, OfFunction):
            refuse_outside(cls.name, fn, law.support(*scalars))
        law = applied(law, fn)
        refuse_overflow(target, law, shape, scalars)
        return bind(law, scalars, shape, target, sharding)


def refuse_outside(owner: str, fn: str, support: tuple[float, float]) -> None:
    """Refuse a law of which some values are outside of the domain of a function."""
    domain = FUNCTIONS[fn]
    above = support[0] >= domain.low if domain.closed else support[0] > domain.low
    if domain.low == -math.inf or (above and support[1] < domain.high):
        return
    interval = f"{'at least' if domain.closed else 'greater than'} {domain.low:g}"
    if domain.high < math.inf:
        interval += f" and less than {domain.high:g}"
    raise ValueError(
        f"{owner}: the values of init must be {interval} for fn={fn!r}; they lie from "
        f"{support[0]:g} to {support[1]:g}"
    )
