"""What torch's own layers begin with, where nobody says otherwise."""

from collections.abc import Sequence

from cthulhu.initializers import GlorotUniform, RandomNormal, Xavier
from cthulhu.recipes._recipe import Row, family, row
from cthulhu.recipes._shared import TORCH_BIAS, TORCH_KERNEL

LINEAR = "pytorch/pytorch, torch/nn/modules/linear.py, conv.py"
SPARSE = "pytorch/pytorch, torch/nn/modules/sparse.py"
ATTENTION = "pytorch/pytorch, torch/nn/modules/activation.py"
RNN = "pytorch/pytorch, torch/nn/modules/rnn.py"
NORM = "pytorch/pytorch, torch/nn/modules/normalization.py, batchnorm.py"

TORCH = family(
    "torch_default",
    roles="""
        kernel kernel.bias table attention.qkv attention.qkv.bias attention.out
        attention.out.bias attention.bias_kv recurrent.input recurrent.kernel
        recurrent.kernel.bias norm.scale norm.bias
    """,
    framework=True,
    width=512,
    hidden=2048,
    heads=8,
    kv_heads=8,
    head_size=64,
    vocabulary=32000,
)


@TORCH.variant("")
def layers() -> Sequence[Row]:
    """Layers of torch: kernels and biases within 1 / sqrt(fan_in) of the kernel."""
    glorot = GlorotUniform()
    return (
        # For a transposed convolution, (in, out, …), the outputs are what it takes for inputs.
        row("kernel", TORCH_KERNEL, LINEAR),
        row("bias", TORCH_BIAS, LINEAR),
        row("table", RandomNormal(stddev=1.0), SPARSE),
        # It counts the outputs of the three that are packed, where they are.
        row("attention.qkv attention.query attention.key attention.value", glorot, ATTENTION),
        row("attention.qkv.bias attention.out.bias", "zeros", ATTENTION),
        row("attention.bias_kv", Xavier(layout="out_in"), ATTENTION),
        # 1 / sqrt(hidden) for all: the inputs of the recurrent kernel.
        row("recurrent.input recurrent.kernel.bias", TORCH_BIAS, RNN),
        row("recurrent.kernel", TORCH_KERNEL, RNN),
        row("scale", "ones", NORM),
        row("norm.bias", "zeros", NORM),
    )
