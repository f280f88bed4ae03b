"""Uniform."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from cthulhu import checks
from cthulhu._types import Option
from cthulhu.initializers import _options as options
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._registry import defined
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw
from cthulhu.typing import DTypeLike


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class RandomUniform(BuiltIn):
    """Initializer that generates tensors with a uniform distribution.

    Law: uniform on [`minval`, `maxval`), with mean ``(minval + maxval) / 2`` and
    standard deviation ``(maxval - minval) / sqrt(12)``; rounding may reach
    `maxval`. float32 values equal ``jax.jit`` of `jax.random.uniform`, and with
    ``minval=0`` of ``jax.nn.initializers.uniform(maxval)``, bit for bit.

    Args:
        minval: the lower bound; a number or a scalar array; default -0.05.
        maxval: the upper bound, likewise, at least `minval`; default 0.05.
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range.

    Example:
        >>> values = RandomUniform(seed=0)((1000,))
        >>> bool((abs(values) <= 0.05).all())
        True
    """

    minval: float = options.number(-0.05, checks.finite)
    maxval: float = options.number(0.05, checks.finite)
    seed: int | None = options.seed()

    in_keras = True
    aliases = ("uniform",)
    known_as = ("uniform_",)
    elsewhere: ClassVar = {
        "scale": "jax.nn.initializers.uniform(scale) draws on [0, scale): write minval=0, "
        "maxval=scale; its default scale is 0.01",
        "a": "write minval=…",
        "b": "write maxval=…",
    }
    arguments: ClassVar = {
        "dtype": "a real floating type; default: JAX's default float. Types below 32 bits hold "
        "the float32 values, rounded."
    }
    example = """
        >>> import jax
        >>> values = random_uniform(jax.random.key(0), (1000,), minval=2, maxval=3)
        >>> bool((values >= 2).all() and (values < 3).all())
        True
    """

    @classmethod
    def agree(cls, owner: str, given: Mapping[str, Any]) -> None:
        """Refuse an interval that ends before it begins."""
        minval, maxval = given["minval"], given["maxval"]
        checks.unordered(owner, "minval", minval, "maxval", maxval, strict=False)

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        minval: Option,
        maxval: Option,
    ) -> Draw:
        """Check the type and name the program."""
        target = checks.inexact_dtype(cls.name, dtype)
        if jnp.issubdtype(target, np.complexfloating):
            raise TypeError(
                f"{cls.name}: dtype must be a real floating type; got {target}. For a uniform "
                "disk use variance_scaling with distribution='uniform'"
            )
        return draws.uniform(shape, target, sharding, minval=minval, maxval=maxval)
