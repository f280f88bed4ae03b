"""Layers of Keras on the backend of JAX, called without state."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.usage.zoo._model import Model, Program, f32, i32

with warnings.catch_warnings():
    # What Keras does when it is imported is its own.
    warnings.simplefilter("ignore")
    import keras

layers = keras.layers
X = f32(3, 5, 8)
IMAGE = f32(3, 10, 9, 8)


def program(
    make: Callable[[], Any], *args: Any, statistics: bool = False, calls: int = 1
) -> Program:
    """The trainable variables are parameters, or all, by their paths in the layer."""
    with keras.StatelessScope(initialize_variables=False):  # No value is drawn.
        layer = make()
        if not layer.built:
            layer.build(*[args[0].shape] * calls)
    names = [variable.path.partition("/")[2] for variable in layer.variables]
    shapes = dict(zip(names, layer.variables, strict=True))
    trained = {id(variable) for variable in layer.trainable_variables}
    among = {
        name: f32(*variable.shape)
        for name, variable in shapes.items()
        if statistics or id(variable) in trained
    }

    def fn(params: Any, *args: Any) -> Any:
        frozen = {name: np.zeros(of.shape, of.dtype) for name, of in shapes.items()}
        values = {id(of): (frozen | params)[name] for name, of in shapes.items()}
        first, second = (
            [values[id(variable)] for variable in of]
            for of in (layer.trainable_variables, layer.non_trainable_variables)
        )
        return layer.stateless_call(first, second, *args * calls)[0]

    return Program(fn, among, args)


def layer(make: Callable[[], Any], table: str, *args: Any, **options: Any) -> Model:
    return Model(lambda: program(make, *(args or (X,)), **options), table)


def with_lora(dense: Any) -> Any:
    dense.build((3, 5, 8))
    dense.enable_lora(2)
    return dense


DENSE = """
    kernel  kernel  io
    bias    bias    o   <- ./kernel
"""
CONV = """
    kernel  kernel  ffio
    bias    bias    o    <- ./kernel
"""

MODELS = {
    "Dense": layer(lambda: layers.Dense(12), DENSE),
    "Dense with LoRA": layer(
        lambda: with_lora(layers.Dense(12)),
        # The kernel itself is no longer trained.
        """
        lora_kernel_(a|b)  kernel  io
        bias               bias    o   <- ?  # To a kernel that is none of the parameters' alone.
        """,
    ),
    "EinsumDense": layer(
        lambda: layers.EinsumDense("abc,cde->abde", (None, 2, 6), bias_axes="de"),
        """
        kernel  kernel  ioo
        bias    bias    oo   <- ./kernel
        """,
    ),
    "Conv1D": layer(
        lambda: layers.Conv1D(12, 3, padding="causal"),
        """
        kernel  kernel  fio
        bias    bias    o   <- ./kernel
        """,
    ),
    "Conv2D": layer(lambda: layers.Conv2D(12, (3, 2), 2), CONV, IMAGE),
    "Conv2D, grouped": layer(
        lambda: layers.Conv2D(12, (3, 2), groups=4),
        """
        kernel  kernel  ffio groups=4
        bias    bias    o    <- ./kernel
        """,
        IMAGE,
    ),
    "Conv2DTranspose": layer(
        lambda: layers.Conv2DTranspose(12, (3, 2), 2),
        """
        kernel  kernel  ffoi
        bias    bias    o    <- ./kernel
        """,
        IMAGE,
    ),
    "DepthwiseConv2D": layer(
        lambda: layers.DepthwiseConv2D((3, 2), depth_multiplier=2),
        # Each channel has filters of its own, which see one input.
        """
        kernel  kernel  ffbo
        bias    bias    o    <- ./kernel
        """,
        IMAGE,
    ),
    "SeparableConv2D": layer(
        lambda: layers.SeparableConv2D(12, (3, 2), depth_multiplier=2),
        """
        depthwise_kernel  kernel  ffbo
        pointwise_kernel  kernel  ffio
        bias              bias    o    <- ./pointwise_kernel
        """,
        IMAGE,
    ),
    "Embedding": layer(lambda: layers.Embedding(11, 8), "embeddings  table  io", i32(3, 5)),
    "attention": layer(
        lambda: layers.MultiHeadAttention(2, 4),
        """
        (query|key|value)/kernel  kernel  ioo
        (query|key|value)/bias    bias    oo   <- ./kernel
        attention_output/kernel   kernel  iio
        attention_output/bias     bias    o    <- ./kernel
        """,
        calls=2,
    ),
    "LSTM": layer(
        lambda: layers.LSTM(12),
        """
        lstm_cell/(kernel|recurrent_kernel)  kernel  io
        lstm_cell/bias                       bias    o   <- ./kernel ./recurrent_kernel
        """,
    ),
    "GRU": layer(
        lambda: layers.GRU(12, reset_after=False),
        """
        gru_cell/(kernel|recurrent_kernel)  kernel  io
        gru_cell/bias                       bias    o   <- ./kernel
        """,
    ),
    "GRU, reset after": layer(
        lambda: layers.GRU(12),
        # A row of the bias for each kernel.
        """
        gru_cell/(kernel|recurrent_kernel)  kernel  io
        gru_cell/bias                       bias    oo  <- ./kernel
        """,
    ),
    "LayerNormalization": layer(
        layers.LayerNormalization,
        """
        gamma  scale  o
        beta   bias   o
        """,
    ),
    "BatchNormalization": layer(
        layers.BatchNormalization,
        """
        gamma            scale  o
        beta             bias   o
        moving_mean      bias   o  # Subtracted.
        moving_variance  scale  o  # By the root of its inverse.
        """,
        statistics=True,
    ),
    "GroupNormalization": layer(
        lambda: layers.GroupNormalization(4),
        """
        gamma  scale  o
        beta   bias   o
        """,
    ),
    "PReLU": layer(layers.PReLU, "alpha  scale  oo"),
}
