"""Convolutions that keep their input."""

import dataclasses
from typing import ClassVar

from jax.sharding import NamedSharding

from cthulhu import checks
from cthulhu.initializers import _options as options
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._registry import defined
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw
from cthulhu.typing import DTypeLike


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
        target = checks.dtype(cls.name, dtype)
        one = target.type(1)
        return draws.eye(shape, target, sharding, gain=one, groups=groups, upper=True)
