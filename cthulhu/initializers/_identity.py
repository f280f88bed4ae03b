"""The identity matrix."""

import dataclasses
from typing import ClassVar

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


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class Identity(BuiltIn):
    """Initializer that generates the identity matrix.

    Only for shapes of two dimensions. A matrix that is not square is padded with
    zeros.

    Law: `gain` on the main diagonal, 0 elsewhere.

    Args:
        gain: the factor; default 1.

    Raises:
        ValueError: `gain` is not finite or not representable in an integer dtype,
            or the shape of a call has not exactly two dimensions.

    Example:
        >>> Identity(gain=2)((2, 3)).tolist()
        [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]

    References:
        Le, Jaitly and Hinton (2015), "A simple way to initialize recurrent
        networks of rectified linear units", https://arxiv.org/abs/1504.00941
    """

    gain: float = options.number(1.0, checks.finite)

    draws = False
    in_keras = True
    legacy = ("IdentityInitializer",)
    known_as = ("eye", "eye_")
    arguments: ClassVar = {"shape": "the shape of the result: two dimensions."}
    example = """
        >>> identity(None, (2, 3), gain=2).tolist()
        [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        gain: Option,
    ) -> Draw:
        """Check the rank and name the program."""
        owner = cls.name
        checks.rank(owner, shape, 2, 2, why=" (the identity is a matrix)")
        target = checks.dtype(owner, dtype)
        if checks.is_traced(gain):
            return draws.eye(shape, target, sharding, gain=lax.convert_element_type(gain, target))
        exact = checks.representable(owner, "gain", gain, target)
        return draws.eye(shape, target, sharding, gain=exact)
