"""Biases of the gates of recurrent networks, for many time scales at once."""

import dataclasses
from typing import Any, ClassVar

from jax.sharding import NamedSharding

from cthulhu import checks
from cthulhu.initializers import _options as options
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._docstrings import REAL
from cthulhu.initializers._registry import defined
from cthulhu.laws._mapped import Mapped
from cthulhu.programs._build import Draw, bind, compute_dtype
from cthulhu.typing import DTypeLike


@dataclasses.dataclass(frozen=True)
class Logit(Mapped):
    """``-ln(1 / u - 1)`` of a uniform u.

    Example:
        >>> round(Logit().support(0.5, 0.25)[1], 6)  # ln(3)
        1.098612
    """

    name = "uniform_gate"

    def of_uniform(self, uniform: Any, xp: Any, *scalars: Any) -> Any:
        """The function."""
        return xp.log(uniform) - xp.log1p(-uniform)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class UniformGate(BuiltIn):
    """Initializer that generates biases of gates which are uniformly open.

    With no input a sigmoid gate of these biases is open by U, and the time scales
    ``1 / (1 - U)`` of its units spread from 1 to n.

    Law: ``-ln(1 / U - 1)``, where U is uniform between 1 / n and 1 - 1 / n, and n is
    the size of the last axis; 0 where that is less than 3. The mean is 0, and the
    standard deviation, integrated numerically, below π / √3, its limit for large n.

    Args:
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, or the shape of a call has no dimension.

    Example:
        >>> import jax
        >>> gates = jax.nn.sigmoid(UniformGate(seed=0)((1000,)))
        >>> bool(450 < (gates < 0.5).sum() < 550)
        True

    References:
        Gu, Gulcehre, Paine, Hoffman and Pascanu (2020), "Improving the gating mechanism
        of recurrent neural networks", https://arxiv.org/abs/1910.09890
    """

    seed: int | None = options.seed()

    known_as = ("ur_lstm",)
    arguments: ClassVar = {"shape": "``(*, n)``, of rank 1 or more.", **REAL}
    example = """
        >>> import jax
        >>> gates = jax.nn.sigmoid(uniform_gate(jax.random.key(0), (100,)))
        >>> bool(((0.0099 < gates) & (gates < 0.9901)).all())
        True
    """

    @classmethod
    def plan(
        cls, shape: tuple[int, ...], dtype: DTypeLike | None, sharding: NamedSharding | None
    ) -> Draw:
        """Check the shape and the type, and name the program."""
        checks.rank(cls.name, shape, 1, why=" (the last is that of the gate)")
        target = checks.real_dtype(cls.name, dtype)
        compute = compute_dtype(target)
        size = max(shape[-1], 2)
        scalars = compute.type(1 - 2 / size), compute.type(1 / size)
        return bind(Logit(), scalars, shape, target, sharding)
