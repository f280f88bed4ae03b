"""What Equinox's layers begin with."""

from collections.abc import Sequence

from cthulhu.initializers import RandomNormal
from cthulhu.recipes._recipe import Row, family, row
from cthulhu.recipes._shared import TORCH_BIAS, TORCH_KERNEL

LINEAR = "patrick-kidger/equinox, equinox/nn/_linear.py, _conv.py"
EMBEDDING = "patrick-kidger/equinox, equinox/nn/_embedding.py"
RNN = "patrick-kidger/equinox, equinox/nn/_rnn.py"
NORM = "patrick-kidger/equinox, equinox/nn/_normalisation.py"

EQUINOX = family(
    "equinox_default",
    roles="""
        kernel kernel.bias table recurrent.input recurrent.kernel recurrent.kernel.bias
        norm.scale norm.bias
    """,
    framework=True,
    width=512,
    hidden=2048,
    vocabulary=32000,
)


@EQUINOX.variant("")
def layers() -> Sequence[Row]:
    """Layers of Equinox: as torch's, with all of attention as linear layers."""
    return (
        row("kernel", TORCH_KERNEL, LINEAR),
        row("bias", TORCH_BIAS, LINEAR),
        row("table", RandomNormal(stddev=1.0), EMBEDDING),
        # 1 / sqrt(hidden) for all: the inputs of the recurrent kernel.
        row("recurrent.input recurrent.kernel.bias", TORCH_BIAS, RNN),
        row("recurrent.kernel", TORCH_KERNEL, RNN),
        row("scale", "ones", NORM),
        row("norm.bias", "zeros", NORM),
    )
