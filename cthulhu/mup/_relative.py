"""The kinds that are relative to a base model: μP, CompleteP, the spectral condition."""

import dataclasses
import math
from collections.abc import Sequence
from typing import ClassVar

from cthulhu import checks
from cthulhu.mup._kind import Kind, Multipliers, Residual, in_blocks
from cthulhu.mup._leaf import LeafShape


def by_width(leaf: LeafShape, *, folded: bool) -> Multipliers:
    """Tensor Programs V: table 8, or table 3 for a readout that holds its own factor."""
    m_in, m_out = leaf.m_in, leaf.m_out
    if leaf.role == "input":
        return Multipliers(sgd=m_out)
    if leaf.role == "hidden":
        return Multipliers(
            std=m_in**-0.5,
            adam=1 / m_in,
            sgd=m_out / m_in,
            eps=1 / m_in,
            muon=math.sqrt(m_out / m_in),
        )
    if leaf.role == "output" and folded:
        return Multipliers(std=1 / m_in, adam=1 / m_in, sgd=1 / m_in, eps=m_in)
    if leaf.role in ("output", "tied"):
        return Multipliers(forward=1 / m_in, sgd=m_in)
    return Multipliers()


@dataclasses.dataclass(frozen=True)
class MuP(Kind):
    """Maximal update parametrization, by width.

    With m the ratio of the widths:

    =======  =========  =======  =========  ===========  ======
    role     std ×      logits   Adam LR ×  SGD LR ×     ε ×
    =======  =========  =======  =========  ===========  ======
    input    1                   1          m_out        1
    hidden   1/√m_in             1/m_in     m_out/m_in   1/m_in
    output   1          × 1/m    1          m_in         1
    tied     1          × 1/m    1          m            1
    =======  =========  =======  =========  ===========  ======

    A readout that is folded (`fold_readout`) has std × 1/m, both learning rates × 1/m and
    ε × m, and its logits have no factor: the same training, in another parameter.

    Example:
        >>> from cthulhu.mup import LeafShape
        >>> MuP().of(LeafShape("head", (512, 10), (128, 10), "output", m_in=4.0)).forward
        0.25

    References:
        Yang, Hu, Babuschkin, Sidor, Liu, Farhi, Ryder, Pachocki, Chen and Gao (2022), "Tensor
        Programs V", https://arxiv.org/abs/2203.03466, tables 3 and 8; ε as Megatron-LM (2026).
    """

    name: ClassVar[str] = "mup"

    def of(self, leaf: LeafShape) -> Multipliers:
        """What one parameter has, by its width."""
        return by_width(leaf, folded=leaf.folded)


@dataclasses.dataclass(frozen=True)
class CompleteP(Kind):
    """Width and depth: μP, with residual branches that shrink with the depth.

    Beside those of `MuP`: a residual branch is multiplied by m_L^(-α), the learning rate of
    all that is in a block by m_L^(α-1), and ε, of every parameter, by 1/m_N · m_L^(-α), where
    m_N is the ratio of widths at the parameter. No law depends on the depth, so that factors of
    the number of layers, as 1/√(2L), are those of the base model, as the widths are.

    Args:
        depth: m_L, the number of layers divided by that of the base model.
        alpha: α, from 0.5 to 1; 1 is recommended.
        blocks: a regular expression of the paths of what is inside residual blocks, for an α
            that is not 1. Default: all that stacks layers.

    Raises:
        ValueError: `depth` is not positive, or `alpha` is not from 0.5 to 1.

    Example:
        >>> CompleteP(depth=8).residual().branch
        0.125

    References:
        Dey, Zhang, Noci, Li, Bordelon, Bergsma, Pehlevan, Hanin and Hestness (2025), "Don't be
        lazy: CompleteP enables compute-efficient deep transformers",
        https://arxiv.org/abs/2505.01618; EleutherAI/nanoGPT-mup, branch completep.
    """

    name: ClassVar[str] = "completep"

    depth: float = 1.0
    alpha: float = 1.0
    blocks: str | None = None

    def __post_init__(self) -> None:
        """Check the fields."""
        checks.positive("CompleteP", "depth", self.depth)
        checks.finite("CompleteP", "alpha", self.alpha)
        if not 0.5 <= self.alpha <= 1:
            raise ValueError(f"CompleteP: alpha must be from 0.5 to 1; got {self.alpha!r}")

    @property
    def deeper(self) -> float:
        """By which factor the model is deeper than its base."""
        return self.depth

    def of(self, leaf: LeafShape) -> Multipliers:
        """What a parameter outside of blocks has."""
        plain = by_width(leaf, folded=leaf.folded)
        shrunk = leaf.width if leaf.folded else 1.0  # As its gradients, which are not divided.
        eps = shrunk / leaf.width * self.depth**-self.alpha
        return plain._replace(sgd=None, eps=eps)

    def multipliers(self, leaves: Sequence[LeafShape]) -> tuple[Multipliers, ...]:
        """What each parameter of a model has."""
        found = super().multipliers(leaves)
        by_depth = self.depth ** (self.alpha - 1)
        if by_depth == 1:
            return found
        inside = in_blocks("CompleteP", self.blocks, leaves)
        return tuple(
            one._replace(
                adam=one.adam * by_depth,
                muon=None if one.muon is None else one.muon * by_depth,
                decay=by_depth,
            )
            if leaf.path in inside
            else one
            for leaf, one in zip(leaves, found, strict=True)
        )

    def residual(self, sublayer: int | None = None) -> Residual:
        """The factors of a residual connection."""
        return Residual(1.0, self.depth**-self.alpha)


@dataclasses.dataclass(frozen=True)
class Spectral(Kind):
    """The spectral condition: weights and updates of the norm √(outputs / inputs).

    A kernel has the standard deviation 1/√in · min(1, √(out/in)), here relative to the base
    model; tables and vectors keep that of their law. The learning rate of SGD is multiplied by
    m_out/m_in, that of Adam by 1/m_in, and no factor is needed in the code of the model.

    Example:
        >>> from cthulhu.mup import LeafShape
        >>> leaf = LeafShape("head", (512, 8), (128, 8), "output", 4.0, 1.0, (0,), (0,), (1,))
        >>> Spectral().of(leaf).std
        0.25

    References:
        Yang, Simon and Bernstein (2023), "A spectral condition for feature learning",
        https://arxiv.org/abs/2310.17813; the minimum is that of huggingface/nanotron.
    """

    name: ClassVar[str] = "spectral"

    def of(self, leaf: LeafShape) -> Multipliers:
        """What one parameter has, by its width."""
        if leaf.role == "tied":
            raise ValueError(
                f"mup: {leaf.path!r} is tied, and kind 'spectral' has one scale for an embedding "
                "and another for a readout; use kind 'mup', whose readout has a factor of its own"
            )
        plain = by_width(leaf, folded=True)
        ratio = leaf.m_out / leaf.m_in
        return plain._replace(std=spectral_std(leaf), sgd=ratio, eps=1.0)


def spectral_std(leaf: LeafShape) -> float:
    """1/√in · min(1, √(out/in)), divided by the same of the base model."""
    if leaf.is_vector or leaf.use == "table" or leaf.role == "scalar":
        return 1.0
    if leaf.role == "input" and leaf.use is None and len(leaf.shape) - len(leaf.apart) > 1:
        raise ValueError(
            f"mup: {leaf.path!r} is a table or a first kernel, whose standard deviations differ in "
            "kind 'spectral'; pass usage to mup.infer, which tells"
        )
    if not leaf.axes_known:
        if leaf.role == "hidden" and leaf.m_in == leaf.m_out:
            return 1 / math.sqrt(leaf.m_in)
        return 1.0 if leaf.role == "input" else refuse_axes(leaf)

    def std(shape: tuple[int, ...]) -> float:
        inputs, outputs = leaf.sizes(shape)
        return 1 / math.sqrt(inputs) * min(1.0, math.sqrt(outputs / inputs))

    return std(leaf.shape) / std(leaf.law_shape)


def refuse_axes(leaf: LeafShape) -> float:
    raise ValueError(
        f"mup: it is not known which axes of {leaf.path!r} are inputs and outputs, and kind "
        "'spectral' asks for their sizes; pass usage or layout to mup.infer"
    )
