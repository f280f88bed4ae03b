"""Zeros, Ones and Constant."""

import dataclasses

from cthulhu import checks, functional
from cthulhu.initializers._bound import Bound, option

__all__ = ["Constant", "Ones", "Zeros"]


@dataclasses.dataclass(frozen=True, repr=False)
class Zeros(Bound):
    """Initializer that generates tensors initialized to 0.

    Law: every element is 0.

    Example:
        >>> Zeros()((2, 2)).tolist()
        [[0.0, 0.0], [0.0, 0.0]]
    """

    draws = False
    function = staticmethod(functional.zeros)


@dataclasses.dataclass(frozen=True, repr=False)
class Ones(Bound):
    """Initializer that generates tensors initialized to 1.

    Law: every element is 1.

    Example:
        >>> Ones()((2, 2)).tolist()
        [[1.0, 1.0], [1.0, 1.0]]
    """

    draws = False
    function = staticmethod(functional.ones)


@dataclasses.dataclass(frozen=True, repr=False)
class Constant(Bound):
    """Initializer that generates tensors initialized to a constant value.

    Law: every element is `value`.

    Args:
        value: a number, or a concrete scalar array; default 0.

    Raises:
        TypeError: `value` is not a number.
        ValueError: `value` is an array that is not a scalar, or an integer that no
            dtype can hold.

    Example:
        >>> Constant(3)((2,)).tolist()
        [3.0, 3.0]
    """

    value: complex = option(0.0, checks.fill_value)

    draws = False
    function = staticmethod(functional.constant)
