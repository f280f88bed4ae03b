"""Orthogonal and DeltaOrthogonal."""

import dataclasses
import operator
from typing import Any

from cthulhu import checks, functional
from cthulhu.initializers._bound import Bound, axes_option, option, seed_option
from cthulhu.typing import Axes

__all__ = ["DeltaOrthogonal", "Orthogonal"]


def single_axis(owner: str, argument: str, value: Any) -> int:
    """One axis."""
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{owner}: {argument} must be an integer; got {value!r}") from None


@dataclasses.dataclass(frozen=True, repr=False)
class Orthogonal(Bound):
    """Initializer that generates a random orthogonal matrix.

    A shape of more than two dimensions is seen as a matrix whose columns run
    along `axis`, the last by default, and whose rows run along all others.

    Law: `gain` times a Haar-distributed (semi-)orthogonal matrix.

    Args:
        gain: the factor; default 1.
        seed: an integer from 0 to 2**32 - 1, or `None`.
        axis: the axis of the columns; default -1.
        batch_axis: axes that stack independent matrices; default none.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range; in a call, the shape has less
            than two dimensions.

    Example:
        >>> import jax.numpy as jnp
        >>> q = Orthogonal(seed=0)((8, 8))
        >>> bool(jnp.allclose(q.T @ q, jnp.eye(8), atol=1e-5))
        True

    References:
        Saxe, McClelland and Ganguli (2014), "Exact solutions to the nonlinear
        dynamics of learning in deep linear neural networks",
        https://arxiv.org/abs/1312.6120
    """

    gain: float = option(1.0, checks.finite)
    seed: int | None = seed_option()
    _: dataclasses.KW_ONLY
    axis: int = option(-1, single_axis)
    batch_axis: Axes = axes_option(())

    function = staticmethod(functional.orthogonal)


@dataclasses.dataclass(frozen=True, repr=False)
class DeltaOrthogonal(Bound):
    """Initializer that generates convolution kernels, orthogonal at their centre.

    Law: 0, but for the centre of the spatial axes, which holds an `Orthogonal`
    matrix of inputs and outputs.

    Args:
        gain: the factor; default 1.
        seed: an integer from 0 to 2**32 - 1, or `None`.
        axis: which of the last two dimensions holds the matrix's columns;
            default -1.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range; in a call, the shape is not 3-D
            to 5-D, or has more inputs than outputs.

    Example:
        >>> import numpy as np
        >>> kernel = DeltaOrthogonal(seed=0)((3, 3, 4, 8))
        >>> int(np.count_nonzero(np.any(np.asarray(kernel), axis=(2, 3))))
        1

    References:
        Xiao, Bahri, Sohl-Dickstein, Schoenholz and Pennington (2018), "Dynamical
        isometry and a mean field theory of CNNs", https://arxiv.org/abs/1806.05393
    """

    gain: float = option(1.0, checks.finite)
    seed: int | None = seed_option()
    _: dataclasses.KW_ONLY
    axis: int = option(-1, single_axis)

    function = staticmethod(functional.delta_orthogonal)
