"""Mamba, whose port widens the kernels, forgets a bias and leaves out the depth."""

from collections.abc import Sequence

from cthulhu.initializers import ByDepth, InverseSoftplusUniform, RandomNormal, S4DReal
from cthulhu.recipes._recipe import Row, changed, family, row
from cthulhu.recipes._shared import TORCH_BIAS, TORCH_KERNEL

SOURCE = "state-spaces/mamba, modules/mamba_simple.py, models/mixer_seq_simple.py"
HF = "huggingface/transformers, models/mamba/modeling_mamba.py"

MAMBA = family(
    "mamba",
    roles="""
        embedding ssm.in ssm.conv ssm.conv.bias ssm.x ssm.dt ssm.dt.bias ssm.A_log ssm.D
        ssm.out norm.scale
    """,
    layers=24,
    width=768,
    inner=1536,
    state=16,
    dt_rank=48,
    conv=4,
    vocabulary=50280,
)


@MAMBA.variant("")
def reference(*, layers: int | None = None, residuals: int = 1) -> Sequence[Row]:
    """Mamba as its authors make it: torch's own kernels, and one residual branch a block."""
    return rows(SOURCE, layers, residuals)


@MAMBA.variant("hf")
def hugging_face(*, stddev: float = 0.1) -> Sequence[Row]:
    """Mamba as transformers makes it: wide normal kernels, and no scale by depth."""
    return ported(reference(), HF, stddev)


def rows(source: str, layers: int | None, residuals: int) -> Sequence[Row]:
    """The lines that Mamba and Mamba-2 have in common."""
    # It is 2 in a MixerModel whose blocks have an MLP. The language model around it makes
    # these kernels again, as if they had none.
    depths = {1: "1/sqrt(L)", 2: "1/sqrt(2 * L)"}
    if residuals not in depths:
        raise ValueError(
            f"recipes: residuals must be how many branches a block adds, 1 or 2; got {residuals!r}"
        )
    return (
        row("embedding", RandomNormal(stddev=0.02), source),
        row("kernel", TORCH_KERNEL, source),
        row("ssm.out mlp.out", ByDepth(TORCH_KERNEL, depths[residuals], layers=layers), source),
        row("bias", "zeros", source),
        row("ssm.conv.bias", TORCH_BIAS, source),  # The biases of Linear alone are made 0.
        row("ssm.dt.bias", InverseSoftplusUniform(), source),
        row("ssm.A_log", S4DReal(log=True), source),
        row("ssm.D", "ones", source),
        row("scale", "ones", source),
    )


def ported(reference: Sequence[Row], source: str, stddev: float) -> Sequence[Row]:
    """The lines of the ports, where they differ from the references."""
    return changed(
        reference,
        row("embedding kernel mlp.out", RandomNormal(stddev=stddev), source),
        row("ssm.conv ssm.dt ssm.out", TORCH_KERNEL, source),
        row("ssm.conv.bias", "zeros", source),
    )
