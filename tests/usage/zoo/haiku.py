"""Layers of Haiku."""

import warnings
from collections.abc import Callable
from typing import Any

import jax

from tests.usage.zoo._model import Model, Program, f32, i32

with warnings.catch_warnings():
    # What Haiku does when it is imported is its own.
    warnings.simplefilter("ignore")
    import haiku as hk

KEY = jax.random.key(0)
X = f32(3, 5, 8)
IMAGE = f32(3, 10, 9, 8)


def program(call: Callable[..., Any], *args: Any) -> Program:
    """What a function that makes modules and calls them is, transformed."""
    transformed = hk.without_apply_rng(hk.transform(call))
    return Program(transformed.apply, jax.eval_shape(transformed.init, KEY, *args), args)


def layer(make: Callable[[], Any], table: str, *args: Any) -> Model:
    def call(*args: Any) -> Any:
        return make()(*args)  # Modules are made while the function runs.

    return Model(lambda: program(call, *(args or (X,))), table)


def batch_norm(train: bool) -> Program:
    """The state is an input: it changes, and no training moves it."""

    def call(x: Any, train: bool) -> Any:
        return hk.BatchNorm(True, True, 0.9)(x, train)

    transformed = hk.without_apply_rng(hk.transform_with_state(call))
    params, state = jax.eval_shape(lambda x: transformed.init(KEY, x, True), X)
    return Program(
        lambda params, state, x: transformed.apply(params, state, x, train), params, (state, X)
    )


def unrolled(make: Callable[[], Any]) -> Callable[..., Any]:
    """A loop over time, which is the first axis."""

    def call(x: Any) -> Any:
        core = make()
        return hk.dynamic_unroll(core, x, core.initial_state(x.shape[1]))[0]

    return call


def attention(x: Any) -> Any:
    return hk.MultiHeadAttention(2, 4, w_init=hk.initializers.VarianceScaling())(x, x, x)


LINEAR = """
    linear/w  kernel  io
    linear/b  bias    o   <- ./w
"""
GRU = """
    gru/(w_i|w_h)  kernel  io
    gru/b          bias    o   <- ./w_i ./w_h  # It is taken apart, and added to their sum.
"""

MODELS = {
    "Linear": layer(lambda: hk.Linear(12), LINEAR),
    "Conv2D": layer(
        lambda: hk.Conv2D(12, (3, 2), 2),
        """
        conv2_d/w  kernel  ffio
        conv2_d/b  bias    o    <- ./w
        """,
        IMAGE,
    ),
    "Conv2D, NCHW": layer(
        lambda: hk.Conv2D(12, (3, 2), data_format="NCHW"),
        """
        conv2_d/w  kernel  ffio
        conv2_d/b  bias    ooo  <- ./w  # Of shape (12, 1, 1).
        """,
        f32(3, 8, 10, 9),
    ),
    "Conv2DTranspose": layer(
        lambda: hk.Conv2DTranspose(12, (3, 2), 2),
        """
        conv2_d_transpose/w  kernel  ffoi
        conv2_d_transpose/b  bias    o    <- ./w
        """,
        IMAGE,
    ),
    "DepthwiseConv2D": layer(
        lambda: hk.DepthwiseConv2D(2, (3, 2)),
        """
        depthwise_conv2_d/w  kernel  ffio groups=8
        depthwise_conv2_d/b  bias    o    <- ./w
        """,
        IMAGE,
    ),
    "SeparableDepthwiseConv2D": layer(
        lambda: hk.SeparableDepthwiseConv2D(1, (3, 2), with_bias=False),
        # Two convolutions, of rows and of columns.
        "separable_depthwise_conv2_d/.*/w  kernel  ffio groups=8",
        IMAGE,
    ),
    "Embed": layer(lambda: hk.Embed(11, 8), "embed/embeddings  table  io", i32(3, 5)),
    "Embed, one-hot": layer(
        lambda: hk.Embed(11, 8, lookup_style="ONE_HOT"),
        # A product with ones at the ids looks rows up.
        "embed/embeddings  table  io",
        i32(3, 5),
    ),
    "LSTM": Model(
        lambda: program(unrolled(lambda: hk.LSTM(12)), X),
        # One kernel for inputs and state, concatenated.
        """
        lstm/linear/w  kernel  io
        lstm/linear/b  bias    o   <- ./w
        """,
    ),
    "LSTM, a step": layer(
        lambda: hk.LSTM(12),
        """
        lstm/linear/w  kernel  io
        lstm/linear/b  bias    o   <- ./w
        """,
        f32(3, 8),
        hk.LSTMState(f32(3, 12), f32(3, 12)),
    ),
    "GRU": Model(lambda: program(unrolled(lambda: hk.GRU(12)), X), GRU),
    "GRU, a step": layer(lambda: hk.GRU(12), GRU, f32(3, 8), f32(3, 12)),
    "LayerNorm": layer(
        lambda: hk.LayerNorm(-1, True, True),
        """
        layer_norm/scale   scale  o
        layer_norm/offset  bias   o
        """,
    ),
    "BatchNorm, training": Model(
        lambda: batch_norm(True),
        """
        batch_norm/scale   scale  ooo
        batch_norm/offset  bias   ooo
        """,
    ),
    "BatchNorm": Model(
        lambda: batch_norm(False),
        """
        batch_norm/scale   scale  ooo
        batch_norm/offset  bias   ooo
        """,
    ),
    "attention": Model(
        lambda: program(attention, X),
        """
        multi_head_attention/(query|key|value|linear)/w  kernel  io
        multi_head_attention/(query|key|value|linear)/b  bias    o   <- ./w
        """,
    ),
    "layer_stack": Model(
        lambda: program(hk.experimental.layer_stack(4)(lambda x: hk.Linear(8)(jax.nn.relu(x))), X),
        """
        .*/linear/w  kernel  sio
        .*/linear/b  bias    so   <- ./w
        """,
    ),
}
