"""RandomUniform."""

import dataclasses

from cthulhu import checks, functional
from cthulhu.initializers._bound import Bound, option, seed_option

__all__ = ["RandomUniform"]


@dataclasses.dataclass(frozen=True, repr=False)
class RandomUniform(Bound):
    """Initializer that generates tensors with a uniform distribution.

    Law: uniform on [`minval`, `maxval`).

    Args:
        minval: a Python scalar or a concrete scalar array; default -0.05.
        maxval: likewise, at least `minval`; default 0.05.
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range.

    Example:
        >>> values = RandomUniform(seed=0)((1000,))
        >>> bool((abs(values) <= 0.05).all())
        True
    """

    minval: float = option(-0.05, checks.finite)
    maxval: float = option(0.05, checks.finite)
    seed: int | None = seed_option()

    function = staticmethod(functional.random_uniform)

    def __post_init__(self) -> None:
        """Check the fields, then the order of the bounds."""
        super().__post_init__()
        checks.unordered(
            "RandomUniform", "minval", self.minval, "maxval", self.maxval, strict=False
        )
