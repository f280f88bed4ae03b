"""OLMo's five schemes, of which a user names one; every normal law is cut at three stddevs."""

from collections.abc import Sequence

from cthulhu.initializers import ByDepth, RandomNormal
from cthulhu.recipes._recipe import Row, changed, family, row
from cthulhu.recipes._shared import cut
from cthulhu.recipes.families.llama import DECODER

SOURCE = "allenai/OLMo-core, nn/transformer/init.py, nn/attention/__init__.py"

OLMO = family(
    "olmo",
    roles=DECODER,
    layers=32,
    width=4096,
    hidden=11008,
    heads=32,
    kv_heads=32,
    head_size=128,
    vocabulary=100278,
)


@OLMO.variant("normal")
def normal(*, stddev: float = 0.02) -> Sequence[Row]:
    """OLMo's scheme "normal": one law for all."""
    return (
        row("embedding kernel", cut(stddev, at=3.0), SOURCE),
        row("bias", "zeros", SOURCE),
        row("scale", "ones", SOURCE),
    )


@OLMO.variant("llama")
def llama(*, width: int, stddev: float = 0.02, layers: int | None = None) -> Sequence[Row]:
    """OLMo's scheme "llama": 1/sqrt(2 L) for all but what reads the stream, and gates."""
    return by_depth(width, ByDepth(cut(stddev, at=3.0), "1/sqrt(2 * L)", layers=layers), stddev)


@OLMO.variant("llama_depth")
def llama_depth(*, width: int, stddev: float = 0.02) -> Sequence[Row]:
    """OLMo's scheme "llama_depth": as "llama", by the depth of the layer."""
    return by_depth(width, ByDepth(cut(stddev, at=3.0), "1/sqrt(2 * (l + 1))"), stddev)


@OLMO.variant("fan_in")
def fan_in(*, width: int, hidden: int, embed_scale: float = 1.0) -> Sequence[Row]:
    """OLMo's scheme "fan_in": 1/sqrt(inputs) for each kernel, at any depth."""
    return changed(
        normal(),
        row("embedding", RandomNormal(stddev=1 / embed_scale), SOURCE),
        # Not by the fans: a law of theirs is cut at two stddevs, and corrected.
        row("kernel", cut(width**-0.5, at=3.0), SOURCE),
        row("mlp.out experts.out", cut(hidden**-0.5, at=3.0), SOURCE),
    )


@OLMO.variant("normalized")
def normalized(*, width: int, layers: int | None = None) -> Sequence[Row]:
    """OLMo's scheme "normalized", as nGPT: 1/sqrt(d), and by 1/sqrt(2 L) at a branch's end."""
    narrow = cut(width**-0.5, at=3.0)
    return changed(
        normal(),
        row("embedding", RandomNormal(stddev=width**-0.5), SOURCE),
        row("kernel", narrow, SOURCE),
        row("attention.out mlp.out", ByDepth(narrow, "1/sqrt(2 * L)", layers=layers), SOURCE),
        # The scheme does not reach a mixture of experts.
        row("router experts.gate experts.in experts.out", cut(0.02, at=3.0), SOURCE),
    )


def by_depth(width: int, scaled: ByDepth, stddev: float) -> Sequence[Row]:
    """The lines of a scheme in which some kernels are scaled by depth."""
    return changed(
        normal(stddev=stddev),
        row("embedding", RandomNormal(stddev=1.0), SOURCE),
        # All of a mixture of experts is scaled, its router and its gates too.
        row("attention.out mlp.in mlp.out", scaled, SOURCE),
        row("router experts.gate experts.in experts.out", scaled, SOURCE),
        row("head", cut(width**-0.5, at=3.0), SOURCE),
    )
