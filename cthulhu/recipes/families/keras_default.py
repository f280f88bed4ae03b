"""What Keras's layers begin with."""

from collections.abc import Sequence

from cthulhu.initializers import GlorotUniform, Orthogonal, RandomUniform, UnitForgetGate
from cthulhu.recipes._recipe import Row, family, row

CORE = "keras-team/keras, keras/src/layers/core, convolutional, attention"
EMBEDDING = "keras-team/keras, keras/src/layers/core/embedding.py"
RNN = "keras-team/keras, keras/src/layers/rnn/lstm.py, gru.py, simple_rnn.py"
NORM = "keras-team/keras, keras/src/layers/normalization"

KERAS = family(
    "keras_default",
    roles="""
        kernel bias table attention.query attention.key attention.value attention.out
        recurrent.input recurrent.kernel recurrent.kernel.bias norm.scale
    """,
    framework=True,
    width=512,
    hidden=2048,
    heads=8,
    kv_heads=8,
    head_size=64,
    vocabulary=32000,
)


@KERAS.variant("")
def layers() -> Sequence[Row]:
    """Layers of Keras: Glorot uniform, orthogonal from state to state, forget gates at 1."""
    return (
        row("kernel", GlorotUniform(), CORE),
        row("bias", "zeros", CORE),
        row("table", RandomUniform(minval=-0.05, maxval=0.05), EMBEDDING),
        row("recurrent.kernel", Orthogonal(), RNN),
        row("recurrent.kernel.bias", UnitForgetGate("ifco"), RNN),
        row("scale", "ones", NORM),
    )
