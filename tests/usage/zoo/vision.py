"""Convolutional models, autoencoders, and the layouts of kernels in other frameworks."""

import functools
from typing import Any

import flax.linen as nn
import jax

from tests.usage.zoo._model import Model, Program, f32
from tests.usage.zoo.linen import program, with_statistics


class Bottleneck(nn.Module):
    width: int
    stride: int

    @nn.compact
    def __call__(self, x: Any) -> Any:
        conv = functools.partial(nn.Conv, use_bias=False)
        norm = functools.partial(nn.BatchNorm, use_running_average=False)
        y = nn.relu(norm(name="norm_1")(conv(self.width, (1, 1), name="conv_1")(x)))
        strides = (self.stride, self.stride)
        y = nn.relu(norm(name="norm_2")(conv(self.width, (3, 3), strides, name="conv_2")(y)))
        y = norm(name="norm_3")(conv(4 * self.width, (1, 1), name="conv_3")(y))
        if x.shape != y.shape:
            x = conv(4 * self.width, (1, 1), strides, name="conv_4")(x)
            x = norm(name="norm_4")(x)
        return nn.relu(x + y)


class ResNet50(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.Conv(8, (7, 7), (2, 2), use_bias=False, name="conv_0")(x)
        x = nn.relu(nn.BatchNorm(use_running_average=False, name="norm_0")(x))
        x = nn.max_pool(x, (3, 3), (2, 2), padding="SAME")
        for stage, blocks in enumerate((3, 4, 6, 3)):
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                x = Bottleneck(8 * 2**stage, stride, name=f"stage{stage}_{block}")(x)
        return nn.Dense(7, name="head")(x.mean((1, 2)))


class Plain(nn.Module):
    """Convolutions with the statistics of their batch norms, as they are used after training."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        for number, width in enumerate((12, 16)):
            x = nn.Conv(width, (3, 3), use_bias=False, name=f"conv_{number}")(x)
            x = nn.relu(nn.BatchNorm(use_running_average=True, name=f"norm_{number}")(x))
        return x


class ConvNeXt(nn.Module):
    """A block: a depthwise convolution, an MLP, and a scale of the layer."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        y = nn.Conv(8, (7, 7), feature_group_count=8, name="depthwise")(x)
        y = nn.Dense(32, name="up")(nn.LayerNorm(name="norm")(y))
        y = nn.Dense(8, name="down")(nn.gelu(y))
        return x + self.param("gamma", nn.initializers.constant(1e-6), (8,)) * y


def standardized(p: Any, x: Any) -> Any:
    """A convolution whose kernel is standardized by its own mean and deviation."""
    w = p["kernel"]
    w = (w - w.mean((0, 1, 2), keepdims=True)) / (w.std((0, 1, 2), keepdims=True) + 1e-5)
    dims = ("NHWC", "HWIO", "NHWC")
    x = jax.lax.conv_general_dilated(x, w * p["gain"], (1, 1), "SAME", dimension_numbers=dims)
    return x + p["bias"]


def depthwise_of_keras(p: Any, x: Any) -> Any:
    """Keras's kernel is (height, width, inputs, multiplier), and is reshaped for the operation."""
    height, width, inputs, multiplier = p["kernel"].shape
    kernel = p["kernel"].reshape(height, width, 1, inputs * multiplier)
    return convolved(x, kernel, inputs)


def convolved(x: Any, kernel: Any, groups: int = 1) -> Any:
    dims = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=dims, feature_group_count=groups
    )


def transposed_of_keras(p: Any, x: Any) -> Any:
    """Keras's kernel is (height, width, outputs, inputs)."""
    return jax.lax.conv_transpose(x, p["kernel"], (2, 2), "SAME", transpose_kernel=True)


def of_torch(p: Any, x: Any) -> Any:
    """A convolution of torch, written in JAX: NCHW and OIHW; its bias is spread by hand."""
    y = jax.lax.conv_general_dilated(x, p["weight"], (1, 1), "SAME", feature_group_count=4)
    return y + p["bias"][None, :, None, None]


def tied_autoencoder(p: Any, x: Any) -> Any:
    hidden = jax.nn.relu(x @ p["w"] + p["encode"])
    return hidden @ p["w"].T + p["decode"]


def tied_convolutions(p: Any, x: Any) -> Any:
    hidden = jax.nn.relu(convolved(x, p["w"]))
    return jax.lax.conv_transpose(hidden, p["w"], (1, 1), "SAME", transpose_kernel=True)


def of(fn: Any, table: str, /, *args: Any, **params: Any) -> Model:
    return Model(lambda: Program(fn, params, args), table)


MODELS = {
    "ResNet-50": Model(
        lambda: program(ResNet50(), f32(2, 32, 40, 3), mutable=["batch_stats"]),
        r"""
        (.*/)?conv_\d/kernel  kernel  ffio
        (.*/)?norm_\d/scale   scale   o
        (.*/)?norm_\d/bias    bias    o
        head/kernel           kernel  io
        head/bias             bias    o   <- ./kernel
        """,
    ),
    "a ConvNet with statistics": Model(
        lambda: with_statistics(Plain(), f32(2, 10, 9, 3)),
        r"""
        params/conv_\d/kernel         kernel  ffio
        params/norm_\d/scale          scale   o
        params/norm_\d/bias           bias    o         # A scale lies between.
        batch_stats/norm_(\d)/mean    bias    o  <- params/conv_\1/kernel
        batch_stats/norm_\d/var       scale   o
        """,
    ),
    "ConvNeXt": Model(
        lambda: program(ConvNeXt(), f32(2, 10, 9, 8)),
        """
        depthwise/kernel  kernel  ffio groups=8
        (up|down)/kernel  kernel  io
        (depthwise|up|down)/bias  bias  o  <- ./kernel
        norm/bias         bias    o
        norm/scale        scale   o
        gamma             scale   o
        """,
    ),
    "weight standardization": of(
        standardized,
        """
        kernel  kernel  ffio
        gain    scale   o      # Of the kernel, and so of the outputs.
        bias    bias    o    <- kernel
        """,
        f32(2, 10, 9, 8),
        kernel=f32(3, 2, 8, 12),
        gain=f32(12),
        bias=f32(12),
    ),
    "DepthwiseConv2D of Keras": of(
        depthwise_of_keras,
        # Each channel has filters of its own, which see one input.
        "kernel  kernel  ffbo",
        f32(2, 10, 9, 8),
        kernel=f32(3, 2, 8, 2),
    ),
    "Conv2DTranspose of Keras": of(
        transposed_of_keras, "kernel  kernel  ffoi", f32(2, 10, 9, 8), kernel=f32(3, 2, 12, 8)
    ),
    "Conv2d of torch": of(
        of_torch,
        """
        weight  kernel  oiff groups=4
        bias    bias    o    <- weight
        """,
        f32(2, 8, 10, 9),
        weight=f32(12, 2, 3, 2),
        bias=f32(12),
    ),
    "a tied autoencoder": of(
        tied_autoencoder,
        """
        w               kernel  io tied
        (encode|decode) bias    o   <- w
        """,
        f32(2, 8),
        w=f32(8, 5),
        encode=f32(5),
        decode=f32(8),
    ),
    "a tied convolutional autoencoder": of(
        tied_convolutions, "w  kernel  ffio tied", f32(2, 10, 9, 8), w=f32(3, 3, 8, 12)
    ),
}
