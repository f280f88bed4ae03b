"""Layers of Equinox, which are of one example; most stand under vmap."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax

from tests.usage.zoo._model import Model, Program, f32, i32

KEY = jax.random.key(0)
nn = eqx.nn


def program(make: Callable[[], Any], *args: Any, call: Callable[..., Any] | None = None) -> Program:
    """The arrays of a module are its parameters; the call is that of one example, or `call`."""
    params, static = eqx.partition(eqx.filter_eval_shape(make), is_shape)

    def fn(params: Any, *args: Any) -> Any:
        model = eqx.combine(params, static)
        return jax.vmap(model)(*args) if call is None else call(model, *args)

    return Program(fn, params, args)


def is_shape(leaf: Any) -> bool:
    return isinstance(leaf, jax.ShapeDtypeStruct)


def layer(make: Callable[[], Any], table: str, *args: Any, **options: Any) -> Model:
    return Model(lambda: program(make, *(args or (f32(3, 8),)), **options), table)


def one(model: Any, *args: Any) -> Any:
    """A call without vmap."""
    return model(*args)


def scanned(model: Any, x: Any) -> Any:
    arrays, static = eqx.partition(model, eqx.is_array)
    step = lambda x, layer: (jax.nn.relu(eqx.combine(layer, static)(x)), None)  # noqa: E731
    return jax.lax.scan(step, x, arrays)[0]


LINEAR = """
    weight  kernel  oi
    bias    bias    o   <- ./weight
"""
# A bias is of as many axes as the kernel's output.
CONV = """
    weight  kernel  oiff
    bias    bias    ooo  <- ./weight
"""
NORM = """
    weight  scale  o
    bias    bias   o
"""
LSTM = """
    weight_(ih|hh)  kernel  oi
    bias            bias    o   <- ./weight_ih ./weight_hh  # It is added to their sum.
"""
IMAGE = f32(3, 8, 10, 9)
H = f32(3, 12)

MODELS = {
    "Linear": layer(lambda: nn.Linear(8, 12, key=KEY), LINEAR),
    "Linear of one example": layer(lambda: nn.Linear(8, 12, key=KEY), LINEAR, f32(8), call=one),
    "Linear of a scalar": layer(
        lambda: nn.Linear("scalar", 12, key=KEY),
        # It has an axis of one input.
        LINEAR,
        f32(3),
    ),
    "Linear under two maps": layer(
        lambda: nn.Linear(8, 12, key=KEY),
        LINEAR,
        f32(3, 5, 8),
        call=lambda model, x: jax.vmap(jax.vmap(model))(x),
    ),
    "Conv1d": layer(
        lambda: nn.Conv1d(8, 12, 3, key=KEY),
        """
        weight  kernel  oif
        bias    bias    oo  <- ./weight
        """,
        f32(3, 8, 10),
    ),
    "Conv2d": layer(lambda: nn.Conv2d(8, 12, (3, 2), 2, key=KEY), CONV, IMAGE),
    "Conv2d, grouped": layer(
        lambda: nn.Conv2d(8, 12, (3, 2), groups=4, key=KEY),
        """
        weight  kernel  oiff groups=4
        bias    bias    ooo  <- ./weight
        """,
        IMAGE,
    ),
    "ConvTranspose2d": layer(lambda: nn.ConvTranspose2d(8, 12, (3, 2), 2, key=KEY), CONV, IMAGE),
    "Embedding": layer(lambda: nn.Embedding(11, 8, key=KEY), "weight  table  io", i32(3)),
    "Embedding of one id": layer(
        lambda: nn.Embedding(11, 8, key=KEY), "weight  table  io", i32(), call=one
    ),
    "attention": layer(
        lambda: nn.MultiheadAttention(2, 8, use_query_bias=True, use_output_bias=True, key=KEY),
        """
        (query|key|value|output)_proj/weight  kernel  oi
        (query|output)_proj/bias              bias    o   <- ./weight
        """,
        f32(5, 8),
        call=lambda model, x: model(x, x, x),
    ),
    "attention of a batch": layer(
        lambda: nn.MultiheadAttention(2, 8, key=KEY),
        "(query|key|value|output)_proj/weight  kernel  oi",
        f32(3, 5, 8),
        call=lambda model, x: jax.vmap(model)(x, x, x),
    ),
    "LSTMCell": layer(lambda: nn.LSTMCell(8, 12, key=KEY), LSTM, f32(3, 8), (H, H)),
    "GRUCell": layer(
        lambda: nn.GRUCell(8, 12, key=KEY),
        """
        weight_(ih|hh)  kernel  oi
        bias            bias    o   <- ./weight_ih
        bias_n          bias    o   <- ./weight_hh  # To a third of its outputs.
        """,
        f32(3, 8),
        H,
    ),
    "LayerNorm": layer(lambda: nn.LayerNorm(8), NORM),
    "GroupNorm": layer(lambda: nn.GroupNorm(4, 8), NORM, IMAGE),
    "RMSNorm": layer(lambda: nn.RMSNorm(8), NORM),
    "PReLU": layer(lambda: nn.PReLU(0.25), "negative_slope  scale  ()"),
    "MLP": layer(
        lambda: nn.MLP(8, 7, 12, 2, key=KEY),
        r"""
        layers/\d/weight  kernel  oi
        layers/\d/bias    bias    o   <- ./weight
        """,
    ),
    "MLPs as an ensemble": layer(
        lambda: eqx.filter_vmap(lambda key: nn.MLP(8, 7, 12, 1, key=key))(jax.random.split(KEY, 4)),
        # Each is of inputs of its own.
        r"""
        layers/\d/weight  kernel  boi
        layers/\d/bias    bias    oo   <- ./weight
        """,
        f32(4, 8),
        call=eqx.filter_vmap(one),
    ),
    "a scan over layers": layer(
        lambda: eqx.filter_vmap(lambda key: nn.Linear(8, 8, key=key))(jax.random.split(KEY, 4)),
        """
        weight  kernel  soi
        bias    bias    so   <- ./weight
        """,
        f32(8),
        call=scanned,
    ),
    "WeightNorm": layer(
        lambda: nn.WeightNorm(nn.Linear(8, 12, key=KEY)),
        # The kernel is divided by its norm along the inputs and multiplied by g, of each output.
        """
        layer/weight  kernel  oi
        layer/bias    bias    o   <- ./weight
        g             scale   oo
        """,
    ),
}
