"""Convolutions that keep their input."""

import dataclasses
import math
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.typing import ArrayLike

from cthulhu import checks
from cthulhu._types import DType, Number
from cthulhu.initializers import _options as options
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._registry import defined
from cthulhu.laws import Law, Moments
from cthulhu.programs._build import Draw, bind
from cthulhu.typing import DTypeLike


@dataclasses.dataclass(frozen=True)
class Taps(Law):
    """One at the spatial centre, from input i to output i of each group; 0 elsewhere.

    Args:
        groups: the number of groups of outputs.

    Example:
        >>> Taps(groups=1).moments((3, 2, 2)).mean
        0.16666666666666666
    """

    groups: int

    uses_key = False

    def values(
        self, key: jax.Array | None, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The kernel, for any key."""
        inputs, outputs = shape[-2:]
        each = outputs // self.groups
        kept = np.arange(min(inputs, each))
        centre = tuple(size // 2 for size in shape[:-2])
        kernel = jnp.zeros(shape, dtype)
        if 0 in shape:
            return kernel
        taps = each * np.arange(self.groups)[:, None] + kept
        return kernel.at[(*centre, np.broadcast_to(kept, taps.shape), taps)].set(1)

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """The share of ones, and the standard deviation that it gives."""
        if 0 in shape:
            return Moments(0.0, 0.0)
        inputs, outputs = shape[-2:]
        share = self.groups * min(inputs, outputs // self.groups) / math.prod(shape)
        return Moments(share, math.sqrt(share * (1 - share)))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """Zero and one."""
        return 0.0, 1.0


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class Dirac(BuiltIn):
    """Initializer that generates convolution kernels which keep their input.

    Law: 1 at the centre of the spatial axes (the upper one if a size is even), from
    input i to output i of each of the `groups` of outputs, as far as there are both;
    0 elsewhere.

    Args:
        groups: the number of groups of outputs, each of which keeps the input;
            default 1.

    Raises:
        TypeError: `groups` is no integer.
        ValueError: `groups` is less than 1 or does not divide the outputs, or the
            shape of a call is not 3-D to 5-D.

    Example:
        >>> Dirac()((1, 2, 3)).tolist()
        [[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]

    References:
        Zagoruyko and Komodakis (2017), "DiracNets: training very deep neural
        networks without skip-connections", https://arxiv.org/abs/1706.00388
    """

    groups: int = options.option(1, checks.count)

    draws = False
    known_as = ("dirac_",)
    arguments: ClassVar = {"shape": "``(*spatial, inputs, outputs)``, of rank 3, 4 or 5."}
    example = """
        >>> import jax, jax.numpy as jnp
        >>> x = jnp.arange(8.0).reshape(1, 4, 2)
        >>> y = jax.lax.conv_general_dilated(
        ...     x, dirac(None, (3, 2, 2)), (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")
        ... )
        >>> bool((y == x).all())
        True
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        groups: int,
    ) -> Draw:
        """Check the kernel's shape and name the program."""
        checks.rank(cls.name, shape, 3, 5, why=" (one to three spatial, then input and output)")
        if shape[-1] % groups:
            raise ValueError(
                f"{cls.name}: groups must divide the last dimension (outputs); got "
                f"groups={groups} and {shape[-1]} outputs in {shape!r}"
            )
        return bind(Taps(groups), (), shape, checks.dtype(cls.name, dtype), sharding)
