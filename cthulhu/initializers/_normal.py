"""RandomNormal and TruncatedNormal."""

import dataclasses

from cthulhu import checks, functional
from cthulhu.initializers._bound import Bound, option, seed_option

__all__ = ["RandomNormal", "TruncatedNormal"]


@dataclasses.dataclass(frozen=True, repr=False)
class RandomNormal(Bound):
    """Initializer that generates tensors with a normal distribution.

    Law: normal with mean `mean` and standard deviation `stddev`.

    Args:
        mean: a Python scalar or a concrete scalar array; default 0.
        stddev: likewise, at least 0; default 0.05.
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range.

    Example:
        >>> import jax, numpy as np
        >>> init = RandomNormal(stddev=0.01, seed=7)
        >>> key = jax.random.key(7)
        >>> bool(np.array_equal(init((2, 3)), RandomNormal(stddev=0.01)(key, (2, 3))))
        True
    """

    mean: float = option(0.0, checks.finite)
    stddev: float = option(0.05, checks.non_negative)
    seed: int | None = seed_option()

    function = staticmethod(functional.random_normal)


@dataclasses.dataclass(frozen=True, repr=False)
class TruncatedNormal(Bound):
    """Initializer that generates a truncated normal distribution.

    These values are similar to values from a `RandomNormal`, except that those
    more than two standard deviations from the mean do not occur.

    Law: normal with mean `mean` and standard deviation `stddev`, conditioned on
    (`mean` + `lower` · `stddev`, `mean` + `upper` · `stddev`). The standard
    deviation of the values themselves is smaller: 0.8796 · `stddev` with the
    default bounds.

    Args:
        mean: a Python scalar or a concrete scalar array; default 0.
        stddev: likewise, at least 0; default 0.05.
        seed: an integer from 0 to 2**32 - 1, or `None`.
        lower: the lower bound, in standard deviations from the mean; default -2.
        upper: the upper bound, likewise; default 2.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range.

    Example:
        >>> values = TruncatedNormal(stddev=1.0, seed=0)((1000,))
        >>> bool((abs(values) < 2).all())
        True
    """

    mean: float = option(0.0, checks.finite)
    stddev: float = option(0.05, checks.non_negative)
    seed: int | None = seed_option()
    _: dataclasses.KW_ONLY
    lower: float = option(-2.0, checks.finite)
    upper: float = option(2.0, checks.finite)

    function = staticmethod(functional.truncated_normal)

    def __post_init__(self) -> None:
        """Check the fields, then the order of the bounds."""
        super().__post_init__()
        checks.unordered("TruncatedNormal", "lower", self.lower, "upper", self.upper, strict=True)
