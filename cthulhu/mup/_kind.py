"""What a kind of parametrization is, and what it says of each parameter."""

import dataclasses
import math
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from cthulhu.mup._leaf import LeafShape
from cthulhu.params import _patterns as patterns


class Multipliers(NamedTuple):
    """What one parameter has, relative to the base model.

    Args:
        std: what multiplies the standard deviation that its law has in the base model;
            `None` if that has no part in it.
        forward: what multiplies its product with the activations, in the code of the model.
        adam: what multiplies the learning rate of Adam, and of all whose updates do not grow
            with the gradient.
        sgd: what multiplies the learning rate of SGD; `None` if there is no rule.
        eps: what multiplies Adam's ε.
        muon: what multiplies Muon's update, whose norm is that of the base; `None` if there
            is no rule.
        decay: what multiplies the decay of its weights.

    Example:
        >>> Multipliers().adam
        1.0
    """

    std: float | None = 1.0
    forward: float = 1.0
    adam: float = 1.0
    sgd: float | None = 1.0
    eps: float = 1.0
    muon: float | None = None
    decay: float = 1.0


class Residual(NamedTuple):
    """A residual connection is ``skip * x + branch * f(x)``.

    Args:
        skip: what multiplies the input.
        branch: what multiplies the branch.

    Example:
        >>> from cthulhu import mup
        >>> mup.CompleteP(depth=4).residual()
        Residual(skip=1.0, branch=0.25)
    """

    skip: float = 1.0
    branch: float = 1.0


@dataclasses.dataclass(frozen=True)
class Kind:
    """What the kinds of parametrization share. To make one, subclass it with `of`.

    Example:
        >>> class Standard(Kind):
        ...     name = "standard"
        ...     def of(self, leaf):
        ...         return Multipliers()
        >>> from cthulhu.mup import LeafShape, Shapes
        >>> leaf = LeafShape("kernel", (512, 512), (128, 128), "hidden", 4.0, 4.0)
        >>> Shapes((leaf,)).multipliers(Standard())["kernel"].adam
        1.0
    """

    name: ClassVar[str] = ""
    needs_base: ClassVar[bool] = True
    """Whether it is relative to a base model, which it then leaves as it is."""

    @property
    def deeper(self) -> float:
        """By which factor the model is deeper than its base, if laws of the depth are undone."""
        return 1.0

    def of(self, leaf: LeafShape) -> Multipliers:
        """What one parameter has, by its width."""
        raise NotImplementedError(f"{type(self).__name__} must implement of(leaf)")

    def multipliers(self, leaves: Sequence[LeafShape]) -> tuple[Multipliers, ...]:
        """What each parameter of a model has."""
        return tuple(map(self.of, leaves))

    def residual(self, sublayer: int | None = None) -> Residual:
        """The factors of a residual connection."""
        return Residual()

    def attention(self, head_size: int, base_head_size: int | None) -> float:
        """What multiplies the products of queries and keys: √k₀ / k."""
        if base_head_size is None:
            raise TypeError(
                f"mup.forward: attention of kind {self.name!r} is relative to the head size of the "
                "base model: attention(head_size, base_head_size)"
            )
        return math.sqrt(base_head_size) / head_size


def in_blocks(owner: str, blocks: str | None, leaves: Sequence[LeafShape]) -> set[str]:
    """The paths of what is inside residual blocks."""
    if blocks is not None:
        names = [leaf.path for leaf in leaves]
        return {names[at] for at in patterns.matching(f"{owner}: blocks", blocks, names)}
    found = {leaf.path for leaf in leaves if leaf.stacked}
    if not found:
        raise ValueError(
            f"{owner}: which parameters are inside residual blocks? None of them stacks layers, so "
            "say it by their paths: blocks='layers/.*'"
        )
    return found
