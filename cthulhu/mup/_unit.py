"""Unit-scaled μP, whose numbers are those of a width, and not of a ratio of two."""

import dataclasses
import math
from collections.abc import Sequence
from typing import ClassVar

from cthulhu import checks
from cthulhu.mup._kind import Kind, Multipliers, Residual, in_blocks
from cthulhu.mup._leaf import LeafShape


@dataclasses.dataclass(frozen=True)
class UMuP(Kind):
    """Unit-scaled μP: all weights of standard deviation 1, and the factors in the model.

    It has no base model: `infer` needs one all the same, to tell what is a readout. A kernel
    whose outputs alone grow is as a hidden one.

    ========  ===============  =========  ===========
    leaf      product ×        Adam LR ×  SGD LR ×
    ========  ===============  =========  ===========
    kernel    1/√fan_in        1/√fan_in  √fan_in
    table     1                1/√d       √d
    readout   1/fan_in         1          1
    vector    1                1          its size
    ========  ===============  =========  ===========

    The column of SGD is for a readout whose gradient has its own factor as unit-scaling's has
    with the constraint ``"to_output_scale"``. Gradients that are scaled otherwise than values
    are the model's affair, as is the standard deviation of attention, by which its output is
    divided.

    Args:
        sublayers: how many residual branches there are, as 2 for each layer of a transformer;
            learning rates inside blocks are divided by the root of it. Default: none.
        blocks: a regular expression of the paths of what is inside residual blocks. Default:
            all that stacks layers.
        branches: r, by how much the branches together weigh more than the embedding.
        attention_ratio: ρ, by how much an attention branch weighs more than an MLP's.

    Raises:
        TypeError, ValueError: an argument is of the wrong type, or not positive.

    Example:
        >>> skip, branch = UMuP(sublayers=2).residual(0)
        >>> round(skip**2 + branch**2, 6), round(branch / skip, 6)
        (1.0, 1.0)

    References:
        Blake, Eichenberg, Dean, Balles, Prince, Deiseroth, Cruz-Salinas, Luschi, Weinbach and
        Orr (2024), "u-μP: the unit-scaled maximal update parametrization",
        https://arxiv.org/abs/2407.17465; graphcore-research/unit-scaling.
    """

    name: ClassVar[str] = "umup"
    needs_base: ClassVar[bool] = False

    sublayers: int | None = None
    blocks: str | None = None
    branches: float = 1.0
    attention_ratio: float = 1.0

    def __post_init__(self) -> None:
        """Check the fields."""
        if self.sublayers is not None:
            checks.count("UMuP", "sublayers", self.sublayers)
        checks.positive("UMuP", "branches", self.branches)
        checks.positive("UMuP", "attention_ratio", self.attention_ratio)

    def of(self, leaf: LeafShape) -> Multipliers:
        """What a parameter outside of blocks has."""
        if leaf.is_vector:
            size = math.prod(leaf.shape[axis] for axis in leaf.outputs)
            return Multipliers(None, sgd=float(size))
        if leaf.role == "tied" or leaf.folded or leaf.use is None:
            raise ValueError(f"mup: kind 'umup' has no rule for {leaf.path!r}, {why_not(leaf)}")
        if leaf.use == "table":
            root = math.sqrt(leaf.fan_in)
            return Multipliers(None, 1.0, 1 / root, root)
        if leaf.role == "output":
            return Multipliers(None, 1 / leaf.fan_in)
        root = math.sqrt(leaf.fan_in)
        return Multipliers(None, 1 / root, 1 / root, root)

    def multipliers(self, leaves: Sequence[LeafShape]) -> tuple[Multipliers, ...]:
        """What each parameter of a model has."""
        if all(leaf.role == "scalar" for leaf in leaves):
            raise ValueError(
                "mup: kind 'umup' asks what is a readout, and nothing of these shapes grows: the "
                "base model must be of another width, or mup.infer needs delta, which is"
            )
        found = super().multipliers(leaves)
        if self.sublayers is None:
            return found
        inside = in_blocks("UMuP", self.blocks, leaves)
        by = self.sublayers**-0.5
        return tuple(
            one._replace(adam=one.adam * by, sgd=None if one.sgd is None else one.sgd * by)
            if leaf.path in inside
            else one
            for leaf, one in zip(leaves, found, strict=True)
        )

    def tau(self, sublayer: int) -> float:
        """The ratio of a branch to its input.

        Args:
            sublayer: which branch, counted from 0: the even ones are attention.

        Returns:
            τ.
        """
        if self.sublayers is None:
            raise ValueError("UMuP: residual needs sublayers, how many residual branches there are")
        checks.whole_or_none("UMuP", "sublayer", sublayer)
        if sublayer >= self.sublayers:
            raise ValueError(
                f"UMuP: sublayer must be less than sublayers, for it is counted from 0; got "
                f"{sublayer} of {self.sublayers}"
            )
        mlp = self.branches * math.sqrt(2 / (1 + self.attention_ratio**2))
        attention = self.attention_ratio * mlp
        before = (sublayer + 1) // 2 * attention**2 + sublayer // 2 * mlp**2
        return (mlp if sublayer % 2 else attention) / math.sqrt(self.sublayers / 2 + before)

    def residual(self, sublayer: int | None = None) -> Residual:
        """The factors of a residual connection, whose squares add up to 1."""
        if sublayer is None:
            raise TypeError("UMuP: residual needs sublayer, which branch it is: residual(0)")
        tau = self.tau(sublayer)
        norm = math.sqrt(1 + tau**2)
        return Residual(1 / norm, tau / norm)

    def attention(self, head_size: int, base_head_size: int | None) -> float:
        """What multiplies the products of queries and keys: 1/k."""
        return 1 / head_size


def why_not(leaf: LeafShape) -> str:
    """Why there is no rule for a parameter."""
    if leaf.role == "tied":
        return "which is tied, and embeddings and readouts have different rules"
    if leaf.folded:
        return "which holds a factor that is folded, and all weights have standard deviation 1"
    return "which may be a kernel or a table: pass usage to mup.infer, which tells"
