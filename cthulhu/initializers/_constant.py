"""Zeros, ones and constants: the initializers that draw nothing."""

import dataclasses

from jax import lax
from jax.sharding import NamedSharding

from cthulhu import checks
from cthulhu._types import Option
from cthulhu.initializers import _options as options
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._registry import defined
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw
from cthulhu.typing import DTypeLike


def filled(
    owner: str,
    shape: tuple[int, ...],
    dtype: DTypeLike | None,
    sharding: NamedSharding | None,
    value: Option,
) -> Draw:
    """Check the value against the type, and name the program that fills an array."""
    target = checks.dtype(owner, dtype)
    if checks.is_traced(value):
        return draws.fill(shape, target, sharding, value=lax.convert_element_type(value, target))
    exact = checks.representable(owner, "value", value, target)
    return draws.fill(shape, target, sharding, value=exact)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class Zeros(BuiltIn):
    """Initializer that generates tensors initialized to 0.

    Law: every element is 0.

    Example:
        >>> Zeros()((2, 2)).tolist()
        [[0.0, 0.0], [0.0, 0.0]]
    """

    draws = False
    in_keras = True
    legacy = ("zero",)
    known_as = ("zeros_", "zeros_init")
    example = """
        >>> zeros(None, (2, 2)).tolist()
        [[0.0, 0.0], [0.0, 0.0]]
    """

    @classmethod
    def plan(
        cls, shape: tuple[int, ...], dtype: DTypeLike | None, sharding: NamedSharding | None
    ) -> Draw:
        """The constant 0."""
        return filled(cls.name, shape, dtype, sharding, 0)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class Ones(BuiltIn):
    """Initializer that generates tensors initialized to 1.

    Law: every element is 1.

    Example:
        >>> Ones()((2, 2)).tolist()
        [[1.0, 1.0], [1.0, 1.0]]
    """

    draws = False
    in_keras = True
    legacy = ("one",)
    known_as = ("ones_", "ones_init")
    example = """
        >>> ones(None, (2, 2)).tolist()
        [[1.0, 1.0], [1.0, 1.0]]
    """

    @classmethod
    def plan(
        cls, shape: tuple[int, ...], dtype: DTypeLike | None, sharding: NamedSharding | None
    ) -> Draw:
        """The constant 1."""
        return filled(cls.name, shape, dtype, sharding, 1)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class Constant(BuiltIn):
    """Initializer that generates tensors initialized to a constant value.

    Law: every element is `value`; mean `value`, standard deviation 0.

    Args:
        value: a number, or a scalar array; default 0.

    Raises:
        TypeError: `value` is not a number, or is complex where the dtype is not.
        ValueError: `value` is an array that is not a scalar, an integer that no
            dtype can hold, or one that the dtype cannot hold.

    Example:
        >>> Constant(3)((2,)).tolist()
        [3.0, 3.0]
    """

    value: complex = options.number(0.0, checks.fill_value)

    draws = False
    in_keras = True
    known_as = ("constant_",)
    example = """
        >>> constant(None, (2, 2), value=3).tolist()
        [[3.0, 3.0], [3.0, 3.0]]
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        value: Option,
    ) -> Draw:
        """The value in the type that is asked for."""
        return filled(cls.name, shape, dtype, sharding, value)
