"""Identity."""

import dataclasses

from cthulhu import checks, functional
from cthulhu.initializers._bound import Bound, option

__all__ = ["Identity"]


@dataclasses.dataclass(frozen=True, repr=False)
class Identity(Bound):
    """Initializer that generates the identity matrix.

    Only for shapes of two dimensions. A matrix that is not square is padded with
    zeros.

    Law: `gain` on the main diagonal, 0 elsewhere.

    Args:
        gain: the factor; default 1.

    Raises:
        ValueError: `gain` is not finite; in a call, the shape has not exactly
            two dimensions.

    Example:
        >>> Identity(gain=2)((2, 3)).tolist()
        [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]

    References:
        Le, Jaitly and Hinton (2015), "A simple way to initialize recurrent
        networks of rectified linear units", https://arxiv.org/abs/1504.00941
    """

    gain: float = option(1.0, checks.finite)

    draws = False
    function = staticmethod(functional.identity)
