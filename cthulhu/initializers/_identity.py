"""The identity matrix, and the kernels of convolutions that are one."""

import dataclasses
from typing import Any, ClassVar

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


def whole(owner: str, argument: str, value: Any) -> int:
    """An integer."""
    try:
        return checks.whole(value)
    except TypeError:
        raise TypeError(f"{owner}: {argument} must be an integer; got {value!r}") from None


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class Identity(BuiltIn):
    """Initializer that generates the identity matrix.

    Only for shapes of two dimensions, as in Keras, unless it is for a `convolution`.
    A matrix that is not square is padded with zeros.

    Law: `gain` on the main diagonal, 0 elsewhere; with a `shift`, the columns are moved
    in a circle, so that input i goes to output ``(i + shift) % outputs``. The kernel of
    a convolution has this matrix at the centre of its spatial axes, and 0 elsewhere. Of
    an even size that is the lower centre, which keeps the input under ``"SAME"``
    padding; `Dirac` has the upper one, as torch does, and groups.

    Args:
        gain: the factor; default 1.
        shift: how many outputs farther an input goes; default 0.
        convolution: whether shapes are ``(*spatial, inputs, outputs)``; default
            `False`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: `gain` is not finite or not representable in an integer dtype,
            or the shape of a call has not two dimensions, or for a convolution not
            three to five.

    Example:
        >>> Identity(gain=2)((2, 3)).tolist()
        [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]

    References:
        Le, Jaitly and Hinton (2015), "A simple way to initialize recurrent
        networks of rectified linear units", https://arxiv.org/abs/1504.00941
    """

    gain: float = options.number(1.0, checks.finite)
    _: dataclasses.KW_ONLY
    shift: int = options.option(0, whole)
    convolution: bool = options.option(False, checks.flag)

    draws = False
    in_keras = True
    legacy = ("IdentityInitializer",)
    known_as = ("eye", "eye_", "identity_init")
    arguments: ClassVar = {
        "shape": "the shape of the result: two dimensions, or those of a kernel."
    }
    example = """
        >>> identity(None, (2, 3), gain=2).tolist()
        [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]
        >>> identity(None, (3, 3), shift=1).tolist()
        [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        gain: Option,
        shift: int,
        convolution: bool,
    ) -> Draw:
        """Check the rank and name the program."""
        owner = cls.name
        if convolution:
            checks.rank(owner, shape, 3, 5, why=" (spatial, then input and output)")
        else:
            checks.rank(owner, shape, 2, 2, why=" (the identity is a matrix)")
        target = checks.dtype(owner, dtype)
        exact: Any
        if checks.is_traced(gain):
            exact = lax.convert_element_type(gain, target)
        else:
            exact = checks.representable(owner, "gain", gain, target)
        return draws.eye(shape, target, sharding, gain=exact, shift=shift)
