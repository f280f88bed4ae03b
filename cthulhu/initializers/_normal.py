"""The normal."""

import dataclasses
from typing import ClassVar

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
class RandomNormal(BuiltIn):
    """Initializer that generates tensors with a normal distribution.

    Law: normal with mean `mean` and standard deviation `stddev`. In float32 the
    support is `mean` ± 5.42 `stddev`, the range of inversion with 23 bits; a
    complex dtype gives real and imaginary parts of standard deviation
    ``stddev / sqrt(2)`` each. float32 values with mean 0 equal
    ``jax.jit(jax.nn.initializers.normal(stddev))`` bit for bit.

    Args:
        mean: the mean; a number or a scalar array; default 0.
        stddev: the standard deviation, likewise, at least 0; default 0.05.
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

    mean: float = options.number(0.0, checks.finite)
    stddev: float = options.number(0.05, checks.non_negative)
    seed: int | None = options.seed()

    in_keras = True
    aliases = ("normal",)
    known_as = ("gaussian", "normal_")
    elsewhere: ClassVar = {
        "scale": "write stddev=…; the default of jax.nn.initializers.normal is 0.01",
        "std": "write stddev=…",
    }
    example = """
        The leading rows of a larger draw are the smaller draw:

        >>> import jax, numpy as np
        >>> key = jax.random.key(0)
        >>> rows = random_normal(key, (2, 64))
        >>> bool(np.array_equal(random_normal(key, (5, 64))[:2], rows))
        True
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        mean: Option,
        stddev: Option,
    ) -> Draw:
        """Check the type and name the program."""
        target = checks.inexact_dtype(cls.name, dtype)
        return draws.normal(shape, target, sharding, mean=mean, stddev=stddev)
