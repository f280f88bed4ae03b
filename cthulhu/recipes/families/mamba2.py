"""Mamba-2, whose port draws no decay: its heads' are the numbers from 1."""

from collections.abc import Sequence

from cthulhu.initializers import Mapped, RandomUniform, S4DReal
from cthulhu.recipes._recipe import Row, changed, family, row
from cthulhu.recipes.families.mamba import ported, rows

SOURCE = "state-spaces/mamba, modules/mamba2.py, models/mixer_seq_simple.py"
HF = "huggingface/transformers, models/mamba2/modeling_mamba2.py"

MAMBA2 = family(
    "mamba2",
    roles="""
        embedding ssm.in ssm.conv ssm.conv.bias ssm.dt.bias ssm.A_log ssm.D
        norm.gated.scale ssm.out norm.scale
    """,
    shapes={
        "ssm.in": "width 2*inner+2*groups*state+heads",
        "ssm.conv": "conv 1 inner+2*groups*state",
        "ssm.dt.bias": "heads",
        "ssm.A_log": "heads",
        "ssm.D": "heads",
    },
    layers=24,
    width=768,
    inner=1536,
    heads=24,
    groups=1,
    state=128,
    conv=4,
    vocabulary=50288,
)


@MAMBA2.variant("")
def reference(*, layers: int | None = None, residuals: int = 1) -> Sequence[Row]:
    """Mamba-2 as its authors make it: a head decays by 1 to 16 a unit of time."""
    return changed(
        rows(SOURCE, layers, residuals),
        row("ssm.A_log", Mapped(RandomUniform(1.0, 16.0), "log"), SOURCE),
    )


@MAMBA2.variant("hf")
def hugging_face(*, stddev: float = 0.1) -> Sequence[Row]:
    """Mamba-2 as transformers makes it: the decay of head n is n + 1, however many there are."""
    return changed(
        ported(reference(), HF, stddev),
        row("ssm.A_log", S4DReal(log=True), HF),
    )
