"""Biases of the last layer, from what is known of its outputs."""

import dataclasses
import math
from typing import Any, ClassVar

import jax.numpy as jnp
from jax import lax
from jax.sharding import NamedSharding

from cthulhu import checks
from cthulhu._types import Option
from cthulhu.initializers import _options as options
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._registry import defined
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw, compute_dtype
from cthulhu.typing import DTypeLike


def probability_of(owner: str, argument: str, value: Any) -> Option:
    """A number between 0 and 1, neither of which has finite odds."""
    number = checks.finite(owner, argument, value)
    if not checks.is_traced(number) and not 0 < number < 1:
        raise ValueError(
            f"{owner}: {argument} must be greater than 0 and less than 1; got {number!r}"
        )
    return number


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class LogitPrior(BuiltIn):
    """Initializer of the bias of a sigmoid, so that it starts at a given probability.

    Law: every element is ``-ln((1 - probability) / probability)``.

    Args:
        probability: how likely the rare class is before anything is learned, greater
            than 0 and less than 1; a number or a scalar array. RetinaNet's is 0.01.

    Raises:
        TypeError: `probability` is no number.
        ValueError: `probability` is out of range.

    Example:
        >>> import jax
        >>> jax.nn.sigmoid(LogitPrior(0.25)((3,))).tolist()
        [0.25, 0.25, 0.25]

    References:
        Lin, Goyal, Girshick, He and Dollár (2017), "Focal loss for dense object
        detection", https://arxiv.org/abs/1708.02002
    """

    probability: float = dataclasses.field(metadata=options.required(probability_of, traced=True))

    draws = False
    known_as = ("bias_init_with_prob",)
    arguments: ClassVar = {
        "dtype": "a floating or complex type; default: JAX's default float.",
    }
    example = """
        >>> logit_prior(None, (2,), probability=0.5).tolist()
        [0.0, 0.0]
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        probability: Option,
    ) -> Draw:
        """The logit, in double precision where the probability is known."""
        target = checks.inexact_dtype(cls.name, dtype)
        compute = compute_dtype(target)
        if checks.is_traced(probability):
            traced = lax.convert_element_type(probability, compute)
            return draws.fill(shape, target, sharding, value=jnp.log(traced) - jnp.log1p(-traced))
        logit = math.log(probability) - math.log1p(-probability)
        return draws.fill(shape, target, sharding, value=compute.type(logit))
