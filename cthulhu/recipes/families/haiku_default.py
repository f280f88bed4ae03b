"""What Haiku's layers begin with."""

from collections.abc import Sequence

from cthulhu.initializers import LecunNormal
from cthulhu.recipes._recipe import Row, family, row
from cthulhu.recipes._shared import cut, cut_fan

LINEAR = "google-deepmind/dm-haiku, haiku/_src/basic.py, conv.py"
EMBEDDING = "google-deepmind/dm-haiku, haiku/_src/embed.py"
RNN = "google-deepmind/dm-haiku, haiku/_src/recurrent.py"
NORM = "google-deepmind/dm-haiku, haiku/_src/layer_norm.py, batch_norm.py"

HAIKU = family(
    "haiku_default",
    roles="kernel bias table recurrent.input recurrent.kernel norm.scale",
    framework=True,
    width=512,
    hidden=2048,
    vocabulary=32000,
)


@HAIKU.variant("")
def layers() -> Sequence[Row]:
    """Layers of Haiku: cut normals that are not corrected, so that they are 12 % narrower."""
    return (
        row("kernel", cut_fan(), LINEAR),
        row("bias", "zeros", LINEAR),
        row("table", cut(1.0), EMBEDDING),
        # The GRU's, which are corrected; an LSTM is a linear layer.
        row("recurrent.input recurrent.kernel", LecunNormal(), RNN),
        row("scale", "ones", NORM),
    )
