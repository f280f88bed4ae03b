"""The truncated normal."""

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
from cthulhu.laws._normal import parent_stddev, truncated_moments
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw, compute_dtype
from cthulhu.typing import DTypeLike


def before_cut(owner: str, given: Mapping[str, Any]) -> tuple[Option, float]:
    """The standard deviation of the normal whose cut has `stddev`: what to divide by what."""
    stddev, absolute = given["stddev"], given["absolute"]
    if not given["corrected"]:
        return stddev, 1.0
    for name in ("lower", "upper", *(("mean", "stddev") if absolute else ())):
        if checks.is_traced(given[name]):
            raise TypeError(
                f"{owner}: {name} must be concrete with corrected=True, since the law before the "
                "cut is computed from it; got a traced array"
            )
    lower, upper = float(given["lower"]), float(given["upper"])
    if not absolute:
        return stddev, truncated_moments(lower, upper).stddev
    found = parent_stddev(float(stddev), lower - given["mean"], upper - given["mean"])
    if found is None:
        raise ValueError(
            f"{owner}: with absolute and corrected, stddev must be less than that of a uniform "
            f"between the bounds, {(upper - lower) / 12**0.5:.6g}; got {stddev!r}"
        )
    return found, 1.0


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class TruncatedNormal(BuiltIn):
    """Initializer that generates a truncated normal distribution.

    These values are similar to values from a `RandomNormal`, except that those
    more than two standard deviations from the mean do not occur.

    Law: normal with mean `mean` and standard deviation `stddev`, conditioned on
    (`mean` + `lower` · `stddev`, `mean` + `upper` · `stddev`), or on (`lower`,
    `upper`) with `absolute`. Both are those of the normal before the cut: with the
    default bounds the values have standard deviation 0.8796 · `stddev`. With
    `corrected` the normal is so wide that `stddev` is that of the values, whatever
    the bounds; they count in standard deviations of that normal, and `mean` stays
    its mean. Rounding to a narrow dtype may reach the bounds themselves. float32
    values with mean 0 and plain bounds within 4 standard deviations equal
    ``jax.jit(jax.nn.initializers.truncated_normal(stddev))`` bit for bit. Beyond 4
    on one side (7.5 in float64), where JAX has a thousand values left or none, the
    tail is inverted; traced bounds are not looked at.

    Args:
        mean: the mean before the cut; a number or a scalar array; default 0.
        stddev: the standard deviation before the cut, likewise, at least 0;
            default 0.05.
        seed: an integer from 0 to 2**32 - 1, or `None`.
        lower: the lower bound, in standard deviations from the mean, perhaps
            ``-inf``; default -2.
        upper: the upper bound, likewise, greater than `lower`; default 2.
        absolute: whether the bounds are values, as torch's `a` and `b`; default
            `False`.
        corrected: whether `stddev` is that of the values; default `False`.

    Raises:
        TypeError: an argument is of the wrong type, or traced with `corrected`.
        ValueError: an argument is out of range, or no values lie between the bounds.

    Example:
        >>> draw = TruncatedNormal(stddev=0.5, lower=0, upper=3, corrected=True).draw((8,))
        >>> round(draw.moments().stddev, 6)
        0.5
    """

    mean: float = options.number(0.0, checks.finite)
    stddev: float = options.number(0.05, checks.non_negative)
    seed: int | None = options.seed()
    _: dataclasses.KW_ONLY
    lower: float = options.number(-2.0, checks.bound)
    upper: float = options.number(2.0, checks.bound)
    absolute: bool = options.option(False, checks.flag)
    corrected: bool = options.option(False, checks.flag)

    in_keras = True
    known_as = ("trunc_normal", "trunc_normal_")
    elsewhere: ClassVar = {
        "std": "write stddev=…",
        "a": "write lower=…, with absolute=True",
        "b": "write upper=…, with absolute=True",
    }
    arguments: ClassVar = {
        "dtype": "a real floating type; default: JAX's default float. Types below 32 bits hold "
        "the float32 values, rounded."
    }
    example = """
        >>> import jax
        >>> values = truncated_normal(jax.random.key(0), (1000,), stddev=1.0)
        >>> bool((abs(values) < 2).all())
        True
    """

    @classmethod
    def agree(cls, owner: str, given: Mapping[str, Any]) -> None:
        """Refuse bounds without anything between them, and what no normal can be cut to."""
        lower, upper = given["lower"], given["upper"]
        checks.unordered(owner, "lower", lower, "upper", upper, strict=True)
        stddev = given["stddev"]
        if given["absolute"] and not checks.is_traced(stddev) and not stddev:
            raise ValueError(
                f"{owner}: stddev must be greater than 0 with absolute=True; got {stddev!r}"
            )
        before_cut(owner, given)

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        mean: Option,
        stddev: Option,
        lower: Option,
        upper: Option,
        absolute: bool,
        corrected: bool,
    ) -> Draw:
        """Check the type and name the program."""
        target = checks.inexact_dtype(cls.name, dtype)
        if jnp.issubdtype(target, np.complexfloating):
            raise TypeError(
                f"{cls.name}: dtype must be a real floating type; got {target}. For a complex "
                "normal cut at a modulus use variance_scaling with distribution='truncated_normal'"
            )
        given = (mean, stddev, lower, upper, absolute, corrected)
        parent, left = before_cut(cls.name, dict(zip(cls.defaults, given, strict=True)))
        compute = compute_dtype(target)
        return draws.truncated_normal(
            shape,
            target,
            sharding,
            mean=mean,
            stddev=draws.number(compute, parent) / compute.type(left),
            lower=lower,
            upper=upper,
            absolute=absolute,
        )
